"""Whether there is anything in the database that somebody could be using."""

from __future__ import annotations

from sqlalchemy import Connection

from tsext.catalog.asking import rows


def holds_tables(connection: Connection) -> bool:
    """Whether there are tables or views, those of extensions and the migrations' own left out."""
    return bool(rows(connection, "holds_tables")[0][0])
