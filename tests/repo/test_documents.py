"""What the documents say about the repository is true, and they say nothing private."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE = {"__pycache__", "build", "dist", "kmcl-lab-out", "kmcl-out", "out"}
PRIVATE = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/\w")
LINK = re.compile(r"\bhttps?://([\w.-]+)")
PUBLIC = {
    "github.com",
    "json-schema.org",
    "learn.microsoft.com",
    "www.w3.org",
}
"""The hosts our files may point to: the pages we specify, our own home, names of formats."""


def is_ours(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return not any(part in MADE or part.startswith(".") for part in parts)


DOCUMENTS = sorted(filter(is_ours, ROOT.rglob("*.md")))


def named(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def test_the_documents_are_those_of_all_folders() -> None:
    assert {"README.md", "adapters/lab/README.md", "reports/findings/README.md"} <= set(
        map(named, DOCUMENTS)
    )


def texts(folder: Path = ROOT) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir()):
        if path.name in MADE or (path.name.startswith(".") and path.name != ".ci"):
            continue
        if path.is_dir():
            yield from texts(path)
            continue
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_no_file_names_a_private_path() -> None:
    assert [name for name, text in texts() if PRIVATE.search(text)] == []


def test_every_link_points_to_a_public_place_we_know() -> None:
    found = {(name, host) for name, text in texts() for host in LINK.findall(text)}

    assert {(name, host) for name, host in found if host not in PUBLIC} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_path_in_a_document_exists(document: Path) -> None:
    paths = re.findall(
        r"`((?:\.ci|model|adapters|reports|conformance|tests)/[\w./-]*)`", document.read_text()
    )

    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("folder", ["adapters/kmcl_adapters/uio", "adapters/kmcl_adapters/host"])
def test_a_readme_that_says_what_is_where_leaves_no_module_out(folder: str) -> None:
    told = (ROOT / folder / "README.md").read_text()
    modules = {path.name for path in (ROOT / folder).glob("[a-z]*.py")}

    assert modules
    assert {name for name in modules if f"`{name}`" not in told} == set()


def asked_for(document: Path) -> set[str]:
    """The targets of make that a document names."""
    return set(re.findall(r"(?:`|^    +)make ([a-z][a-z-]*)", document.read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_make_target_in_a_document_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert asked_for(document) - targets == set()


def test_make_targets_are_seen_wherever_they_stand() -> None:
    """The README's two commands are written as blocks."""
    assert {"certify", "lab", "native"} <= asked_for(ROOT / "README.md")


def test_help_shows_every_target() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    phony = re.findall(r"^\.PHONY: ([a-z-]+)", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert [line.split()[1] for line in shown.stdout.splitlines()] == phony


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: ([a-z-]+)", makefile, re.MULTILINE)

    assert phony
    assert re.findall(r"^([a-z-]+):.* ## \S", makefile, re.MULTILINE) == phony
