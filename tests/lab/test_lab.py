"""The lab with an emulator that the tests wrote: it boots, panics, hangs or ends as told."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kmcl_lab import boot
from kmcl_lab.adapter import RESETS, Hang, LabAdapter, LabSession
from kmcl_lab.images import Images
from kmcl_lab.lab import Lab
from kmcl_lab.machine import inner_command, outer_command, with_options
from kmcl_lab.passing import PassingLab
from kmcl_lab.probe import Choice
from kmcl_lab.problem import GuestLost, LabProblem
from kmcl_lab.watch import AGAIN, Limits
from kmcl_model.events import Environment, Event, Lost, Quiescence
from kmcl_model.stimuli import Environ, Settle, Stimulus

LIMITS = Limits(outer_boot=20.0, inner_boot=20.0, silence=20.0)
NESTED = Choice(True, "nested under emulation: the test wants it")

EMULATOR = """
import json, os, pathlib, socket, sys, threading, time
mode_file, fds = sys.argv[1], json.loads(sys.argv[2])
modes = pathlib.Path(mode_file).read_text().split()
pathlib.Path(mode_file).write_text(" ".join(modes[1:] or modes))
mode = modes[0]
say = lambda text: os.write(fds["host"], text.encode())

def monitor(fd):
    stream = socket.socket(fileno=fd)
    stream.sendall(b'{"QMP": {}}' + b"\\n")
    for line in stream.makefile("rb"):
        if not line.strip():
            continue
        request = json.loads(line)
        name = request["execute"]
        answer = {
            "query-version": {"qemu": {"major": 9, "minor": 8, "micro": 7}, "package": ""},
            "query-status": {"status": "running"},
            "human-monitor-command": "registers\\n",
        }.get(name, {})
        if name == "print":
            os.write(fds["console"], request["arguments"]["text"].encode())
        if name == "system_reset":
            stream.sendall(b'{"event": "RESET"}' + b"\\n")
        stream.sendall(json.dumps({"return": answer, "id": request["id"]}).encode() + b"\\n")
        if name == "system_reset":
            from kmcl_lab.frames import Kind, frame
            os.write(fds["guest"], b"cut of" + frame(Kind.HELLO, 0, b'{"kernel": "again"}'))

for name in ("monitor", "supervisor"):
    if mode != "mute" and name in fds:
        threading.Thread(target=monitor, args=(fds[name],), daemon=True).start()
if mode in ("mute", "hang"):
    time.sleep(60)
if mode == "end":
    sys.exit(3)
say("kmcl-lab: outer guest ready, Linux 9\\r\\n")
if mode == "panic":
    os.write(fds["console"], b"[ 1.0] Kernel panic - not syncing: no init\\r\\n")
    time.sleep(60)
from kmcl_lab.guest import Agent
Agent(fds["guest"]).serve()
"""

Make = Callable[..., Lab]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A lab whose emulator behaves as the words say, one word a start; the last one stays."""
    script = tmp_path / "emulator.py"
    script.write_text(EMULATOR)
    mode = tmp_path / "mode"
    monkeypatch.setenv("PYTHONPATH", ":".join(p for p in sys.path if p))

    def command(kernel: Path, image: Path, descriptors: dict[str, int]) -> list[str]:
        return [sys.executable, str(script), str(mode), json.dumps(descriptors)]

    monkeypatch.setattr(boot, "outer_command", command)

    def lab(words: str, told: list[str] | None = None, limits: Limits = LIMITS) -> Lab:
        mode.write_text(words)
        (tmp_path / "manifest.json").touch()
        images = Images(tmp_path, {"kernel": "9"})
        tell = (told if told is not None else []).append
        return Lab(images, tmp_path / "out", choice=NESTED, limits=limits, tell=tell)

    return lab


def hangs_first(make: Make, told: list[str]) -> Lab:
    """A lab whose first boot hangs, for half a second; the second one has all the time it needs."""
    lab = make("hang boot", told, LIMITS._replace(outer_boot=0.5))

    def tell(words: str) -> None:
        told.append(words)
        if words.startswith("starting again"):
            lab._limits = LIMITS

    lab._tell = tell
    return lab


def until_lost(lab: Lab) -> GuestLost:
    """Whoever looks again and again sees that the guest is lost."""
    a_moment = threading.Event()
    for _ in range(2_000):
        if (lost := lab.lost) is not None:
            return lost
        a_moment.wait(0.01)
    raise AssertionError("the guest was not lost within 20 s")


def test_a_lab_runs_commands_and_keeps_an_account(make: Make, tmp_path: Path) -> None:
    told: list[str] = []
    with make("boot", told) as lab:
        done = lab.guest.run(["echo", "here"])
        account, surroundings = lab.account(), lab.surroundings()
        path = lab.write_account({"figure": 1})

    assert done.output == b"here\n"
    assert (account.starts, account.retries, account.qemu) == (1, (), "9.8.7")
    assert surroundings == (f"Linux {account.kernel}", "QEMU 9.8.7")
    assert told == [NESTED.why]
    assert json.loads(path.read_text())["figures"] == {"figure": 1}
    assert (tmp_path / "out/boot-1/host.log").read_bytes().startswith(b"kmcl-lab: outer guest")


def test_a_lab_holds_its_images_from_start_to_close(make: Make, tmp_path: Path) -> None:
    def is_held() -> bool:
        with (tmp_path / "manifest.json").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    lab = make("boot boot end")
    before = is_held()
    lab.start()
    started = is_held()
    lab.restart("silence")
    restarted = is_held()
    lab.close()
    closed = is_held()
    with pytest.raises(GuestLost):
        lab.start()

    assert (before, started, restarted, closed, is_held()) == (False, True, True, False, False)


def test_the_logs_of_all_starts_are_at_hand_for_a_report(make: Make) -> None:
    with hangs_first(make, []) as lab:
        logs = dict(lab.logs())

    assert {"boot-1/emulator-state.log", "boot-2/host.log"} <= {*logs}
    assert b"# info lapic" in logs["boot-1/emulator-state.log"]
    assert logs["boot-2/host.log"].startswith(b"kmcl-lab: outer guest ready")


def test_a_host_that_is_gone_does_not_keep_the_account_from_being_given(make: Make) -> None:
    with make("boot") as lab:
        lab.guest.start(["sh", "-c", "kill -KILL $PPID"])
        until_lost(lab)
        account = lab.account()

    assert (account.starts, account.qemu) == (1, "unknown")


def test_a_lab_that_could_not_be_started_again_still_has_an_account(make: Make) -> None:
    with make("boot end") as lab:
        before = lab.account()
        with pytest.raises(GuestLost, match="ended with code 3"):
            lab.restart("silence")
        after = lab.account()

    assert after == before._replace(starts=2, retries=("silence",))


def test_a_boot_that_hangs_is_tried_again_and_counted(make: Make, tmp_path: Path) -> None:
    told: list[str] = []
    with hangs_first(make, told) as lab:
        account = lab.account()

    assert account.starts == 2
    assert list(account.retries) == [
        "not done within 0.5 s: the outer guest boots: the VMBus host answers, its guest is "
        "running, the emulator does (emulator-state.log); see " + str(tmp_path / "out/boot-1")
    ]
    assert told[1:] == [f"starting again: {account.retries[0]}"]
    assert "# info lapic" in (tmp_path / "out/boot-1/emulator-state.log").read_text()


def test_a_boot_that_always_hangs_is_given_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "_ASK_SECONDS", 0.1)
    lab = make("mute", None, LIMITS._replace(outer_boot=0.2))

    with pytest.raises(GuestLost, match="the VMBus host does not answer, nor does the emulator"):
        lab.start()
    assert len(lab.retries) == 2


def test_a_panic_is_told_and_not_tried_again(make: Make, tmp_path: Path) -> None:
    lab = make("panic")

    with pytest.raises(GuestLost, match=r"^panic of the inner guest: no init; see \S+/boot-1$"):
        lab.start()
    assert lab.retries == []
    assert (tmp_path / "out/boot-1/inner-console.log").read_bytes().endswith(b"no init\r\n")


def test_an_emulator_that_ends_is_told_with_its_code(make: Make) -> None:
    with pytest.raises(GuestLost, match=r"^the emulator has ended with code 3; see "):
        make("end").start()


def test_a_guest_that_falls_silent_while_it_works_is_lost(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "_ASK_SECONDS", 0.2)  # nobody will answer
    with make("boot", None, LIMITS._replace(silence=0.5)) as lab:
        job = lab.guest.start(["sh", "-c", "kill -STOP $PPID; exec cat"])
        with pytest.raises(
            GuestLost,
            match=r"the inner guest has not answered for 0\.5 s: "
            "the VMBus host does not answer, nor does the emulator",
        ):
            list(job.parts(30))
        lost = lab.lost

    assert lost is not None
    assert lost.is_hang


def test_a_kernel_fault_is_seen_by_whoever_looks(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session may be over before the watch looks the next time."""
    monkeypatch.setattr(boot, "_WATCH_SECONDS", 3600.0)
    monkeypatch.setattr(boot, "_LAST_WORDS_SECONDS", 0.2)
    said = f"[ 9.0] Oops: 0001\r\n{AGAIN}\r\n[ 1.0] a life\r\n[ 2.0] Oops: 0002 [#1]\r\n"
    with make("boot") as lab:
        before = (lab.lost, lab.last_words())
        lab.ask_host("print", text=said)
        lost = until_lost(lab)
        words = lab.last_words()
    after = lab.last_words()

    assert before == (None, b"")
    assert not lost.is_hang
    assert words.splitlines() == [b"[ 1.0] a life", b"[ 2.0] Oops: 0002 [#1]"]
    assert after == words


def test_after_the_last_line_of_a_panic_nobody_waits_for_more(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_LAST_WORDS_SECONDS", "_BACKTRACE_SECONDS"):
        monkeypatch.setattr(boot, name, 3600.0)
    said = "[ 1.0] Kernel panic - not syncing: sorry\r\n[ 1.1] Kernel Offset: disabled\r\n"
    words: list[bytes] = []
    with make("boot") as lab:
        lab.ask_host("print", text=said)
        listener = threading.Thread(target=lambda: words.append(lab.last_words()), daemon=True)
        until_lost(lab)
        listener.start()
        listener.join(20.0)

    assert words == [said.encode()]


def test_a_lab_that_was_never_started_has_said_nothing(make: Make) -> None:
    assert make("boot").last_words() == b""


def test_the_host_resets_the_guest_and_the_lab_waits_for_it(make: Make) -> None:
    with make("boot") as lab:
        job = lab.guest.start(["cat"])
        lab.reset()
        with pytest.raises(GuestLost, match="the guest was reset"):
            list(job.parts(30))
        kernel = lab.account().kernel
        events = lab.host_events()

    assert kernel == "again"
    assert events == ["RESET"]


@pytest.mark.parametrize("command", ["stop", "cont"])
def test_a_host_that_does_not_stop_its_guest_leaves_the_watch_awake(
    command: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(asked: str, **_: object) -> None:
        if asked == command:
            raise LabProblem(f"{asked}: no answer")

    with make("boot") as lab:
        monkeypatch.setattr(lab, "ask_host", refuse)
        if command == "cont":
            lab.stop()
        with pytest.raises(LabProblem, match=f"{command}: no answer"):
            {"stop": lab.stop, "cont": lab.go_on}[command]()
        watch = lab._running._watch
        lost = watch.verdict(watch._since + 2 * LIMITS.silence)

    assert lost is not None
    assert lost.what == "the inner guest has not answered for 20 s"


def test_a_stopped_guest_is_not_a_silent_one(make: Make) -> None:
    with make("boot", None, LIMITS._replace(silence=0.3)) as lab:
        lab.stop()
        job = lab.guest.start(["sh", "-c", "sleep 1; echo on"])
        said = list(job.parts(30))
        lab.go_on()

        assert lab.lost is None
    assert [body for _, body in said] == [b"on\n"]


def test_a_start_without_an_emulator_leaves_nothing_open(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "outer_command", lambda *_: ["/no/such/emulator"])
    monkeypatch.setattr(boot, "_orphans_die", list)
    lab = make("nobody")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(LabProblem, match=r"^/no/such/emulator: No such file or directory; run"):
        lab.start()

    assert len(os.listdir("/proc/self/fd")) == len(before)


Passing = Callable[[str], PassingLab]


@pytest.fixture
def passing(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Passing:
    """The same for a lab that nobody has given a folder."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))

    def lab(words: str) -> PassingLab:
        images = make(words)._images
        return PassingLab(images, choice=NESTED, limits=LIMITS)

    return lab


def test_logs_that_nobody_has_asked_for_go_with_the_lab(
    passing: Passing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with passing("boot") as lab:
        (folder,) = (tmp_path / "tmp").iterdir()
        assert (folder / "boot-1/host.log").exists()
    lab.close()

    assert list((tmp_path / "tmp").iterdir()) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("when", ["before", "at the end"])
def test_logs_of_a_guest_that_was_lost_stay_and_it_is_told_once_where(
    when: str, passing: Passing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with passing("boot") as lab:
        if when == "before":
            lab.restart("the inner guest has not answered for 30 s")
        else:
            lab.ask_host("print", text="Oops: 0002\n")
            while lab.lost is None:
                threading.Event().wait(0.01)
    lab.close()
    (folder,) = (tmp_path / "tmp").iterdir()

    assert capsys.readouterr().err == f"lab: a guest was lost; its logs are in {folder}\n"
    assert (folder / "boot-1").is_dir()


@pytest.mark.parametrize(
    ("words", "stays"),
    [("panic", True), ("nobody", False)],
)
def test_a_start_that_fails_tells_of_the_logs_or_leaves_none(
    words: str,
    stays: bool,
    passing: Passing,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not stays:
        monkeypatch.setattr(boot, "outer_command", lambda *_: ["/no/such/emulator"])
        monkeypatch.setattr(boot, "_orphans_die", list)
    with pytest.raises(LabProblem) as error:
        passing(words).start()
    left = list((tmp_path / "tmp").iterdir())

    assert len(left) == stays
    assert all(str(folder) in str(error.value) for folder in left)
    assert capsys.readouterr().err == ""


def test_a_lab_that_is_not_running_says_so(make: Make) -> None:
    with pytest.raises(LabProblem, match=r"^the lab is not running$"):
        make("boot").guest.run(["true"])


def test_an_adapter_in_the_guest_outlives_the_guest(make: Make) -> None:
    """A lost guest costs its session; the next one gets a fresh guest, and that is counted."""
    lab = make("boot")
    lab.start()
    serve = (sys.executable, "-m", "kmcl_lab.serve", "kmcl_adapters.reference:create")
    adapter = LabAdapter(lab, serve)
    try:
        shown: list[list[Event]] = []
        for _ in range(2):
            session = adapter.open()
            lab.guest.start(["sh", "-c", "kill -KILL $PPID"])
            until_lost(lab)
            shown.append(session.take())
        session.apply(Settle("settle"))
        shown.append(session.take())
        last = adapter.open()
        last.apply(Settle("settle"))
        again = last.take()
        starts = lab.account().starts
    finally:
        adapter.close()

    assert [[event[0] for event in events] for events in shown] == [["lost"]] * 3
    assert again == [Quiescence("quiescence", True)]
    assert (starts, len(lab.retries)) == (3, 2)


ALONE = ("kmcl_adapters.uio.pair:create", "dynmem")
BOTH = ("kmcl_adapters.reference:create",)


@pytest.mark.parametrize(
    ("ends", "in_walks", "resets", "declared"),
    [(ALONE, False, 1, False), (ALONE, True, 1, True), (BOTH, True, 0, True)],
    ids=["alone", "alone, in walks", "both"],
)
def test_an_end_that_is_alone_in_its_guest_dies_with_it(
    ends: tuple[str, ...], in_walks: bool, resets: int, declared: bool, make: Make
) -> None:
    """The reference's two ends can die by themselves, each alone, and say so."""
    lab = make("boot")
    lab.start()
    serve = (sys.executable, "-m", "kmcl_lab.serve", *ends)
    adapter = LabAdapter(lab, serve, resets=True, in_walks=in_walks)
    try:
        capabilities = adapter.describe().capabilities
        session = adapter.open()
        session.apply(CRASH_IT)
        session.take()
        session.close()
        again = adapter.open()
        again.apply(Settle("settle"))
        shown = again.take()
        tally = adapter.tally()
        kernel = lab.account().kernel
    finally:
        adapter.close()

    assert ("crash" in capabilities, tally) == (declared, {RESETS: resets})
    assert [event.kind for event in shown] == ["quiescence"]
    assert (kernel == "again") is bool(resets)


def test_the_inner_machine_is_the_same_on_ports_and_on_sockets() -> None:
    kernel, image = Path("/kernel"), Path("/inner.img")
    nested = inner_command(kernel, image, nested=True)
    numbers = {"guest": 7, "monitor": 8, "console": 9}
    direct = inner_command(kernel, image, nested=False, descriptors=numbers)
    only_nested = {word for word in nested if word not in direct}

    assert only_nested == {
        "-L",
        "/usr/share/qemu",
        "pipe,id=guest,path=/ports/kmcl.guest",
        "pipe,id=monitor,path=/ports/kmcl.monitor",
        "pipe,id=console,path=/ports/kmcl.console",
    }
    assert {"socket,id=guest,fd=7", "socket,id=monitor,fd=8", "socket,id=console,fd=9"} < {*direct}
    assert "kvm=off" in direct[direct.index("-cpu") + 1]


def test_the_outer_guest_keeps_a_periodic_tick() -> None:
    command = outer_command(Path("k"), Path("i"), {"supervisor": 3, "host": 4, "guest": 5})
    more = with_options(command, ("--by-hand", "--memory=256"))
    assert with_options(command, ()) == command
    assert more[:-1] == command[:-1]
    assert more[-1] == f'{command[-1]} kmcl_hosting="--by-hand --memory=256"'

    asked = {"nohz=off", "highres=off", "transparent_hugepage=madvise"}
    assert asked <= {*command[command.index("-append") + 1].split()}


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_the_emulator_does_not_outlive_us(make: Make, tmp_path: Path) -> None:
    """Whoever kills us leaves no machine behind: its end of the stream closes with it."""
    make("hang")  # writes the emulator and its mode
    ours, theirs = socket.socketpair()
    code = (
        "import sys, os\n"
        "from pathlib import Path\n"
        "from kmcl_lab import boot\n"
        "from kmcl_lab.images import Images\n"
        "command, folder, held = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])\n"
        "os.set_inheritable(held, True)\n"
        "play = f'import os, time; os.write({held}, b\"started\"); time.sleep(60)'\n"
        "boot.outer_command = lambda k, i, d: [sys.executable, '-c', play]\n"
        "popen = boot.subprocess.Popen\n"
        "def start(*a, pass_fds, **k): return popen(*a, pass_fds=(*pass_fds, held), **k)\n"
        "boot.subprocess.Popen = start\n"
        "boot.Boot(Images(folder, {}), folder / 'out', nested=True)\n"
        "os.close(held)\n"
        "sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", code, "-", str(tmp_path), str(theirs.fileno())]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()])
    theirs.close()
    ours.settimeout(20)
    started = ours.recv(100)
    process.kill()
    process.communicate()
    ended = ours.recv(100)
    ours.close()

    assert (started, ended) == (b"started", b"")


class Scripted:
    """A session whose events the test wrote."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    def apply(self, stimulus: Stimulus) -> None:
        raise AssertionError("not in these tests")

    def runnable(self) -> int:
        return 0

    def take(self) -> list[Event]:
        return self.events

    def close(self) -> None:
        pass


class LostLab:
    def __init__(self, lost: GuestLost | None) -> None:
        self.lost = lost


CRASH = [Lost("lost", "crash", "exit code 125")]


def a_session(events: list[Event], lost: GuestLost | None) -> LabSession:
    lab: Any = LostLab(lost)
    return LabSession(lab, Scripted(events))


def test_machines_that_hang_are_no_verdict_on_the_implementation() -> None:
    session = a_session([*CRASH], GuestLost("not answered for 30 s", is_hang=True))

    with pytest.raises(Hang, match=r"^lab: not answered for 30 s$"):
        session.take()


@pytest.mark.parametrize("lost", [None, GuestLost("panic of the inner guest: x", is_hang=False)])
def test_a_crash_or_a_panic_is_the_implementations(lost: GuestLost | None) -> None:
    words = CRASH[0].detail if lost is None else str(lost)

    assert a_session([*CRASH], lost).take() == [Lost("lost", "crash", words)]


def test_a_kernel_fault_that_ends_nothing_is_told_all_the_same() -> None:
    quiet: list[Event] = [Quiescence("quiescence", True)]
    oops = GuestLost("kernel fault of the inner guest: 0002", is_hang=False)

    assert a_session(quiet, oops).take() == [*quiet, Lost("lost", "crash", str(oops))]


def test_what_came_before_a_hang_is_shown() -> None:
    quiet: list[Event] = [Quiescence("quiescence", True)]

    assert a_session(quiet, GuestLost("silent", is_hang=True)).take() == quiet


class Resetting:
    """A lab whose guest can be reset, or hangs when it is."""

    lost = None

    def __init__(self, problem: LabProblem | None = None) -> None:
        self.resets = 0
        self.problem = problem

    def reset(self) -> None:
        self.resets += 1
        if self.problem:
            raise self.problem


CRASHED = Environment("environment", "client", "crash")
CRASH_IT = Environ("environment", "client", "crash")


class Applied(Scripted):
    def __init__(self, events: list[Event]) -> None:
        super().__init__(events)
        self.applied: list[Stimulus] = []
        self.closed = False

    def apply(self, stimulus: Stimulus) -> None:
        self.applied.append(stimulus)

    def take(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def close(self) -> None:
        self.closed = True


def test_an_end_dies_by_a_reset_and_shows_nothing_any_more() -> None:
    lab: Any = Resetting()
    before: list[Event] = [Quiescence("quiescence", False)]
    inner = Applied(list(before))
    told: list[None] = []
    session = LabSession(lab, inner, resets=True, tell=lambda: told.append(None))
    for stimulus in (CRASH_IT, CRASH_IT, Settle("settle")):
        session.apply(stimulus)

    assert session.take() == [*before, CRASHED, *before]
    assert (lab.resets, len(told), inner.applied, inner.closed) == (1, 1, [], True)


def test_a_guest_that_is_lost_by_itself_is_not_reset_as_well() -> None:
    lab: Any = Resetting()
    session = LabSession(lab, Applied([*CRASH]), resets=True)
    session.apply(CRASH_IT)

    assert session.take() == CRASH
    assert lab.resets == 0


def test_a_guest_that_does_not_come_back_from_a_reset_is_no_verdict() -> None:
    lab: Any = Resetting(GuestLost("not done within 150 s", is_hang=True))
    session = LabSession(lab, Applied([]), resets=True)

    with pytest.raises(Hang, match="not done within 150 s"):
        session.apply(CRASH_IT)


def test_without_resets_the_implementation_is_asked_to_die() -> None:
    lab: Any = Resetting()
    inner = Applied([])
    LabSession(lab, inner).apply(CRASH_IT)

    assert (lab.resets, inner.applied) == (0, [CRASH_IT])
