"""A failure that was found, and how a certificate tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kmcl_reports.results import Confirmation, Failure, Log
from kmcl_reports.sequence import describe_event, sequence_rows

from .sequence import Outcome
from .subjects import allowed_instead

if TYPE_CHECKING:
    from .profiles import Profile

__all__ = ["Found", "failure_of", "why_open"]


class Found(NamedTuple):
    """A failure: the file name it is saved under, the sequence that showed it, its minimal run, in
    how many of so many repetitions it came back, and what the machines said, if there are any.
    ``times``: how many sequences have shown it, where it is none."""

    file: str
    sequence: str
    outcome: Outcome
    confirmed: int
    attempts: int
    log: bytes = b""
    times: int = 1


def failure_of(profile: Profile, found: Found) -> Failure:
    """A failure, whose files are named ``found.file``, as the certificate of ``profile`` has it."""
    outcome = found.outcome
    failure = outcome.failure
    assert failure is not None
    what = "; ".join(failure.words)
    return Failure(
        case=f"cases/{found.file}.json",
        trace=f"traces/{found.file}.jsonl",
        requirements=tuple(
            id for id in failure.requirements if id in profile.subject.book().by_fact
        ),
        summary=f"{describe_event(failure.event)}, but {what}",
        event_index=failure.number,
        allowed=allowed_instead(profile.specification(), outcome.events[: failure.number]),
        last_state="; ".join(failure.state[:3]),
        confirmation=_confirmation(found),
        chart=sequence_rows(outcome.events),
        log=Log.of(f"logs/{found.file}.log", found.log) if found.log else None,
    )


def _confirmation(found: Found) -> Confirmation | None:
    """How often it came back; None where it was not repeated."""
    if not found.attempts:
        return None
    return Confirmation(confirmed=found.confirmed, attempts=found.attempts)


def why_open(found: Found) -> str:
    """Why what was found is no failure: it did not come back, or was not repeated."""
    shown = "one sequence" if found.times == 1 else f"{found.times} sequences"
    if not found.attempts:
        return f"{shown} showed it, and it was not repeated: time was up, or somebody stopped it"
    tried = "once" if found.attempts == 1 else f"{found.attempts} times"
    return (
        f"{shown} showed it, and it came back {found.confirmed} times where it was repeated {tried}"
    )
