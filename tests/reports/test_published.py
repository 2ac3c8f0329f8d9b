"""The committed schema and samples are what the code makes today."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import jsonschema
import pytest

import kmcl_reports
from kmcl_model.shipped import render_schema
from kmcl_reports.sample import sample_files
from kmcl_reports.schemas import PUBLISHED

REPORTS = Path(__file__).parents[2] / "reports"
MODULES = sorted(module.name for module in pkgutil.iter_modules(kmcl_reports.__path__))


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_schema_is_up_to_date(name: str) -> None:
    committed = (REPORTS / "schemas" / name).read_text(encoding="utf-8")

    assert committed == render_schema(PUBLISHED[name]())


@pytest.mark.parametrize("name", sorted(sample_files()))
def test_sample_is_up_to_date(name: str) -> None:
    committed = (REPORTS / "samples" / name).read_text(encoding="utf-8")

    assert committed == sample_files()[name]


def test_no_other_sample_is_committed() -> None:
    assert {path.name for path in (REPORTS / "samples").iterdir()} == set(sample_files())


def test_the_sample_keeps_the_schema_and_a_changed_one_does_not() -> None:
    schema = json.loads((REPORTS / "schemas" / "certificate.schema.json").read_text())
    sample = json.loads((REPORTS / "samples" / "certificate.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    validator.validate(sample)

    assert not validator.is_valid(sample | {"verdict": "fine"})
    assert not validator.is_valid({key: sample[key] for key in sample if key != "seed"})


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_offers_exists(name: str) -> None:
    module = importlib.import_module(f"kmcl_reports.{name}")
    offered = list(module.__all__)

    assert offered
    assert all(hasattr(module, member) for member in offered)
    assert len(offered) == len(set(offered))
