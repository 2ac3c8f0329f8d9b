"""The command line ``kmcl``: one module a group of commands."""

from .app import main

__all__ = ["main"]
