"""A server's end on a channel of the VMBus host, whoever plays it; the test plays the guest."""

import os
import select
from collections.abc import Callable, Iterator

import pytest

from kmcl_adapters.host.bus import HostBus, HostLink
from kmcl_adapters.host.channel import State
from kmcl_adapters.host.end import StampedEnd
from kmcl_adapters.host.mutants import BUS_MUTANTS
from kmcl_adapters.host.scripted import ScriptedGuest
from kmcl_adapters.uio.descriptor import COMPLETION_REQUESTED, Kind, encode
from kmcl_adapters.uio.library import Library
from kmcl_model.api import OPENED, PROCESS_PACKET
from kmcl_model.case import stimulus_to_json
from kmcl_model.stimuli import Act, Invoke
from stage import FRAMES, OFFER, REFUSED, SERVERS, Stage, guests_rings, open_it


@pytest.fixture(params=SERVERS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    made = Stage(SERVERS[request.param])
    yield made
    made.close()


@pytest.fixture
def endpoint() -> Iterator[Stage]:
    made = Stage(SERVERS["uio"])
    yield made
    made.close()


def opens_and_completes(stage: Stage) -> None:
    """A request is processed and completed; each end signals as it must."""
    stage.arm(PROCESS_PACKET, Act("VmbChannelPacketComplete", ("this", b"answered")), sticky=True)
    open_it(stage)
    stage.await_exit("PostStarted")
    stage.rest()  # nobody looks at the rings without a signal
    outgoing, incoming = guests_rings(stage)
    outgoing.put(encode(Kind.IN_BAND, 9, b"question", COMPLETION_REQUESTED))
    outgoing.publish()
    assert stage.bus.channel is not None
    since = stage.guest.host.trace.count
    stage.guest.signal(stage.bus.channel.connection_id)
    stage.told("SIGNAL", since + 1)
    completion = incoming.peek()
    assert completion is not None
    assert (completion.kind, completion.transaction) == (Kind.COMPLETION, 9)
    assert completion.payload == b"answered"
    assert stage.guest.events() == [stage.relid]


def gives_the_rings_back(stage: Stage) -> None:
    """After a close the server suspends and closes, and the guest gets its memory back."""
    open_it(stage)
    stage.await_exit("PostStarted")
    relid = stage.relid
    stage.guest.post("CLOSECHANNEL", child_relid=relid)
    stage.guest.post("GPADL_TEARDOWN", child_relid=relid, gpadl=900)
    stage.told("GPADL_TORNDOWN")
    assert stage.guest.names() == ["GPADL_TORNDOWN"]
    stage.shown("exit", "Closed")
    open_it(stage)


def opens_again_at_once(stage: Stage) -> None:
    """A guest that closes and opens again before the server has heard of either is served, and the
    end of the first time leaves the second one alone."""
    open_it(stage)
    stage.await_exit("PostStarted")
    host, since = stage.guest.host, stage.guest.host.trace.count
    with host.changed:
        stage.guest.post("CLOSECHANNEL", child_relid=stage.relid)
        stage.guest.open(stage.relid, 901, range(16, 24))
    stage.told("OPENCHANNEL_RESULT", since, status=0)
    assert stage.bus.channel is not None
    assert host.in_use == [stage.bus.channel.opening], "the second opening has its rings"
    stage.guest.read_all()
    stage.guest.post("GPADL_TEARDOWN", child_relid=stage.relid, gpadl=900)
    assert stage.guest.names() == ["GPADL_TORNDOWN"]


def begins_anew(stage: Stage) -> None:
    """Another kernel: it is answered when the server has left the memory, and is served."""
    open_it(stage)
    stage.await_exit("PostStarted")
    host, since = stage.guest.host, stage.guest.host.trace.count
    with host.changed:
        stage.guest.begin()
        early = host.trace.find("VERSION_RESPONSE", since)
        assert early is None, "answered while the server is in the memory"
    stage.told("VERSION_RESPONSE", since)
    assert host.in_use == []
    stage.guest.read_all()
    stage.guest.post("REQUESTOFFERS")
    stage.guest.read_all()
    open_it(stage)


def refuses_and_opens_again(stage: Stage) -> None:
    """Opened fails: the guest hears of it, gets its memory back, and may try again."""
    stage.arm(OPENED, status=REFUSED)
    stage.guest.open(stage.relid)
    status = stage.told("OPENCHANNEL_RESULT").fields["status"]
    assert status == REFUSED, f"the open is answered with {status:#x}"
    stage.guest.read_all()
    stage.guest.post("GPADL_TEARDOWN", child_relid=stage.relid, gpadl=900)
    stage.told("GPADL_TORNDOWN")
    assert stage.guest.names() == ["GPADL_TORNDOWN"]
    open_it(stage)


def offers_again_when_released(stage: Stage) -> None:
    """Disabled and enabled: a new id, once the guest has let the old one go."""
    open_it(stage)
    old = stage.relid
    stage.call("VmbChannelDisable")
    stage.told("RESCIND_CHANNELOFFER")
    assert stage.guest.names() == ["RESCIND_CHANNELOFFER"]
    stage.shown("exit", "Closed")
    assert any(e.kind == "return" and e.function == "VmbChannelDisable" for e in stage.events)
    stage.call("VmbChannelEnable")
    assert stage.guest.names() == []
    stage.guest.post("RELID_RELEASED", child_relid=old)
    (offer,) = stage.guest.read_all()
    assert offer.fields["child_relid"] == stage.relid != old


def goes_with_its_machine(stage: Stage) -> None:
    """A guest that is reset has closed nothing: the server sees the close, gives back what it has
    of it, and serves what boots then."""
    open_it(stage)
    stage.await_exit("PostStarted")
    outgoing, _ = guests_rings(stage)
    outgoing.put(encode(Kind.IN_BAND, 9, b"question", COMPLETION_REQUESTED))
    outgoing.publish()
    assert stage.bus.channel is not None
    stage.guest.signal(stage.bus.channel.connection_id)
    stage.await_exit("ProcessPacket")
    stage.guest.host.machine_reset()
    stage.shown("enter", "Suspend")
    stage.call("VmbChannelPacketComplete", "c0", b"too late", None)
    stage.shown("exit", "Closed")
    stage.guest.host.await_release()
    stage.guest.power_on()
    (offer,) = stage.guest.connect()
    assert offer["child_relid"] == stage.relid
    open_it(stage)


CONVERSATIONS: dict[str, tuple[Callable[[Stage], None], str]] = {
    "deaf-to-signals": (opens_and_completes, "the server rests without SIGNAL"),
    "keeps-the-rings": (gives_the_rings_back, "the server rests without GPADL_TORNDOWN"),
    "lets-the-next-go": (opens_again_at_once, "the second opening has its rings"),
    "lets-go-unheard": (begins_anew, "answered while the server is in the memory"),
    "keeps-refused-rings": (refuses_and_opens_again, "the server rests without GPADL_TORNDOWN"),
    "opens-at-once": (refuses_and_opens_again, "the open is answered with 0x0"),
    "forgets-to-rescind": (
        offers_again_when_released,
        "the server rests without RESCIND_CHANNELOFFER",
    ),
    "hears-the-connected": (goes_with_its_machine, "the server rests without enter of Suspend"),
}
"""By mutant: the conversation that finds it, and what is missed there. Nothing is missed before the
server rests, so that one that is slow is not taken for a defect."""


@pytest.mark.parametrize(
    "conversation",
    [
        opens_and_completes,
        gives_the_rings_back,
        opens_again_at_once,
        begins_anew,
        refuses_and_opens_again,
        offers_again_when_released,
        goes_with_its_machine,
    ],
)
def test_a_server_on_the_wire(stage: Stage, conversation: Callable[[Stage], None]) -> None:
    conversation(stage)


@pytest.mark.parametrize("mutant", BUS_MUTANTS)
def test_a_defect_of_the_bus_is_found(mutant: str) -> None:
    conversation, words = CONVERSATIONS[mutant]
    stage = Stage(SERVERS["uio"], BUS_MUTANTS[mutant])
    try:
        with pytest.raises(AssertionError, match=rf"^{words}\b"):
            conversation(stage)
    finally:
        stage.close()


def test_every_defect_of_the_bus_has_its_conversation() -> None:
    assert set(CONVERSATIONS) == set(BUS_MUTANTS)


def attended() -> tuple[ScriptedGuest, HostBus, HostLink]:
    """A bus with an open link; the test attends, and nobody else."""
    guest = ScriptedGuest()
    bus = HostBus(guest.host, OFFER, 4096)
    bus.make_offer(None, 64)
    (offer,) = guest.connect()
    guest.open(offer["child_relid"])
    bus.attend()
    link = bus.asked()
    assert isinstance(link, HostLink)
    bus.accept(link)
    bus.answer(link, 0)
    guest.read_all()
    return guest, bus, link


@pytest.mark.parametrize("moment", ["before the ring is read", "after it was read"])
def test_whoever_rings_while_another_attends_is_heard(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, bus, link = attended()
    read, rings = os.eventfd_read, [True]

    def read_and_be_rung(bell: int) -> int:
        ring = rings and rings.pop()
        if ring and moment == "before the ring is read":
            guest.signal(link.channel.connection_id)
        found = read(bell)
        if ring and moment == "after it was read":
            guest.signal(link.channel.connection_id)
        return found

    monkeypatch.setattr(os, "eventfd_read", read_and_be_rung)
    guest.signal(link.channel.connection_id)
    assert bus.unheard
    while select.select([bus._bell], [], [], 0)[0]:
        bus.attend()

    assert (rings, bus.unheard, link.channel.signals) == ([], False, 2)
    bus.close()


def test_a_guest_that_unloads_is_not_let_go_before_its_memory() -> None:
    guest, bus, link = attended()
    guest.post("UNLOAD")
    assert (guest.names(), link.down) == ([], False)  # whoever has the link may write still
    bus.attend()

    assert (guest.names(), link.down) == (["UNLOAD_RESPONSE"], True)
    bus.close()


def test_memory_is_free_for_another_life_when_the_server_has_left_it(stage: Stage) -> None:
    open_it(stage)
    stage.await_exit("PostStarted")
    host = stage.guest.host
    with host.changed:
        host.machine_reset()
        in_use = len(host.in_use)
    host.await_release()

    assert (in_use, host.in_use) == (1, [])


def test_memory_that_nobody_leaves_is_not_free() -> None:
    guest, bus, _ = attended()
    guest.host.machine_reset()
    with pytest.raises(TimeoutError, match="rings are still in use after 0 s"):
        guest.host.await_release(0)
    bus.attend()

    guest.host.await_release(0)
    bus.close()


def test_an_earlier_link_leaves_the_next_one_alone() -> None:
    guest, bus, link = attended()
    relid = link.channel.relid
    guest.post("CLOSECHANNEL", child_relid=relid)
    guest.open(relid, 901, range(16, 24))
    bus.attend()
    following = bus.asked()
    assert isinstance(following, HostLink)
    bus.leave(link)
    bus.answer(link, REFUSED)

    assert (link.down, following.down, bus.asked()) == (True, False, following)
    assert guest.host.in_use == [following.opening]
    bus.accept(following)
    bus.answer(following, 0)
    assert guest.names() == ["OPENCHANNEL_RESULT"]
    bus.close()
    assert guest.host.in_use == []


def test_a_guest_that_asks_and_leaves_before_anybody_attends_is_not_served() -> None:
    guest, bus, link = attended()
    relid = link.channel.relid
    guest.close(relid)
    bus.attend()
    bus.leave(link)
    guest.open(relid)
    assert [m.name for m in guest.close(relid)] == []
    bus.attend()

    assert (bus.asked(), guest.host.in_use) == (None, [])
    assert guest.names() == ["GPADL_TORNDOWN"]
    bus.close()


def test_a_bus_that_is_given_up_lets_go_what_it_has_not_heard_of() -> None:
    guest, bus, link = attended()
    guest.post("CLOSECHANNEL", child_relid=link.channel.relid)
    guest.open(link.channel.relid, 901, range(16, 24))
    bus.close()

    assert guest.names() == ["RESCIND_CHANNELOFFER"]
    assert (guest.host.in_use, guest.host.control.reopening) == ([], [])


def test_a_ring_that_makes_no_sense_is_not_opened(stage: Stage) -> None:
    stage.guest.machine.words[FRAMES[0] * 1024 + 1] = 4  # a read index between two units
    stage.guest.open(stage.relid)

    entry = stage.guest.host.wait_for("OPENCHANNEL_RESULT")
    assert entry.fields["status"] == 0xC000000D
    assert stage.events[-1].kind != "enter"


def test_an_end_that_is_given_up_takes_its_offer_back(stage: Stage) -> None:
    open_it(stage)
    channel = stage.bus.channel
    assert channel is not None
    stage.close()
    stage.guest.host.wait_for("RESCIND_CHANNELOFFER")

    assert channel.state == State.RESCINDED
    stage.guest.read_all()
    stage.guest.post("GPADL_TEARDOWN", child_relid=channel.relid, gpadl=900)
    assert stage.await_message("GPADL_TORNDOWN") == ["GPADL_TORNDOWN"]


def test_what_nobody_has_signalled_is_no_rest_for_who_looks_by_itself(endpoint: Stage) -> None:
    open_it(endpoint)
    endpoint.await_exit("PostStarted")
    endpoint.rest()
    assert endpoint.library.monitor.wait_idle(20_000) == endpoint.library.Inside() == (0, 0)
    outgoing, _ = guests_rings(endpoint)
    outgoing.put(encode(Kind.IN_BAND, 9, b"question", 0))
    outgoing.publish()
    assert endpoint.library.Inside() == (0, 0)  # it will never know
    endpoint.bus.patience = 20.0

    assert endpoint.library.Inside() is None
    assert not endpoint.session.is_idle()
    assert not [e for e in endpoint.events if e.kind == "enter" and e.callback == PROCESS_PACKET]


def test_an_end_whose_thread_runs_is_not_idle(stage: Stage) -> None:
    open_it(stage)
    stage.await_exit("PostStarted")
    stage.rest()
    assert stage.session.is_idle()
    stage.library.monitor.running += 1

    assert not stage.session.is_idle()
    stage.library.monitor.running -= 1


def test_a_stamped_end_tells_events_with_their_times() -> None:
    guest = ScriptedGuest()
    times = iter(range(100, 1000, 10))
    end = StampedEnd(
        lambda: Library(HostBus(guest.host, OFFER, 4096)), lambda: next(times), lambda: (7,)
    )
    with pytest.raises(ValueError, match="there is no session"):
        end.request("apply")
    end.request("open")
    stimulus = stimulus_to_json(Invoke("invoke", "server", "t0", "VmbChannelAllocate", (True,)))
    told = end.request("apply", stimulus)
    end.close()

    stamps = [stamp for stamp, _ in told["events"]]
    kinds = [record["event"] for _, record in told["events"]]
    assert kinds == ["call", "return"]
    assert stamps == sorted(stamps)
    assert stamps[-1] < told["until"]
    count, _, *figures = told["traffic"]
    assert (count, figures) == (2, [7])
    with pytest.raises(ValueError, match="nothing known as 'dance'"):
        end.request("dance")
