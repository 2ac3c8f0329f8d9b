"""The port to a real guest, with a lab that only writes down what it is told."""

import errno
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from kmcl_adapters.control import Gone, Returned, Sent, Signalled
from kmcl_adapters.host.messages import decode, encode
from kmcl_lab.frames import Kind
from kmcl_lab.guestport import LabGuestAdapter, LabPort, errno_of, payload_of, script_of
from kmcl_lab.problem import GuestLost
from kmcl_model.control import GUEST, HOST, version

OFFER: dict[str, int | str | bool] = {
    "child_relid": 3,
    "if_type": "00000000-0000-0000-0000-0000000000c0",
    "if_instance": "00000000-0000-0000-0000-0000000000d0",
    "sub_channel_index": 0,
    "monitor_allocated": False,
}


class Job:
    """A command in the guest whose words are all there from the beginning; it ends when it may."""

    def __init__(self, code: int | None, *words: tuple[Kind, bytes]) -> None:
        self.code: int | None = None
        self._code, self._words = code, words
        self.written: list[bytes] = []
        self.answers: dict[bytes, bytes] = {b"n\n": b"ok\n", b"c\n": b"closed\n"}
        self.asked = threading.Event()

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.asked.set()

    def parts(self) -> Iterator[tuple[Kind, bytes]]:
        yield from self._words
        if self._code is None:
            assert self.asked.wait(5)
            yield Kind.OUTPUT, self.answers[self.written[-1]]
        self.code = self._code or 0


class Guest:
    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.started: list[str] = []

    def start(self, argv: Sequence[str]) -> Job:
        self.started.append(argv[-1])
        return self.jobs.pop(0)


class Lab:
    """Answers what a port asks of it; ``entries`` are those of the host's trace."""

    def __init__(self) -> None:
        self.guest = Guest()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.entries: list[list[Any]] = []
        self.is_lost = False

    def ask_host(self, command: str, **arguments: Any) -> Any:
        self.asked.append((command, arguments))
        if self.is_lost:
            raise GuestLost("the machine is gone", is_hang=False)
        if command == "figures":
            return {"trace": len(self.entries)}
        if command == "trace":
            return self.entries[arguments["since"] :]
        if command == "send":
            self.note(HOST, "BYTES", {"bytes": arguments["hex"]})
        return {}

    def note(self, sender: str, name: str, fields: dict[str, Any], note: str = "") -> None:
        self.entries.append([len(self.entries), 0.0, sender, name, fields, note])


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def port(lab: Lab) -> LabPort:
    return LabPort(lab)  # type: ignore[arg-type]


def seen(port: LabPort, count: int = 1) -> list[Any]:
    """What the port tells, waiting for its threads."""
    found: list[Any] = []
    for _ in range(100_000):
        found += port.take()
        if len(found) >= count:
            break
    return found


def test_the_host_answers_nothing_by_itself(port: LabPort, lab: Lab) -> None:
    dropped = {a["name"] for command, a in lab.asked if command == "rule"}

    assert lab.asked[0] == ("clear-rules", {})
    assert {"REQUESTOFFERS", "GPADL_HEADER", "UNLOAD", "VERSION_RESPONSE"} <= dropped
    assert "INITIATE_CONTACT" not in dropped  # without it nothing could be posted
    assert all(a["action"] == "drop" and a["times"] == 0 for c, a in lab.asked if c == "rule")


def test_a_message_is_told_when_it_reaches_the_guest(port: LabPort, lab: Lab) -> None:
    port.post("OFFERCHANNEL", OFFER, "short")

    assert seen(port) == [Sent(HOST, "OFFERCHANNEL", OFFER, "short")]
    assert [command for command, _ in lab.asked].count("send") == 1


def test_what_the_guest_posts_is_told_unless_the_post_has_failed(port: LabPort, lab: Lab) -> None:
    contact = {"vmbus_version_requested": version(5, 3), "target_vcpu": 0}
    lab.note(GUEST, "INITIATE_CONTACT", contact)
    lab.note(HOST, "DROPPED", {"name": "VERSION_RESPONSE"})
    lab.note(GUEST, "UNLOAD", {}, "refused with 0x13")
    lab.note(GUEST, "SIGNAL", {"child_relid": 0, "connection_id": 0x2003})
    lab.note(GUEST, "UNLOAD", {}, "drop")

    assert seen(port, 3) == [
        Sent(GUEST, "INITIATE_CONTACT", contact),
        Signalled(GUEST, 3),
        Sent(GUEST, "UNLOAD", {}),
    ]


def test_a_call_returns_with_the_errno_of_its_command(port: LabPort, lab: Lab) -> None:
    lab.guest.jobs = [Job(0), Job(1, (Kind.ERRORS, b"sh: write error: No such device\n"))]

    port.call("u0", "load", ())
    assert seen(port) == [Returned("u0", "load", 0)]
    port.call("u1", "bind", ("d0",))
    assert seen(port) == [Returned("u1", "bind", errno.ENODEV)]
    assert lab.guest.started == [script_of("load"), script_of("bind", "d0")]


def test_a_device_stays_open_until_its_close(port: LabPort, lab: Lab) -> None:
    job = Job(None, (Kind.OUTPUT, b"op"), (Kind.OUTPUT, b"en\n"))
    lab.guest.jobs = [job]

    port.call("u0", "open", ("d0",))
    assert seen(port) == [Returned("u0", "open", 0)]
    port.call("u1", "close", ("d0",))
    assert seen(port) == [Returned("u1", "close", 0)]
    assert job.written == [b"c\n"]
    port.call("u1", "close", ("d0",))
    assert seen(port) == [Returned("u1", "close", errno.ENODEV)]


def test_an_open_that_fails_says_why(port: LabPort, lab: Lab) -> None:
    words = b"sh: can't open /dev/uio0: Resource temporarily unavailable\n"
    lab.guest.jobs = [Job(2, (Kind.ERRORS, words))]

    port.call("u0", "open", ("d0",))

    assert seen(port) == [Returned("u0", "open", errno.EAGAIN)]


def test_a_guest_that_is_gone_is_told_once(port: LabPort, lab: Lab) -> None:
    lab.is_lost = True
    port.post("RESCIND_CHANNELOFFER", {"child_relid": 1}, "")
    port.call("u0", "unload", ())

    assert seen(port) == [Gone("crash", "the machine is gone")]


def test_messages_are_whole_unless_they_are_to_be_broken() -> None:
    assert decode(payload_of("OFFERCHANNEL", OFFER, "", 0)).fields["connection_id"] == 0x2003
    supported = {"version_supported": True}
    for contact, connection in ((version(5, 3), 4), (version(4, 0), 0)):
        answer = decode(payload_of("VERSION_RESPONSE", supported, "", contact))
        assert answer.fields == {
            "version_supported": 1,
            "connection_state": 0,
            "msg_conn_id": connection,
        }
    created = {"child_relid": 1, "gpadl": 70, "creation_status": 0}
    whole = encode("GPADL_CREATED", created)
    assert payload_of("GPADL_CREATED", created, "wrong id", 0) == whole
    assert payload_of("GPADL_CREATED", created, "short", 0) == whole[:-4]
    unknown = payload_of("GPADL_CREATED", created, "unknown type", 0)
    assert (unknown[0], unknown[4:]) == (200, whole[4:])
    assert len(payload_of("UNLOAD_RESPONSE", {}, "short", 0)) == 8


@pytest.mark.parametrize(
    ("code", "said", "number"),
    [
        (0, b"insmod: a warning\n", 0),
        (1, b"insmod: can't insert 'x.ko': No such device\n", errno.ENODEV),
        (1, b"sh: write error: Disk quota exceeded\n", errno.EDQUOT),
        (1, b"", errno.EIO),
        (1, b"\xff\xfe", errno.EIO),
    ],
)
def test_an_errno_is_read_off_the_last_words(code: int, said: bytes, number: int) -> None:
    assert errno_of(code, said) == number


def test_every_function_that_is_offered_has_a_command_or_a_holder() -> None:
    for function in LabPort.offers - {"close", "notify"}:
        assert script_of(function, "d0")


def test_the_adapter_describes_a_guest() -> None:
    class Account:
        kernel = "6.12.95"

    class Running:
        def account(self) -> Account:
            return Account()

    described = LabGuestAdapter(Running()).describe()  # type: ignore[arg-type]

    assert described.version == "6.12.95"
    assert described.capabilities == {"guest", "load"}
    assert not described.exact_quiescence
