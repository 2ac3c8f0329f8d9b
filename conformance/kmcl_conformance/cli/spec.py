"""``kmcl spec``: browse requirements, interpretations, functions and charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kmcl_conformance.generate.driver import ENABLED_ACTS
from kmcl_conformance.generate.expected import EXPECTED_ACTS
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.rulebook import rules_of
from kmcl_model.api import CALLBACKS, FUNCTIONS
from kmcl_model.book import BOOKS, Book, Fault, book_of
from kmcl_model.catalogue import Interpretation, Requirement, reentrancy
from kmcl_model.control import CALLABLE

from .drawings import draw_charts
from .fault_names import groups_of, profiles_of
from .lookup import Found, look_up
from .options import Json, OutFolder, Quiet
from .output import Code, Problem, Screen

__all__ = ["spec"]

CELLS: Final[Mapping[str, str]] = {
    "ok": "must work in",
    "e": "expected to work in",
    "q": "accepted and queued in",
    "D": "deadlocks in",
    "X": "not allowed in",
    "n/a": "cannot arise in",
}
"""The cells of the re-entrancy table in words; those that are open are left out."""

MADE: Final = ("ok", "e", "q")
"""The cells that let a driver make the call."""

_EXAMPLES: Final = {"kmcl": "VmbChannelPause", "vmbus": "faults"}

_STATUSES = ("modelled", "not-yet", "unobservable")


def spec(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID|WORD]...",
            help="A requirement (F285, V020), an interpretation (A35, W03), a function or "
            "callback, a fault or 'faults', or words to search for. Nothing: an overview.",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", help=f"Only what it is about: {', '.join(PROFILES)}."),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option("--status", metavar="|".join(_STATUSES), help="Only such requirements."),
    ] = None,
    charts: Annotated[
        tuple[str, Path] | None,
        typer.Option("--charts", metavar="mermaid|svg DIR", help="Draw the charts into a folder."),
    ] = None,
    out: OutFolder = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Browse the specification: requirements, interpretations, functions, charts."""
    screen = Screen(quiet=quiet, as_json=as_json)
    if status is not None and status not in _STATUSES:
        raise Problem(f"--status {status}: choose one of {', '.join(_STATUSES)}")
    if charts is not None:
        files = draw_charts(*charts)
        screen.show(*map(str, files))
        screen.result([str(path) for path in files])
        return Code.CONFORMING
    if profile is not None and profile not in PROFILES:
        raise Problem(f"--profile {profile}: choose {', '.join(PROFILES)}")
    books = (PROFILES[profile].subject.book(),) if profile else tuple(book() for book in BOOKS)
    everything = not words and status is None
    found = look_up(words or (), status, books)
    if not found:
        raise Problem(
            f"nothing in the specification matches {' '.join(words or [status or ''])!r}; "
            "'kmcl spec' gives an overview"
        )
    data = _as_data(found, books)
    screen.give(data, out, "spec.json")
    screen.show(*map(_overview, books) if everything else (_answer(found),))
    return Code.CONFORMING


def _as_data(found: Found, books: tuple[Book, ...]) -> dict[str, Any]:
    named = [CALLABLE.get(name) or CALLBACKS[name] for name in found.names]
    return {
        "digest": books[0].digest,
        "digests": {book.name: book.digest for book in books},
        "requirements": [
            r.model_dump(mode="json") | {"rules": list(rules_of(r.id))} for r in found.requirements
        ],
        "interpretations": [i.model_dump(mode="json") for i in found.interpretations],
        "functions": [thing._asdict() for thing in named],
        "faults": [
            fault.model_dump(mode="json") | {"profiles": list(profiles_of(book))}
            for book, faults in groups_of(found.faults)
            for fault in faults
        ],
    }


# For people -------------------------------------------------------------------------------


def _overview(book: Book) -> Table:
    counts: Counter[tuple[str, str]] = Counter()
    counts.update((r.category, r.status) for r in book.requirements.values())
    table = Table(box=box.SIMPLE, title_justify="left", caption_justify="left", show_footer=True)
    table.title = Text(f"Specification {book.name} {book.digest[:12]}")
    requirement, point = next(iter(book.requirements)), next(iter(book.interpretations))
    table.caption = Text(
        f"{len(book.interpretations)} interpretations, {len(book.faults)} faults.   "
        f"kmcl spec {requirement}   kmcl spec {point}   kmcl spec {_EXAMPLES[book.name]}"
    )
    categories = sorted({category for category, _ in counts})
    table.add_column("requirements", footer="all")
    for status in _STATUSES:
        total = sum(counts[category, status] for category in categories)
        table.add_column(status, justify="right", footer=str(total))
    for category in categories:
        table.add_row(category, *(str(counts[category, s] or "") for s in _STATUSES))
    return table


def _answer(found: Found) -> RenderableType:
    parts: list[RenderableType] = [_function(name) for name in found.names]
    if len(found.requirements) == 1 and not found.names:
        parts.append(_requirement(found.requirements[0]))
    elif found.requirements:
        parts.append(_requirement_table(found.requirements))
    if len(found.interpretations) == 1:
        parts.append(_interpretation(found.interpretations[0]))
    elif found.interpretations:
        parts.append(_interpretation_table(found.interpretations))
    parts += [_fault_table(book, faults) for book, faults in groups_of(found.faults)]
    return Group(*parts)


def _facts(rows: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows.items():
        if text:
            table.add_row(Text(name), Text(text))
    return table


def _heading(text: str) -> Text:
    return Text(text, style="bold")


def _requirement(requirement: Requirement) -> RenderableType:
    book = book_of(requirement.id)
    readings = [f"{i} {book.interpretations[i].title}" for i in requirement.interpretations]
    endangered = [fault.name for fault in book.faults.values() if requirement.id in fault.endangers]
    rows = {
        "of": f"{requirement.api}   {requirement.role}, {requirement.category}",
        "broken by": requirement.violation,
        "page": ", ".join((requirement.source, *requirement.also)),
        "in": book.origin,
        "facts": ", ".join(requirement.facts),
        "read with": "\n".join(readings),
        "capability": requirement.capability,
        "status": requirement.status + (f": {requirement.reason}" if requirement.reason else ""),
        "breach": requirement.verdict,
        "rules": ", ".join(rules_of(requirement.id)),
        "faults": ", ".join(endangered),
    }
    return Group(_heading(f"{requirement.id}  {requirement.statement}"), _facts(rows))


def _interpretation(point: Interpretation) -> RenderableType:
    readings = {
        f"{'' if one.name == 'reading' else one.name + ' '}{name}": text
        + ("   (taken)" if name in one.default else "")
        for one in point.points
        for name, text in one.readings.items()
    }
    known = book_of(point.id).requirements.values()
    citing = [r.id for r in known if point.id in r.interpretations]
    rows = {
        "gap": point.gap,
        **readings,
        "taken": point.taken,
        "why": point.why,
        "verdict": point.verdict,
        "evidence": point.evidence,
        "not shown": "\n".join(
            f"{'' if one.name == 'reading' else one.name + ': '}{one.unseen}"
            for one in point.points
            if one.unseen
        ),
        "pages": ", ".join(point.pages),
        "touches": ", ".join(citing),
    }
    return Group(_heading(f"{point.id}  {point.title}"), _facts(rows))


def _function(name: str) -> RenderableType:
    thing = CALLABLE.get(name) or CALLBACKS[name]
    signature = f"{name}({', '.join(thing.parameters)})"
    rows = {"returns": thing.returns, "role": thing.role, "capability": thing.capability}
    function = CALLABLE.get(name)
    if function is not None:
        rows |= {
            "outputs": ", ".join(function.outputs),
            "waits": "it may block" if function.waits else "",
            "in callbacks": _cells(name) if name in FUNCTIONS else "",
            "tests make it in": _made(name) if name in FUNCTIONS else "",
        }
    return Group(_heading(signature), _facts(rows), Text(""))


def _cells(function: str) -> str:
    """What a call of the function is inside each callback."""
    table = reentrancy()
    kinds: dict[str, list[str]] = {}
    for callback in table.callbacks:
        kinds.setdefault(table.cell(function, callback), []).append(callback)
    return "\n".join(
        f"{words}: {', '.join(kinds[cell])}" for cell, words in CELLS.items() if cell in kinds
    )


def _made(function: str) -> str:
    """In which callbacks tests make the call, and why not in others that would let them."""
    table = reentrancy()
    ways: dict[str, list[str]] = {}
    for callback in table.callbacks:
        if function in ENABLED_ACTS.get(callback, ()):
            ways.setdefault("always", []).append(callback)
        elif function in EXPECTED_ACTS.get(callback, ()):
            ways.setdefault("with --expected-calls", []).append(callback)
        elif table.cell(function, callback) in MADE:
            ways.setdefault(f"not: {table.why_not(function, callback)}", []).append(callback)
    return "\n".join(f"{way}: {', '.join(callbacks)}" for way, callbacks in ways.items())


def _requirement_table(found: tuple[Requirement, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("id", "of", "status"):
        table.add_column(column, no_wrap=True)
    table.add_column(f"{len(found)} requirements", overflow="fold", ratio=1)
    for r in found:
        table.add_row(r.id, Text(r.api), r.status, Text(r.statement))
    return table


def _interpretation_table(found: tuple[Interpretation, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("class", no_wrap=True)
    table.add_column(f"{len(found)} interpretations", overflow="fold", ratio=1)
    for point in found:
        table.add_row(point.id, point.verdict_class, Text(f"{point.title}: {point.taken}"))
    return table


def _fault_table(book: Book, found: tuple[Fault, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.title = Text(f"--profile {', '.join(profiles_of(book))}")
    table.add_column("fault", no_wrap=True)
    table.add_column("weight", justify="right")
    table.add_column("endangers", overflow="fold")
    table.add_column(f"{len(found)} faults", overflow="fold", ratio=1)
    for fault in found:
        table.add_row(fault.name, str(fault.weight), " ".join(fault.endangers), Text(fault.words))
    return table
