"""Hosts with one defect each, which the conversations of the tests must find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from kmcl_adapters.uio.bus import Link

from .bus import HostBus
from .channel import HostChannel, HostOpening, State
from .control import Control
from .gpadl import Gpadl, GpadlTable, Range
from .host import HostParts
from .messages import Message
from .rules import Rules, Ruling
from .slot import MessageSlot
from .underway import Underway

__all__ = ["BUS_MUTANTS", "MUTANTS", "HostMutant"]


class HostMutant(NamedTuple):
    """``stands_for``: the mistake as it is made in real life."""

    parts: HostParts
    stands_for: str


class _LooksOnce(MessageSlot):
    def _is_empty(self, slot: int) -> bool:
        if not self._machine.words[slot // 4]:
            return True
        self._machine.memory[slot + 5] = 1
        self._machine.fence()
        return False


class _NeverAsks(MessageSlot):
    def _is_empty(self, slot: int) -> bool:
        return not self._machine.words[slot // 4]


class _Overwrites(MessageSlot):
    def _is_empty(self, slot: int) -> bool:
        return True


class _OneInterrupt(MessageSlot):
    def _write(self, slot: int, payload: bytes) -> None:
        before = len(self._machine.interrupts)  # type: ignore[attr-defined]
        super()._write(slot, payload)
        if before:
            self._machine.interrupts.pop()  # type: ignore[attr-defined]


class _HeaderOnly(GpadlTable):
    def body(self, message: Message) -> Gpadl | None:
        self._growing.pop(message.fields["gpadl"], None)
        return None


class _BelievesFrames(GpadlTable):
    def __init__(self, pages: int) -> None:
        super().__init__(1 << 52)


class _ForgetsTheLast(GpadlTable):
    def _grow(self, handle: int, data: bytes) -> Gpadl | None:
        found = super()._grow(handle, data)
        if found is not None and found.ranges and len(found.frames) > 26:
            (entry,) = found.ranges
            shorter = Range(entry.length, entry.offset, entry.frames[:-1])
            found = self.complete[handle] = found._replace(ranges=(shorter,))
        return found


class _TakesHandlesTwice(GpadlTable):
    def header(self, message: Message) -> Gpadl | None:
        self.complete.pop(message.fields["gpadl"], None)
        return super().header(message)


class _TearsDownEarly(Control):
    def catch_up(self) -> None:
        for handle in self.tearing_down:
            self.host.send("GPADL_TORNDOWN", gpadl=handle)
        self.tearing_down.clear()
        super().catch_up()


class _OffersAtOnce(Control):
    def announce(self) -> None:
        if self.offers_asked:
            for channel in list(self.host.channels.values()):
                if channel.state == State.WAITING:
                    channel.state = State.OFFERED
                    self.host.send("OFFERCHANNEL", **channel.fields())


class _OffersUnasked(Control):
    def announce(self) -> None:
        self.offers_asked = bool(self.agreed)
        super().announce()


class _AnswersAfterRescind(Control):
    def answer_open(self, opening: HostOpening, status: int) -> None:
        if opening.channel.state == State.RESCINDED:
            opening.channel.state = State.OPENING
            opening.channel.opening = opening
        super().answer_open(opening, status)


class _OpensRescinded(Control):
    def open(self, message: Message) -> None:
        channel = self.channel(message)
        if channel.state == State.RESCINDED:
            channel.state = State.OFFERED
        super().open(message)


class _KeepsChannels(Control):
    def forget(self) -> None:
        self.agreed = 0
        self.host.slot.clear()


class _AnyVersion(Control):
    def contact(self, message: Message, connection: int) -> None:
        known = dict(message.fields) | {"vmbus_version_requested": 0x50003}
        super().contact(message._replace(fields=known), connection)


class _AnyConnection(Control):
    def is_connected(self, connection: int, message: Message) -> bool:
        return True


class _AnyGpadl(Control):
    def open(self, message: Message) -> None:
        table = self.host.gpadls.complete
        handle = message.fields["ring_buffer_gpadlhandle"]
        if handle in table:
            table[handle] = table[handle]._replace(relid=message.fields["child_relid"])
        super().open(message)


class _AnswersClose(Control):
    def close(self, message: Message) -> None:
        super().close(message)
        relid = message.fields["child_relid"]
        self.host.send("OPENCHANNEL_RESULT", child_relid=relid, openid=relid, status=0)


class _KeepsReleased(Control):
    def released(self, message: Message) -> None:
        self.channel(message)


class _ForgetsModify(Control):
    def modify(self, message: Message) -> None:
        target = self.channel(message).target_vp
        super().modify(message)
        self.channel(message).target_vp = target


class _ReopensAtOnce(Control):
    def is_free(self, channel: HostChannel) -> bool:
        return True


class _ForgetsTheReopening(Control):
    def catch_up(self) -> None:
        self.reopening.clear()
        super().catch_up()


class _AnswersTheNext(Control):
    def answer_open(self, opening: HostOpening, status: int) -> None:
        super().answer_open(opening.channel.opening or opening, status)


class _OpensWhatWasGivenUp(Control):
    def close(self, message: Message) -> None:
        channel = self.channel(message)
        waiting = channel.opening if channel.opening in self.reopening else None
        super().close(message)
        channel.opening = waiting


class _ReopensWhatWasRescinded(Control):
    def leave(self, channel: HostChannel) -> None:
        waiting = channel.opening if channel.opening in self.reopening else None
        super().leave(channel)
        channel.opening = waiting


class _TakesHandlesEarly(Control):
    def gpadl_header(self, message: Message) -> None:
        waiting, self.tearing_down = self.tearing_down, []
        super().gpadl_header(message)
        self.tearing_down = waiting


class _UnloadsAtOnce(Control):
    def unload(self, message: Message) -> None:
        self.forget()
        self.host.send("UNLOAD_RESPONSE")


class _LooksAtChannelsOnly(Control):
    def drop(self, channel: HostChannel) -> None:
        super().drop(channel)
        self.host.in_use = [o for o in self.host.in_use if o.channel is not channel]


class _AgreesAtOnce(Control):
    def contact(self, message: Message, connection: int) -> None:
        self.forget()
        self.connection = connection
        self.agree(message, connection)


class _AnswersEveryFarewell(Control):
    def part(self, connection: int, farewell: Callable[[], object]) -> None:
        earlier = self.farewell or (lambda: None)
        super().part(connection, lambda: (earlier(), farewell()))


class _KeepsTheFarewell(Control):
    def forget(self) -> None:
        farewell = self.farewell
        super().forget()
        self.farewell = farewell


class _KeepsMessages(Underway):
    def clear(self) -> None:
        self._delayed.clear()


class _KeepsTimers(Underway):
    def clear(self) -> None:
        self.held.clear()


class _SavesWithTimers(Underway):
    @property
    def is_empty(self) -> bool:
        return not self.held


class _OneRuleEach(Rules):
    def take(self, name: str, fields: Mapping[str, Any]) -> Ruling:
        if (failure := self._first(name, fields, True)) is not None:
            return Ruling(None, failure)
        return super().take(name, fields)


class _KeepsGpadls(GpadlTable):
    def forget(self, relid: int) -> None:
        pass


def _control(part: type[Control], stands_for: str) -> HostMutant:
    return HostMutant(HostParts(control=part), stands_for)


def _slot(part: type[MessageSlot], stands_for: str) -> HostMutant:
    return HostMutant(HostParts(slot=part), stands_for)


def _underway(part: type[Underway], stands_for: str) -> HostMutant:
    return HostMutant(HostParts(underway=part), stands_for)


def _gpadls(part: type[GpadlTable], stands_for: str) -> HostMutant:
    return HostMutant(HostParts(gpadls=part), stands_for)


MUTANTS: Final[Mapping[str, HostMutant]] = {
    "looks-once": _slot(_LooksOnce, "the slot was emptied before the request was seen"),
    "never-asks": _slot(_NeverAsks, "the guest is not asked to tell that the slot is empty"),
    "overwrites": _slot(_Overwrites, "a message is put over one that was not read"),
    "one-interrupt": _slot(_OneInterrupt, "only the first message raises an interrupt"),
    "header-only": _gpadls(_HeaderOnly, "page frames in bodies are lost"),
    "believes-frames": _gpadls(_BelievesFrames, "page frames are not checked"),
    "forgets-the-last": _gpadls(_ForgetsTheLast, "one frame too few where it is long"),
    "takes-handles-twice": _gpadls(_TakesHandlesTwice, "a handle in use is taken again"),
    "keeps-gpadls": _gpadls(_KeepsGpadls, "every offer of a device costs half a mebibyte"),
    "tears-down-early": _control(_TearsDownEarly, "memory that is in use is given back"),
    "offers-at-once": _control(_OffersAtOnce, "an instance comes back before it was released"),
    "offers-unasked": _control(_OffersUnasked, "offers before the guest has asked"),
    "answers-after-rescind": _control(_AnswersAfterRescind, "an open is answered too late"),
    "opens-rescinded": _control(_OpensRescinded, "a channel that was taken back is opened"),
    "keeps-channels": _control(_KeepsChannels, "a guest that begins anew finds its old channels"),
    "any-version": _control(_AnyVersion, "every version is known"),
    "any-connection": _control(_AnyConnection, "messages may be posted anywhere"),
    "any-gpadl": _control(_AnyGpadl, "the rings may be another channel's"),
    "answers-close": _control(_AnswersClose, "a close is answered"),
    "keeps-released": _control(_KeepsReleased, "an id is never free again"),
    "forgets-modify": _control(_ForgetsModify, "interrupts stay where they were"),
    "reopens-at-once": _control(_ReopensAtOnce, "two openings of one channel at a time"),
    "forgets-the-reopening": _control(_ForgetsTheReopening, "an open is never answered"),
    "answers-the-next": _control(_AnswersTheNext, "a late answer opens what came later"),
    "opens-what-was-given-up": _control(_OpensWhatWasGivenUp, "an open outlives its close"),
    "reopens-what-was-rescinded": _control(
        _ReopensWhatWasRescinded, "an open outlives the offer it is for"
    ),
    "takes-handles-early": _control(_TakesHandlesEarly, "a handle is used twice at a time"),
    "unloads-at-once": _control(_UnloadsAtOnce, "memory is written after the farewell"),
    "looks-at-channels-only": _control(
        _LooksAtChannelsOnly, "rings are forgotten with the channel's id"
    ),
    "agrees-at-once": _control(_AgreesAtOnce, "another kernel's memory is written"),
    "answers-every-farewell": _control(_AnswersEveryFarewell, "an answer to nobody's question"),
    "keeps-the-farewell": _control(_KeepsTheFarewell, "a new machine hears what the old one asked"),
    "keeps-messages": _underway(_KeepsMessages, "a held message reaches the next life"),
    "keeps-timers": _underway(_KeepsTimers, "a delayed message reaches an earlier moment"),
    "saves-with-timers": _underway(_SavesWithTimers, "a saved moment lacks what was to come"),
    "one-rule-each": HostMutant(HostParts(rules=_OneRuleEach), "one fault hides the other"),
}
"""By name."""


class _DeafToSignals(HostBus):
    def signalled(self, channel: HostChannel) -> None:
        pass


class _KeepsTheRings(HostBus):
    def _guest_left(self, opening: HostOpening) -> None:
        for link in (self._asked, self._link):
            if link is not None and link.opening is opening:
                link.down = True
                link.release = lambda: None  # type: ignore[method-assign]


class _LetsTheNextGo(HostBus):
    def leave(self, link: Link) -> None:
        super().leave(link)
        if self.channel is not None and self.channel.opening is not None:
            self._host.let_go(self.channel.opening)


class _LetsGoUnheard(HostBus):
    def left(self, opening: HostOpening) -> None:
        super().left(opening)
        self._host.let_go(opening)


class _KeepsRefusedRings(HostBus):
    refused = False

    def answer(self, link: Link, status: int) -> None:
        self.refused = bool(status)
        super().answer(link, status)

    def left(self, opening: HostOpening) -> None:
        if not self.refused:
            super().left(opening)


class _OpensAtOnce(HostBus):
    def accept(self, link: Link) -> None:
        super().accept(link)
        super().answer(link, 0)


class _ForgetsToRescind(HostBus):
    def withdraw(self) -> None:
        self.channel = None
        self._asked = None


class _HearsTheConnected(HostBus):
    def left(self, opening: HostOpening) -> None:
        if self._host.control.agreed:
            super().left(opening)


BUS_MUTANTS: Final[Mapping[str, type[HostBus]]] = {
    "deaf-to-signals": _DeafToSignals,
    "keeps-the-rings": _KeepsTheRings,
    "lets-the-next-go": _LetsTheNextGo,
    "lets-go-unheard": _LetsGoUnheard,
    "keeps-refused-rings": _KeepsRefusedRings,
    "opens-at-once": _OpensAtOnce,
    "forgets-to-rescind": _ForgetsToRescind,
    "hears-the-connected": _HearsTheConnected,
}
"""Defects of the server's side of a channel, by name."""
