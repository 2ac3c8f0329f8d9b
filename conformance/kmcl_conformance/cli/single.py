"""``kmcl replay`` and ``kmcl check``: one case run again, one recorded trace judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kmcl_adapters import Adapter, AdapterError
from kmcl_conformance.adapters import find, origin_of
from kmcl_conformance.coverage import seen
from kmcl_conformance.profiles import FULL, PROFILES, profile_for
from kmcl_conformance.sequence import Outcome
from kmcl_conformance.sequence import replay as run_again
from kmcl_conformance.subjects import SUBJECTS
from kmcl_model.case import Case
from kmcl_model.control import GUEST, HOST
from kmcl_model.events import Call, Enter, Event
from kmcl_model.stimuli import Act, Arm, Environ, Hold, Invoke, Post, Run, Settle, Stimulus
from kmcl_model.trace import (
    Origin,
    TraceError,
    dump_trace,
    event_to_json,
    load_origin,
    load_trace,
)
from kmcl_reports.text import inline

from .options import Json, OutFolder, Quiet
from .output import Code, Problem, Screen, save
from .verdict import Finding, finding_of, show_chart, show_finding

__all__ = ["check", "replay"]

REPETITIONS: Final = 5
"""How often a case is run on an implementation that chooses its own order."""


PLACES: Final = tuple(place for subject in SUBJECTS for place in subject.places)
"""The ends that a stimulus can name."""

LAST: Final = 40
"""Events of a recorded trace that are drawn."""

Whole = Annotated[bool, typer.Option("--whole", help="Draw the trace from its first event.")]


def replay(
    case_file: Annotated[Path, typer.Argument(metavar="FILE", help="A case file.")],
    adapter: Annotated[
        str | None,
        typer.Option("--adapter", "-a", metavar="NAME[:ARG]", help="Default: the case's own."),
    ] = None,
    times: Annotated[
        int | None,
        typer.Option(
            "--times",
            min=1,
            help="Run up to so many times until it fails. Default: 1, or "
            f"{REPETITIONS} where the implementation chooses its own order.",
        ),
    ] = None,
    whole: Whole = False,
    out: OutFolder = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run a saved case again and say FIXED, FAILED or ERROR.

    Exit codes: 0 fixed, 1 failed, 2 wrong usage, 3 error.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    case = Case.load(case_file)
    _must_be_sound(case, case_file)
    is_its_own = adapter in (None, case.adapter)
    implementation = _usable(adapter or case.adapter)
    try:
        outcome = _run(implementation, case, times, is_its_own=is_its_own)
    except AdapterError as error:
        reason = f"{case_file}: {error}"
        screen.word("ERROR", good=False)
        screen.result({"case": str(case_file), "outcome": "error", "reason": reason})
        raise Problem(reason, Code.UNJUDGED) from error
    finally:
        implementation.close()
    described = implementation.describe()
    profile = profile_for(described)
    finding = finding_of(outcome.events, outcome.failure, profile)
    word = "FIXED" if finding is None else "FAILED"
    data = {
        "case": str(case_file),
        "adapter": adapter or case.adapter,
        "outcome": word.lower(),
        **_as_data(outcome.events, finding),
    }
    if out is not None:
        save(out, "trace.jsonl", dump_trace(outcome.events, origin_of(described)))
    screen.give(data, out, "replay.json")
    show_chart(screen, outcome.events, finding, whole=whole)
    if finding is not None:
        show_finding(screen, finding)
    _compare(screen, case, outcome, finding)
    screen.word(word, good=finding is None)
    return Code.CONFORMING if finding is None else Code.VIOLATIONS


def check(
    trace_file: Annotated[Path, typer.Argument(metavar="TRACE.jsonl", help="A recorded trace.")],
    profile: Annotated[
        str,
        typer.Option("--profile", help=f"What it shows: {', '.join(PROFILES)}."),
    ] = FULL,
    whole: Whole = False,
    out: OutFolder = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Judge a trace that was recorded elsewhere."""
    screen = Screen(quiet=quiet, as_json=as_json)
    events, origin = _read_trace(trace_file)
    if profile not in PROFILES:
        raise Problem(f"--profile {profile}: choose {', '.join(PROFILES)}")
    specification = PROFILES[profile].specification()
    judge = PROFILES[profile].subject.judge(specification, None)
    failure = judge.follow(events).failure
    finding = finding_of(events, failure, PROFILES[profile])
    exercised = sorted(id_ for id_ in seen(specification).requirements)
    if finding is None and not exercised:
        raise Problem(
            f"{trace_file}: {len(events)} events, and no requirement was put to the test; "
            "record a longer trace",
            Code.UNJUDGED,
        )
    screen.give(
        {
            "trace": str(trace_file),
            "origin": None if origin is None else origin._asdict(),
            "verdict": "conforming" if finding is None else "violations",
            "exercised": exercised,
            **_as_data(events, finding),
        },
        out,
        "check.json",
    )
    if finding is not None or whole:
        show_chart(screen, events, finding, whole=whole, last=LAST)
    if finding is not None:
        show_finding(screen, finding)
    if origin is not None:
        around = f" on {', '.join(origin.surroundings)}" if origin.surroundings else ""
        screen.show(f"recorded of {inline(f'{origin.implementation} {origin.version}{around}')}")
    screen.show(f"{len(events)} events, {len(exercised)} requirements exercised")
    if finding is None and events[-1].kind != "quiescence":
        screen.show("the trace does not end with quiescence: what is missing was not judged")
    screen.word("CONFORMING" if finding is None else "VIOLATIONS", good=finding is None)
    return Code.CONFORMING if finding is None else Code.VIOLATIONS


def needed(stimuli: Iterable[Stimulus]) -> frozenset[str]:
    """The capabilities without which the stimuli cannot be applied."""
    found = set()
    for stimulus in stimuli:
        if isinstance(stimulus, Post):
            found.add(GUEST)
        elif not isinstance(stimulus, Run | Settle) and stimulus.endpoint != HOST:
            found.add(stimulus.endpoint)
        if isinstance(stimulus, Environ):
            found.add(stimulus.action)
        if isinstance(stimulus, Arm) and any(isinstance(s, Hold) for s in stimulus.reaction.steps):
            found.add("hold")
    return frozenset(found)


def _must_be_sound(case: Case, path: Path) -> None:
    if case.profile not in PROFILES:
        raise Problem(
            f"{path}: profile: {inline(case.profile)!r} is none of "
            f"{', '.join(PROFILES)}; correct it"
        )
    if not case.stimuli:
        raise Problem(f"{path}: no stimuli; restore the file from where it was saved")
    for number, stimulus in enumerate(case.stimuli):
        endpoint = getattr(stimulus, "endpoint", PLACES[0])
        if endpoint not in PLACES:
            raise Problem(
                f"{path}: stimuli[{number}].endpoint: {endpoint!r} is none of "
                f"{', '.join(PLACES)}; correct it"
            )


def _usable(name: str) -> Adapter:
    try:
        return find(name)
    except AdapterError as error:
        raise Problem(str(error)) from error


def _run(adapter: Adapter, case: Case, times: int | None, *, is_its_own: bool) -> Outcome:
    """The first run that fails, or the last. ``is_its_own``: the case was saved with this adapter.

    Raises AdapterError where nothing can be said: a failure says something however little of the
    case was played, but that none came does so only where all of it could be.
    """
    description = adapter.describe()
    lacking = needed(case.stimuli) - description.capabilities
    if lacking:
        raise AdapterError(
            f"needs what {description.name} does not offer ({', '.join(sorted(lacking))}); "
            "name another with --adapter"
        )
    if times is None:
        times = 1 if "schedulable" in description.capabilities else REPETITIONS
    specification = profile_for(description).specification()
    for _ in range(times):
        try:
            outcome = run_again(adapter, specification, case.stimuli)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise AdapterError(
                f"cannot be run: {type(error).__name__}: {error}; correct the arguments in it"
            ) from error
        if outcome.failure is not None:
            return outcome
    if not seen(specification).requirements:
        raise AdapterError(f"{description.name} did nothing that can be judged")
    if unmade := _unmade(outcome):
        raise AdapterError(
            f"did not fail, but {unmade}; name another implementation with --adapter"
        )
    chosen = sum(isinstance(stimulus, Run) for stimulus in case.stimuli)
    if chosen and not is_its_own and "schedulable" not in description.capabilities:
        raise AdapterError(
            f"did not fail, but it chooses {chosen} times what runs next, and {description.name} "
            "chooses for itself; name another implementation with --adapter"
        )
    return outcome


def _unmade(outcome: Outcome) -> str:
    """In words, the calls that were asked for and not made; empty where all were."""
    asked = [stimulus for stimulus in outcome.stimuli if isinstance(stimulus, Invoke)]
    if unknown := _never_called(outcome):
        return f"what handlers were to call is not offered ({', '.join(sorted(unknown))})"
    threads = {stimulus.by for stimulus in asked}
    made = [e for e in outcome.events if isinstance(e, Call) and e.by in threads]
    names = Counter(s.function for s in asked)
    names.subtract(call.function for call in made)
    missing = {name: number for name, number in names.items() if number > 0}
    if not missing:
        return ""
    return (
        f"{sum(missing.values())} of {len(asked)} calls were not made: not offered "
        f"({', '.join(sorted(missing))})"
    )


def _never_called(outcome: Outcome) -> set[str]:
    """What handlers that were entered were told to call, and nobody there ever called."""
    entered = {(e.endpoint, e.callback) for e in outcome.events if isinstance(e, Enter)}
    called = {(e.endpoint, e.function) for e in outcome.events if isinstance(e, Call)}
    return {
        step.function
        for s in outcome.stimuli
        if isinstance(s, Arm) and (s.endpoint, s.callback) in entered
        for step in s.reaction.steps
        if isinstance(step, Act) and (s.endpoint, step.function) not in called
    }


def _compare(screen: Screen, case: Case, outcome: Outcome, finding: Finding | None) -> None:
    if finding is None:
        left_out = len(case.stimuli) - len(outcome.stimuli)
        if left_out:
            screen.show(f"{left_out} of {len(case.stimuli)} stimuli no longer applied: left out")
    elif case.expect is not None and case.expect.requirements:
        saved = set(case.expect.requirements)
        if saved.isdisjoint(finding.requirements):
            screen.show(f"not as it was saved: then it broke {', '.join(sorted(saved))}")


def _read_trace(path: Path) -> tuple[list[Event], Origin | None]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; name a trace file") from None
    except UnicodeDecodeError:
        raise Problem(f"{path}: not UTF-8 text; name a trace file") from None
    try:
        return load_trace(text), load_origin(text)
    except TraceError as error:
        raise Problem(f"{path}: {error}") from None


def _as_data(events: Iterable[Event], finding: Finding | None) -> dict[str, Any]:
    found = {} if finding is None else {"failure": finding.as_data()}
    return {**found, "trace_events": [event_to_json(event) for event in events]}
