"""Profiles: which ends of the channel a certification drives and observes, and what is known of
the other one.

An end that is not observed may do whatever its role allows, unless the profile knows what kind of
host it is. What can only be seen with both ends at hand is then not exercised, and said to be so.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kmcl_adapters import AdapterError, Description
from kmcl_model.spec import Specification
from kmcl_model.spec.specification import ENDPOINTS

from .hosts import HOSTS

__all__ = ["FULL", "PROFILES", "Profile", "choose"]

FULL: Final = "full"


class Profile(NamedTuple):
    """The ``ends`` that are driven and observed. ``host``: the kind of host at the other end, by
    its name in ``HOSTS``; a capability of that name tells that it is one."""

    ends: tuple[str, ...] = ENDPOINTS
    host: str = ""

    def specification(self) -> Specification:
        """What is judged by, for a new run."""
        return Specification(self.ends, HOSTS.get(self.host))


PROFILES: Final[dict[str, Profile]] = {
    FULL: Profile(),
    "client-uio": Profile(("client",)),
    "client-uio-dynmem": Profile(("client",), "dynmem"),
}
"""The profiles by name; of those with the same ends the one that knows most comes last."""


def choose(description: Description, wanted: str | None = None) -> str:
    """The profile for an implementation: the one that is wanted, or that fits the ends it plays
    and the host it plays with.

    Raises AdapterError where the wanted one needs other ends or another host.
    """
    plays = tuple(end for end in ENDPOINTS if end in description.capabilities)
    known = {"", *(name for name in HOSTS if name in description.capabilities)}
    fitting = [name for name, p in PROFILES.items() if p.ends == plays and p.host in known]
    best = fitting[-1] if fitting else FULL
    if wanted is None or wanted in fitting or wanted == best:
        return wanted or best
    profile = PROFILES[wanted]
    if profile.ends == plays:
        raise AdapterError(
            f"{description.name} is not known to have the host {profile.host} that "
            f"--profile {wanted} is about; use --profile {best}"
        )
    played = " and ".join(plays) or "neither end"
    raise AdapterError(
        f"{description.name} plays {played}, and --profile {wanted} is about "
        f"{' and '.join(profile.ends)}; use --profile {best}"
    )
