"""The files of a failure: a case that runs again, its trace, and what the machines said."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from kmcl_adapters import Description
from kmcl_model.case import Case, Expectation
from kmcl_model.trace import dump_trace

from .adapters import origin_of
from .found import Found
from .keeping import CampaignError

__all__ = ["FOLDERS", "UNCONFIRMED", "case_of", "file_name", "remove", "save"]

FOLDERS: Final = {"cases": "json", "traces": "jsonl", "logs": "log"}
"""Where the files of a failure are, and how their names end."""
UNCONFIRMED: Final = "unconfirmed-"
"""How the file names of a failure begin that did not come back."""


LONGEST: Final = 24
"""Characters that tell what a failure is, in the name of its files: lists of failures show the
names beside what happened, also where there are no more than 80 columns."""
_KNOWN: Final = re.compile("^implementation lost the implementation is gone: ")


def file_name(number: int, key: str, *, counts: bool = True) -> str:
    """The name of the files of a failure, without an ending. ``key``: its signature."""
    plain = re.sub("[^a-z0-9]+", "-", _KNOWN.sub("lost ", key).lower())
    if len(plain) > LONGEST:  # at the end of a word, if there is one
        plain = plain[: LONGEST + 1].rpartition("-")[0] or plain[:LONGEST]
    return f"{'' if counts else UNCONFIRMED}{number:02d}-{plain.strip('-')}"


def case_of(found: Found, adapter: str, profile: str, seed: int, tool: str) -> Case:
    """The failure as a case that ``kmcl replay`` runs again."""
    failure = found.outcome.failure
    assert failure is not None
    lost = failure.observer == "implementation"
    return Case(
        name=found.file,
        adapter=adapter,
        profile=profile,
        seed=seed,
        tool=tool,
        note="; ".join(failure.words),
        expect=Expectation(
            verdict="lost" if lost else "violation",
            requirements=failure.requirements,
            event=str(failure.number),
        ),
        stimuli=found.outcome.stimuli,
    )


def save(out: Path, found: Found, case: Case, description: Description) -> None:
    """Write them below ``out``. Raises CampaignError for the first that cannot be written; of that
    one nothing stays."""
    texts = {
        "traces": dump_trace(found.outcome.events, origin_of(description)).encode(),
        "logs": found.log,
    }
    path = out / "cases" / f"{found.file}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        case.save(path)
        for folder, text in texts.items():
            if text:
                path = out / folder / f"{found.file}.{FOLDERS[folder]}"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(text)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise CampaignError(f"{path}: {error.strerror}; choose a folder you can write") from None


def remove(out: Path, file: str) -> None:
    """Remove the files of a failure, as far as that can be done."""
    for folder, ending in FOLDERS.items():
        with suppress(OSError):
            (out / folder / f"{file}.{ending}").unlink()
