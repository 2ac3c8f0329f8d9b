"""Guest images: made once from distribution packages, kept in a cache, checked before use.

Below the cache folder lie ``packages/`` (package files as downloaded) and one folder for each
set of inputs, with the kernel, the initial RAM file systems and ``manifest.json``, which names
the inputs and the SHA-256 of every file. Same inputs, same folder: nothing is built twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from . import trees
from .machine import hosting_command, inner_command, shell_command
from .modules import plain_kernel
from .newc import pack
from .own import Own, own_kernel
from .packages import (
    OLDEST_KERNEL,
    extract,
    fetch,
    installed,
    kernel_for_kvm,
    kernel_number,
    kernel_packages,
    newest_kernel,
)
from .problem import LabProblem, WrongUsage

__all__ = ["Images", "build", "default_cache", "hold", "load"]

_RECIPE: Final = 3
"""Raised when the same inputs give other images."""
_FILES: Final = ("kernel", "outer-kernel", "inner.img", "outer.img", "hosting.img")
_TOLD_BY_DPKG: Final = ("qemu-system-x86", "seabios", "python3-minimal")


class Images(NamedTuple):
    """What the machines boot, and the versions it was made of."""

    folder: Path
    inputs: dict[str, Any]

    @property
    def kernel(self) -> Path:
        """The Linux kernel of the guest under test."""
        return self.folder / "kernel"

    @property
    def outer_kernel(self) -> Path:
        """That of the guest that provides KVM."""
        return self.folder / "outer-kernel"

    @property
    def inner(self) -> Path:
        """The file system of the guest under test."""
        return self.folder / "inner.img"

    @property
    def outer(self) -> Path:
        """The file system of the guest that provides KVM, with QEMU as the VMBus host."""
        return self.folder / "outer.img"

    def has_module(self, name: str) -> bool:
        """Whether the guest can insert this driver; else it is a part of its kernel."""
        return f"mod/{name}.ko\0".encode() in self.inner.read_bytes()

    @property
    def hosting(self) -> Path:
        """The same with our own machine and VMBus host."""
        return self.folder / "hosting.img"


def default_cache() -> Path:
    """``kmcl/lab`` in the user's cache folder, as the XDG base directories have it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "kmcl/lab"


def build(
    cache: Path,
    kernel: str | None = None,
    *,
    fresh: bool = False,
    oldest: tuple[int, int] = OLDEST_KERNEL,
    tell: Callable[[str], object] = lambda _: None,
) -> Images:
    """Images of that kernel (the newest that apt offers by default; a path as ``own`` has it), from
    the cache if they are there and whole; the guest that provides KVM has
    ``packages.kernel_for_kvm``. ``fresh`` builds them anyway. Raises LabProblem, also where a lab
    runs what is to be replaced; WrongUsage for a kernel that is older than ``oldest`` or that
    nobody offers, and for a cache that cannot be."""
    own = own_kernel(kernel) if kernel else None
    version = own.version if own else kernel or newest_kernel()
    _check_kernel(version, oldest)
    packages = cache / "packages"
    try:
        packages.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUsage(f"{cache}: {error.strerror}; name another folder with --cache") from None
    debs, outers = _packages(version, own, packages)
    inputs = _inputs(version, [*dict.fromkeys((*debs, *outers))], own)
    folder = cache / _digest(inputs)
    if not fresh and (folder / "manifest.json").exists():
        try:
            images = load(folder)
        except LabProblem as problem:
            tell(f"{problem}; building anew")
        else:
            tell(f"images are up to date: {folder}")
            return images
    tell(f"building images of Linux {version} in {folder}")
    with _unheld(folder):
        pass  # or the work were for nothing
    with tempfile.TemporaryDirectory(prefix="making-", dir=cache) as scratch:
        made = _make(Path(scratch), debs, outers, own.modules if own else ())
        (made / "manifest.json").write_text(_manifest(inputs, made))
        with _unheld(folder):
            shutil.rmtree(folder, ignore_errors=True)
            made.replace(folder)
    _remove_superseded(cache, folder, inputs, tell)
    return load(folder)


def _packages(version: str, own: Own | None, folder: Path) -> tuple[list[Path], list[Path]]:
    """What the guest under test is made of, and what the one that provides KVM is."""
    if own is not None and own.package is not None:  # which need not have KVM
        busybox = fetch("busybox-static", folder)
        debs, outer = [own.package, busybox], kernel_for_kvm(newest_kernel())
    else:
        names = kernel_packages(version)  # before anything is downloaded
        busybox = fetch("busybox-static", folder)
        debs = [*(fetch(name, folder) for name in names), busybox]
        outer = kernel_for_kvm(version)
        if outer == version:
            return debs, debs
    return debs, [*(fetch(name, folder) for name in kernel_packages(outer)), busybox]


def _check_kernel(version: str, oldest: tuple[int, int]) -> None:
    wanted = ".".join(map(str, oldest))
    if kernel_number(version) >= oldest:
        return
    if oldest == OLDEST_KERNEL:
        why = f"uio_hv_generic takes no channel of QEMU before {wanted}"
    else:
        why = f"nothing is known of kernels before {wanted}"
    raise WrongUsage(f"--kernel {version}: {why}")


def hold(folder: Path) -> int:
    """A descriptor that keeps the images in a folder: nobody removes them before it is closed, or
    its process has ended, however it did. Raises LabProblem where there are none any more."""
    try:
        descriptor = os.open(folder / "manifest.json", os.O_RDONLY)
    except OSError as error:
        raise LabProblem(f"{folder}: {error.strerror}: run kmcl lab build again") from None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not os.fstat(descriptor).st_nlink:  # whoever removes them was faster
        os.close(descriptor)
        raise LabProblem(f"{folder}: removed: run kmcl lab build again")
    return descriptor


@contextlib.contextmanager
def _unheld(folder: Path) -> Iterator[None]:
    """While nobody can hold the images in a folder, if there are any. Raises LabProblem where a lab
    does."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            file = stack.enter_context((folder / "manifest.json").open())
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LabProblem(f"{folder}: a lab runs these images: end it first") from None
        yield


def _remove_superseded(
    cache: Path, folder: Path, inputs: dict[str, Any], tell: Callable[[str], object]
) -> None:
    """Images of the same kernel that were made of something else take 300 MB each. Those that a
    lab holds stay, and so do those with other modules of one's own, or with none."""

    def whose(found: dict[str, Any]) -> tuple[str, str | None]:
        return found["kernel"], found.get("own", {}).get("place")

    for manifest in cache.glob("*/manifest.json"):
        if manifest.parent == folder:
            continue
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError), manifest.open() as file:
            if whose(json.load(file)["inputs"]) != whose(inputs):
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell(f"older images are kept, a lab runs them: {manifest.parent}")
            else:
                shutil.rmtree(manifest.parent, ignore_errors=True)


def load(folder: Path) -> Images:
    """The images in a folder, each compared with its checksum. Raises LabProblem."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        inputs, sums = manifest["inputs"], manifest["sha256"]
        expected = {name: str(sums[name]) for name in _FILES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabProblem(f"{path}: no manifest of images ({type(error).__name__})") from None
    for name, checksum in expected.items():
        try:
            found = _sha256(folder / name)
        except OSError as error:
            raise LabProblem(f"{folder / name}: {error.strerror}") from None
        if found != checksum:
            raise LabProblem(f"{folder / name}: damaged: its checksum is not the manifest's")
    return Images(folder, inputs)


def _make(scratch: Path, debs: list[Path], outers: list[Path], own: Sequence[Path]) -> Path:
    """The files of the images in a new folder below ``scratch``: the guest under test from some
    packages and modules of one's ``own``, the one that provides KVM from other packages, or from
    the same."""
    made, unpacked = scratch / "made", scratch / "packages"
    made.mkdir()
    busybox = _unpack(debs, unpacked, made / "kernel")
    trees.inner_tree(scratch / "inner", unpacked, busybox, own)
    _pack(scratch / "inner", made / "inner.img")
    if outers is debs:
        os.link(made / "kernel", made / "outer-kernel")
    else:
        unpacked = scratch / "outer-packages"
        busybox = _unpack(outers, unpacked, made / "outer-kernel")
    start = shell_command(inner_command(Path("/kernel"), Path("/inner.img"), nested=True))
    inside = [made / "kernel", made / "inner.img"]
    trees.outer_tree(scratch / "outer", unpacked, busybox, start, inside)
    _pack(scratch / "outer", made / "outer.img")
    start = shell_command(hosting_command(Path("/kernel"), Path("/inner.img"), nested=True))
    trees.hosting_tree(scratch / "hosting", unpacked, busybox, start, inside)
    _pack(scratch / "hosting", made / "hosting.img")
    return made


def _unpack(debs: list[Path], folder: Path, kernel: Path) -> Path:
    """Unpack packages; ``kernel`` takes the kernel in them. Where busybox is."""
    folder.mkdir()
    extract(debs, folder)
    found = [*folder.glob("boot/vmlinuz-*"), *folder.glob("usr/lib/modules/*/vmlinuz")]
    if len(found) != 1:
        raise LabProblem(
            f"{', '.join(d.name for d in debs)}: {len(found)} kernels in them, not one"
        )
    (image,) = found
    kernel.write_bytes(plain_kernel(image.read_bytes()))
    places = (folder / "bin/busybox", folder / "usr/bin/busybox")
    return next(place for place in places if place.exists())


def _pack(root: Path, file: Path) -> None:
    with file.open("wb") as out:
        pack(root, out)


def _inputs(kernel: str, debs: list[Path], own: Own | None) -> dict[str, Any]:
    """Everything the images depend on."""
    sources = hashlib.sha256()
    for source in trees.sources():
        sources.update(f"{source.name}\0".encode() + source.read_bytes() + b"\0")
    told = {name: found.version for name in _TOLD_BY_DPKG if (found := installed(name))}
    inputs = {
        "recipe": _RECIPE,
        "kernel": kernel,
        "packages": {deb.name: _sha256(deb) for deb in debs},
        "installed": told,
        "own_sources": sources.hexdigest(),
    }
    if own is not None:
        modules = {module.name: _sha256(module) for module in own.modules}
        inputs["own"] = {"place": str(own.place), "modules": modules}
    return inputs


def _manifest(inputs: dict[str, Any], made: Path) -> str:
    sums = {name: _sha256(made / name) for name in _FILES}
    return json.dumps({"inputs": inputs, "sha256": sums}, indent=2) + "\n"


def _digest(inputs: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
