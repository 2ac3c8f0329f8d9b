"""Conversations that ``kmcl lab certify`` plays beside its campaign, in the certificate.

What only the machines can bring about, a host that speaks by itself or a driver that is taken away,
is no stimulus of a walk. What went wrong then is a failure like any other: it counts where it comes
back, it has a case and a trace, and the exit code follows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from kmcl_adapters import Description
from kmcl_conformance.campaign import Options
from kmcl_conformance.failure import Failure
from kmcl_conformance.found import Found, failure_of, why_open
from kmcl_conformance.profiles import Profile
from kmcl_conformance.saving import case_of, file_name, save
from kmcl_conformance.sequence import Outcome, signature
from kmcl_conformance.verdicts import UNSURE
from kmcl_lab.lab import Lab
from kmcl_lab.problem import LabProblem
from kmcl_model.events import Event, Lost, Quiescence
from kmcl_model.spec.observer import Broken
from kmcl_model.stimuli import Stimulus
from kmcl_reports import results
from kmcl_reports.results import Certificate, RequirementResult, RequirementVerdict, Verdict

__all__ = ["INTERRUPTED", "Played", "failed", "loss_of", "seen_again", "unjudged", "with_sessions"]

INTERRUPTED: Final = "interrupted"
"""Why a session is inconclusive that somebody ended."""
_LOST: Final = "lost-guest"
"""In place of a rule, where the guest was lost and nothing can be said of the endpoint."""


class Played(NamedTuple):
    """One such session. ``title`` is what reports call it, ``told`` what ``lab.json`` has: in words
    what went wrong (``failure``) and why nothing can be said (``inconclusive``). ``outcome`` is of
    the run, which was repeated so many times and came to the same in ``confirmed`` of them.
    ``log``: what the guest's console said; ``again``: options that play it once more."""

    title: str
    again: str
    profile: Profile
    told: dict[str, Any]
    outcome: Outcome
    log: bytes = b""
    confirmed: int = 0
    attempts: int = 0

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be said of the endpoint."""
        return bool(self.told["inconclusive"])


def failed(
    events: Iterable[Event], rule: str, words: Iterable[str], requirements: tuple[str, ...] = ()
) -> Failure:
    """What is wrong with a run that no rule of the model has refused, at its end."""
    seen = tuple(events)
    broken = tuple(Broken(rule, what, requirements) for what in words)
    return Failure(len(seen), Quiescence("quiescence", False), "session", broken, ())


def unjudged(
    played: Played, why: str, stimuli: Iterable[Stimulus] = (), events: Iterable[Event] = ()
) -> Played:
    """The same where the guest, or the user, left before there was a verdict. ``stimuli`` and
    ``events``: how far it came."""
    seen = tuple(events)
    gone = Failure(len(seen), Lost("lost", "hang", why), "session", (Broken(_LOST, why, ()),), ())
    given = tuple(stimuli)
    return played._replace(
        told=played.told | {"failure": [], "inconclusive": why},
        outcome=Outcome(given, seen, gone, len(given), finished=False),
    )


def seen_again(first: Played, again: Played) -> Played:
    """The first, with what came of its repetition; one that was lost on the way is none."""
    if again.is_lost:
        return first
    came = int(signature(again.outcome) == signature(first.outcome))
    confirmed, attempts = first.confirmed + came, first.attempts + 1
    told = first.told | {"repeated": attempts, "came_back": confirmed}
    return first._replace(told=told, confirmed=confirmed, attempts=attempts)


def loss_of(running: Lab) -> LabProblem | None:
    """Why there is no guest; None where there is one."""
    try:
        return running.lost
    except LabProblem as problem:  # machines that could not be started again
        return problem


def with_sessions(
    found: Certificate,
    options: Options,
    description: Description,
    sessions: Iterable[Played],
    given: str = "",
) -> Certificate:
    """The certificate of a campaign and of these sessions, whose cases and traces are written below
    ``options.out``. ``given``: what else the command said that plays one again, and a space. Raises
    CampaignError where they cannot be written."""
    for played in sessions:
        if played.outcome.failure is not None:
            again = f"kmcl lab certify {given}{played.again}"
            found = _with_one(found, options, description, played, again)
    return found


def _with_one(
    found: Certificate, options: Options, description: Description, played: Played, again: str
) -> Certificate:
    counts = played.confirmed > 0
    listed = found.failures if counts else found.unconfirmed
    file = Found(
        file_name(len(listed) + 1, played.title, counts=counts),
        played.title,
        played.outcome,
        played.confirmed,
        played.attempts,
        played.log,
    )
    if options.out is not None:
        case = case_of(file, options.adapter, played.profile.name, options.seed, found.tool.version)
        save(options.out, file, case, description)
    told = _told(played, file, again)
    if not counts:
        why = str(played.told["inconclusive"]) or why_open(file)
        told = told.model_copy(update={"reason": why})
    left_open = Verdict.INCONCLUSIVE if found.verdict is Verdict.CONFORMING else found.verdict
    return found.model_copy(
        update={
            "failures" if counts else "unconfirmed": (*listed, told),
            "verdict": Verdict.VIOLATIONS if counts else left_open,
            "requirements": tuple(_judged(r, told, counts) for r in found.requirements),
        }
    )


def _told(played: Played, file: Found, again: str) -> results.Failure:
    """As a report tells it. The case alone would not bring it back: the machines have a part."""
    told = failure_of(played.profile, file)
    what = "no judgement" if played.is_lost else told.summary
    return told.model_copy(
        update={
            "summary": f"{played.title}: {what}",
            "reproduce": f"{again}  # its steps: kmcl replay {told.case}",
        }
    )


def _judged(result: RequirementResult, failure: results.Failure, counts: bool) -> RequirementResult:
    """The requirement, if this failure broke it."""
    if not {result.id, *result.facts}.intersection(failure.requirements):
        return result
    if counts:
        if result.verdict is RequirementVerdict.FAIL:
            return result
        update = {"verdict": RequirementVerdict.FAIL, "reason": None, "case": failure.case}
        return result.model_copy(update=update)
    if result.verdict in (RequirementVerdict.PASS, RequirementVerdict.NOT_EXERCISED):
        update = {"verdict": RequirementVerdict.INCONCLUSIVE, "reason": UNSURE}
        return result.model_copy(update=update)
    return result
