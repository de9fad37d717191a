"""Comparing both tables, range by range, without locks: what is noted and not yet brought over is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import hashing
from tsext.backfill.repartition.capture import Dirty, key_of, look, noted
from tsext.backfill.repartition.move import Flow
from tsext.backfill.repartition.replay import by_index, digests, digests_in_parts
from tsext.backfill.repartition.sessions import transaction
from tsext.sql.quoting import literal
from tsext.sql.sending import ask

_FEW, _ROWS_LIKE_A_RANGE = 100, 50
"""Ranges that are found by an index one by one at most; and rows found by their keys in the time of a range."""


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
        all_of_it, here = flow.within(lower, upper), _noted_here(flow, lower, upper)
        few = _few_noted(connection, flow, here)
        if few is None:
            source, target = digests(connection, flow, [_without_noted(connection, flow, all_of_it, here)])
        else:
            source, target = digests(connection, flow, [all_of_it])
            if source != target and few:
                some = _of_noted(connection, flow, [f"{each.within(flow)} AND {all_of_it}" for each in few])
                source, target = source.without(some[0]), target.without(some[1])
        if source == target:
            return Compared(source, target)
        where = _without_noted(connection, flow, all_of_it, here)
        return Compared(source, target, tuple(_different(connection, flow, where)))


def _noted_here(flow: Flow, lower: str | None, upper: str | None) -> str:
    """The condition for what is noted of a range."""
    bounds = []
    if upper is not None:
        bounds.append(f"(lower IS NULL OR lower < {literal(upper)}::{flow.type})")
    if lower is not None:
        bounds.append(f"(upper IS NULL OR upper >= {literal(lower)}::{flow.type})")
    return " AND ".join(bounds) or "true"


def _few_noted(connection: Connection, flow: Flow, here: str) -> list[Dirty] | None:
    """What is noted, if it is found by an index sooner than by asking for each row whether it is noted.

    That takes half as long as to hash the row, or longer.
    """
    if not all(catalog.leads_index(connection, each, flow.column) for each in (flow.source, flow.target)):
        return None
    some = f"SELECT FROM {flow.log} WHERE {here} LIMIT {_FEW * _ROWS_LIKE_A_RANGE + 1}"
    query = f"SELECT count(*) > {_FEW * _ROWS_LIKE_A_RANGE} FROM ({some}) AS noted"
    if ask(connection, query).scalar():
        return None
    found = look(connection, flow, here)
    return found if sum(1 + len(each.rows) // _ROWS_LIKE_A_RANGE for each in found) <= _FEW else None


def _of_noted(connection: Connection, flow: Flow, ranges: Sequence[str]) -> tuple[hashing.Digest, hashing.Digest]:
    """What the rows come to in both tables that are noted."""
    with by_index(connection):
        return digests_in_parts(connection, flow, ranges)


def _without_noted(connection: Connection, flow: Flow, within: str, here: str) -> str:
    """The condition for the rows of a range that are not noted."""
    parts = [within]
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
