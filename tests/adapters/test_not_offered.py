"""Which functions an implementation does not offer is told before anything is tried."""

from typing import Any

import pytest

from kmcl_adapters.lines import ProtocolError, description_from_json, description_to_json
from kmcl_adapters.reference import create
from kmcl_adapters.threaded import description_of
from kmcl_model.api import FUNCTIONS


class Small:
    """It has two functions, and a third in name only."""

    VmbChannelPause = None

    def VmbChannelEnable(self, channel: Any) -> None:
        pass

    def VmbChannelDisable(self, channel: Any) -> None:
        pass


def test_functions_that_are_missing_are_told() -> None:
    told = description_of(Small(), "python", 0.0)

    assert told.not_offered == FUNCTIONS.keys() - {"VmbChannelEnable", "VmbChannelDisable"}


def test_a_hello_carries_them() -> None:
    told = description_of(Small(), "python", 0.0)

    assert description_from_json(description_to_json(told), "python") == told
    assert "not_offered" not in description_to_json(create("").describe())


def test_a_function_of_another_age_is_passed_over() -> None:
    hello = description_to_json(create("").describe())
    names = ["VmbChannelPause", "VmbChannelOfTomorrow"]

    told = description_from_json(hello | {"not_offered": names}, "process")

    assert told.not_offered == {"VmbChannelPause"}


@pytest.mark.parametrize("wrong", ["VmbChannelPause", [1], None, {"VmbChannelPause": 1}])
def test_what_is_no_list_of_names_is_refused(wrong: object) -> None:
    hello = description_to_json(create("").describe())

    with pytest.raises(ProtocolError, match="not_offered"):
        description_from_json(hello | {"not_offered": wrong}, "process")
