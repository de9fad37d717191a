"""Chunks of the old table that somebody drops meanwhile, which no trigger is told of."""

from __future__ import annotations

from sqlalchemy import Connection

from tsext.backfill.repartition.move import Move
from tsext.sql.quoting import identifier, literal
from tsext.sql.sending import send


def known(move: Move) -> str:
    """What makes the list of the chunks that there are."""
    return f"CREATE TABLE {_list(move)} (oid oid PRIMARY KEY, lower text, upper text)"


def learn(connection: Connection, move: Move) -> None:
    """Add to the list the chunks that have come."""
    if connection.exec_driver_sql("SELECT to_regclass('timescaledb_information.chunks') IS NULL").scalar():
        return
    spec = move.spec
    send(
        connection,
        f"INSERT INTO {_list(move)} SELECT c.oid, coalesce(i.range_start::text, i.range_start_integer::text), "
        "coalesce(i.range_end::text, i.range_end_integer::text) FROM timescaledb_information.chunks AS i "
        "JOIN pg_namespace AS n ON n.nspname = i.chunk_schema "
        "JOIN pg_class AS c ON c.relname = i.chunk_name AND c.relnamespace = n.oid "
        f"WHERE i.hypertable_schema = {literal(spec.schema)} AND i.hypertable_name = {literal(spec.table)} "
        "ON CONFLICT DO NOTHING",
    )


def notice(connection: Connection, move: Move) -> None:
    """Note the ranges of the chunks that are gone as changed."""
    send(connection, noticing(move))


def noticing(move: Move) -> str:
    """What does that."""
    type_ = move.spec.type
    return (
        f"WITH gone AS (DELETE FROM {_list(move)} AS k "
        "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = k.oid) RETURNING lower, upper) "
        f"INSERT INTO {identifier(move.place)}.tsext_changes SELECT lower::{type_}, upper::{type_} FROM gone"
    )


def _list(move: Move) -> str:
    return f"{identifier(move.place)}.tsext_chunks"
