"""A certificate in every form: shown in the terminal, written to files."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Final

from kmcl_conformance.profiles import FULL, PROFILES
from kmcl_conformance.saving import FOLDERS, remove
from kmcl_model.spec.charts import Chart
from kmcl_reports.certificate import certificate_json, parse_certificate
from kmcl_reports.html import render_html
from kmcl_reports.junit import render_junit
from kmcl_reports.markdown import render_markdown
from kmcl_reports.results import Certificate
from kmcl_reports.terminal import print_failure, print_summary

from .drawings import drawable
from .output import Problem, Screen, save
from .verdict import configuration_rows

__all__ = ["FORMS", "remove_earlier", "show_certificate", "write_certificate"]


def _charts(found: Certificate) -> tuple[Chart, ...]:
    return PROFILES.get(found.profile, PROFILES[FULL]).subject.charts


FORMS: Final[Mapping[str, Callable[[Certificate], str]]] = {
    "report.html": lambda found: render_html(found, map(drawable, _charts(found))),
    "report.md": render_markdown,
    "junit.xml": render_junit,
    "certificate.json": certificate_json,
}
"""The files of a run, and what makes the text of each."""

DRAWN: Final = 3
"""Failures that are shown with their sequence chart; the others have a line each."""


def write_certificate(found: Certificate, folder: Path) -> dict[str, str]:
    """Write every form into a folder, as far as that can be done: what is wrong with the others, by
    their names."""
    wrong = {}
    for name, render in FORMS.items():
        try:
            save(folder, name, render(found))
        except Problem as problem:
            wrong[name] = str(problem)
    return wrong


def remove_earlier(folder: Path) -> None:
    """Remove the files of failures of an earlier run, as far as its certificate names them: the
    folder of a new run must not show failures that are none of it."""
    try:
        earlier = parse_certificate((folder / "certificate.json").read_bytes())
        for failure in (*earlier.failures, *earlier.unconfirmed):
            remove(folder, Path(failure.case).stem)
    except (OSError, ValueError):
        pass  # nothing there, or not ours


def show_certificate(
    screen: Screen, found: Certificate, folder: Path, missing: Container[str] = ()
) -> None:
    """Print the failures, the summary with the verdict, and where the files are but for those that
    are ``missing``."""
    if not screen.is_for_people:
        return
    for failure in found.failures[:DRAWN]:
        shown = {
            "chart": failure.chart[configuration_rows(failure.chart) :],
            "reproduce": failure.reproduce
            or f"kmcl replay {shlex.quote(str(folder / failure.case))}",
        }
        print_failure(found, failure.model_copy(update=shown), screen.console)
        screen.show("")
    more = len(found.failures) - DRAWN
    if more > 0:
        screen.show(f"{more} more: kmcl replay draws each, see the table", "")
    print_summary(found, screen.console)
    forms = (name for name in FORMS if name not in missing)
    listed = [*forms, *(f"{kind}/" for kind in FOLDERS if (folder / kind).is_dir())]
    if listed:
        screen.show(f"{folder}/: {', '.join(listed)}")
