"""The report as Markdown, for reviews and release notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from .results import Certificate, Failure, Log, RequirementResult, RequirementVerdict
from .shared import (
    by_api,
    chart_text,
    confirmation_text,
    counts_text,
    coverage_items,
    left_out_text,
    percent,
    replay_command,
    surroundings_rows,
    tally,
    verdict_text,
)
from .text import inline, printable

__all__ = ["render_markdown"]

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", inline(text))


def _code(text: str) -> str:
    """Text as inline code, whatever back-ticks it holds; safe inside a table."""
    shown = inline(text).replace("|", "¦")
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _block(text: str) -> str:
    shown = printable(text).rstrip("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _head(certificate: Certificate) -> Iterator[str]:
    implementation = certificate.implementation
    yield f"# {_plain(implementation.name)} {_plain(implementation.version)}"
    yield f"**{certificate.verdict.value}.** {verdict_text(certificate)}"
    capabilities = ", ".join(_code(name) for name in implementation.capabilities) or "none"
    tool = certificate.tool
    yield _table(
        ("", ""),
        (
            ("adapter", _code(implementation.adapter)),
            ("capabilities", capabilities),
            ("profile", _code(certificate.profile)),
            ("seed", str(certificate.seed)),
            ("run", counts_text(certificate.counts)),
            ("judged by", f"{_plain(tool.name)} {_plain(tool.version)}"),
            ("specification", _code(tool.model_digest)),
        ),
    )
    yield f"Run it again:\n\n{_block(certificate.reproduce)}"


def _failure(number: int, failure: Failure, certificate: Certificate) -> Iterator[str]:
    yield f"### {number}. {_plain(failure.summary)}"
    statements = {requirement.id: requirement for requirement in certificate.requirements}
    for identifier in failure.requirements:
        known = statements.get(identifier)
        text = f": {_plain(known.statement)} ({_code(known.source)})" if known else ""
        yield f"- {identifier}{text}"
    if failure.last_state:
        yield f"Last state that explains everything: {_code(failure.last_state)}"
    if failure.chart:
        yield _block(chart_text(failure))
    if failure.reason:
        yield f"No verdict: {_plain(failure.reason)}."
    again = confirmation_text(failure)
    head = f"Replay ({again}):" if again else "Replay:"
    yield f"{head}\n\n{_block(replay_command(certificate, failure))}"
    if failure.log is not None:
        yield _log(failure.log)


def _requirement_row(requirement: RequirementResult) -> tuple[str, ...]:
    verdict = requirement.verdict.value
    if requirement.verdict is RequirementVerdict.FAIL:
        verdict = f"**{verdict}**"
    reason = f" ({_plain(requirement.reason)})" if requirement.reason else ""
    return (
        requirement.id,
        f"{verdict}{reason}",
        f"{requirement.exercised:,}",
        _plain(requirement.statement),
        _code(requirement.source),
    )


def _surroundings(certificate: Certificate) -> Iterator[str]:
    around = certificate.surroundings
    if around is None:
        return
    yield "## Where it ran"
    yield _table(
        ("", ""),
        (
            *((term, _plain(words)) for term, words in surroundings_rows(around)),
            *((f"tried again, {n}", _plain(why)) for n, why in enumerate(around.retries, 1)),
        ),
    )
    yield from map(_log, around.logs)


def _log(log: Log) -> str:
    cut = f" ({left_out_text(log)})" if log.left_out else ""
    return f"{_code(log.name)}{cut}:\n\n{_block(log.text)}"


def _faults(certificate: Certificate) -> Iterator[str]:
    if not certificate.coverage.fault_counts:
        return
    yield "What was done wrong on purpose:"
    yield _table(
        ("fault", "weight", "played", "endangers", "what it is"),
        (
            (
                _code(fault.name),
                str(fault.weight),
                f"{fault.played:,}",
                ", ".join(fault.endangers),
                _plain(fault.words),
            )
            for fault in certificate.coverage.fault_counts
        ),
    )


def _sections(certificate: Certificate) -> Iterator[str]:
    yield from _head(certificate)
    counted = tally(certificate.requirements)
    yield "## Summary"
    yield _table(
        ("requirements", "number"),
        ((verdict.value, str(number)) for verdict, number in counted.items() if number),
    )
    yield _table(
        ("coverage", "hit", "of", ""),
        (
            (title, f"{item.hit:,}", f"{item.total:,}", percent(item))
            for title, item in coverage_items(certificate.coverage).items()
        ),
    )
    yield from _faults(certificate)
    for title, failures in (
        ("Failures", certificate.failures),
        ("Inconclusive", certificate.unconfirmed),
    ):
        if failures:
            yield f"## {title}"
        for number, failure in enumerate(failures, 1):
            yield from _failure(number, failure, certificate)
    if certificate.interpretations:
        yield "## Implementation-defined behaviour"
        yield _table(
            ("id", "question", "reading", "what it does", "seen in"),
            (
                (
                    _plain(" ".join(filter(None, (entry.id, entry.point)))),
                    _plain(entry.title),
                    _plain(entry.reading or "not observed")
                    + (" (default)" if entry.default else ""),
                    _plain(entry.text),
                    _plain(entry.evidence),
                )
                for entry in certificate.interpretations
            ),
        )
    yield from _surroundings(certificate)
    yield "## Requirements"
    for api, requirements in by_api(certificate.requirements).items():
        yield f"### {_plain(api)}"
        yield _table(
            ("id", "verdict", "witnesses", "statement", "source"),
            map(_requirement_row, requirements),
        )
    if certificate.digest:
        yield f"Digest of the certificate: {_code(certificate.digest)}"


def render_markdown(certificate: Certificate) -> str:
    """The certificate as one Markdown document."""
    return "\n\n".join(_sections(certificate)) + "\n"
