"""``kmcl adapter``: does an adapter keep the rules of ``kmcl_adapters.interface``?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Annotated, NamedTuple

import typer

from kmcl_adapters import Adapter, AdapterError, Session
from kmcl_conformance.adapters import find, known
from kmcl_conformance.profiles import PROFILES, Profile, profile_for
from kmcl_model.events import Call, Event, Lost, Quiescence, Return
from kmcl_model.stimuli import Stimulus
from kmcl_model.trace import TraceError, event_from_json, event_to_json
from kmcl_reports.sequence import describe_event

from .options import Json, Quiet, Seed
from .output import Code, Problem, Screen

__all__ = ["adapter"]

ENDS = tuple(dict.fromkeys(end for profile in PROFILES.values() for end in profile.ends))


class Check(NamedTuple):
    """One rule, and what is wrong (empty: nothing)."""

    rule: str
    wrong: str = ""


def adapter(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME[:ARG]]", help="The adapter to check.")
    ] = None,
    scaffold: Annotated[
        Path | None,
        typer.Option("--scaffold", metavar="FILE", help="Write a Python adapter to start from."),
    ] = None,
    seed: Seed = 1,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Check an adapter of one's own, or begin one. Without a name: list those there are."""
    screen = Screen(quiet=quiet, as_json=as_json)
    if scaffold is not None:
        _write_scaffold(scaffold)
        module = scaffold.stem
        screen.result({"file": str(scaffold)})
        screen.show(f"{scaffold} is written. Next: kmcl adapter python:{module}:Library")
    if name is None:
        if scaffold is None:
            screen.result({entry.name: entry.value for entry in known().values()})
            screen.show(*(f"{entry.name:<12} {entry.value}" for entry in known().values()))
        return Code.CONFORMING
    try:
        checked = find(name)
        description = checked.describe()
    except AdapterError as error:
        raise Problem(str(error)) from error
    screen.show(
        f"{description.name} {description.version}".rstrip(),
        f"offers {', '.join(sorted(description.capabilities))}; quiescence "
        + ("exact" if description.exact_quiescence else f"after {description.idle_seconds:g} s"),
        "",
    )
    checks = []
    try:
        for check in _checks(checked, seed):
            checks.append(check)
            mark = (
                f"FAILED  {check.rule}: {check.wrong}" if check.wrong else f"ok      {check.rule}"
            )
            screen.show(mark)
    finally:
        checked.close()
    failed = [check for check in checks if check.wrong]
    screen.result(
        {
            "adapter": name,
            "name": description.name,
            "version": description.version,
            "capabilities": sorted(description.capabilities),
            "checks": [{"rule": c.rule, "ok": not c.wrong, "wrong": c.wrong} for c in checks],
        }
    )
    screen.word("FAILED" if failed else "OK", good=not failed)
    return Code.VIOLATIONS if failed else Code.CONFORMING


def _write_scaffold(path: Path) -> None:
    text = (files(__package__) / "scaffold.py").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Problem(f"{path}: exists already; name another file") from None
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; name a file that can be written") from None


def _checks(adapter: Adapter, seed: int) -> Iterator[Check]:
    description = adapter.describe()
    same = adapter.describe() == description
    yield Check("it describes itself the same every time", "" if same else "the second differs")
    ends = description.capabilities & set(ENDS)
    yield Check("it plays an end", "" if ends else f"none of {', '.join(ENDS)} is a capability")
    try:
        session = adapter.open()
    except AdapterError as error:
        yield Check("it opens a session", str(error))
        return
    yield Check("it opens a session")
    try:
        profile = profile_for(description)
        yield from _check_session(session, description.exact_quiescence, seed, profile)
    finally:
        with suppress(Exception):  # told by the next check
            session.close()
    yield _check_close(session)
    yield _check_fresh(adapter, seed)


def _check_session(session: Session, exact: bool, seed: int, profile: Profile) -> Iterator[Check]:
    """The rules of one session: what every implementation must be able to go through."""
    events: list[Event] = []
    try:
        for stimulus in _trial(profile, seed):
            session.apply(stimulus)
            events += session.take()
    except Exception as error:
        yield Check("apply raises nothing", f"{type(error).__name__}: {error}")
        return
    yield Check("apply raises nothing")
    yield _check_form(events)
    yield _check_calls(events)
    quiet = bool(events) and isinstance(events[-1], Quiescence)
    last = describe_event(events[-1]) if events else "nothing"
    yield Check("settle ends with quiescence", "" if quiet else f"it ended with: {last}")
    if quiet:
        wrong = [e for e in events if isinstance(e, Quiescence) and e.exact is not exact]
        yield Check("quiescence is exact as described", "the event says otherwise" if wrong else "")
    judge = profile.subject.judge(profile.specification(), None)
    failure = judge.follow(events).failure
    why = "" if failure is None else f"{describe_event(failure.event)}: {failure.broken[0].words}"
    yield Check("beginning conforms", why)


def _trial(profile: Profile, seed: int) -> list[Stimulus]:
    places = (*profile.ends, *profile.subject.places[len(profile.subject.ends) :])
    return [
        stimulus
        for stimulus in profile.subject.trial(Random(seed))
        if getattr(stimulus, "endpoint", places[0]) in places
    ]


def _check_form(events: list[Event]) -> Check:
    rule = "events are those of the vocabulary"
    for event in events:
        try:
            again = event_from_json(event_to_json(event))
        except TraceError as error:
            return Check(rule, str(error))
        if again != event:
            return Check(rule, f"{describe_event(event)} changes when it is written and read")
    return Check(rule)


def _check_calls(events: list[Event]) -> Check:
    """Every return has its call, and something was called at all."""
    rule = "a call is recorded before its return"
    if any(isinstance(event, Lost) for event in events):
        return Check(rule, "the implementation was lost")
    open_calls: dict[tuple[str, str], str] = {}
    for event in events:
        if isinstance(event, Call):
            open_calls[event.endpoint, event.by] = event.function
        if isinstance(event, Return):
            function = open_calls.pop((event.endpoint, event.by), None)
            if function != event.function:
                return Check(rule, f"{describe_event(event)} has no call")
    called = any(isinstance(event, Call) for event in events)
    return Check(rule, "" if called else "no call was recorded")


def _check_close(session: Session) -> Check:
    try:
        session.close()
    except Exception as error:
        return Check("close may be called again", f"{type(error).__name__}: {error}")
    return Check("close may be called again")


def _check_fresh(adapter: Adapter, seed: int) -> Check:
    """A second session knows nothing of the first: what began there can begin again."""
    rule = "the next session is a fresh implementation"
    profile = profile_for(adapter.describe())
    judge = profile.subject.judge(profile.specification(), None)
    try:
        session = adapter.open()
        try:
            for stimulus in _trial(profile, seed):
                session.apply(stimulus)
            events = session.take()
        finally:
            session.close()
    except Exception as error:
        return Check(rule, f"{type(error).__name__}: {error}")
    failure = judge.follow(events).failure
    if failure is None:
        return Check(rule)
    return Check(rule, f"{describe_event(failure.event)}: {failure.broken[0].words}")
