"""The published JSON Schema of the certificate.

Made from the types that validate and committed under ``reports/schemas/``; a wheel carries it as
``kmcl_reports/published``. To bring the
committed file up to date after a change: ``python -m kmcl_reports.schemas reports/schemas``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from .certificate import certificate_schema

__all__ = ["PUBLISHED", "render_schema", "schema_folder"]

PUBLISHED: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "certificate.schema.json": certificate_schema,
}
"""File name in ``reports/schemas/`` and what makes its content."""


def render_schema(schema: dict[str, Any]) -> str:
    """A schema as the text of its file: the same bytes for the same schema."""
    return json.dumps(schema, indent=2) + "\n"


def schema_folder() -> Path:
    """Where the published files are: in an installed package, else in the checkout beside it."""
    here = Path(__file__).parent
    installed = here / "published"
    return installed if installed.is_dir() else here.parent / "schemas"


def main(folder: Path) -> None:
    """Write every published schema into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PUBLISHED.items():
        (folder / name).write_text(render_schema(make()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
