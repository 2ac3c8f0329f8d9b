"""``requirements.lock`` pins what pyproject.toml asks for, by hash, and names no registry."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
PINS = [
    Requirement(entry.replace("\\\n", " ").split("--hash")[0].strip())
    for entry in re.split(r"\n(?=\S)", LOCK.strip())
]
WANTED = [
    *PYPROJECT["project"]["dependencies"],
    *PYPROJECT["dependency-groups"]["dev"],
    *PYPROJECT["build-system"]["requires"],
]


@pytest.mark.parametrize("wanted", WANTED)
def test_a_dependency_is_pinned_to_a_version_it_allows(wanted: str) -> None:
    requirement = Requirement(wanted)
    name = canonicalize_name(requirement.name)
    pins = [str(pin.specifier) for pin in PINS if canonicalize_name(pin.name) == name]

    assert len(pins) == 1
    assert pins[0].startswith("==")
    assert requirement.specifier.contains(pins[0].removeprefix("=="))


def test_every_pin_has_a_hash() -> None:
    entries = re.split(r"\n(?=\S)", LOCK.strip())

    assert [e.split()[0] for e in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", e)] == []


def test_the_lock_names_no_registry() -> None:
    assert re.findall(r"\S*(?:://|index|find-links)\S*", LOCK) == []
