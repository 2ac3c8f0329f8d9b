"""Files that a package comes with: JSON Schemas and data, inside a wheel or beside the checkout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Schemas", "render_schema", "shipped_folder", "write_schemas"]

Schemas: TypeAlias = Mapping[str, Callable[[], dict[str, Any]]]
"""File name and what makes its content."""


def shipped_folder(package: Path, inside: str, beside: str) -> Path:
    """Where a package's files are: in an installed ``package`` the folder ``inside`` it, else that
    of a checkout, ``beside`` it."""
    installed = package / inside
    return installed if installed.is_dir() else package.parent / beside


def render_schema(schema: dict[str, Any]) -> str:
    """A schema as the text of its file: the same bytes for the same schema."""
    return json.dumps(schema, indent=2) + "\n"


def write_schemas(published: Schemas, folder: Path) -> None:
    """Write every schema of ``published`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in published.items():
        (folder / name).write_text(render_schema(make()), encoding="utf-8")
