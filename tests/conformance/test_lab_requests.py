"""The host's own requests, by an imitation of the host in this process."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from kmcl_adapters.uio.imitation import HostedAdapter
from kmcl_adapters.uio.mutants import parts_of
from kmcl_conformance.cli.lab_requests import requests_of, words_of_requests
from kmcl_conformance.cli.lab_sessions import Played, unjudged

POINTS = ["to the open channel", "after its last", "held back by the pause"]


def session(defect: str = "", *, silent: bool = False) -> Played:
    """What comes of the session with a defective endpoint; ``silent``: with a host that does not
    do what its monitor tells it."""
    adapter = HostedAdapter(parts_of(defect), defect)
    clock: Iterator[int] = count()

    def balloon(pages: int) -> None:
        if not silent:
            adapter.balloon(pages)

    return requests_of(adapter, balloon, pause=lambda: None, now=lambda: float(next(clock)))


def played(defect: str = "", *, silent: bool = False) -> dict[str, Any]:
    """The same, as it is told."""
    return session(defect, silent=silent).told


def test_requests_come_at_every_point_and_the_endpoint_conforms() -> None:
    told = played()

    assert (told["requests"], told["failure"]) == (POINTS, [])
    assert words_of_requests(told) == "the host's own requests: 3 came, as they must"


def test_a_packet_that_nobody_asked_for_must_be_indicated() -> None:
    told = played("hears-answers-only")

    assert told["failure"] == ["the host's request to the open channel did not come in 90 s"]


def test_a_host_that_does_nothing_is_told() -> None:
    told = played(silent=True)

    assert "did not come in 90 s; that did not come back" in words_of_requests(told)
    assert words_of_requests(told | {"came_back": 1}).endswith("did not come in 90 s")


@pytest.mark.parametrize("defect", ["delivers-while-halting", "counts-one-more"])
def test_what_the_endpoint_does_wrong_with_a_request_is_found(defect: str) -> None:
    assert played(defect)["failure"] != []


def test_where_the_guest_is_lost_nothing_is_said_of_the_endpoint() -> None:
    told = unjudged(session(), "the guest has panicked").told

    assert words_of_requests(told) == (
        "the host's own requests: inconclusive: the guest has panicked"
    )
