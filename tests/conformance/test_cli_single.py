"""``kmcl replay`` and ``kmcl check``: one case, one trace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from kmcl_conformance.cli import main, single
from kmcl_conformance.sequence import Outcome
from kmcl_model.case import Case
from kmcl_model.events import Call, Enter, Event, Quiescence, Return
from kmcl_model.stimuli import HOLD, Act, Arm, Environ, Invoke, Reaction, Run, Settle
from kmcl_model.trace import Origin, dump_trace, load_origin

MUTANT = "mutant:opened-status-ignored"


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def is_one_line(self) -> bool:
        return self.err.count("\n") == 1 and self.err.startswith("kmcl: ")


Kmcl = Callable[..., Result]


@pytest.fixture
def kmcl(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Kmcl:
    """Run kmcl in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_kmcl(*arguments: str) -> Result:
        code = main(arguments)
        return Result(code, *capsys.readouterr())

    return run_kmcl


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case that the mutant fails."""
    folder = tmp_path_factory.mktemp("found")
    assert main(["certify", "-a", MUTANT, "-b", "1", "--out", str(folder), "--quiet"]) == 1
    return sorted((folder / "cases").iterdir())[0]


def allocate(endpoint: str, by: str = "t0") -> Invoke:
    return Invoke("invoke", endpoint, by, "VmbChannelAllocate", (endpoint == "server",))


def save(path: str, *stimuli: object, adapter: str = "reference") -> str:
    Case.model_validate(
        {
            "name": "made",
            "adapter": adapter,
            "profile": "full",
            "seed": 1,
            "tool": "test",
            "stimuli": stimuli,
        }
    ).save(Path(path))
    return path


# Replay ---------------------------------------------------------------------------------------


def test_a_case_that_still_fails_is_drawn_and_explained(kmcl: Kmcl, case: Path) -> None:
    result = kmcl("replay", str(case))

    assert result.code == 1
    assert result.out.splitlines()[-1] == "FAILED"
    assert "allowed instead" in result.out
    assert "broken" in result.out
    assert "last state" in result.out


def test_a_case_that_no_longer_fails_is_fixed(kmcl: Kmcl, case: Path) -> None:
    result = kmcl("replay", str(case), "--adapter", "reference")

    assert result.code == 0
    assert result.out.splitlines()[-1] == "FIXED"


def test_the_configuration_is_drawn_when_asked_for(kmcl: Kmcl, case: Path) -> None:
    short, whole = kmcl("replay", str(case)), kmcl("replay", str(case), "--whole")

    assert "VmbChannelAllocate" not in short.out
    assert "are left out" in short.out
    assert "VmbChannelAllocate" in whole.out


def test_json_has_the_finding_and_the_trace(kmcl: Kmcl, case: Path) -> None:
    result = kmcl("replay", str(case), "--json")

    data = json.loads(result.out)
    assert (result.code, data["outcome"], result.err) == (1, "failed", "")
    assert data["failure"]["requirements"] == list(Case.load(case).expect.requirements)  # type: ignore[union-attr]
    assert data["failure"]["number"] < len(data["trace_events"])


def test_quiet_says_it_by_the_code_alone(kmcl: Kmcl, case: Path) -> None:
    assert kmcl("replay", str(case), "--quiet") == (1, "", "")


def test_the_trace_of_a_replay_can_be_kept_and_checked(kmcl: Kmcl, case: Path) -> None:
    kmcl("replay", str(case), "--out", "kept", "--quiet")

    assert json.loads(Path("kept/replay.json").read_text())["outcome"] == "failed"
    result = kmcl("check", "kept/trace.jsonl")

    assert (result.code, result.out.splitlines()[-1]) == (1, "VIOLATIONS")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", "\x00", '{"schema": "kmcl-case/9"}', "9" * 5000, "[" * 100_000],
)
def test_a_broken_case_file_gets_one_line_and_code_2(kmcl: Kmcl, text: str) -> None:
    Path("broken.json").write_text(text)

    result = kmcl("replay", "broken.json")

    assert (result.code, result.is_one_line, result.out) == (2, True, "")
    assert result.err.startswith("kmcl: broken.json: ")


def test_a_case_file_that_is_not_there_gets_one_line(kmcl: Kmcl) -> None:
    result = kmcl("replay", "none.json")

    assert (result.code, result.is_one_line) == (2, True)


def test_a_case_of_an_unknown_adapter_gets_one_line(kmcl: Kmcl) -> None:
    result = kmcl("replay", save("case.json", allocate("client"), adapter="elsewhere"))

    assert (result.code, result.is_one_line) == (2, True)
    assert "'elsewhere'" in result.err


def test_a_case_without_stimuli_or_of_a_third_end_is_refused(kmcl: Kmcl) -> None:
    empty = kmcl("replay", save("empty.json"))
    third = kmcl("replay", save("third.json", allocate("client"), allocate("third")))

    assert (empty.code, "no stimuli" in empty.err) == (2, True)
    assert (third.code, "stimuli[1].endpoint: 'third'" in third.err) == (2, True)


@pytest.mark.parametrize(
    ("stimulus", "capability"),
    [
        (Environ("environment", "client", "crash"), "crash"),
        (Environ("environment", "client", "earthquake"), "earthquake"),
    ],
)
def test_a_case_that_needs_more_than_the_adapter_offers_is_an_error(
    kmcl: Kmcl, stimulus: object, capability: str
) -> None:
    Path("small_library.py").write_text(
        "class Library:\n    Capabilities = 'server client'\n    VmbPacketFree = print\n"
    )
    case = save("case.json", allocate("client"), stimulus)

    result = kmcl("replay", case, "--adapter", "python:small_library:Library")

    assert (result.code, result.out, result.is_one_line) == (3, "ERROR\n", True)
    assert f"does not offer ({capability})" in result.err


def test_a_held_callback_and_a_schedule_need_no_more_than_they_must(kmcl: Kmcl) -> None:
    held = Arm("arm", "client", "EvtVmbChannelOpened", Reaction((HOLD,)))
    case = save("case.json", allocate("client"), held, Run("run", 3), Settle("settle"))

    result = kmcl("replay", case)

    assert (result.code, result.out.splitlines()[-1]) == (0, "FIXED")


def test_a_case_of_which_nothing_can_be_run_is_an_error(kmcl: Kmcl) -> None:
    nothing = kmcl("replay", save("nothing.json", Settle("settle")))
    quota = Invoke("invoke", "client", "t0", "VmbChannelSetTransactionQuota", ("many",))
    senseless = kmcl("replay", save("senseless.json", allocate("client"), quota))

    assert (nothing.code, nothing.out, nothing.is_one_line) == (3, "ERROR\n", True)
    assert (senseless.code, senseless.out, senseless.is_one_line) == (3, "ERROR\n", True)
    assert "senseless.json: cannot be run: TypeError" in senseless.err


HALF = "class Library:\n    def VmbChannelAllocate(self, is_server):\n        return 0, object()\n"


def test_a_case_of_which_a_call_was_not_made_is_not_fixed(kmcl: Kmcl) -> None:
    Path("half_library.py").write_text(HALF)
    flags = Invoke("invoke", "client", "t0", "VmbChannelInitSetFlags", (0,))
    case = save("case.json", allocate("client"), flags, Settle("settle"))

    result = kmcl("replay", case, "--adapter", "python:half_library:Library")

    assert (result.code, result.out, result.is_one_line) == (3, "ERROR\n", True)
    assert "1 of 2 calls were not made: not offered (VmbChannelInitSetFlags)" in result.err


def test_a_case_whose_handlers_called_nothing_is_not_fixed() -> None:
    latency = Act("VmbChannelSetInterruptLatency", (71,))
    arm = Arm("arm", "client", "EvtVmbChannelOpened", Reaction((HOLD, latency)))
    entered = Enter("enter", "client", "Opened", "EvtVmbChannelOpened", (), 0)
    called = Call("call", "client", "Opened", latency.function, (71,))

    def unmade(*events: Event) -> str:
        return single._unmade(Outcome((arm,), events, None, 1))

    assert unmade() == ""  # nobody was there to call it
    assert unmade(entered, called) == ""
    assert unmade(entered) == (
        "what handlers were to call is not offered (VmbChannelSetInterruptLatency)"
    )


def test_a_failure_counts_though_a_call_was_not_made(kmcl: Kmcl) -> None:
    Path("bad_library.py").write_text(HALF.replace("0, object()", "1, None"))
    flags = Invoke("invoke", "client", "t0", "VmbChannelInitSetFlags", (0,))
    case = save("case.json", flags, allocate("client"), Settle("settle"))

    result = kmcl("replay", case, "--adapter", "python:bad_library:Library")

    assert (result.code, result.out.splitlines()[-1]) == (1, "FAILED")


def test_a_case_that_chooses_a_schedule_is_not_fixed_where_none_can_be_chosen(kmcl: Kmcl) -> None:
    Path("free_library.py").write_text(HALF)
    mine = "python:free_library:Library"
    steps = (allocate("client"), Run("run", 0), Settle("settle"))

    other = kmcl("replay", save("other.json", *steps), "--adapter", mine)
    own = kmcl("replay", save("own.json", *steps, adapter=mine))

    assert (other.code, other.out, other.is_one_line) == (3, "ERROR\n", True)
    assert "it chooses 1 times what runs next" in other.err
    assert (own.code, own.out.splitlines()[-1]) == (0, "FIXED")


def test_a_case_of_an_unknown_profile_is_refused(kmcl: Kmcl) -> None:
    path = Path(save("case.json", allocate("client")))
    path.write_text(path.read_text().replace('"full"', '"nope"'))

    result = kmcl("replay", str(path))

    assert (result.code, result.out, result.is_one_line) == (2, "", True)
    assert "case.json: profile: 'nope' is none of full" in result.err


def test_stimuli_that_no_longer_apply_are_counted(kmcl: Kmcl) -> None:
    case = save("case.json", allocate("client"), allocate("client", "t1"), Settle("settle"))

    assert "1 of 3 stimuli no longer applied" in kmcl("replay", case).out


# Check ----------------------------------------------------------------------------------------

CALL = Call("call", "client", "t0", "VmbChannelAllocate", (False,))
RETURN = Return("return", "client", "t0", "VmbChannelAllocate", 0, ())
QUIET = Quiescence("quiescence", True)


def trace(*events: object) -> str:
    Path("trace.jsonl").write_text(dump_trace(events))  # type: ignore[arg-type]
    return "trace.jsonl"


def test_a_conforming_trace(kmcl: Kmcl) -> None:
    result = kmcl("check", trace(CALL, RETURN, QUIET))

    assert (result.code, result.out.splitlines()[-1]) == (0, "CONFORMING")


def test_a_trace_of_a_campaign_and_of_a_replay_say_whose_they_are(kmcl: Kmcl, case: Path) -> None:
    (found,) = case.parents[1].glob("traces/*.jsonl")
    kmcl("replay", str(case), "--out", "again", "--quiet")
    origins = [load_origin(p.read_text()) for p in (found, Path("again/trace.jsonl"))]
    told = json.loads(kmcl("check", str(found), "--json").out)["origin"]

    assert origins[0] == origins[1]
    assert told["implementation"].startswith("kmcl reference")
    assert "recorded of kmcl reference" in kmcl("check", str(found)).out


def test_where_an_implementation_ran_is_shown_on_one_line(kmcl: Kmcl) -> None:
    origin = Origin("Linux\nhv_vmbus", "6.12.9", ("Linux 6.12.9", "a host"))
    Path("trace.jsonl").write_text(dump_trace([CALL, RETURN, QUIET], origin))

    shown = kmcl("check", "trace.jsonl").out
    assert "recorded of Linux hv_vmbus 6.12.9 on Linux 6.12.9, a host\n" in shown


def test_an_open_end_is_pointed_out(kmcl: Kmcl) -> None:
    assert "does not end with quiescence" in kmcl("check", trace(CALL, RETURN)).out


def test_a_return_without_its_call(kmcl: Kmcl) -> None:
    result = kmcl("check", trace(CALL, RETURN, RETURN))

    assert (result.code, result.out.splitlines()[-1]) == (1, "VIOLATIONS")


def test_a_trace_that_shows_nothing_is_not_judged(kmcl: Kmcl) -> None:
    result = kmcl("check", trace())

    assert (result.code, result.is_one_line) == (3, True)


def test_the_judgement_as_json(kmcl: Kmcl) -> None:
    data = json.loads(kmcl("check", trace(CALL, RETURN, RETURN), "--json").out)

    assert data["verdict"] == "violations"
    assert data["failure"]["number"] == 2


def test_the_judgement_can_be_kept(kmcl: Kmcl) -> None:
    shown = kmcl("check", trace(CALL, RETURN, QUIET), "--out", "kept", "--json").out

    assert Path("kept/check.json").read_text() == shown


@pytest.mark.parametrize("line", ["{", "{}", "[]", '{"event": "call"}', "\x00"])
def test_a_broken_trace_gets_one_line_that_says_where(kmcl: Kmcl, line: str) -> None:
    file = Path(trace(CALL, RETURN))
    file.write_text(file.read_text() + line + "\n")

    result = kmcl("check", str(file))

    assert (result.code, result.is_one_line) == (2, True)
    assert result.err.startswith("kmcl: trace.jsonl: line 4: ")


def test_what_an_implementation_says_cannot_control_the_terminal(kmcl: Kmcl) -> None:
    evil = CALL._replace(endpoint="client\x1b[2J\u202e")

    result = kmcl("check", trace(evil))

    assert result.code == 1
    assert "\x1b" not in result.out
    assert "\u202e" not in result.out
