"""Laws that hold in every walk of the reference, and its determinism."""

from __future__ import annotations

import pytest

from kmcl_adapters.reference import create
from kmcl_adapters.reference.exercise import walk
from kmcl_model.api import STARTED
from kmcl_model.events import Call, Enter, Event, Exit, Lost, Return

SERIAL = {"Opened", "Started", "Suspend", "Closed"}


def test_same_seed_same_events() -> None:
    for seed in range(10):
        assert walk(create("").open(), seed) == walk(create("").open(), seed)


def test_other_seed_other_events() -> None:
    assert walk(create("").open(), 0) != walk(create("").open(), 1)


@pytest.fixture(scope="module")
def walks() -> list[list[Event]]:
    return [walk(create("").open(), seed) for seed in range(60)]


def test_walks_reach_every_callback(walks: list[list[Event]]) -> None:
    seen = {event.callback for trace in walks for event in trace if isinstance(event, Enter)}
    assert len(seen) == 9


def test_nothing_is_lost(walks: list[list[Event]]) -> None:
    assert not [event for trace in walks for event in trace if isinstance(event, Lost)]


def test_state_callbacks_of_an_end_do_not_overlap(walks: list[list[Event]]) -> None:
    for trace in walks:
        running: dict[str, set[str]] = {"server": set(), "client": set()}
        for event in trace:
            if isinstance(event, Enter):
                inside = running[event.endpoint]
                if event.activation in SERIAL:
                    assert not inside & SERIAL
                if event.activation == "Suspend":
                    assert "ProcessPacket" not in inside
                if event.activation == "ProcessPacket":
                    assert not inside & SERIAL
                inside.add(event.activation)
            elif isinstance(event, Exit):
                running[event.endpoint].remove(event.activation)


def test_one_call_at_a_time_and_every_return_has_its_call(walks: list[list[Event]]) -> None:
    for trace in walks:
        pending: dict[tuple[str, str], str] = {}
        for event in trace:
            if isinstance(event, Call):
                assert (event.endpoint, event.by) not in pending
                pending[event.endpoint, event.by] = event.function
            elif isinstance(event, Return):
                assert pending.pop((event.endpoint, event.by)) == event.function


def test_nothing_of_a_dead_end_is_seen(walks: list[list[Event]]) -> None:
    crashed = 0
    for trace in walks:
        dead: set[str] = set()
        for event in trace:
            if event[0] == "environment" and event[2] == "crash":
                crashed += 1
                dead.add(event[1])
            elif event[0] not in {"quiescence", "lost", "environment"}:
                assert event[1] not in dead
    assert crashed


def test_no_packet_between_suspend_and_started(walks: list[list[Event]]) -> None:
    for trace in walks:
        stopped = {"server": False, "client": False}
        silent = {
            event.endpoint
            for event in trace
            if isinstance(event, Call)
            and event.function == "VmbChannelInitSetStateChangeCallbacks"
            and STARTED not in str(event.arguments[2])
        }
        for event in trace:
            if isinstance(event, Enter) and event.endpoint in silent:
                continue
            if isinstance(event, Enter) and event.activation == "Suspend":
                stopped[event.endpoint] = True
            elif isinstance(event, Exit) and event.activation == "Started":
                stopped[event.endpoint] = False
            elif isinstance(event, Enter) and event.activation.startswith("ProcessPacket"):
                assert not stopped[event.endpoint]
