"""A lost guest is doubted once under emulation, whoever plays it."""

import pytest

from kmcl_lab.doubt import Doubt

LOSS, HANG, WELL = "loss", "hang", "well"


@pytest.mark.parametrize(
    ("sessions", "doubted"),
    [
        ((LOSS, LOSS, LOSS), [True, False, False]),
        ((LOSS, WELL, LOSS), [True, True]),
        ((LOSS, LOSS, WELL, LOSS), [True, False, True]),
        ((HANG, HANG, HANG), [True, True, True]),
        ((HANG, LOSS, LOSS), [True, True, False]),
        ((LOSS, HANG, LOSS), [True, True, False]),
    ],
)
def test_the_first_loss_is_doubted_and_a_hang_leaves_the_doubt_as_it_is(
    sessions: tuple[str, ...], doubted: list[bool]
) -> None:
    doubt, found = Doubt(nested=True), []
    for session in sessions:
        doubt.begin()
        if session != WELL:
            found.append(doubt.covers(is_hang=session == HANG))

    assert found == doubted


def test_on_the_machine_itself_only_a_hang_is_doubted() -> None:
    doubt = Doubt(nested=False)
    doubt.begin()

    assert not doubt.covers()
    assert doubt.covers(is_hang=True)
