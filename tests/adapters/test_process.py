"""The line protocol from both sides, and processes that do not keep it."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kmcl_adapters.interface import Adapter, AdapterError, Description
from kmcl_adapters.lines import (
    PROTOCOL,
    ProtocolError,
    description_from_json,
    description_to_json,
    serve,
)
from kmcl_adapters.process import BATCH, ProcessAdapter, create
from kmcl_model.case import stimulus_to_json
from kmcl_model.events import Call, Event, Lost, Quiescence, Return
from kmcl_model.stimuli import Invoke, Settle, Stimulus

SETTLE = Settle("settle")
ENABLE = Invoke("invoke", "client", "t0", "VmbChannelEnable")
CALL = Call("call", "client", "t0", "VmbChannelEnable", ())
RETURN = Return("return", "client", "t0", "VmbChannelEnable", 0, ())
SILENCE = Quiescence("quiescence", True)
TOY = Description("toy", "1", "toy", frozenset({"client"}), True, 0.0)

# A server that keeps the protocol; tests replace what it does for a request.
SERVER = """
import json, os, signal, sys

def say(**message):
    sys.stdout.write(json.dumps(message) + "\\n")
    sys.stdout.flush()

HELLO = {hello!r}
say(**HELLO)
for line in sys.stdin:
    request = json.loads(line)
    number, do = request["request"], request["do"]
    stimuli = request.get("stimuli", [])
{body}
    say(reply=number, runnable=2)
"""


class ToySession:
    """Every call succeeds at once."""

    def __init__(self, record: Callable[[Event], None]) -> None:
        self.record = record
        self.late: list[Event] = []
        self.closed = False

    def apply(self, stimulus: Stimulus) -> None:
        if isinstance(stimulus, Settle):
            self.late.append(SILENCE)
            return
        assert isinstance(stimulus, Invoke)
        self.record(CALL)
        self.late.append(RETURN)

    def runnable(self) -> int:
        return 3

    def take(self) -> list[Event]:
        events, self.late = self.late, []
        return events

    def close(self) -> None:
        self.closed = True


class ToyService:
    def __init__(self) -> None:
        self.sessions: list[ToySession] = []

    def describe(self) -> Description:
        return TOY

    def open(self, record: Callable[[Event], None]) -> ToySession:
        self.sessions.append(ToySession(record))
        return self.sessions[-1]


class Refuser(ToyService):
    """One that refuses to enable, and to dance."""

    def refusal(self, function: str) -> str | None:
        return f"{function}: no" if function in ("VmbChannelEnable", "VmbDance") else None


class Counting(ToyService):
    """One that counts its sessions."""

    def tally(self) -> Mapping[str, int]:
        return {"sessions": len(self.sessions)}


def conversation(
    *requests: dict[str, Any], service: ToyService | None = None
) -> list[dict[str, Any]]:
    lines = [
        json.dumps({"request": number, **request}).encode()
        for number, request in enumerate(requests, start=1)
    ]
    said: list[bytes] = []
    serve(service or ToyService(), lines, said.append)
    return [json.loads(line) for line in said]


def server(
    tmp_path: Path, body: str = "    pass", hello: dict[str, Any] | None = None, **options: Any
) -> ProcessAdapter:
    path = tmp_path / "server.py"
    hello = hello or {
        "protocol": PROTOCOL,
        "sessions": "many",
        "description": description_to_json(TOY),
    }
    path.write_text(SERVER.format(hello=hello, body=body), encoding="utf-8")
    return ProcessAdapter([sys.executable, "-S", str(path)], "process:server", **options)


def fate(adapter: Adapter, *stimuli: Stimulus) -> list[Event]:
    """What a session shows; afterwards the process is gone or idle."""
    session = adapter.open()
    for stimulus in stimuli:
        session.apply(stimulus)
    events = session.take()
    session.close()
    return events


def test_serving_says_what_happens_as_it_happens() -> None:
    apply = {"do": "apply", "stimuli": [stimulus_to_json(ENABLE), stimulus_to_json(SETTLE)]}
    hello, opened, *events, applied, closed = conversation({"do": "open"}, apply, {"do": "close"})

    assert hello == {
        "protocol": PROTOCOL,
        "sessions": "many",
        "description": description_to_json(TOY),
    }
    assert [line["event"] for line in events] == ["call", "return", "quiescence"]
    assert (opened, applied) == ({"reply": 1, "runnable": 3}, {"reply": 2, "runnable": 3})
    assert closed == {"reply": 3, "runnable": 0}


def test_serving_refuses_what_it_does_not_understand() -> None:
    _, no_session, unknown, bad = conversation(
        {"do": "apply", "stimuli": []},
        {"do": "dance"},
        {"do": "apply", "stimuli": []},
    )

    assert "no session" in no_session["error"]
    assert "'dance'" in unknown["error"]
    assert bad["reply"] == 3


def test_a_bad_stimulus_is_refused_in_one_line() -> None:
    *_, answer = conversation({"do": "open"}, {"do": "apply", "stimuli": [{"stimulus": "jump"}]})

    assert answer["reply"] == 2
    assert "jump" in answer["error"]


def test_a_reply_tells_of_calls_that_are_always_refused() -> None:
    """Where no stimulus can name the function, nothing is done."""
    stimuli = [stimulus_to_json(ENABLE), stimulus_to_json(SETTLE)]
    dance = {"stimulus": "invoke", "endpoint": "client", "by": "t0", "function": "VmbDance"}
    sing = dance | {"function": "VmbSing"}
    said = conversation(
        {"do": "open"},
        {"do": "apply", "stimuli": stimuli},
        {"do": "apply", "stimuli": stimuli[1:]},
        {"do": "apply", "stimuli": [dance]},
        {"do": "apply", "stimuli": [sing]},
        service=Refuser(),
    )

    assert [line for line in said if "reply" in line][1:] == [
        {"reply": 2, "runnable": 3, "refused": ["VmbChannelEnable: no"]},
        {"reply": 3, "runnable": 3},
        {"reply": 4, "error": "VmbDance: no"},
        {"reply": 5, "error": "no function of the interface is called 'VmbSing'"},
    ]


def test_serving_one_session_only_comes_back_with_the_request_to_close() -> None:
    said: list[bytes] = []
    lines = [b'{"request":1,"do":"open"}', b'{"request":2,"do":"close"}', b"never read"]

    assert serve(ToyService(), lines, said.append, hello=False, once=True) == 2
    assert [json.loads(line) for line in said] == [{"reply": 1, "runnable": 3}]


def test_a_new_session_and_the_end_close_the_one_before() -> None:
    service = ToyService()
    serve(service, [b'{"request":1,"do":"open"}'] * 2, lambda _: None)

    assert [session.closed for session in service.sessions] == [True, True]


def test_a_service_that_cannot_serve_says_so() -> None:
    class Broken(ToyService):
        def describe(self) -> Description:
            raise AdapterError("out of order")

    said: list[bytes] = []
    serve(Broken(), [], said.append)

    assert [json.loads(line) for line in said] == [{"protocol": PROTOCOL, "error": "out of order"}]


def test_a_description_survives_the_way() -> None:
    assert description_from_json(description_to_json(TOY), "toy") == TOY
    with pytest.raises(ProtocolError, match="no proper description"):
        description_from_json({"name": "toy"}, "toy")


AROUND = ("Linux 6.12.9", "QEMU 10.0.2", "<b>\ud800\x1b")


def test_what_it_runs_in_survives_the_way() -> None:
    told = TOY._replace(surroundings=AROUND)

    assert description_from_json(json.loads(json.dumps(description_to_json(told))), "toy") == told
    assert "surroundings" not in description_to_json(TOY)  # as older peers say it


def test_nothing_is_written_that_would_not_be_read() -> None:
    told = TOY._replace(surroundings=("x" * 301, *["y"] * 16))
    read = description_from_json(description_to_json(told), "toy")

    assert read.surroundings == ("x" * 300, *["y"] * 15)


@pytest.mark.parametrize("around", [None, "Linux", {"kernel": "6"}, [6], ["x" * 301], ["x"] * 17])
def test_surroundings_that_make_no_sense_are_refused(around: object) -> None:
    with pytest.raises(ProtocolError, match="surroundings are no list of up to 16 texts"):
        description_from_json(description_to_json(TOY) | {"surroundings": around}, "toy")


def test_what_was_counted_is_told_when_a_session_is_closed() -> None:
    session = {"do": "open"}, {"do": "apply", "stimuli": []}, {"do": "close"}
    replies = conversation(*session, *session, service=Counting())

    assert [reply.get("tally") for reply in replies[1:]] == [
        *(None, None, {"sessions": 1}),
        *(None, None, {"sessions": 2}),
    ]
    assert [reply.get("tally") for reply in conversation(*session)] == [None] * 4


def counting(tmp_path: Path, tally: str) -> ProcessAdapter:
    """A process that counts, and dies in every second of its sessions."""
    return server(
        tmp_path,
        "    count = globals().get('count', 0) + (do == 'close')\n"
        "    if do == 'apply' and count: os._exit(1)\n"
        f"    if do == 'close': say(reply=number, runnable=0, tally={tally}); continue",
    )


def test_what_processes_count_one_after_the_other_is_added_up(tmp_path: Path) -> None:
    adapter = counting(tmp_path, "{'late': 3, 'never': 0}")
    tallies = []
    for _ in range(4):
        fate(adapter, ENABLE)
        tallies.append(adapter.tally())
    adapter.close()

    once, twice = {"late": 3, "never": 0}, {"late": 6, "never": 0}
    assert tallies == [once, once, twice, twice]
    assert adapter.tally() == twice


@pytest.mark.parametrize(
    "tally",
    [
        "[1]",
        "{'late': '1'}",
        "{'late': True}",
        "{'late': -1}",
        "{'late': 1 << 53}",
        "{'x' * 301: 1}",
        "{str(n): n for n in range(17)}",
    ],
)
def test_a_process_that_counts_nonsense_is_ended(tmp_path: Path, tally: str) -> None:
    adapter = counting(tmp_path, tally)
    fate(adapter, ENABLE)

    assert (adapter.tally(), adapter._child) == ({}, None)


def test_processes_that_count_ever_new_things_do_not_fill_a_certificate(tmp_path: Path) -> None:
    adapter = counting(tmp_path, "{f'{os.getpid()} {n}': 1 for n in range(9)}")
    for _ in range(8):
        fate(adapter, ENABLE)
    adapter.close()

    assert len(adapter.tally()) == 16


def test_events_and_runnable_steps_come_from_the_process(tmp_path: Path) -> None:
    event = '{"event": "environment", "endpoint": "client", "action": "spurious"}'
    adapter = server(tmp_path, f"    for _ in stimuli: say(**{event})")
    session = adapter.open()

    assert adapter.describe() == TOY._replace(adapter="process:server")
    session.apply(ENABLE)
    assert session.runnable() == 2
    assert [e.kind for e in session.take()] == ["environment"]
    assert session.take() == []
    session.close()
    assert fate(adapter, *[ENABLE] * (BATCH + 1)) != []
    adapter.close()


def test_batches_larger_than_a_pipe_pass(tmp_path: Path) -> None:
    adapter = server(
        tmp_path,
        '    say(event="environment", endpoint=str(len(line)), action="x" * 300000) '
        "if stimuli else None",
    )
    send = Invoke("invoke", "client", "t0", "VmbPacketSend", ("p0", bytes(range(256)) * 16, 0))
    session = adapter.open()
    for _ in range(BATCH):
        session.apply(send)
    (event,) = session.take()

    assert int(event[1]) > 8192 * BATCH
    adapter.close()


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        ("print('tell me', file=sys.stderr); os._exit(3)", "crash", "exit code 3: tell me"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crash", "SIGKILL"),
        ("os.close(1); signal.pause()", "crash", "the process closed its output"),
        ("signal.pause()", "hang", "no answer within 1 s"),
        ("print('oops')", "garbage", "not a JSON object: 'oops'"),
        ("print('\\x1b[31m' * 40)", "garbage", "not a JSON object: '\\x1b[31m"),
        ("say(hello=1)", "garbage", "neither an event nor our reply"),
        ("say(event='call')", "garbage", "endpoint: is missing"),
        ("sys.stdout.write('x' * 5000000)", "garbage", "a line of more than"),
        ("say(reply=number, error='cannot'); continue", "garbage", "cannot"),
        (
            "[say(event='environment', endpoint='e', action='a') for _ in range(250)]",
            "flood",
            "more than 200 events for 2 stimuli",
        ),
        ("say(event='lost', reason='flood', detail='of tears')", "flood", "of tears"),
    ],
)
def test_what_becomes_of_a_process_that_misbehaves(
    tmp_path: Path, body: str, reason: str, detail: str
) -> None:
    mark = tmp_path / "was here"
    adapter = server(
        tmp_path,
        f"    if do == 'apply' and not os.path.exists({str(mark)!r}):\n"
        f"        open({str(mark)!r}, 'w').close()\n"
        f"        {body}",
        limit=60.0,
        flood=10,
    )
    adapter.describe()
    session = adapter.open()
    if reason == "hang":
        adapter._limit = 1.0  # of what hangs, and of nothing else
    session.apply(ENABLE)
    session.apply(SETTLE)
    *_, lost = session.take()
    adapter._limit = 60.0

    assert isinstance(lost, Lost)
    assert lost.reason == reason
    assert lost.detail.startswith(detail)
    assert lost.detail.isprintable()
    session.apply(SETTLE)
    assert (session.take(), session.runnable()) == ([], 0)
    session.close()
    assert fate(adapter, ENABLE) == []  # a new process, and it behaves
    adapter.close()


def test_a_process_may_play_one_session_only(tmp_path: Path) -> None:
    hello = {"protocol": PROTOCOL, "sessions": "one", "description": description_to_json(TOY)}
    adapter = server(
        tmp_path,
        "    if do == 'apply': say(event='environment', endpoint=str(os.getpid()), action='a')",
        hello,
    )
    first, second = fate(adapter, ENABLE), fate(adapter, ENABLE)

    assert len({*first, *second}) == 2
    adapter.close()


@pytest.mark.parametrize(
    ("hello", "message"),
    [
        ({"protocol": "kmcl-line/9"}, "it speaks 'kmcl-line/9', not 'kmcl-line/1'"),
        ({"protocol": PROTOCOL, "error": "no library"}, "process:server: no library"),
        ({"protocol": PROTOCOL}, "the hello has no proper description"),
    ],
)
def test_a_hello_that_cannot_be_used(tmp_path: Path, hello: dict[str, Any], message: str) -> None:
    with pytest.raises(AdapterError, match=message):
        server(tmp_path, hello=hello).describe()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "needs a command"),
        ("'", "No closing quotation"),
        ("/no/such/program --serve", "cannot start it: No such file or directory"),
        (shlex.join([sys.executable, "-c", ""]), "crash: exit code 0"),
        (shlex.join([sys.executable, "-c", "print('hi')"]), "garbage: not a JSON object: 'hi'"),
    ],
)
def test_a_command_that_cannot_be_used(command: str, message: str) -> None:
    with pytest.raises(AdapterError, match=message):
        create(command)


def test_a_session_that_is_refused(tmp_path: Path) -> None:
    adapter = server(tmp_path, "    say(reply=number, error='busy'); continue")
    with pytest.raises(AdapterError, match="process:server: busy"):
        adapter.open()
    adapter.close()


def test_a_process_that_dies_when_a_session_is_opened(tmp_path: Path) -> None:
    adapter = server(tmp_path, "    if do == 'open': os._exit(1)")
    with pytest.raises(AdapterError, match="crash: exit code 1"):
        adapter.open()
    adapter.close()


def test_a_process_that_died_after_a_session_is_started_again(tmp_path: Path) -> None:
    adapter = server(tmp_path, "    if do == 'close': say(reply=number); os._exit(1)")

    assert fate(adapter, ENABLE) == fate(adapter, ENABLE) == []
    adapter.close()


def test_nothing_is_left_of_a_process_that_was_closed(tmp_path: Path) -> None:
    adapter = server(
        tmp_path, "    say(event='environment', endpoint=str(os.getpid()), action='a')"
    )
    adapter.flood = 100
    (event, *_) = fate(adapter, ENABLE)
    adapter.close()
    adapter.close()

    with pytest.raises(ProcessLookupError):
        os.kill(int(event[1]), 0)
