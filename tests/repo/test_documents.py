"""What the documents say about the repository is true, and they say nothing private."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(ROOT.glob("*.md"))
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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_in_a_document_exists(document: Path) -> None:
    paths = re.findall(
        r"`((?:\.ci|model|adapters|reports|conformance|tests)/[\w./-]*)`", document.read_text()
    )

    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_in_a_document_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^    |\n)make ([a-z-]+)\b", document.read_text()))

    assert named - targets == set()


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: ([a-z-]+)", makefile, re.MULTILINE)

    assert phony
    assert re.findall(r"^([a-z-]+):.* ## \S", makefile, re.MULTILINE) == phony
