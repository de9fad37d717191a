"""How the database is asked: the texts in ``queries``, and how relations are told apart."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Connection

from tsext.sql.stored import stored

Key = tuple[str | None, str]
"""Schema and name of a relation; the schema is None for the default schema, as in metadata."""


text = partial(stored, __file__)
"""What ``queries/<query>.sql`` says."""


def rows(connection: Connection, query: str, /, **parameters: object) -> list[Any]:
    """What ``queries/<query>.sql`` gives."""
    if parameters:
        return list(connection.exec_driver_sql(text(query), parameters))
    return list(connection.exec_driver_sql(text(query), execution_options={"no_parameters": True}))


def key_of(connection: Connection, schema: str, name: str) -> Key:
    """As metadata has it: without the default schema."""
    return (None if schema == connection.dialect.default_schema_name else schema), name
