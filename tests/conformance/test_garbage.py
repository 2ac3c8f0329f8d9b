"""How often Python looks for garbage while a command runs."""

from __future__ import annotations

import gc

import pytest

from kmcl_conformance.garbage import THRESHOLDS, collected_rarely


def test_garbage_is_looked_for_rarely_and_then_as_before() -> None:
    before = gc.get_threshold()
    with collected_rarely():
        assert gc.get_threshold() == THRESHOLDS
        assert gc.isenabled()
    assert gc.get_threshold() == before


def test_an_error_leaves_the_collector_as_it_was() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="broken"), collected_rarely():
        raise ValueError("broken")
    assert gc.get_threshold() == before
