"""An adapter behind the line protocol: ``python3 -m kmcl_lab.serve MODULE:CREATE [ARGUMENT]``.

So any adapter in Python can run in the guest while the engine stays outside:
``python3 -m kmcl_lab.serve kmcl_adapters.reference:create`` plays the reference there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

from kmcl_adapters import Adapter, AdapterError, Description, Session, Tallying
from kmcl_adapters.lines import PROTOCOL, encode, serve
from kmcl_model.events import Event

__all__ = ["AdapterService", "main"]


class AdapterService:
    """What ``kmcl_adapters.lines.serve`` needs, from an adapter. Events are taken, not sent."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def describe(self) -> Description:
        """As the adapter does."""
        return self._adapter.describe()

    def open(self, _record: Callable[[Event], None]) -> Session:
        """A session of the adapter."""
        return self._adapter.open()

    def tally(self) -> Mapping[str, int]:
        """What the adapter counts, if it does."""
        return self._adapter.tally() if isinstance(self._adapter, Tallying) else {}


def main(arguments: list[str]) -> int:
    """Serve standard input and output until the end of input."""
    requests, output = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(2, 1)  # what the implementation prints is not of the protocol

    def write(line: bytes) -> None:
        while line:
            line = line[os.write(output, line) :]

    place, *rest = arguments
    module, _, name = place.partition(":")
    try:
        adapter = getattr(import_module(module), name)(*(rest or [""]))
    except (AdapterError, ImportError, AttributeError) as error:
        write(encode({"protocol": PROTOCOL, "error": f"{place}: {error}"}))
        return 1
    serve(AdapterService(adapter), requests, write)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
