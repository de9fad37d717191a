"""Chunks that somebody drops meanwhile of the table in place, which no trigger is told of."""

from __future__ import annotations

from sqlalchemy import Connection

from tsext.backfill.repartition.move import Move
from tsext.sql.quoting import literal
from tsext.sql.sending import send


def known(home: str) -> str:
    """What makes the list of the chunks that there are.

    :param home: the schema in which changes are noted, as it stands in SQL.
    """
    return f"CREATE TABLE IF NOT EXISTS {home}.tsext_chunks (oid oid PRIMARY KEY, lower text, upper text)"


def learn(connection: Connection, move: Move, home: str, schema: str | None = None) -> None:
    """Add to the list the chunks that have come; without bounds, if they are of another column.

    :param schema: where the table is; None: in its place.
    """
    if connection.exec_driver_sql("SELECT to_regclass('timescaledb_information.chunks') IS NULL").scalar():
        return
    spec = move.spec
    ours = f"CASE WHEN i.primary_dimension = {literal(spec.column)} THEN"
    bounds = (f"{ours} coalesce(i.range_{end}::text, i.range_{end}_integer::text) END" for end in ("start", "end"))
    send(
        connection,
        f"INSERT INTO {home}.tsext_chunks SELECT c.oid, {', '.join(bounds)} "
        "FROM timescaledb_information.chunks AS i "
        "JOIN pg_namespace AS n ON n.nspname = i.chunk_schema "
        "JOIN pg_class AS c ON c.relname = i.chunk_name AND c.relnamespace = n.oid "
        f"WHERE i.hypertable_schema = {literal(schema or spec.schema)} AND i.hypertable_name = {literal(spec.table)} "
        "ON CONFLICT DO NOTHING",
    )


def notice(connection: Connection, move: Move, home: str) -> None:
    """Note the ranges of the chunks that are gone as changed."""
    send(connection, noticing(move, home))


def noticing(move: Move, home: str) -> str:
    """What does that."""
    type_ = move.spec.type
    return (
        f"WITH gone AS (DELETE FROM {home}.tsext_chunks AS k "
        "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = k.oid) RETURNING lower, upper) "
        f"INSERT INTO {home}.tsext_changes SELECT lower::{type_}, upper::{type_} FROM gone"
    )
