"""Finding adapters by name, and ``kmcl adapter``, which checks one."""

import ast
import json
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from kmcl_adapters import Adapter, AdapterError
from kmcl_adapters.reference import ReferenceAdapter
from kmcl_conformance import adapters
from kmcl_conformance.adapters import GROUP, OWN, find, known
from kmcl_conformance.cli import adapter as adapter_command
from kmcl_conformance.cli import main
from kmcl_model.events import Enter, Event, Quiescence, Return
from kmcl_model.stimuli import Settle, Stimulus

Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]


# Finding --------------------------------------------------------------------------------------


def test_our_own_adapters_are_those_that_are_registered() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert pyproject["project"]["entry-points"][GROUP] == OWN


def test_what_stands_behind_the_first_colon_is_the_argument() -> None:
    assert find("variant:double-enable-succeeds").describe().adapter.endswith("enable-succeeds")
    with pytest.raises(AdapterError, match="cannot import nowhere"):
        find("python:nowhere:factory")


def test_an_installed_adapter_is_found_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = EntryPoint("theirs", "kmcl_adapters.reference:ReferenceAdapter", GROUP)
    impostor = EntryPoint("reference", "somewhere:else_", GROUP)
    monkeypatch.setattr(adapters, "entry_points", lambda group: [theirs, impostor])

    assert find("theirs:x").describe().adapter == "x"
    assert known()["reference"].value == OWN["reference"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:create", "cannot be loaded: ModuleNotFoundError"),
        ("kmcl_adapters:nothing", "cannot be loaded: AttributeError"),
        ("builtins:int", "failed: ValueError"),
    ],
)
def test_a_broken_adapter_is_one_line(
    monkeypatch: pytest.MonkeyPatch, value: str, why: str
) -> None:
    monkeypatch.setattr(adapters, "entry_points", lambda group: [EntryPoint("bad", value, GROUP)])

    with pytest.raises(AdapterError, match=why) as raised:
        find("bad:x")
    assert "\n" not in str(raised.value)


def test_an_unknown_name_is_shown_harmless_beside_those_there_are() -> None:
    with pytest.raises(AdapterError, match="reference") as raised:
        find("\x1b[31mevil")
    assert "\x1b" not in str(raised.value)


# Checking -------------------------------------------------------------------------------------


class Spoilt:
    """The reference seen through a bad adapter."""

    def __init__(self, fault: str) -> None:
        self.adapter: Adapter = ReferenceAdapter("reference")
        self.fault = fault
        self.described = 0

    def describe(self):  # type: ignore[no-untyped-def]
        self.described += 1
        description = self.adapter.describe()
        if self.fault == "describes":
            return description._replace(version=str(self.described))
        if self.fault == "no end":
            return description._replace(capabilities=frozenset())
        if self.fault == "inexact":
            return description._replace(exact_quiescence=False)
        return description

    def open(self):  # type: ignore[no-untyped-def]
        if self.fault == "opens":
            raise AdapterError("no session today")
        return SpoiltSession(self.adapter.open(), self.fault)

    def close(self) -> None:
        self.adapter.close()


class SpoiltSession:
    def __init__(self, session, fault: str) -> None:  # type: ignore[no-untyped-def]
        self.session = session
        self.fault = fault
        self.closed = 0

    def apply(self, stimulus: Stimulus) -> None:
        if self.fault == "raises":
            raise OSError("broken")
        if not (self.fault == "silent" and isinstance(stimulus, Settle)):
            self.session.apply(stimulus)

    def runnable(self) -> int:
        return int(self.session.runnable())

    def take(self) -> list[Event]:
        events = list(self.session.take())
        if self.fault == "form":
            return [e._replace(callback="Nonsense") if isinstance(e, Enter) else e for e in events]
        if self.fault == "calls":
            return [e for e in events if isinstance(e, Return | Quiescence)]
        if self.fault == "status":
            return [e._replace(status=0xC0000001) if isinstance(e, Return) else e for e in events]
        return events

    def close(self) -> None:
        self.closed += 1
        if self.fault == "closes" and self.closed > 1:
            raise RuntimeError("closed already")
        self.session.close()


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("describes", "it describes itself the same every time"),
        ("no end", "it plays an end"),
        ("opens", "it opens a session"),
        ("raises", "apply raises nothing"),
        ("form", "events are those of the vocabulary"),
        ("calls", "a call is recorded before its return"),
        ("silent", "settle ends with quiescence"),
        ("inexact", "quiescence is exact as described"),
        ("status", "beginning conforms"),
        ("closes", "close may be called again"),
        ("status", "the next session is a fresh implementation"),
    ],
)
def test_a_rule_that_is_broken_is_named(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, fault: str, rule: str
) -> None:
    monkeypatch.setattr(adapter_command, "find", lambda _: Spoilt(fault))

    assert main(["adapter", "spoilt", "--json"]) == 1

    broken = [c["rule"] for c in json.loads(capsys.readouterr().out)["checks"] if not c["ok"]]
    assert rule in broken


def test_a_good_adapter_passes(capsys: Captured) -> None:
    assert main(["adapter", "reference"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "OK"


def test_without_a_name_the_adapters_are_listed(capsys: Captured) -> None:
    assert main(["adapter", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {n: e.value for n, e in known().items()}


def test_an_adapter_that_cannot_be_had_gets_one_line(capsys: Captured) -> None:
    assert main(["adapter", "native:none.so"]) == 2
    assert capsys.readouterr().err == "kmcl: native:none.so: no such file\n"


# Scaffold -------------------------------------------------------------------------------------


def test_the_scaffold_runs_and_keeps_the_rules(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["adapter", "--scaffold", "scaffolded_here.py"]) == 0
    assert "kmcl adapter python:scaffolded_here:Library" in capsys.readouterr().out
    assert main(["adapter", "python:scaffolded_here:Library"]) == 0


def test_the_scaffold_needs_nothing_of_ours(tmp_path: Path) -> None:
    main(["adapter", "--scaffold", str(tmp_path / "new.py"), "--quiet"])

    tree = ast.parse((tmp_path / "new.py").read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported == {"__future__", "collections.abc", "typing"}


def test_a_file_that_is_there_is_not_overwritten(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("precious")

    assert main(["adapter", "--scaffold", str(tmp_path / "mine.py")]) == 2
    assert (tmp_path / "mine.py").read_text() == "precious"
    assert "exists already" in capsys.readouterr().err
