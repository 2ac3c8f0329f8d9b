"""The benchmark: ``python -m kmcl_conformance.bench``, or ``make bench``.

One run measures everything on one core, so that the figures compare. Before each figure, code
and automata are warmed up by a run that is not counted; then come the repeats, of which the median
and the extremes are shown. Walks take fresh seeds in every repeat, as a campaign does. The bare
state machine and ours take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import hypothesis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from rich.console import Console
from rich.table import Table

from kmcl_adapters import Adapter
from kmcl_adapters.native import create as native
from kmcl_adapters.reference import create
from kmcl_model.events import Event
from kmcl_model.spec import Specification
from kmcl_model.stimuli import Stimulus

from .campaign import Options, certify
from .generate.machine import ConformanceMachine, machine
from .oracle import judge_trace
from .sequence import walk

__all__ = ["Figure", "Sizes", "figures", "main"]

LENGTH: Final = 80
"""Steps of a walk, as ``kmcl certify`` takes."""

EXAMPLE: Final = Path("build/native/libkmcl_example.so")
"""Where ``make native`` puts the example library, seen from the repository."""


class Sizes(NamedTuple):
    """How much is run: repeats of each figure, and what one repeat consists of."""

    repeats: int
    warm_walks: int
    walks: int
    examples: int
    native_walks: int
    certify: bool


FULL: Final = Sizes(7, 1500, 300, 60, 20, True)
QUICK: Final = Sizes(5, 300, 60, 15, 4, False)


class Figure(NamedTuple):
    """A measured figure: ``values`` of all repeats, in ``unit``; ``target`` None where there is
    none, and ``at_most`` tells which side of it is good."""

    name: str
    unit: str
    values: tuple[float, ...]
    target: float | None = None
    at_most: bool = False

    @property
    def median(self) -> float:
        return median(self.values)

    def met(self) -> bool | None:
        """Whether the median reaches the target; None where there is none."""
        if self.target is None:
            return None
        return self.median <= self.target if self.at_most else self.median >= self.target

    def record(self) -> dict[str, Any]:
        """The figure as JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 3),
            "min": round(min(self.values), 3),
            "max": round(max(self.values), 3),
            "repeats": len(self.values),
            "target": self.target,
            "met": self.met(),
        }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _explorer(adapter: Adapter, specification: Specification, sizes: Sizes) -> tuple[float, ...]:
    rates = []
    for repeat in range(sizes.repeats):
        first = 1_000_000 + repeat * sizes.walks
        began = time.perf_counter()
        steps = sum(
            walk(adapter, specification, seed, LENGTH).steps
            for seed in range(first, first + sizes.walks)
        )
        rates.append(steps / (time.perf_counter() - began))
    return tuple(rates)


def _oracle(
    traces: Sequence[Sequence[Event]], specification: Specification, repeats: int
) -> tuple[float, ...]:
    """Events judged a second, traces recorded before; the automata know them already."""

    def judge() -> None:
        for trace in traces:
            judge_trace(trace, specification)

    judge()
    events = sum(map(len, traces))
    return tuple(events / _seconds(judge) for _ in range(repeats))


def _implementation(
    adapter: Adapter, cases: Iterable[Sequence[Stimulus]], repeats: int
) -> tuple[float, ...]:
    """Events a second of the implementation alone: stimuli chosen before, nothing judged."""
    cases = list(cases)

    def drive() -> int:
        events = 0
        for stimuli in cases:
            session = adapter.open()
            for stimulus in stimuli:
                session.apply(stimulus)
                events += len(session.take())
            session.close()
        return events

    rates = []
    for _ in range(repeats):
        began = time.perf_counter()
        events = drive()
        rates.append(events / (time.perf_counter() - began))
    return tuple(rates)


class _Bare(RuleBasedStateMachine):
    """``_bare`` gives it rules."""

    count = 0


def _bare(rules: int) -> type[_Bare]:
    """A machine with so many rules and nothing to do, not even an argument to draw."""

    def make(name: str) -> Any:
        def body(self: _Bare) -> None:
            type(self).count += 1

        body.__name__ = name
        return rule()(body)

    return type("Bare", (_Bare,), {f"rule_{n:02}": make(f"rule_{n:02}") for n in range(rules)})


class _Counted(ConformanceMachine):
    """Counts the rules that did something: each looks around once when it is done."""

    count = 0

    def __init__(self) -> None:
        type(self).count -= 2  # a look at the beginning and one after the set-up
        super().__init__()

    def look(self) -> None:
        type(self).count += 1
        super().look()


def _machines(
    adapter: Adapter, specification: Specification, sizes: Sizes
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Rule steps a second of our machine and of a bare one with as many rules. The set-up of
    each example is part of our time and not of our steps."""
    ours = machine(lambda: adapter, specification, base=_Counted)
    bare = _bare(len(ours.setup_state().rules))
    chosen = settings(
        max_examples=sizes.examples,
        stateful_step_count=50,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def rate(target: type[_Bare] | type[_Counted], number: int) -> float:
        target.count = 0
        began = time.perf_counter()
        run_state_machine_as_test(seed(number)(target), settings=chosen)
        return target.count / (time.perf_counter() - began)

    rates = [(rate(ours, n), rate(bare, n)) for n in range(sizes.repeats + 1)][1:]
    return tuple(r for r, _ in rates), tuple(b for _, b in rates)


def _native(library: Path, sizes: Sizes) -> tuple[float, ...]:
    """Steps a second of walks against the example library, in a process of its own."""
    adapter = native(str(library))
    try:
        sized = sizes._replace(walks=sizes.native_walks)
        _explorer(adapter, Specification(), sized._replace(repeats=1))
        return _explorer(adapter, Specification(), sized)
    finally:
        adapter.close()


def _certify() -> tuple[float, ...]:
    """Seconds that ``kmcl certify`` of the reference takes; fresh automata, one run."""
    return (_seconds(lambda: certify(create(""), Options())),)


def figures(sizes: Sizes, report: Callable[[str], None] = lambda _what: None) -> list[Figure]:
    """Measure everything; ``report`` hears what is being measured."""
    adapter, specification = create(""), Specification()
    report("warming up")
    outcomes = [walk(adapter, specification, seed, LENGTH) for seed in range(sizes.warm_walks)]
    failed = sum(outcome.failure is not None for outcome in outcomes)
    if failed:
        report(f"{failed} of {len(outcomes)} walks fail: the figures are those of broken code")
    recorded = outcomes[: sizes.walks]
    found = []
    report("explorer, reference and oracle")
    found.append(
        Figure(
            "explorer + reference + oracle",
            "steps/s",
            _explorer(adapter, specification, sizes),
            20_000,
        )
    )
    report("Hypothesis machine")
    rates, bare = _machines(adapter, specification, sizes)
    found += [
        Figure(
            "Hypothesis machine, of a bare one",
            "ratio",
            tuple(r / b for r, b in zip(rates, bare, strict=True)),
            0.6,
        ),
        Figure("  the machine", "steps/s", rates),
        Figure("  a bare machine with as many rules", "steps/s", bare),
    ]
    report("oracle alone")
    traces = [outcome.events for outcome in recorded]
    found.append(
        Figure(
            "oracle alone, recorded traces",
            "events/s",
            _oracle(traces, specification, sizes.repeats),
            200_000,
        )
    )
    report("reference alone")
    cases = [outcome.stimuli for outcome in recorded]
    found.append(
        Figure(
            "reference alone, recorded stimuli",
            "events/s",
            _implementation(adapter, cases, sizes.repeats),
        )
    )
    if EXAMPLE.is_file():
        report("C example")
        found.append(Figure("explorer + C example + oracle", "steps/s", _native(EXAMPLE, sizes)))
    if sizes.certify:
        report("certification")
        found.append(Figure("kmcl certify, default budget", "s", _certify(), 60, at_most=True))
    return found


def _processor() -> str:
    """The model of the processor, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _machine() -> dict[str, Any]:
    """Where the figures were taken."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "hypothesis": hypothesis.__version__,
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _table(found: Sequence[Figure]) -> Table:
    table = Table()
    table.add_column("what")
    for name in ("median", "min", "max", "repeats", "target"):
        table.add_column(name, justify="right")
    table.add_column("unit")
    for figure in found:
        met = figure.met()
        target = ""
        if figure.target is not None:
            target = ("≤ " if figure.at_most else "≥ ") + _number(figure.target)
        table.add_row(
            figure.name,
            _number(figure.median),
            _number(min(figure.values)),
            _number(max(figure.values)),
            str(len(figure.values)),
            target + {None: "", True: " ✓", False: " ✗"}[met],
            figure.unit,
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table or JSON. The exit code says nothing about targets."""
    parser = argparse.ArgumentParser(
        prog="python -m kmcl_conformance.bench",
        description="Measure the speed of the suite on this machine.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small repeats and no certification: about 15 s"
    )
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else FULL
    where = _machine()
    began = time.perf_counter()
    notes = Console(stderr=True)
    found = figures(sizes, lambda what: notes.print(f"[dim]{what} …"))
    seconds = round(time.perf_counter() - began, 1)
    if options.json:
        print(
            json.dumps(
                {
                    "machine": where,
                    "warm_up_walks": sizes.warm_walks,
                    "seconds": seconds,
                    "figures": [figure.record() for figure in found],
                },
                indent=2,
            )
        )
        return 0
    console = Console()
    console.print(", ".join(f"{name}: {value}" for name, value in where.items()), soft_wrap=True)
    console.print(
        f"warm-up: {sizes.warm_walks:,} walks, one unmeasured repeat of each machine and trace; one core; {seconds} s in all"
    )
    console.print(_table(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
