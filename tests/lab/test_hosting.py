"""Machine and VMBus host together: what reaches the guest while a moment is kept or comes back."""

import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from kmcl_lab.frames import FrameReader, Kind, frame
from kmcl_lab.hosting import program
from kmcl_lab.hosting.program import Descriptors, Hosting


class Guest:
    """A machine that is nothing but a console and a switch; ``seen``: what happened to it, and
    whether frames were held back then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, bool]] = []
        self.lab, self._theirs = socket.socketpair()
        self.hosting: Hosting
        machine = SimpleNamespace(
            console=SimpleNamespace(feed=self.feed, idle=lambda: True),
            start=lambda: self.note("runs"),
            pause=lambda: self.note("stands still"),
            changed_pages=lambda: 0,
        )
        host = SimpleNamespace(
            save=lambda: None,
            restore=lambda _: None,
            machine_reset=lambda: None,
            written=SimpleNamespace(bits=0),
        )
        monkeypatch.setattr(program, "Machine", lambda *_, **__: machine)
        monkeypatch.setattr(program, "VmbusHost", lambda _: host)
        monkeypatch.setattr(program, "power_on_state", lambda _: None)
        monkeypatch.setattr(program, "save", lambda _: self.note("is copied"))
        monkeypatch.setattr(program, "go_back", lambda *_: self.note("goes back"))
        nothing: Any = None
        descriptors = Descriptors(self._theirs.fileno(), self._theirs.fileno())
        self.hosting = Hosting(nothing, descriptors, memory=1, processors=1)

    def note(self, what: str) -> None:
        self.seen.append((what, self.hosting.feeding.locked()))

    def feed(self, data: bytes) -> None:
        self.note("is fed")

    def close(self) -> None:
        self.lab.close()
        self._theirs.close()


def test_frames_wait_while_a_moment_is_kept_or_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest(monkeypatch)
    guest.hosting.save("here")
    guest.hosting.rewind("here")
    guest.hosting.reset()
    guest.lab.sendall(frame(Kind.PING, 0, b""))
    guest.lab.shutdown(socket.SHUT_WR)  # the lab has nothing more to say
    guest.hosting._pass_on()
    said = FrameReader(seeking=False).feed(guest.lab.recv(1 << 16))
    guest.close()

    assert guest.seen == [
        ("stands still", False),
        ("is copied", True),
        ("runs", False),
        ("stands still", False),
        ("goes back", True),
        ("runs", False),
        ("stands still", False),
        ("goes back", True),
        ("runs", False),
        ("is fed", True),
    ]
    assert [(kind, json.loads(body)) for kind, _, body in said] == [
        (Kind.HELLO, {"moment": "here"})
    ]
