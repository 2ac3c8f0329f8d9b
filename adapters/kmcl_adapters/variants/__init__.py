"""Legal variants: the reference with another permitted reading of an open point.

``variant:NAME`` or ``variant:NAME+NAME`` names one or several. A suite that raises an alarm on
one of them takes the habits of the reference for the specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kmcl_adapters.interface import AdapterError, nearest
from kmcl_adapters.reference import Readings, ReferenceAdapter

from . import configuring, life, transfer
from .variant import Variant

__all__ = ["VARIANTS", "Variant", "changes_of", "compatible", "create"]

VARIANTS: Final[dict[str, Variant]] = {
    v.name: v for v in (*configuring.VARIANTS, *life.VARIANTS, *transfer.VARIANTS)
}
"""Every variant by name."""


def compatible(names: tuple[str, ...], known: Mapping[str, Variant] = VARIANTS) -> bool:
    """Whether these variants can be combined: no two set one switch differently."""
    chosen: dict[str, object] = {}
    for name in names:
        for switch, value in known[name].change.items():
            if chosen.setdefault(switch, value) != value:
                return False
    return True


def changes_of(argument: str, known: Mapping[str, Variant]) -> dict[str, Any]:
    """What the variants set that an argument names, joined by ``+``. Raises AdapterError."""
    names = tuple(argument.split("+"))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise AdapterError(f"no variant {unknown[0]!r}; {nearest(unknown[0], known)}")
    if not compatible(names, known):
        raise AdapterError(f"these variants exclude each other: {argument}")
    return {switch: value for name in names for switch, value in known[name].change.items()}


def create(argument: str) -> ReferenceAdapter:
    """The reference under one or several other readings, joined by ``+``."""
    readings = replace(Readings(), **changes_of(argument, VARIANTS))
    return ReferenceAdapter(f"variant:{argument}", readings=readings)
