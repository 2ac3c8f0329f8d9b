"""``kmcl report`` and ``kmcl verify``: certificates that exist already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from kmcl_reports.certificate import (
    certificate_json,
    digest_of,
    parse_certificate,
)
from kmcl_reports.certificate import (
    verify as intact,
)
from kmcl_reports.results import Certificate

from .certificates import show_certificate, write_certificate
from .options import Json, OutFolder, Quiet
from .output import Code, Problem, Screen

__all__ = ["report", "verify"]

CertificateFile = Annotated[
    Path,
    typer.Argument(metavar="DIR|certificate.json", help="A certificate, or the folder of a run."),
]


def report(
    source: CertificateFile,
    out: OutFolder = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Render a certificate again: report.html, report.md, junit.xml.

    Without --out they are written beside the certificate.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    path, certificate = _read(source)
    folder = out or path.parent
    write_certificate(certificate, folder)
    screen.result(certificate_json(certificate))
    show_certificate(screen, certificate, folder)
    return Code.CONFORMING


def verify(source: CertificateFile, quiet: Quiet = False, as_json: Json = False) -> int:
    """Check that a certificate is unchanged since it was written.

    The digest proves integrity, not who wrote it. Exit codes: 0 unchanged, 1 changed.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    path, certificate = _read(source)
    if certificate.digest is None:
        raise Problem(f"{path}: carries no digest, so nothing can be verified", Code.UNJUDGED)
    unchanged = intact(certificate)
    screen.result(
        {
            "certificate": str(path),
            "unchanged": unchanged,
            "digest": certificate.digest,
            "computed": digest_of(certificate),
            "verdict": certificate.verdict.value,
        }
    )
    implementation = certificate.implementation
    screen.show(
        f"{implementation.name} {implementation.version} through {implementation.adapter}: "
        f"{certificate.verdict.value}",
        f"written  {certificate.digest}",
        f"computed {digest_of(certificate)}",
    )
    screen.word("UNCHANGED" if unchanged else "CHANGED", good=unchanged)
    return Code.CONFORMING if unchanged else Code.VIOLATIONS


def _read(source: Path) -> tuple[Path, Certificate]:
    path = source / "certificate.json" if source.is_dir() else source
    try:
        return path, parse_certificate(path.read_bytes())
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; name a certificate or its folder") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise Problem(f"{path}: no certificate: {place}: {first['msg']}") from None
