"""PostgreSQL's own grammar; the only module that knows which parser brings it (libpg_query 18, in postgast).

Positions are characters from 0. What the parser makes of comments is circumvented here: it hands them out as
tokens, and so does not understand ``NOT /* … */ IN``, which PostgreSQL does. So it never sees any.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from postgast import PgQueryError

SPACE = " \t\n\r\f\v"
"""What separates tokens for PostgreSQL; Python's ``strip()`` would take more."""

Span = tuple[int, int]
"""Where something begins, and where it has ended."""


class NotSql(Exception):
    """The grammar does not accept the text."""

    def __init__(self, message: str, position: int | None, text: str) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        """Of the token that does not fit; the end of the text if it is incomplete; None if not known."""
        self.text = text
        """With blanks instead of comments."""


@dataclass(frozen=True)
class Script:
    """Statements, and the comments around and in them."""

    text: str
    """With blanks instead of comments, and otherwise as it was: every position remains the same."""
    statements: tuple[Span, ...]
    """Without leading and trailing blanks and comments, without the semicolon."""
    comments: tuple[Span, ...]


def parse(text: str) -> Script:
    """Split a script into its statements.

    :param text: without NUL characters, where the parser would stop reading.
    :raises NotSql: if any of it is no SQL; that tells about the first such place.
    """
    from postgast import PgQueryError, split

    comments = _comments(text)
    plain = _blanked(text, comments)
    try:
        return Script(plain, tuple(_spans(plain, split(plain))), comments)
    except PgQueryError as error:
        raise NotSql(error.message, _position(plain, error, split), plain) from error


def statements_before(error: NotSql) -> tuple[Span, ...]:
    """The statements before an error; the last may be incomplete."""
    from postgast import PgQueryError, split

    before = error.text[: error.position]
    try:
        return tuple(_spans(before, split(before, method="scanner")))
    except PgQueryError:  # the error is within a token
        return ()


def tree(statement: str) -> tuple[str, Any] | None:
    """The kind of one statement and its parse tree, such as ``("copy_stmt", CopyStmt)``.

    :param statement: taken from :attr:`Script.text`.
    :return: None if it is no statement, or nested so deep (some 45 levels) that protobuf refuses the tree.
    """
    from google.protobuf.message import DecodeError
    from postgast import PgQueryError
    from postgast import parse as parse_tree

    try:
        node = parse_tree(statement).stmts[0].stmt
    except (DecodeError, PgQueryError):
        return None
    kind = node.WhichOneof("node")
    return None if kind is None else (kind, getattr(node, kind))


def _spans(plain: str, statements: Iterable[str]) -> Iterator[Span]:
    end = 0
    for statement in statements:
        start = plain.index(statement, end)  # only semicolons and blanks lie between two statements
        end = start + len(statement)
        yield start, start + len(statement.rstrip(SPACE))


def _comments(text: str) -> tuple[Span, ...]:
    """The comments, as far as the text can be read as tokens at all."""
    from postgast import PgQueryError, scan
    from postgast.pg_query_pb2 import C_COMMENT, SQL_COMMENT

    while True:
        try:
            tokens = scan(text).tokens
        except PgQueryError as error:
            text = text[: min(_position(text, error, scan) or 0, len(text) - 1)]
        else:
            found = [(token.start, token.end) for token in tokens if token.token in (SQL_COMMENT, C_COMMENT)]
            return tuple(_in_characters(text, found))


def _in_characters(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """The same spans, which count bytes of UTF-8; they must be in order."""
    data = text.encode()
    last_byte = last_character = 0
    for start, end in spans:
        begin = last_character + len(data[last_byte:start].decode())
        last_byte, last_character = end, begin + len(data[start:end].decode())
        yield begin, last_character


def _blanked(text: str, comments: Iterable[Span]) -> str:
    """Blanks instead of comments; without newlines, which would join ``'a' /* … */ 'b'`` to one string."""
    pieces, last = [], 0
    for start, end in comments:
        pieces += [text[last:start], " " * (end - start)]
        last = end
    return "".join([*pieces, text[last:]])


def _position(text: str, error: PgQueryError, read: Callable[[str], object]) -> int | None:
    """Where the error is; ``cursorpos`` counts characters, whatever its documentation says."""
    if error.cursorpos:
        return error.cursorpos - 1
    # It has no position if an escape in a string gives no UTF-8: the shortest text with the same error ends there.
    length = bisect_left(range(len(text) + 1), True, key=lambda end: _complaint(text[:end], read) == error.message)
    return length - 1 if 0 < length <= len(text) else None


def _complaint(text: str, read: Callable[[str], object]) -> str:
    from postgast import PgQueryError

    try:
        read(text)
    except PgQueryError as error:
        return error.message
    return ""
