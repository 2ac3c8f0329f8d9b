"""The calls made inside callbacks are those that the re-entrancy table lets through (A147)."""

from __future__ import annotations

import pytest

from kmcl_conformance.generate.driver import ENABLED_ACTS
from kmcl_model.api import COMPLETION_ROUTINE
from kmcl_model.catalogue import reentrancy

FREED_OR_SENT_AGAIN = {"VmbPacketFree", "VmbPacketSend"}
"""In the completion routine the table only expects them to work; A95 makes them a duty."""


@pytest.mark.parametrize("callback", ENABLED_ACTS)
def test_every_act_works_or_is_queued_by_the_table(callback: str) -> None:
    owed = FREED_OR_SENT_AGAIN if callback == COMPLETION_ROUTINE else set()

    cells = {act: reentrancy().cell(act, callback) for act in ENABLED_ACTS[callback] - owed}

    assert cells
    assert set(cells.values()) <= {"ok", "q"}
