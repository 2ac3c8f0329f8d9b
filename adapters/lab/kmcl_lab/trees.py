"""What the two guests are made of: folders that become their initial RAM file systems."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .modules import closure
from .packages import run
from .problem import LabProblem

__all__ = [
    "INNER_MODULES",
    "PYTHON",
    "PYTHON_PACKAGES",
    "hosting_tree",
    "inner_tree",
    "libraries_of",
    "outer_tree",
    "sources",
]

PYTHON: Final = Path("/usr/bin/python3")
"""The distribution's interpreter, which the guest gets with its standard library."""
PYTHON_PACKAGES: Final = ("kmcl_model", "kmcl_adapters", "kmcl_lab")
"""Our packages that the guest gets: Python alone, and all that an adapter needs."""
INNER_MODULES: Final = (
    "virtio_mmio",
    "virtio_console",
    "hv_vmbus",
    "hv_utils",
    "uio",
    "uio_hv_generic",
)
OUTER_MODULES: Final = ("kvm_amd",)

_NOT_FOR_A_GUEST: Final = (
    "__pycache__",
    "config-*",
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "test",
    "tkinter",
    "turtledemo",
)
_EMULATOR: Final = Path("/usr/bin/qemu-system-x86_64")
_FIRMWARE: Final = ("bios-256k.bin", "linuxboot_dma.bin", "kvmvapic.bin", "pvh.bin")
_FIRMWARE_FOLDERS: Final = (
    Path("/usr/share/qemu"),
    Path("/usr/share/seabios"),
    Path("/usr/lib/ipxe/qemu"),
)
_FOLDERS: Final = ("bin", "dev", "mod", "proc", "sys", "tmp", "usr/bin")

_LIBRARY: Final = r"(?:=> |^\s+)(/\S+)"

INNER_INIT: Final = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir /dev/pts; mount -t devpts pts /dev/pts
for module in $(cat /mod/order); do
    case ",$kmcl_without," in *",$module,"*) ;; *) insmod /mod/$module.ko ;; esac
done
ip link set lo up
export PYTHONPATH=/kmcl HOME=/tmp TERM=linux PATH=/bin:/usr/bin
exec /usr/bin/python3 -u -m kmcl_lab.guest
"""
OUTER_INIT: Final = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for module in $(cat /mod/order); do
    case $module in kvm_amd) insmod /mod/$module.ko nested=0 ;; *) insmod /mod/$module.ko ;; esac
done
mkdir /ports
for port in /sys/class/virtio-ports/*; do ln -s /dev/${port##*/} /ports/$(cat $port/name); done
echo "kmcl-lab: outer guest ready, Linux $(uname -r)"
sh /start-inner
echo "kmcl-lab: the host has ended with status $?"
poweroff -f
"""


def inner_tree(root: Path, kernel: Path, busybox: Path, own: Sequence[Path] = ()) -> None:
    """The guest under test: Python, our packages, the drivers.

    ``kernel`` is the unpacked kernel package, ``busybox`` the static program, ``own`` see
    ``modules.closure``.
    """
    _skeleton(root, busybox, INNER_INIT)
    _add_modules(root, _modules_folder(kernel), INNER_MODULES, own)
    _add_python(root)


def outer_tree(root: Path, kernel: Path, busybox: Path, start: str, files: Sequence[Path]) -> None:
    """The guest that has KVM where the machine has none: the emulator, and what it boots.

    ``start`` is the shell command that starts the inner guest; ``files`` go to the root folder.
    """
    _skeleton(root, busybox, OUTER_INIT)
    _add_modules(root, _modules_folder(kernel), OUTER_MODULES)
    _copy_program(root, _EMULATOR, "a virtual machine cannot be started")
    _copy_libraries(root, [_EMULATOR])
    firmware = root / "usr/share/qemu"
    firmware.mkdir(parents=True)
    for name in _FIRMWARE:
        found = next((f / name for f in _FIRMWARE_FOLDERS if (f / name).exists()), None)
        if found is None:
            raise LabProblem(f"QEMU's {name} is missing: reinstall qemu-system-x86 and seabios")
        shutil.copy(found, firmware / name)
    _add_inner(root, start, files)


def hosting_tree(
    root: Path, kernel: Path, busybox: Path, start: str, files: Sequence[Path]
) -> None:
    """As ``outer_tree``, with our own machine and VMBus host instead of the emulator."""
    _skeleton(root, busybox, OUTER_INIT)
    _add_modules(root, _modules_folder(kernel), OUTER_MODULES)
    _add_python(root)
    _add_inner(root, f"export PYTHONPATH=/kmcl HOME=/tmp\n{start} $kmcl_hosting", files)


def _add_inner(root: Path, start: str, files: Sequence[Path]) -> None:
    (root / "start-inner").write_text(start + "\n")
    for file in files:
        shutil.copy(file, root / file.name)


def sources() -> list[Path]:
    """Our own files that go into an image, sorted."""
    found = [f for name in PYTHON_PACKAGES for f in _package_folder(name).rglob("*.py")]
    return sorted(found)


def _skeleton(root: Path, busybox: Path, init: str) -> None:
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    (root / "init").write_text(init)
    for program in (root / "bin/busybox", root / "init"):
        program.chmod(0o755)


def _modules_folder(kernel: Path) -> Path:
    """``lib/modules/VERSION``, which lies below /usr in newer packages."""
    for folder in sorted([*kernel.glob("lib/modules/*"), *kernel.glob("usr/lib/modules/*")]):
        if (folder / "kernel").is_dir():
            return folder
    raise LabProblem(f"{kernel}: no kernel modules; build anew with --fresh")


def _add_modules(root: Path, folder: Path, names: Sequence[str], own: Sequence[Path] = ()) -> None:
    modules = closure(folder, names, own)
    for name, data in modules:
        (root / "mod" / f"{name}.ko").write_bytes(data)
    (root / "mod/order").write_text("".join(f"{name}\n" for name, _ in modules))


def _add_python(root: Path) -> None:
    """The interpreter, its library, and our packages, compiled."""
    _copy_program(root, PYTHON, "the guest has no Python")
    code = "import sys; print('python%d.%d' % sys.version_info[:2])"
    library = Path("/usr/lib") / run(str(PYTHON), "-I", "-c", code).strip()
    ignored = shutil.ignore_patterns(*_NOT_FOR_A_GUEST)
    shutil.copytree(library, root / library.relative_to("/"), ignore=ignored)
    _copy_libraries(root, [PYTHON, *library.glob("lib-dynload/*.so")])
    for name in PYTHON_PACKAGES:
        folder = _package_folder(name)
        ignored = shutil.ignore_patterns("__pycache__", "requirements", "data", "share")
        shutil.copytree(folder, root / "kmcl" / name, ignore=ignored)
    _compile(root, root / "usr/lib", root / "kmcl")


def _copy_program(root: Path, program: Path, otherwise: str) -> None:
    if not program.exists():
        raise LabProblem(f"{program} is missing and {otherwise}: run 'kmcl lab build --install'")
    target = root / program.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, target)


def libraries_of(programs: Iterable[Path]) -> list[Path]:
    """The shared libraries that ``ldd`` names, sorted; none for no program."""
    names = [str(program) for program in programs]
    text = run("ldd", *names) if names else ""
    return [Path(name) for name in sorted(set(re.findall(_LIBRARY, text, re.MULTILINE)))]


def _copy_libraries(root: Path, programs: Iterable[Path]) -> None:
    """The shared libraries of programs, where the loader will look for them."""
    for library in libraries_of(programs):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


def _compile(root: Path, *folders: Path) -> None:
    """Compile the modules: that takes an emulated guest seconds at every start."""
    command = [str(PYTHON), "-I", "-m", "compileall", "-q", "-s", str(root), "-p", "/"]
    command += ["--invalidation-mode", "unchecked-hash", *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabProblem(f"{PYTHON} cannot compile our modules: {done.stdout.strip()[:200]}")


def _package_folder(name: str) -> Path:
    found = find_spec(name)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent
