"""Names of databases that a database knows: a table of tenants, ``pg_database``."""

from __future__ import annotations

from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tsext.errors import TargetsError
from tsext.preflight import connect
from tsext.sql.sending import ask, said


def rows(url: URL, query: str) -> list[dict[str, str]]:
    """What the query returns, each column as text; one of them is ``name``. It runs read-only.

    :raises TsextError: if it cannot be asked, or has no such column.
    """
    engine = create_engine(url, poolclass=NullPool, connect_args={"application_name": "tsext fleet"})
    with connect(engine) as connection:
        try:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            found = ask(connection, query).mappings().all()
        except DBAPIError as error:
            raise TargetsError(f"the query fails: {said(error)}", hint="try it with psql") from error
    if found and "name" not in found[0]:
        raise TargetsError("the query returns no column `name`", hint="write: SELECT … AS name")
    return [{column: str(value) for column, value in row.items()} for row in found]
