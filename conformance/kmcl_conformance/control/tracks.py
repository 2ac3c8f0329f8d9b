"""The tracks of a bus: the connection, the channels by their relids, the GPADLs by their ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Self

from kmcl_conformance.track import Follower, Pair, Track, shadow_of
from kmcl_model.control import GUEST
from kmcl_model.spec.control import ControlSpecification, Link

from .order import Order

__all__ = ["FREE", "ControlTracks", "link_of", "may_have_subchannels", "state_of"]

FREE: Final = ("released", "ignored")
"""The lives of a channel after which its relid can be offered anew."""


class ControlTracks(Follower):
    """What a judge of the control protocol follows, and what is known of each."""

    def __init__(self, specification: ControlSpecification, pairs: set[Pair] | None = None) -> None:
        super().__init__(specification.ends, pairs)
        self.specification = specification
        self.connection = Track("guest connection", specification.connection)
        self._cause = ""
        """What the test did last, if it is a fault that must have no consequence."""
        self.busy = False
        """The host had no room for a message, and the guest has not fallen silent since."""
        self._called: dict[str, Track] = {}
        self._processors = 0
        """How many the machine has; 0: nobody has told."""
        self._forget()

    def _forget(self) -> None:
        """A new connection: whatever was offered or established before is gone."""
        self.channels: dict[int, Track] = {}
        self.devices: dict[str, Track] = {}
        """The primary channel by the instance of the device."""
        self.primaries: dict[int, Track] = {}
        """The primary channel by the relid of the subchannel."""
        self.gpadls: dict[int, Track] = {}
        self.owner: dict[int, int] = {}
        """The relid for which a GPADL was made, by its id."""
        self.names: dict[int, dict[int, int]] = {}
        """The names of GPADLs by their ids, for each relid."""
        self.openid: dict[int, int] = {}
        self.odd: dict[int, str] = {}
        """What is odd about the offer of a relid: the name of the fault."""
        self._pages: dict[int, int] = {}
        self.order = Order()
        """The requests that are not answered."""
        self._torn: set[int] = set()
        """GPADLs that do not begin or end with a page, or have a page twice."""

    def fork(self) -> Self:
        """An independent judge that has seen the same events."""
        other = type(self)(self.specification, set())
        other.events, other.busy, other._cause = self.events, self.busy, self._cause
        other.connection.node = self.connection.node
        copies: dict[int, Track] = {}

        def copy(track: Track) -> Track:
            if id(track) not in copies:
                copies[id(track)] = Track(track.name, track.automaton)
                copies[id(track)].node = track.node
            return copies[id(track)]

        copies[id(self.connection)] = other.connection
        other.channels = {relid: copy(track) for relid, track in self.channels.items()}
        other.gpadls = {id_: copy(track) for id_, track in self.gpadls.items()}
        other._called = {by: copy(track) for by, track in self._called.items()}
        other.names = {relid: dict(names) for relid, names in self.names.items()}
        other.devices = {name: copy(track) for name, track in self.devices.items()}
        other.primaries = {relid: copy(track) for relid, track in self.primaries.items()}
        for name in ("owner", "openid", "odd", "_pages", "calls"):
            setattr(other, name, dict(getattr(self, name)))
        other.order = self.order.copy()
        other._torn, other._processors = set(self._torn), self._processors
        return other

    # Tracks -------------------------------------------------------------------------------

    def channel(self, relid: int) -> Track:
        """The channel of a relid, as new where nobody has offered it."""
        track = self.channels.get(relid)
        return self._new_channel(relid) if track is None else track

    def _new_channel(self, relid: int) -> Track:
        track = self.channels[relid] = Track(f"guest channel {relid}", self.specification.channel)
        self._take(track, shadow_of("bus", GUEST, self.connection.node))
        self.names[relid] = {}
        return track

    def _gpadl(self, number: int) -> Track:
        track = self.gpadls.get(number)
        if track is None:
            track = Track(f"guest gpadl {number}", self.specification.gpadl)
            self.gpadls[number] = track
        return track

    def _bus(self, event: Any) -> None:
        before = self.connection.node.summary
        self._take(self.connection, event)
        if self.connection.node.summary != before:
            shadow = shadow_of("bus", GUEST, self.connection.node)
            for track in self.channels.values():
                self._take(track, shadow)

    def _standing(self) -> Iterable[Track]:
        """The connection, and the channels that the guest may have."""
        there = [relid for relid in sorted(self.channels) if self.is_there(relid)]
        return (self.connection, *(self.channels[relid] for relid in there))

    def link(self, relid: int) -> Link:
        """What is told of a channel; of several explanations the first."""
        return link_of(self.channel(relid))

    def subchannels(self, relid: int) -> list[int]:
        """The relids of the subchannels of a channel."""
        primary = self.channels.get(relid)
        return [sub for sub, track in self.primaries.items() if track is primary]

    def phase(self, number: int) -> str:
        """The phase of a GPADL."""
        states: Any = self._gpadl(number).node.states
        return str(next(iter(states)).phase)

    def state(self, relid: int) -> Any:
        """The state of a channel; where the guest may have ignored its offer, as if it had not."""
        return state_of(self.channel(relid))

    def known(self) -> Any:
        """The state of the connection; where the guest may have taken a short message as whole, as
        if it had not."""
        states: Any = self.connection.node.states
        return min(states, key=lambda s: (s.phase == "gone", s.offered))

    def is_there(self, relid: int) -> bool:
        """Whether the guest may have a channel of that relid: it was offered and not released."""
        return relid in self.channels and self.state(relid).life not in (*FREE, "none")


def state_of(track: Track) -> Any:
    """The state of a channel; where the guest may have ignored its offer, as if it had not."""
    states: Any = track.node.states
    return max(states, key=lambda s: s.life != "ignored")


def link_of(track: Track) -> Link:
    """What a channel tells; of several explanations the first."""
    summary: Any = track.node.summary
    found: Link = summary[0]
    return found


def may_have_subchannels(primary: Link) -> bool:
    """Whether a subchannel can be opened; nothing is said of one whose primary was rescinded."""
    return primary.link in ("opening", "open") or primary.rescinded
