"""Profiles: which ends of the channel a certification drives and observes.

An end that is not observed may do whatever its role allows. What can only be seen with both ends
at hand is then not exercised, and said to be so.
"""

from __future__ import annotations

from typing import Final

from kmcl_adapters import AdapterError, Description
from kmcl_model.spec.specification import ENDPOINTS

__all__ = ["FULL", "PROFILES", "choose"]

FULL: Final = "full"

PROFILES: Final[dict[str, tuple[str, ...]]] = {FULL: ENDPOINTS, "client-uio": ("client",)}
"""The ends of each profile, by name."""


def choose(description: Description, wanted: str | None = None) -> str:
    """The profile for an implementation: the one that is wanted, or that fits the ends it plays.

    Raises AdapterError where the wanted one needs other ends.
    """
    plays = tuple(end for end in ENDPOINTS if end in description.capabilities)
    fitting = next((name for name, ends in PROFILES.items() if ends == plays), FULL)
    if wanted is None or wanted == fitting:
        return fitting
    played = " and ".join(plays) or "neither end"
    raise AdapterError(
        f"{description.name} plays {played}, and --profile {wanted} is about "
        f"{' and '.join(PROFILES[wanted])}; use --profile {fitting}"
    )
