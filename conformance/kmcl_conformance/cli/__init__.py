"""The command line ``kmcl``: one module a group of commands, ``app`` puts them together.

Results go to standard output, progress and errors to standard error. Exit codes: 0 conforming,
1 violations found, 2 wrong usage, 3 could not judge. No input ends in a traceback: what is wrong
is one line that says what to do.
"""

from .app import main

__all__ = ["main"]
