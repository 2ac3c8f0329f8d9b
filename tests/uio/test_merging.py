"""Events of two processes in one order; and what runs inside a guest needs nothing installed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from kmcl_adapters.uio.pair import PairAdapter, PairSession
from kmcl_model.events import Environment, Event
from kmcl_model.stimuli import Release, Settle

ROOT = Path(__file__).parents[2]
PATHS = [str(ROOT / folder) for folder in ("model", "adapters")]


class End:
    """A process that answers what the test has prepared."""

    def __init__(self, *answers: tuple[list[tuple[int, Event]], int, tuple[int, int, int]]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def request(self, kind: str, _stimulus: object = None) -> Any:
        self.asked.append(kind)
        return self.answers.pop(0)


def event(name: str) -> Event:
    return Environment("environment", name[:6], name)


def session(client: End, server: End) -> PairSession:
    return PairSession(PairAdapter(), cast(Any, {"client": client, "server": server}))


def names(events: list[Event]) -> list[str]:
    return [str(e[2]) if e.kind == "environment" else e.kind for e in events]


def test_events_are_shown_in_the_order_of_their_times() -> None:
    client = End(([(10, event("client 10")), (30, event("client 30"))], 40, (0, 0, 2)))
    server = End(([(20, event("server 20")), (45, event("server 45"))], 50, (0, 0, 2)))
    both = session(client, server)
    both.apply(Release("release", "client", "Opened"))

    # Until 40 both have told everything; the client may still tell of something at 44.
    assert names(both.take()) == ["client 10", "server 20", "client 30"]
    client.answers.append(([(44, event("client 44"))], 60, (0, 0, 3)))
    server.answers.append(([], 61, (0, 0, 2)))
    both.apply(Release("release", "server", "Opened"))
    assert names(both.take()) == ["client 44", "server 45"]


def test_rest_is_believed_when_nothing_is_on_its_way_and_nothing_has_happened_between() -> None:
    client, server = End(), End()
    # sent, received, events: a message of the client is on its way, then has arrived, then rest.
    client.answers = [([], at, (1, 0, 5)) for at in (10, 20, 30)]
    server.answers = [
        ([], 11, (0, 0, 7)),
        ([(15, event("server 15"))], 21, (0, 1, 8)),
        ([], 31, (0, 1, 8)),
    ]
    both = session(client, server)
    both.apply(Settle("settle"))

    assert client.asked == server.asked == ["settle"] * 3
    assert names(both._ready) == ["server 15", "quiescence"]


def test_the_guest_needs_the_standard_library_alone() -> None:
    script = (
        f"import sys; sys.path[:0] = {PATHS!r}; import kmcl_adapters.uio.__main__\n"
        "own = {'kmcl_adapters', 'kmcl_model', '__main__', 'sitecustomize'}\n"
        "roots = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(roots - own - set(sys.stdlib_module_names)))"
    )
    found = subprocess.run(
        (sys.executable, "-I", "-S", "-c", script), capture_output=True, text=True, check=True
    )

    assert found.stdout == "[]\n"


def test_a_device_that_cannot_be_used_is_told_in_the_hello() -> None:
    command = (sys.executable, "-m", "kmcl_adapters.uio", "--device", "nonsense")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    found = subprocess.run(command, capture_output=True, text=True, env=environment, input="")

    assert found.returncode == 1
    assert json.loads(found.stdout)["protocol"] == "kmcl-line/1"
    assert json.loads(found.stdout)["error"].startswith("uio:")


def test_the_hello_goes_to_a_character_device() -> None:
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "kmcl_adapters.uio", "--device", "nonsense")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    found = subprocess.run((*command, "--io", os.ttyname(theirs)), env=environment)
    line = os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)

    assert found.returncode == 1
    assert json.loads(line)["error"].startswith("uio:")
    assert line.endswith(b"}\n")  # raw: no line feed is translated
