"""Finding an adapter by what the user wrote: ``name`` or ``name:argument``.

Adapters register a function under the entry point group ``kmcl.adapters``. Those that come
with the suite are also named here, so that they are found in a source tree that was never
installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from kmcl_adapters import Adapter, AdapterError, Description
from kmcl_model.trace import Origin
from kmcl_reports.text import inline

__all__ = ["GROUP", "OWN", "find", "known", "origin_of"]

GROUP: Final = "kmcl.adapters"
"""The entry point group; each entry is a ``kmcl_adapters.Create``."""

OWN: Final[Mapping[str, str]] = {
    "reference": "kmcl_adapters.reference:create",
    "mutant": "kmcl_adapters.mutants:create",
    "variant": "kmcl_adapters.variants:create",
    "python": "kmcl_adapters.threaded:create",
    "native": "kmcl_adapters.native:create",
    "process": "kmcl_adapters.process:create",
    "guest": "kmcl_adapters.guest:create",
    "guest-mutant": "kmcl_adapters.guest.mutants:create",
    "guest-variant": "kmcl_adapters.guest.variants:create",
    "lab": "kmcl_lab.adapter:create",
    "ring": "kmcl_adapters.uio.pair:create",
    "host": "kmcl_lab.both:create",
    "linux": "kmcl_lab.linux:create",
    "uio": "kmcl_adapters.uio:create",
}
"""The adapters of the suite: name and function. Nobody else's entry takes their place."""


def known() -> Mapping[str, EntryPoint]:
    """Every adapter that can be named, sorted by name."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    found |= {name: EntryPoint(name, value, GROUP) for name, value in OWN.items()}
    return dict(sorted(found.items()))


def find(wanted: str) -> Adapter:
    """The adapter for ``name[:argument]``. Raises AdapterError with one line for the user."""
    name, _, argument = wanted.partition(":")
    entry = known().get(name)
    if entry is None:
        names = ", ".join(known())
        raise AdapterError(f"there is no adapter {inline(name)!r}; there are: {names}")
    try:
        create: Any = entry.load()
    except Exception as error:
        raise AdapterError(
            f"adapter {name}: {entry.value} cannot be loaded: {_said(error)}; "
            "reinstall the package it comes with"
        ) from error
    try:
        adapter: Adapter = create(argument)
    except AdapterError as error:
        raise AdapterError(inline(str(error))) from error
    except Exception as error:
        raise AdapterError(f"adapter {name}: {entry.value} failed: {_said(error)}") from error
    return adapter


def _said(error: Exception) -> str:
    return inline(f"{type(error).__name__}: {error}")


def origin_of(description: Description) -> Origin:
    """What a trace of this implementation tells of itself."""
    return Origin(description.name, description.version, description.surroundings)
