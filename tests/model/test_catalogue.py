"""The catalogue: what it holds, and what it refuses."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from kmcl_model import catalogue
from kmcl_model.api import CALLBACKS, FUNCTIONS
from kmcl_model.catalogue import (
    FACTS,
    INTERPRETATIONS,
    CatalogueError,
    catalogue_digest,
    data_folder,
    interpretations,
    load_interpretations,
    load_reentrancy,
    load_requirements,
    reentrancy,
    requirement_of,
    requirements,
)

TABLE = "VMB_CHANNEL_STATE_CHANGE_CALLBACKS"
CACHED = (requirements, catalogue._by_fact, interpretations, reentrancy, catalogue_digest)
CLOSED = "evt_vmb_channel_closed.toml"
READINGS = "interpretations.toml"
REENTRANCY = "reentrancy.toml"

Edit = Callable[..., Path]


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Copies the data and replaces the first occurrence of a text in one file."""

    def _edit(name: str, old: str, new: str) -> Path:
        folder = tmp_path / "data"
        shutil.copytree(data_folder(), folder)
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        return folder

    return _edit


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing that was loaded stays, before and after the test."""
    for function in CACHED:
        function.cache_clear()
    yield
    for function in CACHED:
        function.cache_clear()


def test_every_fact_belongs_to_the_requirement_that_lists_it() -> None:
    covered = [fact for one in requirements().values() for fact in one.facts]

    assert sorted(covered) == list(FACTS)
    assert all(fact in requirement_of(fact).facts for fact in FACTS)


def test_requirements_come_in_the_order_of_the_facts_and_under_their_first_fact() -> None:
    found = requirements()

    assert list(found) == sorted(found)
    assert all(key == one.id == one.facts[0] for key, one in found.items())


def test_an_unknown_fact_has_no_requirement() -> None:
    with pytest.raises(KeyError):
        requirement_of("F469")


def test_nothing_changes_its_status_unnoticed() -> None:
    assert Counter(one.status for one in requirements().values()) == {
        "modelled": 200,
        "not-yet": 181,
        "unobservable": 67,
    }


def test_what_is_modelled_speaks_of_functions_that_tests_can_name() -> None:
    known = {*FUNCTIONS, *CALLBACKS, TABLE, f"{TABLE}_INIT"}
    modelled = [one for one in requirements().values() if one.status == "modelled"]

    assert [one.id for one in modelled if one.api not in known] == []


def test_a_function_of_one_role_has_requirements_of_that_role_alone() -> None:
    roles = {name: FUNCTIONS[name].role for name in FUNCTIONS}
    wrong = [
        one.id
        for one in requirements().values()
        if roles.get(one.api, "both") not in ("both", one.role)
    ]

    assert wrong == []


def test_texts_are_clean_of_the_markers_that_became_fields() -> None:
    texts = [text for one in requirements().values() for text in (one.statement, one.violation)]
    marked = re.compile(r"\[A\d+\]|\((driver rule|permission|advice)\)|  ")

    assert [text for text in texts if marked.search(text)] == []


def test_every_interpretation_is_there_and_names_existing_pages() -> None:
    pages = {page for one in requirements().values() for page in (one.source, *one.also)}
    astray = [
        (one.id, pattern)
        for one in interpretations().values()
        for pattern in one.pages
        if not any(fnmatch(page, pattern) for page in pages)
    ]

    assert list(interpretations()) == list(INTERPRETATIONS)
    assert astray == []


def test_an_interpretation_may_ask_several_questions() -> None:
    moment = {point.name: point.default for point in interpretations()["A61"].points}

    assert moment == {"moment": ("R1",), "length": ("R1",), "reach": ("R1",)}


def test_the_table_tells_what_a_call_inside_a_callback_is() -> None:
    table = reentrancy()

    assert table.cell("VmbPacketSend", "EvtVmbChannelClosed") == "q"
    assert table.cell("VmbChannelPacketFail", "EvtVmbChannelProcessPacket") == "ok"
    assert table.cell("VmbChannelDisable", "EvtVmbPacketCompletionRoutine") == "D"
    assert table.cell("VmbPacketAllocate", "EvtVmbChannelRestorePacket") == "ok"
    sync = "VmbChannelSendSynchronousRequest"
    assert table.cell(sync, "EvtVmbChannelPostStarted", "waiting") == "ok"
    assert table.cell(sync, "EvtVmbChannelPostStarted", "not waiting") == "e"


def test_what_the_table_does_not_name_is_open() -> None:
    assert reentrancy().cell("VmbChannelSizeofPacket", "EvtVmbChannelOpened") == "?"
    assert reentrancy().cell("VmbPacketSend", "EvtUnheardOf") == "?"


def test_the_table_names_every_callback_a_call_can_be_made_in() -> None:
    assert CALLBACKS.keys() <= set(reentrancy().callbacks)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("the Closed handler is called", "the Closed handler is skipped", "the hash"),
        ('sha256 = "e40e79af', 'sha256 = "e40e79a0', "is e40e79af0420"),
        ('id = "F003"', 'id = "F002"', "fact F002 appears twice"),
        ('id = "F003"', 'id = "F469"', "fact missing: F003"),
        ('id = "F003"\n', "", "Field required"),
        ('id = "F003"', 'id = "F003"\nfacts = ["F004", "F003"]', "first fact"),
        ('"A48"', '"A157"', "interpretation unknown: A157"),
        ('status = "modelled"', 'status = "not-yet"', "cannot wait"),
        ('status = "modelled"', 'status = "unobservable"', "a reason"),
        ('status = "modelled"', 'status = "modelled"\nreason = "None."', "a reason"),
        ('status = "modelled"', 'status = "forgotten"', "Input should be"),
        ('status = "modelled"', "", "Field required"),
        ('verdict = "fail"', 'verdict = "permission"', "cannot be judged"),
        ('capability = "core"', 'capability = "everything"', "Input should be"),
        ('role = "both"', 'role = "both"\ncolour = "red"', "Extra inputs"),
        ("[[requirement]]", "[[requirement]", CLOSED),
        ("api =", "aqi =", "Field required"),
    ],
)
def test_an_unsound_requirement_is_refused(edit: Edit, old: str, new: str, complaint: str) -> None:
    folder = edit(CLOSED, old, new)

    with pytest.raises(CatalogueError, match=re.escape(complaint)):
        load_requirements(folder)


def test_a_lost_page_is_refused(edit: Edit) -> None:
    folder = edit(CLOSED, "", "")
    (folder / CLOSED).unlink()

    with pytest.raises(CatalogueError, match="fact missing: F001, F002"):
        load_requirements(folder)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('id = "A02"', 'id = "A01"', "interpretation A01 appears twice"),
        ('id = "A02"', 'id = "A157"', "interpretation missing: A02"),
        ('default = ["R2"]', 'default = ["R9"]', "none of the readings"),
        ('default = ["R2"]', "default = []", "at least 1 item"),
        ('name = "second-call"', 'name = "legal-bits"', "point legal-bits appears twice"),
        ('verdict_class = "fail"', 'verdict_class = "perhaps"', "Input should be"),
        ("why =", "because =", "Field required"),
    ],
)
def test_an_unsound_interpretation_is_refused(
    edit: Edit, old: str, new: str, complaint: str
) -> None:
    folder = edit(READINGS, old, new)

    with pytest.raises(CatalogueError, match=re.escape(complaint)):
        load_interpretations(folder)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('cells = ["X",', "cells = [", "does not fit the callbacks"),
        ('cells = ["X"', 'cells = ["maybe"', "Input should be"),
        ('["VmbChannelDisable"]', '["VmbChannelEnable"]', "VmbChannelEnable has two rows"),
        ("[row.notes]\n", '[row.notes]\nEvtUnheardOf = "?"\n', "does not fit the callbacks"),
    ],
)
def test_an_unsound_table_is_refused(edit: Edit, old: str, new: str, complaint: str) -> None:
    folder = edit(REENTRANCY, old, new)

    with pytest.raises(CatalogueError, match=re.escape(complaint)):
        load_reentrancy(folder)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (CLOSED, "Peer closes; local", "Peer closes and local"),
        (READINGS, "guest endpoint", "guest end"),
        (REENTRANCY, 'cells = ["X"', 'cells = ["?"'),
    ],
)
def test_the_digest_follows_every_part_of_the_data(
    edit: Edit, monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str
) -> None:
    folder = edit(name, old, new)
    before = catalogue_digest()
    for function in CACHED:
        function.cache_clear()
    monkeypatch.setattr(catalogue, "data_folder", lambda: folder)

    assert catalogue_digest() != before


@pytest.mark.usefixtures("fresh")
def test_the_digest_ignores_the_layout_of_the_files(
    edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = edit(CLOSED, "api =", "# A remark.\n\napi   =")
    before = catalogue_digest()
    for function in CACHED:
        function.cache_clear()
    monkeypatch.setattr(catalogue, "data_folder", lambda: folder)

    assert catalogue_digest() == before


def test_an_installed_package_brings_its_own_data(
    edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = edit(CLOSED, "", "")
    monkeypatch.setattr(catalogue, "__file__", str(folder.parent / "catalogue.py"))

    assert data_folder() == folder


def test_missing_data_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "__file__", str(tmp_path / "kmcl_model" / "catalogue.py"))

    with pytest.raises(CatalogueError, match="no requirements found"):
        data_folder()
