"""Every query can be understood whichever driver asks: psycopg leaves it to the server what type a text is."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy.exc import DBAPIError

import tsext
from tsext.history import bookkeeping

_PARAMETER = re.compile(r"%\((\w+)\)s")


def prepared(text: str) -> str:
    """A query as a prepared statement, whose parameters have no types but those that the server finds for them."""
    names = list(dict.fromkeys(_PARAMETER.findall(text)))
    numbered = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", text)
    return f"PREPARE asked AS {numbered.replace('%%', '%').strip().removesuffix(';')}"


def test_every_query_is_understood_without_the_types_of_its_parameters(timescaledb):
    texts = {path: path.read_text() for path in Path(tsext.__file__).parent.rglob("queries/*.sql")}
    asked = {path: text for path, text in texts.items() if _PARAMETER.search(text) and "{" not in text}
    understood = 0
    with timescaledb.engine.connect() as connection:
        bookkeeping.upgrade(connection, ledger=True)
        for path, text in asked.items():
            try:
                connection.exec_driver_sql(prepared(text), execution_options={"no_parameters": True})
            except DBAPIError as error:  # some are for one version of TimescaleDB only
                assert "_timescaledb" in str(error.orig).splitlines()[0], f"{path.name}: {error.orig}"
            else:
                understood += 1
            connection.rollback()
            connection.exec_driver_sql("DEALLOCATE ALL")
    assert understood > len(asked) - 5
