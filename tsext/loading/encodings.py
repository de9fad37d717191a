"""Names of encodings: PostgreSQL has its own, and takes them in any spelling."""

from __future__ import annotations

import codecs
import re

_OF_WINDOWS = re.compile(r"win(?:dows)?(?=\d)")

_PYTHON = {
    "abc": "cp1258", "alt": "cp866", "koi8": "koi8-r", "koi8r": "koi8-r", "koi8u": "koi8-u", "tcvn": "cp1258",
    "tcvn5712": "cp1258", "unicode": "utf-8", "vscii": "cp1258", "win": "cp1251",
}  # fmt: skip
"""Those that Python has under another name."""

_TRAILING_ASCII = frozenset(
    {"big5", "cp932", "cp936", "cp949", "cp950", "gb18030", "gbk", "johab", "mskanji", "shiftjis", "shiftjis2004"}
    | {"sjis", "uhc"}
)
"""Encodings in which a byte from 0x30 on may be the second one of a character, and not what ASCII says it is."""


def _spelt(encoding: str) -> str:
    """One spelling for all that PostgreSQL takes for the same: it looks at letters and digits only."""
    return _OF_WINDOWS.sub("cp", re.sub(r"[^a-z0-9]", "", encoding.lower()))


def trails_ascii(encoding: str) -> bool:
    """Whether a byte that looks like ASCII may be part of another character.

    :param encoding: PostgreSQL's name of it.
    """
    return _spelt(encoding) in _TRAILING_ASCII


def python_encoding(encoding: str) -> str:
    """What Python calls an encoding of PostgreSQL; one that reads at least ASCII, if it has none such."""
    spelt = _spelt(encoding)
    name = _PYTHON.get(spelt, re.sub(r"^iso8859(\d+)$", r"iso8859-\1", spelt))
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "latin-1"
