"""The channel into the guest, with the real agent at the other end as a process of this machine."""

import contextlib
import errno
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from kmcl_adapters.process import ProcessAdapter
from kmcl_lab.bridge import bridge
from kmcl_lab.channel import Channel, Outcome
from kmcl_lab.door import Door
from kmcl_lab.frames import LONGEST, Frame, FrameError, FrameReader, Kind, frame
from kmcl_lab.guest import port, wait_for_host
from kmcl_lab.problem import GuestLost
from kmcl_model.events import Quiescence
from kmcl_model.stimuli import Settle

PATH = {"PYTHONPATH": ":".join(p for p in sys.path if p), "PATH": "/bin:/usr/bin"}
HELLO = frame(Kind.HELLO, 0, b"{}")


class AgentHere:
    """An agent, its channel, and what it has said of itself."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        code = f"from kmcl_lab.guest import Agent; Agent({theirs.fileno()}).serve()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], pass_fds=[theirs.fileno()], env=PATH
        )
        theirs.close()
        self.hellos: list[Any] = []
        self.ready = threading.Event()
        self.channel = Channel(ours, self._hello, lambda: None)
        self.ours = ours
        assert self.ready.wait(20)

    def _hello(self, hello: Any) -> None:
        self.hellos.append(hello)
        self.ready.set()

    def close(self) -> None:
        self.channel.close("closed")
        self.process.kill()
        self.process.wait()
        self.ours.close()


@pytest.fixture
def agent() -> Iterator[AgentHere]:
    here = AgentHere()
    yield here
    here.close()


def test_the_agent_says_who_it_is(agent: AgentHere) -> None:
    assert [sorted(hello) for hello in agent.hellos] == [["kernel", "python"]]


def test_a_command_gives_output_errors_and_code(agent: AgentHere) -> None:
    script = "cat; echo wrong >&2; exit 3"

    assert agent.channel.run(["sh", "-c", script], b"right") == Outcome(3, b"right", b"wrong\n")


def test_a_command_that_does_not_exist_is_told_as_a_shell_would(agent: AgentHere) -> None:
    assert agent.channel.run(["/no/such"]) == Outcome(
        127, b"", b"/no/such: No such file or directory\n"
    )


def test_a_command_that_a_signal_ends_says_which(agent: AgentHere) -> None:
    assert agent.channel.run(["sh", "-c", "kill -9 $$"]).code == -9


@pytest.mark.parametrize("size", [0, 1, LONGEST, LONGEST + 1, 1_000_000])
def test_every_byte_comes_back(agent: AgentHere, size: int) -> None:
    data = bytes(n % 251 for n in range(size))

    assert agent.channel.run(["cat"], data) == Outcome(0, data, b"")


def test_input_that_nobody_reads_is_no_error(agent: AgentHere) -> None:
    assert agent.channel.run(["true"], b"x" * 200_000).code == 0


class Slow(socket.socket):
    """A connection whose other end takes long to read: long frames are sent when it is told."""

    def sendall(self, data: Any, flags: int = 0) -> None:
        if len(data) > LONGEST // 2:
            self.begun.set()
            assert self.go_on.wait(20)
        super().sendall(data, flags)

    @classmethod
    def pair(cls) -> tuple["Slow", socket.socket]:
        ours, theirs = socket.socketpair()
        slow = cls(fileno=ours.detach())
        slow.begun, slow.go_on = threading.Event(), threading.Event()
        return slow, theirs

    begun: threading.Event
    go_on: threading.Event


def pinged(channel: Channel) -> bool:
    """Whether it comes back from that."""
    pinging = threading.Thread(target=channel.ping, daemon=True)
    pinging.start()
    pinging.join(5)
    return not pinging.is_alive()


def heard(theirs: socket.socket, count: int) -> list[Kind]:
    """The kinds of the next frames."""
    reader, found = FrameReader(seeking=False), list[Kind]()
    while len(found) < count:
        found += [one.kind for one in reader.feed(theirs.recv(1 << 16))]
    return found


def test_who_watches_does_not_wait_for_who_sends_and_who_sends_asks() -> None:
    ours, theirs = Slow.pair()
    channel = Channel(ours, lambda _: None, lambda: None)
    writing = threading.Thread(target=channel.resume(1).write, args=(bytes(LONGEST),), daemon=True)
    writing.start()
    assert ours.begun.wait(20)
    came_back = pinged(channel)
    ours.go_on.set()

    assert came_back
    assert heard(theirs, 2) == [Kind.INPUT, Kind.PING]
    writing.join(20)
    channel.ping()
    assert heard(theirs, 1) == [Kind.PING]
    channel.close("closed")
    for end in (ours, theirs):
        end.close()


def test_a_guest_that_does_not_read_is_not_asked() -> None:
    ours, theirs = socket.socketpair()
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(HELLO, socket.MSG_DONTWAIT)
    channel = Channel(ours, lambda _: None, lambda: None)

    assert pinged(channel)
    channel.close("closed")
    said = b""
    while data := theirs.recv(1 << 16):
        said += data
    assert said == HELLO * (len(said) // len(HELLO))
    ours.close()
    with pytest.raises(GuestLost, match="closed"):
        channel.ping()
    theirs.close()


def test_commands_run_at_the_same_time(agent: AgentHere) -> None:
    waiting = agent.channel.start(["cat"])
    other = agent.channel.run(["echo", "other"])
    waiting.write(b"done")
    waiting.end_input()
    said = list(waiting.parts(20))

    assert other == Outcome(0, b"other\n", b"")
    assert (said, waiting.code) == ([(Kind.OUTPUT, b"done")], 0)


def test_a_job_is_ended_with_all_it_has_started(agent: AgentHere) -> None:
    job = agent.channel.start(["sh", "-c", "cat | cat"])
    job.kill()

    assert list(job.parts(20)) == []
    assert job.code == -9


def test_a_command_on_a_terminal_sees_one(agent: AgentHere) -> None:
    job = agent.channel.start(["sh", "-c", "test -t 0 && stty size"], tty=True)
    said = b"".join(body for _, body in job.parts(20))

    assert said.strip() == b"0 0"
    assert job.code == 0


def test_the_size_of_a_terminal_can_be_told(agent: AgentHere) -> None:
    job = agent.channel.start(["sh", "-c", "read line; stty size"], tty=True)
    job.resize(40, 100)
    job.write(b"\n")
    said = b"".join(body for _, body in job.parts(20))

    assert said.split() == [b"40", b"100"]


def test_a_command_gets_what_its_environment_should_be(agent: AgentHere) -> None:
    job = agent.channel.start(["sh", "-c", "echo $COLOUR"], environment={"COLOUR": "green"})

    assert list(job.parts(20)) == [(Kind.OUTPUT, b"green\n")]


def test_whoever_waits_is_told_that_the_guest_is_gone(agent: AgentHere) -> None:
    job = agent.channel.start(["cat"])
    agent.channel.close("the guest has panicked")

    with pytest.raises(GuestLost, match=r"^the guest has panicked$"):
        list(job.parts(20))
    with pytest.raises(GuestLost, match=r"^the guest has panicked$"):
        agent.channel.run(["true"])


def test_an_agent_that_dies_is_noticed(agent: AgentHere) -> None:
    job = agent.channel.start(["cat"])
    agent.process.kill()

    with pytest.raises(GuestLost, match=r"^the channel into the guest "):
        list(job.parts(20))


def test_a_silent_command_is_given_up(agent: AgentHere) -> None:
    with pytest.raises(GuestLost, match=r"no word for 0\.05 s of a command"):
        agent.channel.run(["sleep", "60"], limit=0.05)


# The door and the bridge ------------------------------------------------------------------


@pytest.fixture
def door(agent: AgentHere) -> Iterator[Door]:
    door = Door(lambda: agent.channel)
    yield door
    door.close()


def through(door: Door, *argv: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "kmcl_lab.bridge", str(door.path), *argv]
    return subprocess.run(command, input=data, capture_output=True, env=PATH, check=False)


def test_a_process_here_stands_for_a_command_there(door: Door) -> None:
    done = through(door, "sh", "-c", "cat; echo wrong >&2; exit 3", data=b"right")

    assert (done.returncode, done.stdout, done.stderr) == (3, b"right", b"wrong\n")


def test_a_signal_is_told_as_a_shell_would(door: Door) -> None:
    assert through(door, "sh", "-c", "kill -9 $$").returncode == 137


def test_a_lost_guest_ends_the_process_with_one_line(agent: AgentHere, door: Door) -> None:
    agent.channel.close("the guest has panicked")
    done = through(door, "cat")

    assert (done.returncode, done.stderr) == (125, b"kmcl: the guest has panicked\n")


def test_a_closed_door_is_told_in_one_line(door: Door) -> None:
    door.close()
    done = through(door, "cat")

    assert done.returncode == 125
    assert done.stderr.startswith(b"kmcl: the lab is gone: ")


def test_a_door_that_cannot_be_kept_open_says_so_and_nobody_waits_before_it(
    agent: AgentHere, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Crowded(socket.socket):
        def accept(self) -> NoReturn:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("kmcl_lab.door.socket.socket", Crowded)
    door = Door(lambda: agent.channel)
    for thread in threading.enumerate():
        if thread.name == "lab-door":
            thread.join()
    done = through(door, "cat")
    door.close()

    assert "nobody gets into the guest any more: [Errno 24]" in capsys.readouterr().err
    assert done.returncode == 125


def test_a_closed_door_raises(door: Door) -> None:
    door.close()

    with pytest.raises(OSError, match="No such file"):
        bridge(str(door.path), ["true"])


def test_the_line_protocol_goes_through_the_channel(door: Door) -> None:
    serve = ["python3", "-m", "kmcl_lab.serve", "kmcl_adapters.reference:create"]
    adapter = ProcessAdapter(
        [sys.executable, "-m", "kmcl_lab.bridge", str(door.path), sys.executable, *serve[1:]],
        "lab",
        environment=PATH,
    )
    session = adapter.open()
    session.apply(Settle("settle"))
    events = session.take()
    session.close()
    description = adapter.describe()
    adapter.close()

    assert events == [Quiescence("quiescence", True)]
    assert {"client", "server", "schedulable"} <= description.capabilities


def test_an_adapter_that_cannot_be_loaded_says_so_in_its_hello(door: Door) -> None:
    done = through(door, sys.executable, "-m", "kmcl_lab.serve", "no_such_module:create")

    assert b'"error":"no_such_module:create: No module named' in done.stdout
    assert done.returncode == 1


# Frames -----------------------------------------------------------------------------------


def test_frames_come_out_as_they_went_in() -> None:
    stream = HELLO + frame(Kind.OUTPUT, 7, b"abc") + frame(Kind.EXIT, 7, b"\0\0\0\0")
    whole = FrameReader().feed(stream)
    reader = FrameReader()
    pieces = [f for n in range(len(stream)) for f in reader.feed(stream[n : n + 1])]

    assert whole == pieces
    assert whole[1] == Frame(Kind.OUTPUT, 7, b"abc")


def test_what_is_before_a_hello_is_forgotten() -> None:
    reader = FrameReader()

    assert reader.feed(b"rest of a frame" + HELLO[:3]) == []
    assert reader.feed(HELLO[3:]) == [Frame(Kind.HELLO, 0, b"{}")]


def test_after_a_reset_the_next_hello_counts() -> None:
    reader = FrameReader()
    reader.feed(HELLO + frame(Kind.OUTPUT, 1, b"x" * 100)[:50])
    reader.seek()

    assert reader.feed(HELLO) == [Frame(Kind.HELLO, 0, b"{}")]


@pytest.mark.parametrize(
    "bad",
    [
        b"no frame at all",
        frame(Kind.OUTPUT)[:4] + b"\xff" + frame(Kind.OUTPUT)[5:],
        frame(Kind.OUTPUT)[:9] + (LONGEST + 1).to_bytes(4, "little"),
    ],
)
def test_what_is_no_frame_is_refused(bad: bytes) -> None:
    with pytest.raises(FrameError, match="no frame"):
        FrameReader().feed(HELLO + bad)


def test_a_body_that_is_too_long_is_refused() -> None:
    with pytest.raises(FrameError, match=f"at most {LONGEST}"):
        frame(Kind.OUTPUT, 1, b"x" * (LONGEST + 1))


def test_a_virtio_port_is_found_by_its_name(tmp_path: Path) -> None:
    for number, name in enumerate(["kmcl.other", "kmcl.guest"], start=1):
        (tmp_path / f"vport0p{number}").mkdir()
        (tmp_path / f"vport0p{number}" / "name").write_text(f"{name}\n")

    assert port("kmcl.guest", tmp_path) == Path("/dev/vport0p2")
    with pytest.raises(FileNotFoundError, match=r"no virtio port kmcl\.none"):
        port("kmcl.none", tmp_path)


def test_the_agent_waits_until_the_port_has_another_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "port"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.close(os.open(fifo, os.O_WRONLY))  # a fifo hangs up only after somebody was there
    naps: list[float] = []
    writers: list[int] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            writers.append(os.open(fifo, os.O_WRONLY))

    monkeypatch.setattr("kmcl_lab.guest.time.sleep", sleep)
    wait_for_host(reader, deadline=float("inf"))
    assert len(naps) == 3

    os.close(writers[0])
    wait_for_host(reader, deadline=0.0)
    assert len(naps) == 3
    os.close(reader)


RESIZED_MEANWHILE = """
import os, signal, socket, sys
from kmcl_lab import bridge
from kmcl_lab.frames import Kind, frame

class Slow(socket.socket):
    def sendall(self, data):
        super().sendall(data[:6])
        if data == frame(Kind.INPUT, 0, b"typed"):
            os.kill(os.getpid(), signal.SIGWINCH)
        super().sendall(data[6:])

bridge.socket.socket = Slow
sys.exit(bridge.bridge(sys.argv[1], ["sh"], terminal=True))
"""


def test_a_terminal_that_is_resized_while_a_frame_is_sent_says_so_after_it(tmp_path: Path) -> None:
    keyboard, terminal = os.openpty()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "door"))
        listening.listen()
        process = subprocess.Popen(
            [sys.executable, "-c", RESIZED_MEANWHILE, str(tmp_path / "door")],
            stdin=terminal,
            stdout=subprocess.DEVNULL,
            env=PATH | {"LINES": "24", "COLUMNS": "80"},
        )
        door, _ = listening.accept()
    reader, found = FrameReader(seeking=False), list[Frame]()
    with door:
        door.settimeout(20)
        while len(found) < 2:  # the terminal is raw then, and forgets no key any more
            found += reader.feed(door.recv(1 << 16))
        assert [one.kind for one in found] == [Kind.EXEC, Kind.SIZE]
        os.write(keyboard, b"typed")
        while len(found) < 4:
            found += reader.feed(door.recv(1 << 16))
        door.sendall(frame(Kind.EXIT, 0, (7).to_bytes(4, "little")))
        code = process.wait(20)
    os.close(keyboard)
    os.close(terminal)

    size = struct.pack("<HH", 24, 80)
    assert found[1:] == [
        (Kind.SIZE, 0, size),
        (Kind.INPUT, 0, b"typed"),
        (Kind.SIZE, 0, size),
    ]
    assert code == 7
