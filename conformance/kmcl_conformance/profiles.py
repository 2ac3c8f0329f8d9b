"""Profiles: what a certification is about, and which ends of it are driven and observed.

An end that is not observed may do whatever its role allows. What can only be seen with both ends
at hand is then not exercised, and said to be so.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kmcl_adapters import AdapterError, Description
from kmcl_model.spec import Automata
from kmcl_model.spec.specification import ENDPOINTS

from .subjects import KMCL, VMBUS, Subject

__all__ = ["FULL", "PROFILES", "Profile", "choose", "profile_for"]

FULL: Final = "full"


class Profile(NamedTuple):
    """The subject of a certification, and the ends of it that are at hand."""

    name: str
    subject: Subject
    ends: tuple[str, ...]

    def specification(self) -> Automata:
        """Fresh automata of these ends."""
        return self.subject.specification(self.ends)


PROFILES: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile(FULL, KMCL, ENDPOINTS),
        Profile("client-uio", KMCL, ("client",)),
        Profile("linux-vmbus", VMBUS, VMBUS.ends),
    )
}
"""Every profile, by name."""


def choose(description: Description, wanted: str | None = None) -> str:
    """The profile for an implementation: the one that is wanted, or that fits the ends it plays.

    Raises AdapterError where the wanted one needs other ends.
    """
    fitting = _fitting(description)
    if wanted is None or wanted == fitting:
        return fitting
    every = dict.fromkeys(end for profile in PROFILES.values() for end in profile.ends)
    played = " and ".join(end for end in every if end in description.capabilities) or "neither end"
    raise AdapterError(
        f"{description.name} plays {played}, and --profile {wanted} is about "
        f"{' and '.join(PROFILES[wanted].ends)}; use --profile {fitting}"
    )


def profile_for(description: Description) -> Profile:
    """The profile that fits the ends an implementation plays."""
    return PROFILES[_fitting(description)]


def _fitting(description: Description) -> str:
    for name, profile in PROFILES.items():
        subject = profile.subject
        if profile.ends == tuple(e for e in subject.ends if e in description.capabilities):
            return name
    return FULL
