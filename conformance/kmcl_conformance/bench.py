"""The benchmark: ``python -m kmcl_conformance.bench``, or ``make bench``.

One run measures everything on one core, so that the figures compare. Before each figure, code
and automata are warmed up by a run that is not counted; then come the repeats, of which the median
and the extremes are shown. Walks take fresh seeds in every repeat, as a campaign does. The bare
state machine and ours take turns, so that a busy computer slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import hypothesis
from rich.console import Console

from kmcl_adapters import Adapter
from kmcl_adapters.native import create as native
from kmcl_adapters.reference import create
from kmcl_adapters.uio.bench import bare_round_trips, one_way, round_trips, some_cores
from kmcl_model.events import Event
from kmcl_model.spec import Specification
from kmcl_model.stimuli import Stimulus

from .bench_fuzz import ENOUGH, fuzz_figures
from .bench_machine import WARM_MACHINES, machine_rates
from .bench_proof import Proof, proof_figures
from .campaign import Options, certify
from .figure import Figure, table
from .garbage import collected_rarely
from .oracle import judge_trace
from .sequence import walk

__all__ = ["Sizes", "figures", "main"]

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
    packets: int
    trips: int
    corruptions: int
    proof: Proof


FULL: Final = Sizes(7, 1500, 300, 100, 20, True, 20_000, 2_000, ENOUGH, Proof(1, 50, 1, "small"))
QUICK: Final = Sizes(5, 300, 60, 15, 4, False, 5_000, 500, 50_000, Proof(20, 1, 1, "small"))
SEEDS: Final = 10
"""Seeds for each variant and each combination with ``--all-seeds``."""


def _explorer(
    adapter: Adapter,
    specification: Specification,
    sizes: Sizes,
    clock: Callable[[], float] = time.process_time,
) -> tuple[float, ...]:
    """Checked steps a second of walks with seeds that were not used before."""
    rates = []
    for repeat in range(sizes.repeats):
        first = 1_000_000 + repeat * sizes.walks
        began = clock()
        steps = sum(
            walk(adapter, specification, seed, LENGTH).steps
            for seed in range(first, first + sizes.walks)
        )
        rates.append(steps / (clock() - began))
    return tuple(rates)


def _oracle(
    traces: Sequence[Sequence[Event]], specification: Specification, repeats: int
) -> tuple[float, ...]:
    """Events judged a second, traces recorded before; the automata know them already."""

    rates = []
    for _ in range(repeats + 1):
        began = time.process_time()
        events = sum(judge_trace(trace, specification).events for trace in traces)
        rates.append(events / (time.process_time() - began))
    return tuple(rates[1:])


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
        began = time.process_time()
        events = drive()
        rates.append(events / (time.process_time() - began))
    return tuple(rates)


def _native(library: Path, sizes: Sizes) -> tuple[float, ...]:
    """Steps a second of walks against the example library, in a process of its own."""
    adapter = native(str(library))
    try:
        sized = sizes._replace(walks=sizes.native_walks)
        return _explorer(adapter, Specification(), sized, time.perf_counter)
    finally:
        adapter.close()


def _certify() -> tuple[float, ...]:
    """Seconds that ``kmcl certify`` of the reference takes; fresh automata, one run."""
    began = time.perf_counter()
    certify(create(""), Options())
    return (time.perf_counter() - began,)


def figures(sizes: Sizes, report: Callable[[str], None] = lambda _what: None) -> list[Figure]:
    """Measure everything; ``report`` hears what is being measured."""
    adapter, specification = create(""), Specification()
    report("warming up")
    outcomes = [walk(adapter, specification, seed, LENGTH) for seed in range(sizes.warm_walks)]
    failed = sum(outcome.failure is not None for outcome in outcomes)
    if failed:
        report(f"{failed} of {len(outcomes)} walks fail: these are the figures of broken code")
    recorded = outcomes[: sizes.walks]
    found = []

    def add(name: str, unit: str, values: tuple[float, ...], *target: Any) -> None:
        found.append(Figure(name, unit, values, *target))

    report("explorer, reference and oracle")
    rates = _explorer(adapter, specification, sizes)
    add("explorer + reference + oracle", "steps/s", rates, 20_000)
    report("Hypothesis machine")
    machines = machine_rates(adapter, specification, sizes.examples, sizes.repeats)
    ratios = tuple(m.steps / m.bare for m in machines)
    add("Hypothesis machine, checked steps per rule of a bare one", "ratio", ratios, 0.6)
    ratios = tuple(m.rules / m.bare for m in machines)
    add("  its rules per rule of a bare one, set-up not counted", "ratio", ratios)
    add("  checked steps, set-up included", "steps/s", tuple(m.steps for m in machines))
    add("  rules", "rules/s", tuple(m.rules for m in machines))
    add("  rules of the bare machine", "rules/s", tuple(m.bare for m in machines))
    report("oracle alone")
    traces = [outcome.events for outcome in recorded]
    rates = _oracle(traces, specification, sizes.repeats)
    add("oracle alone, recorded traces", "events/s", rates, 200_000)
    report("reference alone")
    cases = [outcome.stimuli for outcome in recorded]
    rates = _implementation(adapter, cases, sizes.repeats)
    add("reference alone, recorded stimuli", "events/s", rates)
    if EXAMPLE.is_file():
        report("C example")
        add("explorer + C example + oracle", "steps/s", _native(EXAMPLE, sizes))
    report("endpoint over shared memory")
    rates = one_way(sizes.packets, sizes.repeats)
    add("endpoint, 64 bytes one way, one core", "packets/s", rates, 30_000)
    for words, cores, target in (
        ("one core", some_cores(1), 100),
        ("two cores", some_cores(2), None),
    ):
        rates = round_trips(sizes.trips, sizes.repeats, cores)
        add(f"endpoint, median round trip of two processes, {words}", "us", rates, target, True)
        rates = bare_round_trips(sizes.trips, sizes.repeats, cores)
        add(f"  of two event descriptors, {words}", "us", rates)
    report("hostile host")
    found += fuzz_figures(sizes.corruptions)
    if sizes.certify:
        report("certification")
        add("kmcl certify, default budget", "s", _certify(), 60, True)
    report("mutants and variants")
    return [*found, *proof_figures(sizes.proof)]


def _processor() -> str:
    """The model of the processor, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _load() -> list[float]:
    return [round(load, 2) for load in os.getloadavg()]


def _machine() -> dict[str, Any]:
    """Where the figures were taken."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "hypothesis": hypothesis.__version__,
        "load_before": _load(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table or JSON. The exit code says nothing about targets."""
    parser = argparse.ArgumentParser(
        prog="python -m kmcl_conformance.bench",
        description="Measure the speed of the suite on this machine.",
    )
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument(
        "--all-seeds",
        action="store_true",
        help=f"every variant and combination with {SEEDS} seeds instead of one",
    )
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else FULL
    if options.all_seeds:
        sizes = sizes._replace(proof=sizes.proof._replace(seeds=SEEDS))
    where = _machine()
    began = time.perf_counter()
    notes = Console(stderr=True)
    with collected_rarely():
        found = figures(sizes, lambda what: notes.print(f"{what} …", style="dim"))
    where["load_after"] = _load()
    seconds = round(time.perf_counter() - began, 1)
    if options.json:
        record = {
            "machine": where,
            "method": _method(sizes),
            "seconds": seconds,
            "figures": [figure.record() for figure in found],
        }
        print(json.dumps(record, indent=2))
        return 0
    console = Console()
    for name, value in where.items():
        console.print(f"{name.replace('_', ' ')}: {value}", highlight=False)
    console.print(f"{_method(sizes)} {seconds} s in all.", highlight=False)
    console.print(table(found))
    for figure in found:
        for culprit in figure.culprits:
            console.print(
                f"{figure.name}: not reached for {culprit}", highlight=False, markup=False
            )
    return 0


def _method(sizes: Sizes) -> str:
    return (
        f"Warm-up, not counted: {sizes.warm_walks:,} walks, {WARM_MACHINES} runs of each "
        "machine, one pass over the traces. Rates are per second of one core's time; by the "
        "clock: the C example, the endpoint, and kmcl certify, which starts cold; the hostile "
        "host, too, whose figures are of one run. Garbage is "
        "collected as rarely as kmcl does it. Of mutants and variants each hunt is a repeat: "
        "a mutant gets the default budget, a variant the small one."
    )


if __name__ == "__main__":
    raise SystemExit(main())
