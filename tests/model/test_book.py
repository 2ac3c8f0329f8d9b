"""The books: what the bus demands is as sound as what the library demands."""

import re
import shutil
from pathlib import Path

import pytest

from kmcl_model import book as books
from kmcl_model.book import book_of, kmcl, vmbus
from kmcl_model.catalogue import CatalogueError, catalogue_digest, data_folder, requirements
from kmcl_model.control import MESSAGES, USER_CALLS


def test_an_id_leads_to_its_book() -> None:
    assert book_of("V018") is book_of("W03") is vmbus()
    assert book_of("F285") is book_of("A35") is kmcl()


def test_the_librarys_book_is_the_catalogue_unchanged() -> None:
    assert kmcl().requirements is requirements()
    assert len({kmcl().digest, vmbus().digest, catalogue_digest()}) == 3
    assert not set(vmbus().requirements) & set(requirements())


def test_requirements_of_the_bus_speak_of_messages_and_of_what_a_user_does() -> None:
    known = {*MESSAGES, *USER_CALLS}

    assert [r.id for r in vmbus().requirements.values() if r.api not in known] == []


def test_every_source_is_a_file_of_a_public_tree_and_a_place_in_it() -> None:
    form = re.compile(r"(Linux|OpenVMM) [\w/.-]+/[\w.-]+, .+")
    sources = [r.source for r in vmbus().requirements.values()]
    sources += [page for i in vmbus().interpretations.values() for page in i.pages]

    assert [source for source in sources if not form.fullmatch(source)] == []


def test_what_an_interpretation_leaves_open_is_allowed_both_ways() -> None:
    for item in vmbus().interpretations.values():
        assert item.verdict_class == "note"
        assert all(set(point.default) == set(point.readings) for point in item.points)


def test_most_requirements_are_endangered_by_a_fault() -> None:
    endangered = {id for fault in vmbus().faults.values() for id in fault.endangers}

    assert len(endangered) > len(vmbus().requirements) / 2


def test_faults_are_of_the_digest_of_a_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kmcl().digest
    shutil.copytree(data_folder(), tmp_path / "data")
    path = tmp_path / "data" / "faults.toml"
    path.write_text(path.read_text().replace("weight = 3", "weight = 2", 1))
    monkeypatch.setattr(books, "data_folder", lambda: tmp_path / "data")
    kmcl.cache_clear()

    try:
        assert kmcl().digest != before
    finally:
        kmcl.cache_clear()


def test_what_a_library_must_offer_for_a_fault_has_its_name() -> None:
    assert all(fault.capability == name for name, fault in kmcl().faults.items())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "reset"', 'name = "busy"'),
        ('endangers = ["V059"]', 'endangers = ["V999"]'),
        ("weight = 1", "weight = 0"),
        ("[[fault]]", "[fault"),
    ],
)
def test_faults_that_make_no_sense_are_refused(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(data_folder(), tmp_path / "data")
    path = tmp_path / "data" / "vmbus" / "faults.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    monkeypatch.setattr(books, "data_folder", lambda: tmp_path / "data")
    vmbus.cache_clear()

    try:
        with pytest.raises(CatalogueError, match=r"faults\.toml"):
            vmbus()
    finally:
        vmbus.cache_clear()
