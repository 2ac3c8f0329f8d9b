"""What is known of one direction: the messages on their way, and what they meet."""

from __future__ import annotations

from typing import NamedTuple

from kmcl_model.spec.changes import quickly_replaced

__all__ = ["LARGE", "SEND_FLAGS", "SHARE", "Entry", "FlowState", "assume", "has_room", "initial"]

LARGE = 65
"""From this length on, in bytes, a packet may have to wait until it has the ring for itself."""

SEND_FLAGS = 0x5
"""The send flags that the pages name for a plain send; other bits are refused or ignored (A101)."""

SHARE = 96
"""Bytes of the ring that a packet below ``LARGE`` and its headers surely fit into."""


@quickly_replaced
class Entry(NamedTuple):
    """A message that was sent and not yet delivered, with the marks that say what is known of it.

    * ``calling``: its send call has not returned; overlapping sends may go either way round.
    * ``launched``: the sender has been open since it was sent, so it may be delivered.
    * ``sure``: it is certainly in the ring.
    * ``optional``: its session has ended or it was cancelled, so it may be delivered or not.
    * ``over``: as optional, but not in a later session.
    * ``silent``: its packet has the default routine, so nobody sees it cancelled.
    * ``early``: it was sent before the last broken packet, and may come before it.
    * ``unusual``: it was sent with flags that mean nothing here, and may be refused (A101).
    """

    buffer: bytes
    by: str
    calling: bool = True
    launched: bool = False
    sure: bool = False
    optional: bool = False
    over: bool = False
    silent: bool = False
    early: bool = False
    unusual: bool = False


@quickly_replaced
class FlowState(NamedTuple):
    """One explanation of what was seen of one direction.

    ``alone``: the sender is not observed, so anything may arrive. Of the sender: ``sending`` is
    its connection, ``send_open``: it may be open, ``send_running``: it surely runs,
    ``send_starting``: its Started does, ``ending``: its session may be ending. Of the receiver:
    ``connection`` and ``run``, ``stopping``: it may be about to be paused or closed.

    ``outstanding`` and ``large`` count the packets that the receiver's driver holds, in all and
    from ``LARGE`` on. ``quota`` 0: never set. The queue is ``blocked`` by the quota, ``stopped``
    by PacketFail or a ``broken`` packet: 0 no, 1 maybe, 2 certainly (``broken`` 1: it was stopped
    by nothing else, 2: perhaps by both); ``doubtful``: since then it
    was not sure whether the session is still the same. ``batch`` counts deliveries since the last
    ProcessingComplete; ``served``: there was one on this channel; ``reports``: the receiver has a
    handler for ProcessingComplete.
    ``woken``: a completion has ended the block, and nothing was delivered since. ``closed``: the
    sender has been open before.
    """

    sender: str
    receiver: str
    alone: bool = False
    entries: tuple[Entry, ...] = ()
    sending: str = "none"
    send_open: bool = False
    ending: bool = False
    send_running: bool = False
    send_starting: bool = False
    connection: str = "none"
    run: str = "paused"
    stopping: bool = False
    outstanding: int = 0
    large: int = 0
    quota: int = 0
    quota_calls: tuple[tuple[str, int], ...] = ()
    blocked: int = 0
    woken: bool = False
    closed: bool = False
    stopped: int = 0
    broken: int = 0
    doubtful: bool = False
    batch: int = 0
    served: bool = False
    reports: bool = False
    maximum: int = 0
    assumed: tuple[str, ...] = ()


def initial(sender: str, receiver: str, alone: bool = False) -> FlowState:
    """Nothing sent yet. ``alone``: the sender is not observed."""
    return FlowState(sender, receiver, alone)


def assume(s: FlowState, reading: str) -> FlowState:
    """The state, explained by a reading of an interpretation, such as ``A97:R1``."""
    return s._replace(assumed=tuple(sorted({*s.assumed, reading})))


def has_room(s: FlowState) -> bool:
    """Whether everything sent certainly fits the ring (a maximal packet fits an empty one, A21)."""
    if any(len(entry.buffer) >= LARGE for entry in s.entries) or s.large:
        return len(s.entries) + s.outstanding <= 1
    return (len(s.entries) + s.outstanding) * SHARE <= max(SHARE, s.maximum)
