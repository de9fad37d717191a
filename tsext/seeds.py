"""Loading ``migrations_sql/seeds/*.sql``: rows a database should have, each file safe to run again."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.errors import TsextError
from tsext.settings import Settings
from tsext.sql import files
from tsext.sql.sending import send

log = logging.getLogger("alembic.tsext")

TEST_DATA = "test_data.sql"
"""The seed that is test data even if it does not say so."""


def load(
    connection: Connection,
    settings: Settings,
    names: list[str] | None = None,
    asking: Callable[[Callable[..., None]], Callable[..., None]] = lambda work: work,
) -> list[str]:
    """Load seeds in the order of their names, each in a transaction of its own.

    A seed that begins with ``-- tsext: development`` is test data, which only development takes; so is test_data.sql.

    :param names: file names to load; None means all that this environment takes.
    :param asking: wraps the function that loads one file, so that it acquires its locks as the settings say.
    :returns: the names loaded.
    :raises TsextError: if test data is named in another environment than development; nothing is loaded then.
    :raises SqlFileError: if one fails; those before it stay loaded.
    """
    folder = settings.sql_location / "seeds"
    wanted = [folder / name for name in names] if names else sorted(folder.glob("*.sql"))
    read = [files.read(path) for path in wanted]
    test_data = [] if settings.environment == "development" else [each.path.name for each in read if _is_test(each)]
    if test_data and names:
        raise TsextError(
            f"{', '.join(test_data)}: test data, and this is {settings.environment}",
            hint="load it into a development database: tsext -x env=development seed",
        )
    if test_data:
        log.info("left out seeds that are test data, since this is %s: %s", settings.environment, ", ".join(test_data))
    loaded = [file for file in read if file.path.name not in test_data]
    for file in loaded:
        asking(_load)(connection, file)
    return [file.path.name for file in loaded]


def _is_test(file: files.SqlFile) -> bool:
    return file.development or file.path.name == TEST_DATA


def _load(connection: Connection, file: files.SqlFile) -> None:
    for statement in file.statements:
        try:
            send(connection, statement.text)
        except DBAPIError as error:
            connection.rollback()
            raise files.explain(file, statement, error) from error
    connection.commit()
    log.info("loaded seed %s", file.path.name)
