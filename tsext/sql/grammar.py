"""PostgreSQL's own grammar; the only module that knows which parser brings it (libpg_query 18, in postgast).

Positions are characters from 0. What the parser makes of comments is circumvented here: it hands them out as
tokens, and so does not understand ``NOT /* … */ IN``, which PostgreSQL does. So it never sees any.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

SPACE = " \t\n\r\f\v"
"""What separates tokens for PostgreSQL; Python's ``strip()`` would take more."""

LONGEST_TREE = 20_000
"""In characters. The parser makes a tree by recursion in C, which some 20,000 nested operators would overflow."""

Span = tuple[int, int]
"""Where something begins, and where it has ended."""


class GrammarError(Exception):
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
    :raises GrammarError: if any of it is no SQL; that tells about the first such place.
    """
    postgast, comments = _postgast(), _comments(text)
    plain = _blanked(text, comments)
    try:
        return Script(plain, tuple(_spans(plain, postgast.split(plain))), comments)
    except postgast.PgQueryError as error:
        raise GrammarError(error.message, _position(plain, error, postgast.split), plain) from error


def statements_before(error: GrammarError) -> tuple[Span, ...]:
    """The statements before an error; the last may be incomplete."""
    postgast, before = _postgast(), error.text[: error.position]
    try:
        return tuple(_spans(before, postgast.split(before, method="scanner")))
    except postgast.PgQueryError:  # the error is within a token
        return ()


def tree(statement: str) -> tuple[str, Any] | None:
    """The kind of one statement and its parse tree, such as ``("copy_stmt", CopyStmt)``.

    :param statement: taken from :attr:`Script.text`.
    :return: None if it is no statement, is longer than :data:`LONGEST_TREE` and may be nested deep, or is nested so
        deep (some 45 levels) that protobuf refuses the tree.
    """
    if len(statement) > LONGEST_TREE and not _is_flat(statement):
        return None
    postgast, protobuf = _postgast(), import_module("google.protobuf.message")
    try:
        node = postgast.parse(statement).stmts[0].stmt
    except (protobuf.DecodeError, postgast.PgQueryError):
        return None
    kind = node.WhichOneof("node")
    return None if kind is None else (kind, getattr(node, kind))


def _is_flat(statement: str) -> bool:
    """Whether it is long by its lists, as an INSERT of many rows is, or by its strings, and not by nesting."""
    postgast = _postgast()
    try:
        tokens = postgast.scan(statement).tokens
    except postgast.PgQueryError:
        return False
    opening, closing, comma = (ord(each) for each in "(),")
    items, depth = [0], 0
    for each in tokens:
        if each.token == closing and len(items) > 1:
            depth -= items.pop()
        elif each.token == comma:
            depth -= items[-1]
            items[-1] = 0
        items[-1] += 1
        depth += 1
        if each.token == opening:
            items.append(0)
        if depth > _DEEPEST:
            return False
    return True


_DEEPEST = 3_000
"""In tokens since the last comma, in all parentheses that are open: no tree is deeper than that."""


def relations(query: str) -> set[tuple[str | None, str]]:
    """Schema, where it is written, and name of all that a query selects from; none if it cannot be read."""
    selected = tree(query)
    if selected is None:
        return set()
    postgast = _postgast()
    found = postgast.find_nodes(selected[1], postgast.pg_query_pb2.RangeVar)
    return {(each.schemaname or None, each.relname) for each in found}


def find(node: Any, kind: str) -> list[Any]:
    """All nodes of one kind in a tree, itself included: ``find(tree, "FuncCall")``."""
    postgast = _postgast()
    return list(postgast.find_nodes(node, getattr(postgast.pg_query_pb2, kind)))


def option(options: Any, name: str) -> bool:
    """Whether an option that may be given a value, as in ``VACUUM (FULL off)``, is switched on; the last one counts."""
    given = [each.def_elem for each in options if each.def_elem.defname == name]
    if not given:
        return False
    kind = given[-1].arg.WhichOneof("node") if given[-1].HasField("arg") else None
    if kind == "integer":
        return bool(given[-1].arg.integer.ival)
    if kind == "boolean":
        return bool(given[-1].arg.boolean.boolval)
    return kind != "string" or given[-1].arg.string.sval.lower() not in ("false", "off")


def expression(text: str) -> tuple[Any, list[Any]] | None:
    """What was parsed of ``SELECT`` and an expression, to be changed and printed, and the columns in it.

    :return: None if it is not one expression, or has a query in it.
    """
    postgast, protobuf = _postgast(), import_module("google.protobuf.message")
    try:
        read = postgast.parse(f"SELECT {text}")
    except (protobuf.DecodeError, postgast.PgQueryError):
        return None
    select = read.stmts[0].stmt.select_stmt
    if len(read.stmts) != 1 or value(select) is None:
        return None
    return read, find(select, "ColumnRef")


def value(select: Any) -> Any:
    """The expression that a ``SelectStmt`` consists of; None if there is more to it, or a query in it."""
    clauses = {field.name for field, _ in select.ListFields()} - {"limit_option", "op"}
    if clauses != {"target_list"} or len(select.target_list) != 1 or len(find(select, "SelectStmt")) > 1:
        return None
    return select.target_list[0].res_target.val


def printed(node: Any) -> str:
    """A tree as SQL text, as the parser would write it; empty if it cannot."""
    postgast = _postgast()
    try:
        return str(postgast.deparse(node))
    except (postgast.PgQueryError, TypeError, ValueError):
        return ""


def plpgsql(definition: str) -> Any:
    """What the parser makes of a function in PL/pgSQL; None if it cannot read it.

    :param definition: ``CREATE FUNCTION`` or ``CREATE PROCEDURE``, whole.
    """
    postgast = _postgast()
    try:
        return postgast.parse_plpgsql(definition)
    except json.JSONDecodeError as error:
        return _mended(error.doc)
    except (postgast.PgQueryError, ValueError):
        return None


def _mended(text: str) -> Any:
    """What libpg_query 18 writes of a function of triggers: it closes the variables twice that are not declared."""
    try:
        return json.loads(re.sub(r"(?<=[,\[])\{\}\}", "{}", text))
    except json.JSONDecodeError:
        return None


def in_parentheses(statement: str, position: int) -> str | None:
    """What stands in the first parentheses after a position; None if there are none.

    :param position: in bytes of UTF-8, as ``location`` in trees is.
    """
    depth, begin = 0, 0
    for token, start, end in tokens(statement):
        if start < position:
            continue
        if token == "(":
            begin = end if depth == 0 else begin
            depth += 1
        elif token == ")" and depth:
            depth -= 1
            if depth == 0:
                return statement.encode()[begin:start].decode().strip(SPACE)
    return None


def items(text: str) -> list[str]:
    """What commas separate, those in parentheses left out."""
    found, depth, begin, data = [], 0, 0, text.encode()
    for token, start, end in tokens(text):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and depth == 0:
            found.append(data[begin:start].decode().strip(SPACE))
            begin = end
    return [*found, data[begin:].decode().strip(SPACE)]


def condition(statement: str) -> str:
    """What follows the last ``WHERE`` outside parentheses; empty if there is none."""
    depth, begin = 0, None
    for token, _, end in tokens(statement):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and token.upper() == "WHERE":
            begin = end
    return statement.encode()[begin:].decode().strip(SPACE) if begin is not None else ""


def tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Each token, and where it begins and ends, in bytes."""
    postgast, data = _postgast(), text.encode()
    try:
        tokens = postgast.scan(text).tokens
    except postgast.PgQueryError:
        return
    for each in tokens:
        yield data[each.start : each.end].decode(), each.start, each.end


def words(statement: str, count: int) -> list[str]:
    """The first tokens of a statement, as they are written; fewer if it cannot be read."""
    postgast = _postgast()
    start = statement[:_HEAD]
    try:
        tokens = postgast.scan(start).tokens
    except postgast.PgQueryError:  # it ends within a token
        return start.split()[:count]
    data = start.encode()
    return [data[each.start : each.end].decode() for each in tokens[:count]]


_HEAD = 1000
"""How much of a statement is looked at for its first words, in characters."""


def enum_name(enum: str, value: int) -> str:
    """What the parser calls a value: ``enum_name("DropBehavior", 1)`` is ``"DROP_RESTRICT"``."""
    return str(getattr(_postgast().pg_query_pb2, enum).Name(value))


def _spans(plain: str, statements: Iterable[str]) -> Iterator[Span]:
    end = 0
    for statement in statements:
        start = plain.index(statement, end)  # only semicolons and blanks lie between two statements
        end = start + len(statement)
        if statement.strip(SPACE):
            yield end - len(statement.lstrip(SPACE)), start + len(statement.rstrip(SPACE))


def _comments(text: str) -> tuple[Span, ...]:
    """The comments, as far as the text can be read as tokens at all."""
    postgast = _postgast()
    kinds = (postgast.pg_query_pb2.SQL_COMMENT, postgast.pg_query_pb2.C_COMMENT)
    while True:
        try:
            tokens = postgast.scan(text).tokens
        except postgast.PgQueryError as error:
            text = text[: min(_position(text, error, postgast.scan) or 0, len(text) - 1)]
        else:
            found = [(token.start, token.end) for token in tokens if token.token in kinds]
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


def _position(text: str, error: Any, read: Callable[[str], object]) -> int | None:
    """Where the error is; ``cursorpos`` counts characters, whatever its documentation says."""
    if error.cursorpos:
        return int(error.cursorpos) - 1
    # An escape in a string that gives no UTF-8 has no position: the shortest text with that error ends there.
    ends = range(len(text) + 1)
    end = bisect_left(ends, True, key=lambda end: _complaint(text[:end], read) == error.message)
    return end - 1 if 0 < end < len(ends) else None


def _complaint(text: str, read: Callable[[str], object]) -> str:
    postgast = _postgast()
    try:
        read(text)
    except postgast.PgQueryError as error:
        return str(error.message)
    return ""


def _postgast() -> Any:
    """The parser; late, because protobuf is heavy and Alembic imports tsext whenever it is imported itself.

    By name, because mypy cannot read its stubs: they have a field called ``def``.
    """
    return import_module("postgast")
