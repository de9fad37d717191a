"""Chunks of the old table that somebody drops meanwhile, which no trigger is told of."""

from __future__ import annotations

from sqlalchemy import Connection

from tsext.backfill.repartition.move import Move
from tsext.backfill.repartition.sessions import SETTLED, send
from tsext.sql.quoting import identifier, literal


def known(move: Move) -> str:
    """What makes the list of the chunks that there are."""
    return f"CREATE TABLE {_list(move)} (name text, lower text, upper text)"


def notice(connection: Connection, move: Move) -> None:
    """Bring the list up to date, and note the ranges of the chunks that are gone as changed."""
    if connection.exec_driver_sql("SELECT to_regclass('timescaledb_information.chunks') IS NULL").scalar():
        return
    spec, home = move.spec, identifier(move.place)
    there = (
        "SELECT format('%I.%I', chunk_schema, chunk_name) AS name, "
        "coalesce(range_start::text, range_start_integer::text) AS lower, "
        "coalesce(range_end::text, range_end_integer::text) AS upper FROM timescaledb_information.chunks "
        f"WHERE hypertable_schema = {literal(spec.schema)} AND hypertable_name = {literal(spec.table)}"
    )
    send(
        connection,
        f"{SETTLED}; WITH there AS ({there}), gone AS ("
        f"DELETE FROM {_list(move)} AS k WHERE NOT EXISTS (SELECT FROM there AS t WHERE t.name = k.name) RETURNING *"
        f"), new AS (INSERT INTO {_list(move)} SELECT * FROM there AS t "
        f"WHERE NOT EXISTS (SELECT FROM {_list(move)} AS k WHERE k.name = t.name)) "
        f"INSERT INTO {home}.tsext_changes SELECT lower::{spec.type}, upper::{spec.type} FROM gone",
    )


def _list(move: Move) -> str:
    return f"{identifier(move.place)}.tsext_chunks"
