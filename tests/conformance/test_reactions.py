"""The calls made inside callbacks are those that the re-entrancy table lets through (A147)."""

from __future__ import annotations

import pytest

from kmcl_adapters import Description, Session
from kmcl_adapters.mutants import create as mutant
from kmcl_adapters.mutants import parts_of
from kmcl_adapters.reference import ReferenceAdapter
from kmcl_adapters.reference import create as reference
from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Phase
from kmcl_conformance.campaign import Campaign, Options, certify
from kmcl_conformance.generate.driver import ENABLED_ACTS
from kmcl_conformance.generate.expected import EXPECTED_ACTS, cells_of, culprits, without_cells
from kmcl_conformance.generate.tours import EXPECTED_TOURS
from kmcl_conformance.sequence import replay
from kmcl_model.api import COMPLETION_ROUTINE, OPENED, PROCESS_PACKET
from kmcl_model.catalogue import reentrancy
from kmcl_model.spec import Specification
from kmcl_model.stimuli import HOLD, Act, Arm, Reaction, Settle
from kmcl_reports.results import Verdict

FREED_OR_SENT_AGAIN = {"VmbPacketFree", "VmbPacketSend"}
"""In the completion routine the table only expects them to work; A95 makes them a duty."""

GET = Act("VmbPacketGetPointer", ("p0",))
LIMIT = Act("VmbChannelSetTransactionQuota", (1,))
SETTLE = Settle("settle")


@pytest.mark.parametrize("callback", ENABLED_ACTS)
def test_every_act_works_or_is_queued_by_the_table(callback: str) -> None:
    owed = FREED_OR_SENT_AGAIN if callback == COMPLETION_ROUTINE else set()

    cells = {act: reentrancy().cell(act, callback) for act in ENABLED_ACTS[callback] - owed}

    assert cells
    assert set(cells.values()) <= {"ok", "q"}


@pytest.mark.parametrize("callback", EXPECTED_ACTS)
def test_what_is_made_on_request_is_expected_to_work_by_the_table(callback: str) -> None:
    cells = {act: reentrancy().cell(act, callback) for act in EXPECTED_ACTS[callback]}

    assert cells
    assert set(cells.values()) == {"e"}


def test_every_call_that_the_table_lets_through_is_made_or_has_a_reason() -> None:
    table = reentrancy()
    unaccounted = [
        (function, callback)
        for row in table.rows
        for function in row.functions
        for callback, cell in zip(table.callbacks, row.cells, strict=True)
        if cell in ("ok", "q", "e")
        if function not in ENABLED_ACTS.get(callback, frozenset())
        if function not in EXPECTED_ACTS.get(callback, frozenset())
        if not table.why_not(function, callback)
    ]

    assert unaccounted == []


def test_no_reason_is_given_for_what_is_made() -> None:
    made = [
        (act, callback)
        for acts in (ENABLED_ACTS, EXPECTED_ACTS)
        for callback, functions in acts.items()
        for act in functions
    ]

    assert [cell for cell in made if reentrancy().why_not(*cell)] == []


def armed(callback: str, *acts: Act) -> Arm:
    return Arm("arm", "client", callback, Reaction((HOLD, *acts)))


def test_a_case_tells_which_cells_it_asks_for_and_can_do_without() -> None:
    case = (armed(OPENED, GET, LIMIT), SETTLE, armed(PROCESS_PACKET, GET))

    assert cells_of(case) == [
        ("VmbPacketGetPointer", OPENED),
        ("VmbChannelSetTransactionQuota", OPENED),
        ("VmbPacketGetPointer", PROCESS_PACKET),
    ]
    assert without_cells(case, [("VmbPacketGetPointer", OPENED)]) == (
        armed(OPENED, LIMIT),
        SETTLE,
        armed(PROCESS_PACKET, GET),
    )


def test_what_fails_without_any_such_call_is_blamed_on_none() -> None:
    assert culprits((armed(OPENED, GET),), lambda _: True) == ()


def test_the_cells_that_a_failure_needs_are_found() -> None:
    case = (armed(OPENED, GET, LIMIT), armed(PROCESS_PACKET, GET))

    found = culprits(case, lambda c: ("VmbPacketGetPointer", OPENED) in cells_of(c))

    assert found == (("VmbPacketGetPointer", OPENED),)


class QuotaInOpenedLost(Channel):
    """Only what is documented works (A147 R2)."""

    def set_transaction_quota(self, quota: int) -> None:
        if self.phase != Phase.OPENING or not self.lifecycle.calling:
            super().set_transaction_quota(quota)


def test_a_call_that_is_only_expected_to_work_gives_a_warning_and_no_failure() -> None:
    adapter = ReferenceAdapter("mine", parts_of(QuotaInOpenedLost))

    found = certify(adapter, Options(sequences=0, expected=True))

    assert found.verdict is Verdict.CONFORMING
    (note,) = (i for i in found.interpretations if i.id == "A147")
    assert note.reading == "R2"
    assert "VmbChannelSetTransactionQuota in EvtVmbChannelOpened" in note.evidence


def test_all_that_is_expected_to_work_does_so_in_the_reference() -> None:
    found = certify(ReferenceAdapter("reference"), Options(sequences=200, expected=True))

    assert found.verdict is Verdict.CONFORMING
    (note,) = (i for i in found.interpretations if i.id == "A147")
    assert note.reading == "R1"
    every = 2 * sum(map(len, EXPECTED_ACTS.values()))
    assert note.evidence == f"{every} calls work"


class OwnOrder:
    """The reference, as if it chose its order itself."""

    def __init__(self) -> None:
        self._adapter = reference("")

    def describe(self) -> Description:
        it = self._adapter.describe()
        return it._replace(capabilities=it.capabilities - {"schedulable"})

    def open(self) -> Session:
        return self._adapter.open()

    def close(self) -> None:
        self._adapter.close()


def test_a_failure_that_does_not_come_back_is_not_put_down_to_an_expected_call() -> None:
    """It may have to do with anything; the reference stands for the run in which it stays away."""
    campaign = Campaign(OwnOrder(), Options(expected=True))
    defective = mutant("closed-missing-on-disable")
    outcome = replay(defective, Specification(), EXPECTED_TOURS[0].stimuli)
    assert outcome.failure is not None
    assert cells_of(outcome.stimuli)
    assert not campaign._warn(outcome)
    assert campaign.warnings == {}
