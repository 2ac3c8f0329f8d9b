"""Calls inside callbacks that are expected to work although no page says so: cells ``e`` of A147.

They are made where asked for only. One that fails is worth a warning and no more, so what fails
with such a call and not without it does not count against the implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    SUSPEND,
)
from kmcl_model.stimuli import Act, Arm, Stimulus

from .setup import PACKETS

__all__ = ["EXPECTED_ACTS", "OBJECTS", "act_on", "cells_of", "culprits", "without_cells"]

OBJECTS: Final = frozenset(
    {
        "VmbPacketAllocate",
        "VmbPacketFree",
        "VmbPacketGetChannel",
        "VmbPacketGetPointer",
        "VmbPacketInitialize",
        "VmbPacketSetCompletionRoutine",
        "VmbPacketSetPointer",
    }
)
"""The functions of packet objects that are no transaction."""

QUOTA: Final = frozenset({"VmbChannelSetTransactionQuota"})
SEND: Final = frozenset({"VmbPacketSend"})

EXPECTED_ACTS: Final[dict[str, frozenset[str]]] = {
    OPENED: OBJECTS | QUOTA,
    STARTED: QUOTA,
    POST_STARTED: SEND | QUOTA,
    SUSPEND: OBJECTS | QUOTA,
    CLOSED: OBJECTS | QUOTA,
    PROCESS_PACKET: SEND | OBJECTS | QUOTA,
    PROCESSING_COMPLETE: SEND | OBJECTS | QUOTA,
    COMPLETION_ROUTINE: SEND | OBJECTS | QUOTA,
}
"""The cells ``e`` of A147, as far as the functions are part of what is tested."""


def act_on(
    rng: Random, functions: frozenset[str], idle: str | None, buffer: bytes | None, memory: bool
) -> Act | None:
    """A call of one of the functions for a handler to make: with an ``idle`` packet object where
    it needs one, and ``buffer`` where it sends; ``memory``: it may initialise a packet."""
    function = rng.choice(sorted(functions))
    if function in QUOTA:
        return Act(function, (rng.choice((1, 2, 3, 8)),))
    if function == "VmbPacketAllocate":
        return Act(function, (PACKETS[-1],))
    if function == "VmbPacketInitialize":
        return Act(function, (PACKETS[-1], "maximum+pointer")) if memory else None
    if idle is None:
        return None
    if function in SEND:
        return Act(function, (idle, buffer, int(rng.random() < 0.6))) if buffer else None
    if function == "VmbPacketSetPointer":
        return Act(function, (idle, rng.choice((0, 1, 77))))
    return Act(function, (idle,))


def cells_of(stimuli: Sequence[Stimulus]) -> list[tuple[str, str]]:
    """The cells that a case asks for: function and callback, in the order of the case."""
    found: dict[tuple[str, str], None] = {}
    for stimulus in stimuli:
        if isinstance(stimulus, Arm):
            for step in stimulus.reaction.steps:
                if isinstance(step, Act) and _is_expected(stimulus.callback, step):
                    found[step.function, stimulus.callback] = None
    return list(found)


def _is_expected(callback: str, act: Act) -> bool:
    if act.arguments[:1] == ("this",):
        return False  # A95 makes these a duty
    return act.function in EXPECTED_ACTS.get(callback, ())


def without_cells(
    stimuli: Sequence[Stimulus], cells: Sequence[tuple[str, str]]
) -> tuple[Stimulus, ...]:
    """The case without the calls of these cells; the reactions keep what else they do."""
    kept: list[Stimulus] = []
    for stimulus in stimuli:
        if isinstance(stimulus, Arm):
            steps = tuple(
                step
                for step in stimulus.reaction.steps
                if not isinstance(step, Act)
                or (step.function, stimulus.callback) not in cells
                or not _is_expected(stimulus.callback, step)
            )
            stimulus = stimulus._replace(reaction=stimulus.reaction._replace(steps=steps))
        kept.append(stimulus)
    return tuple(kept)


def culprits(
    stimuli: Sequence[Stimulus], fails: Callable[[Sequence[Stimulus]], bool]
) -> tuple[tuple[str, str], ...]:
    """The cells without which the case does not fail; empty if it fails without any of them."""
    cells = cells_of(stimuli)
    if not cells or fails(without_cells(stimuli, cells)):
        return ()
    needed = list(cells)
    for cell in cells:
        fewer = [c for c in needed if c != cell]
        spared = [c for c in cells if c not in fewer]
        if fewer and fails(without_cells(stimuli, spared)):
            needed = fewer
    return tuple(needed)
