"""Names of faults: whose they are, and which of them a campaign commits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kmcl_conformance.profiles import FULL, PROFILES
from kmcl_model.book import BOOKS, Book, Fault

from .output import Problem

__all__ = ["check_early", "faults_of", "groups_of", "profiles_of"]

_BOOTING: Final[Mapping[str, str]] = {"host": FULL, "lab": "client-uio", "linux": "linux-vmbus"}
"""Adapters that boot a guest before they can say what they are: whatever it is then, the faults are
those of this profile."""


def profiles_of(book: Book) -> tuple[str, ...]:
    """The profiles in which the faults of a book are committed."""
    return tuple(p.name for p in PROFILES.values() if p.subject.book() is book)


def groups_of(faults: tuple[Fault, ...]) -> tuple[tuple[Book, tuple[Fault, ...]], ...]:
    """Faults by the book that they stand in; books without any are left out."""
    every = ((book(), tuple(f for f in faults if book().faults.get(f.name) is f)) for book in BOOKS)
    return tuple((book, found) for book, found in every if found)


def faults_of(wanted: str, profile: str) -> tuple[str, ...]:
    """The faults that ``--faults`` asks for: ``all``, ``none``, or names with commas in between.
    Raises Problem for one that the profile does not have."""
    known = PROFILES[profile].subject.faults
    if wanted in ("all", "none"):
        return known if wanted == "all" else ()
    chosen = tuple(name.strip() for name in wanted.split(","))
    if unknown := [name for name in chosen if name not in known]:
        raise Problem(
            f"--faults {unknown[0]}: {_elsewhere(unknown[0])}profile {profile} has "
            f"{', '.join(known)}; or all, none"
        )
    return chosen


def check_early(wanted: str, adapter: str, profile: str | None) -> None:
    """Refuse what ``faults_of`` would refuse when a guest has booted for nothing. ``adapter`` and
    ``profile`` are what the user wrote. Raises Problem."""
    about = profile or _BOOTING.get(adapter.partition(":")[0])
    if about is not None:
        faults_of(wanted, about)


def _elsewhere(name: str) -> str:
    others = [p for book in BOOKS if name in book().faults for p in profiles_of(book())]
    return f"that is a fault of profile {', '.join(others)}, and " if others else ""
