"""The command line that is carried into the guest, tried on this machine without anything else."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kmcl_lab import carry as carrying
from kmcl_lab.carry import archive, carry
from kmcl_lab.channel import Outcome
from kmcl_lab.problem import LabProblem

START = "import sys; sys.path[:0] = [sys.argv.pop(1)]; from kmcl_conformance.cli import main; "


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("carried")
    with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
        for member in tar:  # not extractall: its filter came with Python 3.11.4
            path = folder / member.name
            if (inside := tar.extractfile(member)) is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(inside.read())
    return folder


def test_it_lacks_nothing_that_a_certification_needs(carried: Path, tmp_path: Path) -> None:
    """No site-packages, no checkout: the archive and the standard library."""
    command = ["certify", "--adapter", "reference", "--budget", "1", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", START + "sys.exit(main())", str(carried), *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    assert "CONFORMING" in done.stdout
    assert (tmp_path / "certificate.json").exists()


def test_nothing_in_it_was_compiled_by_somebody_else_or_leads_outside() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
        names = tar.getnames()

    unfit = [n for n in names if "__pycache__" in n or n.endswith(".pth") or n[0] in "./"]
    assert unfit == []
    assert {"kmcl_model/data", "kmcl_conformance", "kmcl_reports"} <= {*names}
    assert {name.split("/")[0] for name in names} >= {"pydantic", "rich", "typer", "lib"}


class Guest:
    """A guest that answers as told; keeps what it was given."""

    def __init__(self, *answers: Outcome) -> None:
        self.answers = list(answers)
        self.given: list[tuple[list[str], int]] = []

    def run(self, argv: list[str], data: bytes = b"", limit: float = 60.0) -> Outcome:
        self.given.append((argv, len(data)))
        return self.answers.pop(0)


def version(minor: int) -> Outcome:
    return Outcome(0, b"%d.%d\n" % (sys.version_info.major, minor), b"")


def test_the_guest_gets_it_as_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "archive", lambda: b"archive")
    guest: Any = Guest(version(sys.version_info.minor), Outcome(0, b"", b""))
    carry(guest)
    (_, _), (argv, sent) = guest.given

    assert sent == len(b"archive")
    assert "/bin/kmcl" in argv[-1]


def test_another_python_and_a_full_guest_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "archive", lambda: b"archive")
    other: Any = Guest(version(2))
    full: Any = Guest(version(sys.version_info.minor), Outcome(1, b"", b"no space left\n"))

    with pytest.raises(LabProblem, match=r"^the guest has Python 3\.2, this is 3\."):
        carry(other)
    with pytest.raises(LabProblem, match=r"^tar in the guest: no space left$"):
        carry(full)
