"""The client over a device that is played."""

from __future__ import annotations

import threading

import pytest

from kmcl_adapters.uio.bus import Link, Offer, Opening
from kmcl_adapters.uio.descriptor import Kind, TransferRange, encode, transfer_pages
from kmcl_adapters.uio.devicemutants import DEVICE_MUTANTS
from kmcl_adapters.uio.lifecycle import Lifecycle
from kmcl_adapters.uio.parts import SOUND, Parts
from kmcl_adapters.uio.ring import HEADER_BYTES
from kmcl_adapters.uio.uiobus import UioBus
from kmcl_model.api import COMPLETION_ROUTINE, OPENED, PROCESS_PACKET, STATE_CHANGE_CALLBACKS
from kmcl_model.events import Enter, Return
from kmcl_model.status import (
    STATUS_CANCELLED,
    STATUS_INVALID_PARAMETER_2,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)
from kmcl_model.stimuli import HOLD, Act, Arm, Invoke, Reaction, Release
from played import SIZE, WAIT, Host, Talk, is_unmasked, monitor_waits


def test_a_conversation(host: Host, talk: Talk) -> None:
    talk.open()
    talk.send("p0", b"question", WAIT)
    assert talk.handlers() == []
    ((kind, transaction, payload),) = host.receive()
    assert (kind, payload) == (Kind.IN_BAND, b"question")
    assert transaction != 0  # a host does not complete transaction 0
    host.send(b"answered", Kind.COMPLETION, transaction)
    (routine,) = [e for e in talk.rest() if isinstance(e, Enter)]
    assert routine.arguments == ("p0", STATUS_SUCCESS, b"answered")


def test_what_the_host_asks_is_completed(host: Host, talk: Talk) -> None:
    talk.open()
    talk.session.apply(
        Arm(
            "arm",
            "client",
            PROCESS_PACKET,
            Reaction((Act("VmbChannelPacketComplete", ("this", b"12345678", None)),)),
        )
    )
    host.send(b"request!", transaction=41)

    assert talk.handlers() == ["ProcessPacket", "ProcessingComplete"]
    assert host.receive() == [(Kind.COMPLETION, 41, b"12345678")]


def test_a_completion_for_nobody_is_ignored(host: Host, talk: Talk) -> None:
    talk.open()
    host.send(b"12345678", Kind.COMPLETION, 99)

    assert talk.handlers() == []
    assert talk.library.channel is not None
    assert talk.library.channel.error == ""


def test_a_kernel_that_masks_at_the_open_is_recognised(host: Host, talk: Talk) -> None:
    host.masks_at_open = True
    talk.open()
    host.send(b"request!")

    assert talk.handlers() == ["ProcessPacket", "ProcessingComplete"]
    assert isinstance(talk.library.bus, UioBus)
    assert talk.library.bus.traits == (True, True)


def test_a_driver_that_masks_at_each_interrupt_does_not_make_the_next_packet_late(
    host: Host,
) -> None:
    """Nothing looks at the rings but for a signal here."""
    host.masks_at_open = host.masks_at_interrupt = True
    talk = Talk(host, safety_net=0)
    talk.open()
    for _ in range(3):
        host.interrupt()  # for nothing: there is room, say
        assert is_unmasked(talk)
        host.send(b"request!")
        assert talk.handlers()[-2:] == ["ProcessPacket", "ProcessingComplete"]
        assert is_unmasked(talk)
    talk.session.close()


class Hasty(Lifecycle):
    """A defect: a device is opened while another open of it has not come back."""

    def wanted_offer(self) -> Offer | None:
        openers, self.openers = self.openers, 0
        try:
            return super().wanted_offer()
        finally:
            self.openers = openers


@pytest.mark.parametrize("parts", [SOUND, SOUND._replace(lifecycle=Hasty)], ids=["sound", "hasty"])
def test_an_open_that_was_given_up_is_closed_before_the_next(host: Host, parts: Parts) -> None:
    """The kernel shares an open device: the host would never hear that the first one has left."""
    talk = Talk(host, parts)
    monitor = talk.library.monitor
    host.answers.clear()
    talk.enable()
    assert host.was_asked(1)
    talk.invoke("VmbChannelDisable")
    talk.rest()  # it may take the end's threads a while to see that nobody wants it any more
    assert talk.invoke("VmbChannelEnable") == STATUS_SUCCESS
    assert parts is SOUND or host.was_asked(2)
    host.answers.set()
    assert host.was_asked(3)
    assert monitor_waits(monitor, lambda: not openers(talk))
    story = host.story[:3]
    talk.session.close()

    assert (story == ["open", "close", "open"]) is (parts is SOUND)


def openers(talk: Talk) -> int:
    assert talk.library.channel is not None
    return talk.library.channel.lifecycle.openers


def test_closing_unmaps_before_it_closes_and_opening_starts_afresh(host: Host, talk: Talk) -> None:
    talk.open()
    talk.send("p0", b"question")
    assert talk.handlers() == ["CompletionRoutine"]
    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == ["Suspend", "Closed"]
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened", "Started", "PostStarted"]
    assert host.opened == 2
    assert host.receive() == []


def test_a_rescind_ends_everything_exactly_once(host: Host, talk: Talk) -> None:
    talk.open()
    for number in range(3):
        talk.send(f"p{number}", b"12345678", WAIT)
    host.rescinded = True
    host.interrupt()

    events = talk.rest()
    entries = [e for e in events if isinstance(e, Enter)]
    ended = [e.arguments for e in entries if e.callback == COMPLETION_ROUTINE]
    assert ended == [(f"p{number}", STATUS_CANCELLED, None) for number in range(3)]
    entered = [e.activation for e in entries]
    assert entered == ["Suspend", *["CompletionRoutine"] * 3, "Closed"]
    assert talk.invoke("VmbChannelInitSetFlags", 0) == STATUS_SUCCESS  # it is disabled


def test_a_disable_does_not_wait_for_an_open_that_the_host_does_not_answer(
    host: Host, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, answered, left = talk.library.bus, threading.Event(), threading.Event()
    assert isinstance(bus, UioBus)
    open_at_once, leave = bus.open, bus.leave

    def open_late(offer: Offer, incoming: int, outgoing: int) -> Opening:
        answered.wait(20)
        return open_at_once(offer, incoming, outgoing)

    def leave_and_tell(link: Link) -> None:
        leave(link)
        left.set()

    monkeypatch.setattr(bus, "open", open_late)
    monkeypatch.setattr(bus, "leave", leave_and_tell)
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == []
    talk.invoke("VmbChannelDisable", by="t1")
    returned = [e.function for e in talk.rest() if isinstance(e, Return)]
    assert returned == ["VmbChannelDisable"]
    answered.set()

    assert left.wait(20)  # what was opened too late is closed
    assert talk.handlers() == []
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened", "Started", "PostStarted"]


def test_back_pressure_and_room(host: Host, talk: Talk) -> None:
    talk.open()
    for number in range(12):  # of 1048 bytes, in a ring of 8192
        talk.send(f"p{number}", bytes([number]) * 1024)
    assert talk.handlers() == ["CompletionRoutine"] * 7
    assert [payload[0] for _, _, payload in host.receive()] == list(range(7))
    assert talk.handlers() == ["CompletionRoutine"] * 5
    assert [payload[0] for _, _, payload in host.receive()] == list(range(7, 12))


def test_nothing_is_sent_any_more_once_disable_was_called(host: Host, talk: Talk) -> None:
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.session.apply(Arm("arm", "client", OPENED, Reaction((HOLD,))))
    talk.invoke("VmbChannelEnable")
    assert talk.handlers() == ["Opened"]
    talk.send("p0", b"12345678", WAIT)  # it waits for the channel to be open
    talk.invoke("VmbChannelDisable")
    talk.session.apply(Release("release", "client", "Opened"))

    assert talk.handlers() == ["CompletionRoutine", "Closed"]
    assert host.incoming.peek() is None


def test_what_uio_cannot_express_is_refused(host: Host, talk: Talk) -> None:
    talk.session.apply(Invoke("invoke", "server", "t0", "VmbChannelAllocate", (True,)))
    assert isinstance(returned := talk.session.take()[-1], Return)
    assert returned.status == STATUS_NOT_SUPPORTED
    talk.invoke("VmbChannelAllocate", False)
    most = SIZE - HEADER_BYTES - 8 - 24
    assert talk.invoke("VmbChannelInitSetMaximumPacketSize", most) == STATUS_SUCCESS
    assert talk.invoke("VmbChannelInitSetMaximumPacketSize", most + 1) == STATUS_INVALID_PARAMETER_2


def test_rings_larger_than_those_of_the_driver_cannot_be_had(talk: Talk) -> None:
    talk.invoke("VmbChannelAllocate", False)
    pages = SIZE // HEADER_BYTES
    function = "VmbClientChannelInitSetRingBufferPageCount"
    for incoming, outgoing in ((pages, pages), (1, 1), (0, 0)):
        assert talk.invoke(function, incoming, outgoing) == STATUS_SUCCESS
    for incoming, outgoing in ((pages + 1, 1), (1, pages + 1), (65536, 65536)):
        assert talk.invoke(function, incoming, outgoing) == STATUS_NOT_SUPPORTED


def delivers_a_packet_whose_data_lies_elsewhere(talk: Talk) -> bool:
    """Whether the driver gets it; where it does not, the channel stands until it is closed."""
    talk.open()
    ranges = transfer_pages(3, (TransferRange(100, 0),))
    assert talk.host.outgoing.put(encode(Kind.TRANSFER_PAGES, 5, b"12345678", 1, ranges))
    assert talk.host.outgoing.publish()
    talk.host.interrupt()
    delivered = bool(talk.handlers())
    assert talk.library.channel is not None
    assert delivered != ("external data" in talk.library.channel.error)
    talk.invoke("VmbChannelDisable")
    assert talk.handlers() == ["Suspend", "Closed"] or delivered
    return delivered


def test_a_packet_whose_data_lies_elsewhere_is_not_given_to_the_driver_without_it(
    host: Host,
) -> None:
    mutant = DEVICE_MUTANTS["drops-external-data"].parts
    for parts, delivered in ((SOUND, False), (mutant, True)):
        talk = Talk(host, parts)
        assert delivers_a_packet_whose_data_lies_elsewhere(talk) is delivered
        talk.session.close()


def test_a_packet_of_the_greatest_length_fits(host: Host, talk: Talk) -> None:
    most = SIZE - HEADER_BYTES - 8 - 24
    talk.invoke("VmbChannelAllocate", False)
    talk.invoke("VmbChannelInitSetMaximumPacketSize", most)
    talk.invoke("VmbChannelInitSetStateChangeCallbacks", 1, "size", STATE_CHANGE_CALLBACKS)
    talk.invoke("VmbChannelEnable")
    talk.handlers()
    for number in range(3):
        talk.send(f"p{number}", bytes([number]) * most)
    for number in range(3):
        talk.rest()
        assert [payload for _, _, payload in host.receive()] == [bytes([number]) * most]
