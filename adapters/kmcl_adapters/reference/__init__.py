"""The embedded reference implementation: both ends of one channel in memory.

It is written from the facts of the DDI pages and the default readings of their open points, and
from nothing else of ours but the vocabulary. Single-threaded and cooperative: whoever tests it
chooses which of its internal steps runs next, and the same stimuli always give the same events.
"""

from __future__ import annotations

from kmcl_adapters.interface import AdapterError

from .adapter import CAPABILITIES, VERSION, ReferenceAdapter
from .library.parts import SOUND, Parts
from .readings import Readings

__all__ = [
    "CAPABILITIES",
    "SOUND",
    "VERSION",
    "Parts",
    "Readings",
    "ReferenceAdapter",
    "create",
]


def create(argument: str) -> ReferenceAdapter:
    """The reference with the default readings; it takes no argument."""
    if argument:
        raise AdapterError(f"the reference takes no argument, not {argument!r}: use 'reference'")
    return ReferenceAdapter("reference")
