"""A VMBus host under the test's control, and the KMCL server end on top of it.

The host knows a virtual machine only through ``machine.Machine``: guest memory, an interrupt to
raise, and what the guest posts and signals. So it is tried without one. From the wire upwards:
``messages`` (layouts), ``slot`` (how a message gets to the guest), ``gpadl`` and ``memory`` (what
the guest shares), ``channel`` and ``host`` (a host that behaves), ``rules`` and ``underway`` (one
that does not, as the test says), ``trace`` (all that passed), ``bus`` and ``end`` (the server end).

Nothing in here needs more than Python's standard library. What is offered here is loaded when it is
asked for: an end runs in a guest, where that takes long, and needs none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .channel import TEST_CLASS, HostChannel, HostOffer, State
    from .host import VmbusHost
    from .machine import Machine
    from .raw import RawEnd
    from .rules import Rule
    from .scripted import ScriptedGuest, ScriptedMachine
    from .trace import Entry

__all__ = [
    "TEST_CLASS",
    "Entry",
    "HostChannel",
    "HostOffer",
    "Machine",
    "RawEnd",
    "Rule",
    "ScriptedGuest",
    "ScriptedMachine",
    "State",
    "VmbusHost",
]

_PLACES: Final = {
    "TEST_CLASS": "channel",
    "Entry": "trace",
    "HostChannel": "channel",
    "HostOffer": "channel",
    "Machine": "machine",
    "RawEnd": "raw",
    "Rule": "rules",
    "ScriptedGuest": "scripted",
    "ScriptedMachine": "scripted",
    "State": "channel",
    "VmbusHost": "host",
}


def __getattr__(name: str) -> Any:
    """One of the names above. Raises AttributeError."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__} has no {name}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)
