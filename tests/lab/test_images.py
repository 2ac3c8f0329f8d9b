"""Archives, manifests, modules: what guest images are made of."""

import io
import json
import lzma
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kmcl_lab import images
from kmcl_lab.images import default_cache, load
from kmcl_lab.modules import closure, decompressed, dependencies, plain_kernel
from kmcl_lab.newc import pack
from kmcl_lab.packages import kernel_for_kvm, kernel_packages
from kmcl_lab.problem import LabProblem


def archive(root: Path) -> bytes:
    out = io.BytesIO()
    length = pack(root, out)

    assert length == len(out.getvalue())
    return out.getvalue()


def entries(data: bytes) -> dict[str, tuple[int, bytes]]:
    """A reader of the format for these tests: modes and data by name."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, length = fields[1], fields[6], fields[11]
        name = data[at + 110 : at + 110 + length - 1].decode()
        at += 110 + length + -(110 + length) % 4
        if name == "TRAILER!!!":
            assert at == len(data)
            return found
        found[name] = (mode, data[at : at + size])
        at += size + -size % 4


def a_tree(root: Path) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "bin/sh").write_bytes(b"#!")
    (root / "bin/sh").chmod(0o755)
    (root / "empty").write_bytes(b"")
    (root / "odd name").write_bytes(b"12345")
    (root / "link").symlink_to("bin/sh")
    return root


def test_a_folder_becomes_an_archive_and_nothing_is_lost(tmp_path: Path) -> None:
    assert entries(archive(a_tree(tmp_path))) == {
        "bin": (0o40755, b""),
        "bin/sh": (0o100755, b"#!"),
        "empty": (0o100644, b""),
        "link": (0o120777, b"bin/sh"),
        "odd name": (0o100644, b"12345"),
    }


def test_a_folder_comes_before_what_is_in_it(tmp_path: Path) -> None:
    names = list(entries(archive(a_tree(tmp_path))))

    assert names.index("bin") < names.index("bin/sh")


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    assert archive(a_tree(tmp_path / "one")) == archive(a_tree(tmp_path / "two"))


def test_what_cannot_be_archived_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ValueError, match="neither a file nor a folder"):
        pack(tmp_path, io.BytesIO())


FILES = ("kernel", "outer-kernel", "inner.img", "outer.img", "hosting.img")


def some_images(folder: Path) -> Path:
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(name.encode())
    inputs = {"kernel": "6.12.1-cloud-amd64"}
    (folder / "manifest.json").write_text(images._manifest(inputs, folder))
    return folder


def test_images_are_loaded_with_what_they_were_made_of(tmp_path: Path) -> None:
    loaded = load(some_images(tmp_path / "made"))

    assert loaded.inputs == {"kernel": "6.12.1-cloud-amd64"}
    assert [p.name for p in (loaded.kernel, loaded.inner, loaded.outer, loaded.hosting)] == [
        "kernel",
        "inner.img",
        "outer.img",
        "hosting.img",
    ]


@pytest.mark.parametrize("name", ["kernel", "inner.img", "outer.img", "hosting.img"])
def test_a_damaged_image_is_not_booted(tmp_path: Path, name: str) -> None:
    folder = some_images(tmp_path / "made")
    (folder / name).write_bytes(b"other")

    with pytest.raises(LabProblem, match=f"{name}: damaged"):
        load(folder)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    folder = some_images(tmp_path / "made")
    (folder / "outer.img").unlink()

    with pytest.raises(LabProblem, match=r"outer\.img: No such file"):
        load(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": {}, "sha256": {"kernel": "x"}}'])
def test_a_manifest_that_is_none_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    folder = some_images(tmp_path / "made")
    (folder / "manifest.json").write_text(text)

    with pytest.raises(LabProblem, match=r"^\S+manifest\.json: no manifest of images \(\w+\)$"):
        load(folder)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Packages without a distribution: what is fetched is a file with its name in it."""
    made: list[str] = []

    def fetch(name: str, folder: Path) -> Path:
        file = folder / f"{name}.deb"
        file.write_text(name)
        return file

    def make(scratch: Path, debs: list[Path], outers: list[Path], own: Sequence[Path]) -> Path:
        both = dict.fromkeys((*debs, *own, *outers))
        made.append(",".join(deb.name for deb in both))
        folder = scratch / "made"
        folder.mkdir()
        for name in FILES:
            (folder / name).write_bytes(debs[0].read_bytes())
        return folder

    monkeypatch.setattr(images, "fetch", fetch)
    monkeypatch.setattr(images, "kernel_packages", lambda version: [f"linux-image-{version}"])
    monkeypatch.setattr(images, "_make", make)
    monkeypatch.setattr(images, "kernel_for_kvm", kernel_for_kvm)
    monkeypatch.setattr("kmcl_lab.packages.candidate_kernels", lambda: ["6.12.9-cloud-amd64"])
    monkeypatch.setattr(images, "installed", lambda name: None)
    monkeypatch.setattr(images, "newest_kernel", lambda: "6.12.9-cloud-amd64")
    return made


def test_images_are_made_once(tmp_path: Path, apt: list[str]) -> None:
    first = images.build(tmp_path)
    again = images.build(tmp_path)

    assert again == first
    assert apt == ["linux-image-6.12.9-cloud-amd64.deb,busybox-static.deb"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([first.folder.name, "packages"])


def test_another_kernel_makes_other_images_and_keeps_the_first(
    tmp_path: Path, apt: list[str]
) -> None:
    first = images.build(tmp_path)
    other = images.build(tmp_path, "6.13.1-cloud-amd64")

    assert first.folder != other.folder
    assert load(first.folder) == first
    assert other.inputs["kernel"] == "6.13.1-cloud-amd64"
    assert other.outer_kernel.name == "outer-kernel"
    assert apt[1] == (
        "linux-image-6.13.1-cloud-amd64.deb,busybox-static.deb,linux-image-6.12.9-cloud-amd64.deb"
    )


def test_damaged_images_are_made_anew(tmp_path: Path, apt: list[str]) -> None:
    first = images.build(tmp_path)
    first.inner.write_bytes(b"x")
    told: list[str] = []
    images.build(tmp_path, tell=told.append)

    assert len(apt) == 2
    assert told[0].endswith("its checksum is not the manifest's; building anew")
    assert load(first.folder) == first


def test_changed_sources_make_other_images(
    tmp_path: Path, apt: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = images.build(tmp_path)
    source = tmp_path / "source.py"
    source.write_text("pass\n")
    monkeypatch.setattr("kmcl_lab.trees.sources", lambda: [source])

    second = images.build(tmp_path)

    assert second.folder != first.folder
    assert not first.folder.exists()  # the same kernel: nobody needs the old ones


def test_older_images_are_kept_while_a_lab_holds_them(
    tmp_path: Path, apt: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = images.build(tmp_path)
    source = tmp_path / "source.py"
    monkeypatch.setattr("kmcl_lab.trees.sources", lambda: [source])
    held = [images.hold(first.folder) for _ in range(2)]
    told: list[str] = []
    kept = []
    for text in ("one", "two", "three"):
        source.write_text(text)
        images.build(tmp_path, tell=told.append)
        kept.append(first.folder.exists())
        if held:
            os.close(held.pop())

    assert kept == [True, True, False]
    assert told.count(f"older images are kept, a lab runs them: {first.folder}") == 2
    with pytest.raises(LabProblem, match=r"No such file or directory: run kmcl lab build again$"):
        images.hold(first.folder)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_images_that_a_lab_holds_are_not_replaced(
    when: str, tmp_path: Path, apt: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = images.build(tmp_path)
    held = [images.hold(first.folder)] if when == "before" else []
    manifest = (first.folder / "manifest.json").stat().st_ino
    make = images._make

    def make_slowly(*arguments: Any) -> Path:
        if when == "meanwhile":
            held.append(images.hold(first.folder))
        return make(*arguments)

    monkeypatch.setattr(images, "_make", make_slowly)
    with pytest.raises(LabProblem, match=r"^\S+: a lab runs these images: end it first$"):
        images.build(tmp_path, fresh=True)

    assert (first.folder / "manifest.json").stat().st_ino == manifest
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([first.folder.name, "packages"])
    assert len(apt) == (1 if when == "before" else 2)
    os.close(held.pop())
    monkeypatch.setattr(images, "_make", make)
    assert images.build(tmp_path, fresh=True) == first
    assert (first.folder / "manifest.json").stat().st_ino != manifest


def test_images_that_go_while_they_are_asked_for_are_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = some_images(tmp_path / "made")
    monkeypatch.setattr(
        "kmcl_lab.images.fcntl.flock", lambda *_: (folder / "manifest.json").unlink()
    )
    with pytest.raises(LabProblem, match=r"removed: run kmcl lab build again$"):
        images.hold(folder)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("6.1.0-56-cloud-amd64", "takes no channel of QEMU before 6.10"),
        ("newest", "no version such as 6.10.1-cloud-amd64"),
        ("", "no version"),
    ],
)
def test_a_kernel_that_will_not_do_is_refused_before_anything_is_fetched(
    tmp_path: Path, version: str, words: str
) -> None:
    with pytest.raises(LabProblem, match=words):
        images.build(tmp_path / "cache", version or "6")
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(LabProblem, match=r"name another folder with --cache$"):
        images.build(tmp_path / "file", "6.12.9-cloud-amd64")


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")

    assert default_cache() == Path("/somewhere/kmcl/lab")


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/me")

    assert default_cache() == Path("/me/.cache/kmcl/lab")


def a_module(*needs: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0"


def a_kernel(root: Path) -> Path:
    folder = root / "lib/modules/6.12.9"
    (folder / "kernel/drivers").mkdir(parents=True)
    packed = {
        "uio_hv_generic.ko.xz": lzma.compress(a_module("uio", "hv-vmbus", "virtio")),
        "hv_vmbus.ko.xz": lzma.compress(a_module()),
        "uio.ko": a_module(),
    }
    for name, data in packed.items():
        (folder / "kernel/drivers" / name).write_bytes(data)
    (folder / "modules.builtin").write_text("kernel/drivers/virtio/virtio.ko\n")
    return folder


def test_a_module_comes_after_all_it_needs_and_without_what_is_built_in(tmp_path: Path) -> None:
    modules = closure(a_kernel(tmp_path), ["uio_hv_generic"])

    assert [name for name, _ in modules] == ["uio", "hv_vmbus", "uio_hv_generic"]
    assert dict(modules)["uio_hv_generic"] == a_module("uio", "hv-vmbus", "virtio")


def test_a_module_that_the_kernel_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabProblem, match=r"6\.12\.9 has no module kvm_amd"):
        closure(a_kernel(tmp_path), ["kvm-amd"])


def test_a_file_that_names_no_dependencies_has_none() -> None:
    assert dependencies(b"\x7fELF") == []


def a_boot_image(kernel: bytes, pack: Callable[[bytes], bytes] = lzma.compress) -> bytes:
    packed = pack(kernel) + len(kernel).to_bytes(4, "little")
    head = bytearray(1024)
    head[0x1F1] = 1
    head[0x248:0x24C] = (16).to_bytes(4, "little")
    head[0x24C:0x250] = len(packed).to_bytes(4, "little")
    return bytes(head) + b"\0" * 16 + packed + b"junk"


def test_the_plain_kernel_is_taken_out_of_a_boot_image() -> None:
    assert plain_kernel(a_boot_image(b"\x7fELF kernel")) == b"\x7fELF kernel"


def test_a_boot_image_with_something_else_inside_stays_as_it_is() -> None:
    image = a_boot_image(b"no kernel")

    assert plain_kernel(image) == image


def a_zstd(monkeypatch: pytest.MonkeyPatch, folder: Path, *lines: str) -> None:
    """The only program there is."""
    program = folder / "zstd"
    program.write_text("\n".join(["#!/bin/sh", "PATH=/usr/bin:/bin", *lines, ""]))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_zstd_gets_the_kernel_without_the_size_behind_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a_zstd(monkeypatch, tmp_path, "tail -c +5")
    image = a_boot_image(b"\x7fELF kernel", lambda data: b"\x28\xb5\x2f\xfd" + data)

    assert plain_kernel(image) == b"\x7fELF kernel"


@pytest.mark.parametrize(
    ("said", "words"),
    [("echo damaged >&2; echo twice >&2", "damaged"), ("true", "it ended with 3")],
    ids=["words", "none"],
)
def test_what_zstd_cannot_unpack_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, words: str
) -> None:
    a_zstd(monkeypatch, tmp_path, "cat >/dev/null; echo half", said, "exit 3")

    with pytest.raises(LabProblem, match=f"^zstd cannot unpack .*: {words}$"):
        decompressed(b"\x28\xb5\x2f\xfd" + b"half a module")


def test_a_manifest_says_the_checksum_of_every_file(tmp_path: Path) -> None:
    manifest = json.loads((some_images(tmp_path / "made") / "manifest.json").read_text())

    assert sorted(manifest["sha256"]) == sorted(FILES)
    assert {len(checksum) for checksum in manifest["sha256"].values()} == {64}


@pytest.mark.parametrize(
    ("depends", "packages"),
    [
        ("kmod, linux-base (>= 4.3~), initramfs-tools | linux-initramfs-tool", ()),
        (
            "dracut, linux-base-7.3.4-cloud-amd64 (= 7.3.4-1), linux-binary-7.3.4-cloud-amd64 "
            "(= 7.3.4-1), linux-modules-7.3.4-cloud-amd64 (= 7.3.4-1)",
            ("linux-binary-7.3.4-cloud-amd64", "linux-modules-7.3.4-cloud-amd64"),
        ),
    ],
)
def test_a_kernel_may_come_in_several_packages(
    depends: str, packages: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*command: str) -> str:
        if command[1] == "madison":
            return "" if "linux-base" in command[-1] else f"{command[-1]} | 7.3.4-1 | somewhere"
        return f"Package: linux-image-7.3.4-cloud-amd64\nDepends: {depends}\nVersion: 7.3.4-1\n"

    monkeypatch.setattr("kmcl_lab.packages.run", run)

    found = kernel_packages("7.3.4-cloud-amd64")
    assert found == ["linux-image-7.3.4-cloud-amd64", *packages]


def test_an_older_kernel_is_built_for_whom_it_will_do(tmp_path: Path, apt: list[str]) -> None:
    built = images.build(tmp_path, "6.1.0-56-cloud-amd64", oldest=(6, 1))

    assert built.inputs["kernel"] == "6.1.0-56-cloud-amd64"
    with pytest.raises(LabProblem, match="nothing is known of kernels before"):
        images.build(tmp_path, "5.10.1-cloud-amd64", oldest=(6, 1))


def test_a_driver_that_is_a_part_of_the_kernel_is_no_module(tmp_path: Path) -> None:
    made = load(some_images(tmp_path / "made"))
    tree = tmp_path / "tree"
    (tree / "mod").mkdir(parents=True)
    (tree / "mod/hv_vmbus.ko").write_bytes(b"\x7fELF")
    made.inner.write_bytes(archive(tree))

    assert [made.has_module(name) for name in ("hv_vmbus", "vmbus", "uio")] == [True, False, False]


@pytest.mark.parametrize(
    ("version", "offered", "chosen"),
    [
        ("6.12.9-cloud-amd64", ["6.12.9-cloud-amd64", "6.12.10-cloud-amd64"], "6.12.9-cloud-amd64"),
        (
            "6.1.0-56-cloud-amd64",
            ["6.12.9-cloud-amd64", "6.12.10-cloud-amd64"],
            "6.12.10-cloud-amd64",
        ),
        ("6.17.13-cloud-amd64", ["6.12.9-cloud-amd64", "7.3.4-cloud-amd64"], "6.12.9-cloud-amd64"),
        ("7.3.4-cloud-amd64", ["7.3.4-cloud-amd64"], "7.3.4-cloud-amd64"),
    ],
)
def test_kvm_is_that_of_a_kernel_whose_kvm_works_where_it_is_emulated(
    version: str, offered: list[str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmcl_lab.packages.candidate_kernels", lambda: offered)

    assert kernel_for_kvm(version) == chosen
