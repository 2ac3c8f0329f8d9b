"""What has become of the guests: judged from consoles and a clock that the tests turn."""

import pytest

from kmcl_lab.watch import AGAIN, STANDS_STILL, Limits, Lost, Stage, Watch

LIMITS = Limits(outer_boot=10.0, inner_boot=20.0, silence=5.0)

PANIC = b"""\
[    5.281870] sysrq: Trigger a crash\r
[    5.290000] Kernel panic - not syncing: sysrq triggered crash\r
[    5.299416] CPU: 0 UID: 0 PID: 147 Comm: sh Not tainted 6.12.95+deb12-cloud-amd64 #1  Debian\r
[    5.332687] Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.3-debian\r
[    5.367755] Call Trace:\r
[    5.386499]  panic+0x344/0x3a0\r
"""
"""As an inner guest printed it."""
BOOT = (
    b"kmcl-lab: outer guest ready, Linux 6.12.95+deb12-cloud-amd64\r\n"
    b"[    6.535132] kvm: kvm [148]: vcpu0, guest rIP: 0xffffffff8109a448 Unhandled WRMSR"
    b"(0xc0010007) = 0xffff\r\n"
)


def a_watch(*, nested: bool = True) -> Watch:
    return Watch(nested=nested, now=0.0, limits=LIMITS)


def ready() -> Watch:
    watch = a_watch()
    watch.console("host", BOOT, 4.0)
    watch.alive(12.0)
    return watch


def test_a_boot_goes_from_stage_to_stage() -> None:
    watch = a_watch()
    stages = [watch.stage]
    watch.console("host", BOOT, 4.0)
    stages.append(watch.stage)
    watch.alive(12.0)
    stages.append(watch.stage)

    assert stages == [Stage.OUTER_BOOTS, Stage.INNER_BOOTS, Stage.READY]
    assert watch.verdict(12.0) is None


def test_without_an_outer_guest_the_inner_one_boots_first() -> None:
    assert a_watch(nested=False).stage is Stage.INNER_BOOTS


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_console_is_read_in_pieces_of_any_size(size: int) -> None:
    watch = a_watch()
    for start in range(0, len(BOOT), size):
        watch.console("host", BOOT[start : start + size], 4.0)

    assert watch.stage is Stage.INNER_BOOTS


def test_an_outer_guest_that_does_not_boot_has_hung() -> None:
    watch = a_watch()

    assert watch.verdict(10.0) is None
    assert watch.verdict(10.1) == Lost("not done within 10 s: the outer guest boots", True)


def test_the_inner_guest_has_a_time_of_its_own() -> None:
    watch = a_watch()
    watch.console("host", BOOT, 9.0)

    assert watch.verdict(29.0) is None
    assert watch.verdict(29.1) == Lost("not done within 20 s: the inner guest boots", True)


def test_a_guest_that_falls_silent_has_hung() -> None:
    watch = ready()
    watch.alive(13.0)

    assert watch.verdict(18.0) is None
    assert watch.verdict(18.1) == Lost("the inner guest has not answered for 5 s", True)


def test_a_guest_that_the_host_has_stopped_may_be_silent() -> None:
    watch = ready()
    watch.pause(True, 13.0)
    while_stopped = watch.verdict(1000.0)
    watch.pause(False, 1000.0)

    assert while_stopped is None
    assert watch.verdict(1005.0) is None
    assert watch.verdict(1005.1) is not None


def test_a_guest_that_was_reset_has_the_time_of_a_boot() -> None:
    watch = ready()
    watch.reset(100.0)

    assert watch.verdict(120.0) is None
    assert watch.verdict(120.1) == Lost("not done within 20 s: the inner guest boots", True)


def test_a_panic_of_the_inner_guest_is_no_hang() -> None:
    watch = ready()
    watch.console("console", PANIC, 13.0)

    assert watch.verdict(13.0) == Lost(
        "panic of the inner guest: sysrq triggered crash", False, True
    )


def test_a_guest_that_is_taken_back_is_not_lost_any_more() -> None:
    watch = ready()
    watch.console("console", PANIC + b"BUG: kernel NULL poi", 13.0)
    watch.reset(14.0)
    watch.alive(14.1)
    watch.console("console", b"nter dereference, address: 0\n", 14.2)

    assert watch.verdict(14.3) is None


def test_what_a_console_says_late_does_not_count_against_the_next_life() -> None:
    """Of a host that marks where it begins; twice taken back before the first mark comes."""
    mark = f"{AGAIN}\n".encode()
    watch = ready()
    watch.reset(14.0, marked=True)
    watch.console("console", PANIC[:60], 14.1)
    watch.reset(14.2, marked=True)
    watch.console("console", PANIC[60:] + mark + PANIC + mark, 14.3)
    late = watch.verdict(14.4)
    watch.console("console", PANIC, 14.5)

    assert late is None
    assert watch.verdict(14.6) == Lost(
        "panic of the inner guest: sysrq triggered crash", False, True
    )


def test_a_kernel_that_is_older_than_the_last_reset_speaks_of_its_earlier_life() -> None:
    watch = ready()
    watch.reset(100.0)
    watch.console("console", PANIC, 101.0)  # after 5.29 seconds
    late = watch.verdict(101.0)
    watch.console("console", PANIC.replace(b" 5.", b" 1."), 101.1)

    assert late is None
    assert watch.verdict(101.2) == Lost(
        "panic of the inner guest: sysrq triggered crash", False, True
    )


def test_a_guest_that_is_taken_back_is_as_old_as_it_was_then() -> None:
    watch = ready()
    watch.reset(100.0)
    watch.reset(102.0, marked=True)
    watch.console("console", f"{AGAIN}\n".encode() + PANIC, 102.5)

    assert watch.verdict(102.5) is not None


def test_long_after_a_reset_clocks_may_have_gone_apart() -> None:
    watch = ready()
    watch.reset(100.0)
    watch.alive(109.0)
    watch.console("console", PANIC.replace(b" 5.", b"99."), 131.0)

    assert watch.verdict(131.0) is not None


def test_a_host_that_is_lost_cannot_be_taken_back() -> None:
    watch = ready()
    watch.console("host", PANIC, 13.0)
    watch.reset(14.0)

    assert watch.verdict(14.1) == Lost("panic of the outer guest: sysrq triggered crash", False)


@pytest.mark.parametrize("marked", [False, True])
def test_a_guest_that_the_host_cannot_let_begin_again_has_hung_and_the_machines_are_replaced(
    marked: bool,
) -> None:
    """Also where it was told to, and its console is not heard until it has begun."""
    watch = ready()
    if marked:
        watch.reset(13.0, marked=True)
    watch.console("console", f"half a li\n{STANDS_STILL} rings are in use\n".encode(), 14.0)

    assert watch.verdict(14.0) == Lost("the guest stands still: rings are in use", True)


def test_a_panic_of_the_outer_guest_is_told_apart() -> None:
    watch = ready()
    watch.console("host", PANIC, 13.0)

    assert watch.verdict(13.0) == Lost("panic of the outer guest: sysrq triggered crash", False)


def test_the_first_thing_that_goes_wrong_is_the_one_that_counts() -> None:
    watch = ready()
    watch.console("console", PANIC, 13.0)
    watch.console("host", b"kmcl-lab: the host has ended with status 0\n", 14.0)
    watch.ended(0)

    assert watch.verdict(99.0) == Lost(
        "panic of the inner guest: sysrq triggered crash", False, True
    )


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("BUG: unable to handle page fault for address: 10", "kernel fault"),
        ("BUG: kernel NULL pointer dereference, address: 0", "kernel fault"),
        ("Oops: 0002 [#1] PREEMPT SMP", "kernel fault"),
        ("watchdog: BUG: soft lockup - CPU#0 stuck for 26s!", "lockup"),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", "stall"),
        ("INFO: task sh:147 blocked for more than 120 seconds.", "blocked task"),
    ],
)
def test_what_a_kernel_says_of_its_own_end_is_known(line: str, what: str) -> None:
    watch = ready()
    watch.console("console", f"[ 1.0] {line}\r\n".encode(), 13.0)
    lost = watch.verdict(13.0)

    assert lost is not None
    assert lost.what.startswith(f"{what} of the inner guest: ")
    assert not lost.is_hang


def test_ordinary_words_of_a_kernel_are_no_verdict() -> None:
    watch = ready()
    watch.console("console", b"[ 1.0] Warning: BUG tracker at\n", 13.0)

    assert watch.verdict(13.0) is None


def test_a_host_that_ends_is_told_with_its_status() -> None:
    watch = ready()
    watch.console("host", b"kmcl-lab: the host has ended with status 1\n", 13.0)

    assert watch.verdict(13.0) == Lost("the VMBus host has ended: with status 1", False)


def test_the_inner_guest_cannot_speak_for_the_host() -> None:
    watch = a_watch()
    watch.console("console", BOOT, 1.0)
    watch.console("console", b"kmcl-lab: the host has ended with status 1\n", 1.0)

    assert watch.stage is Stage.OUTER_BOOTS
    assert watch.verdict(1.0) is None


def test_an_emulator_that_ends_is_told_with_its_code() -> None:
    watch = ready()
    watch.ended(-9)

    assert watch.verdict(13.0) == Lost("the emulator has ended with code -9", False)


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    watch = ready()
    for _ in range(100):
        watch.console("console", b"x" * 10_000, 13.0)

    assert len(watch._partial["console"]) <= 1000
