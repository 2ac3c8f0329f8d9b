"""The hostile host: a little of it here, a million in the benchmark."""

from __future__ import annotations

import json

import pytest

from kmcl_adapters.uio.descriptor import Packet
from kmcl_adapters.uio.fuzz import KINDS, CheckedData, CheckedWords, OutOfBounds, fuzz, main
from kmcl_adapters.uio.mutants import MUTANTS
from kmcl_adapters.uio.parts import SOUND
from kmcl_adapters.uio.ring import Incoming


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
    found = fuzz(6_000, parts=MUTANTS[name].parts)
    assert found.defects
    assert found.kinds.total() == len(found.defects)
    assert set(found.kinds) <= set(KINDS)


def test_a_defect_is_told_by_its_kind() -> None:
    class Outside(Incoming):
        def peek(self) -> Packet | None:
            raise OutOfBounds("so far away")

    class Again(Incoming):
        def take(self) -> None:
            """Go nowhere."""

    class Raises(Incoming):
        def peek(self) -> Packet | None:
            raise KeyError("no such packet")

    kinds = [fuzz(300, parts=SOUND._replace(incoming=i)).kinds for i in (Outside, Again, Raises)]
    assert [kind.most_common(1)[0][0] for kind in kinds] == ["out of bounds", "hangs", "crashes"]


def test_the_command_says_it_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "500", "--seed", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == fuzz(500, 2).record()
    assert said["kinds"] == {"crashes": 0, "hangs": 0, "out of bounds": 0}


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
