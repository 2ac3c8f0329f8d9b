"""Small helpers for drawings: elements with escaped text, arrow heads, the shared style."""

from __future__ import annotations

import math
from functools import cache
from importlib.resources import files
from xml.etree import ElementTree as ET

from .text import inline

__all__ = ["arrow_head", "asset", "draw", "drawing", "serialise", "write"]


@cache
def asset(name: str) -> str:
    """The text of a file in ``assets/``."""
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def draw(parent: ET.Element, tag: str, style: str = "", **attributes: float | str) -> ET.Element:
    """A child element; underscores in attribute names stand for hyphens."""
    given = {name.replace("_", "-"): _number(value) for name, value in attributes.items()}
    return ET.SubElement(parent, tag, ({"class": style} if style else {}) | given)


def write(parent: ET.Element, x: float, y: float, text: str, style: str = "") -> ET.Element:
    """One line of text with its baseline at ``y``."""
    child = draw(parent, "text", style, x=x, y=y)
    child.text = inline(text)
    return child


def arrow_head(
    parent: ET.Element, tip: tuple[float, float], towards: tuple[float, float], style: str
) -> None:
    """A filled triangle whose point is at ``tip``, in the direction of the vector."""
    length = math.hypot(*towards) or 1.0
    dx, dy = towards[0] / length, towards[1] / length
    (x, y), size, half = tip, 8.0, 3.4
    corners = (
        (x, y),
        (x - size * dx - half * dy, y - size * dy + half * dx),
        (x - size * dx + half * dy, y - size * dy - half * dx),
    )
    points = " ".join(f"{_number(px)},{_number(py)}" for px, py in corners)
    draw(parent, "polygon", style, points=points)


def drawing(width: float, height: float, title: str) -> ET.Element:
    """An empty drawing of the given size in pixels, with a title for screen readers."""
    root = ET.Element(
        "svg",
        {
            "class": "kmcl-figure",
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_number(width)} {_number(height)}",
            "width": _number(width),
            "height": _number(height),
            "role": "img",
        },
    )
    draw(root, "title").text = inline(title)
    return root


def serialise(root: ET.Element, *, standalone: bool = False) -> str:
    """The drawing as text. A ``standalone`` one carries the style that a page has once."""
    if standalone:
        style = ET.Element("style")
        style.text = asset("figures.css")
        root.insert(1, style)
    return ET.tostring(root, encoding="unicode")
