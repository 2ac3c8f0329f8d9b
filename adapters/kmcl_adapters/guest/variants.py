"""Legal variants of the guest: the reference with other habits that real kernels have.

``guest-variant:NAME`` or ``guest-variant:NAME+NAME`` names one or several.
"""

from __future__ import annotations

from typing import Final

from kmcl_adapters.variants import Variant, changes_of
from kmcl_model.control import VERSIONS, version

from .adapter import GuestAdapter
from .kernel import LINUX_6_12

__all__ = ["GUEST_VARIANTS", "create"]

_V = Variant
GUEST_VARIANTS: Final[dict[str, Variant]] = {
    v.name: v
    for v in (
        _V(
            "linux-6.1",
            ("W10:R2",),
            "a write to the device does not signal the host (before 6.10)",
            {"signals": False},
        ),
        _V(
            "linux-6.15",
            ("W05:R2", "W07:R2"),
            "the load waits for the offers, and only networks have buffers besides the rings",
            {"waits_for_offers": True, "buffers": False},
        ),
        _V(
            "load-waits-for-drivers",
            ("W05:R2",),
            "the load waits for the offers, and until the drivers it brings have their devices",
            {"waits_for_offers": True, "waits_for_drivers": True},
        ),
        _V(
            "confidential",
            ("W01:R2",),
            "version 6.0 is proposed first",
            {"versions": tuple(v for v in VERSIONS if v >= version(2, 4))},
        ),
        _V(
            "before-5.0",
            ("W01:R2",),
            "4.1 is the highest version that is known",
            {"versions": tuple(v for v in VERSIONS if v <= version(4, 1))},
        ),
        _V(
            "open-id-of-its-own",
            ("W02:R2",),
            "the open id is not the relid",
            {"openid_is_relid": False},
        ),
        _V(
            "closes-what-was-rescinded",
            ("W03:R2",),
            "a channel that is open when it is rescinded is closed before it is released",
            {"closes_rescinded": True},
        ),
        _V(
            "releases-open-subchannels",
            ("W04:R1",),
            "a subchannel that is open when it is rescinded is released at once",
            {"keeps_open_subchannels": False},
        ),
        _V(
            "no-release-after-unload",
            ("W06:R1",),
            "UNLOAD stands for the release of every channel",
            {"releases_after_unload": False},
        ),
        _V(
            "closes-at-handover",
            ("W11:R2",),
            "drivers close their channels before another kernel takes over",
            {"closes_at_handover": True},
        ),
        _V(
            "counted-bodies",
            ("W08:R2",),
            "GPADL_BODY has a message number",
            {"counts_bodies": True},
        ),
        _V(
            "takes-odd-offers",
            ("W13:R2",),
            "an offer that no host should make is taken like any other",
            {"takes_odd_offers": True},
        ),
        _V(
            "reads-bare-messages",
            ("W12:R2",),
            "of a message that is nothing but its type no length is demanded",
            {"reads_bare_messages": True},
        ),
        _V(
            "other-errors",
            ("W09/gpadl:R2", "W09/open:R2", "W09/rescind:R2"),
            "an open that fails gives EIO whatever the reason",
            {"errors": (5, 5, 5)},
        ),
    )
}
"""Every variant, by name."""


def create(argument: str) -> GuestAdapter:
    """The guest with one or several other habits, joined by ``+``."""
    habits = LINUX_6_12._replace(**changes_of(argument, GUEST_VARIANTS))
    return GuestAdapter(f"guest-variant:{argument}", habits=habits)
