"""The seam between the tests of the control protocol and whatever has a guest in its hands.

A port is a host with one guest: it sends control messages, makes the guest's user do things, and
tells what it saw, in exact order. The reference guest is one in memory; a real one is a VMBus host
with a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol, TypeAlias

from kmcl_model.control import MOST_RELIDS

__all__ = ["Field", "Gone", "HostPort", "Returned", "Seen", "Sent", "Signalled", "relid_of"]

_IDLE: Final = 77

Field: TypeAlias = int | str | bool


class Sent(NamedTuple):
    """A control message, of ``guest`` or ``host``, with the fields its structure has in Linux.

    The port tells of a message of the host when it hands it over; fields that no one judges may be
    there as well. ``flaw`` is what the test wanted to be wrong with it.
    """

    sender: str
    message: str
    fields: Mapping[str, Field]
    flaw: str = ""


class Signalled(NamedTuple):
    """A channel was signalled by ``sender``."""

    sender: str
    child_relid: int


class Returned(NamedTuple):
    """A call of the guest's user has returned with an errno, 0 for success."""

    by: str
    function: str
    errno: int


class Gone(NamedTuple):
    """The guest is lost: ``reason`` is ``crash``, ``hang``, ``flood`` or ``garbage``."""

    reason: str
    detail: str


Seen: TypeAlias = Sent | Signalled | Returned | Gone


class HostPort(Protocol):
    """A host with one guest whose bus driver is not loaded. No method raises for what a guest does
    wrong; it shows as ``Gone``."""

    def post(self, message: str, fields: Mapping[str, Field], flaw: str) -> None:
        """Send a message with exactly these fields, cut or mistyped if ``flaw`` says so."""

    def call(self, by: str, function: str, arguments: tuple[Field, ...]) -> None:
        """Make a thread of the guest's user begin one of ``kmcl_model.control.USER_CALLS``."""

    def act(self, endpoint: str, action: str) -> None:
        """``reset`` of the guest, ``busy`` of the host, a ``spurious`` signal to the guest: see
        ``relid_of``."""

    def ready(self) -> tuple[int, ...]:
        """The threads of work that could take a step; empty where nobody may choose."""

    def step(self, choice: int) -> None:
        """Let one of them take a step: number ``choice`` modulo how many there are."""

    def settle(self) -> None:
        """Return when nothing more will happen, or has for the stated idle time."""

    def take(self) -> list[Seen]:
        """What was seen since the last call, oldest first."""

    def close(self) -> None:
        """Give everything back; idempotent."""


def relid_of(action: str) -> int:
    """The relid that ``spurious RELID`` signals. ``spurious`` alone, as older cases have it, is a
    signal of one that no channel has. Raises ValueError for what has no event flag."""
    _, _, relid = action.partition(" ")
    if relid and not (relid.isdecimal() and relid.isascii() and int(relid) < MOST_RELIDS):
        raise ValueError(f"{action!r}: a relid is a number from 0 to {MOST_RELIDS - 1}")
    return int(relid or _IDLE)
