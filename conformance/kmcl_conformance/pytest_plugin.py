"""The pytest plugin: each modelled requirement becomes a test item.

    pytest --pyargs kmcl_conformance --kmcl-adapter=native:./libmine.so

Without ``--kmcl-adapter`` it does nothing. One certification campaign is run for the whole
session, when the first item needs it; the items then give their requirement's verdict: a failure
shows the shortest sequence found, what was not judged is skipped with the reason, and what could
not be judged is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from kmcl_model.book import Book
    from kmcl_reports.results import Certificate, Failure, RequirementResult

__all__ = ["RequirementItem", "Requirements", "pytest_addoption", "pytest_collect_file"]

_CERTIFICATE: Final = pytest.StashKey["Certificate"]()


class RequirementBrokenError(Exception):
    """The implementation breaks the requirement; the text is for the user."""


class UnjudgedError(Exception):
    """There is no verdict."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--kmcl-adapter`` and what goes with it."""
    group = parser.getgroup("kmcl", "KMCL conformance")
    group.addoption(
        "--kmcl-adapter",
        metavar="NAME",
        help="certify this implementation: a test item for each requirement "
        "(use with --pyargs kmcl_conformance)",
    )
    group.addoption("--kmcl-seed", type=int, default=1, metavar="N", help="seed of the campaign")
    group.addoption("--kmcl-budget", default="default", metavar="SIZE", help="as for kmcl certify")
    group.addoption(
        "--kmcl-out", type=Path, metavar="DIR", help="folder for the cases and traces of failures"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Requirements | None:
    """This very file stands for the requirements, where an adapter was named."""
    if parent.config.getoption("--kmcl-adapter") is None or file_path != Path(__file__):
        return None
    found: Requirements = Requirements.from_parent(parent, path=file_path)
    return found


class Requirements(pytest.File):
    """Every requirement that the specification models."""

    def collect(self) -> Iterator[RequirementItem]:
        for requirement in _book(self.config).requirements.values():
            if requirement.status == "modelled":
                yield RequirementItem.from_parent(
                    self, name=requirement.id, statement=requirement.statement
                )


class RequirementItem(pytest.Item):
    """One requirement; its outcome is the verdict of the campaign."""

    def __init__(self, *, statement: str, **keywords: object) -> None:
        super().__init__(**keywords)  # type: ignore[arg-type]
        self.statement = statement

    def setup(self) -> None:
        """Have the campaign run. An item without a verdict ends here, with an error."""
        from kmcl_reports.results import RequirementVerdict

        result = self._result()
        if result.verdict is RequirementVerdict.INCONCLUSIVE:
            raise UnjudgedError(f"{self.name} was not judged: {result.reason}")

    def runtest(self) -> None:
        """Give the verdict."""
        from kmcl_reports.results import RequirementVerdict

        result = self._result()
        if result.verdict is RequirementVerdict.FAIL:
            raise RequirementBrokenError(self._told(result))
        if result.verdict is RequirementVerdict.WAIVED:
            pytest.xfail(f"waived: {result.reason}")
        if result.verdict is not RequirementVerdict.PASS:
            pytest.skip(f"{result.verdict.value}: {result.reason}")

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None
    ) -> str:
        """The verdict without a traceback; a defect of ours with one."""
        if isinstance(excinfo.value, RequirementBrokenError | UnjudgedError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The requirement in a headline."""
        return self.path, None, f"{self.name}: {self.statement}"

    def _result(self) -> RequirementResult:
        return next(r for r in _certificate(self.config).requirements if r.id == self.name)

    def _told(self, result: RequirementResult) -> str:
        found = _certificate(self.config).failures
        out: Path | None = self.config.getoption("--kmcl-out")
        shown = [_failure_text(f, out) for f in found if f.case == result.case]
        return "\n".join([f"{self.name} is broken: {self.statement}", f"({result.source})", *shown])


def _book(config: pytest.Config) -> Book:
    """The book of what the adapter implements; of the library where there is no such adapter."""
    from kmcl_adapters import AdapterError
    from kmcl_conformance.adapters import find
    from kmcl_conformance.profiles import FULL, PROFILES, profile_for

    try:
        adapter = find(config.getoption("--kmcl-adapter"))
        try:
            return profile_for(adapter.describe()).subject.book()
        finally:
            adapter.close()
    except AdapterError:
        return PROFILES[FULL].subject.book()  # the campaign tells what is wrong


def _failure_text(failure: Failure, out: Path | None) -> str:
    from kmcl_reports.chart_text import render_rows
    from kmcl_reports.text import printable

    chart = render_rows(failure.chart, failure.event_index, failure.allowed)
    again = [] if out is None else [f"again: kmcl replay {out / failure.case}"]
    return "\n".join([printable(failure.summary), "", chart, *again])


def _certificate(config: pytest.Config) -> Certificate:
    """The campaign's certificate; the campaign is run when it is first asked for."""
    if _CERTIFICATE not in config.stash:
        config.stash[_CERTIFICATE] = _run(config)
    return config.stash[_CERTIFICATE]


def _run(config: pytest.Config) -> Certificate:
    from kmcl_adapters import AdapterError
    from kmcl_conformance.adapters import find
    from kmcl_conformance.campaign import CampaignError, Options, Unwritten, certify
    from kmcl_conformance.cli.budget import sequences_of
    from kmcl_conformance.cli.output import Problem
    from kmcl_conformance.profiles import profile_for

    name: str = config.getoption("--kmcl-adapter")
    try:
        adapter = find(name)
        try:
            options = Options(
                adapter=name,
                profile=profile_for(adapter.describe()).name,
                seed=config.getoption("--kmcl-seed"),
                sequences=sequences_of(config.getoption("--kmcl-budget"), adapter.describe()),
                out=config.getoption("--kmcl-out"),
            )
            return certify(adapter, options)
        finally:
            adapter.close()
    except Unwritten as trouble:
        if (terminal := config.pluginmanager.get_plugin("terminalreporter")) is not None:
            terminal.write_line(f"kmcl: {trouble}")
        return trouble.found
    except (AdapterError, CampaignError, Problem) as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
