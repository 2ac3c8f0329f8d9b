"""What is known of a channel of the guest, and the questions that many rules ask."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.spec.observer import Move

from .bus import Bus

__all__ = [
    "ChannelState",
    "Link",
    "initial",
    "link_moves",
    "link_of",
    "offer_moves",
    "owes",
    "phase_of",
]


class Link(NamedTuple):
    """What others hear of a channel: whether the host ``owes`` it an answer, how its link stands,
    whether it is ``alive`` (offered, and not released), whether the host has taken it back."""

    owes: bool
    link: str
    alive: bool
    rescinded: bool


class ChannelState(NamedTuple):
    """``life``: none, offered, rescinding (the guest may not know yet), rescinded or released.

    ``link``: closed, opening, open, refused (the ring is still to be given back) or ending (closed,
    with the ring still to be given back). ``ring`` is the GPADL named when it was opened,
    ``gpadls`` those that are not free, with their phases; they have names of their own within the
    channel.
    ``target``: the processor that the host interrupts, ``asked`` the one it was asked to interrupt
    instead, ``wanted`` the one that the user wants.
    ``calls``: calls of the user in progress, with their callers; ``descriptors`` the successful
    opens; ``refused`` what the host has refused since; ``moving``: MODIFYCHANNEL_RESPONSE is due.
    """

    sub: bool = False
    life: str = "none"
    link: str = "closed"
    ring: int = 0
    gpadls: tuple[tuple[int, str], ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    descriptors: int = 0
    bound: bool = False
    refused: frozenset[str] = frozenset()
    moving: bool = False
    target: int = -1
    asked: int = -1
    wanted: int = -1
    signalled: bool = False
    odd: str = ""
    bus: Bus = Bus("up")
    assumed: tuple[str, ...] = ()


def initial() -> ChannelState:
    """A relid that nobody has offered."""
    return ChannelState()


def phase_of(s: ChannelState, gpadl: int) -> str:
    """The phase of a GPADL of the channel; ``free`` for any other."""
    return dict(s.gpadls).get(gpadl, "free")


def owes(s: ChannelState) -> bool:
    """Whether the host owes the channel an answer, so that it may wait."""
    waits = any(phase in ("asked", "leaving") for _, phase in s.gpadls)
    return waits or s.link == "opening" or s.moving


def offer_moves(*pairs: str) -> tuple[Move, ...]:
    """Transitions of the region ``offer``."""
    return tuple(Move("offer", *pair.split(">")) for pair in pairs)


def link_moves(*pairs: str) -> tuple[Move, ...]:
    """Transitions of the region ``link``."""
    return tuple(Move("link", *pair.split(">")) for pair in pairs)


def link_of(s: Any) -> Link:
    """What others hear of the channel."""
    alive = s.life in ("offered", "rescinding", "rescinded")
    return Link(owes(s), s.link, alive, s.life not in ("none", "offered"))
