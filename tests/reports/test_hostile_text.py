"""Whatever an implementation sends, no report is broken by it."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from kmcl_model.events import Event
from kmcl_reports.certificate import certificate_json, parse_certificate
from kmcl_reports.chart_svg import render_rows_svg
from kmcl_reports.chart_text import render_sequence
from kmcl_reports.diagram import Chart, ChartRegion, ChartState, ChartTransition, mermaid
from kmcl_reports.diagram_svg import render_diagram_svg
from kmcl_reports.html import render_html
from kmcl_reports.junit import render_junit
from kmcl_reports.markdown import render_markdown
from kmcl_reports.results import Certificate, MutantResult
from kmcl_reports.sequence import describe_event, sequence_rows
from kmcl_reports.terminal import kill_matrix, print_failure, print_summary
from kmcl_reports.text import inline, printable, shortened, well_formed

# Everything that may move a cursor, break XML, hide or reorder text; line ends may stay.
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\ufffe\uffff]")


class Elements(HTMLParser):
    """Collects the elements of a page and the attributes that could run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.dangerous: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name.startswith("on"):
                self.dangerous.append(name)
            if name in ("src", "srcset", "data") or (name == "href" and tag != "a"):
                self.loaded.append(value or "")


def parsed(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    return elements


def recorded() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=120, force_terminal=False), out


def test_the_page_has_one_script_and_it_is_ours(hostile_certificate: Certificate) -> None:
    elements = parsed(render_html(hostile_certificate))

    assert elements.tags.count("script") == 1
    assert elements.dangerous == []


def test_the_page_loads_nothing(hostile_certificate: Certificate) -> None:
    page = render_html(hostile_certificate)

    assert parsed(page).loaded == []
    assert "@import" not in page
    assert "url(" not in page


def test_no_renderer_lets_an_unsafe_character_through(
    hostile_certificate: Certificate, hostile_events: tuple[Event, ...]
) -> None:
    console, out = recorded()
    print_summary(hostile_certificate, console)
    for failure in hostile_certificate.failures:
        print_failure(hostile_certificate, failure, console)
    texts = {
        "html": render_html(hostile_certificate),
        "junit": render_junit(hostile_certificate),
        "markdown": render_markdown(hostile_certificate),
        "terminal": out.getvalue(),
        "chart": render_sequence(hostile_events),
        "svg": render_rows_svg(sequence_rows(hostile_events)),
        "events": "".join(map(describe_event, hostile_events)),
    }

    assert [name for name, text in texts.items() if UNSAFE.search(text)] == []
    assert all(len(text) > 100 for text in texts.values())


def test_the_terminal_shows_console_markup_as_text(hostile_certificate: Certificate) -> None:
    console, out = recorded()
    print_summary(hostile_certificate, console)

    assert "[red]" in out.getvalue()


def test_junit_stays_xml_and_keeps_the_text(hostile_certificate: Certificate, hostile: str) -> None:
    root = ET.fromstring(render_junit(hostile_certificate))
    failure = root.find(".//failure")

    assert failure is not None
    assert inline(hostile) in failure.attrib["message"]


def test_drawings_stay_xml(hostile: str, hostile_events: tuple[Event, ...]) -> None:
    state = ChartState(printable(hostile), printable(hostile))
    loop = ChartTransition(state.name, hostile, state.name, "R1")
    chart = Chart(hostile, (ChartRegion(hostile, state.name, (state,), (loop,)),))

    for svg in (
        render_rows_svg(sequence_rows(hostile_events), 9, standalone=True),
        render_diagram_svg(chart, standalone=True),
    ):
        assert ET.fromstring(svg).find(".//{*}script") is None
    assert "<script>" not in mermaid(chart)


def test_markdown_holds_no_raw_markup(hostile_certificate: Certificate) -> None:
    parser = MarkdownIt("commonmark").enable("table")
    blocks = parser.parse(render_markdown(hostile_certificate))
    kinds = {token.type for block in blocks for token in (block, *(block.children or ()))}

    assert "table_open" in kinds
    assert kinds.isdisjoint({"html_inline", "html_block", "link_open", "image"})


def test_a_hostile_certificate_survives_its_own_file(hostile_certificate: Certificate) -> None:
    text = certificate_json(hostile_certificate)

    assert parse_certificate(text.encode()) == hostile_certificate


def test_kill_matrix_is_plain_text(hostile: str) -> None:
    console, out = recorded()
    console.print(
        kill_matrix(
            [
                MutantResult(
                    name="skips-started",
                    stands_for=printable(hostile),
                    killed=True,
                    sequences=3,
                    steps=41,
                    requirements=("F060",),
                ),
                MutantResult(
                    name="late-free", stands_for="leak", killed=False, sequences=9, steps=100
                ),
            ]
        )
    )

    assert "1 of 2 mutants killed" in out.getvalue()
    assert "LIVES" in out.getvalue()
    assert not UNSAFE.search(out.getvalue())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[0m", "a\\x1b[0m"),
        ("\ud800", "\\ud800"),
        ("\u202etxt", "\\u202etxt"),
        ("\U000e0041", "\\U000e0041"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_printable_shows_what_was_sent(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_inline_is_one_line() -> None:
    assert inline(" a\r\n\tb\x0c ") == "a b"


def test_well_formed_touches_only_surrogates() -> None:
    assert well_formed("\x1b\ud800é") == "\x1b\\ud800é"


def test_shortened_never_exceeds_its_limit() -> None:
    assert [shortened("abcdef", n) for n in (6, 5, 1, 0)] == ["abcdef", "abcd…", "…", "…"]
