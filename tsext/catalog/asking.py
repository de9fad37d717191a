"""How the database is asked: the texts in ``queries``, and how relations are told apart."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection

from tsext.sql.quoting import qualified
from tsext.sql.sending import ask
from tsext.sql.stored import stored

Key = tuple[str | None, str]
"""Schema and name of a relation; the schema is None for the default schema, as in metadata."""


class Relation(NamedTuple):
    """A relation that is there; as text, as it stands in SQL."""

    schema: str
    name: str

    def __str__(self) -> str:
        return qualified(self.name, self.schema)


text = partial(stored, __file__)
"""The text of ``queries/<query>.sql``."""


def rows(connection: Connection, query: str, /, **parameters: object) -> list[Any]:
    """The rows that ``queries/<query>.sql`` returns, with these parameters."""
    if parameters:
        return list(connection.exec_driver_sql(text(query), parameters))
    return list(ask(connection, text(query)))


def key_of(connection: Connection, schema: str, name: str) -> Key:
    """Schema and name as metadata has them: None for the default schema."""
    return (None if schema == connection.dialect.default_schema_name else schema), name
