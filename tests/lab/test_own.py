"""``--kernel`` with a path: a kernel package of one's own, modules of one's own."""

import lzma
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from kmcl_lab import images
from kmcl_lab.images import Images, default_cache
from kmcl_lab.lab import Lab
from kmcl_lab.machine import HostKind
from kmcl_lab.modules import closure, decompressed
from kmcl_lab.own import Own, own_kernel
from kmcl_lab.packages import extract, fetch, kernel_for_kvm, kernel_packages
from kmcl_lab.problem import LabProblem

KERNEL = "6.12.9-cloud-amd64"
IMAGES = ("kernel", "outer-kernel", "inner.img", "outer.img", "hosting.img")


def a_module(*needs: str, kernel: str = KERNEL) -> bytes:
    made_for = f"\0vermagic={kernel} SMP preempt mod_unload \0" if kernel else "\0"
    return b"\x7fELF\0depends=" + ",".join(needs).encode() + made_for.encode()


@pytest.fixture(autouse=True)
def dpkg(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package file is a text with its name."""
    monkeypatch.setattr("kmcl_lab.own.run", lambda *words: Path(words[2]).read_text())


def a_package(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}_1_amd64.deb"
    file.write_text(name)
    return file


def modules(folder: Path, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.ko").write_bytes(data)
    return folder


@pytest.mark.parametrize("version", ["6.12.9-cloud-amd64", "newest"])
def test_a_version_is_nothing_of_ones_own(version: str) -> None:
    assert own_kernel(version) is None


def test_a_package_is_a_kernel(tmp_path: Path) -> None:
    package = a_package(tmp_path, "linux-image-6.13.0-mine")

    assert own_kernel(str(package)) == Own("6.13.0-mine", package, (), package)


def test_modules_say_themselves_for_which_kernel_they_are(tmp_path: Path) -> None:
    folder = modules(tmp_path / "mine", hv_vmbus=a_module())
    (folder / "uio_hv_generic.ko.xz").write_bytes(lzma.compress(a_module("hv_vmbus")))
    (folder / "hv_vmbus.c").touch()

    both = (folder / "hv_vmbus.ko", folder / "uio_hv_generic.ko.xz")
    assert own_kernel(str(folder)) == Own(KERNEL, None, both, folder)


def test_a_folder_may_hold_a_kernel_and_modules_for_it(tmp_path: Path) -> None:
    folder = modules(tmp_path / "mine", hv_vmbus=a_module(kernel="6.13.0-mine"))
    package = a_package(folder, "linux-image-6.13.0-mine")
    a_package(folder, "linux-image-6.13.0-mine-dbg")

    found = own_kernel(str(folder))
    assert found == Own("6.13.0-mine", package, (folder / "hv_vmbus.ko",), folder)


@pytest.mark.parametrize(
    ("files", "packages", "words"),
    [
        ({}, [], "neither linux-image-*.deb nor *.ko in it"),
        ({}, ["linux-image-1.2.3", "linux-image-1.2.4"], "2 kernel packages; keep one"),
        ({"a": a_module(), "b": a_module(kernel="6.1.0")}, [], "b.ko: built for 6.1.0, not for 6."),
        ({"a": a_module()}, ["linux-image-6.13.0"], f"a.ko: built for {KERNEL}, not for 6.13.0"),
        ({"a": a_module(kernel="")}, [], "a.ko: does not say which kernel it was built for"),
        ({"a-b": a_module(), "a_b": a_module()}, [], "a_b.ko are one module; keep one"),
    ],
    ids=["nothing", "two kernels", "two builds", "another kernel", "no module", "twice"],
)
def test_what_will_not_do_is_told_in_one_line(
    tmp_path: Path, files: dict[str, bytes], packages: list[str], words: str
) -> None:
    folder = modules(tmp_path / "mine", **files)
    for name in packages:
        a_package(folder, name)
    with pytest.raises(LabProblem) as told:
        own_kernel(str(folder))

    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["linux-headers-6.13.0", "linux-image-6.13.0-dbg", ""])
def test_a_package_without_a_kernel_is_refused(tmp_path: Path, name: str) -> None:
    package = a_package(tmp_path, "any")
    package.write_text(name)
    with pytest.raises(LabProblem, match=r"any_1_amd64\.deb: .* is no package of a kernel"):
        own_kernel(str(package))


def test_a_path_that_leads_nowhere_is_named() -> None:
    with pytest.raises(LabProblem, match=r"^--kernel \./no: neither a kernel package nor a folder"):
        own_kernel("./no")


def a_kernel(root: Path) -> Path:
    folder = root / "lib/modules" / KERNEL
    folder.joinpath("kernel").mkdir(parents=True)
    for name, data in {"hv_vmbus": a_module(), "uio_hv_generic": a_module("hv_vmbus")}.items():
        (folder / f"kernel/{name}.ko").write_bytes(data)
    (folder / "modules.builtin").write_text("kernel/drivers/virtio/virtio.ko\n")
    return folder


def test_modules_take_the_place_of_the_kernels_and_others_come_last(tmp_path: Path) -> None:
    mine = modules(tmp_path / "mine", hv_vmbus=a_module("helper"), other=a_module("uio_hv_generic"))
    modules(mine, helper=a_module("virtio"))
    ordered = closure(a_kernel(tmp_path), ["uio_hv_generic"], sorted(mine.glob("*.ko")))

    assert ordered == [
        ("helper", a_module("virtio")),
        ("hv_vmbus", a_module("helper")),
        ("uio_hv_generic", a_module("hv_vmbus")),
        ("other", a_module("uio_hv_generic")),
    ]


def test_what_is_a_part_of_the_kernel_cannot_be_replaced(tmp_path: Path) -> None:
    mine = modules(tmp_path / "mine", virtio=a_module())
    with pytest.raises(LabProblem, match=rf"virtio\.ko: virtio is a part of {KERNEL} itself$"):
        closure(a_kernel(tmp_path), [], [mine / "virtio.ko"])


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], ...]]:
    """What images were made of: the guest's packages, its own modules, those of the outer one."""
    made: list[tuple[list[str], ...]] = []

    def fetch(name: str, folder: Path) -> Path:
        return a_package(folder, name)

    def make(scratch: Path, debs: list[Path], outers: list[Path], own: Sequence[Path]) -> Path:
        made.append(
            tuple([file.name.partition("_1_")[0] for file in f] for f in (debs, own, outers))
        )
        folder = scratch / "made"
        folder.mkdir()
        for name in IMAGES:
            (folder / name).write_bytes(b"".join(file.read_bytes() for file in (*debs, *own)))
        return folder

    monkeypatch.setattr(images, "fetch", fetch)
    monkeypatch.setattr(images, "kernel_packages", lambda version: [f"linux-image-{version}"])
    monkeypatch.setattr(images, "_make", make)
    monkeypatch.setattr(images, "installed", lambda name: None)
    monkeypatch.setattr(images, "newest_kernel", lambda: KERNEL)
    monkeypatch.setattr(images, "kernel_for_kvm", kernel_for_kvm)
    monkeypatch.setattr("kmcl_lab.packages.candidate_kernels", lambda: [KERNEL])
    return made


DEBIAN = [f"linux-image-{KERNEL}", "busybox-static"]


def test_own_modules_go_to_the_guest_under_test_alone(
    tmp_path: Path, made: list[tuple[list[str], ...]]
) -> None:
    mine = modules(tmp_path / "mine", hv_vmbus=a_module())
    built = images.build(tmp_path / "cache", str(mine))

    assert made == [(DEBIAN, ["hv_vmbus.ko"], DEBIAN)]
    assert built.inputs["kernel"] == KERNEL


def test_an_own_kernel_need_not_have_kvm(tmp_path: Path, made: list[tuple[list[str], ...]]) -> None:
    package = a_package(tmp_path, "linux-image-6.12.77-mine")
    built = images.build(tmp_path / "cache", str(package))

    assert made == [(["linux-image-6.12.77-mine", "busybox-static"], [], DEBIAN)]
    assert built.inputs["kernel"] == "6.12.77-mine"


def test_changed_modules_make_other_images_and_the_distributions_stay(
    tmp_path: Path, made: list[tuple[list[str], ...]]
) -> None:
    plain = images.build(tmp_path / "cache")
    mine = modules(tmp_path / "mine", hv_vmbus=a_module())
    first = images.build(tmp_path / "cache", str(mine))
    again = images.build(tmp_path / "cache", str(mine))
    modules(mine, hv_vmbus=a_module("virtio"))
    second = images.build(tmp_path / "cache", str(mine))

    assert again == first
    assert len(made) == 3
    assert len({plain.folder, first.folder, second.folder}) == 3
    assert [i.folder.exists() for i in (plain, first, second)] == [True, False, True]


def test_an_own_kernel_that_is_too_old_is_refused(
    tmp_path: Path, made: list[tuple[list[str], ...]]
) -> None:
    package = a_package(tmp_path, "linux-image-6.1.0-mine")
    with pytest.raises(LabProblem, match=r"6\.1\.0-mine: uio_hv_generic takes no channel of QEMU"):
        images.build(tmp_path / "cache", str(package))
    assert made == []


def test_a_package_must_have_one_kernel_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "extract", lambda debs, folder: None)
    with pytest.raises(LabProblem, match=r"^some_1_amd64\.deb: 0 kernels in them, not one$"):
        images._unpack([a_package(tmp_path, "some")], tmp_path / "unpacked", tmp_path / "kernel")


SIGNED = b"~Module signature appended~\n"


def changed(module: bytes) -> bytes:
    """The same driver with another version, and without the signature, as one that was built here
    has none: its last 12 bytes but for the mark say in the last four how long it is."""
    if module.endswith(SIGNED):
        end = len(module) - len(SIGNED)
        module = module[: end - 12 - int.from_bytes(module[end - 4 : end], "big")]
    (said,) = re.findall(rb"\0version=[^\0]+\0", module)
    return module.replace(said, b"\0version=" + b"9" * (len(said) - 10) + b"\0")


@pytest.mark.lab
def test_the_guest_runs_the_module_of_ones_own(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    version = request.getfixturevalue("images").inputs["kernel"]
    packages = tmp_path / "cache/packages"
    packages.mkdir(parents=True)
    for package in default_cache().glob("packages/*.deb"):
        os.symlink(package, packages / package.name)
    extract([fetch(name, packages) for name in kernel_packages(version)], tmp_path / "unpacked")
    (driver,) = (tmp_path / "unpacked").rglob("uio_hv_generic.ko*")
    mine = modules(tmp_path / "mine", uio_hv_generic=changed(decompressed(driver.read_bytes())))
    built: Images = images.build(tmp_path / "cache", str(mine))
    with Lab(built, tmp_path / "logs", host=HostKind.PROGRAMMABLE) as lab:
        assert lab.bind() == "/dev/uio0"
        told = lab.guest.run(["cat", "/sys/module/uio_hv_generic/version"]).output

    assert set(told.strip()) == {ord("9")}
    assert lab.account().kernel == version
