"""The report as one HTML file: no network, no other file, readable without scripts.

Every text that is not ours goes through ``_e``, and a content security policy forbids
everything but the style and the script of the page itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from .chart_svg import render_rows_svg
from .diagram import Chart
from .diagram_svg import render_diagram_svg
from .results import (
    Certificate,
    CoverageItem,
    Failure,
    InterpretationResult,
    Log,
    RequirementResult,
    RequirementVerdict,
)
from .sequence import setup_length
from .shared import (
    PAGES_URL,
    amount_text,
    by_api,
    confirmation_text,
    coverage_items,
    left_out_text,
    percent,
    replay_command,
    surroundings_rows,
    tally,
    verdict_text,
)
from .svg import asset
from .text import inline, printable

__all__ = ["render_html"]

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def _e(text: str) -> str:
    """Text made harmless: control characters shown, markup escaped."""
    return escape(inline(text), quote=True)


def _command(text: str) -> str:
    return f'<div class="command"><pre>{_e(text)}</pre></div>'


def _source(page: str) -> str:
    """A source page as a link; pages have plain names, anything else is only shown."""
    if page.endswith(".md") and page.replace("-", "").replace("_", "")[:-3].isalnum():
        return f'<a href="{_e(PAGES_URL + page)}">{_e(page)}</a>'
    return f"<code>{_e(page)}</code>"


def _head(certificate: Certificate) -> Iterator[str]:
    implementation, counts = certificate.implementation, certificate.counts
    capabilities = " ".join(f"<code>{_e(name)}</code>" for name in implementation.capabilities)
    verdict = certificate.verdict.value
    yield f'<header class="card verdict {verdict}"><div class="word">{verdict}</div>'
    yield f"<h1>{_e(implementation.name)} {_e(implementation.version)}</h1>"
    yield f"<p>{_e(verdict_text(certificate))}</p><dl>"
    speed = f" in {counts.wall_seconds:,.1f} s, {counts.steps_per_second:,.0f} steps/s"
    tool = certificate.tool
    for term, described in (
        ("adapter", f"<code>{_e(implementation.adapter)}</code>"),
        ("capabilities", capabilities or "none"),
        ("profile", f"<code>{_e(certificate.profile)}</code>"),
        ("seed", str(certificate.seed)),
        (
            "run",
            amount_text(counts) + (speed if counts.wall_seconds else ""),
        ),
        ("judged by", f"{_e(tool.name)} {_e(tool.version)}"),
        ("specification", f"<code>{_e(tool.model_digest)}</code>"),
    ):
        yield f"<dt>{term}</dt><dd>{described}</dd>"
    yield f"</dl>{_command(certificate.reproduce)}</header>"


def _tiles(certificate: Certificate) -> Iterator[str]:
    always = (RequirementVerdict.PASS, RequirementVerdict.FAIL)
    yield '<section class="tiles" aria-label="Requirements by verdict">'
    for verdict, number in tally(certificate.requirements).items():
        if number or verdict in always:
            style = "zero" if not number else verdict.value
            yield f'<div class="tile {style}"><b>{number:,}</b><span>{verdict.value}</span></div>'
    yield "</section>"


def _coverage_row(title: str, item: CoverageItem) -> str:
    share = 100 * item.hit / item.total if item.total else 0
    full = ' class="full"' if item.total and item.hit == item.total else ""
    missing = ""
    if item.missing:
        names = "".join(f"<li>{_e(name)}</li>" for name in item.missing)
        rest = item.total - item.hit - len(item.missing)
        more = f"<li>and {rest:,} more</li>" if rest else ""
        missing = f"<details><summary>not hit</summary><ul>{names}{more}</ul></details>"
    return (
        f"<tr><td>{title}{missing}</td>"
        f'<td><div class="bar"><i{full} style="width:{share:.1f}%"></i></div></td>'
        f'<td class="number">{item.hit:,} of {item.total:,}</td>'
        f'<td class="number">{percent(item)}</td></tr>'
    )


def _coverage(certificate: Certificate) -> Iterator[str]:
    yield '<h2 id="coverage">Coverage of the model</h2><div class="card"><table><tbody>'
    for title, item in coverage_items(certificate.coverage).items():
        yield _coverage_row(title, item)
    yield "</tbody></table></div>"
    yield from _faults(certificate)


def _faults(certificate: Certificate) -> Iterator[str]:
    if not certificate.coverage.fault_counts:
        return
    yield '<h2 id="faults">Faults</h2><p class="soft">What was done wrong on purpose.</p>'
    yield '<div class="card scroll"><table><thead><tr><th>fault</th><th class="number">weight</th>'
    yield '<th class="number">played</th><th>endangers</th></tr></thead><tbody>'
    for fault in certificate.coverage.fault_counts:
        yield f'<tr><td><code>{_e(fault.name)}</code><span class="note">{_e(fault.words)}</span>'
        yield f'</td><td class="number">{fault.weight:,}</td>'
        yield f'<td class="number">{fault.played:,}</td>'
        yield f"<td>{_e(', '.join(fault.endangers))}</td></tr>"
    yield "</tbody></table></div>"


def _broken(failure: Failure, known: dict[str, RequirementResult]) -> Iterator[str]:
    if not failure.requirements:
        return
    yield '<div class="broken"><p class="soft">Requirements broken</p><ul>'
    for identifier in failure.requirements:
        requirement = known.get(identifier)
        text = f" {_e(requirement.statement)} {_source(requirement.source)}" if requirement else ""
        yield f"<li><b>{_e(identifier)}</b>{text}</li>"
    yield "</ul></div>"


def _failure(
    number: int,
    failure: Failure,
    certificate: Certificate,
    known: dict[str, RequirementResult],
    kind: str = "failure",
) -> Iterator[str]:
    opened = " open" if number <= 3 else ""
    yield f'<details class="card {kind}" id="{kind}-{number}"{opened}>'
    yield f"<summary><h3>{number}. {_e(failure.summary)}</h3></summary>"
    if failure.reason:
        yield f'<p><span class="soft">No verdict:</span> {_e(failure.reason)}.</p>'
    yield from _broken(failure, known)
    if failure.allowed:
        entries = "".join(f"<li><code>{_e(entry)}</code></li>" for entry in failure.allowed)
        yield f'<div class="allowed"><p class="soft">Allowed instead</p><ul>{entries}</ul></div>'
    if failure.last_state:
        yield (
            '<p><span class="soft">Last state that explains everything:</span> '
            f"<code>{_e(failure.last_state)}</code></p>"
        )
    if failure.chart:
        setup = setup_length(failure.chart, failure.event_index)
        if setup:
            drawn = render_rows_svg(failure.chart[:setup], title="Configuration")
            yield f'<details class="setup"><summary class="soft">{setup} events of configuration'
            yield f'</summary><div class="scroll">{drawn}</div></details>'
        drawn = render_rows_svg(
            failure.chart[setup:], failure.event_index, title=f"Sequence of {kind} {number}"
        )
        yield f'<div class="scroll">{drawn}</div>'
    yield _command(replay_command(certificate, failure))
    places = [f"case <code>{_e(failure.case)}</code>"]
    if failure.trace:
        places.append(f"trace <code>{_e(failure.trace)}</code>")
    if again := confirmation_text(failure):
        places.append(again)
    yield f'<p class="soft">{", ".join(places)}</p>'
    if failure.log is not None:
        yield from _log(failure.log)
    yield "</details>"


def _failures(certificate: Certificate) -> Iterator[str]:
    known = {requirement.id: requirement for requirement in certificate.requirements}
    if certificate.failures:
        yield f'<h2 id="failures">Failures ({len(certificate.failures):,})</h2>'
    for number, failure in enumerate(certificate.failures, 1):
        yield from _failure(number, failure, certificate, known)
    if certificate.unconfirmed:
        yield f'<h2 id="unconfirmed">Inconclusive ({len(certificate.unconfirmed):,})</h2>'
        yield '<p class="soft">Seen, and no verdict.</p>'
    for number, failure in enumerate(certificate.unconfirmed, 1):
        yield from _failure(number, failure, certificate, known, "unconfirmed")


def _interpretation(entry: InterpretationResult) -> str:
    identifier = " ".join(filter(None, (entry.id, entry.point)))
    if entry.reading is None:
        reading = '<span class="soft">not observed</span>'
    else:
        default = '<span class="note">the default</span>' if entry.default else ""
        reading = f"<b>{_e(entry.reading)}</b>{default}"
    evidence = f'<span class="note">{_e(entry.evidence)}</span>' if entry.evidence else ""
    return (
        f'<tr><td class="id">{_e(identifier)}</td><td>{_e(entry.title)}</td>'
        f"<td>{reading}</td><td>{_e(entry.text)}{evidence}</td></tr>"
    )


def _interpretations(certificate: Certificate) -> Iterator[str]:
    if not certificate.interpretations:
        return
    yield '<h2 id="interpretations">Implementation-defined behaviour</h2>'
    yield '<p class="soft">Where the documentation leaves a choice, and which way this goes.</p>'
    yield '<div class="card scroll"><table><thead><tr><th>point</th><th>question</th>'
    yield "<th>reading</th><th>what it does</th></tr></thead><tbody>"
    # What was seen comes first; what was not is the longer part of the table.
    for entry in sorted(certificate.interpretations, key=lambda entry: entry.reading is None):
        yield _interpretation(entry)
    yield "</tbody></table></div>"


def _requirement(requirement: RequirementResult) -> str:
    verdict = requirement.verdict.value
    reason = f'<span class="note">{_e(requirement.reason)}</span>' if requirement.reason else ""
    notes = []
    if requirement.role != "both":
        notes.append(f"{requirement.role} only")
    if len(requirement.facts) > 1:
        notes.append("facts " + ", ".join(map(_e, requirement.facts)))
    if requirement.case:
        notes.append(f"case <code>{_e(requirement.case)}</code>")
    witness = requirement.witness
    if witness is not None:
        notes.append(f"witness {_e(witness.case)}, {witness.steps:,} steps")
    if requirement.kills:
        names = _e(", ".join(requirement.kills))
        number = len(requirement.kills)
        notes.append(f'<span title="{names}">detects {number} mutant{"s" * (number > 1)}</span>')
    note = f'<span class="note">{"; ".join(notes)}</span>' if notes else ""
    return (
        f'<tr data-verdict="{verdict}"><td class="id">{_e(requirement.id)}</td>'
        f'<td><span class="badge {verdict}">{verdict}</span></td>'
        f"<td>{_e(requirement.statement)}{reason}{note}</td>"
        f'<td class="number">{requirement.exercised:,}</td></tr>'
    )


def _requirements(certificate: Certificate) -> Iterator[str]:
    yield '<h2 id="requirements">Requirements</h2><div class="card scroll">'
    yield '<div class="filter" data-table="requirement-table" hidden>'
    yield f'<button value="" aria-pressed="true">all {len(certificate.requirements):,}</button>'
    for verdict, number in tally(certificate.requirements).items():
        if number:
            value = verdict.value
            yield f'<button value="{value}" aria-pressed="false">{value} {number:,}</button>'
    yield '</div><table id="requirement-table"><thead><tr><th>id</th><th>verdict</th>'
    yield '<th>statement</th><th class="number">witnesses</th></tr></thead>'
    for api, requirements in by_api(certificate.requirements).items():
        pages = sorted({requirement.source for requirement in requirements})
        links = ", ".join(map(_source, pages))
        yield f'<tbody><tr><th colspan="4" scope="rowgroup">{_e(api)} '
        yield f'<span class="note soft">{links}</span></th></tr>'
        yield from map(_requirement, requirements)
        yield "</tbody>"
    yield "</table></div>"


def _surroundings(certificate: Certificate) -> Iterator[str]:
    around = certificate.surroundings
    if around is None:
        return
    yield '<h2 id="surroundings">Where it ran</h2><div class="card"><dl>'
    for term, words in surroundings_rows(around):
        yield f"<dt>{term}</dt><dd>{_e(words)}</dd>"
    if around.starts:
        retries = "".join(f"<li>{_e(why)}</li>" for why in around.retries)
        yield f"<dt>tried again</dt><dd>{f'<ol>{retries}</ol>' if retries else 'never'}</dd>"
    yield "</dl>"
    for log in around.logs:
        yield from _log(log)
    yield "</div>"


def _log(log: Log) -> Iterator[str]:
    cut = f' <span class="soft">{left_out_text(log)}</span>' if log.left_out else ""
    yield f"<details><summary><code>{_e(log.name)}</code>{cut}</summary>"
    yield f'<div class="scroll"><pre>{escape(printable(log.text))}</pre></div></details>'


def _charts(charts: Iterable[Chart]) -> Iterator[str]:
    drawn = [(chart.name, render_diagram_svg(chart)) for chart in charts]
    if not drawn:
        return
    yield '<h2 id="charts">State charts of the specification</h2>'
    for name, svg in drawn:
        yield f'<div class="card scroll"><h3>{_e(name)}</h3>{svg}</div>'


def _footer(certificate: Certificate) -> Iterator[str]:
    tool = certificate.tool
    yield f"<footer><p>{_e(tool.name)} {_e(tool.version)}. Statements paraphrase the public pages "
    yield "that each requirement names; nothing here is loaded from a network."
    if certificate.digest:
        yield f" Digest of the certificate: <code>{certificate.digest}</code>."
    yield "</p></footer>"


def render_html(certificate: Certificate, charts: Iterable[Chart] = ()) -> str:
    """The certificate as a self-contained page; ``charts`` are drawn at its end."""
    implementation = certificate.implementation
    title = f"{implementation.name} {implementation.version}: {certificate.verdict.value}"
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_e(title)}</title>",
        f"<style>{asset('report.css')}{asset('figures.css')}</style></head><body><main>",
        *_head(certificate),
        *_tiles(certificate),
        *_failures(certificate),
        *_coverage(certificate),
        *_interpretations(certificate),
        *_requirements(certificate),
        *_surroundings(certificate),
        *_charts(charts),
        *_footer(certificate),
        f"</main><script>{asset('report.js')}</script></body></html>",
    ]
    return "\n".join(parts) + "\n"
