"""How the database is asked: the texts in ``queries``, and how relations are told apart."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

Key = tuple[str | None, str]
"""Schema and name of a relation; the schema is None for the default schema, as in metadata."""


@cache
def text(query: str) -> str:
    """What ``queries/<query>.sql`` says."""
    return (Path(__file__).parent / "queries" / f"{query}.sql").read_text("utf-8")


def rows(connection: Connection, query: str, /, **parameters: object) -> list[Any]:
    """What ``queries/<query>.sql`` gives."""
    if parameters:
        return list(connection.exec_driver_sql(text(query), parameters))
    return list(connection.exec_driver_sql(text(query), execution_options={"no_parameters": True}))


def key(connection: Connection, schema: str, name: str) -> Key:
    """As metadata has it: without the default schema."""
    return (None if schema == connection.dialect.default_schema_name else schema), name
