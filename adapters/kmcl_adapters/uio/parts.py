"""Which classes an end is assembled from: the seam where defects are put in."""

from __future__ import annotations

from typing import NamedTuple

from .lifecycle import Lifecycle
from .receive import Doze
from .receiving import Receiver
from .ring import Incoming, Outgoing
from .sending import Sender

__all__ = ["SOUND", "Parts"]


class Parts(NamedTuple):
    """One class per part."""

    sender: type[Sender] = Sender
    receiver: type[Receiver] = Receiver
    lifecycle: type[Lifecycle] = Lifecycle
    outgoing: type[Outgoing] = Outgoing
    incoming: type[Incoming] = Incoming
    doze: type[Doze] = Doze


SOUND = Parts()
"""The endpoint as it is meant to be."""
