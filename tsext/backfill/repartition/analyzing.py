"""What the planner is told of the new table: of each chunk while it is at hand, and of all of them in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.ledger import NewTask
from tsext.backfill.repartition.move import Move
from tsext.backfill.repartition.sessions import remembered
from tsext.sql.sending import send

ANALYZE = "analyze"
"""Step: the whole table, or a chunk that was not analysed with what was copied into it."""

SAMPLED = 5
"""Of a small chunk one row in so many is looked at.

The server looks at 300 rows for each unit of ``default_statistics_target``, 30,000 of each chunk by default, however
few it has; then a chunk of 30,000 rows takes longer to analyse than to copy.
"""

_ROWS_PER_UNIT = 300

_LEAST = 10
"""``default_statistics_target`` of the smallest chunks."""


def chunks(connection: Connection, move: Move, names: Iterable[str], rows: int) -> None:
    """Analyse chunks, in the transaction that has filled them; unless all are analysed with the whole table.

    :param names: as they stand in SQL.
    :param rows: about how many the largest one has.
    """
    if _is_apart(connection, move):
        _analyze(connection, ", ".join(names), rows)


def tasks(connection: Connection, move: Move, analyzed: Iterable[str]) -> Iterator[NewTask]:
    """What is still to be analysed.

    :param analyzed: the chunks that have been.
    """
    if _is_apart(connection, move):
        known = set(analyzed)
        chunks = [each.name for each in catalog.source_chunks(connection, move.spec.table, move.place)]
        yield from (NewTask(ANALYZE, each) for each in chunks if each not in known)
    yield NewTask(ANALYZE, move.shadow)


def perform(connection: Connection, move: Move, relation: str) -> None:
    """Analyse what one of these tasks is about, in the transaction that is open."""
    if relation != move.shadow:
        _analyze(connection, relation, catalog.row_estimate(connection, relation))
    elif not _is_apart(connection, move):
        send(connection, f"ANALYZE {relation}")
    else:
        _analyze_root(connection, relation)


def _analyze(connection: Connection, names: str, rows: int) -> None:
    setting = "current_setting('default_statistics_target')"
    least = f"least({setting}::int, {max(_LEAST, rows // SAMPLED // _ROWS_PER_UNIT)})"
    query = f"SELECT {setting} AS was, set_config('default_statistics_target', {least}::text, true)"
    was = connection.exec_driver_sql(query).scalar_one()
    send(connection, f"ANALYZE {names}; SET LOCAL default_statistics_target = {was}")


def _analyze_root(connection: Connection, relation: str) -> None:
    """Analyse the hypertable as such; where TimescaleDB is loaded, all chunks would be analysed again with it."""
    only = "ONLY " if (connection.dialect.server_version_info or (0,)) >= (18,) else ""
    with connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as another:
        another.detach()  # nobody else is to have it
        send(another, "SET timescaledb.disable_load = on")  # first: it is loaded by the first statement
        send(another, f"ANALYZE {only}{relation}")


def _is_apart(connection: Connection, move: Move) -> bool:
    """Whether chunks are analysed by themselves: where all that they are to have is there with their rows."""
    return remembered(connection, ("analyzing", move.shadow), lambda: _can_be_apart(connection, move))


def _can_be_apart(connection: Connection, move: Move) -> bool:
    if not move.spec.shape or move.spec.columnstore or catalog.takes_one_client(connection):
        return False
    return catalog.indexes_are_matched(connection) or catalog.may_register_chunk_index(connection)
