"""The lab's check of itself, with an imitated host instead of a guest."""

from __future__ import annotations

import pytest

from kmcl_adapters import Adapter, Session
from kmcl_adapters.uio.mutants import MUTANTS
from kmcl_adapters.uio.pair import create
from kmcl_conformance.cli.lab_check import DEFECTS, MOST, check_defects
from kmcl_conformance.examining import is_steady
from kmcl_conformance.mutation import hunt
from kmcl_conformance.plan import Plan
from kmcl_lab.problem import LabProblem
from kmcl_reports.results import MutantResult


def imitated(name: str) -> Adapter:
    return create(":".join(filter(None, ("dynmem", name))))


def test_each_defect_that_the_lab_checks_is_found() -> None:
    told: list[MutantResult] = []
    results = check_defects(imitated, DEFECTS, told.append)

    assert [r.name for r in results if not r.killed] == []
    assert [r.name for r in results] == list(DEFECTS)
    assert told == results


def test_what_is_not_found_is_said_to_be_missed() -> None:
    """An interrupt too many is no business of the interface."""
    (result,) = check_defects(imitated, ("never-masks",))

    assert (result.killed, result.sequences, result.requirements) == (False, MOST, ())
    assert result.stands_for == MUTANTS["never-masks"].stands_for


class Once:
    """An endpoint that fails in its first session, and never again."""

    def __init__(self) -> None:
        self._adapters = [imitated("counts-one-more"), imitated("")]
        self.describe = self._adapters[1].describe

    def open(self) -> Session:
        return self._adapters[0].open() if self._is_first() else self._adapters[-1].open()

    def _is_first(self) -> bool:
        is_first, self._first = self._first, False
        return is_first

    _first = True

    def close(self) -> None:
        for adapter in self._adapters:
            adapter.close()


def test_what_does_not_come_back_is_no_kill() -> None:
    told = Once().describe()
    assert not is_steady(told)

    assert hunt(Once(), plan=Plan(1, ends=("client",), host="dynmem"), most=2).failure is None


def test_no_kill_counts_where_the_sound_endpoint_is_blamed_too() -> None:
    with pytest.raises(LabProblem, match="the sound endpoint is blamed: PacketsProcessed counts"):
        check_defects(lambda _: imitated("counts-one-more"))
