"""The bench of the lab: cycles in the guest, growth at the host, and the table of figures."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kmcl_adapters import Doubted
from kmcl_conformance.adapters import find
from kmcl_conformance.cli import lab_bench
from kmcl_conformance.cli.lab_bench import JUDGED, bench_driver, leak_line, rows_of, spread
from kmcl_lab import cycles, hostcheck, measure
from kmcl_lab.boot import Boot
from kmcl_lab.machine import HostKind
from kmcl_lab.problem import LabProblem
from kmcl_lab.wire import COMPLETION, COMPLETION_REQUESTED, Packet


class Channel:
    """A device whose host completes requests, but for number ``lost``; ``open``: how many are."""

    open = 0
    lost = 0

    def __init__(self, device: str) -> None:
        assert device == "/dev/uio0"
        Channel.open += 1
        self.sent: list[int] = []

    def send(self, payload: bytes, transaction: int, flags: int = 0) -> None:
        assert flags == COMPLETION_REQUESTED
        self.sent.append(transaction)

    def receive(self, limit: float) -> Packet | None:
        (number,) = self.sent
        return None if number == Channel.lost else Packet(COMPLETION, 0, number, b"")

    def close(self) -> None:
        Channel.open -= 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Seconds, one for each look; the device above; a guest that loses nothing."""
    held = {"guest_free_kib": 9, "guest_files": 8, "process_kib": 7, "process_descriptors": 6}
    monkeypatch.setattr(cycles, "Endpoint", Channel)
    monkeypatch.setattr(cycles, "_state", lambda: held)
    monkeypatch.setattr(Channel, "open", 0)
    monkeypatch.setattr(Channel, "lost", 0)
    seconds = iter((10.0, 14.0))
    return lambda: next(seconds)


def test_cycles_of_opening_exchanging_and_closing_have_a_rate(clock: Any) -> None:
    found = cycles.exchanges("/dev/uio0", 50, clock)

    assert (found["cycles"], found["cycles_per_second"], Channel.open) == (50, 12.5, 0)
    assert found["before"] == found["after"]


def test_a_request_without_its_completion_ends_the_cycles(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Channel, "lost", 3)

    with pytest.raises(OSError, match="request 3 was answered by None"):
        cycles.exchanges("/dev/uio0", 50, clock)


HELD = {"kib": 304_348, "descriptors": 13, "threads": 6, "guest_free_kib": 325_192}


@pytest.mark.parametrize(
    ("more", "leaks"),
    [
        ({"kib": 519_904}, ["kib"]),  # page lists of every offer, as it once was
        ({"kib": 3_000}, []),
        ({"kib": 3_100}, ["kib"]),
        ({"descriptors": 105}, ["descriptors"]),
        ({"guest_free_kib": -7_544}, []),
    ],
    ids=str,
)
def test_a_thousand_cycles_show_what_the_host_does_not_give_back(
    more: dict[str, int], leaks: list[str]
) -> None:
    after = {name: held + more.get(name, 0) for name, held in HELD.items()}
    found = hostcheck._growth(HELD, after, 1000)

    assert found["leaks"] == leaks
    assert found["guest_bytes_lost_a_cycle"] == round(-1.024 * more.get("guest_free_kib", 0))


@pytest.mark.parametrize("host", [*HostKind])
@pytest.mark.parametrize(
    ("cycles", "leaks", "words"),
    [(9, None, "too few cycles to tell; it takes 10"), (10, True, "YES"), (100, False, "none")],
)
def test_of_few_cycles_nothing_is_said(
    host: HostKind, cycles: int, leaks: bool | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight descriptors more: something may move by itself, or go with every cycle."""
    more = HELD | {"guest_files": 8, "process_kib": 7, "process_descriptors": 6}
    held = [more, more | {"descriptors": 21, "process_descriptors": 14}] * 2
    ends = {"before": held[0], "after": held[1]}
    monkeypatch.setattr(hostcheck, "_kept", lambda _: held.pop(0))
    monkeypatch.setattr(hostcheck, "printed_by", lambda *_: ends | {"cycles_per_second": 9.0})
    monkeypatch.setattr(hostcheck, "_present", lambda _: ("/dev/uio0", {"relid": 3}))
    monkeypatch.setattr(lab_bench, "offer_again", lambda *_: {"offers": {"leaks": []}})
    monkeypatch.setattr(lab_bench, "check_host", lambda _: {})
    monkeypatch.setattr(lab_bench, "_judge_some", lambda *_: None)
    monkeypatch.setattr(lab_bench, "BothAdapter", lambda *_, **__: None)
    monkeypatch.setattr(lab_bench, "in_the_lab", lambda _: lambda _: None)
    monkeypatch.setattr(measure, "printed_by", lambda *_: ends | {"cycles": cycles})
    nothing: Any = SimpleNamespace(
        host=host,
        rewind=lambda _: None,
        ask_host=lambda *_, **__: {"settled": 1},
        bind=lambda: "",
    )
    found = lab_bench.bench(nothing, cycles, lab_bench.Pace(0.0))

    assert found["leaks"] is leaks
    assert leak_line(found).startswith(f"leaks: {words}")


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({"guest_bytes_lost_a_cycle": 512}, "leaks: none of ours"),
        (
            {"guest_bytes_lost_a_cycle": 20902},
            "leaks: none of ours; the guest's kernel has lost 20,902 bytes a cycle",
        ),
        (
            {
                "offers": {"guest_bytes_lost_a_cycle": 70},
                "cycles": {"guest_bytes_lost_a_cycle": 3736},
            },
            "leaks: none of ours; the guest's kernel has lost 3,736 bytes a cycle",
        ),
    ],
    ids=["next to nothing", "under QEMU", "under our host"],
)
def test_what_the_kernel_of_the_guest_loses_is_told(measured: dict[str, Any], words: str) -> None:
    assert leak_line({"leaks": False, **measured}) == words


def test_a_guest_that_is_reset_does_not_make_the_start_longer() -> None:
    boot = Boot.__new__(Boot)
    boot._started, boot._ready, boot.ready_after = -1e9, threading.Event(), 24.8

    boot._on_hello({"kernel": "6.12"})

    assert (boot.hello, boot.ready_after) == ({"kernel": "6.12"}, 24.8)


@pytest.mark.parametrize(("cycles", "works"), [(9, 3), (10, 30), (1000, 30)])
def test_nothing_counts_before_the_trace_is_full(cycles: int, works: int) -> None:
    """Each piece of work fills it by a thirtieth; where nothing is said of leaks it need not be."""
    done: list[None] = []
    lab: Any = SimpleNamespace(ask_host=lambda _: {"settled": int(len(done) >= 30)})

    hostcheck._warm_up(lab, lambda: done.append(None), cycles)

    assert len(done) == works


def test_the_table_says_which_targets_are_met() -> None:
    growth = {"growth": {"kib": 1240, "descriptors": 0}}
    measured: dict[str, Any] = {
        "first_sequence_judged_after": 43.3,
        "sequences_per_second": 0.2,
        "rewind": [0.157, 0.106, 1.5],
        "request_and_completion": 0.003,
        "driver": {"sequences_per_second": 0.332},
        "cycles": growth | {"cycles": 1000, "cycles_per_second": 4.9},
        "offers": growth | {"offers": 1000, "seconds_each": 1.02},
    }
    met = {figure.name: figure.met() for figure in rows_of(measured)}

    assert [name for name, good in met.items() if good is False] == [
        "judged cases of the bus driver, each from a saved moment",
        "open, exchange, close: 1,000 cycles",
    ]
    assert [name for name, good in met.items() if good] == [
        "from nothing to the first judged sequence",
        "going back to a saved moment",
    ]


def test_the_cases_that_are_measured_are_of_all_sorts() -> None:
    found = spread(39)

    assert len(found) == len(set(found)) == JUDGED
    assert [n for n in found if n < 39] == [0, 3, 7, 11, 15, 19, 23, 27, 31, 35]
    assert [n for n in found if n >= 39] == [*range(39, 49)]


def test_a_guest_that_is_lost_while_it_is_measured_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = SimpleNamespace(describe=find("guest").describe, open=lose, close=lambda: None)
    monkeypatch.setattr(lab_bench, "LinuxAdapter", lambda lab: guest)

    with pytest.raises(LabProblem, match=r"^linux: the inner guest has not answered$"):
        bench_driver(cast(Any, None))


def lose() -> None:
    raise Doubted("linux: the inner guest has not answered")


def test_qemu_as_the_host_has_figures_of_its_own() -> None:
    measured = {
        "first_sequence_judged_after": 61.0,
        "sequences_per_second": 0.5,
        "per_second": 20.0,
        "cycles": 1000,
        "seconds": 40.0,
    }
    first, *_, last = rows_of(measured)

    assert (first.target, first.met()) == (60, False)
    assert (last.name, last.values) == ("opening and closing", (25.0,))
