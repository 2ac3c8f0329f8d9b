"""The commands together, and what becomes of an error."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Final

import typer

from kmcl_adapters import AdapterError
from kmcl_conformance.garbage import collected_rarely
from kmcl_conformance.stopping import interrupt_no_more
from kmcl_model.case import CaseError
from kmcl_model.catalogue import CatalogueError
from kmcl_model.trace import TraceError

from .adapter import adapter
from .campaigns import certify, fuzz
from .explore import explore
from .lab import lab
from .matrix import mutants, variants
from .output import Code, NobodyReads, Problem, complain
from .rendering import report, verify
from .single import check, replay
from .spec import spec

__all__ = ["main"]

_COMMANDS: Final[tuple[Callable[..., int], ...]] = (
    certify,
    fuzz,
    replay,
    check,
    mutants,
    variants,
    spec,
    explore,
    report,
    verify,
    adapter,
)
_INTERRUPTED: Final = 130
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a device that takes no more."""
# Typer carries the command-line library inside itself or beside it, by version.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]


def _write_no_more() -> None:
    """Nothing may be written at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(wanted: bool) -> None:
    if wanted:
        try:
            found = version("kmcl-conformance")
        except PackageNotFoundError:
            found = "(source tree)"
        print(f"kmcl {found}")
        raise typer.Exit


def _start(
    context: typer.Context,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Certify implementations of the VMBus Kernel Mode Client Library (KMCL).

    Exit codes: 0 conforming, 1 violations found, 2 wrong usage, 3 could not judge.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _application() -> Any:
    application = typer.Typer(
        name="kmcl",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback(invoke_without_command=True)(_start)
    for command in _COMMANDS:
        application.command(command.__name__)(command)
    application.add_typer(lab)
    return typer.main.get_command(application)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``kmcl`` with these arguments (those of the process by default); the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if "" not in sys.path:
        sys.path.append("")  # the current folder, so that python:my_module:factory is found
    try:
        with collected_rarely():
            code = _application().main(arguments, prog_name="kmcl", standalone_mode=False)
        sys.stdout.flush()
    except Problem as problem:
        complain(str(problem))
        return problem.code
    except (CaseError, TraceError, CatalogueError) as error:
        complain(str(error))
        return Code.USAGE
    except AdapterError as error:
        complain(str(error))
        return Code.UNJUDGED
    except _UsageError as error:
        complain(f"{error.format_message().rstrip('.')}; see kmcl --help")  # type: ignore[attr-defined]
        return Code.USAGE
    except NobodyReads:
        _write_no_more()
        return Code.UNJUDGED
    except (KeyboardInterrupt, typer.Abort):
        interrupt_no_more()
        code = _INTERRUPTED
    except Exception as error:
        if os.environ.get("KMCL_TRACEBACK"):
            raise
        if isinstance(error, OSError) and error.errno in _FULL:
            complain(f"the result cannot be written: {error.strerror}; make room for it")
            _write_no_more()
            return Code.UNJUDGED
        complain(
            f"this is a defect of kmcl: {type(error).__name__}: {error}; "
            "set KMCL_TRACEBACK=1 to see where, and report it"
        )
        return Code.UNJUDGED
    if code == _INTERRUPTED:
        complain("interrupted before there was a verdict")
        return Code.UNJUDGED
    return int(code or 0)
