"""Requirements, interpretations and the re-entrancy table, as validated data.

The data are TOML files: one file of requirements a page, ``interpretations.toml`` and
``reentrancy.toml``. In a checkout they stand in ``model/requirements``; a wheel carries them as
``kmcl_model/data``. Every text is a paraphrase; the pages themselves are in the public
repository ``MicrosoftDocs/windows-driver-docs-ddi``, folder ``PAGES``.

A requirement covers one or more *facts*, the numbered statements read off the pages (F001 to
F468). Its id is the first of them, and every fact belongs to exactly one requirement.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from .shipped import shipped_folder

__all__ = [
    "FACTS",
    "INTERPRETATIONS",
    "NOT_YET",
    "PAGES",
    "Capability",
    "CatalogueError",
    "Cell",
    "FactId",
    "Interpretation",
    "Point",
    "Reentrancy",
    "ReentrancyRow",
    "Requirement",
    "Text",
    "catalogue_digest",
    "data_folder",
    "interpretations",
    "load_interpretations",
    "load_reentrancy",
    "load_requirements",
    "reentrancy",
    "requirement_of",
    "requirements",
]

PAGES: Final = "wdk-ddi-src/content/vmbuskernelmodeclientlibapi"
"""The folder of the pages inside the public documentation repository."""

FACTS: Final = tuple(f"F{number:03}" for number in range(1, 469))
"""Every fact read off the pages."""

INTERPRETATIONS: Final = tuple(f"A{number:02}" for number in range(1, 157))
"""Every point at which the pages contradict themselves or say nothing."""

NOT_YET: Final = frozenset(
    {
        "external-data",
        "gpadl",
        "identity",
        "irql",
        "mmio",
        "save-restore",
        "synchronous-request",
        "vtl",
    }
)
"""The parts of the header in which a requirement may wait for its model."""

_INTERPRETATION_FILE: Final = "interpretations.toml"
_REENTRANCY_FILE: Final = "reentrancy.toml"
_FAULT_FILE: Final = "faults.toml"
_OTHER_FILES: Final = (_INTERPRETATION_FILE, _REENTRANCY_FILE, _FAULT_FILE)

Capability: TypeAlias = Literal[
    "busy",
    "client",
    "core",
    "crash",
    "external-data",
    "gpadl",
    "guest",
    "identity",
    "interface-query",
    "interrupt-latency",
    "irql",
    "kexec",
    "load",
    "malformed",
    "mmio",
    "modify",
    "reset",
    "save-restore",
    "server",
    "signal-coalesced",
    "signal-delayed",
    "signal-masked",
    "spurious",
    "synchronous-request",
    "vtl",
]
Category: TypeAlias = Literal[
    "answers",
    "blocking",
    "callback-order",
    "channel-life",
    "configuration",
    "external-data",
    "flow-control",
    "gpadl",
    "identity",
    "irql",
    "lifecycle-state",
    "malformed",
    "mmio-vtl",
    "modify",
    "negotiation",
    "ownership",
    "packet-transaction",
    "parameter",
    "rescind",
    "return-status",
    "save-restore",
    "signal",
    "struct",
    "unload",
]
Role: TypeAlias = Literal["both", "client", "guest", "server"]
Cell: TypeAlias = Literal["ok", "e", "q", "D", "X", "?", "n/a"]
"""What a call inside a callback is: ``ok`` documented, must work; ``e`` expected to work; ``q``
accepted and queued; ``D`` deadlocks; ``X`` not allowed or senseless; ``?`` open; ``n/a`` cannot
arise. Only ``ok`` and ``q`` are driven without being asked for."""

FactId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[FV]\d{3}$")]
InterpretationId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[AW]\d{2,3}$")]
_ELSEWHERE = r"(Linux|OpenVMM) [A-Za-z][\w./-]*, .+"
"""A file of a public source tree, and what in it."""
PagePattern: TypeAlias = Annotated[
    str, StringConstraints(pattern=rf"^(n[a-z0-9_*-]+\.md|{_ELSEWHERE})$")
]
PageName: TypeAlias = Annotated[
    str, StringConstraints(pattern=rf"^(n[cfs]-[a-z0-9_]+\.md|{_ELSEWHERE})$")
]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Readings: TypeAlias = Mapping[Annotated[str, StringConstraints(pattern=r"^R\d$")], Text]

_T = TypeVar("_T")


class CatalogueError(Exception):
    """The data are missing or inconsistent; the message names the file or the ids."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Requirement(_Data):
    """One testable statement.

    An implementation is held to it if it plays the end that ``role`` names and offers
    ``capability``.
    """

    id: FactId
    facts: tuple[FactId, ...]
    """The facts it covers; the first is its id."""
    api: Text
    """The function, callback or structure it speaks of."""
    role: Role
    category: Category
    statement: Text
    violation: Text
    """What a trace shows that breaks it."""
    source: PageName
    """The page of its first fact; ``also`` has those of the others."""
    also: tuple[PageName, ...] = ()
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Of the statement in UTF-8, so that a changed wording does not pass unnoticed."""
    verdict: Literal["fail", "note", "driver-rule", "permission", "advice"]
    """Whom a breach is charged to: ``fail`` and ``note`` to the implementation; the others to
    nobody, because the driver is addressed or nothing is demanded."""
    interpretations: tuple[InterpretationId, ...] = ()
    capability: Capability
    status: Literal["modelled", "not-yet", "unobservable"]
    reason: str = ""
    """Why it cannot be observed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.facts[:1] != (self.id,):
            raise ValueError("the id of a requirement is its first fact")
        expected = hashlib.sha256(self.statement.encode()).hexdigest()
        if self.sha256 != expected:
            raise ValueError(f"the hash of the statement is {expected}")
        if (self.status == "unobservable") != bool(self.reason):
            raise ValueError("a reason belongs to what is unobservable, and to nothing else")
        if self.status == "not-yet" and self.capability not in NOT_YET:
            raise ValueError(f"capability {self.capability} is modelled: it cannot wait")
        if self.status != "unobservable" and self.verdict not in ("fail", "note"):
            raise ValueError(f"verdict {self.verdict} cannot be judged: say unobservable and why")
        return self


class _Page(_Data):
    """A file of requirements: what all of them share, and the rest of each."""

    api: Text
    source: PageName
    requirement: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]

    def requirements(self) -> list[Requirement]:
        common = {"api": self.api, "source": self.source}
        return [
            Requirement.model_validate({"facts": [entry.get("id")], **common, **entry})
            for entry in self.requirement
        ]


class Point(_Data):
    """One question on which the pages leave more than one reading."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")] = "reading"
    """What the question is about; unique within its interpretation."""
    readings: Readings
    default: Annotated[tuple[str, ...], Field(min_length=1)]
    """The readings taken; several where the model allows each of them."""
    unseen: str = ""
    """Why no trace of our tests tells which reading an implementation takes; empty where one does,
    and where nobody asks because another reading fails anyway."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if unknown := sorted(set(self.default) - set(self.readings)):
            raise ValueError(f"default {', '.join(unknown)} is none of the readings")
        return self


class Interpretation(_Data):
    """A point at which the documentation is ambiguous, and the reading taken here."""

    id: InterpretationId
    title: Text
    pages: tuple[PagePattern, ...]
    """The pages concerned; ``*`` stands for any part of a name."""
    gap: str = ""
    """What the pages say or lack, where the readings do not tell."""
    points: Annotated[tuple[Point, ...], Field(alias="point", min_length=1)]
    taken: Text
    """The reading taken, in words."""
    why: Text
    verdict: Text
    """What becomes of an implementation that takes another reading."""
    verdict_class: Literal["fail", "note", "no-drive", "mixed"]
    evidence: str = ""
    """How a trace tells which reading an implementation takes; empty where none can."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if repeated := _repeated(point.name for point in self.points):
            raise ValueError(f"point {repeated} appears twice")
        return self


class ReentrancyRow(_Data):
    """A kind of call, and what it is inside each callback."""

    functions: Annotated[tuple[Text, ...], Field(min_length=1)]
    form: str = ""
    """Which use of the functions is meant, where a function has several rows."""
    role: Role = "both"
    cells: tuple[Cell, ...]
    """In the order of ``Reentrancy.callbacks``."""
    notes: Mapping[str, Text] = Field(default_factory=dict)
    """Remarks, by callback."""


class Reentrancy(_Data):
    """Which call may be made inside which callback (A147)."""

    callbacks: Annotated[tuple[Text, ...], Field(min_length=1)]
    rows: Annotated[tuple[ReentrancyRow, ...], Field(alias="row", min_length=1)]
    undriven: Mapping[str, Text] = Field(default_factory=dict)
    """Functions and callbacks of which tests make nothing, and why."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for row in self.rows:
            if len(row.cells) != len(self.callbacks) or not row.notes.keys() <= {*self.callbacks}:
                raise ValueError(f"the row of {row.functions[0]} does not fit the callbacks")
        if repeated := _repeated((name, row.form) for row in self.rows for name in row.functions):
            raise ValueError(f"{repeated[0]} has two rows of one form")
        return self

    def cell(self, function: str, callback: str, form: str = "") -> Cell:
        """What ``function`` is inside ``callback``; ``?`` where the table does not say."""
        if callback in self.callbacks:
            for row in self.rows:
                if function in row.functions and row.form == form:
                    return row.cells[self.callbacks.index(callback)]
        return "?"

    def why_not(self, function: str, callback: str) -> str:
        """Why tests do not make the call inside the callback; empty if there is no reason."""
        return self.undriven.get(function) or self.undriven.get(callback, "")


_INTERPRETATIONS = TypeAdapter(tuple[Interpretation, ...])


def _repeated(values: Iterable[_T]) -> _T | None:
    """The first value that comes a second time."""
    seen: set[_T] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def _must_be(found: list[str], expected: tuple[str, ...], what: str) -> None:
    """Refuse ids that are missing, unknown or given twice."""
    if repeated := _repeated(found):
        raise CatalogueError(f"{what} {repeated} appears twice")
    if missing := sorted(set(expected) - set(found)):
        raise CatalogueError(f"{what} missing: {', '.join(missing)}")
    if unknown := sorted(set(found) - set(expected)):
        raise CatalogueError(f"{what} unknown: {', '.join(unknown)}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path}: {error}") from error


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def data_folder() -> Path:
    """Where the data are: inside an installed package, else in the checkout beside it."""
    folder = shipped_folder(Path(__file__).parent, "data", "requirements")
    if not (folder / _INTERPRETATION_FILE).is_file():
        raise CatalogueError(f"no requirements found in {folder}: reinstall the package")
    return folder


def load_requirements(
    folder: Path,
    facts: tuple[str, ...] = FACTS,
    readings: tuple[str, ...] = INTERPRETATIONS,
) -> Mapping[str, Requirement]:
    """The requirements in ``folder``, by id, in the order of the facts.

    Raises CatalogueError unless every one of ``facts`` is covered exactly once and every entry is
    sound and refers to none but ``readings``.
    """
    found: list[Requirement] = []
    for path in sorted(folder.glob("*.toml")):
        if path.name in _OTHER_FILES:
            continue
        try:
            found += _Page.model_validate(_read(path)).requirements()
        except ValidationError as error:
            raise CatalogueError(f"{path}: {_first_error(error)}") from error
    _must_be([fact for one in found for fact in one.facts], facts, "fact")
    cited = {name for one in found for name in one.interpretations}
    if unknown := sorted(cited - set(readings)):
        raise CatalogueError(f"interpretation unknown: {', '.join(unknown)}")
    found.sort(key=lambda one: one.id)
    return MappingProxyType({one.id: one for one in found})


def load_interpretations(
    folder: Path, expected: tuple[str, ...] = INTERPRETATIONS
) -> Mapping[str, Interpretation]:
    """The interpretations in ``folder``, by id; raises CatalogueError unless all ``expected`` are
    there."""
    path = folder / _INTERPRETATION_FILE
    try:
        found = _INTERPRETATIONS.validate_python(_read(path).get("interpretation", []))
    except ValidationError as error:
        raise CatalogueError(f"{path}: {_first_error(error)}") from error
    _must_be([one.id for one in found], expected, "interpretation")
    return MappingProxyType({one.id: one for one in found})


def load_reentrancy(folder: Path) -> Reentrancy:
    """The re-entrancy table in ``folder``; raises CatalogueError unless it is sound."""
    path = folder / _REENTRANCY_FILE
    try:
        return Reentrancy.model_validate(_read(path))
    except ValidationError as error:
        raise CatalogueError(f"{path}: {_first_error(error)}") from error


@cache
def requirements() -> Mapping[str, Requirement]:
    """Every requirement, by id."""
    return load_requirements(data_folder())


@cache
def _by_fact() -> Mapping[str, Requirement]:
    return {fact: one for one in requirements().values() for fact in one.facts}


def requirement_of(fact: str) -> Requirement:
    """The requirement that covers a fact; raises KeyError for an unknown one."""
    return _by_fact()[fact]


@cache
def interpretations() -> Mapping[str, Interpretation]:
    """Every interpretation, by id."""
    return load_interpretations(data_folder())


@cache
def reentrancy() -> Reentrancy:
    """The re-entrancy table."""
    return load_reentrancy(data_folder())


@cache
def catalogue_digest() -> str:
    """SHA-256 over all the data, whatever the layout of the files."""
    digest = hashlib.sha256()
    for one in (*requirements().values(), *interpretations().values(), reentrancy()):
        digest.update(one.model_dump_json().encode() + b"\n")
    return digest.hexdigest()
