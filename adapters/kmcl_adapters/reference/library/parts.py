"""Which classes an implementation is assembled from: the seam where defects are put in."""

from __future__ import annotations

from typing import NamedTuple

from .channel import Channel
from .lifecycle import Lifecycle
from .link import Bus, Link
from .receiver import Receiver
from .ring import Ring
from .sender import Completer, Sender

__all__ = ["SOUND", "Parts"]


class Parts(NamedTuple):
    """One class per part."""

    channel: type[Channel] = Channel
    lifecycle: type[Lifecycle] = Lifecycle
    receiver: type[Receiver] = Receiver
    sender: type[Sender] = Sender
    completer: type[Completer] = Completer
    ring: type[Ring] = Ring
    link: type[Link] = Link
    bus: type[Bus] = Bus


SOUND = Parts()
"""The library as it is meant to be."""
