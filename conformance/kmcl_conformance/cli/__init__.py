"""The command line ``kmcl``: one module a group of commands, ``app`` puts them together.

Results go to standard output, progress and errors to standard error. Exit codes: 0 conforming,
1 violations found, 2 wrong usage, 3 could not judge. No input ends in a traceback: what is wrong
is one line that says what to do.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence

from kmcl_conformance.stopping import terminable

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``kmcl`` with these arguments (those of the process by default); the exit code."""
    with terminable():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    from kmcl_model.catalogue import CatalogueError

    try:
        # Here, because it takes a second, in which Ctrl-C may come.
        from .app import main as run
    except KeyboardInterrupt:
        print("kmcl: interrupted before it began", file=sys.stderr)
        return 3
    except CatalogueError as error:  # rules are made of the data as they are imported
        print(f"kmcl: {error}; correct it, or reinstall the package", file=sys.stderr)
        return 2
    if threading.current_thread() is not threading.main_thread():
        return run(arguments)
    before = signal.getsignal(signal.SIGINT)
    code = run(arguments)
    # All is said. The process ends, or whoever called goes on.
    signal.signal(signal.SIGINT, signal.SIG_IGN if arguments is None else before)
    return code
