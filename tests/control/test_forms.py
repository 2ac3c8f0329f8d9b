"""Messages, signals and posts as JSON: nothing is lost, schema and readers agree, and charts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kmcl_adapters.guest import create
from kmcl_conformance.control.setup import DEVICES, SETTLE, offer, post
from kmcl_conformance.sequence import replay
from kmcl_conformance.subjects import VMBUS
from kmcl_model.case import Case, CaseError, stimulus_from_json, stimulus_to_json
from kmcl_model.control import FLAWS, GUEST, HOST, MESSAGES
from kmcl_model.events import Event, Message, Return, Signal
from kmcl_model.plain import stimulus_of
from kmcl_model.schemas import case_schema, trace_schema
from kmcl_model.stimuli import Post, Stimulus
from kmcl_model.trace import TraceError, dump_trace, event_from_json, event_to_json, load_trace
from kmcl_reports.chart_text import render_sequence
from kmcl_reports.sequence import describe_event

TRACE = Draft202012Validator(trace_schema())
CASE = Draft202012Validator(case_schema())
CONVERSATIONS = VMBUS.tours(VMBUS.ends, False, "")

values = st.integers(0, 2**32 - 1) | st.booleans() | st.text(max_size=5)
flaws = st.sampled_from(FLAWS)


def messages(which: str) -> st.SearchStrategy[tuple[str, tuple[Any, ...]]]:
    return st.sampled_from(sorted(MESSAGES)).flatmap(
        lambda name: st.tuples(
            st.just(name), st.tuples(*[values] * len(getattr(MESSAGES[name], which)))
        )
    )


events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        lambda end, message, flaw: Message("message", end, message[0], message[1], flaw),
        st.sampled_from([GUEST, HOST]),
        messages("fields"),
        flaws,
    ),
    st.builds(Signal, st.just("signal"), st.sampled_from([GUEST, HOST]), st.integers()),
)
posts = st.builds(
    lambda message, flaw: Post("post", message[0], message[1], flaw), messages("given"), flaws
)


@given(st.lists(events, max_size=5))
def test_a_trace_of_a_bus_goes_to_text_and_back(trace: list[Event]) -> None:
    text = dump_trace(trace)

    assert load_trace(text) == trace
    assert all(TRACE.is_valid(json.loads(line)) for line in text.splitlines())


@given(posts)
def test_a_post_goes_to_json_and_back_by_both_readers(stimulus: Stimulus) -> None:
    record = stimulus_to_json(stimulus)

    assert stimulus_from_json(record) == stimulus_of(record) == stimulus


def test_every_conversation_is_a_case_and_a_trace_that_the_schemas_accept() -> None:
    specification = VMBUS.specification()
    for tour in CONVERSATIONS:
        case = Case(
            name=tour.name,
            adapter="guest",
            profile="linux-vmbus",
            seed=1,
            tool="0",
            stimuli=tour.stimuli,
        )
        outcome = replay(create(""), specification, tour.stimuli)

        assert Case.loads(case.dumps()) == case
        assert CASE.is_valid(json.loads(case.dumps()))
        assert tuple(load_trace(dump_trace(outcome.events))) == outcome.events


SENT = event_to_json(Message("message", HOST, "GPADL_CREATED", (1, 70, 0)))


@pytest.mark.parametrize(
    "change",
    [
        {"message": "GPADL_MELTED"},
        {"fields": {"child_relid": 1, "gpadl": 70}},
        {"fields": {"child_relid": 1, "gpadl": 70, "creation_status": 0, "colour": 1}},
        {"fields": {"child_relid": 1, "gpadl": 70, "creation_status": 0.5}},
        {"flaw": "ugly"},
        {"endpoint": 7},
    ],
)
def test_schema_and_reader_refuse_the_same_messages(change: dict[str, Any]) -> None:
    line = {**SENT, **change}

    assert TRACE.is_valid(SENT)
    assert not TRACE.is_valid(line)
    with pytest.raises(TraceError):
        event_from_json(line)


POST = stimulus_to_json(post("GPADL_CREATED", 1, 0, flaw="short"))


@pytest.mark.parametrize(
    "change",
    [
        {"message": "GPADL_MELTED"},
        {"fields": {"child_relid": 1}},
        {"fields": {"child_relid": 1, "gpadl": 70, "creation_status": 0}},
        {"flaw": "ugly"},
        {"colour": "red"},
    ],
)
def test_both_readers_refuse_the_same_posts(change: dict[str, Any]) -> None:
    record = {**POST, **change}

    with pytest.raises(CaseError):
        stimulus_from_json(record)
    with pytest.raises(ValueError, match=r"\w"):
        stimulus_of(record)


def test_a_bus_is_drawn_with_the_guest_on_the_left_and_the_test_on_the_right() -> None:
    conversation = next(t for t in CONVERSATIONS if t.name == "refused versions")
    outcome = replay(create(""), VMBUS.specification(), conversation.stimuli[:4])
    chart = render_sequence(outcome.events, width=100).splitlines()

    assert chart[0].split() == ["guest", "host"]
    assert chart[1].split() == ["user", "kernel", "wire", "test"]
    assert "├─ u0: load() ─" in chart[2]
    assert "vmbus_version_requested=5.3" in "".join(chart)
    assert any(line.endswith("◀───────────────────── VERSION_RESPONSE( ─┤") for line in chart)
    assert "msg_conn_id=4)" in "".join(chart)
    assert max(map(len, chart)) <= 100


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Message("message", GUEST, "UNLOAD", (None,)), "guest: UNLOAD()"),
        (Message("message", GUEST, "UNLOAD", (4,)), "guest: UNLOAD() @4"),
        (
            Message("message", GUEST, "INITIATE_CONTACT", (0x50003, 1)),
            "guest: INITIATE_CONTACT(vmbus_version_requested=5.3, target_vcpu=1)",
        ),
        (
            Message("message", HOST, "GPADL_TORNDOWN", (7,), "wrong id"),
            "host: GPADL_TORNDOWN(7) [wrong id]",
        ),
        (Signal("signal", GUEST, 3), "guest: signal(3)"),
        (Return("return", GUEST, "u0", "open", 19, ()), "guest u0: open = ENODEV"),
        (Return("return", GUEST, "u0", "open", 0, ()), "guest u0: open = 0"),
    ],
)
def test_an_event_of_the_bus_in_one_line(event: Event, text: str) -> None:
    assert describe_event(event) == text


def test_a_host_without_contact_has_nothing_to_say() -> None:
    stimuli = (offer(1), post("VERSION_RESPONSE", True), SETTLE)

    outcome = replay(create(""), VMBUS.specification(), stimuli)

    assert outcome.stimuli == (SETTLE,)
    assert DEVICES[0] not in str(outcome.events)
