"""``kmcl report`` and ``kmcl verify``: certificates that exist already."""

import json
from pathlib import Path

import pytest

from kmcl_conformance.cli import main
from kmcl_conformance.cli.certificates import FORMS

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run."""
    path = tmp_path_factory.mktemp("run")
    assert main(["certify", "--budget", "1", "--out", str(path), "--quiet"]) == 0
    return path


def test_a_certificate_is_rendered_again_with_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    assert main(["report", str(folder), "--out", str(tmp_path), "--quiet"]) == 0

    for name in FORMS:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_the_summary_is_shown_again(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    main(["report", str(folder / "certificate.json"), "--out", str(tmp_path)])

    assert "CONFORMING" in capsys.readouterr().out


def test_an_unchanged_certificate(folder: Path, capsys: Captured) -> None:
    assert main(["verify", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "UNCHANGED"


def test_a_changed_certificate(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    data = json.loads((folder / "certificate.json").read_text())
    data["seed"] += 1
    changed = tmp_path / "certificate.json"
    changed.write_text(json.dumps(data))

    assert main(["verify", str(changed), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert not answer["unchanged"]
    assert answer["digest"] != answer["computed"]


def test_a_certificate_without_a_digest_cannot_be_judged(folder: Path, tmp_path: Path) -> None:
    data = json.loads((folder / "certificate.json").read_text())
    data["digest"] = None
    (tmp_path / "certificate.json").write_text(json.dumps(data))

    assert main(["verify", str(tmp_path), "--quiet"]) == 3


@pytest.mark.parametrize("command", ["verify", "report"])
@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"schema": "else"}', "\x00", None])
def test_what_is_no_certificate_gets_one_line(
    tmp_path: Path, capsys: Captured, command: str, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "certificate.json").write_text(text)

    assert main([command, str(tmp_path)]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith(f"kmcl: {tmp_path}/certificate.json: ")
