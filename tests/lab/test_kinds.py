"""Kinds of channels and of machines, on a real guest: monitored channels, subchannels, full rings
over a standstill, two processors; skipped without --real-guests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kmcl_adapters.host.channel import TEST_CLASS
from kmcl_conformance.plan import Plan
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import replay
from kmcl_lab.adapter import RESETS
from kmcl_lab.both import BothAdapter
from kmcl_lab.hostcheck import Conversation, check_host
from kmcl_lab.images import Images
from kmcl_lab.lab import Lab
from kmcl_lab.machine import HostKind
from kmcl_model.events import Environment

pytestmark = pytest.mark.lab

DEATH = Environment("environment", "client", "crash")
SIGNAL = ("guest", "SIGNAL")
SIZE = 1000
"""Bytes of each packet in a ring that is filled."""


@pytest.fixture(scope="module")
def lab(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bound and not opened; that moment is saved."""
    with Lab(images, tmp_path_factory.mktemp("lab"), host=HostKind.PROGRAMMABLE) as lab:
        check_host(lab, rewinds=1)
        yield lab


@pytest.fixture
def relid(lab: Lab) -> int:
    """Of the channel at that moment."""
    lab.rewind("bound")
    (channel,) = lab.ask_host("channels")
    return int(channel["relid"])


def said(lab: Lab, script: str) -> str:
    """What a script in the guest prints."""
    return lab.guest.run(["sh", "-c", script]).output.decode().strip()


def entries(lab: Lab) -> int:
    return int(lab.ask_host("figures")["trace"])


def signals(lab: Lab, since: int) -> list[dict[str, Any]]:
    """Those of the guest, as the trace has them."""
    found = []
    while entries := lab.ask_host("trace", since=since):
        found += [fields for *_, sender, name, fields, _ in entries if (sender, name) == SIGNAL]
        since = entries[-1][0] + 1
    return found


def test_two_processors_boot_and_both_are_interrupted(images: Images, tmp_path: Path) -> None:
    """The channel is moved from one to the other while it is open. First in this file: it has
    a lab of its own, and two at a time would be slow."""
    options = ("--processors", "2")
    seen = []
    with Lab(images, tmp_path, host=HostKind.PROGRAMMABLE, options=options) as lab:
        talk = Conversation(lab, lab.bind())
        (channel,) = lab.ask_host("channels")
        lab.ask_host("answer", relid=channel["relid"])
        folder = f"/sys/bus/vmbus/devices/{channel['instance']}/channels/{channel['relid']}"
        for processor in (1, 0):
            since = entries(lab)
            said(lab, f"echo {processor} > {folder}/cpu")
            lab.ask_host("wait-for", name="MODIFYCHANNEL", since=since, target_vp=processor)
            before = int(said(lab, f"cat {folder}/events"))
            assert "seconds" in talk.order("exchange", count=20)
            seen.append(int(said(lab, f"cat {folder}/events")) - before > 0)
        talk.close()
        processors = said(lab, "nproc")

    assert (processors, seen) == ("2", [True, True])


def test_both_ends_are_judged_while_the_guest_is_reset_under_them(lab: Lab, relid: int) -> None:
    """The server sees a close, gives back what it has sent, and serves the next client."""
    judged = PROFILES["full"].specification()
    tours = {tour.name: tour.stimuli for tour in Plan(1).tours}
    wanted = ("crash with answers due", "crash while draining", "work in flight")
    adapter = BothAdapter(lab, is_guest=True, resets=True)
    before = lab.ask_host("figures")["resets"]
    try:
        outcomes = [replay(adapter, judged, tours[f"{name}, from the client"]) for name in wanted]
        resets = lab.ask_host("figures")["resets"] - before
    finally:
        adapter.close()
    died = [
        [e.kind for e in outcome.events if e[:3] in (DEATH[:3], ("enter", "server", "Closed"))]
        for outcome in outcomes
    ]

    assert [outcome.failure for outcome in outcomes] == [None] * 3
    assert died[:2] == [["environment", "enter"]] * 2
    assert {*died[2]} == {"enter"}
    assert (resets, adapter.tally()) == (2, {RESETS: 2})


def test_the_guest_signals_a_monitored_channel_by_its_bit(lab: Lab, relid: int) -> None:
    offered = lab.ask_host("offer", class_id=TEST_CLASS, monitor=37)
    device = lab.bind(offered["instance"])
    number = said(lab, f"cat /sys/bus/vmbus/devices/{offered['instance']}/channels/*/monitor_id")
    talk = Conversation(lab, device)
    since = entries(lab)
    talk.order("send", payload=b"question".hex(), transaction=7, flags=1)
    packet = lab.ask_host("receive", relid=offered["relid"])
    lab.ask_host("wait-for", name="SIGNAL", since=since, child_relid=offered["relid"])
    lab.ask_host("put", relid=offered["relid"], kind=11, transaction=7, payload=b"answered".hex())
    answer = talk.order("receive")
    how = signals(lab, since)
    talk.close()

    assert (number, bytes.fromhex(packet["payload"])) == ("37", b"question")
    assert (answer["transaction"], bytes.fromhex(answer["payload"])) == (7, b"answered")
    assert how == [{"child_relid": offered["relid"], "monitor": 37}]


def test_bits_of_two_channels_in_one_word_do_not_lose_each_other(lab: Lab, relid: int) -> None:
    """Guest and host change the word at the same time; a bit that is lost is a request that
    nobody answers, since neither end looks without a signal."""
    offers = [lab.ask_host("offer", class_id=TEST_CLASS, monitor=n) for n in (37, 38)]
    talks = [Conversation(lab, lab.bind(offer["instance"])) for offer in offers]
    for offer in offers:
        lab.ask_host("answer", relid=offer["relid"])
    since = entries(lab)
    for talk in talks:
        talk.begin("exchange", count=200)
    answers = [talk.end() for talk in talks]
    how = {(signal["child_relid"], signal.get("monitor")) for signal in signals(lab, since)}
    for talk in talks:
        talk.close()

    assert ["seconds" in answer for answer in answers] == [True, True], answers
    assert how == {(offers[0]["relid"], 37), (offers[1]["relid"], 38)}


@pytest.mark.parametrize("role", ["client", "server"])
def test_conversations_over_a_monitored_channel_conform(lab: Lab, relid: int, role: str) -> None:
    judged = PROFILES["full"].specification()
    tours = {tour.name: tour.stimuli for tour in Plan(1).tours}
    adapter = BothAdapter(lab, is_guest=True, monitored=True)
    since = entries(lab)
    try:
        outcomes = [
            replay(adapter, judged, tours[f"{name}, from the {role}"])
            for name in ("batches", "out of order", "small ring")
        ]
        how = {signal.get("monitor") for signal in signals(lab, since)}
    finally:
        adapter.close()

    assert [outcome.failure for outcome in outcomes] == [None, None, None]
    assert how == {37}


def test_a_subchannel_is_opened_by_the_kernel_and_carries_packets(lab: Lab, relid: int) -> None:
    """The kernel lets go of a subchannel that was rescinded when its primary is closed."""
    (primary,) = lab.ask_host("channels")
    main = Conversation(lab, "/dev/uio0")
    since = entries(lab)
    offer = {"class_id": TEST_CLASS, "instance": primary["instance"], "subchannel": 1}
    sub = lab.ask_host("offer", **offer)["relid"]
    lab.ask_host("wait-for", name="OPENCHANNEL", since=since, child_relid=sub)
    talk = Conversation(lab, "/dev/uio0", sub)
    lab.ask_host("put", relid=sub, payload=b"down the".hex())
    down = talk.order("receive")
    talk.order("send", payload=b"and up it".hex(), transaction=3)
    up = lab.ask_host("receive", relid=sub)
    lab.ask_host("rescind", relid=sub)
    held = entries(lab)
    talk.close()
    before = [name for _, _, _, name, _, _ in lab.ask_host("trace", since=held)]
    main.close()
    lab.ask_host("wait-for", name="RELID_RELEASED", since=held, child_relid=sub)

    assert bytes.fromhex(down["payload"]) == b"down the"
    assert bytes.fromhex(up["payload"]).rstrip(b"\0") == b"and up it"
    assert "RELID_RELEASED" not in before


@pytest.mark.parametrize("whole", [False, True], ids=["guest", "guest and host"])
def test_a_full_ring_survives_a_standstill(lab: Lab, relid: int, whole: bool) -> None:
    """What was written before is read after it, in order, and there is room again."""
    if whole and not lab.choice.nested:
        pytest.skip("no machine around host and guest")
    talk = Conversation(lab, "/dev/uio0")
    count = talk.order("fill", size=SIZE)["packets"]
    full = talk.order("send", payload=bytes(SIZE).hex())
    lab.stop(whole=whole)
    if not whole:  # the host works while its guest stands still
        early = [lab.ask_host("receive", relid=relid)["transaction"] for _ in range(3)]
    lab.go_on(whole=whole)
    if whole:
        early = [lab.ask_host("receive", relid=relid)["transaction"] for _ in range(3)]
    late = [lab.ask_host("receive", relid=relid)["transaction"] for _ in range(count - 3)]
    again = talk.order("fill", size=SIZE)["packets"]
    last = [lab.ask_host("receive", relid=relid)["transaction"] for _ in range(again)]
    talk.close()

    assert full == {"errno": "the ring is full"}
    assert [*early, *late] == [*range(1, count + 1)]
    assert last == [*range(1, again + 1)]
    assert again >= count - 1
