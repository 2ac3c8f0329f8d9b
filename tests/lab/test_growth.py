"""What a long piece of work leaves behind at the host: growth that is none, and leaks."""

import json
import subprocess
import sys
from itertools import count
from typing import Any

import pytest

from kmcl_lab.growth import KIB_EACH, SETTLING_KIB, Growth, leaks_of
from kmcl_lab.hosting.resources import own_kib
from kmcl_lab.problem import LabProblem

SMAPS = """\
00400000-00500000 r-xp 00000000 08:01 12 /usr/bin/python3
Size:               1024 kB
Rss:                 900 kB
7f0000000000-7f0020000000 rw-p 00000000 00:00 0
Rss:              300000 kB
Pss:              300000 kB
7f0020000000-7f0020100000 rw-p 00000000 00:00 0 [heap]
Rss:                  64 kB
""".splitlines()
GUEST = range(0x7F0000000000, 0x7F0020000000)


def test_the_guests_memory_is_none_of_the_hosts() -> None:
    assert own_kib(SMAPS, GUEST) == 964
    assert own_kib(SMAPS, range(0)) == 300964
    assert own_kib(SMAPS, GUEST, range(0x7F0020000000, 0x7F0020100000)) == 900


def test_neighbours_that_the_guest_sees_may_be_one_mapping() -> None:
    middle = 0x7F0010000000
    below, above = range(GUEST.start, middle), range(middle, GUEST.stop)

    assert own_kib(SMAPS, above, below) == 964
    assert own_kib(SMAPS, below) == own_kib(SMAPS, above) == 300964
    assert own_kib(SMAPS, below, range(middle + 4096, GUEST.stop)) == 300964


class Host:
    """Holds what a piece of work leaves behind; its trace is full after so many pieces."""

    def __init__(self, full_after: int = 0) -> None:
        self.held = {"kib": 20_000, "descriptors": 12, "threads": 6}
        self.full_after = full_after
        self.asked = 0
        self.boot = 1

    def ask(self) -> dict[str, int]:
        self.asked += 1
        return self.held | {"settled": int(self.asked > self.full_after)}


def grown(host: Host, work: int, **each: int) -> dict[str, Any]:
    """The figures after so many pieces of work that cost so much each, 10 seconds long."""
    seconds = count(step=10.0)
    growth = Growth(host.ask, lambda: host.boot, lambda: next(seconds))
    for _ in range(work):
        for name, more in each.items():
            host.held[name] += more
        growth()
    return growth.figures()


@pytest.mark.parametrize(
    ("each", "leaks"),
    [
        ({}, []),
        ({"kib": KIB_EACH}, []),
        ({"kib": KIB_EACH + 30}, ["kib"]),
        ({"descriptors": 1}, ["descriptors"]),
        ({"threads": 1}, ["threads"]),
        ({"kib": 100, "descriptors": 2}, ["kib", "descriptors"]),
    ],
    ids=str,
)
def test_what_grows_with_the_work_is_a_leak(each: dict[str, int], leaks: list[str]) -> None:
    found = grown(Host(), 101, **each)
    (period,) = found["host_growth"]

    assert (period["leaks"], found["leaks"]) == (leaks, bool(leaks))
    assert period["work"] == 100
    assert period["growth"] == {
        name: 100 * each.get(name, 0) for name in ("kib", "descriptors", "threads")
    }


def test_what_the_trace_fills_with_is_no_leak() -> None:
    host = Host(full_after=40)
    seconds = count(step=10.0)
    growth = Growth(host.ask, lambda: 1, lambda: next(seconds))
    for number in range(100):
        host.held["kib"] += 500 if number < 40 else 0
        growth()

    (period,) = growth.figures()["host_growth"]
    assert period["kib_by_minute"][:2] == [(0, 21_000), (1, 22_500)]
    assert (period["growth"]["kib"], period["work"], period["leaks"]) == (0, 59, [])


@pytest.mark.parametrize(
    ("each", "leaks", "verdict"),
    [
        ({"kib": 500}, [], "no leak; nothing is said of memory while the trace fills up"),
        (
            {"kib": 500, "threads": 1},
            ["threads"],
            "LEAK: threads; nothing is said of memory while the trace fills up",
        ),
    ],
    ids=str,
)
def test_while_the_trace_fills_up_memory_says_nothing(
    each: dict[str, int], leaks: list[str], verdict: str
) -> None:
    seconds = count(step=10.0)
    host = Host(full_after=40)
    growth = Growth(host.ask, lambda: 1, lambda: next(seconds))
    for _ in range(40):
        for name, more in each.items():
            host.held[name] += more
        growth()
    found = growth.figures()
    (period,) = found["host_growth"]

    assert (period["trace_was_full"], period["growth"]["kib"]) == (False, 39 * 500)
    assert (period["leaks"], found["leaks"]) == (leaks, True if leaks else None)
    assert growth.lines()[0].endswith(f" sequences: {verdict}")


def test_a_host_that_was_started_again_begins_anew() -> None:
    host, seconds = Host(), count(step=1.0)
    growth = Growth(host.ask, lambda: host.boot, lambda: next(seconds), every=1000)
    for boot, kib in ((1, 20_000), (1, 20_000), (2, 90_000), (2, 90_000)):
        host.boot, host.held["kib"] = boot, kib
        growth()
    growth.look()

    assert [p["boot"] for p in growth.figures()["host_growth"]] == [1, 2]
    assert [p["growth"]["kib"] for p in growth.figures()["host_growth"]] == [0, 0]
    assert len(growth.samples) == 3
    assert growth.lines()[1] == (
        "the host holds 90,000 to 90,000 KiB, 12 to 12 descriptors, 6 to 6 threads "
        "in 0 min, 1 sequences: too short to tell"
    )


def test_a_leak_is_told_in_words() -> None:
    host, seconds = Host(), count(step=10.0)
    growth = Growth(host.ask, lambda: 1, lambda: next(seconds))
    for _ in range(101):
        host.held["descriptors"] += 1
        growth()

    assert growth.lines() == [
        "the host holds 20,000 to 20,000 KiB, 13 to 113 descriptors, 6 to 6 threads "
        "in 33.3 min, 100 sequences: LEAK: descriptors"
    ]


def test_a_host_that_does_not_answer_is_somebody_elses_business() -> None:
    def silent() -> dict[str, int]:
        raise LabProblem("the VMBus host's monitor does not answer")

    growth = Growth(silent, lambda: 1)
    growth()

    assert growth.figures() == {"host_growth": [], "leaks": None}
    with pytest.raises(LabProblem):
        growth.look()


LEAKING = """
import gc, json, os
from kmcl_lab.growth import leaks_of
from kmcl_lab.hosting.resources import held

kept = []

def between(work, times=60):
    begin = held(range(0))
    for _ in range(times):
        work()
    return leaks_of(begin, held(range(0)), times)

def make_a_cycle():
    thing = [bytearray(1 << 20)]
    thing.append(thing)

print(json.dumps({
    "a descriptor, closed": between(lambda: os.close(os.dup(0))),
    "a descriptor, kept": between(lambda: kept.append(os.dup(0))),
    "memory, freed": between(lambda: bytearray(1 << 20).clear()),
    "memory, kept": between(lambda: kept.append(bytearray(1 << 20))),
}))
gc.disable()  # whoever measures collects
print(json.dumps({"memory, in cycles": between(make_a_cycle)}))
"""
"""A process that leaks. One of its own, since a process that has done much before has memory to
spare, and need not grow."""


def test_what_a_real_process_does_not_give_back_is_found() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LEAKING], check=True, capture_output=True, text=True, timeout=60
    )

    kept, collected = map(json.loads, ran.stdout.splitlines())
    assert kept == {
        "a descriptor, closed": [],
        "a descriptor, kept": ["descriptors"],
        "memory, freed": [],
        "memory, kept": ["kib"],
    }
    assert collected == {"memory, in cycles": []}


def test_little_work_says_nothing() -> None:
    begin = Host().held
    assert leaks_of(begin, begin | {"descriptors": 99}, 9) == []
    assert leaks_of(begin, begin | {"descriptors": 99}, 10) == ["descriptors"]
    assert leaks_of(begin, begin | {"kib": begin["kib"] + SETTLING_KIB + 11}, 10, 1) == ["kib"]
