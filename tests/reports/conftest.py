"""A hostile certificate: every text an implementation can send tries to break a report."""

from __future__ import annotations

import pytest

from kmcl_model.events import Call, Enter, Event, Lost
from kmcl_reports.results import (
    Certificate,
    Counts,
    Coverage,
    CoverageItem,
    Failure,
    Implementation,
    InterpretationResult,
    Log,
    RequirementResult,
    RequirementVerdict,
    Surroundings,
    Tool,
    Verdict,
    statement_digest,
)
from kmcl_reports.sequence import sequence_rows

HOSTILE = "<script>alert(1)</script>\x1b[31m\x00\x0b\x85\u202e\ufffe\ud800]]>\"'&|`[red]"


@pytest.fixture
def hostile() -> str:
    """Markup, terminal escapes, invalid XML, a lone surrogate, reordering, quotes."""
    return HOSTILE


@pytest.fixture
def hostile_events() -> tuple[Event, ...]:
    """A trace of an implementation that sends garbage in every field."""
    return (
        Enter("enter", "client", HOSTILE, HOSTILE, (HOSTILE, HOSTILE.encode("utf-8", "replace"))),
        Call("call", HOSTILE, HOSTILE, HOSTILE, (HOSTILE,)),
        Lost("lost", HOSTILE, HOSTILE * 50),
    )


@pytest.fixture
def hostile_certificate(hostile_events: tuple[Event, ...]) -> Certificate:
    """A failed run of that implementation."""
    statement = "It sends nothing that breaks a report."
    nothing = CoverageItem(hit=0, total=0)
    return Certificate(
        tool=Tool(version="0", model_digest="0"),
        implementation=Implementation(
            name=HOSTILE, version=HOSTILE, adapter=HOSTILE, capabilities=(HOSTILE,)
        ),
        profile="core",
        seed=0,
        verdict=Verdict.VIOLATIONS,
        counts=Counts(sequences=1, steps=1, events=3),
        requirements=(
            RequirementResult(
                id="F001",
                api="VmbChannelEnable",
                statement=statement,
                statement_sha256=statement_digest(statement),
                source="page.md",
                verdict=RequirementVerdict.FAIL,
                exercised=1,
                reason=HOSTILE,
            ),
        ),
        interpretations=(
            InterpretationResult(id="A01", title="What?", reading="R1", evidence=HOSTILE),
        ),
        coverage=Coverage(
            states=nothing, transitions=nothing, transition_pairs=nothing, reactions=nothing
        ),
        failures=(
            Failure(
                case="cases/1.json",
                requirements=("F001",),
                summary=HOSTILE,
                event_index=0,
                allowed=(HOSTILE,),
                last_state=HOSTILE,
                reproduce=HOSTILE,
                chart=sequence_rows(hostile_events),
            ),
            Failure(case="cases/2.json", summary=HOSTILE, event_index=0),
        ),
        unconfirmed=(
            Failure(
                case="cases/3.json",
                summary=HOSTILE,
                event_index=0,
                reason=HOSTILE,
                log=Log.of(HOSTILE, (HOSTILE + "\n```\n</pre>").encode("utf-8", "replace")),
            ),
        ),
        reproduce=HOSTILE,
        surroundings=Surroundings(
            way=HOSTILE,
            kernel=HOSTILE,
            host=HOSTILE,
            others=(HOSTILE,),
            tally={HOSTILE: 1},
            starts=2,
            retries=(HOSTILE,),
            logs=(
                Log.of(HOSTILE, (HOSTILE + "\r\n```\n</pre>" + HOSTILE).encode("utf-8", "replace")),
            ),
        ),
    )
