"""The hostile host: a little of it here, a million by hand."""

from __future__ import annotations

import pytest

from kmcl_adapters.uio.fuzz import CheckedData, CheckedWords, OutOfBounds, fuzz, main
from kmcl_adapters.uio.mutants import MUTANTS


def test_nothing_a_host_writes_is_more_than_refused() -> None:
    found = fuzz(20_000, seed=3)

    assert found.defects == ()
    assert found.packets + found.headers >= 20_000
    assert set(found.outcomes) == {"read", "written", "conversed", "refused"}


def test_the_same_seed_reads_the_same_bytes() -> None:
    assert fuzz(2_000, seed=5) == fuzz(2_000, seed=5)
    assert fuzz(2_000, seed=5).digest != fuzz(2_000, seed=6).digest


@pytest.mark.parametrize(
    "name", ["trusts-writer", "trusts-lengths", "cancels-twice", "forgets-sent", "forgets-queued"]
)
def test_it_finds_an_endpoint_that_trusts_its_host(name: str) -> None:
    assert fuzz(6_000, parts=MUTANTS[name].parts).defects


def test_the_checked_memory_notices_what_lies_outside() -> None:
    data, words = CheckedData(bytearray(16)), CheckedWords()

    for place in (slice(8, 17), slice(-1, 4), slice(9, 8), slice(0, 8, 2), 3):
        with pytest.raises(OutOfBounds):
            data[place]
    with pytest.raises(OutOfBounds):
        data[0:4] = b"12345"
    for word in (-1, 1024):
        with pytest.raises(OutOfBounds):
            words[word]
        with pytest.raises(OutOfBounds):
            words[word] = 1


def test_the_command_reports_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "500", "--seed", "2"]) == 0
    assert "corrupted packets" in capsys.readouterr().out
