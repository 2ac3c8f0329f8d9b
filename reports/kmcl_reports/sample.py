"""A made-up run, small enough to read, that shows every part of a report.

The implementation in it does not exist. To bring the committed samples up to date after a
change of a renderer: ``python -m kmcl_reports.sample reports/samples``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from kmcl_model.events import Call, Enter, Event, Exit, Quiescence, Return
from kmcl_model.payload import Payload, payload_bytes

from .certificate import certificate_json, seal
from .diagram import Chart, ChartRegion, ChartState, ChartTransition
from .html import render_html
from .junit import render_junit
from .markdown import render_markdown
from .results import (
    Certificate,
    Confirmation,
    Counts,
    Coverage,
    CoverageItem,
    Failure,
    FaultResult,
    Implementation,
    InterpretationResult,
    Log,
    RequirementResult,
    RequirementVerdict,
    Tool,
    Verdict,
    Witness,
    statement_digest,
)
from .sequence import sequence_rows

__all__ = ["SAMPLE_CHART", "SAMPLE_EVENTS", "sample_certificate", "sample_files"]

_DATA: Final = payload_bytes(Payload(3, 16))

SAMPLE_EVENTS: Final[tuple[Event, ...]] = (
    Call("call", "server", "t0", "VmbChannelEnable", ()),
    Return("return", "server", "t0", "VmbChannelEnable", 0, ()),
    Call("call", "client", "t0", "VmbChannelEnable", ()),
    Enter("enter", "client", "Opened", "EvtVmbChannelOpened", ("client",), 0),
    Call("call", "client", "Opened", "VmbChannelStart", ()),
    Return("return", "client", "Opened", "VmbChannelStart", None, ()),
    Exit("exit", "client", "Opened", "EvtVmbChannelOpened", 0),
    Return("return", "client", "t0", "VmbChannelEnable", 0, ()),
    Enter("enter", "server", "Opened", "EvtVmbChannelOpened", ("server",), 0),
    Exit("exit", "server", "Opened", "EvtVmbChannelOpened", 0),
    Call("call", "server", "t0", "VmbPacketSend", ("p0", _DATA, 1)),
    Return("return", "server", "t0", "VmbPacketSend", 0x103, ()),
    Enter(
        "enter",
        "client",
        "ProcessPacket",
        "EvtVmbChannelProcessPacket",
        ("client", "c0", _DATA, 0),
        2,
    ),
    Exit("exit", "client", "ProcessPacket", "EvtVmbChannelProcessPacket", None),
    Quiescence("quiescence", True),
)
"""A packet reaches the client before its Started handler has run."""


def _requirement(
    number: str,
    api: str,
    page: str,
    statement: str,
    verdict: RequirementVerdict,
    exercised: int = 0,
    reason: str | None = None,
    case: str | None = None,
) -> RequirementResult:
    return RequirementResult(
        id=number,
        facts=(number,),
        api=api,
        statement=statement,
        statement_sha256=statement_digest(statement),
        source=page,
        verdict=verdict,
        exercised=exercised,
        reason=reason,
        witness=Witness(case="sequence 7", steps=4) if exercised else None,
        case=case,
    )


_REQUIREMENTS: Final = (
    _requirement(
        "F001",
        "EvtVmbChannelClosed",
        "nc-evt_vmb_channel_closed.md",
        "Disabling an open channel makes the Closed handler run.",
        RequirementVerdict.PASS,
        1204,
    ),
    _requirement(
        "F060",
        "EvtVmbChannelStarted",
        "nc-evt_vmb_channel_started.md",
        "No packet is indicated before the Started handler has returned.",
        RequirementVerdict.FAIL,
        311,
        case="cases/0001.json",
    ),
    _requirement(
        "F061",
        "EvtVmbChannelStarted",
        "nc-evt_vmb_channel_started.md",
        "The Started handler runs again each time a paused channel is started.",
        RequirementVerdict.NOT_EXERCISED,
        reason="no run paused the channel",
    ),
    _requirement(
        "F420",
        "VmbServerChannelInitSetMmioMegabytes",
        "nc-fn_vmb_server_channel_init_set_mmio_megabytes.md",
        "The amount asked for is reserved as the guest's MMIO space.",
        RequirementVerdict.NOT_APPLICABLE,
        reason="the capability mmio is not declared",
    ),
)


def sample_certificate() -> Certificate:
    """The sealed certificate of the made-up run."""
    failure = Failure(
        case="cases/0001.json",
        trace="traces/0001.jsonl",
        requirements=("F060",),
        summary="client entered EvtVmbChannelProcessPacket before EvtVmbChannelStarted",
        event_index=12,
        allowed=("client: enter EvtVmbChannelStarted()",),
        last_state="client open, paused; server open, paused",
        confirmation=Confirmation(confirmed=3, attempts=3),
        chart=sequence_rows(SAMPLE_EVENTS),
    )
    unconfirmed = Failure(
        case="cases/unconfirmed-01.json",
        trace="traces/unconfirmed-01.jsonl",
        summary="lost: crash: kernel fault of the guest, but the implementation is gone: crash",
        event_index=len(SAMPLE_EVENTS),
        confirmation=Confirmation(confirmed=0, attempts=3),
        chart=sequence_rows(SAMPLE_EVENTS),
        reason="one sequence showed it, and it came back 0 times where it was repeated 3 times",
        log=Log.of("logs/unconfirmed-01.log", b"[   12.345678] Oops: 0002 [#1] SMP\n"),
    )
    return seal(
        Certificate(
            tool=Tool(version="0.1.0", model_digest=statement_digest("sample")),
            implementation=Implementation(
                name="Sample implementation (made up)",
                version="1.0",
                adapter="sample",
                capabilities=("client", "server"),
            ),
            profile="core",
            seed=1,
            verdict=Verdict.VIOLATIONS,
            counts=Counts(sequences=120, steps=1500, events=9000),
            requirements=_REQUIREMENTS,
            interpretations=(
                InterpretationResult(
                    id="A58",
                    title="Is a channel active when the server has just opened it?",
                    reading="R1",
                    text="The server starts paused.",
                    evidence="sequence 3, event 9",
                    default=True,
                ),
                InterpretationResult(id="A92", title="May completion routines overlap?"),
            ),
            coverage=Coverage(
                states=CoverageItem(hit=9, total=9),
                transitions=CoverageItem(hit=21, total=22, missing=("suspended to closing",)),
                transition_pairs=CoverageItem(hit=80, total=96),
                reactions=CoverageItem(hit=30, total=40),
                faults=CoverageItem(hit=1, total=2, missing=("crash",)),
                fault_counts=(
                    FaultResult(
                        name="full-ring",
                        words="the ring has no room for the next packet",
                        weight=4,
                        played=1203,
                        endangers=("F060", "F061"),
                    ),
                    FaultResult(
                        name="crash",
                        words="the other end dies without a word",
                        weight=1,
                        played=0,
                        endangers=("F001",),
                    ),
                ),
            ),
            failures=(failure,),
            unconfirmed=(unconfirmed,),
            reproduce="kmcl certify --adapter sample --seed 1",
        )
    )


_T = ChartTransition
SAMPLE_CHART: Final = Chart(
    "Sample chart",
    (
        ChartRegion(
            "connection",
            "disabled",
            tuple(map(ChartState, ("disabled", "enabled", "open"))),
            (
                _T("disabled", "VmbChannelEnable", "enabled"),
                _T("enabled", "Opened", "open"),
                _T("open", "Closed", "enabled"),
                _T("open", "VmbChannelDisable", "disabled"),
                _T("enabled", "VmbChannelDisable", "disabled"),
            ),
        ),
        ChartRegion(
            "activity",
            "paused",
            tuple(map(ChartState, ("paused", "active"))),
            (
                _T("paused", "VmbChannelStart", "active"),
                _T("active", "VmbChannelPause", "paused"),
                _T("active", "packet", "active"),
            ),
        ),
    ),
)


def sample_files() -> dict[str, str]:
    """The sample in every form, by file name."""
    certificate = sample_certificate()
    return {
        "certificate.json": certificate_json(certificate),
        "junit.xml": render_junit(certificate),
        "report.html": render_html(certificate, (SAMPLE_CHART,)),
        "report.md": render_markdown(certificate),
    }


def main(folder: Path) -> None:
    """Write the sample into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in sample_files().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
