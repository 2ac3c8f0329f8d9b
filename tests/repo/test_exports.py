"""``__all__`` says what a module offers: all of that exists, and nobody takes more."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    ROOT / folder / f"kmcl_{Path(folder).name}"
    for folder in ("model", "adapters", "adapters/lab", "reports", "conformance")
]


def dotted(path: Path) -> str:
    package = next(package for package in PACKAGES if path.is_relative_to(package))
    name = path.relative_to(package.parent).with_suffix("").as_posix().replace("/", ".")
    return name.removesuffix(".__init__")


SOURCES = {
    dotted(path): path
    for package in PACKAGES
    for path in sorted(package.rglob("*.py"))
    if path.name != "__main__.py"
}


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_module_offers_is_there(name: str) -> None:
    module = importlib.import_module(name)

    assert [offer for offer in module.__all__ if not hasattr(module, offer)] == []
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", SOURCES)
def test_a_module_takes_from_another_what_that_one_offers(name: str) -> None:
    taken = [
        f"{source}.{alias.name}"
        for node in ast.walk(ast.parse(SOURCES[name].read_text()))
        if isinstance(node, ast.ImportFrom) and (source := resolved(node, name)) in SOURCES
        for alias in node.names
        if f"{source}.{alias.name}" not in SOURCES
        and alias.name not in importlib.import_module(source).__all__
    ]

    assert taken == []


def resolved(node: ast.ImportFrom, importer: str) -> str:
    """The absolute name of the module that a ``from … import`` names."""
    if not node.level:
        return node.module or ""
    parts = importer.split(".")
    is_package = SOURCES[importer].name == "__init__.py"
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])
