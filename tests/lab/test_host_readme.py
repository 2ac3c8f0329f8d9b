"""What the host's README says of its commands is so, and its code runs."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest

from kmcl_adapters.host import HostOffer, RawEnd, Rule, ScriptedGuest
from kmcl_adapters.host.rules import ACTIONS
from kmcl_lab.hosting.byhand import ByHandCommands
from kmcl_lab.hosting.commands import HostCommands
from kmcl_lab.hosting.program import Hosting

TEXT = (Path(__file__).parents[2] / "adapters/kmcl_adapters/host/README.md").read_text("utf-8")
ROW = re.compile(r"^\| (`[a-z_`, -]+`) \| (.*) \| .+ \|$", re.MULTILINE)
ARGUMENT = re.compile(r"`([a-z_]+)`(=?)")
PASSED_ON: dict[str, Callable[..., Any]] = {"offer": HostOffer, "rule": Rule, "put": RawEnd.send}
"""Of commands that hand what they are given to something else."""
FREE = ("send", "wait-for", "hand-call")
"""Of commands that take any fields."""


def commands() -> dict[str, Callable[..., Any]]:
    hosting = create_autospec(Hosting, instance=True)
    hosting.host = ScriptedGuest().host
    return HostCommands(hosting).table() | ByHandCommands(hosting).table()


def arguments(name: str, function: Callable[..., Any]) -> dict[str, bool]:
    """What a command takes, and whether it may be left out."""
    found = [*inspect.signature(function).parameters.values()]
    if name in PASSED_ON:
        found = [*inspect.signature(PASSED_ON[name]).parameters.values(), *found]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p.default is not p.empty for p in found if p.kind in named and p.name != "self"}


def documented() -> dict[str, dict[str, bool]]:
    rows: dict[str, dict[str, bool]] = {}
    for names, cell in ROW.findall(TEXT):
        for name in re.findall(r"`([^`]+)`", names):
            assert name not in rows
            rows[name] = {argument: bool(value) for argument, value in ARGUMENT.findall(cell)}
    return rows


def test_every_command_is_in_the_table_and_no_other() -> None:
    assert documented().keys() == commands().keys()


@pytest.mark.parametrize("name", documented())
def test_a_command_takes_what_the_table_says(name: str) -> None:
    told, taken = documented()[name], arguments(name, commands()[name])
    if name in FREE:
        told = {argument: value for argument, value in told.items() if argument in taken}

    assert told == taken


def test_every_action_of_a_rule_is_told() -> None:
    (line,) = [part for part in TEXT.split("\n\n") if part.startswith("Actions of a rule: ")]

    assert set(re.findall(r"`([a-z]+)`", line)) - {"value"} == set(ACTIONS)


def test_the_code_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)

    assert len(blocks) == 1
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
