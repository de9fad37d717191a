"""Comparing both tables, range by range, without locks: what is noted and not yet brought over is left out."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from tsext.backfill import hashing
from tsext.backfill.repartition.capture import key_of, noted
from tsext.backfill.repartition.move import Flow
from tsext.backfill.repartition.replay import digests
from tsext.backfill.repartition.sessions import transaction
from tsext.sql.quoting import literal
from tsext.sql.sending import ask


@dataclass(frozen=True)
class Compared:
    """What a range of both tables comes to."""

    source: hashing.Digest
    target: hashing.Digest
    different: tuple[str, ...] = ()
    """Where they differ: the hours, days or values in which any row does."""


def compare(connection: Connection, flow: Flow, lower: str | None, upper: str | None) -> Compared:
    """Compare a range of both tables, as they are at one moment.

    :param connection: in autocommit mode.
    """
    with transaction(connection, snapshot=True):
        where = _without_noted(connection, flow, lower, upper)
        source, target = digests(connection, flow, [where])
        if source == target:
            return Compared(source, target)
        return Compared(source, target, tuple(_different(connection, flow, where)))


def _without_noted(connection: Connection, flow: Flow, lower: str | None, upper: str | None) -> str:
    """The condition for the rows of a range that are not noted."""
    bounds = []
    if upper is not None:
        bounds.append(f"(lower IS NULL OR lower < {literal(upper)}::{flow.type})")
    if lower is not None:
        bounds.append(f"(upper IS NULL OR upper >= {literal(lower)}::{flow.type})")
    here = " AND ".join(bounds) or "true"
    parts = [flow.within(lower, upper)]
    if flow.keys and _any_noted(connection, flow, f"{here} AND key IS NOT NULL"):
        rows = f"SELECT lower, key FROM {flow.log} WHERE {here} AND key IS NOT NULL"
        parts.append(f"({flow.column}, {key_of(flow)}) NOT IN ({rows})")
        here += " AND key IS NULL"
    if _any_noted(connection, flow, here):
        parts.append(f"NOT {noted(flow, flow.column, here)}")
    return " AND ".join(parts)


def _any_noted(connection: Connection, flow: Flow, where: str) -> bool:
    query = f"SELECT EXISTS (SELECT FROM {flow.log} WHERE {where})"
    return bool(ask(connection, query).scalar())


def _different(connection: Connection, flow: Flow, where: str) -> list[str]:
    bucket = flow.column
    if flow.type.startswith("timestamp"):
        bucket = f"date_trunc('hour', {flow.column})"
    elif flow.type != "date":
        bucket = f"{flow.column} / {flow.bin}"
    source = hashing.buckets(connection, flow.source, [each.source for each in flow.carried], where, bucket)
    target = hashing.buckets(connection, flow.target, [each.hashed for each in flow.carried], where, bucket)
    return sorted(place for place in source.keys() | target.keys() if source.get(place) != target.get(place))
