"""The client of QEMU's monitor, with a monitor that says what the test wants."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from kmcl_lab.qmp import Monitor, MonitorError

Answer = Callable[[dict[str, Any]], list[Any]]
GREETING: dict[str, Any] = {"QMP": {"version": {}, "capabilities": []}}


def returns(value: Any) -> Answer:
    return lambda request: [{"return": value, "id": request["id"]}]


class Play:
    """A monitor at the other end: a greeting, then for each request what ``answer`` gives."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[Any] = []
        self.ours, self._theirs = socket.socketpair()
        self._answer = answer
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def _play(self) -> None:
        with suppress(OSError):
            self._talk()

    def _talk(self) -> None:
        self._say(GREETING)
        with self._theirs.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                self.asked.append((request["execute"], request.get("arguments")))
                answers = (
                    returns({})(request)
                    if request["execute"] == "qmp_capabilities"
                    else self._answer(request)
                )
                for answer in answers:
                    if answer is None:
                        self._theirs.shutdown(socket.SHUT_RDWR)
                        return
                    self._say(answer)

    def _say(self, message: Any) -> None:
        text = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\r\n"
        self._theirs.sendall(text)

    def close(self) -> None:
        self.ours.close()
        self._theirs.close()
        self._thread.join()


@pytest.fixture
def play() -> Iterator[Callable[[Answer], tuple[Monitor, Play]]]:
    made: list[Play] = []

    def make(answer: Answer) -> tuple[Monitor, Play]:
        made.append(Play(answer))
        return Monitor(made[-1].ours, "the monitor"), made[-1]

    yield make
    for one in made:
        one.close()


Make = Callable[[Answer], tuple[Monitor, Play]]


def test_a_command_returns_what_the_monitor_says(play: Make) -> None:
    monitor, other = play(returns({"running": True}))

    assert monitor.execute("query-status") == {"running": True}
    assert monitor.execute("balloon", {"value": 7}) == {"running": True}
    assert other.asked == [
        ("qmp_capabilities", None),
        ("query-status", None),
        ("balloon", {"value": 7}),
    ]


def test_events_on_the_way_are_kept_in_order(play: Make) -> None:
    def answer(request: dict[str, Any]) -> list[Any]:
        return [{"event": "STOP"}, {"event": "RESET"}, *returns({})(request)]

    monitor, _ = play(answer)
    monitor.execute("stop")

    assert monitor.events() == [{"event": "STOP"}, {"event": "RESET"}]
    assert monitor.events() == []


def test_a_refusal_is_one_line(play: Make) -> None:
    def answer(request: dict[str, Any]) -> list[Any]:
        return [{"error": {"class": "X", "desc": "No balloon device"}, "id": request["id"]}]

    monitor, _ = play(answer)

    with pytest.raises(MonitorError, match=r"^the monitor: balloon: No balloon device$"):
        monitor.execute("balloon")


def test_a_silent_monitor_is_given_up_and_may_answer_late(play: Make) -> None:
    held: list[dict[str, Any]] = []

    def answer(request: dict[str, Any]) -> list[Any]:
        held.append(request)
        return [] if len(held) == 1 else [*returns("late")(held[0]), *returns("now")(request)]

    monitor, _ = play(answer)

    with pytest.raises(MonitorError, match="no answer in time") as caught:
        monitor.execute("query-status", limit=0.2)
    assert caught.value.silent
    assert monitor.execute("query-status") == "now"


def test_who_asks_while_others_do_waits_no_longer_than_its_limit(play: Make) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def answer(request: dict[str, Any]) -> list[Any]:
        asked.set()
        may_answer.wait(20)
        return returns("done")(request)

    monitor, other = play(answer)
    found: list[Any] = []
    first = threading.Thread(target=lambda: found.append(monitor.execute("save", limit=20)))
    first.start()
    asked.wait(20)
    with pytest.raises(MonitorError, match="busy with another request") as caught:
        monitor.execute("query-status", limit=0.05)
    may_answer.set()
    first.join(20)

    assert caught.value.silent
    assert found == ["done"]
    assert [name for name, _ in other.asked] == ["qmp_capabilities", "save"]


def test_a_monitor_that_closes_is_told(play: Make) -> None:
    monitor, _ = play(lambda request: [None])

    with pytest.raises(MonitorError, match=r"^the monitor: it has closed its end$") as caught:
        monitor.execute("quit")
    assert not caught.value.silent


@pytest.mark.parametrize("line", [b"hello\n", b"[1]\n", b'"x"\n'])
def test_a_monitor_that_talks_nonsense_is_told(play: Make, line: bytes) -> None:
    monitor, _ = play(lambda request: [line])

    with pytest.raises(MonitorError, match=r"^the monitor: not "):
        monitor.execute("query-status")


def test_an_endless_line_is_not_kept(play: Make) -> None:
    monitor, _ = play(lambda request: [b"x" * 3_000_000])

    with pytest.raises(MonitorError, match=r"a line of more than \d+ bytes"):
        monitor.execute("query-status")
