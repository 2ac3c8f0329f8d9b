"""The repository's shape, so that it cannot drift unnoticed."""

import ast
import importlib
import tomllib
from pathlib import Path
from types import ModuleType
from typing import TypeGuard

import pytest

from kmcl_model import schemas as model_schemas
from kmcl_reports import schemas as report_schemas

ROOT = Path(__file__).parents[2]
CODE_FOLDERS = ("model", "adapters", "adapters/lab", "reports", "conformance")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

LONG_MODULES: dict[str, str] = {
    "adapters/kmcl_adapters/native/binding.py": "each slot of the table, and what calling it takes",
    "conformance/kmcl_conformance/oracle.py": "where each kind of event goes is one subject",
    "model/kmcl_model/spec/observer.py": "rules and the automaton they make explain each other",
    "model/kmcl_model/catalogue.py": "the kinds of data of the catalogue, and how they are loaded",
}
"""Modules over 400 lines, each with the reason why it is not two."""


def packages_on_disk() -> list[str]:
    found = sorted(
        init.parent.relative_to(ROOT).as_posix()
        for folder in CODE_FOLDERS
        for init in (ROOT / folder).glob("*/__init__.py")
    )
    assert found, f"{ROOT} is no checkout: these tests would pass on nothing"
    return found


MODULES = sorted(path for package in packages_on_disk() for path in (ROOT / package).rglob("*.py"))
TEST_FILES = sorted((ROOT / "tests").rglob("test_*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_wheel_ships_every_package_and_no_other() -> None:
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert sorted(wheel["only-include"]) == packages_on_disk()
    assert wheel["sources"] == {package: Path(package).name for package in packages_on_disk()}
    assert sorted(wheel["dev-mode-dirs"]) == sorted(CODE_FOLDERS)


def test_what_the_wheel_adds_to_the_packages_is_there() -> None:
    added = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert [source for source in added if not any((ROOT / source).iterdir())] == []


@pytest.mark.parametrize("schemas", [model_schemas, report_schemas])
def test_the_wheel_and_a_checkout_have_the_published_schemas(
    schemas: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    package = schemas.__name__.partition(".")[0]
    folder = schemas.schema_folder()

    assert {path.name for path in folder.iterdir()} == {*schemas.PUBLISHED}
    assert added[shown(folder)] == f"{package}/published"

    installed = tmp_path / package / "published"
    installed.mkdir(parents=True)
    monkeypatch.setattr(schemas, "__file__", str(installed.parent / "schemas.py"))
    assert schemas.schema_folder() == installed


def test_every_import_name_is_ours_alone() -> None:
    for package in packages_on_disk():
        assert Path(package).name == f"kmcl_{Path(package).parent.name}"


def test_every_package_is_typed() -> None:
    assert [p for p in packages_on_disk() if not (ROOT / p / "py.typed").is_file()] == []


def test_no_loose_module_leaks_onto_the_import_path() -> None:
    # An editable install puts these folders themselves on sys.path.
    loose = [p for folder in CODE_FOLDERS for p in (ROOT / folder).glob("*.py")]

    assert loose == []


def test_a_folder_of_modules_is_a_package() -> None:
    assert [shown(p) for p in MODULES if not (p.parent / "__init__.py").is_file()] == []


def test_a_long_module_has_a_reason() -> None:
    long = {shown(p) for p in MODULES if len(p.read_text().splitlines()) > 400}

    assert long == set(LONG_MODULES)


@pytest.mark.parametrize("path", TEST_FILES, ids=shown)
def test_every_test_file_tests(path: Path) -> None:
    names = [node.name for node in ast.walk(ast.parse(path.read_text())) if is_definition(node)]

    assert [name for name in names if name.lower().startswith("test")]


def is_definition(node: ast.AST) -> TypeGuard[ast.FunctionDef | ast.ClassDef]:
    return isinstance(node, ast.FunctionDef | ast.ClassDef)


CLOCKS = {"sleep", "time", "monotonic", "perf_counter", "monotonic_ns", "perf_counter_ns", "now"}


@pytest.mark.parametrize("path", TEST_FILES, ids=shown)
def test_no_test_sleeps_or_reads_a_clock(path: Path) -> None:
    called = [
        node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]

    assert CLOCKS.isdisjoint(called)


@pytest.mark.parametrize("name", PYPROJECT["project"]["entry-points"]["kmcl.adapters"])
def test_an_adapter_is_where_its_entry_point_says(name: str) -> None:
    module, _, attribute = PYPROJECT["project"]["entry-points"]["kmcl.adapters"][name].partition(
        ":"
    )

    assert callable(getattr(importlib.import_module(module), attribute))
