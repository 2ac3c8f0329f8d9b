"""Which mutants each requirement detects: how sharp the check is that a verdict rests on.

The record is written from kill matrices, ``mutants.json`` of ``kmcl mutants``, of every profile
that has mutants. ``make kills`` calls this module with the file to write and the matrices. What a
matrix says of a mutant are the requirements that its first failure breaks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from kmcl_reports.results import MutantResult

__all__ = ["killers", "kills_by_requirement", "record"]

_FILE: Final = "kills.json"
_MATRIX: Final = TypeAdapter(list[MutantResult])


@cache
def killers() -> Mapping[str, tuple[str, ...]]:
    """The requirements that the first failure of each mutant breaks, by the mutant's name."""
    text = files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    return {name: tuple(ids) for name, ids in json.loads(text).items()}


@cache
def kills_by_requirement() -> Mapping[str, tuple[str, ...]]:
    """The mutants that each requirement detects, by its id; those that detect none are left out."""
    found: dict[str, list[str]] = {}
    for name, ids in killers().items():
        for id in ids:
            found.setdefault(id, []).append(name)
    return {id: tuple(sorted(names)) for id, names in found.items()}


def record(matrices: Iterable[str]) -> str:
    """The text of the record, of matrices as JSON. Raises ValueError where a mutant lives, or a
    text is no matrix."""
    found: dict[str, tuple[str, ...]] = {}
    for matrix in matrices:
        for result in _MATRIX.validate_json(matrix):
            if not result.killed:
                raise ValueError(f"{result.name} lives: the record is of mutants that were killed")
            found[result.name] = result.requirements
    lines = [f"  {json.dumps(name)}: {json.dumps(ids)}" for name, ids in sorted(found.items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    written, *read = map(Path, sys.argv[1:])
    written.write_text(record(path.read_text(encoding="utf-8") for path in read), encoding="utf-8")
