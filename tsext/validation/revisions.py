"""What a revision's author says must hold once it is applied: a check file, ``validate()``, ``unchanged_rows``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from alembic.script import Script
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.errors import Finding, PreflightFailed, SqlFileError, TsextError
from tsext.sql.quoting import qualified
from tsext.sql.sending import ask, said, sqlstate
from tsext.validation.reading import reading

_SHOWN = 3
"""Rows of a check that failed which its finding shows."""


def of_revision(
    connection: Connection,
    script: Script,
    check: Path | None,
    timeout: timedelta,
    before: Mapping[str, int] | None = None,
) -> list[Finding]:
    """What of a revision's own checks fails; no query if it has none. Each runs read-only.

    :param check: its check file.
    :param timeout: of each statement.
    :param before: what :func:`counted` gave before the revision ran; None if that is long ago.
    """
    function = _function(script)
    if check is None and function is None and not before:
        return []
    with reading(connection, timeout):
        return [
            *(_of_file(connection, check) if check is not None else ()),
            *(_of_function(connection, script, function) if function is not None else ()),
            *_of_counts(connection, script, before or {}),
        ]


# --- check files


def _of_file(connection: Connection, path: Path) -> Iterator[Finding]:
    from tsext.sql import files, refusals  # bring the grammar

    try:
        file = files.read(path)
    except SqlFileError as error:
        hint = _ONLY_READS if refusals.NO_TRANSACTION in (error.hint or "") else error.hint
        yield Finding("check-unreadable", error.message, hint)
        return
    for statement in file.statements:
        place = f"checks/{path.name}:{statement.line}"
        try:
            result = ask(connection, statement.text)
            rows = list(map(dict, result.mappings())) if result.returns_rows else []
        except DBAPIError as error:
            connection.rollback()
            yield _refused(files.explain(file, statement, error), sqlstate(error) or "")
            continue
        if rows:
            yield Finding(
                "check-failed",
                f"{place} found {len(rows):,} row(s) that must not be: {_first_rows(rows)}",
                _MEND,
            )


_ONLY_READS = "a check only reads, within a transaction: leave in it what SELECTs the rows that must not be"
_CURES = {
    "25006": _ONLY_READS,
    "57014": "it was cancelled, or took longer than validation_timeout: make it faster, or give it more time",
}
"""By SQLSTATE."""
_RAISED = ("P0001", "P0004")
"""``RAISE`` and ``ASSERT`` of PL/pgSQL: the check ran, and says that something is wrong."""


def _refused(error: SqlFileError, state: str) -> Finding:
    if state in _RAISED:
        return Finding("check-failed", error.message, _MEND)
    return Finding("check-error", error.message, _CURES.get(state) or error.hint)


_MEND = "mend the data, or the check if it asks too much"


def _first_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    listed = [f"({', '.join(f'{name}: {value}' for name, value in row.items())})" for row in rows]
    return ", ".join([*listed[:_SHOWN], *(["…"] if len(listed) > _SHOWN else [])])


# --- validate()


def _function(script: Script) -> Callable[[Connection], object] | None:
    """The revision's ``validate()``; None if it has none, but another function of that name.

    Revisions import what they need, such as ``jsonschema.validate``, and have helpers of their own.
    """
    function = getattr(script.module, "validate", None)
    if not inspect.isfunction(function):
        return None
    parameters = inspect.signature(function).parameters.values()
    needed = [each.name for each in parameters if each.default is each.empty and each.kind not in _OF_ANY_NUMBER]
    is_own = function.__module__ == script.module.__name__
    return function if len(needed) == 1 and (is_own or needed == ["connection"]) else None


_OF_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _of_function(connection: Connection, script: Script, function: Any) -> list[Finding]:
    where = f"validate() of revision {script.revision}"
    try:
        return list(_findings(function(connection), where))
    except Exception as error:  # whatever the author's code raises says that it is not valid
        connection.rollback()
        hint = error.hint if isinstance(error, TsextError) else ""
        return [Finding("validate-failed", f"{where}: {said(error)}", hint or "mend what it complains of")]


def _findings(returned: Any, where: str) -> Iterator[Finding]:
    """What was returned or yielded, as findings."""
    if isinstance(returned, bool):
        hint = "return findings or texts of what is wrong, none if all is well; or raise"
        yield Finding("validate-failed", f"{where} returned {returned}, which may mean either", hint)
    elif isinstance(returned, Finding):
        yield returned
    elif isinstance(returned, str):
        yield from [Finding("validate-failed", f"{where}: {returned}")] if returned else []
    elif returned is not None:
        for each in returned:
            yield from _findings(each, where)


# --- unchanged_rows


def counted(connection: Connection, script: Script, timeout: timedelta) -> dict[str, int]:
    """Rows of the tables whose number a revision promises not to change; no query if it promises nothing.

    :raises PreflightFailed: if one cannot be counted.
    """
    names = list(getattr(script.module, "unchanged_rows", ()))
    if not names:
        return {}
    try:
        with reading(connection, timeout):
            return {name: _count(connection, name) for name in names}
    except DBAPIError as error:
        raise PreflightFailed(
            f"unchanged_rows of revision {script.revision}: {said(error)}",
            hint="name tables that are there before it and after it, and can be counted within validation_timeout",
        ) from error


def _of_counts(connection: Connection, script: Script, before: Mapping[str, int]) -> Iterator[Finding]:
    for name, number in before.items():
        try:
            now = _count(connection, name)
        except DBAPIError as error:
            connection.rollback()
            fact = f"{name}, of which revision {script.revision} promises unchanged_rows, cannot be counted"
            yield Finding("rows-changed", f"{fact}: {said(error)}", "name tables that are there after it, too")
            continue
        if now != number:
            yield Finding(
                "rows-changed",
                f"{name} had {number:,} rows before revision {script.revision}, and has {now:,} now",
                "find out whether it was the revision, or someone who wrote meanwhile",
            )


def _count(connection: Connection, name: str) -> int:
    schema, _, table = name.rpartition(".")
    query = f"SELECT count(*) FROM {qualified(table, schema or None)}"
    return int(ask(connection, query).scalar() or 0)
