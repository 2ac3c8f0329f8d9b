"""Cases go to files and back without loss, and bad files are refused with one useful line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmcl_model.api import CALLBACKS, FUNCTIONS
from kmcl_model.boundary import BUFFERS, STATUSES
from kmcl_model.case import Case, CaseError, Expectation, stimulus_from_json, stimulus_to_json
from kmcl_model.events import Argument
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.stimuli import (
    HOLD,
    Act,
    Arm,
    Environ,
    Invoke,
    Reaction,
    Release,
    Run,
    Settle,
    Stimulus,
)

names = st.text("p0:\n\x1b\u2028\ud800", max_size=5) | st.sampled_from(
    ["p0", "this", "hex:00", "pattern:1:2"]
)
values = st.none() | st.booleans() | st.integers() | names | st.lists(names, max_size=3).map(tuple)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, tuple[Argument, ...]]:
    function = draw(st.sampled_from(sorted(FUNCTIONS)))
    kinds = {
        **dict.fromkeys(BUFFERS, st.none() | st.binary(max_size=20)),
        **dict.fromkeys(STATUSES, st.none() | st.integers(0, 0xFFFFFFFF)),
    }
    parameters = FUNCTIONS[function].parameters
    return function, tuple(draw(kinds.get(name, values)) for name in parameters)


steps = st.just(HOLD) | calls().map(lambda call: Act(*call))
reactions = st.builds(
    Reaction, st.lists(steps, max_size=3).map(tuple), st.integers(0, 0xFFFFFFFF), st.booleans()
)
stimuli: st.SearchStrategy[Stimulus] = st.one_of(
    st.builds(lambda e, by, call: Invoke("invoke", e, by, *call), names, names, calls()),
    st.builds(Arm, st.just("arm"), names, st.sampled_from(sorted(CALLBACKS)), reactions),
    st.builds(Release, st.just("release"), names, names),
    st.builds(Environ, st.just("environment"), names, names),
    st.builds(Run, st.just("run"), st.integers(0)),
    st.builds(Settle, st.just("settle")),
)


def a_case(*given: Stimulus) -> Case:
    return Case(
        name="packet-after-pause",
        adapter="mutant:pause-does-not-wait",
        profile="core",
        seed=7,
        tool="0.1.0",
        note="found while exploring",
        expect=Expectation(
            verdict="violation", requirements=("F283",), event="packet while paused"
        ),
        stimuli=given,
    )


SMALL = a_case(
    Invoke("invoke", "client", "t0", "VmbPacketSend", ("p0", payload_bytes(Payload(2, 9)), 1)),
    Arm("arm", "server", "EvtVmbChannelOpened", Reaction((Act("VmbChannelPause"), HOLD), 0, True)),
    Settle("settle"),
)


@given(st.lists(stimuli, max_size=4))
def test_a_case_survives_its_text(given: list[Stimulus]) -> None:
    case = a_case(*given)
    read = Case.loads(case.dumps())

    assert read == case
    assert repr(read.stimuli) == repr(tuple(given))


@given(stimuli)
def test_a_stimulus_survives_its_json(stimulus: Stimulus) -> None:
    assert repr(stimulus_from_json(stimulus_to_json(stimulus))) == repr(stimulus)


def test_the_text_is_the_documented_one() -> None:
    assert SMALL.dumps() == (
        "{\n"
        '  "schema": "kmcl-case/1",\n'
        '  "name": "packet-after-pause",\n'
        '  "adapter": "mutant:pause-does-not-wait",\n'
        '  "profile": "core",\n'
        '  "seed": 7,\n'
        '  "tool": "0.1.0",\n'
        '  "note": "found while exploring",\n'
        '  "expect": {\n'
        '    "verdict": "violation",\n'
        '    "requirements": [\n'
        '      "F283"\n'
        "    ],\n"
        '    "event": "packet while paused"\n'
        "  },\n"
        '  "stimuli": [\n'
        '    {"stimulus": "invoke", "endpoint": "client", "by": "t0", "function": "VmbPacketSend",'
        ' "arguments": {"Packet": "p0", "Buffer": "pattern:2:9", "Flags": 1}},\n'
        '    {"stimulus": "arm", "endpoint": "server", "callback": "EvtVmbChannelOpened",'
        ' "reaction": {"steps": [{"act": "VmbChannelPause", "arguments": {}}, {"hold": true}],'
        ' "status": 0, "sticky": true}},\n'
        '    {"stimulus": "settle"}\n'
        "  ]\n"
        "}\n"
    )


def test_a_case_written_by_hand_may_leave_out_what_has_a_default() -> None:
    case = Case.loads(
        '{"schema": "kmcl-case/1", "name": "n", "adapter": "reference", "profile": "core",'
        ' "seed": 0, "tool": "by hand", "stimuli": ['
        ' {"stimulus": "invoke", "endpoint": "client", "by": "t0", "function": "VmbChannelEnable"},'
        ' {"stimulus": "arm", "endpoint": "client", "callback": "EvtVmbChannelOpened",'
        '  "reaction": {"status": "STATUS_UNSUCCESSFUL"}}]}'
    )

    assert case == Case(
        name="n",
        adapter="reference",
        profile="core",
        seed=0,
        tool="by hand",
        stimuli=(
            Invoke("invoke", "client", "t0", "VmbChannelEnable"),
            Arm("arm", "client", "EvtVmbChannelOpened", Reaction(status=0xC0000001)),
        ),
    )


def test_equal_cases_are_one_in_a_set() -> None:
    assert len({SMALL, Case.loads(SMALL.dumps())}) == 1


def test_a_file_is_read_back(tmp_path: Path) -> None:
    SMALL.save(tmp_path / "small.json")

    assert Case.load(tmp_path / "small.json") == SMALL
    assert [path.name for path in tmp_path.iterdir()] == ["small.json"]


CORRECT_IT = "correct it; the format is kmcl-case/1, described in case.schema.json"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"seed": 7', '"seed": "7"', f"seed: Input should be a valid integer; {CORRECT_IT}"),
        (
            '"schema": "kmcl-case/1",',
            "",
            f"schema: Input should be 'kmcl-case/1'; {CORRECT_IT}",
        ),
        ('"adapter"', '"adapte"', f"adapter: is missing; {CORRECT_IT}"),
        ("kmcl-case/1", "kmcl-case/9", f"schema: Input should be 'kmcl-case/1'; {CORRECT_IT}"),
        (
            '"invoke"',
            '"provoke"',
            "stimuli[0]: 'provoke' is none of 'invoke', 'arm', 'release', 'environment', 'post', "
            f"'run', 'settle'; {CORRECT_IT}",
        ),
        (
            '"Flags": 1',
            '"Colour": 1',
            "stimuli[0]: VmbPacketSend has no 'Colour'; it takes Packet, Buffer, Flags; "
            + CORRECT_IT,
        ),
        (
            "VmbChannelPause",
            "VmbChannelRest",
            "stimuli[1]: reaction.steps[0].act: no function of the interface is called "
            f"'VmbChannelRest'; {CORRECT_IT}",
        ),
        (
            '"hold": true',
            '"hold": false',
            f"stimuli[1]: reaction.steps[1].hold: Input should be True; {CORRECT_IT}",
        ),
        (
            '  "stimuli"',
            "  stimuli",
            "line 16, column 3: not JSON: Expecting property name enclosed in double quotes; "
            "restore the file from where it was saved",
        ),
    ],
)
def test_a_broken_file_is_refused_in_one_line_with_its_path(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = tmp_path / "broken.json"
    broken = SMALL.dumps().replace(old, new, 1)
    assert broken != SMALL.dumps()
    path.write_text(broken)

    with pytest.raises(CaseError) as caught:
        Case.load(path)

    assert str(caught.value) == f"{path}: {complaint}"


def test_a_file_that_cannot_be_read_or_written_says_so_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    complaints = []
    for act in (
        lambda: Case.load(tmp_path / "none.json"),
        lambda: Case.load(tmp_path / "bytes.json"),
        lambda: SMALL.save(tmp_path / "none" / "small.json"),
    ):
        with pytest.raises(CaseError) as caught:
            act()
        complaints.append(str(caught.value).removeprefix(f"{tmp_path}/"))

    assert complaints == [
        "none.json: No such file or directory; name a file that can be read",
        "bytes.json: not UTF-8 text; name a case file",
        "none/small.json: No such file or directory; choose a folder that can be written",
    ]


def test_a_stimulus_the_interface_does_not_have_is_not_written() -> None:
    with pytest.raises(CaseError, match="cannot be written"):
        stimulus_to_json(Invoke("invoke", "client", "t0", "VmbPacketSend", ("p0",)))
    with pytest.raises(CaseError, match="cannot be written"):
        stimulus_to_json(Invoke("invoke", "client", "t0", "VmbFly"))
