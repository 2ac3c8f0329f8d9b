"""A real guest on our machine and our VMBus host; skipped without --real-guests."""

import json
from collections.abc import Iterator

import pytest

from kmcl_lab.hostcheck import Conversation, check_host
from kmcl_lab.images import Images
from kmcl_lab.lab import Lab
from kmcl_lab.machine import HostKind
from kmcl_lab.problem import GuestLost, LabProblem

pytestmark = pytest.mark.lab

PATIENTLY: dict[str, float] = {"within": 50.0, "limit": 60.0}
"""A program has to start in the guest first: seconds, on a machine that has other work."""


@pytest.fixture(scope="module")
def lab(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(images, tmp_path_factory.mktemp("lab"), host=HostKind.PROGRAMMABLE) as lab:
        yield lab


def test_a_guest_is_bound_used_rescinded_offered_again_and_taken_back(lab: Lab) -> None:
    figures = check_host(lab, rewinds=3)

    assert len(figures["rewind"]) == 3
    assert json.loads(lab.write_account(figures).read_text())["qemu"].startswith("kmcl")


@pytest.fixture
def relid(lab: Lab) -> int:
    """Of the channel that the guest has bound and not opened: the moment that was saved."""
    lab.rewind("bound")
    (channel,) = lab.ask_host("channels")
    return int(channel["relid"])


def test_an_open_waits_for_its_answer(lab: Lab, relid: int) -> None:
    lab.ask_host("rule", name="OPENCHANNEL_RESULT", action="hold")
    since = lab.ask_host("figures")["trace"]
    job = lab.guest.start(["python3", "-m", "kmcl_lab.talk", "/dev/uio0"])
    lab.ask_host("wait-for", name="HELD", since=since, **PATIENTLY)
    held = lab.ask_host("held")
    lab.ask_host("release")

    assert [(sender, name) for sender, name, _ in held] == [("host", "OPENCHANNEL_RESULT")]
    assert next(job.parts(60))[1] == b'{"open": "/dev/uio0"}\n'


@pytest.mark.parametrize(
    ("name", "words"),
    [("OPENCHANNEL_RESULT", "temporarily unavailable"), ("GPADL_CREATED", "quota exceeded")],
)
def test_an_open_that_is_refused_fails_in_the_guest(
    lab: Lab, relid: int, name: str, words: str
) -> None:
    lab.ask_host("rule", name=name, action="fail", value=0xC000009A)

    with pytest.raises(LabProblem, match=words):
        Conversation(lab, "/dev/uio0")
    assert Conversation(lab, "/dev/uio0").opened == {"open": "/dev/uio0"}


def test_the_rescind_of_an_open_that_waits_ends_it(lab: Lab, relid: int) -> None:
    lab.ask_host("rule", name="OPENCHANNEL_RESULT", action="drop")
    since = lab.ask_host("figures")["trace"]
    job = lab.guest.start(["python3", "-m", "kmcl_lab.talk", "/dev/uio0"])
    lab.ask_host("wait-for", name="DROPPED", since=since, **PATIENTLY)
    lab.ask_host("rescind", relid=relid)
    lab.ask_host("wait-for", name="RELID_RELEASED", since=since, child_relid=relid)
    said = b"".join(body for _, body in job.parts(60))

    assert b"No such device" in said


def test_a_panic_is_recognised_and_told_in_one_line(lab: Lab, relid: int) -> None:
    """The last test: it costs the guest."""
    with pytest.raises(GuestLost, match=r"^panic of the inner guest: sysrq triggered crash; see "):
        lab.guest.run(["sh", "-c", "echo c > /proc/sysrq-trigger; cat"])

    assert lab.lost is not None
    assert not lab.lost.is_hang
