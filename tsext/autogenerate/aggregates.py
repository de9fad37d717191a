"""Continuous aggregates; where a query has changed, a new one is put in the place of the old."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Self

from alembic.operations import ops
from sqlalchemy import literal_column

from tsext import catalog
from tsext.autogenerate.comparison import Comparison
from tsext.errors import InvalidObject
from tsext.model import AggregateIndex, ContinuousAggregate
from tsext.operations.aggregates import (
    INDEX_SCHEMA,
    AlterContinuousAggregate,
    CreateContinuousAggregate,
    DropContinuousAggregate,
    RenameAggregateIndex,
    RenameContinuousAggregate,
)
from tsext.operations.refresh import RefreshContinuousAggregate
from tsext.sql import grammar
from tsext.sql.quoting import LONGEST_NAME, identifier

_KEPT = ("_old", *(f"_old{number}" for number in range(2, 10)))
"""What is added to the name of an aggregate in whose place a new one came."""


def compare(comparison: Comparison) -> None:
    """Drop what is not declared, dependants first; add and change what is, each after what it is made of."""
    wanted = comparison.aggregates
    found = {each.key: each for each in catalog.continuous_aggregates(comparison.connection)}
    kept = {(schema, name) for schema, each in wanted for name in map(partial(beside, each), _KEPT)} - wanted.keys()
    for key, gone in found.items():
        if key not in wanted and key not in kept and _in_scope(comparison, gone.aggregate):
            comparison.before.insert(0, DropContinuousAggregate(gone.aggregate))
            comparison.dropped_aggregates.add(key)
    comparison.replaced |= replaced(comparison, found)
    taken = {name for _, name in found}
    for key in in_order_of_use(wanted):
        aggregate = wanted[key]
        if key not in found:
            comparison.after += created(aggregate)
        elif key in comparison.replaced:
            comparison.after += swapped(found[key].aggregate, aggregate, taken)
        else:
            comparison.after += changes(found[key].aggregate, aggregate)


def _in_scope(comparison: Comparison, found: ContinuousAggregate) -> bool:
    """Whether the run is about the aggregate's schema, and the project's own filters let it pass."""
    included = found.schema is None or bool(comparison.context.opts.get("include_schemas"))
    return included and comparison.includes(found, reflected=True)


def replaced(comparison: Comparison, found: Mapping[catalog.Key, catalog.FoundAggregate]) -> set[catalog.Key]:
    """The declared aggregates whose query has changed, and those that are made of them."""
    new: set[catalog.Key] = set()
    for key, each in found.items():  # each after what it is made of
        aggregate = comparison.aggregates.get(key)
        if aggregate is not None and (
            each.source in new or not catalog.is_query_of(comparison.connection, aggregate.query, each.aggregate)
        ):
            new.add(key)
    return new


def in_order_of_use(wanted: Mapping[catalog.Key, ContinuousAggregate]) -> Iterator[catalog.Key]:
    """Keys, each after those that its query selects from."""
    names = {each.key: key for key, each in wanted.items()} | {key: key for key in wanted}
    uses = {
        key: {names[name] for name in grammar.relations(each.query) if name in names} for key, each in wanted.items()
    }
    given: set[catalog.Key] = set()
    while len(given) < len(wanted):
        ready = [key for key in wanted if key not in given and uses[key] <= given]
        # in a circle nothing is ready; the server will say so
        for key in ready or [key for key in wanted if key not in given]:
            given.add(key)
            yield key


# --- what is to be done


def created(aggregate: ContinuousAggregate) -> Iterator[ops.MigrateOperation]:
    """A new aggregate, empty, and its indexes."""
    yield CreateContinuousAggregate(aggregate)
    for index in aggregate.indexes or ():
        yield _CreateIndex.of(aggregate, index)


def changes(found: ContinuousAggregate, wanted: ContinuousAggregate) -> Iterator[ops.MigrateOperation]:
    """What has changed but the query; what is not declared is not compared."""
    options = {name: getattr(wanted, name) for name in ("materialized_only", "chunk_interval")}
    new = {name: value for name, value in options.items() if value not in (None, getattr(found, name))}
    if new:
        old = {name: getattr(found, name) for name in new}
        yield AlterContinuousAggregate(wanted.name, new, old, schema=wanted.schema)
    if wanted.indexes is None:
        return
    before, after = ({index.name: index for index in each.indexes or ()} for each in (found, wanted))
    for name, index in before.items():
        if index != after.get(name):
            yield _DropIndex.of(wanted, index)
    for name, index in after.items():
        if index != before.get(name):
            yield _CreateIndex.of(wanted, index)


def swapped(found: ContinuousAggregate, wanted: ContinuousAggregate, taken: set[str]) -> Iterator[ops.MigrateOperation]:
    """A new aggregate beside the old one, filled, then given its name; the old one is kept under another.

    :param taken: names of aggregates that there are; the one that is chosen is added.
    """
    name, schema = wanted.name, wanted.schema
    suffix = _free(name, taken)
    old = beside(name, suffix)
    taken.add(old)
    new = replace(wanted, name=beside(name, "_new"))
    indexes = (found if wanted.indexes is None else wanted).indexes or ()
    for index in found.indexes or ():
        if index.name in {each.name for each in indexes}:
            yield RenameAggregateIndex(name, index.name, beside(index.name, suffix), schema=schema)
    yield CreateContinuousAggregate(
        new,
        if_not_exists=True,
        note=f"The query of {name} has changed, or that of an aggregate it is made of, which TimescaleDB cannot do in "
        f"place. So a new one is made beside it, filled, and takes its name; the old one is kept as {old}, with all "
        "that it holds and its policies.",
    )
    for index in indexes:
        yield _CreateIndex.of(new, index)
    yield RefreshContinuousAggregate(new.name, schema=schema, note=_FILLED)
    yield RenameContinuousAggregate(
        name,
        old,
        schema=schema,
        note=f"Of times whose raw data are gone, only {old} knows. When that is no longer needed, drop it in a later "
        f'revision: op.drop_continuous_aggregate("{old}", allow_data_loss="…").',
    )
    yield RenameContinuousAggregate(new.name, name, schema=schema)


_FILLED = (
    "Commits what was done before, and can be repeated. For much data give window_size=timedelta(days=30), so that "
    "each window commits."
)


def beside(name: str, suffix: str) -> str:
    """A name with a suffix, cut so that PostgreSQL keeps all of it."""
    return name.encode()[: LONGEST_NAME - len(suffix)].decode(errors="ignore") + suffix


def _free(name: str, taken: set[str]) -> str:
    for suffix in _KEPT:
        if beside(name, suffix) not in taken:
            return suffix
    raise InvalidObject(
        f"of continuous aggregate {name}, {len(_KEPT)} older ones are kept, up to {beside(name, _KEPT[-1])}",
        hint="drop those that are no longer needed: "
        f'op.drop_continuous_aggregate("{beside(name, _KEPT[0])}", allow_data_loss="…")',
    )


# --- indexes: they are created on the aggregate, and are then elsewhere


class _CreateIndex(ops.CreateIndexOp):
    @classmethod
    def of(cls, aggregate: ContinuousAggregate, index: AggregateIndex) -> Self:
        columns: list[Any] = [literal_column(identifier(name) + way) if way else name for name, way in index.parts]
        using: dict[str, Any] = {} if index.using == "btree" else {"postgresql_using": index.using}
        return cls(index.name, aggregate.name, columns, schema=aggregate.schema, **using)

    def reverse(self) -> _DropIndex:
        return _DropIndex(self)


class _DropIndex(ops.DropIndexOp):
    def __init__(self, created: _CreateIndex) -> None:
        assert created.index_name is not None
        super().__init__(created.index_name, created.table_name, schema=INDEX_SCHEMA, _reverse=created)
        self.created = created

    @classmethod
    def of(cls, aggregate: ContinuousAggregate, index: AggregateIndex) -> Self:
        return cls(_CreateIndex.of(aggregate, index))

    def reverse(self) -> _CreateIndex:
        return self.created
