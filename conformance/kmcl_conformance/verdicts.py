"""From what a campaign has seen to the verdict on each requirement, and the certificate."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from kmcl_adapters import Description
from kmcl_model import book
from kmcl_model.book import Book
from kmcl_model.catalogue import Interpretation, Point, Requirement
from kmcl_model.spec.specification import ENDPOINTS
from kmcl_reports.results import (
    Certificate,
    Counts,
    Coverage,
    CoverageItem,
    FaultResult,
    Implementation,
    InterpretationResult,
    RequirementResult,
    RequirementVerdict,
    Tool,
    Verdict,
    Witness,
    statement_digest,
)

from .coverage import Hits
from .found import failure_of, why_open
from .kills import kills_by_requirement
from .rulebook import rules_of

if TYPE_CHECKING:
    from .campaign import Campaign

__all__ = [
    "ENDLESS",
    "UNSURE",
    "certificate",
    "requirement_verdicts",
]

_SHOWN: Final = 40
"""So many names of what was missed are listed."""

ENDLESS: Final = 10**12
"""Sequences of a campaign that only Ctrl-C ends."""

_NOT_YET: Final = "this version of the specification does not model it yet"
_NEVER_AROSE: Final = (
    "the situation in which a violation could show never arose; try a larger budget"
)
_NOT_FROM_ONE_END: Final = (
    "the situation in which a violation could show from one end alone never arose; "
    "try a larger budget, or both ends"
)
_INSIDE: Final = "A147"
"""What becomes of calls inside callbacks shows in the reactions, not in the observers."""

UNSURE: Final = "a sequence broke it, but that did not come back, or was not examined any more"
"""Why a requirement has no verdict that something has broken, of which no more is known."""

_GIVEN_UP: Final = "the campaign was given up before the situation arose in which it could show"

_LOST: Final = "sequences did not come to an end, or their failures did not come back"


def requirement_verdicts(
    description: Description,
    witnesses: dict[str, int],
    broken: dict[str, str],
    shown: dict[str, tuple[str, int]],
    lost: str | None = None,
    not_offered: frozenset[str] = frozenset(),
    unsure: frozenset[str] = frozenset(),
    of: Book | None = None,
    ends: tuple[str, ...] = ENDPOINTS,
) -> tuple[RequirementResult, ...]:
    """One result for every requirement of a book (of the library unless said), in the order of
    their ids. ``ends`` are those there are.

    ``witnesses`` counts by id, ``broken`` gives the case that broke an id; ``lost`` tells why the
    implementation was gone before more could be seen, ``not_offered`` which functions it lacks,
    ``unsure`` which ids a sequence broke without that being confirmed.
    """
    return tuple(
        _result(requirement, description, witnesses, broken, shown, lost, not_offered, unsure, ends)
        for requirement in (of or book.kmcl()).requirements.values()
    )


def _result(
    requirement: Requirement,
    description: Description,
    witnesses: dict[str, int],
    broken: dict[str, str],
    shown: dict[str, tuple[str, int]],
    lost: str | None,
    not_offered: frozenset[str],
    unsure: frozenset[str],
    ends: tuple[str, ...],
) -> RequirementResult:
    exercised = witnesses.get(requirement.id, 0)
    verdict, reason = _verdict(
        requirement, description, exercised, broken, lost, not_offered, unsure, ends
    )
    if verdict is RequirementVerdict.NOT_APPLICABLE:
        exercised = 0  # a rule of both roles has counted what it saw at the other end
    witness = shown.get(requirement.id) if exercised else None
    return RequirementResult(
        id=requirement.id,
        facts=requirement.facts,
        api=requirement.api,
        statement=requirement.statement,
        statement_sha256=statement_digest(requirement.statement),
        source=requirement.source,
        role=requirement.role,
        rules=rules_of(requirement.id),
        verdict=verdict,
        exercised=0 if verdict is RequirementVerdict.NOT_EXERCISED else exercised,
        reason=reason,
        witness=Witness(case=witness[0], steps=witness[1]) if witness else None,
        case=f"cases/{broken[requirement.id]}.json" if requirement.id in broken else None,
        kills=kills_by_requirement().get(requirement.id, ()),
    )


def _verdict(
    requirement: Requirement,
    description: Description,
    exercised: int,
    broken: dict[str, str],
    lost: str | None,
    not_offered: frozenset[str],
    unsure: frozenset[str],
    ends: tuple[str, ...],
) -> tuple[RequirementVerdict, str | None]:
    if requirement.id in broken:
        return RequirementVerdict.FAIL, None
    if requirement.status == "unobservable":
        return RequirementVerdict.UNOBSERVABLE, requirement.reason
    if requirement.status == "not-yet":
        return RequirementVerdict.NOT_EXERCISED, _NOT_YET
    missing = _missing_capability(requirement, description)
    if missing:
        return (
            RequirementVerdict.NOT_APPLICABLE,
            f"the implementation does not declare the capability {missing}",
        )
    if requirement.api in not_offered:
        return (
            RequirementVerdict.NOT_APPLICABLE,
            _lacks(requirement.api),
        )
    if requirement.id in unsure:
        return RequirementVerdict.INCONCLUSIVE, UNSURE
    if exercised:
        return RequirementVerdict.PASS, None
    if lost:
        return RequirementVerdict.INCONCLUSIVE, lost
    both = description.capabilities.issuperset(ends)
    return RequirementVerdict.NOT_EXERCISED, _NEVER_AROSE if both else _NOT_FROM_ONE_END


def _lacks(function: str) -> str:
    return f"the implementation does not offer {function}"


def _not_offered(results: tuple[RequirementResult, ...]) -> tuple[str, ...]:
    """Functions of a capability that is not declared are nothing to be missed."""
    not_judged = [r for r in results if r.verdict is RequirementVerdict.NOT_APPLICABLE]
    lacking = {r.api for r in not_judged if r.reason == _lacks(r.api)}
    return tuple(sorted(lacking - {r.api for r in not_judged if r.reason != _lacks(r.api)}))


def _given_up(result: RequirementResult) -> RequirementResult:
    """No larger budget would help."""
    if result.reason in (_NEVER_AROSE, _NOT_FROM_ONE_END):
        return result.model_copy(update={"reason": _GIVEN_UP})
    return result


def _missing_capability(requirement: Requirement, description: Description) -> str | None:
    for name in (requirement.role, requirement.capability):
        if name in ("both", "core"):
            continue
        if name not in description.capabilities:
            return name
    return None


def certificate(campaign: Campaign) -> Certificate:
    """The certificate of a campaign that has come to its end."""
    seconds = campaign.seconds
    broken: dict[str, str] = {}
    of = campaign.subject.book()
    for id, file in campaign.broken.items():
        if id in of.by_fact:
            broken.setdefault(of.by_fact[id].id, file)
    unsure = frozenset(of.by_fact[id].id for id in campaign.unsure if id in of.by_fact)
    lost = _LOST if campaign.inconclusive else None
    results = requirement_verdicts(
        campaign.description,
        campaign.witness_counts(),
        broken,
        campaign.witnesses.requirements,
        lost,
        campaign.not_offered(),
        unsure,
        of,
        campaign.subject.ends,
    )
    if campaign.losses.why is not None:
        results = tuple(map(_given_up, results))
    never = _never(campaign, results)
    return Certificate(
        schema="kmcl-certificate/1",
        tool=Tool(version=campaign.version, model_digest=of.digest),
        implementation=Implementation(
            name=campaign.description.name,
            version=campaign.description.version,
            adapter=campaign.options.adapter,
            capabilities=tuple(sorted(campaign.description.capabilities)),
        ),
        profile=campaign.options.profile,
        seed=campaign.options.seed,
        verdict=_overall(campaign, results, never),
        not_offered=_not_offered(results),
        never=never,
        gave_up=campaign.losses.why,
        counts=Counts(
            sequences=campaign.done,
            planned=campaign.total if campaign.done < campaign.total < ENDLESS else None,
            steps=campaign.steps,
            events=campaign.events,
            wall_seconds=round(seconds, 3),
            steps_per_second=round(campaign.steps / seconds, 1) if seconds else 0.0,
        ),
        requirements=results,
        interpretations=_interpretations(campaign),
        coverage=_coverage(campaign),
        failures=tuple(failure_of(campaign.profile, found) for found in campaign.found.values()),
        unconfirmed=tuple(
            failure_of(campaign.profile, found).model_copy(update={"reason": why_open(found)})
            for found in campaign.unconfirmed.values()
        ),
        reproduce=campaign.command(),
    )


def _never(campaign: Campaign, results: tuple[RequirementResult, ...]) -> tuple[str, ...]:
    """What nothing is shown without, and never happened."""
    shown = {result.id for result in results if result.exercised}
    return tuple(words for id, words in campaign.subject.essential.items() if id not in shown)


def _overall(
    campaign: Campaign, results: tuple[RequirementResult, ...], never: tuple[str, ...]
) -> Verdict:
    if campaign.found:
        return Verdict.VIOLATIONS
    passed = any(result.verdict is RequirementVerdict.PASS for result in results)
    if campaign.inconclusive or never or not passed:
        return Verdict.INCONCLUSIVE
    return Verdict.CONFORMING


def _unseen(item: Interpretation, point: Point, otherwise: str) -> InterpretationResult:
    """An open point of which nothing was seen, and why."""
    return InterpretationResult(
        id=item.id,
        point="" if point.name == "reading" else point.name,
        title=item.title,
        evidence=point.unseen or otherwise,
    )


def _interpretations(campaign: Campaign) -> tuple[InterpretationResult, ...]:
    """The way the implementation goes where a run has shown it, and why not where none has."""
    counts = campaign.reading_counts()
    found: dict[tuple[str, str], Counter[str]] = {}
    for label, count in counts.items():
        place, reading = label.split(":")
        id, _, question = place.partition("/")
        found.setdefault((id, question or "reading"), Counter())[reading] += count
    results = []
    for item in campaign.subject.book().interpretations.values():
        for point in item.points:
            readings = found.get((item.id, point.name))
            if not readings:
                if item.verdict_class in ("note", "mixed") and item.id != _INSIDE:
                    results.append(_unseen(item, point, "No sequence of this run showed it."))
                continue
            names = sorted(readings)
            evidence = ", ".join(f"{name} seen {readings[name]} times" for name in names)
            witness = campaign.witnesses.readings.get(_label(item.id, point.name, names[0]))
            results.append(
                InterpretationResult(
                    id=item.id,
                    point="" if point.name == "reading" else point.name,
                    title=item.title,
                    reading=" and ".join(names),
                    text="; ".join(point.readings.get(name, name) for name in names),
                    evidence=evidence + (f", as in {witness[0]}" if witness else ""),
                    default=set(names) <= set(point.default),
                )
            )
    return (*results, *_inside_callbacks(campaign))


def _inside_callbacks(campaign: Campaign) -> tuple[InterpretationResult, ...]:
    """What became of the calls that are only expected to work where they were made (A147)."""
    item = campaign.subject.book().interpretations.get(_INSIDE)
    if item is None:
        return ()
    made = campaign.reactions & campaign.subject.reactions(campaign.ends, True)
    if not made:
        return (_unseen(item, item.points[0], "No call was made that is only expected to work."),)
    reading = "R2" if campaign.warnings else "R1"
    failing = "; ".join(f"{cell}: {words}" for cell, words in sorted(campaign.warnings.items()))
    return (
        InterpretationResult(
            id=item.id,
            point="",
            title=item.title,
            reading=reading,
            text=item.points[0].readings[reading],
            evidence=f"warning, does not work: {failing}" if failing else f"{len(made)} calls work",
            default=reading in item.points[0].default,
        ),
    )


def _label(id: str, point: str, reading: str) -> str:
    return f"{id}:{reading}" if point == "reading" else f"{id}/{point}:{reading}"


def _coverage(campaign: Campaign) -> Coverage:
    hits = campaign.coverage()
    every = campaign.subject.reactions(campaign.ends, False)
    if campaign.options.expected:
        every |= campaign.subject.reactions(campaign.ends, True)
    known = campaign.subject.book().faults
    faults = frozenset(known)
    reactions = Hits(frozenset(campaign.reactions) & every, every)
    return Coverage(
        states=_item(hits["states"]),
        transitions=_item(hits["transitions"]),
        transition_pairs=_item(hits["transition_pairs"]),
        reactions=_item(reactions),
        faults=_item(Hits(faults & campaign.faults.keys(), faults)) if faults else None,
        fault_counts=tuple(
            FaultResult(
                name=fault.name,
                words=fault.words,
                weight=fault.weight,
                played=campaign.faults[fault.name],
                endangers=fault.endangers,
            )
            for fault in known.values()
        ),
    )


def _item(hits: Hits) -> CoverageItem:
    missing = sorted(hits.all - hits.hit)
    return CoverageItem(hit=len(hits.hit), total=len(hits.all), missing=tuple(missing[:_SHOWN]))
