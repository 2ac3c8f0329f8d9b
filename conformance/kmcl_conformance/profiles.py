"""Profiles: what a certification is about, which ends of it are driven and observed, and what is
known of the other one.

An end that is not observed may do whatever its role allows, unless the profile knows what kind of
host it is. What can only be seen with both ends at hand is then not exercised, and said to be so.
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
    """The subject of a certification, and the ends of it that are driven and observed. ``host``:
    the kind of host at the other end, by its name in ``HOSTS``; a capability of that name tells
    that it is one."""

    name: str
    subject: Subject
    ends: tuple[str, ...]
    host: str = ""

    def specification(self) -> Automata:
        """What is judged by, for a new run."""
        return self.subject.specification(self.ends, self.host)

    def fits(self, description: Description) -> bool:
        """Whether an implementation plays just these ends, with such a host."""
        plays = tuple(end for end in self.subject.ends if end in description.capabilities)
        return plays == self.ends and self.host in ("", *description.capabilities)


PROFILES: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile(FULL, KMCL, ENDPOINTS),
        Profile("client-uio", KMCL, ("client",)),
        Profile("client-uio-dynmem", KMCL, ("client",), "dynmem"),
        Profile("linux-vmbus", VMBUS, VMBUS.ends),
    )
}
"""The profiles by name; of those with the same ends the one that knows most comes last."""


def choose(description: Description, wanted: str | None = None) -> str:
    """The profile for an implementation: the one that is wanted, or that fits the ends it plays
    and the host it plays with.

    Raises AdapterError where the wanted one needs other ends or another host.
    """
    best = profile_for(description).name
    if wanted is None or wanted == best or PROFILES[wanted].fits(description):
        return wanted or best
    profile = PROFILES[wanted]
    if profile._replace(host="").fits(description):
        raise AdapterError(
            f"{description.name} is not known to have the host {profile.host} that "
            f"--profile {wanted} is about; use --profile {best}"
        )
    every = dict.fromkeys(end for profile in PROFILES.values() for end in profile.ends)
    played = " and ".join(end for end in every if end in description.capabilities) or "neither end"
    raise AdapterError(
        f"{description.name} plays {played}, and --profile {wanted} is about "
        f"{' and '.join(profile.ends)}; use --profile {best}"
    )


def profile_for(description: Description) -> Profile:
    """The profile that fits an implementation best."""
    fitting = [profile for profile in PROFILES.values() if profile.fits(description)]
    return fitting[-1] if fitting else PROFILES[FULL]
