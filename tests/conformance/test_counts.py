"""A certificate says how much was run, and of how much."""

from __future__ import annotations

from kmcl_adapters.reference import create
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.verdicts import ENDLESS, certificate
from kmcl_reports.html import render_html
from kmcl_reports.results import Counts
from kmcl_reports.shared import counts_text


def counted(options: Options, sequences: int) -> Counts:
    campaign = Campaign(create(""), options)
    for progress in campaign.run():
        if progress.done == sequences:
            break
        assert progress.done < progress.total
    found = certificate(campaign, 1.0)
    assert counts_text(found.counts).partition(" in ")[0] in render_html(found)
    return found.counts


def test_a_run_that_is_cut_short_says_so() -> None:
    options = Options(sequences=5)
    total = options.plan().directed + 5
    counts = counted(options, 3)
    assert (counts.sequences, counts.planned) == (3, total)
    assert counts_text(counts).startswith(f"3 of {total} planned sequences, ")


def test_a_whole_run_does_not() -> None:
    options = Options(sequences=1)
    total = options.plan().directed + 1
    counts = counted(options, total)
    assert (counts.sequences, counts.planned) == (total, None)
    assert counts_text(counts).startswith(f"{total} sequences, ")


def test_a_run_without_end_is_never_short() -> None:
    assert counted(Options(sequences=ENDLESS), 3).planned is None
