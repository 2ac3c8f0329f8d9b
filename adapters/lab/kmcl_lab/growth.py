"""What the programmable host gains while it works: does it give back what the work costs?

The host is asked from time to time, between two pieces of work. What it allocates once is no leak:
its trace fills up to a limit, an interpreter's memory moves a little. So growth counts from the
first sample with a full trace on, until which nothing is said of memory, and only what is more than
``SETTLING_KIB`` and ``KIB_EACH`` for each piece of work is a leak; of descriptors and threads,
which nothing moves by itself, what is more than ``SPARE`` and one for every ``WORK_EACH`` pieces.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .lab import Lab
from .problem import LabProblem

__all__ = [
    "KIB_EACH",
    "LEAST_WORK",
    "SETTLING_KIB",
    "Growth",
    "Sample",
    "counted_in",
    "growth_of",
    "leaks_of",
]

SETTLING_KIB: Final = 2048
"""What an interpreter's memory may grow by once, however much work follows."""
KIB_EACH: Final = 8
"""The KiB that a piece of work may keep; the objects of one session are some hundred."""
SPARE: Final = 4
"""Descriptors and threads that come and go with the session that is open at the moment."""
WORK_EACH: Final = 10
LEAST_WORK: Final = 10
"""Pieces of work below which nothing is said."""
_SECONDS: Final = 10.0
_COUNTED: Final = ("descriptors", "threads")


class Sample(NamedTuple):
    """What the host held after so many seconds and pieces of work. ``boot``: which start of the
    machines it was; ``settled``: its trace was full."""

    seconds: float
    work: int
    boot: int
    settled: bool
    held: Mapping[str, int]


def leaks_of(
    begin: Mapping[str, int], end: Mapping[str, int], work: int, kib_each: int = KIB_EACH
) -> list[str]:
    """What has leaked between two looks at one start of the machines, with so much work between
    them; nothing where that is too little."""
    if work < LEAST_WORK:
        return []
    bounds = {"kib": SETTLING_KIB + kib_each * work}
    bounds |= dict.fromkeys(_COUNTED, SPARE + work // WORK_EACH)
    return [name for name, most in bounds.items() if end[name] - begin[name] > most]


class Growth:
    """``ask`` gives what the host holds (``Lab.ask_host('resources')``), ``boot`` the number of the
    start; ``clock``: seconds that only go forward. Call it after each piece of work."""

    def __init__(
        self,
        ask: Callable[[], Mapping[str, Any]],
        boot: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        every: float = _SECONDS,
    ) -> None:
        self._ask = ask
        self._boot = boot
        self._clock = clock
        self._every = every
        self._started = clock()
        self._work = 0
        self.samples: list[Sample] = []

    def __call__(self) -> None:
        """A piece of work is done; look, if it is time to. A host that does not answer is
        noticed by whoever needs it next."""
        self._work += 1
        last = self.samples[-1] if self.samples else None
        seconds = self._clock() - self._started
        if last is None or seconds - last.seconds >= self._every or last.boot != self._boot():
            with contextlib.suppress(LabProblem):
                self.look()

    def look(self) -> None:
        """Take a sample now. Raises LabProblem."""
        told = dict(self._ask())
        settled = bool(told.pop("settled"))
        seconds = round(self._clock() - self._started, 1)
        self.samples.append(Sample(seconds, self._work, self._boot(), settled, told))

    def figures(self) -> dict[str, Any]:
        """Begin, end and growth of each start of the machines, and whether there are ``leaks``:
        None where too little was done to tell. Where the trace was never full, it is the first
        sample that counts, and nothing is said of memory: that has grown by the trace."""
        periods: list[dict[str, Any]] = []
        for boot in dict.fromkeys(sample.boot for sample in self.samples):
            samples = [sample for sample in self.samples if sample.boot == boot]
            settled = [sample for sample in samples if sample.settled]
            begin, end = (settled or samples)[0], samples[-1]
            leaks = leaks_of(begin.held, end.held, end.work - begin.work)
            grown = {name: end.held[name] - begin.held[name] for name in end.held}
            periods.append(
                {
                    "boot": boot,
                    "samples": len(samples),
                    "minutes": round((end.seconds - begin.seconds) / 60, 1),
                    "work": end.work - begin.work,
                    "trace_was_full": bool(settled),
                    "begin": dict(begin.held),
                    "end": dict(end.held),
                    "growth": grown,
                    "most": {name: max(s.held[name] for s in samples) for name in end.held},
                    "kib_by_minute": _course(samples),
                    "leaks": leaks if settled else [name for name in leaks if name in _COUNTED],
                }
            )
        told = any(p["work"] >= LEAST_WORK and p["trace_was_full"] for p in periods)
        has_leaked = any(period["leaks"] for period in periods)
        return {"host_growth": periods, "leaks": has_leaked or (False if told else None)}

    def lines(self) -> list[str]:
        """The same for people."""
        told = []
        for period in self.figures()["host_growth"]:
            begin, end = period["begin"], period["end"]
            parts = [f"{begin[name]:,} to {end[name]:,} {word}" for name, word in _WORDS.items()]
            verdict = f"LEAK: {', '.join(period['leaks'])}" if period["leaks"] else "no leak"
            if not period["trace_was_full"]:
                verdict += "; nothing is said of memory while the trace fills up"
            if period["work"] < LEAST_WORK:
                verdict = "too short to tell"
            said = f"{period['minutes']:g} min, {period['work']} sequences"
            told.append(f"the host holds {', '.join(parts)} in {said}: {verdict}")
        return told


def growth_of(lab: Lab) -> Growth:
    """Of a lab that runs with the programmable host."""
    return Growth(lambda: lab.ask_host("resources"), lambda: lab.starts)


def counted_in(lab: Lab, growth: Growth) -> dict[str, Any]:
    """How the programmable host has grown, up to now, and under ``host`` what it has counted; less
    of that from a host that does not answer any more."""
    told: dict[str, Any] = {}
    with contextlib.suppress(LabProblem):
        told["host"] = lab.ask_host("figures")
        growth.look()
    return told | growth.figures()


def _course(samples: list[Sample]) -> list[tuple[int, int]]:
    """How the memory went, a pair of minute and KiB for each minute."""
    by_minute = {int(sample.seconds // 60): sample.held["kib"] for sample in samples}
    return [*by_minute.items()]


_WORDS: Final = {"kib": "KiB", "descriptors": "descriptors", "threads": "threads"}
