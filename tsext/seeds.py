"""Loading ``migrations_sql/seeds/*.sql``: rows a database should have, each file safe to run again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.errors import TsextError
from tsext.settings import Settings
from tsext.sql import files

log = logging.getLogger("alembic.tsext")

TEST_DATA = "test_data.sql"
"""The seed that production and staging refuse."""


def load(
    connection: Connection,
    settings: Settings,
    names: list[str] | None = None,
    asking: Callable[[Callable[..., None]], Callable[..., None]] = lambda work: work,
) -> list[str]:
    """Load seeds in the order of their names, each in a transaction of its own.

    :param names: file names to load; None means all that this environment takes.
    :param asking: has what loads one file come by its locks.
    :returns: the names loaded.
    :raises SqlFileError: if one fails; those before it stay.
    """
    folder = settings.sql_location / "seeds"
    wanted = [folder / name for name in names] if names else sorted(folder.glob("*.sql"))
    loaded = []
    for path in wanted:
        if path.name == TEST_DATA and settings.environment != "development":
            if names:
                raise TsextError(
                    f"{path.name} is test data, this is {settings.environment}",
                    hint="load it in development only",
                )
            continue
        asking(_load)(connection, path)
        loaded.append(path.name)
    return loaded


def _load(connection: Connection, path: Path) -> None:
    file = files.read(path)
    for statement in file.statements:
        try:
            connection.exec_driver_sql(statement.text, execution_options={"no_parameters": True})
        except DBAPIError as error:
            connection.rollback()
            raise files.explain(file, statement, error) from error
    connection.commit()
    log.info("loaded seed %s", path.name)
