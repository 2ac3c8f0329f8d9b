"""What a host does about each message of the guest: contact, offers, GPADLs, open and close."""

from __future__ import annotations

import copy
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from .channel import HostChannel, HostOpening, State, Unfit, rings_of
from .gpadl import Gpadl, Rejected
from .machine import PAGE
from .messages import LAYOUTS, Message

if TYPE_CHECKING:
    from .host import VmbusHost

__all__ = ["NEWEST", "Control", "Status", "version"]


class Status(IntEnum):
    """Of a hypercall."""

    SUCCESS = 0
    INVALID_CODE = 2
    INVALID_ALIGNMENT = 4
    INVALID_PARAMETER = 5
    INVALID_CONNECTION = 0x12
    INSUFFICIENT_BUFFERS = 0x13


def version(major: int, minor: int) -> int:
    """As the protocol writes it."""
    return major << 16 | minor


NEWEST: Final = version(5, 3)
_KNOWN: Final = frozenset(
    version(*pair)
    for pair in ((0, 13), (1, 1), (2, 4), (3, 0), (4, 0), (4, 1), (5, 0), (5, 1), (5, 2), (5, 3))
)
_OLD_CONNECTION: Final = 1
_NEW_CONNECTION: Final = 4
_FIRST_WITH_ID: Final = version(5, 0)
_FIRST_WITH_MODIFY_RESPONSE: Final = version(5, 3)
_INVALID: Final = 0xC000000D


class Control:
    """``refused``: versions that are known and refused all the same; ``agreed``: the version in
    use, 0 while there is none. Everything is called with the host's lock."""

    def __init__(self, host: VmbusHost) -> None:
        self.host = host
        self.refused: frozenset[int] = frozenset()
        self.agreed = 0
        self.connection = 0
        self.monitor_page = 0
        self.offers_asked = False
        self.tearing_down: list[int] = []
        """GPADLs of rings that somebody here still uses; the guest waits for them."""
        self.reopening: list[HostOpening] = []
        """Openings of channels whose earlier rings somebody here still uses."""
        self.farewell: Callable[[], object] | None = None
        """What ends a connection, as soon as nobody here uses any of its rings."""

    _STATE: tuple[str, ...] = ("refused", "agreed", "connection", "monitor_page", "offers_asked")

    def save(self) -> dict[str, Any]:
        """For ``restore``."""
        return {name: copy.copy(getattr(self, name)) for name in self._STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """As it was."""
        for name, value in state.items():
            setattr(self, name, copy.copy(value))
        self._wait_for_nothing()

    def _wait_for_nothing(self) -> None:
        self.tearing_down.clear()
        self.reopening.clear()
        self.farewell = None

    def is_connected(self, connection: int, message: Message) -> bool:
        """Whether a message may be posted to this connection now: to one that is ending, nothing
        but its end, again."""
        if message.name == "INITIATE_CONTACT":
            wanted = message.fields["vmbus_version_requested"]
            return connection == (_NEW_CONNECTION if wanted >= _FIRST_WITH_ID else _OLD_CONNECTION)
        ending = self.farewell is not None and message.name == "UNLOAD"
        return bool(self.agreed or ending) and connection == self.connection

    def handle(self, message: Message, connection: int) -> str:
        """Do what a message asks; why it was ignored, if it was."""
        if message.name == "INITIATE_CONTACT":
            self.contact(message, connection)
            return ""
        name = _HANDLERS.get(message.name)
        if name is None:
            return "a guest does not send this, or we do not serve it"
        try:
            getattr(self, name)(message)
        except Rejected as why:
            return str(why)
        return ""

    def told(self, message: Message) -> dict[str, Any]:
        """What the trace keeps of a message."""
        return message.fields

    def failure(self, name: str, status: int) -> dict[str, int]:
        """The fields that make an answer a failure."""
        fields = {LAYOUTS[name].status: status}
        return fields | {"version_supported": 0} if name == "VERSION_RESPONSE" else fields

    # The connection

    def contact(self, message: Message, connection: int) -> None:
        """A guest that begins, again perhaps: everything before is over first."""
        self.part(connection, lambda: self.agree(message, connection))

    def agree(self, message: Message, connection: int) -> None:
        """Answer a guest that nothing of before is left of."""
        fields = message.fields
        wanted = fields["vmbus_version_requested"]
        if fields["target_vcpu"] < self.host.machine.processors:
            self.host.direct_messages(fields["target_vcpu"])
        supported = wanted in _KNOWN and wanted not in self.refused
        answer = self.host.send(
            "VERSION_RESPONSE",
            version_supported=int(supported),
            connection_state=0,
            msg_conn_id=connection if wanted >= _FIRST_WITH_ID else 0,
        )
        if answer["version_supported"]:
            self.agreed = wanted
            page = fields["monitor_page2"] & ~(PAGE - 1)
            self.monitor_page = page if page + PAGE <= len(self.host.machine.memory) else 0
            self.host.written.add(page // PAGE)

    def unload(self, message: Message) -> None:
        """The guest wants to have nothing to do with us any more."""
        self.part(self.connection, lambda: self.host.send("UNLOAD_RESPONSE"))

    def part(self, connection: int, farewell: Callable[[], object]) -> None:
        """End the connection; ``farewell`` comes when nobody here uses the guest's memory any more,
        because the guest relies on that. What else was to come at its end never does."""
        self.forget()
        self.connection, self.farewell = connection, farewell
        self.catch_up()

    def forget(self) -> None:
        """No connection: channels are closed, GPADLs gone, ids released."""
        host = self.host
        self.agreed = self.connection = self.monitor_page = 0
        self.offers_asked = False
        self._wait_for_nothing()
        host.slot.clear()
        host.gpadls = host.no_gpadls()
        for channel in list(host.channels.values()):
            self.leave(channel)
            if channel.state == State.RESCINDED:
                self.drop(channel)
            else:
                channel.state = State.WAITING

    def request_offers(self, message: Message) -> None:
        """The guest wants to know what there is."""
        self.offers_asked = True
        for channel in self.host.channels.values():
            if channel.state == State.OFFERED:
                channel.state = State.WAITING
        self.announce()
        self.host.send("ALLOFFERS_DELIVERED")

    def announce(self) -> None:
        """Offer what waits for it, if the guest has asked, and has released its instance."""
        if not self.offers_asked:
            return
        taken = {
            channel.offer.instance
            for channel in self.host.channels.values()
            if channel.state != State.WAITING and not channel.offer.subchannel
        }
        for channel in list(self.host.channels.values()):
            if channel.state != State.WAITING:
                continue
            if not channel.offer.subchannel and channel.offer.instance in taken:
                continue
            taken.add(channel.offer.instance)
            channel.state = State.OFFERED
            self.host.send("OFFERCHANNEL", **channel.fields())

    def released(self, message: Message) -> None:
        """The guest has forgotten a channel that was rescinded."""
        channel = self.channel(message)
        if channel.state != State.RESCINDED:
            raise Rejected(f"channel {channel.relid} is {channel.state}, not rescinded")
        self.drop(channel)
        self.announce()

    def drop(self, channel: HostChannel) -> None:
        """Its id may be used again."""
        channel.state = State.RELEASED
        del self.host.channels[channel.relid]
        self.host.gpadls.forget(channel.relid)

    def channel(self, message: Message) -> HostChannel:
        """The channel that a message is about. Raises Rejected."""
        relid = message.fields["child_relid"]
        channel = self.host.channels.get(relid)
        if channel is None or channel.state == State.WAITING:
            raise Rejected(f"there is no channel {relid}")
        return channel

    # GPADLs

    def gpadl_header(self, message: Message) -> None:
        """A GPADL begins. One of a rescinded channel is answered all the same."""
        self.channel(message)
        handle = message.fields["gpadl"]
        if handle in self.tearing_down:
            raise Rejected(f"GPADL {handle} is not torn down yet")
        self.gpadl_created(self.host.gpadls.header(message))

    def gpadl_body(self, message: Message) -> None:
        """A GPADL goes on."""
        self.gpadl_created(self.host.gpadls.body(message))

    def gpadl_created(self, gpadl: Gpadl | None) -> None:
        """Answer, if it is complete."""
        if gpadl is None:
            return
        answer = self.host.send(
            "GPADL_CREATED",
            child_relid=gpadl.relid,
            gpadl=gpadl.handle,
            creation_status=_INVALID if gpadl.problem else 0,
        )
        if answer["creation_status"]:
            self.host.gpadls.refuse(gpadl.handle)

    def gpadl_teardown(self, message: Message) -> None:
        """Answered when nobody here uses the memory any more: the guest relies on it."""
        handle = message.fields["gpadl"]
        self.host.gpadls.tear_down(handle)
        self.tearing_down.append(handle)
        self.catch_up()

    def catch_up(self) -> None:
        """Do what has waited for rings to be let go, as far as they are."""
        used = {opening.gpadl for opening in self.host.in_use}
        for handle in [handle for handle in self.tearing_down if handle not in used]:
            self.tearing_down.remove(handle)
            self.host.send("GPADL_TORNDOWN", gpadl=handle)
        for opening in [*self.reopening]:
            if opening in self.reopening and self.is_free(opening.channel):
                self.reopening.remove(opening)
                if opening.channel.opening is opening:
                    self.begin(opening)
        if self.farewell is not None and not self.host.in_use:
            farewell, self.farewell = self.farewell, None
            farewell()

    # Open and close

    def open(self, message: Message) -> None:
        """The guest wants to use the channel. Because nothing answers a close, it may want so while
        whoever serves the channel still uses the earlier rings: then it waits for that."""
        channel = self.channel(message)
        if channel.state == State.RESCINDED:
            return  # the guest will hear of that, and of nothing else
        if channel.state != State.OFFERED:
            raise Rejected(f"channel {channel.relid} is {channel.state}")
        channel.state = State.OPENING
        channel.opening = opening = HostOpening(channel, message.fields)
        channel.target_vp = message.fields["target_vp"]
        channel.signals = 0
        if self.is_free(channel):
            self.begin(opening)
        else:
            self.reopening.append(opening)

    def is_free(self, channel: HostChannel) -> bool:
        """Whether nobody here uses rings of the channel."""
        return all(opening.channel is not channel for opening in self.host.in_use)

    def begin(self, opening: HostOpening) -> None:
        """Ask whoever serves the channel to open it."""
        channel = opening.channel
        try:
            if channel.target_vp >= self.host.machine.processors:
                raise Unfit(f"there is no processor {channel.target_vp}")
            gpadl = self.host.gpadls.complete.get(opening.gpadl)
            if gpadl is None or gpadl.relid != channel.relid:
                raise Unfit(f"GPADL {opening.gpadl} is not one of the channel")
            opening.rings = rings_of(self.host.machine.memory, gpadl, opening.first_pages)
            self.host.written.add(*gpadl.frames)
        except Unfit:
            channel.target_vp = 0
            self.answer_open(opening, _INVALID)
            return
        if channel.listener is None:
            self.answer_open(opening, 0)
        else:
            self.host.in_use.append(opening)
            channel.listener.asked(opening)

    def answer_open(self, opening: HostOpening, status: int) -> None:
        """Open it, or not."""
        channel = opening.channel
        if channel.opening is not opening or channel.state != State.OPENING:
            return  # given up or rescinded, or the guest is gone
        channel.state = State.OFFERED if status else State.OPEN
        fields = {"child_relid": channel.relid, "openid": opening.id, "status": status}
        answer = self.host.send("OPENCHANNEL_RESULT", **fields)
        if answer["status"]:
            channel.state = State.OFFERED
            self.leave(channel)

    def close(self, message: Message) -> None:
        """The guest does not use it any more. There is no answer."""
        channel = self.channel(message)
        if channel.state == State.RESCINDED:
            return
        if channel.state not in (State.OPEN, State.OPENING):
            raise Rejected(f"channel {channel.relid} is {channel.state}")
        channel.state = State.OFFERED
        self.leave(channel)

    def leave(self, channel: HostChannel) -> None:
        """The guest has left the rings. Whoever serves them must let them go."""
        opening, channel.opening = channel.opening, None
        if opening in self.host.in_use and channel.listener is not None:
            channel.listener.left(opening)

    def modify(self, message: Message) -> None:
        """Interrupts of the channel go to another processor. Answered by newer versions only."""
        channel = self.channel(message)
        vp = message.fields["target_vp"]
        known = vp < self.host.machine.processors
        if known:
            channel.target_vp = vp
        if self.agreed >= _FIRST_WITH_MODIFY_RESPONSE:
            status = 0 if known else _INVALID
            self.host.send("MODIFYCHANNEL_RESPONSE", child_relid=channel.relid, status=status)


_HANDLERS: Final = {
    "REQUESTOFFERS": "request_offers",
    "RELID_RELEASED": "released",
    "GPADL_HEADER": "gpadl_header",
    "GPADL_BODY": "gpadl_body",
    "GPADL_TEARDOWN": "gpadl_teardown",
    "OPENCHANNEL": "open",
    "CLOSECHANNEL": "close",
    "MODIFYCHANNEL": "modify",
    "UNLOAD": "unload",
}
"""The method for each message."""
