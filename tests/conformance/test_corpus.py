"""Saved counterexamples: each still fails on its mutant, for the same reason, and nowhere else.

Those in ``permitted`` are the other way round: a permitted implementation was refused once for what
the case shows, and must not be again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kmcl_conformance.adapters import find
from kmcl_conformance.sequence import replay
from kmcl_model.case import Case
from kmcl_model.spec import Specification

CORPUS = Path(__file__).parents[2] / "conformance" / "corpus"
CASES = sorted(CORPUS.glob("*.json"))
PERMITTED = sorted((CORPUS / "permitted").glob("*.json"))


def test_there_is_a_corpus() -> None:
    assert len(CASES) >= 20
    assert len(PERMITTED) >= 4


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_case_breaks_what_it_broke(path: Path) -> None:
    case = Case.load(path)
    assert case.expect is not None

    failure = replay(find(case.adapter), Specification(), case.stimuli).failure

    assert failure is not None
    assert failure.requirements == case.expect.requirements


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_reference_passes_the_case(path: Path) -> None:
    case = Case.load(path)

    outcome = replay(find("reference"), Specification(), case.stimuli)

    assert outcome.failure is None
    assert outcome.steps == len(case.stimuli)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_nothing_of_the_case_can_be_left_out(path: Path) -> None:
    case = Case.load(path)
    adapter, specification = find(case.adapter), Specification()
    whole = replay(adapter, specification, case.stimuli).failure
    assert whole is not None

    for i in range(len(case.stimuli)):
        shorter = case.stimuli[:i] + case.stimuli[i + 1 :]
        failure = replay(adapter, specification, shorter).failure

        assert failure is None or failure.broken[0].rule != whole.broken[0].rule


@pytest.mark.parametrize("path", PERMITTED, ids=lambda path: path.stem)
def test_what_is_permitted_passes(path: Path) -> None:
    case = Case.load(path)
    assert case.adapter.startswith("variant:")

    for adapter in (case.adapter, "reference"):
        outcome = replay(find(adapter), Specification(), case.stimuli)

        assert outcome.failure is None
        assert outcome.steps == len(case.stimuli)
