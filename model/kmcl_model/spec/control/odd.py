"""Offers that no host should make, and what may be demanded of a guest all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["ODD_OFFERS"]

ODD_OFFERS: Final[Mapping[str, str]] = {
    "offer-relid-out-of-range": "V065",
    "offer-instance-taken": "V066",
    "offer-subchannel-without-primary": "V067",
}
"""By the name of the fault, the requirement: the guest takes the offer or ignores it. It lives, and
what it has taken it gives back."""
