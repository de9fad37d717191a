"""SQL files: read whole, checked whole, then executed statement by statement."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from tsext.errors import SqlFileError
from tsext.sql import grammar, psql, refusals
from tsext.sql.excerpt import excerpt, line_and_column

DEVELOPMENT = "development"
"""The directive that makes a seed test data."""

DIRECTIVES = (refusals.NO_TRANSACTION, DEVELOPMENT)
"""What may stand after ``-- tsext:`` on the first line of a file, or first lines."""

ASSURED = "assured"
"""What begins the directive above a statement that waives a rule for it."""


@dataclass(frozen=True)
class Directive:
    """What a comment tells tsext."""

    text: str
    """What follows ``tsext:``."""
    start: int
    """Where the comment begins in :attr:`SqlFile.text`, in characters."""
    end: int


@dataclass(frozen=True)
class Statement:
    """One statement of a file."""

    text: str
    """Without the semicolon, and without blanks and comments before and after it."""
    offset: int
    """Where it begins in :attr:`SqlFile.text`, in characters."""
    line: int
    """Where it begins, from 1."""
    assured: tuple[Directive, ...] = ()
    """The directives above it that waive a rule."""


@dataclass(frozen=True)
class SqlFile:
    """A file that may be executed."""

    path: Path
    text: str
    """Without byte order mark, and with LF line ends."""
    no_transaction: bool
    """Whether each statement is to be committed on its own."""
    statements: tuple[Statement, ...]
    development: bool = False
    """Whether it holds test data."""


def read(path: str | Path, *, foreign: bool = False) -> SqlFile:
    """Read a file, and check it before anything of it is sent.

    :param foreign: it is only to be looked at, and may be of a project that runs its files otherwise.
    :raises SqlFileError: it cannot be read, is no SQL, or holds what cannot be executed from a file.
    """
    path = Path(path)
    text = _decoded(path, _contents(path)).replace("\r\n", "\n")
    script = _parsed(path, text)
    directives = list(_directives(text, script.comments))
    given = _of_file(path, text, directives)
    no_transaction = refusals.NO_TRANSACTION in given
    refused = () if foreign else refusals.refused(script, no_transaction=no_transaction)
    for (start, _), refusal in refused:
        _refuse(path, text, start, refusal)
    assured = _of_statements(path, text, script, [each for each in directives if _is_assurance(each)])
    statements = tuple(_statements(text, script, assured))
    return SqlFile(path, text, no_transaction, statements, DEVELOPMENT in given)


# --- from bytes to text


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        _missing(path)
    except IsADirectoryError:
        raise SqlFileError(f"{_shown(path)} is a directory", hint="name one file in it") from None
    except OSError as error:
        raise SqlFileError(
            f"{_shown(path)} cannot be read: {error.strerror}", hint="mend the path or the file's permissions"
        ) from error


def _missing(path: Path) -> NoReturn:
    folder = path.parent
    if not folder.is_dir():
        raise SqlFileError(
            f"{_shown(path)} does not exist, nor does its directory",
            hint=f"the path is read from {Path.cwd()}: mend it, or make the file",
        )
    similar = get_close_matches(path.name, sorted(entry.name for entry in folder.iterdir()), n=3)
    meant = f"did you mean {' or '.join(similar)}?" if similar else "mend the path, or make the file"
    raise SqlFileError(f"{_shown(path)} does not exist", hint=meant)


def _decoded(path: Path, data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SqlFileError(f"{_shown(path)} is UTF-16, not UTF-8", hint=_convert(path, "UTF-16"))
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        _not_utf8(path, data, error)
    if "\0" in text:
        line, column = line_and_column(text, text.index("\0"))
        raise SqlFileError(
            f"{_shown(path)}:{line}:{column}: a NUL character",
            hint=f"remove it; or if the file is UTF-16: {_convert(path, 'UTF-16')}",
        )
    return text


def _not_utf8(path: Path, data: bytes, error: UnicodeDecodeError) -> NoReturn:
    offset = error.start + len(data) - len(data.removeprefix(codecs.BOM_UTF8))
    line = data.count(b"\n", 0, offset) + 1
    raise SqlFileError(
        f"{_shown(path)}:{line}: not UTF-8: byte 0x{data[offset]:02x} at offset {offset}",
        hint=_convert(path, "LATIN1") + " (if it is LATIN1)",
    ) from error


def _convert(path: Path, encoding: str) -> str:
    return f"convert it: iconv -f {encoding} -t UTF-8 {path.name} > new.sql"


# --- from text to statements


def _parsed(path: Path, text: str) -> grammar.Script:
    try:
        return grammar.parse(text)
    except grammar.GrammarError as error:
        if refused := psql.only_psql(error):
            _refuse(path, text, *refused)
        _syntax_error(path, text, error)


def _syntax_error(path: Path, text: str, error: grammar.GrammarError) -> NoReturn:
    message = _shortened(error.message)
    if error.position is not None:
        # At the end of the input, show the end of what is there, not an empty line.
        position = min(error.position, len(error.text.rstrip(grammar.SPACE)))
        message = _pointing(path, text, position, message)
    else:
        message = f"{_shown(path)}: {message}"
    raise SqlFileError(message, hint="correct it; nothing of the file has been sent") from error


def _shortened(message: str, longest: int = 100) -> str:
    """The parser quotes the whole rest of the file after a quote that is never closed."""
    first = message.split("\n", 1)[0][:longest]
    return message if first == message else f'{first}…"'


_DIRECTIVE = re.compile(r"(?:--|/\*)\s*tsext:\s*(.*?)\s*(?:\*/)?", re.DOTALL | re.IGNORECASE)


def _directives(text: str, comments: tuple[grammar.Span, ...]) -> Iterator[Directive]:
    for start, end in comments:
        if found := _DIRECTIVE.fullmatch(text, start, end):
            yield Directive(found[1], start, end)


def _is_assurance(directive: Directive) -> bool:
    return directive.text.partition(" ")[0] == ASSURED


def _of_file(path: Path, text: str, directives: list[Directive]) -> set[str]:
    """Those that hold for the whole file, which must be its first lines."""
    head, given = 0, set[str]()
    for each in directives:
        if _is_assurance(each):
            continue
        if each.text not in DIRECTIVES:
            known = f"there is: {', '.join(DIRECTIVES)}, and above a statement {ASSURED} RULE because REASON"
            _refuse(path, text, each.start, refusals.Refusal(f"unknown directive {each.text!r}", known))
        at_head = not text[head : each.start].strip(" \t") and text.startswith("--", each.start)
        if not at_head or each.text in given:
            misplaced = f"the directive {each.text} would have no effect here"
            cure = f"make `-- tsext: {each.text}` the first line"
            _refuse(path, text, each.start, refusals.Refusal(misplaced, cure))
        head = each.end + 1
        given.add(each.text)
    return given


def _of_statements(
    path: Path, text: str, script: grammar.Script, assurances: list[Directive]
) -> dict[int, list[Directive]]:
    """Those that hold for one statement, by where it begins."""
    starts = [start for start, _ in script.statements]
    found: dict[int, list[Directive]] = {}
    for each in assurances:
        following = bisect_right(starts, each.start)
        within = following > 0 and each.start < script.statements[following - 1][1]
        if within or following == len(starts):
            misplaced = "this assures nothing: no statement begins below it"
            cure = "put it on a line of its own above the statement it is about"
            _refuse(path, text, each.start, refusals.Refusal(misplaced, cure))
        found.setdefault(starts[following], []).append(each)
    return found


def _statements(text: str, script: grammar.Script, assured: Mapping[int, list[Directive]]) -> Iterator[Statement]:
    lines = [found.end() for found in re.finditer("\n", text)]
    for start, end in script.statements:
        yield Statement(text[start:end], start, bisect_right(lines, start) + 1, tuple(assured.get(start, ())))


# --- what went wrong, and where


def locate(file: SqlFile, statement: Statement, position: int) -> str:
    """``path:line:column``, the line, and a caret.

    :param position: in the statement as it was sent, in characters from 1, as the server gives it.
    """
    return _pointing(file.path, file.text, _offset(statement, position))


def explain(file: SqlFile, statement: Statement, error: BaseException) -> SqlFileError:
    """What the server said to a statement, with the place in the file; to be raised ``from error``.

    :param error: the driver's exception (psycopg2, psycopg 3), or SQLAlchemy's around it.
    """
    original = getattr(error, "orig", None) or error
    diagnostics = getattr(original, "diag", None)
    if diagnostics is None or not diagnostics.message_primary:
        message = " ".join(str(original).split()) or type(original).__name__
        return SqlFileError(_pointing(file.path, file.text, statement.offset, message), hint=_NO_ANSWER)
    place = _offset(statement, _position(statement, diagnostics))
    details = [
        _pointing(file.path, file.text, place, f"{diagnostics.message_primary} (SQLSTATE {diagnostics.sqlstate})"),
        *(f"{label}: {text}" for label, text in _details(statement, diagnostics)),
    ]
    return SqlFileError("\n".join(details), hint=_cure(file, statement, diagnostics))


_NO_ANSWER = "if the connection was lost, the server's log says why"


def _position(statement: Statement, diagnostics: Any) -> int:
    if diagnostics.statement_position:
        return int(diagnostics.statement_position)
    if diagnostics.internal_position and statement.text.count(diagnostics.internal_query or "") == 1:
        return statement.text.index(diagnostics.internal_query) + int(diagnostics.internal_position)
    return 1


def _details(statement: Statement, diagnostics: Any) -> Iterator[tuple[str, str]]:
    if diagnostics.message_detail:
        yield "DETAIL", diagnostics.message_detail
    if diagnostics.internal_query and diagnostics.internal_query not in statement.text:
        yield "QUERY", diagnostics.internal_query
    if diagnostics.context:
        yield "CONTEXT", diagnostics.context


_CURES: Mapping[str, str] = {
    "25001": refusals.ALONE,
    "2D000": refusals.ALONE,
    "40001": "another session was in the way",
    "40P01": "another session was in the way",
    "42501": "grant the missing privilege to the role that migrates, or migrate as the object's owner",
    "53": "free the resource on the server",
    "55P03": "another session held the lock: find out which, and wait until it is done",
    "57014": "it was cancelled, or took longer than statement_timeout: then give it more time",
    "57": "the server ended the statement, not the SQL: its log says why",
}
"""By SQLSTATE, or by its class. What is to be run then depends on what was run."""


def _cure(file: SqlFile, statement: Statement, diagnostics: Any) -> str:
    state = diagnostics.sqlstate or ""
    cure = _CURES.get(state) or _CURES.get(state[:2]) or "correct the statement"
    if cure == refusals.ALONE and file.no_transaction:
        cure = refusals.NOT_IN_BLOCK
    hints = [diagnostics.message_hint, cure] if diagnostics.message_hint else [cure]
    if file.no_transaction and statement != file.statements[0]:
        hints.append("the statements before it have taken effect: make them repeatable (IF NOT EXISTS …)")
    return "; ".join(hint.rstrip(".") for hint in hints)


def _offset(statement: Statement, position: int) -> int:
    return statement.offset + min(max(position - 1, 0), len(statement.text))


def refuse(file: SqlFile, directive: Directive, message: str, hint: str) -> NoReturn:
    """Refuse what a directive says.

    :raises SqlFileError: with the place, and a caret.
    """
    _refuse(file.path, file.text, directive.start, refusals.Refusal(message, hint))


def _refuse(path: Path, text: str, offset: int, refusal: refusals.Refusal) -> NoReturn:
    raise SqlFileError(_pointing(path, text, offset, refusal.message), hint=refusal.hint)


def _pointing(path: Path, text: str, offset: int, message: str = "") -> str:
    line, column = line_and_column(text, offset)
    place = f"{_shown(path)}:{line}:{column}"
    return f"{place}: {message}\n{excerpt(text, offset)}" if message else f"{place}\n{excerpt(text, offset)}"


def _shown(path: Path) -> str:
    """Relative, where the file is in the current directory."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)
