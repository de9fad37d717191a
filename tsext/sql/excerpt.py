"""A place in a text, shown the way compilers do: the line, and a caret under the character."""

from __future__ import annotations

from unicodedata import category, combining, east_asian_width

TAB = 8
WIDTH = 100
"""How many columns of a long line are shown."""


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Both from 1; the column counts characters, as editors do."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def excerpt(text: str, offset: int) -> str:
    """The line that holds ``offset``, and below it a caret."""
    start, end = text.rfind("\n", 0, offset) + 1, text.find("\n", offset)
    before = _printable(text[start:offset])
    after = _printable(text[offset : end if end >= 0 else len(text)], _width(before))
    before, after = _window(before, after)
    number = str(text.count("\n", 0, offset) + 1)
    return f"  {number} | {before}{after}".rstrip() + f"\n  {' ' * len(number)} | {' ' * _width(before)}^"


def _window(before: str, after: str) -> tuple[str, str]:
    if _width(before) + _width(after) <= WIDTH:
        return before, after
    before = _fit(before[::-1], max(WIDTH // 2, WIDTH - _width(after)))[::-1]
    return before, _fit(after, WIDTH - _width(before))


def _fit(text: str, width: int) -> str:
    """As much of the beginning as fits into ``width`` columns."""
    used = 0
    for index, character in enumerate(text):
        used += _columns(character)
        if used > width:
            return text[: max(index - 1, 0)] + "…"
    return text


def _printable(text: str, column: int = 0) -> str:
    """Tabs expanded; characters that would move the cursor or stay unseen made visible."""
    shown: list[str] = []
    for character in text:
        if character == "\t":
            piece = " " * (TAB - column % TAB)
        elif category(character) in ("Cc", "Cf", "Zl", "Zp"):
            piece = "\N{REPLACEMENT CHARACTER}"
        else:
            piece = character
        shown.append(piece)
        column += _width(piece)
    return "".join(shown)


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    """How many columns a terminal gives to a character."""
    if combining(character) or category(character) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def shortened(statement: str, length: int = 60) -> str:
    """The beginning of a statement, on one line.

    :param length: in characters, at most.
    """
    line = " ".join(statement.split())
    return line if len(line) <= length else line[: length - 1] + "…"
