"""Writing the models of a database that exists."""

from __future__ import annotations

from collections.abc import Sequence

from alembic.config import Config

from tsext import reflection
from tsext.command.reaching import engine, look_at


def reflect(config: Config, schemas: Sequence[str] = (), tables: Sequence[str] = ()) -> str:
    """The declarations of the database as it is: a Python module with its tables and what TimescaleDB adds to them.

    :param schemas: none: the default schema.
    :param tables: names without their schema; none: all of them.
    :raises InvalidObject: if there is no such schema or table.
    """
    wanted = reflection.Wanted(schemas or (None,), tables)
    try:
        return look_at(config, lambda at: reflection.module(at.connection, wanted))
    except ImportError:  # env.py imports the models, which may be what is to be written
        with engine(config) as made, made.connect() as connection:
            return reflection.module(connection, wanted)
