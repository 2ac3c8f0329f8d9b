"""Finding things in the specification by what a person types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

from kmcl_model.api import CALLBACKS
from kmcl_model.book import BOOKS, Book, Fault, book_of
from kmcl_model.catalogue import Interpretation, Requirement
from kmcl_model.control import CALLABLE

__all__ = ["Found", "look_up"]

_PREFIX: Final = re.compile("^(Evt)?(Vmb)?(Channel)?")
_ID: Final = re.compile("[afvw][0-9]+", re.IGNORECASE)
"""What looks like an id names one or nothing: it is no word to search for."""
_UNSEARCHED: Final = frozenset({"sha256"})
"""Fields that nobody reads as words."""


class Found(NamedTuple):
    """What matched; ``names`` are functions and callbacks."""

    requirements: tuple[Requirement, ...]
    interpretations: tuple[Interpretation, ...]
    names: tuple[str, ...]
    faults: tuple[Fault, ...] = ()

    def __bool__(self) -> bool:
        return any(self)

    @property
    def is_one(self) -> bool:
        """Whether it is a single thing, to be shown in full."""
        return sum(map(len, self)) == 1


def look_up(
    words: Iterable[str], status: str | None = None, books: tuple[Book, ...] | None = None
) -> Found:
    """What the words name or describe, in all ``books`` unless some are named.

    An id (of a fact or an interpretation) and the name of a function or callback stand for
    themselves and what belongs to them. The other words must all occur in what is found; one
    that has the form of an id, and is none, occurs in nothing.
    ``status`` keeps the requirements of one status, and nothing else.
    """
    if books is None:
        books = tuple(book() for book in BOOKS)
    every = [r for book in books for r in book.requirements.values()]
    chosen: list[Requirement] = []
    points: list[Interpretation] = []
    faults: list[Fault] = []
    names: list[str] = []
    others: list[str] = []
    words = tuple(words)
    names_of = _names(short=len(words) == 1)
    for word in words:
        if (requirement := _requirement(word)) is not None:
            chosen.append(requirement)
        elif (point := book_of(word.upper()).interpretations.get(word.upper())) is not None:
            points.append(point)
        elif named := _faults(word, books):
            faults += named
        elif (name := names_of.get(word.lower())) is not None:
            names.append(name)
            chosen += [r for r in every if name in _api_words(r)]
        elif _ID.fullmatch(word):
            return Found((), (), ())
        else:
            others.append(word.lower())
    if others or not (chosen or points or names or faults):
        within = chosen if chosen or names else every
        chosen = [r for r in within if _has(_text(r), others)]
        if not names:
            known = [i for book in books for i in book.interpretations.values()]
            points += [i for i in known if _has(_text(i), others)]
    if status is not None:
        return Found(tuple(r for r in chosen if r.status == status), (), ())
    return Found(tuple(dict.fromkeys(chosen)), tuple(points), tuple(names), tuple(faults))


def _faults(word: str, books: tuple[Book, ...]) -> list[Fault]:
    """The fault of that name; every fault for the word itself."""
    known = [fault for book in books for fault in book.faults.values()]
    return [f for f in known if word.lower() in ("faults", f.name)]


def _requirement(word: str) -> Requirement | None:
    try:
        return book_of(word.upper()).requirement_of(word.upper())
    except KeyError:
        return None


@cache
def _names(short: bool) -> dict[str, str]:
    """Functions and callbacks by their name in small letters; if ``short``, also without prefix."""
    names = (*CALLABLE, *CALLBACKS)
    full = {name.lower(): name for name in names}
    if not short:
        return full
    return {_PREFIX.sub("", name).lower(): name for name in names} | full


def _api_words(requirement: Requirement) -> set[str]:
    return set(requirement.api.replace(",", " ").replace("/", " ").split())


def _text(thing: Requirement | Interpretation) -> str:
    return " ".join(map(str, thing.model_dump(exclude=set(_UNSEARCHED)).values())).lower()


def _has(text: str, words: Iterable[str]) -> bool:
    return all(word in text for word in words)
