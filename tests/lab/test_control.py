"""The control connection of the programmable host, over a socket and with commands of the tests."""

import errno
import json
import os
import socket
import threading
from typing import Any

import pytest

from kmcl_lab.hosting.control import CommandError, serve
from kmcl_lab.qmp import Monitor, MonitorError


def refuse() -> None:
    raise CommandError("not now")


def late() -> None:
    raise TimeoutError("RESCIND did not come")


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def broken() -> None:
    raise IndexError


@pytest.fixture
def monitor() -> Any:
    ours, theirs = socket.socketpair()
    commands = {
        "add": lambda a, b=1: a + b,
        "nothing": lambda: None,
        "refuse": refuse,
        "late": late,
        "full": full,
        "broken": broken,
    }
    served = threading.Thread(target=serve, args=(theirs.fileno(), commands), daemon=True)
    served.start()
    yield Monitor(ours, "the host")
    ours.close()
    served.join(20)
    theirs.close()
    assert not served.is_alive()


def test_commands_are_carried_out_as_a_monitor_asks(monitor: Monitor) -> None:
    assert monitor.execute("add", {"a": 2, "b": 3}) == 5
    assert monitor.execute("add", {"a": 2}) == 3
    assert monitor.execute("nothing") == {}


def test_an_empty_line_is_no_request(monitor: Monitor) -> None:
    monitor.execute("nothing")
    monitor.nudge()

    assert monitor.execute("add", {"a": 2}) == 3


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("refuse", {}, "the host: refuse: not now"),
        ("late", {}, "the host: late: RESCIND did not come"),
        ("no-such", {}, "no such command; there are: add, nothing"),
        ("full", {}, "the host: full: .*No space left on device"),
        ("broken", {}, "the host: broken: IndexError"),
        ("add", {"c": 1}, "unexpected keyword argument 'c'"),
    ],
    ids=["refuse", "late", "no such", "system", "defect", "arguments"],
)
def test_what_cannot_be_done_is_told_and_the_next_is_done(
    monitor: Monitor, command: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(MonitorError, match=words):
        monitor.execute(command, arguments)

    assert monitor.execute("add", {"a": 2}) == 3


def test_what_is_no_request_is_an_error_and_no_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as answers:
        served = threading.Thread(target=serve, args=(theirs.fileno(), {}), daemon=True)
        served.start()
        assert "QMP" in json.loads(answers.readline())
        os.write(ours.fileno(), b"no json\n[]\n{}\n")
        errors = [json.loads(answers.readline()) for _ in range(3)]
        ours.shutdown(socket.SHUT_RDWR)
        served.join(20)

    assert all("error" in answer for answer in errors)
