"""The published JSON Schema of the certificate.

Made from the types that validate and committed under ``reports/schemas/``; a wheel carries it as
``kmcl_reports/published``. To bring the committed file up to date after a change:
``python -m kmcl_reports.schemas reports/schemas``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from kmcl_model.shipped import Schemas, shipped_folder, write_schemas

from .certificate import certificate_schema

__all__ = ["PUBLISHED", "schema_folder"]

PUBLISHED: Final[Schemas] = {"certificate.schema.json": certificate_schema}
"""File name in ``reports/schemas/`` and what makes its content."""


def schema_folder() -> Path:
    """Where the published file is."""
    return shipped_folder(Path(__file__).parent, "published", "schemas")


if __name__ == "__main__":
    write_schemas(PUBLISHED, Path(sys.argv[1]))
