"""The files of a failure have names that fit beside what happened."""

import pytest

from kmcl_conformance.saving import LONGEST, file_name

CRASH = "implementation lost the implementation is gone: crash"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (CRASH, "01-lost-crash"),
        (f"{CRASH} after signal-delayed", "01-lost-crash-after-signal"),
        ("endpoint EP-open", "01-endpoint-ep-open"),
        ("configuration CF-in-order CF-once-only CF-range", "01-configuration-cf-in"),
        ("x" * 50, f"01-{'x' * LONGEST}"),
        ("names - nothing is known of 'p0'", "01-names-nothing-is-known"),
    ],
)
def test_a_name_ends_with_a_word_and_is_short(key: str, name: str) -> None:
    assert file_name(1, key) == name
    assert len(name) <= len("01-") + LONGEST


def test_what_did_not_come_back_is_told_by_its_name() -> None:
    assert file_name(2, CRASH, counts=False) == "unconfirmed-02-lost-crash"
