"""What becomes of a guest that is lost, with a lab that boots nothing."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kmcl_adapters import AdapterError
from kmcl_lab import linux
from kmcl_lab.adapter import Hang
from kmcl_lab.images import Images
from kmcl_lab.linux import (
    CAPABILITIES,
    MOVING,
    LinuxAdapter,
    build_for_linux,
    create,
    name_of,
    options_for,
)
from kmcl_lab.problem import UNHEARD, GuestLost, LabProblem
from kmcl_model.events import Lost, Quiescence
from kmcl_model.stimuli import Settle

PANIC = GuestLost("panic of the inner guest: sorry", is_hang=False)
SILENCE = GuestLost("the inner guest has not answered for 30 s", is_hang=True)


class FakeLab:
    """Everything a lab is asked for; ``done`` are the costly things that were."""

    def __init__(self, kernel: str = "6.12.9-cloud-amd64", *, nested: bool = True) -> None:
        self.kernel = kernel
        self.choice = SimpleNamespace(nested=nested)
        self.done: list[str] = []
        self.retries: list[str] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.lost: GuestLost | None = None
        self.is_revivable = False
        self.fails = False
        self.refuses = False
        self.rests = True
        self.said: list[Any] = []
        self.broken = 0
        job = SimpleNamespace(number=5, parts=lambda limit: [(0, b'{"ready":true}\n')])
        self.guest = SimpleNamespace(start=lambda argv: job, resume=lambda number: job)

    def account(self) -> Any:
        return SimpleNamespace(kernel=self.kernel)

    def surroundings(self) -> tuple[str, str]:
        return f"Linux {self.kernel}", "a host"

    def save(self, name: str) -> None:
        self.done.append("save")

    def rewind(self, name: str) -> None:
        self.done.append("rewind")
        if self.broken:
            self.broken -= 1
            raise LabProblem("the VMBus host's monitor: no answer in time")
        if self.is_revivable:
            self.lost, self.is_revivable = None, False

    def restart(self, why: str) -> None:
        self.done.append(f"restart: {why}")
        self.lost = None

    def ask_host(self, command: str, *, limit: float = 10.0, **arguments: Any) -> Any:
        if self.refuses:
            raise LabProblem("the VMBus host's monitor: no answer in time")
        if self.fails:
            assert self.lost is not None
            raise self.lost
        self.asked.append((command, arguments))
        return {
            "hand-begin": 0,
            "hand-settle": {"entries": self.said, "more": 0, "rests": self.rests},
        }.get(command)


def an_adapter(lab: FakeLab) -> LinuxAdapter:
    return LinuxAdapter(cast(Any, lab))


def lose(lab: FakeLab, adapter: LinuxAdapter, lost: GuestLost = PANIC) -> None:
    """A session whose guest is lost, in this way, as soon as it is looked at."""
    session = adapter.open()
    lab.lost, lab.fails = lost, True
    session.apply(Settle("settle"))
    lab.fails = False
    assert session.take() == [Lost("lost", "hang" if lost.is_hang else "crash", str(lost))]


def test_sessions_begin_at_one_moment_that_is_kept_once() -> None:
    lab = FakeLab()
    adapter = an_adapter(lab)
    adapter.open()
    adapter.open()

    assert lab.done == ["save", "rewind", "rewind"]


def test_it_tells_kernel_and_host_and_that_kernels_follow() -> None:
    told = an_adapter(FakeLab("6.12.9")).describe()

    assert (told.version, told.surroundings) == ("6.12.9", ("Linux 6.12.9", "a host"))
    assert told.capabilities == CAPABILITIES
    assert "kexec" in CAPABILITIES


class Started:
    """Labs that were to be started: the kernel, and the host's options."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of: list[tuple[str | None, tuple[str, ...]]] = []
        monkeypatch.setattr(linux, "build_for_linux", lambda cache, kernel, tell: kernel)
        monkeypatch.setattr(linux, "PassingLab", self)

    def __call__(self, kernel: str | None, **how: Any) -> Any:
        self.of.append((kernel, how["options"]))
        lab = FakeLab()
        return SimpleNamespace(
            **vars(lab), start=lambda: None, account=lab.account, surroundings=lab.surroundings
        )


@pytest.mark.parametrize(
    ("argument", "kernel", "processors"),
    [
        ("", None, 1),
        ("6.12.9-cloud", "6.12.9-cloud", 1),
        ("processors=1", None, 1),
        ("processors=2", None, 2),
        ("6.12.9-cloud,processors=2", "6.12.9-cloud", 2),
    ],
)
def test_its_argument_is_a_kernel_and_processors_to_which_channels_are_moved(
    monkeypatch: pytest.MonkeyPatch, argument: str, kernel: str | None, processors: int
) -> None:
    started = Started(monkeypatch)
    told = create(argument).describe()

    assert started.of == [(kernel, options_for(processors))]
    assert f"--processors={processors}" in options_for(processors)
    assert told.capabilities == CAPABILITIES | ({MOVING} if processors > 1 else set())
    assert create(name_of(kernel, processors).removeprefix("linux:")).describe() == told


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("processors=0", "processors=0: a number from 1 to 8 is wanted"),
        ("processors=two", "processors=two: a number from 1 to 8 is wanted"),
        ("processors=", "processors=: a number from 1 to 8 is wanted"),
        ("a,b", "a,b: a kernel, processors=N, or both with a comma are wanted"),
        ("a,", "a,: a kernel, processors=N, or both with a comma are wanted"),
        (
            "processors=1,processors=2",
            "processors=1,processors=2: a kernel, processors=N, or both with a comma are wanted",
        ),
    ],
)
def test_an_argument_that_says_something_else_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, argument: str, words: str
) -> None:
    started = Started(monkeypatch)
    with pytest.raises(AdapterError, match=f"^linux: {re.escape(words)}$"):
        create(argument)

    assert started.of == []


def test_a_lost_guest_is_taken_back_and_no_machine_is_started() -> None:
    lab = FakeLab()
    adapter = an_adapter(lab)
    lose(lab, adapter)
    lab.is_revivable = True
    adapter.open()

    assert lab.done == ["save", "rewind", "rewind"]


def test_where_the_host_is_lost_as_well_both_are_replaced() -> None:
    lab = FakeLab()
    adapter = an_adapter(lab)
    lose(lab, adapter)
    adapter.open()

    assert lab.done == ["save", "rewind", f"restart: {PANIC}", "save", "rewind"]


def test_a_host_that_cannot_go_back_is_replaced_once() -> None:
    lab = FakeLab()
    adapter = an_adapter(lab)
    lab.broken = 1
    adapter.open()
    why = "restart: the VMBus host's monitor: no answer in time"

    assert lab.done == ["save", "rewind", why, "save", "rewind"]
    lab.broken = 2
    with pytest.raises(AdapterError, match="no answer in time"):
        adapter.open()


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("lost", [PANIC, SILENCE])
def test_every_loss_of_the_guest_alone_is_told(lost: GuestLost, nested: bool) -> None:
    """Whether it comes back is for others to find out, which is why none is kept from them."""
    lab = FakeLab(nested=nested)
    adapter = an_adapter(lab)
    for _ in range(2):
        lose(lab, adapter, lost)
        lab.is_revivable = True


def test_a_kernel_fault_that_ends_nothing_is_told_all_the_same() -> None:
    lab = FakeLab()
    session = an_adapter(lab).open()
    session.apply(Settle("settle"))
    lab.lost = PANIC

    assert session.take() == [
        Quiescence("quiescence", False),
        Lost("lost", "crash", str(PANIC)),
    ]


def test_a_guest_that_never_rests_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmcl_lab.byhand._SLICE", 0.0)
    lab = FakeLab()
    session = an_adapter(lab).open()
    lab.rests = False
    session.apply(Settle("settle"))

    assert session.take() == [Lost("lost", "hang", "no rest within 0 s")]
    assert lab.retries == []


def test_a_host_that_is_lost_as_well_is_never_a_verdict_on_the_guest() -> None:
    lab = FakeLab()
    adapter = an_adapter(lab)
    silence = GuestLost("no answer for 30 s, nor does the host", is_hang=True, is_inner=False)
    ended = GuestLost("the VMBus host has ended", is_hang=False, is_inner=False)
    for lost in (silence, ended, ended):
        with pytest.raises(Hang, match=str(lost)):
            lose(lab, adapter, lost)
        lab.is_revivable = True


def test_a_host_that_cannot_be_asked_is_never_a_verdict_on_the_guest() -> None:
    lab = FakeLab(nested=False)
    adapter = an_adapter(lab)
    for _ in range(3):
        session = adapter.open()
        lab.refuses = True
        session.apply(Settle("settle"))
        lab.refuses = False
        with pytest.raises(Hang, match="no answer in time"):
            session.take()


def test_a_user_that_is_not_heard_is_never_a_verdict_on_the_guest() -> None:
    lab = FakeLab(nested=False)
    adapter = an_adapter(lab)
    lab.said = [[0, "guest", "SAID", {}, f"{UNHEARD}: it has ended"]]
    for _ in range(3):
        session = adapter.open()
        session.apply(Settle("settle"))
        with pytest.raises(Hang, match="it has ended"):
            session.take()

    assert lab.retries == [f"played again: {UNHEARD}: it has ended"] * 3


def test_old_kernels_are_offered_monitored_channels() -> None:
    for kernel, monitored in (("6.1.0-56-cloud-amd64", True), ("6.12.9-cloud-amd64", False)):
        lab = FakeLab(kernel)
        port = cast(Any, an_adapter(lab).open())._session._port
        port.post("OFFERCHANNEL", {"child_relid": 1, "monitor_allocated": False}, "")

        assert lab.asked[-1][1]["fields"]["monitor_allocated"] is monitored


def test_a_kernel_with_the_bus_in_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    built: Any = SimpleNamespace(inputs={"kernel": "7.3.4"}, has_module=lambda name: False)
    monkeypatch.setattr(linux, "build", lambda *_, **__: cast(Images, built))

    with pytest.raises(LabProblem, match=r"^--kernel 7\.3\.4: hv_vmbus is a part of it"):
        build_for_linux(cast(Any, None), "7.3.4")
    with pytest.raises(AdapterError, match="hv_vmbus is a part of it"):
        linux.create("7.3.4")
