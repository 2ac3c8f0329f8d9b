"""Where one end is: its connection, and its incoming queue (A04)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Activity", "Phase"]


class Phase(IntEnum):
    """Where the connection is."""

    DISABLED = 0
    ENABLED = 1  # offered, or waiting for an offer
    OPENING = 2  # offer and opener have met, Opened is due or running
    OPEN = 3
    CLOSING = 4
    TEARDOWN = 5  # not open any more, the last callbacks are running


class Activity(IntEnum):
    """Where the incoming queue is."""

    STOPPED = 0
    STARTING = 1  # Started is running
    RUNNING = 2
    STOPPING = 3  # no new packet; the handler on its way may finish
    DRAINING = 4  # Suspend was called; outstanding packets are awaited
