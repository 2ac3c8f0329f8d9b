"""Other kernels in the same machine, whose host goes on: kexec and reset of a real guest, with its
channel open; skipped without --real-guests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kmcl_conformance.control.conversations import CONVERSATIONS
from kmcl_conformance.control.setup import happens
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import replay
from kmcl_lab.hostcheck import Conversation
from kmcl_lab.images import Images
from kmcl_lab.lab import Lab
from kmcl_lab.linux import LinuxAdapter, options_for
from kmcl_lab.machine import HostKind
from kmcl_model.control import VERSIONS, version
from kmcl_model.events import Message, Return

pytestmark = pytest.mark.lab

LEAP = """
import ctypes
from kmcl_lab import kexec
call = ctypes.CDLL(None, use_errno=True).syscall
kexec.prepare(call)
kexec.leap(call)
"""
TOURS = {tour.name: tour for tour in CONVERSATIONS}


@pytest.fixture(scope="module")
def lab(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(images, tmp_path_factory.mktemp("lab"), host=HostKind.PROGRAMMABLE) as lab:
        yield lab


def kexec(lab: Lab) -> None:
    """The guest starts another kernel."""
    lab.part()
    lab.guest.start(["python3", "-c", LEAP])
    lab.meet()


def reset(lab: Lab) -> None:
    """The machine is reset, and boots."""
    lab.reset()


def exchange(lab: Lab) -> Conversation:
    """Open the one device, ask, answer; it stays open."""
    talk = Conversation(lab, lab.bind())
    (channel,) = lab.ask_host("channels")
    talk.order("send", payload=b"question".hex(), transaction=7, flags=1)
    assert lab.ask_host("receive", relid=channel["relid"])["transaction"] == 7
    lab.ask_host("put", relid=channel["relid"], kind=11, transaction=7, payload=b"answered".hex())
    assert bytes.fromhex(talk.order("receive")["payload"]) == b"answered"
    return talk


def said(lab: Lab, since: int) -> list[str]:
    """Messages of both, and what became of the machine, without page lists."""
    found: list[Any] = []
    while entries := lab.ask_host("trace", since=since):
        found += entries
        since = entries[-1][0] + 1
    return [entry[3] for entry in found if entry[3] not in ("GPADL_BODY", "SIGNAL")]


def before(names: list[str], name: str) -> list[str]:
    return names[: names.index(name)]


@pytest.mark.parametrize(
    ("oldest", "parting"),
    [(False, ["UNLOAD", "UNLOAD_RESPONSE"]), (True, [])],
    ids=["newest version", "oldest version"],
)
def test_another_kernel_finds_the_host_as_new(lab: Lab, oldest: bool, parting: list[str]) -> None:
    """The oldest version that Linux has knows no UNLOAD: the host hears of the new kernel by its
    contact, while it still holds all that the old one had."""
    newer = [known for known in VERSIONS if known > version(2, 4)]
    if oldest:
        lab.ask_host("refuse-versions", versions=newer)
        reset(lab)
    exchange(lab)
    since = int(lab.ask_host("figures")["trace"])
    lab.ask_host("refuse-versions", versions=[])
    kexec(lab)
    (channel,) = lab.ask_host("channels")
    names = said(lab, since)
    exchange(lab).close()

    assert before(names, "INITIATE_CONTACT") == parting
    assert "RESET" not in names
    assert channel["state"] == "offered"


def test_a_guest_that_is_reset_with_its_channel_open_begins_anew(lab: Lab) -> None:
    exchange(lab)
    since = int(lab.ask_host("figures")["trace"])
    reset(lab)
    names = said(lab, since)
    exchange(lab).close()

    assert names[:2] == ["RESET", "INITIATE_CONTACT"]


def test_resets_other_kernels_and_moves_are_judged_on_two_processors(
    images: Images, tmp_path: Path
) -> None:
    judged = PROFILES["linux-vmbus"].specification()
    names = ("reset", "handed over waiting", "handed over closing", "moved", "moved unanswered")
    with Lab(images, tmp_path, host=HostKind.PROGRAMMABLE, options=options_for(2)) as lab:
        adapter = LinuxAdapter(lab, processors=2, resets=True)
        outcomes = [replay(adapter, judged, TOURS[name].stimuli) for name in names]
        resets = lab.ask_host("figures")["resets"]

    assert [outcome.failure for outcome in outcomes] == [None] * len(names)
    wanted = [s for name in names for s in TOURS[name].stimuli if s == happens("reset")]
    assert resets == len(wanted) == 3
    returns = [e for o in outcomes for e in o.events if isinstance(e, Return)]
    assert [e.status for e in returns if e.function == "kexec"] == [0, 0]
    for outcome in outcomes[3:]:
        assert "MODIFYCHANNEL" in {e.message for e in outcome.events if isinstance(e, Message)}
