"""The books: what is demanded, read and done wrong, for each of the specifications.

``kmcl`` is the library's header, ``vmbus`` the control protocol of the bus beneath it. Each has ids
of its own: requirements ``F…`` and interpretations ``A…``, or ``V…`` and ``W…``.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from . import catalogue
from .catalogue import (
    PAGES,
    Capability,
    CatalogueError,
    FactId,
    Interpretation,
    Requirement,
    Text,
    data_folder,
    load_interpretations,
    load_requirements,
)

__all__ = ["BOOKS", "Book", "Fault", "book_of", "kmcl", "vmbus"]

STATEMENTS: Final = tuple(f"V{number:03}" for number in range(1, 75))
CHOICES: Final = tuple(f"W{number:02}" for number in range(1, 14))
FAULTS: Final = "faults.toml"


class Fault(BaseModel):
    """Something a test does to an implementation that this must live with.

    ``weight`` says how often walks do it, compared with the others; ``endangers`` are the
    requirements that it puts to the test, ``capability`` what an adapter must offer for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text
    weight: Annotated[int, Field(ge=1)]
    endangers: Annotated[tuple[FactId, ...], Field(min_length=1)]
    words: Text
    capability: Capability = "guest"


class Book(NamedTuple):
    """The data of one specification. ``origin`` says where the sources are."""

    name: str
    origin: str
    requirements: Mapping[str, Requirement]
    interpretations: Mapping[str, Interpretation]
    faults: Mapping[str, Fault]
    digest: str
    by_fact: Mapping[str, Requirement]

    def requirement_of(self, fact: str) -> Requirement:
        """The requirement that covers a fact; raises KeyError for an unknown one."""
        return self.by_fact[fact]


_FAULTS = TypeAdapter(tuple[Fault, ...])


def _book(
    name: str,
    origin: str,
    requirements: Mapping[str, Requirement],
    interpretations: Mapping[str, Interpretation],
    digest: str,
    faults: Mapping[str, Fault],
) -> Book:
    by_fact = {fact: one for one in requirements.values() for fact in one.facts}
    return Book(name, origin, requirements, interpretations, faults, digest, by_fact)


def _faults(folder: Path, requirements: Mapping[str, Requirement]) -> Mapping[str, Fault]:
    path = folder / FAULTS
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        found = _FAULTS.validate_python(data.get("fault", []))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise CatalogueError(f"{path}: {error}") from error
    faults = {fault.name: fault for fault in found}
    unknown = {id for fault in found for id in fault.endangers} - requirements.keys()
    if unknown or len(faults) < len(found):
        raise CatalogueError(f"{path}: unknown {sorted(unknown)}, or a name that appears twice")
    return MappingProxyType(faults)


def _digest(first: bytes, entries: Iterable[BaseModel]) -> str:
    digest = hashlib.sha256(first)
    for one in entries:
        digest.update(one.model_dump_json().encode() + b"\n")
    return digest.hexdigest()


@cache
def kmcl() -> Book:
    """The header of the library. Raises CatalogueError as ``vmbus`` does."""
    requirements = catalogue.requirements()
    faults = _faults(data_folder(), requirements)
    return _book(
        "kmcl",
        PAGES,
        requirements,
        catalogue.interpretations(),
        _digest(catalogue.catalogue_digest().encode(), faults.values()),
        faults,
    )


@cache
def vmbus() -> Book:
    """The control protocol. Raises CatalogueError where its data are missing or inconsistent."""
    folder = data_folder() / "vmbus"
    requirements = load_requirements(folder, STATEMENTS, CHOICES)
    interpretations = load_interpretations(folder, CHOICES)
    faults = _faults(folder, requirements)
    entries = (*requirements.values(), *interpretations.values(), *faults.values())
    return _book(
        "vmbus",
        "the public source trees of Linux and OpenVMM",
        requirements,
        interpretations,
        _digest(b"", entries),
        faults,
    )


BOOKS: Final = (kmcl, vmbus)
"""Every book."""


def book_of(id: str) -> Book:
    """The book to which an id belongs by its first letter."""
    return vmbus() if id[:1] in ("V", "W") else kmcl()
