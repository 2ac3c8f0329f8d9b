"""The tables of the vocabulary hold together."""

import pytest

from kmcl_model import status
from kmcl_model.api import CALLBACKS, FUNCTIONS, STATE_CHANGE_CALLBACKS, Callback, Function
from kmcl_model.payload import (
    TAGS,
    Payload,
    matches,
    payload_bytes,
    round_up_to_eight,
    written,
)

ROLES = {"both", "client", "server"}
CAPABILITIES = {"core", "interrupt-latency", "mmio", "save-restore", "vtl"}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_row_of_the_function_table_is_sound(function: Function) -> None:
    assert FUNCTIONS[function.name] is function
    assert function.role in ROLES
    assert function.capability in CAPABILITIES
    assert "Channel" not in function.parameters, "the endpoint of the event says which channel"
    assert len(set(function.parameters)) == len(function.parameters)
    assert function.outputs or function.returns != "value"
    assert not (function.outputs and function.returns == "void")


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_the_prefix_of_a_function_tells_its_role(function: Function) -> None:
    roles = {"VmbClientChannel": "client", "VmbServerChannel": "server"}
    expected = [role for prefix, role in roles.items() if function.name.startswith(prefix)]

    assert [function.role] == (expected or ["both"])


@pytest.mark.parametrize("callback", CALLBACKS.values(), ids=CALLBACKS)
def test_a_row_of_the_callback_table_is_sound(callback: Callback) -> None:
    assert CALLBACKS[callback.name] is callback
    assert callback.role in ROLES
    assert callback.returns in {"status", "void"}
    assert callback.parameters[0] in {"Channel", "Packet"}, "the object it is about comes first"


def test_only_opened_of_the_state_change_callbacks_returns_a_status() -> None:
    assert [n for n in STATE_CHANGE_CALLBACKS if CALLBACKS[n].returns == "status"] == [
        "EvtVmbChannelOpened"
    ]


def test_a_call_that_may_block_returns_nothing_that_could_report_a_failure() -> None:
    assert {f.name: f.returns for f in FUNCTIONS.values() if f.waits} == {
        "VmbChannelDisable": "void",
        "VmbChannelPause": "void",
    }


def test_success_ends_where_warnings_begin() -> None:
    assert status.is_success(status.STATUS_SUCCESS)
    assert status.is_success(status.STATUS_PENDING)
    assert status.is_success(0x7FFFFFFF)
    assert not status.is_success(status.STATUS_BUFFER_OVERFLOW)
    assert not status.is_success(status.STATUS_UNSUCCESSFUL)


def test_every_status_has_one_name_and_an_unknown_one_is_shown_as_a_number() -> None:
    named = {n: v for n, v in vars(status).items() if n.startswith("STATUS_")}

    assert {status.status_name(value): value for value in named.values()} == named
    assert status.status_name(0xC0000002) == "0xC0000002"


@pytest.mark.parametrize("length", [1, 8, 15, 16, 300])
def test_payloads_of_different_tags_share_no_byte_at_any_offset(length: int) -> None:
    columns = zip(*(payload_bytes(Payload(tag, length)) for tag in range(TAGS)), strict=True)

    assert all(len(set(column)) == TAGS for column in columns)


def test_bytes_are_written_as_the_payload_they_are() -> None:
    assert written(payload_bytes(Payload(15, 300))) == "pattern:15:300"
    assert written(payload_bytes(Payload(0, 3)) + b"\x00") == "hex:10203000"
    assert written(b"") == "hex:"


def test_a_payload_matches_itself_with_at_most_the_padding_of_eight() -> None:
    sent = payload_bytes(Payload(4, 5))

    assert [round_up_to_eight(n) for n in (0, 1, 8, 9)] == [0, 8, 8, 16]
    assert matches(Payload(4, 5), sent)
    assert matches(Payload(4, 5), sent + b"abc")
    assert not matches(Payload(4, 5), sent + b"abcd")
    assert not matches(Payload(4, 5), sent[:-1])
    assert not matches(Payload(5, 5), sent)
    assert matches(Payload(4, 0), None)
    assert not matches(Payload(4, 1), None)
