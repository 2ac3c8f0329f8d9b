"""The host's side of the VMBus control protocol: a host that behaves, as far as its rules let it.

What the guest posts and signals is handled inside its hypercall, in the processor's thread:
answers are immediate and in order. Everything is under one lock, ``changed``, whose condition
tells of every entry of the trace.
"""

from __future__ import annotations

import copy
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .channel import HostChannel, HostOffer, HostOpening, Listener, State
from .control import Control, Status
from .gpadl import GpadlTable
from .machine import PAGE, SINT, Machine
from .messages import LONGEST, Unreadable, decode, encode
from .pages import PageSet
from .rules import Rule, Rules
from .slot import MessageSlot
from .trace import GUEST, HOST, Entry, Trace
from .underway import Held, Later, Underway, by_timer

__all__ = ["SOUND", "HostParts", "HostState", "VmbusHost"]

_POST_MESSAGE, _SIGNAL_EVENT = 0x5C, 0x5D
_INPUT: Final = struct.Struct("<4I")
_CHANNEL_MESSAGE: Final = 1
_ENDS: Final = ("INITIATE_CONTACT", "UNLOAD")
"""With these a guest leaves behind all that there was before."""
_EVENT_BYTES: Final = 256
_ENABLED: Final = 1
_RELIDS: Final = 2047
_MONITOR_GROUPS: Final = 8
"""Offset in a monitor page of the first group's word; each group has 8 bytes."""


class HostParts(NamedTuple):
    """The classes a host is assembled from: the seam where defects are put in."""

    control: type[Control] = Control
    slot: type[MessageSlot] = MessageSlot
    gpadls: type[GpadlTable] = GpadlTable
    rules: type[Rules] = Rules
    underway: type[Underway] = Underway


SOUND: Final = HostParts()
"""The host as it is meant to be."""


class HostState(NamedTuple):
    """For ``restore``."""

    attributes: dict[str, Any]
    channels: list[tuple[HostChannel, dict[str, Any]]]
    gpadls: GpadlTable
    slot: tuple[int | None, int]
    control: dict[str, Any]


class VmbusHost:
    """The host of one machine. ``later`` makes a call after so many seconds. ``written``: what may
    have been written here of its memory; ``busy``: so many of the next posts find no room;
    ``in_use``: the openings whose rings somebody here may still use, whatever the guest has done
    since."""

    def __init__(
        self,
        machine: Machine,
        *,
        parts: HostParts = SOUND,
        trace: Trace | None = None,
        later: Later = by_timer,
    ) -> None:
        self.machine = machine
        self.changed = threading.Condition(threading.RLock())
        self.trace = trace or Trace()
        self.rules = parts.rules()
        self.underway = parts.underway(later, self.changed)
        self.channels: dict[int, HostChannel] = {}
        self.in_use: list[HostOpening] = []
        self.parts = parts
        self.gpadls = self.no_gpadls()
        self.slot = parts.slot(machine)
        self.crashes = 0
        self.written = PageSet(len(machine.memory) // PAGE)
        self.busy = 0
        self._message_pages: dict[int, int] = {}
        self._event_pages: dict[int, int] = {}
        self._last_relid = 0
        self.control = parts.control(self)

    @property
    def held(self) -> list[Held]:
        """The messages that rules hold."""
        return self.underway.held

    def no_gpadls(self) -> GpadlTable:
        """As many as a connection begins with."""
        return self.parts.gpadls(len(self.machine.memory) // PAGE)

    # From the guest

    def synic_changed(self, vp: int, control: int, events: int, messages: int) -> None:
        """The guest has set up, or taken down, the pages of a processor."""
        with self.changed:
            for pages, value in ((self._message_pages, messages), (self._event_pages, events)):
                address = value & ~(PAGE - 1)
                self.written.add(address // PAGE)
                on = value & _ENABLED and address + PAGE <= len(self.machine.memory)
                if on and (pages is self._event_pages or control & _ENABLED):
                    pages[vp] = address
                else:
                    pages.pop(vp, None)
            self.direct_messages(self.slot.vp)

    def direct_messages(self, vp: int) -> None:
        """Messages go to this processor from now on."""
        self.slot.vp = vp
        self.slot.page = self._message_pages.get(vp)
        self.slot.flush()

    def message_taken(self, vp: int) -> None:
        """The guest may have emptied a slot."""
        with self.changed:
            if vp == self.slot.vp:
                self.slot.flush()

    def crashed(self) -> None:
        """The guest panics."""
        with self.changed:
            self.crashes += 1
            self.note(GUEST, "CRASH", {})

    def hypercall(self, vp: int, code: int, fast: bool, first: int, second: int) -> int:
        """A hypercall; its status."""
        with self.changed:
            if code == _SIGNAL_EVENT:
                return self._signal(fast, first)
            if code != _POST_MESSAGE or fast:
                return Status.INVALID_CODE
            return self._post(first)

    def _signal(self, fast: bool, first: int) -> int:
        if not fast:
            if not 0 <= first <= len(self.machine.memory) - 8:
                return Status.INVALID_ALIGNMENT
            (first,) = struct.unpack_from("<Q", self.machine.memory, first)
        connection = first & 0xFFFFFFFF
        for channel in self.channels.values():
            if channel.connection_id == connection and channel.state != State.WAITING:
                self.guest_signalled(channel)
                return Status.SUCCESS
        self.note(GUEST, "SIGNAL", {"child_relid": 0}, f"no channel has connection {connection:#x}")
        return Status.INVALID_CONNECTION

    def guest_signalled(self, channel: HostChannel, **how: int) -> None:
        """By a hypercall, or by its bit in the ``monitor`` page."""
        channel.signals += 1
        self.note(GUEST, "SIGNAL", {"child_relid": channel.relid} | how)
        opening = channel.opening
        if channel.listener is not None and opening is not None and opening.rings is not None:
            channel.listener.signalled(channel)

    def _post(self, place: int) -> int:
        memory = self.machine.memory
        if place % 8 or place + _INPUT.size + LONGEST > len(memory):
            return Status.INVALID_ALIGNMENT
        connection, _, kind, size = _INPUT.unpack_from(memory, place)
        if kind != _CHANNEL_MESSAGE or size > LONGEST:
            return Status.INVALID_PARAMETER
        data = bytes(memory[place + _INPUT.size : place + _INPUT.size + size])  # copied once
        try:
            message = decode(data)
        except Unreadable as why:
            self.note(GUEST, "UNREADABLE", {"bytes": data.hex()}, str(why))
            return Status.SUCCESS
        if self.busy:
            self.busy -= 1
            self.note(GUEST, message.name, message.fields, "refused: no room")
            return Status.INSUFFICIENT_BUFFERS
        rule = self.rules.take(message.name, message.fields).passage
        if rule is not None and rule.action == "refuse":
            self.note(GUEST, message.name, message.fields, f"refused with {int(rule.value):#x}")
            return int(rule.value)
        if not self.control.is_connected(connection, message):
            self.note(GUEST, message.name, message.fields, f"posted to {connection:#x}")
            return Status.INVALID_CONNECTION

        def handle() -> None:
            if message.name in _ENDS:
                self.underway.clear()
            if why := self.control.handle(message, connection):
                self.note(HOST, "IGNORED", {"name": message.name}, why)

        self.note(GUEST, message.name, self.control.told(message), rule.action if rule else "")
        self._by_rule(rule, GUEST, message.name, message.fields, handle)
        return Status.SUCCESS

    def scan_monitor(self) -> None:
        """Look for the bits of monitored channels, as the hypervisor does from time to time."""
        with self.changed:
            page = self.control.monitor_page
            for channel in list(self.channels.values()) if page else ():
                number = channel.offer.monitor
                if number is None:
                    continue
                at = page + _MONITOR_GROUPS + 8 * (number // 32)
                bit = 1 << number % 32
                if self.machine.words[at // 4] & bit:
                    self.machine.clear_bits(at, bit)
                    self.guest_signalled(channel, monitor=number)

    # To the guest

    def send(self, name: str, **fields: Any) -> Mapping[str, Any]:
        """Send a message, as the rules have it; its fields as the guest will read them."""
        with self.changed:
            ruling = self.rules.take(name, fields)
            if ruling.failure is not None:
                fields |= self.control.failure(name, int(ruling.failure.value))
            payload = encode(name, fields)
            noted = ", ".join(r.action for r in ruling if r is not None and r.action != "hold")

            def deliver() -> None:
                self.slot.put(payload, lambda: self.note(HOST, name, fields, noted))

            self._by_rule(ruling.passage, HOST, name, fields, deliver)
            return fields

    def send_bytes(self, payload: bytes) -> None:
        """Send anything as a message. Raises ValueError for what is too long."""
        if len(payload) > LONGEST:
            raise ValueError(f"{len(payload)} bytes; a message has {LONGEST} at most")
        with self.changed:
            fields = {"bytes": payload.hex()}
            self.slot.put(payload, lambda: self.note(HOST, "BYTES", fields))

    def signal(self, channel: HostChannel) -> None:
        """Raise the channel's event flag and interrupt its processor. Raises ValueError."""
        if not 0 <= channel.relid <= _RELIDS:
            raise ValueError(f"channel {channel.relid} has no event flag; 0 to {_RELIDS} have")
        with self.changed:
            self.note(HOST, "SIGNAL", {"child_relid": channel.relid})
            page = self._event_pages.get(channel.target_vp)
            if page is not None:
                word = page + SINT * _EVENT_BYTES + channel.relid // 32 * 4
                self.machine.set_bits(word, 1 << channel.relid % 32)
                self.machine.interrupt(channel.target_vp)

    def _by_rule(
        self,
        rule: Rule | None,
        sender: str,
        name: str,
        fields: Mapping[str, Any],
        go_on: Callable[[], object],
    ) -> None:
        action, value = (rule.action, rule.value) if rule else ("", 0.0)
        match action:
            case "drop":
                self.note(HOST, "DROPPED", {"name": name})
            case "hold":
                self.underway.hold(Held(sender, name, fields, go_on))
                self.note(HOST, "HELD", {"name": name})
            case "delay":
                self.underway.delay(value, go_on)
            case "repeat":
                for _ in range(1 + int(value)):
                    go_on()
            case _:
                go_on()

    def release(self, place: int = 0) -> Held:
        """Let a held message go on. Raises IndexError where there is none."""
        with self.changed:
            return self.underway.release(place)

    # Channels

    def offer(
        self, offer: HostOffer | None = None, listener: Listener | None = None
    ) -> HostChannel:
        """Offer a channel: now; when the guest asks for offers; or when it has released the one of
        the same instance that was rescinded. Raises ValueError."""
        with self.changed:
            complete = (offer or HostOffer()).complete()
            channel = HostChannel(complete, self._free_relid(), listener)
            self.channels[channel.relid] = channel
            self.control.announce()
            return channel

    def _free_relid(self) -> int:
        for _ in range(_RELIDS):
            self._last_relid = self._last_relid % _RELIDS + 1
            if self._last_relid not in self.channels:
                return self._last_relid
        raise ValueError(f"all {_RELIDS} channel ids are in use")

    def rescind(self, channel: HostChannel) -> None:
        """Take the offer back. Whoever serves the channel must leave its rings."""
        with self.changed:
            self.control.leave(channel)
            if channel.state == State.WAITING:
                channel.state = State.RELEASED
                del self.channels[channel.relid]
            elif channel.state not in (State.RESCINDED, State.RELEASED):
                channel.state = State.RESCINDED
                self.send("RESCIND_CHANNELOFFER", child_relid=channel.relid)

    def answer_open(self, opening: HostOpening, status: int) -> None:
        """The answer of whoever serves the channel to the guest's wish to open it; without effect
        where the guest has given up."""
        with self.changed:
            self.control.answer_open(opening, status)

    def let_go(self, opening: HostOpening) -> None:
        """Whoever serves the channel does not use these rings any more; again does nothing."""
        with self.changed:
            if opening in self.in_use:
                self.in_use.remove(opening)
                self.control.catch_up()
                self.changed.notify_all()

    def await_release(self, limit: float = 5.0) -> None:
        """Until nobody here uses any rings. Raises TimeoutError after ``limit`` seconds."""
        with self.changed:
            if not self.changed.wait_for(lambda: not self.in_use, limit):
                raise TimeoutError(f"rings are still in use after {limit:g} s")

    def machine_reset(self) -> None:
        """The machine begins anew: nobody is connected, and no pages are set up. Its memory may
        be another's after ``await_release``."""
        with self.changed:
            self.underway.clear()
            self.control.forget()
            self._message_pages.clear()
            self._event_pages.clear()
            self.direct_messages(0)
            self.note(HOST, "RESET", {})

    # For tests

    def note(self, sender: str, name: str, fields: Mapping[str, Any], note: str = "") -> Entry:
        """One more entry of the trace."""
        entry = self.trace.add(sender, name, fields, note)
        self.changed.notify_all()
        return entry

    def wait_for(self, name: str, since: int = 0, limit: float = 20.0, **fields: Any) -> Entry:
        """The first such entry, waiting for it. Raises TimeoutError after ``limit`` seconds."""
        with self.changed:
            found = self.changed.wait_for(lambda: self.trace.find(name, since, **fields), limit)
            if found is None:
                seen = ", ".join(entry.name for entry in self.trace.since(since)) or "nothing"
                raise TimeoutError(f"{name} {fields} did not come; {seen[-500:]} did")
            return found

    # State

    _OWN: Final = ("channels", "_message_pages", "_event_pages", "_last_relid", "crashes", "busy")

    def save(self) -> HostState:
        """With the machine paused, no message held, delayed or waiting, no channel open, and no
        rings in use. Raises ValueError."""
        with self.changed:
            if self.slot.waiting or not self.underway.is_empty:
                raise ValueError("messages are on their way; save at a quiet moment")
            if self.in_use or any(channel.opening for channel in self.channels.values()):
                raise ValueError("a channel is open; save with all of them closed")
            return HostState(
                {name: copy.copy(getattr(self, name)) for name in self._OWN},
                [(channel, dict(vars(channel))) for channel in self.channels.values()],
                self.gpadls.copy(),
                (self.slot.page, self.slot.vp),
                self.control.save(),
            )

    def restore(self, state: HostState) -> None:
        """As it was saved; the trace goes on. The machine is paused. Whoever serves a channel that
        is open hears that the guest has left; memory may come back after ``await_release``."""
        with self.changed:
            self.rules.clear()
            self.underway.clear()
            self.slot.clear()
            self.control.restore(state.control)
            for channel in self.channels.values():
                self.control.leave(channel)
                channel.state = State.RELEASED
            for name, value in state.attributes.items():
                setattr(self, name, copy.copy(value))
            for channel, attributes in state.channels:
                vars(channel).update(attributes)
            self.gpadls = state.gpadls.copy()
            self.slot.page, self.slot.vp = state.slot
            self.note(HOST, "REWIND", {})
