"""Stimuli read by hand and by the models: the same ones, and the same ones are refused."""

from __future__ import annotations

from typing import Any

import pytest

from kmcl_conformance.generate.tours import TOURS
from kmcl_model.case import CaseError, stimulus_from_json, stimulus_to_json
from kmcl_model.plain import stimulus_of
from kmcl_model.stimuli import HOLD, Act, Arm, Environ, Reaction, Release, Run, Settle, Stimulus

OTHERS: tuple[Stimulus, ...] = (
    Arm(
        "arm",
        "client",
        "EvtVmbChannelOpened",
        Reaction((Act("VmbPacketSend", ("p0", b"\0\1", 1)), HOLD), 0xC0000001, True),
    ),
    Release("release", "server", "Opened"),
    Environ("environment", "client", "crash"),
    Run("run", 3),
    Settle("settle"),
)


def test_what_is_written_is_read_as_it_was() -> None:
    every = {*OTHERS, *(stimulus for tour in TOURS for stimulus in tour.stimuli)}

    assert len(every) > 100
    for stimulus in every:
        record = stimulus_to_json(stimulus)
        assert stimulus_of(record) == stimulus_from_json(record) == stimulus


def invoke(**changes: Any) -> dict[str, Any]:
    call = {"stimulus": "invoke", "endpoint": "client", "by": "t0", "function": "VmbChannelEnable"}
    return {key: value for key, value in (call | changes).items() if value is not ...}


def arm(**changes: Any) -> dict[str, Any]:
    whole = {"stimulus": "arm", "endpoint": "client", "callback": "EvtVmbChannelOpened"}
    return whole | {"reaction": changes}


MALFORMED: dict[str, Any] = {
    "no object": 7,
    "no kind": {},
    "an unknown kind": {"stimulus": "destroy"},
    "a kind that is no text": {"stimulus": []},
    "no endpoint": invoke(endpoint=...),
    "an endpoint that is no text": invoke(endpoint=1),
    "an unknown function": invoke(function="VmbChannelExplode"),
    "too many arguments": invoke(arguments={"IsServer": True}),
    "too few arguments": invoke(function="VmbChannelAllocate"),
    "arguments that are a list": invoke(arguments=[]),
    "an unfit argument": invoke(function="VmbChannelAllocate", arguments={"IsServer": 1.5}),
    "a buffer that is none": invoke(
        function="VmbChannelPacketComplete",
        arguments={"Context": "c0", "Buffer": "hex:0", "Seen": None},
    ),
    "something more": invoke(extra=1),
    "an unknown callback": arm() | {"callback": "EvtNothing"},
    "a reaction that is a list": arm() | {"reaction": []},
    "steps that are no list": arm(steps={}),
    "a step that is a number": arm(steps=[1]),
    "a step of an unknown kind": arm(steps=[{"wait": True}]),
    "a hold that is false": arm(steps=[{"hold": False}]),
    "a hold with more": arm(steps=[{"hold": True, "act": "VmbChannelEnable"}]),
    "a status that is too large": arm(status=1 << 32),
    "a status that is true": arm(status=True),
    "a sticky that is 1": arm(sticky=1),
    "a reaction with more": arm(then=1),
    "a choice below 0": {"stimulus": "run", "choice": -1},
    "a choice that is true": {"stimulus": "run", "choice": True},
    "a settling with more": {"stimulus": "settle", "seconds": 1},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_the_models_refuse_is_refused_here_with_one_line(name: str) -> None:
    with pytest.raises(CaseError):
        stimulus_from_json(MALFORMED[name])
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        stimulus_of(MALFORMED[name])
