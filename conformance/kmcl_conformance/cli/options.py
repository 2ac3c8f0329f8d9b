"""The options that several commands share, written down once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from kmcl_conformance.profiles import PROFILES

from .output import Problem

__all__ = [
    "AdapterName",
    "Budget",
    "Json",
    "OutFolder",
    "Profile",
    "Quiet",
    "Resume",
    "Seed",
    "one_folder",
]

AdapterName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--adapter",
        "-a",
        metavar="NAME[:ARG]",
        help="The implementation: reference, mutant:NAME, variant:NAME, native:LIB.so, "
        "process:COMMAND, python:PKG.MODULE:FACTORY, or the name of an installed adapter.",
    ),
]
Seed: TypeAlias = Annotated[
    int, typer.Option("--seed", "-s", min=0, help="The same seed gives the same sequences.")
]
Budget: TypeAlias = Annotated[
    str,
    typer.Option(
        "--budget", "-b", metavar="SIZE", help="small, default, large, or a number of sequences."
    ),
]
Profile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help=f"What to certify: {', '.join(PROFILES)}. Default: what fits the ends it plays.",
    ),
]
OutFolder: TypeAlias = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write the results here.")
]
Quiet: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but errors; the exit code tells.")
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")
]
Resume: TypeAlias = Annotated[
    Path | None,
    typer.Option("--resume", metavar="DIR", help="Go on with an interrupted run in this folder."),
]


def one_folder(out: Path | None, resume: Path | None) -> Path | None:
    """Where the results go, if anywhere. Raises Problem where two folders are named."""
    if out is not None and resume is not None and out != resume:
        raise Problem("--resume goes on in the folder it names: leave out --out")
    return resume or out
