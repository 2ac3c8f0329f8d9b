"""A real guest on a real VMBus host; skipped without --real-guests."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmcl_conformance.cli.lab_check import check_defects, in_the_lab
from kmcl_conformance.plan import Plan
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import replay
from kmcl_lab.adapter import LabAdapter
from kmcl_lab.carry import carry
from kmcl_lab.images import Images
from kmcl_lab.lab import Lab
from kmcl_lab.problem import GuestLost
from kmcl_model.case import Case, Expectation
from kmcl_model.events import Environment
from kmcl_model.stimuli import Environ

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(images, tmp_path_factory.mktemp("lab")) as lab:
        lab.bind()
        yield lab


def test_the_guest_runs_commands_and_says_how_they_end(lab: Lab) -> None:
    done = lab.guest.run(["sh", "-c", "cat; exit 5"], b"through two machines")

    assert (done.code, done.output, done.errors) == (5, b"through two machines", b"")


def test_the_device_of_the_host_belongs_to_uio(lab: Lab) -> None:
    done = lab.guest.run(["sh", "-c", "cat /sys/class/uio/uio0/name; ls -l /dev/uio0"])

    assert done.code == 0, done.errors
    assert done.output.startswith(b"uio_hv_generic\n")


def test_a_conversation_with_the_host_over_the_device(lab: Lab) -> None:
    code = (
        "from kmcl_lab.wire import Endpoint, version_request\n"
        "e = Endpoint('/dev/uio0'); e.send(version_request(9), 9); p = e.receive(20)\n"
        "print(p.kind, p.transaction, p.payload[8] & 1); e.close()"
    )
    done = lab.guest.run(["python3", "-c", code])

    assert (done.output, done.errors) == (b"6 9 1\n", b"")


def test_the_host_acts_when_its_monitor_is_told_to(lab: Lab) -> None:
    """The device keeps still for 50 s after the capabilities, whatever it was told meanwhile."""
    code = (
        "import struct\n"
        "from kmcl_lab.wire import Endpoint\n"
        "from kmcl_lab.cases import agree\n"
        "e = Endpoint('/dev/uio0'); agree(e); print('agreed', flush=True); input()\n"
        "p = e.receive(120); print(struct.unpack_from('<HHII', p.payload)); e.close()"
    )
    job = lab.guest.start(["python3", "-c", code])
    said = job.parts(180)
    _, first = next(said)
    lab.balloon(400)
    job.write(b"\n")
    rest = b"".join(body for _, body in said)

    assert first == b"agreed\n"
    assert rest.startswith(b"(6, 16, ")  # a request to balloon


def test_a_stopped_guest_goes_on_where_it_was(lab: Lab) -> None:
    lab.stop()
    stopped = lab.ask_host("query-status")["running"]
    lab.go_on()

    assert stopped is False
    assert lab.guest.run(["true"]).code == 0


def test_a_reset_by_the_host_gives_a_fresh_guest(lab: Lab) -> None:
    is_there = ["sh", "-c", "test -e /tmp/old"]
    made = lab.guest.run(["touch", "/tmp/old"])
    before = lab.guest.run(is_there)
    lab.reset()
    after = lab.guest.run(is_there)

    assert (made.code, before.code, after.code) == (0, 0, 1), (made, before, after)
    assert lab.bind() == "/dev/uio0"


def test_what_was_used_is_in_the_account(lab: Lab) -> None:
    account = json.loads(lab.write_account().read_text())

    assert account["kernel"] == account["images"]["kernel"]
    assert account["qemu"]
    assert Path(account["logs"], "boot-1").is_dir()


def test_defects_of_the_endpoint_are_found_over_the_real_device(lab: Lab) -> None:
    """The sound endpoint passes the same sequences, or this raises."""
    results = check_defects(in_the_lab(lab), ("no-trailer", "counts-one-more", "forgets-sent"))

    assert [result.killed for result in results] == [True, True, True]
    assert lab.guest.run(["true"]).code == 0


def test_a_guest_that_is_reset_in_the_middle_of_a_conversation_is_fresh_for_the_next(
    lab: Lab,
) -> None:
    profile = PROFILES["client-uio-dynmem"]
    judged = profile.specification()
    tours = {t.name: t.stimuli for t in Plan(1, ends=profile.ends, host=profile.host).tours}
    row = tours["questions in a row, to a host"]
    crash = Environ("environment", "client", "crash")
    adapter = LabAdapter(lab, is_guest=True, resets=True)
    try:
        cut = replay(adapter, judged, [*row[: len(row) // 2], crash, *row[len(row) // 2 :]])
        whole = replay(adapter, judged, row)
    finally:
        adapter.close()

    assert (cut.failure, whole.failure) == (None, None)
    assert Environment("environment", "client", "crash") in cut.events
    assert len(whole.events) > len(cut.events)


def test_the_whole_command_line_runs_in_the_guest(lab: Lab) -> None:
    """A saved case is replayed there, from the case file to the verdict."""
    bound = lab.bind()
    carry(lab.guest)
    profile = PROFILES["client-uio-dynmem"]
    tour = Plan(1, ends=profile.ends, host=profile.host).tours[0]
    case = Case(
        name="carried",
        adapter=f"uio:{bound}",
        profile="client-uio-dynmem",
        seed=1,
        tool="0",
        expect=Expectation(verdict="violation", requirements=("F042",), event="0"),
        stimuli=tour.stimuli,
    )
    script = "cat > /tmp/case.json; kmcl replay /tmp/case.json"
    done = lab.guest.run(["sh", "-c", script], case.dumps().encode(), limit=200.0)

    assert done.output.decode().rstrip().endswith("FIXED"), done


def test_a_panic_is_recognised_and_told_in_one_line(lab: Lab) -> None:
    """The last test: it costs the guest."""
    with pytest.raises(GuestLost, match=r"^panic of the inner guest: sysrq triggered crash; see "):
        lab.guest.run(["sh", "-c", "echo c > /proc/sysrq-trigger; cat"])
    lost = lab.lost

    assert lost is not None
    assert not lost.is_hang
