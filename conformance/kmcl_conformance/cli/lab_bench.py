"""The figures of ``kmcl lab bench``, and the table of them with their targets."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kmcl_adapters import Adapter, Doubted
from kmcl_conformance.campaign import Progress
from kmcl_conformance.figure import Figure
from kmcl_conformance.plan import LENGTH, Plan
from kmcl_conformance.profiles import PROFILES, choose
from kmcl_lab.both import BothAdapter
from kmcl_lab.growth import LEAST_WORK
from kmcl_lab.hostcheck import check_host, exchange_in_cycles, offer_again
from kmcl_lab.lab import Lab
from kmcl_lab.linux import LinuxAdapter
from kmcl_lab.machine import HostKind
from kmcl_lab.measure import LEAK_BYTES, measure
from kmcl_lab.problem import LabProblem

from .budget import length_of
from .lab_check import in_the_lab

__all__ = ["JUDGED", "LINUX", "Pace", "bench", "bench_driver", "leak_line", "rows_of", "spread"]

JUDGED: Final = 20
"""Sequences whose speed is measured."""
_LOST: Final = "guest_bytes_lost_a_cycle"
LINUX: Final = "linux-vmbus"
"""The profile of the guest's own bus driver."""


class Pace:
    """Hears of every sequence, and tells how soon and how fast they came; seconds."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._first = self._last = 0.0
        self._done = 0

    def __call__(self, _progress: Progress | None) -> None:
        self._last = time.monotonic() - self._started
        self._first = self._first or self._last
        self._done += 1

    def figures(self) -> dict[str, float]:
        """The figures so far."""
        between = self._last - self._first
        return {
            "first_sequence_judged_after": round(self._first, 1),
            "sequences_per_second": round((self._done - 1) / between, 3) if between else 0.0,
        }


def bench(running: Lab, cycles: int, pace: Pace) -> dict[str, Any]:
    """Measure what this lab can do; ``leaks``: whether anything leaked, None where the cycles are
    too few to tell. Raises LabProblem."""
    if running.host == HostKind.QEMU:
        _judge_some(in_the_lab(running)(""), range(JUDGED), pace)
        return measure(running, cycles) | pace.figures()
    both = BothAdapter(running, is_guest=True)
    _judge_some(both, range(JUDGED), pace)
    figures = check_host(running)
    running.rewind("bound")
    figures |= offer_again(running, cycles)
    figures |= exchange_in_cycles(running, cycles)
    leaks = [figures[name]["leaks"] for name in ("cycles", "offers")]
    figures["leaks"] = None if None in leaks else any(leaks)
    return figures | pace.figures()


def bench_driver(running: Lab) -> dict[str, Any]:
    """How fast cases of the guest's own bus driver are judged, each from a saved moment, with a lab
    whose host is led by hand. Raises LabProblem."""
    adapter = LinuxAdapter(running)
    pace = Pace(time.monotonic())
    directed = Plan(1, subject=PROFILES[LINUX].subject).directed
    _judge_some(adapter, spread(directed), pace, length_of(LINUX, adapter.describe()))
    return {"driver": {"judged": JUDGED, **pace.figures()}}


def spread(directed: int) -> list[int]:
    """Numbers of sequences of all sorts: half of them are directed ones from the first to the last,
    the others walks."""
    half = JUDGED // 2
    return [n * directed // half for n in range(half)] + [directed + n for n in range(half)]


def _judge_some(adapter: Adapter, numbers: Iterable[int], pace: Pace, length: int = LENGTH) -> None:
    """Sequences of a certification, for their speed alone."""
    try:
        profile = PROFILES[choose(adapter.describe())]
        plan = Plan(1, length, ends=profile.ends, subject=profile.subject, host=profile.host)
        specification = profile.specification()
        for number in numbers:
            plan.run(number, adapter, specification)
            pace(None)
    except Doubted as doubt:
        raise LabProblem(str(doubt)) from None
    finally:
        adapter.close()


def leak_line(measured: Mapping[str, Any]) -> str:
    """What is to be said of leaks."""
    if measured["leaks"] is None:
        return f"leaks: too few cycles to tell; it takes {LEAST_WORK} at least (--cycles)"
    parts = [measured, *(part for part in measured.values() if isinstance(part, dict))]
    lost = max(int(part.get(_LOST, 0)) for part in parts)
    theirs = f"; the guest's kernel has lost {lost:,} bytes a cycle" if lost > LEAK_BYTES else ""
    return ("leaks: YES, see below" if measured["leaks"] else "leaks: none of ours") + theirs


def rows_of(measured: Mapping[str, Any]) -> list[Figure]:
    """As rows of a table."""
    ours = "rewind" in measured
    found = [
        Figure(
            "from nothing to the first judged sequence",
            "s",
            (measured["first_sequence_judged_after"],),
            45 if ours else 60,
            True,
        ),
        Figure("judged sequences", "1/min", (60 * measured["sequences_per_second"],)),
    ]
    if not ours:
        found.append(Figure("conversations", "1/s", (measured["per_second"],)))
        rate = measured["cycles"] / measured["seconds"]
        return [*found, Figure("opening and closing", "1/s", (round(rate, 1),))]
    cycles, offers = measured["cycles"], measured["offers"]
    return [
        *found,
        Figure(
            "judged cases of the bus driver, each from a saved moment",
            "1/min",
            (60 * measured["driver"]["sequences_per_second"],),
            20,
        ),
        Figure("going back to a saved moment", "s", tuple(measured["rewind"]), 1, True),
        Figure(
            f"open, exchange, close: {cycles['cycles']:,} cycles",
            "1/s",
            (cycles["cycles_per_second"],),
            5,
        ),
        Figure(
            f"rescinded and offered again, {offers['offers']:,} times",
            "s",
            (offers["seconds_each"],),
        ),
        Figure("request and completion", "ms", (1000 * measured["request_and_completion"],)),
        *(
            Figure(f"the host's {name} more, {what}", unit, (float(part["growth"][key]),))
            for what, part in (("after the cycles", cycles), ("after the offers", offers))
            for name, key, unit in (("memory", "kib", "KiB"), ("descriptors", "descriptors", ""))
        ),
    ]
