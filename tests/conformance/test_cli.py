"""The command line as a whole: help, versions, errors, exit codes."""

import pytest

from kmcl_conformance.cli import app, main
from kmcl_conformance.cli.output import Problem

Captured = pytest.CaptureFixture[str]

COMMANDS = (
    "certify",
    "fuzz",
    "replay",
    "check",
    "mutants",
    "variants",
    "spec",
    "explore",
    "report",
    "verify",
    "adapter",
)


def test_no_arguments_show_the_commands_and_the_exit_codes(capsys: Captured) -> None:
    assert main([]) == 0

    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if name not in shown] == []
    assert "3 could not" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys: Captured, command: str) -> None:
    assert main([command, "--help"]) == 0
    assert "Usage: kmcl" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_quiet_and_json(capsys: Captured, command: str) -> None:
    main([command, "--help"])

    shown = capsys.readouterr().out
    assert "--quiet" in shown
    assert "--json" in shown


def test_the_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kmcl ")


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["certify", "too", "many"], ["replay"], ["check", "--nonsense"], ["--nonsense"]],
)
def test_wrong_usage_is_one_line(capsys: Captured, arguments: list[str]) -> None:
    assert main(arguments) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("; see kmcl --help\n")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Problem("first\nsecond\x1b[2J"), 2, "kmcl: first second\\x1b[2J\n"),
        (KeyboardInterrupt(), 3, "kmcl: interrupted before there was a verdict\n"),
        (
            ZeroDivisionError("oh"),
            3,
            "kmcl: this is a defect of kmcl: ZeroDivisionError: oh; "
            "set KMCL_TRACEBACK=1 to see where, and report it\n",
        ),
    ],
)
def test_no_error_ends_in_a_traceback(
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    line: str,
) -> None:
    def certify() -> int:
        raise error

    monkeypatch.setattr(app, "_COMMANDS", (certify, *app._COMMANDS[1:]))

    assert main(["certify"]) == code
    assert capsys.readouterr() == ("", line)


def test_a_defect_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def certify() -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "_COMMANDS", (certify, *app._COMMANDS[1:]))
    monkeypatch.setenv("KMCL_TRACEBACK", "1")

    with pytest.raises(ZeroDivisionError):
        main(["certify"])
