"""Which way the lab goes, and what it installs: decisions on facts that the tests make up."""

from pathlib import Path

import pytest

from kmcl_lab.install import Found, Step, carry_out, plan, source_of, too_old
from kmcl_lab.packages import kernel_number
from kmcl_lab.probe import Facts, choose, look
from kmcl_lab.problem import LabProblem

ALL = Facts("", True, (), "AMD with svm")


def test_a_kvm_with_all_interfaces_is_used_directly() -> None:
    choice = choose(ALL)

    assert not choice.nested
    assert choice.why == "direct: KVM with the Hyper-V interfaces (AMD with svm)"


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (ALL._replace(problem="/dev/kvm: No such file or directory"), "/dev/kvm: No such file"),
        (ALL._replace(missing=("HYPERV_SYNIC",)), "this KVM has no HYPERV_SYNIC (AMD with svm)"),
        (ALL._replace(machine=False), "KVM cannot make a virtual machine here (AMD with svm)"),
    ],
)
def test_anything_less_is_nested_and_says_why(facts: Facts, why: str) -> None:
    choice = choose(facts)

    assert choice.nested
    assert choice.why.startswith(f"nested under emulation: {why}")


def test_a_machine_without_kvm_is_looked_at(tmp_path: Path) -> None:
    facts = look(tmp_path / "kvm", tmp_path / "cpuinfo")

    assert facts == Facts(
        f"{tmp_path}/kvm: No such file or directory", False, (), "processor unknown"
    )


def test_a_device_that_is_no_kvm_is_not_trusted() -> None:
    facts = look(Path("/dev/null"))

    assert facts.problem == "/dev/null is no KVM: Inappropriate ioctl for device"
    assert not facts.machine


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("vendor_id : GenuineIntel\nflags : fpu vmx sse\n", "Intel with vmx"),
        ("vendor_id : GenuineIntel\nflags : fpu sse\n", "Intel without vmx"),
        ("vendor_id : AuthenticAMD\nflags : fpu svm\n", "AMD with svm"),
        ("CPU implementer : 0x41\n", "another processor"),
    ],
)
def test_the_processor_is_described(tmp_path: Path, text: str, described: str) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text)

    assert look(tmp_path / "kvm", path).processor == described


EVERYTHING = {
    "qemu-system-x86": "1:10.0.2+ds-2+deb13u1~bpo12+1",
    "zstd": "1.5.4+dfsg2-5",
    "python3": "3.11.2-1+b1",
}
FRESH = Found("bookworm", {"python3": "3.11.2-1+b1"}, False, frozenset({"bookworm"}), True)
UPDATE = Step("read the lists of packages", ("apt-get", "update", "-qq"))
INSTALL = ("apt-get", "install", "-qq", "-y", "--no-install-recommends")


def test_where_everything_is_there_nothing_is_done() -> None:
    assert plan(FRESH._replace(versions=EVERYTHING, has_kernel=True)) == []


def test_a_fresh_bookworm_needs_its_backports() -> None:
    assert plan(FRESH) == [
        Step("add the suite bookworm-backports", ()),
        UPDATE,
        Step(
            "install qemu-system-x86, zstd",
            (*INSTALL, "-t", "bookworm-backports", "qemu-system-x86", "zstd"),
        ),
    ]


def test_a_suite_that_is_there_is_not_added_again() -> None:
    steps = plan(FRESH._replace(suites=frozenset({"bookworm", "bookworm-backports"})))

    assert steps[0] == UPDATE


def test_a_newer_release_needs_no_other_suite() -> None:
    steps = plan(FRESH._replace(codename="trixie"))

    assert steps == [
        UPDATE,
        Step("install qemu-system-x86, zstd", (*INSTALL, "qemu-system-x86", "zstd")),
    ]


def test_a_qemu_that_is_too_old_is_replaced() -> None:
    old = EVERYTHING | {"qemu-system-x86": "1:7.2+dfsg-7+deb12u13"}
    steps = plan(FRESH._replace(versions=old, has_kernel=True))

    assert steps[-1].words == "install qemu-system-x86"


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("1:7.2+dfsg-7+deb12u13", True),
        ("1:8.1.5+ds-1", True),
        ("1:8.2.0+ds-1", False),
        ("1:10.0.2+ds-2", False),
        ("10.0.2-1", False),
    ],
)
def test_the_age_of_qemu_is_read_from_its_version(version: str, old: bool) -> None:
    assert too_old(version) is old


def test_without_root_one_line_says_what_is_needed() -> None:
    found = FRESH._replace(is_root=False)
    told: list[str] = []

    with pytest.raises(
        LabProblem,
        match=r"^the lab needs packages and you are not root: as root, add the suite "
        r"bookworm-backports; read the lists of packages; install qemu-system-x86, zstd$",
    ):
        carry_out(plan(found), found, told.append)
    assert told == []


def test_what_is_done_is_said_before_it_is_done() -> None:
    told: list[str] = []
    step = Step("do what fails", ("false",))

    with pytest.raises(LabProblem, match=r"^false: no reason given$"):
        carry_out([step], FRESH, told.append)
    assert told == ["to be installed from the distribution: do what fails"]


NEW_FORMAT = """\
Types: deb
# a comment
URIs: file:/mirror/security
Suites: bookworm-security
Components: main

Types: deb
URIs: file:/mirror/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /a/key.gpg
"""


def test_another_suite_comes_from_where_the_release_comes_from() -> None:
    assert source_of("bookworm-backports", NEW_FORMAT) == (
        "Types: deb\nURIs: file:/mirror/debian\nSuites: bookworm-backports\nComponents: main\n"
        "Signed-By: /a/key.gpg\n"
    )


@pytest.mark.parametrize("options", ["", "[arch=amd64] "])
def test_the_older_format_is_read_as_well(options: str) -> None:
    text = f"# a comment\ndeb {options}file:/mirror/debian bookworm main\n"

    assert source_of("bookworm-backports", text) == (
        "Types: deb\nURIs: file:/mirror/debian\nSuites: bookworm-backports\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )


@pytest.mark.parametrize("text", ["", "deb file:/mirror/debian bookworm-updates main\n"])
def test_a_list_without_the_release_gives_no_other_suite(text: str) -> None:
    assert source_of("bookworm-backports", text) == ""


def test_the_numbers_of_a_kernel() -> None:
    assert kernel_number("6.12.95+deb12-cloud-amd64") == (6, 12)
    assert kernel_number("6.10-cloud-amd64") == (6, 10)


@pytest.mark.parametrize("version", ["", "6", "6.x", "nonsense", "cloud-6.12"])
def test_what_is_no_kernel_is_told_in_one_line(version: str) -> None:
    with pytest.raises(LabProblem, match="no version such as"):
        kernel_number(version)
