"""Machine and VMBus host together: what reaches the guest while a moment is kept or comes back."""

import json
import socket
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kmcl_lab.frames import FrameReader, Kind, frame
from kmcl_lab.hosting import program
from kmcl_lab.hosting.control import CommandError
from kmcl_lab.hosting.program import Descriptors, Hosting
from kmcl_lab.problem import UNHEARD
from kmcl_lab.vmm.machine import Streams
from kmcl_lab.watch import AGAIN, STANDS_STILL


class Guest:
    """A machine that is nothing but a console and a switch; ``seen``: what happened to it, and
    whether frames were held back then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, bool]] = []
        self.said: list[tuple[dict[str, Any], str]] = []
        self.lab, self._theirs = socket.socketpair()
        self.hosting: Hosting
        self.is_kept = False
        machine = SimpleNamespace(
            console=SimpleNamespace(feed=self.feed, idle=lambda: True),
            start=lambda: self.note("runs"),
            pause=lambda: self.note("stands still"),
            unwatch=lambda: self.note("is not watched"),
            changed_pages=lambda: 0,
            ended=threading.Event(),
            why="the guest has reset itself",
        )
        host = SimpleNamespace(
            save=lambda: None,
            restore=lambda _: self.note("is left"),
            machine_reset=lambda: self.note("is left"),
            await_release=self.await_release,
            written=SimpleNamespace(bits=0),
            changed=threading.Condition(),
            note=lambda sender, name, fields, note="": self.said.append((fields, note)),
        )

        def make(_: object, streams: Streams, **__: object) -> SimpleNamespace:
            self._console = streams.console
            return machine

        monkeypatch.setattr(program, "Machine", make)
        monkeypatch.setattr(program, "VmbusHost", lambda _: host)
        monkeypatch.setattr(program, "power_on_state", lambda _: None)
        monkeypatch.setattr(program, "save", lambda _: self.note("is copied"))
        monkeypatch.setattr(program, "go_back", lambda *_: self.note("goes back"))
        nothing: Any = None
        self.terminal, console = socket.socketpair()
        self._sockets = (self.lab, self._theirs, self.terminal, console)
        descriptors = Descriptors(self._theirs.fileno(), console.fileno())
        self.hosting = Hosting(nothing, descriptors, memory=1, processors=1)

    def await_release(self) -> None:
        if self.is_kept:
            raise TimeoutError("rings are still in use after 5 s")
        self.note("is let go")

    def print(self, text: bytes) -> None:
        """The guest's kernel writes to its serial port, byte by byte."""
        for byte in text:
            self._console(bytes([byte]))

    def say(self, *frames: bytes) -> list[tuple[dict[str, Any], str]]:
        """What the guest's agent says, of which job 5 is heard; the trace then."""
        self.hosting.hear(5)
        for data in frames:
            self.hosting._from_guest(data)
        said, self.said = self.said, []
        return said

    def note(self, what: str) -> None:
        self.seen.append((what, self.hosting.feeding.locked()))

    def feed(self, data: bytes) -> None:
        self.note("is fed")

    def close(self) -> None:
        for one in self._sockets:
            one.close()


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
        ("is left", True),
        ("is let go", True),
        ("goes back", True),
        ("runs", False),
        ("stands still", False),
        ("is left", False),
        ("is let go", False),
        ("goes back", True),
        ("is not watched", False),
        ("runs", False),
        ("is fed", True),
    ]
    assert [(kind, json.loads(body)) for kind, _, body in said] == [
        (Kind.HELLO, {"moment": "here"})
    ]


LINE = b'{"by":"u0","do":"open","errno":0}\n'
SAID = {"by": "u0", "do": "open", "errno": 0}


def test_what_the_guests_user_says_is_in_the_trace_line_by_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Guest(monkeypatch)
    other = frame(Kind.OUTPUT, 6, b"no json\n")
    parts = [frame(Kind.OUTPUT, 5, LINE[:9]), other, frame(Kind.OUTPUT, 5, LINE[9:] + LINE)]
    said = guest.say(*parts)
    guest.close()

    assert said == [(SAID, ""), (SAID, "")]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([b"neither a frame nor"], "no frame: b'neither a frame"),
        ([frame(Kind.OUTPUT, 5, b"Killed\n")], "Expecting value"),
        ([frame(Kind.OUTPUT, 5, b"[]\n")], "no object"),
        (
            [frame(Kind.ERRORS, 5, b"Traceback\nKeyError: 1\n"), frame(Kind.EXIT, 5, bytes(4))],
            "it has ended KeyError: 1",
        ),
    ],
    ids=["no frame", "no json", "no object", "end"],
)
def test_a_user_that_cannot_be_heard_any_more_is_told_once(
    parts: list[bytes], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = Guest(monkeypatch)
    ((fields, note),) = guest.say(*parts, frame(Kind.OUTPUT, 5, LINE))
    guest.close()

    assert fields == {}
    assert note.startswith(f"{UNHEARD}: {words}")


def test_a_guest_that_resets_itself_boots_again_and_the_trace_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Guest(monkeypatch)
    guest.hosting.go_on()
    guest.hosting.machine.ended.set()
    guest.hosting._ended()
    guest.close()

    assert guest.said == [({}, "the guest has reset itself")]
    seen = ["is left", "is let go", "goes back", "is not watched"]
    assert [what for what, _ in guest.seen] == ["runs", "stands still", *seen, "runs"]


def test_a_guest_that_has_ended_and_was_taken_back_does_not_boot_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Guest(monkeypatch)
    guest.hosting.save("here")
    guest.hosting.machine.ended.set()
    guest.hosting.rewind("here")
    guest.hosting._ended()
    guest.close()

    assert guest.said == [({}, "the guest has reset itself")]
    assert (guest.hosting.resets, guest.hosting.running) == (0, True)


@pytest.mark.parametrize("other", ["rewind", "reset", "stop", "save", "tsc_offset"])
def test_what_becomes_of_a_guest_does_not_meet_another_s_switching(
    other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is being reset; whoever else wants to switch it has to wait until it runs."""
    waits = threading.Event()

    class Lock:
        """One that tells who comes to it."""

        def __init__(self) -> None:
            self._lock = threading.RLock()

        def __enter__(self) -> None:
            if threading.current_thread().name == other:
                waits.set()
            self._lock.acquire()

        def __exit__(self, *_: object) -> None:
            self._lock.release()

    monkeypatch.setattr(program, "threading", SimpleNamespace(**vars(threading) | {"RLock": Lock}))
    guest = Guest(monkeypatch)
    hosting = guest.hosting
    hosting.save("here")
    monkeypatch.setattr(hosting.machine, "tsc_offset", lambda: None, raising=False)
    acts: dict[str, Callable[[], object]] = {
        "rewind": lambda: hosting.rewind("here"),
        "save": lambda: hosting.save("there"),
        "reset": hosting.reset,
        "stop": hosting.stop,
        "tsc_offset": hosting.tsc_offset,
    }
    acting = threading.Thread(target=acts[other], name=other, daemon=True)

    def come_between() -> None:
        if acting.ident is None:
            acting.start()
            assert waits.wait(20)
        guest.note("goes back")

    def pause() -> None:
        guest.note("stands still")
        if threading.current_thread() is acting:
            waits.set()

    monkeypatch.setattr(program, "go_back", lambda *_: come_between())
    monkeypatch.setattr(hosting.machine, "pause", pause)
    guest.seen.clear()
    hosting.machine.ended.set()
    hosting._ended()
    acting.join(20)
    guest.close()

    what = [what for what, _ in guest.seen]
    assert what[:6] == [
        "stands still",
        "is left",
        "is let go",
        "goes back",
        "is not watched",
        "runs",
    ]
    assert what[6] == "stands still"


@pytest.mark.parametrize("how", ["reset", "rewind", "ended"])
def test_a_guest_whose_memory_is_not_let_go_stands_still_and_the_host_goes_on(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = Guest(monkeypatch)
    hosting = guest.hosting
    hosting.save("here")
    guest.is_kept = True
    if how == "ended":
        hosting.machine.ended.set()
        hosting._ended()
    else:
        act = hosting.reset if how == "reset" else lambda: hosting.rewind("here")
        with pytest.raises(CommandError, match=r"^the guest stands still: rings are still in use"):
            act()
    still = (hosting.running, hosting.feeding.locked(), guest.seen[-1][0])
    guest.is_kept = False
    hosting.rewind("here")
    said = guest.terminal.recv(1 << 16)
    guest.close()

    assert still == (False, False, "is left")
    assert hosting.running
    assert said.decode().split("\n") == [
        "",
        f"{STANDS_STILL} rings are still in use after 5 s",
        "",
        AGAIN,
        "",
    ]


class Ended(BaseException):
    """What ``os._exit`` does in these tests."""


def test_a_host_that_has_lost_a_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise Ended(code)

    guest = Guest(monkeypatch)
    monkeypatch.setattr("kmcl_lab.hosting.program.os._exit", end)
    guest.lab.sendall(b"no frame at all")
    with pytest.raises(Ended, match="1"):
        program._whole(guest.hosting._pass_on)
    guest.close()


def test_the_console_is_marked_where_the_guest_begins_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Guest(monkeypatch)
    guest.hosting.save("here")
    guest.print(b"Oops: 0002\nhalf a li")
    guest.hosting.rewind("here")
    guest.print(b"a line\n")
    guest.hosting.reset()
    said = guest.terminal.recv(1 << 16)
    guest.close()

    assert said.decode().splitlines() == ["Oops: 0002", "half a li", AGAIN, "a line", "", AGAIN]


def test_the_hello_of_another_kernel_is_noted_once_and_only_where_it_is_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Guest(monkeypatch)
    hello = frame(Kind.HELLO, 0, b'{"kernel":"6.12"}')
    guest.hosting._from_guest(hello)
    guest.hosting.expect_hello()
    guest.hosting._from_guest(b"the end of a word" + hello[:5])
    guest.hosting._from_guest(hello[5:] + hello)
    guest.close()

    assert guest.said == [({"kernel": "6.12"}, "")]
    assert guest.seen == [("stands still", False), ("is not watched", False), ("runs", False)]
