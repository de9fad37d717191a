"""The columnstore of the new table: turned on once its keys are built; chunks go where those of the old one are.

That is before both tables are compared, so that what is compared is what will be read.
"""

from __future__ import annotations

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.ledger import NewTask
from tsext.backfill.repartition.move import Move, has_columnstore
from tsext.sql.quoting import literal
from tsext.sql.sending import send

CONVERT = "columnstore"
"""Step: a chunk of the new table is converted."""


def tasks(connection: Connection, move: Move) -> list[NewTask]:
    """Turn it on, if the old table has it; the chunks that correspond to those of the old table that are in it.

    A chunk with rows of times of which some are in the old table's rowstore stays in the rowstore, and so do all if the
    new table is partitioned by another column: the policy converts them when it is their time.
    """
    spec = move.spec
    if not spec.columnstore:
        return []
    if not has_columnstore(connection, spec.table, move.place):
        send(connection, spec.columnstore)
    new = catalog.hypertable(connection, spec.table, move.place)
    if new is None or new.column != spec.column:
        return []
    chunks = catalog.chunks_like_columnstore(connection, spec.table, spec.schema, move.place)
    return [NewTask(CONVERT, chunk) for chunk in chunks]


def convert(connection: Connection, chunk: str) -> None:
    """Convert a chunk, in the transaction that is open."""
    send(connection, f"SELECT compress_chunk({literal(chunk)}, if_not_compressed => true)")
