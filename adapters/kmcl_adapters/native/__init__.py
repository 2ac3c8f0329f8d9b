"""``native:LIB.so``: a shared library that exports a KMCL table, in a process of its own.

``adapters/native/kmcl.h`` declares the table. ``binding`` makes a Python object of it,
``host`` is the child process that loads the library and serves the line protocol.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kmcl_adapters.interface import AdapterError
from kmcl_adapters.process import ProcessAdapter

__all__ = ["create"]


def create(argument: str, *, limit: float = 10.0, flood: int = 1_000) -> ProcessAdapter:
    """The library at this path. ``limit`` is the longest time a request may take, in seconds;
    ``flood`` the most events it may bring. Raises AdapterError where it cannot be used."""
    name = f"native:{argument}"
    path = Path(argument)
    if path.is_dir():
        raise AdapterError(f"{name}: a folder; name the shared library in it")
    if not path.is_file():
        raise AdapterError(f"{name}: no such file")
    # The child must find the packages that we have found, installed or not.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = (sys.executable, "-m", "kmcl_adapters.native.host", str(path.resolve()))
    adapter = ProcessAdapter(command, name, limit=limit, flood=flood, environment=environment)
    adapter.describe()
    return adapter
