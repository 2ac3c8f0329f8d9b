"""The whole of kmcl, carried into a guest that has Python and nothing else.

What an adapter needs is in the guest's image. The command line needs more: libraries that this
interpreter has, found by the metadata of our own distribution. They go in as one archive.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .channel import Channel
from .problem import LabProblem
from .trees import PYTHON, libraries_of

__all__ = ["PLACE", "archive", "carry"]

PLACE: Final = "/carried"
"""Where it is in the guest."""
OURS: Final = ("kmcl_adapters", "kmcl_conformance", "kmcl_lab", "kmcl_model", "kmcl_reports")
_NAME: Final = "kmcl-conformance"
_NOT_NEEDED: Final = ("hypothesis", "pytest", "pygments", "markdown-it-py")
"""Of tests, and of what nobody looks at there."""
_SECONDS: Final = 120.0
_START: Final = "import sys; from kmcl_conformance.cli import main; sys.exit(main())"
_COMMAND: Final = f"""#!/bin/sh
PYTHONPATH={PLACE} LD_LIBRARY_PATH={PLACE}/lib exec {PYTHON} -c "{_START}" "$@"
"""
_INSTALL: Final = f"echo {shlex.quote(_COMMAND)} > /bin/kmcl && chmod +x /bin/kmcl"


def archive() -> bytes:
    """A tar of our packages and all they need. Raises LabProblem where something is missing."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", compresslevel=1) as tar:
        for name in OURS:
            found = find_spec(name)
            if found is None or found.origin is None:
                raise LabProblem(f"{name} is not installed here: nothing to carry into the guest")
            folder = Path(found.origin).parent
            tar.add(folder, name, filter=_clean)
            if name == "kmcl_model" and not (folder / "data").exists():  # a checkout
                tar.add(folder.parent / "requirements", f"{name}/data", filter=_clean)
        compiled = []
        for package in _needed():
            for file in package.files or ():
                place = Path(str(package.locate_file(file)))
                if file.parts[0] in OURS:  # of an installed copy: what is at hand was added above
                    continue
                if file.parts[0].startswith("..") or place.suffix == ".pth" or not place.is_file():
                    continue
                tar.add(place, str(file), filter=_clean)
                if place.suffix == ".so":
                    compiled.append(place)
        for library in libraries_of(compiled):
            tar.add(library.resolve(), f"lib/{library.name}", filter=_clean)
    return data.getvalue()


def carry(guest: Channel) -> None:
    """Put it into the guest, whose ``kmcl`` is this one then. Raises LabProblem."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    theirs = guest.run([str(PYTHON), "-I", "-c", code]).output.decode().strip()
    if theirs != ours:
        raise LabProblem(
            f"the guest has Python {theirs}, this is {ours}, and compiled libraries are of one "
            f"version: run kmcl with the distribution's {PYTHON}"
        )
    done = guest.run(
        ["sh", "-c", f"mkdir -p {PLACE} && tar xzf - -C {PLACE} && {_INSTALL}"],
        archive(),
        limit=_SECONDS,
    )
    if done.code:
        raise LabProblem(f"tar in the guest: {done.errors.decode('utf-8', 'replace').strip()}")


def _clean(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """As root's, without what was compiled by and for somebody else."""
    if "__pycache__" in member.name:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _needed() -> Iterator[Distribution]:
    """Our own distribution and those it requires, each once."""
    waiting, seen = [_NAME], set(_NOT_NEEDED)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            package = distribution(name)
        except PackageNotFoundError:
            if name == _NAME:
                raise LabProblem(f"{name} is not installed here") from None
            continue  # for other systems than this
        yield package
        for requirement in package.requires or ():
            if "extra ==" not in requirement:
                waiting.append(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])
