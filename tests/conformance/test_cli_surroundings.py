"""What a certificate and its reports tell of where an implementation ran."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from kmcl_adapters import Adapter, AdapterError, Description
from kmcl_conformance import subjects
from kmcl_conformance.adapters import find
from kmcl_conformance.cli import main
from kmcl_conformance.cli.surroundings import surroundings_of, with_surroundings
from kmcl_conformance.generate.tours import TOURS
from kmcl_reports.certificate import parse_certificate
from kmcl_reports.html import render_html
from kmcl_reports.markdown import render_markdown
from kmcl_reports.results import Surroundings
from kmcl_reports.sample import sample_certificate

HOSTILE = "<script>alert(1)</script>|[x](y)\x1b[31m\x00\u202e\ud800`&"
HARMLESS = HOSTILE.replace("\ud800", "\\ud800")
"""As a certificate has it: it can be written as UTF-8."""

PROCESS = """
import os
import sys
from kmcl_adapters.lines import serve
from kmcl_adapters.reference import ReferenceAdapter
from kmcl_lab.serve import AdapterService

class Telling(ReferenceAdapter):
    def describe(self):
        return super().describe()._replace(surroundings={around!r})

    def tally(self):
        return {tally!r}

serve(AdapterService(Telling("reference")), sys.stdin.buffer, lambda line: os.write(1, line))
"""


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a certification of a process whose every word is hostile."""
    script = tmp_path / "telling.py"
    around = ("Linux " + HOSTILE, "QEMU " + HOSTILE, "moon " + HOSTILE)
    script.write_text(PROCESS.format(around=around, tally={"late " + HOSTILE: 3, "never": 0}))
    monkeypatch.setattr(subjects, "TOURS", TOURS[:2])
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    command = shlex.join([sys.executable, str(script)])
    out = tmp_path / "out"
    main(["certify", "--adapter", f"process:{command}", "--budget", "1", "--out", str(out), "-q"])
    return out


def test_hostile_surroundings_are_in_the_certificate_and_harmless_in_its_reports(
    certified: Path,
) -> None:
    found = parse_certificate((certified / "certificate.json").read_bytes())

    assert found.surroundings == Surroundings(
        kernel="Linux " + HARMLESS,
        host="QEMU " + HARMLESS,
        others=("moon " + HARMLESS,),
        tally={"late " + HARMLESS: 3, "never": 0},
    )
    told = json.loads((certified / "certificate.json").read_text(encoding="utf-8"))
    assert set(told["surroundings"]) == {"kernel", "host", "others", "tally", "retries", "logs"}

    page = (certified / "report.html").read_text(encoding="utf-8")
    shown = "&lt;script&gt;alert(1)&lt;/script&gt;|[x](y)\\x1b[31m\\x00\\u202e\\ud800`&amp;"
    assert [
        f"<dt>{term}</dt><dd>{words}{shown}</dd>" in page
        for term, words in (
            ("kernel", "Linux "),
            ("host", "QEMU "),
            ("besides", "moon "),
            ("counted", "3 late "),
        )
    ] == [True] * 4
    assert "<dt>counted</dt><dd>0 never</dd>" in page
    assert "tried again" not in page

    text = (certified / "report.md").read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if row.startswith(("| kernel", "| counted"))]
    assert rows == [
        f"| {words}\\<script\\>alert\\(1\\)\\</script\\>\\|\\[x\\]\\(y\\)"
        r"\\x1b\[31m\\x00\\u202e\\ud800\`\& |"
        for words in ("kernel | Linux ", "counted | 3 late ")
    ] + ["| counted | 0 never |"]


class Telling:
    """An adapter that tells of its surroundings, and counts where there is something to count."""

    def __init__(self, *around: str, tally: dict[str, int] | None = None) -> None:
        self.around = around
        if tally is not None:
            self.tally = lambda: tally

    def describe(self) -> Description:
        if "gone" in self.around:
            raise AdapterError("the device is gone")
        known = find("reference").describe()
        return known._replace(surroundings=self.around)


def told_of(adapter: object) -> Surroundings | None:
    known: Adapter = adapter  # type: ignore[assignment]
    return surroundings_of(known)


def test_as_much_is_told_as_is_known() -> None:
    assert told_of(Telling()) is None
    assert told_of(Telling("Linux 6")) == Surroundings(kernel="Linux 6")
    assert told_of(Telling("Linux 6", "QEMU", "x", "y")) == Surroundings(
        kernel="Linux 6", host="QEMU", others=("x", "y")
    )
    assert told_of(Telling(tally={"late": 0})) == Surroundings(tally={"late": 0})
    assert told_of(Telling("gone", tally={"late": 1})) == Surroundings(tally={"late": 1})


def test_where_nothing_is_known_the_certificate_stays_as_it_is() -> None:
    certificate = sample_certificate()
    assert with_surroundings(certificate, find("reference")) is certificate
    assert "Where it ran" not in render_html(certificate) + render_markdown(certificate)
