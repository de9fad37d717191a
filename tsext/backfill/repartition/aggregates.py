"""Continuous aggregates of the table: made anew over the new table, beside the old ones, whose places they take.

They are filled from the new table; what the old ones hold of times whose raw rows are gone is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition.move import Move, table_of
from tsext.backfill.repartition.replay import ANY_NUMBER
from tsext.backfill.repartition.sessions import transaction
from tsext.errors import BackfillError, RevisionFailed
from tsext.sql.quoting import identifier, literal, qualified, short
from tsext.sql.sending import ask, send

INDEXES = "_timescaledb_internal"
"""Where the indexes of aggregates are, in which each name is there once."""


@dataclass(frozen=True)
class Aggregate:
    """A continuous aggregate, and how another one is made like it."""

    name: str
    schema: str
    head: str
    """What makes it, up to its query."""
    settings: tuple[str, ...] = ()
    """What it is told then, before it is filled."""
    indexes: tuple[str, ...] = ()
    """Their names."""

    @property
    def relation(self) -> str:
        """As it stands in SQL."""
        return qualified(self.name, self.schema)


def aggregates(move: Move) -> list[Aggregate]:
    """Those of a move, each after the one that it is made of."""
    return [
        Aggregate(**{**each, **{name: tuple(each.get(name, ())) for name in ("settings", "indexes")}})
        for each in move.spec.aggregates
    ]


def beside(index: str, schema: str) -> str:
    """What an index of an aggregate is called while that is in the schema of a move."""
    return short(index, schema)


# --- making and filling


def build(connection: Connection, move: Move) -> None:
    """Make those that are not there yet over the new table, and fill all; again, it goes on.

    :param connection: in autocommit mode.
    """
    for each in aggregates(move):
        if _find(connection, each.name, move.place) is None:
            _make(connection, move, each)
    fill(connection, move)


def _make(connection: Connection, move: Move, aggregate: Aggregate) -> None:
    """Its query is read with names without a schema, which then mean the new table and the new aggregates."""
    schemas = list(dict.fromkeys([move.spec.schema, *(each.schema for each in aggregates(move))]))
    with transaction(connection):
        send(connection, _path(schemas))
        query = catalog.aggregate_query(connection, aggregate.name, aggregate.schema)
        send(connection, _path([move.place, *schemas]))
        send(connection, f"{aggregate.head}\n{query.strip().rstrip(';')}\nWITH NO DATA")
        made = _find(connection, aggregate.name, move.place)
        others = (_find(connection, each.name, move.place) for each in aggregates(move))
        if made is None or made.source not in {move.shadow, *(each.materialization for each in others if each)}:
            raise BackfillError(
                f"continuous aggregate {aggregate.relation} cannot be made anew over {move.shadow}: its query means "
                "another table of that name",
                hint="drop it before, and create it anew afterwards",
            )
        for statement in aggregate.settings:
            send(connection, statement)


def _path(schemas: list[str]) -> str:
    return f"SET LOCAL search_path = {', '.join(map(identifier, schemas))}"


def fill(connection: Connection, move: Move, *, back: bool = False) -> None:
    """Fill those that are not in place as far as those that are; what raw rows no longer tell is copied.

    :param back: whether to fill the old ones from the new ones, which are in place then.
    """
    other = move.kept if back else move.place
    for each in aggregates(move):
        source, target = _find(connection, each.name, each.schema), _find(connection, each.name, other)
        if source is None or target is None:
            raise _gone(each)
        end = _filled_until(connection, source)
        if end is not None:
            view = literal(qualified(each.name, other))
            send(connection, f"CALL refresh_continuous_aggregate({view}, NULL, {end})")
            with transaction(connection):
                _copy_history(connection, source, target)


def _filled_until(connection: Connection, found: catalog.SourceOfAggregate) -> str | None:
    """As SQL; None, if it is empty."""
    of = {
        "timestamp with time zone": "_timescaledb_functions.to_timestamp({})",
        "timestamp without time zone": "_timescaledb_functions.to_timestamp_without_timezone({})",
        "date": "_timescaledb_functions.to_date({})",
    }
    end = of.get(found.type, "{}").format(f"_timescaledb_functions.cagg_watermark({found.id})")
    query = f"SELECT ({end})::text FROM (SELECT FROM {found.materialization} LIMIT 1) AS any_row"
    until = ask(connection, query).scalar()
    return None if until is None else f"{literal(until)}::{found.type}"


def _copy_history(connection: Connection, source: catalog.SourceOfAggregate, target: catalog.SourceOfAggregate) -> None:
    """Buckets that begin when there is no chunk of raw rows have the values that they had when there was one."""
    integer = source.type in ("bigint", "integer", "smallint")
    type_, bounds = ("int8", "_integer") if integer else ("tstz", "")
    gone = (
        f"NOT {identifier(source.column)}::{'bigint' if integer else 'timestamptz'} <@ ("
        f"SELECT coalesce(range_agg({type_}range(range_start{bounds}, range_end{bounds})), '{{}}') "
        "FROM timescaledb_information.chunks "
        f"WHERE format('%I.%I', hypertable_schema, hypertable_name) = {literal(source.source)})"
    )
    columns = ", ".join(map(identifier, source.columns))
    send(connection, ANY_NUMBER)
    send(connection, f"DELETE FROM {target.materialization} WHERE {gone}")
    send(
        connection,
        f"INSERT INTO {target.materialization} ({columns}) SELECT {columns} FROM {source.materialization} WHERE {gone}",
    )


def _find(connection: Connection, name: str, schema: str) -> catalog.SourceOfAggregate | None:
    return catalog.source_of_aggregate(connection, name, schema)


def _gone(aggregate: Aggregate) -> BackfillError:
    return BackfillError(
        f"continuous aggregate {aggregate.relation} is gone, or has no other one beside it",
        hint="cancel the backfill, let tsext backfill finish drop the new table, and begin anew",
    )


# --- exchanging


def exchange(move: Move, other: str, leaves_for: str) -> Iterator[str]:
    """What has those in another schema take the places of those in place."""
    for each in aggregates(move):
        yield f"ALTER MATERIALIZED VIEW {each.relation} SET SCHEMA {identifier(leaves_for)}"
        yield f"ALTER MATERIALIZED VIEW {qualified(each.name, other)} SET SCHEMA {identifier(each.schema)}"
        for index in each.indexes:
            now, then = beside(index, leaves_for), beside(index, other)
            yield f"ALTER INDEX {qualified(index, INDEXES)} RENAME TO {identifier(now)}"
            yield f"ALTER INDEX {qualified(then, INDEXES)} RENAME TO {identifier(index)}"


def refuse_altered(connection: Connection, move: Move) -> None:
    """Refuse to swap, if there are others than when the move began.

    :raises RevisionFailed: naming them.
    """
    key = catalog.key_of(connection, move.spec.schema, move.spec.table)
    found = {each.key for each in catalog.aggregates_over(connection, key)}
    known = {catalog.key_of(connection, each.schema, each.name) for each in aggregates(move)}
    if different := sorted(".".join(filter(None, each)) for each in found ^ known):
        raise RevisionFailed(
            f"continuous aggregates of {move.table} were made or dropped since its new table was made: "
            f"{', '.join(different)}",
            hint="undo that, or cancel the backfill, let tsext backfill finish drop the new table, and begin anew",
        )


def drop(connection: Connection, schema: str) -> None:
    """Drop those in a schema of a move, each before the one that it is made of."""
    for each in reversed(catalog.continuous_aggregates(connection)):
        if each.key[0] == schema:
            send(connection, f"DROP MATERIALIZED VIEW {qualified(each.key[1], schema)}")


def views(connection: Connection, move: Move, table: catalog.MovedTable) -> list[str]:
    """The views over the table or its aggregates, as they stand in SQL; not those that an aggregate is, or has."""
    theirs = {_in_sql(connection, each.key) for each in catalog.continuous_aggregates(connection)}
    over = [table, *(table_of(connection, each.name, each.schema) for each in aggregates(move))]
    names = dict.fromkeys(view.name for each in over for view in each.views)
    return [each for each in names if each not in theirs and not each.startswith(f"{INDEXES}.")]


def _in_sql(connection: Connection, key: tuple[str | None, str]) -> str:
    schema, name = key
    return qualified(name, schema or connection.dialect.default_schema_name)
