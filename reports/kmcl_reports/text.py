"""Text that came from an implementation is data: made harmless here before it is shown.

Escapes are visible (``\\x1b``), so that a reader sees what was sent instead of its effect.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["inline", "printable", "shortened", "well_formed"]

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")

# C0 and C1 controls, surrogates, non-characters, and the invisible characters that reorder or
# hide text. Everything else that is left is legal in XML 1.0.
_UNSAFE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\uffff\U000e0000-\U000e007f]"
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def well_formed(text: str) -> str:
    """The text with lone surrogates escaped, so that it can be encoded as UTF-8."""
    return _SURROGATE.sub(_escape, text)


def printable(text: str) -> str:
    """The text with every control, reordering and invisible character escaped.

    Line feeds and tabs stay. The result is legal in XML 1.0 but not yet escaped for it.
    """
    return _UNSAFE.sub(_escape, text)


def inline(text: str) -> str:
    """``printable`` on one line: white space of any kind becomes one blank."""
    return printable(" ".join(text.split()))


def shortened(text: str, limit: int) -> str:
    """The text if it has at most ``limit`` characters, else its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"
