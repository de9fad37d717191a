"""Continuous aggregates; where a query has changed, a new one is put in the place of the old."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from alembic.autogenerate import render, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations import ops
from sqlalchemy import MetaData, Table, literal_column

from tsext import catalog
from tsext.autogenerate.comparison import Comparison
from tsext.errors import InvalidObject
from tsext.model import (
    AGGREGATE_CHUNK_INTERVAL,
    INFO_KEY,
    AggregateIndex,
    ContinuousAggregate,
    aggregates_of,
    is_expression,
    objects_in,
)
from tsext.operations.aggregates import AlterContinuousAggregate, CreateContinuousAggregate, DropContinuousAggregate
from tsext.operations.refresh import RefreshContinuousAggregate
from tsext.operations.swapping import (
    INDEX_SCHEMA,
    CopyAggregatePrivileges,
    RenameAggregateIndex,
    RenameContinuousAggregate,
)
from tsext.sql import grammar
from tsext.sql.dialect import dialect
from tsext.sql.quoting import cut, escaped, identifier

_KEPT = ("_old", *(f"_old{number}" for number in range(2, 10)))
"""What is added to the name of an aggregate in whose place a new one came."""

_Op = ops.MigrateOperation


def compare(comparison: Comparison) -> None:
    """Drop what is not declared, dependants first; add and change what is, each after what it is made of.

    :raises InvalidObject: if a declared aggregate is made of a table that is to be dropped.
    """
    found = {each.key: each for each in catalog.continuous_aggregates(comparison.connection)}
    silence(comparison)
    _check_sources(comparison, found)
    wanted = comparison.aggregates
    kept = {(schema, name) for schema, each in wanted for name in map(partial(cut, each), _KEPT)}
    for key, gone in found.items():
        if key not in wanted and key not in kept and _in_scope(comparison, gone):
            comparison.before[:0] = dropped(gone.aggregate, comparison.timescaledb)
            comparison.dropped_aggregates.add(key)
    comparison.replaced |= replaced(comparison, found)
    comparison.after += _completed(comparison, found)


def _completed(comparison: Comparison, found: Mapping[catalog.Key, catalog.FoundAggregate]) -> Iterator[_Op]:
    """What leads to the aggregates that are declared."""
    wanted, taken = comparison.aggregates, {name for _, name in found}
    uses = uses_of(wanted, comparison.connection.dialect.default_schema_name)
    order = list(in_order(uses))
    swaps = {key: Swap.of(found[key].aggregate, wanted[key], taken) for key in order if key in comparison.replaced}
    renamed: list[Swap] = []
    for key in order:
        if key in swaps:
            yield from swaps[key].made()
            if any(key in used for other, used in uses.items() if other in swaps or other not in found):
                renamed.append(swaps[key])
                yield from swaps[key].renamed(for_a_moment=True)
        elif key in found:
            yield from changes(_alike(comparison, found[key].aggregate, wanted[key]), wanted[key])
        else:
            yield from created(wanted[key], again=bool(swaps))
    for swap in reversed(renamed):
        yield from swap.renamed_back()
    for swap in swaps.values():
        yield swap.filled()
    for swap in swaps.values():
        yield from swap.swapped()


def _alike(comparison: Comparison, found: ContinuousAggregate, wanted: ContinuousAggregate) -> ContinuousAggregate:
    """What is found, with those of its indexes as they are declared that differ in how they are written only."""
    declared = {each.name: each for each in wanted.indexes or ()}

    def written(index: AggregateIndex) -> AggregateIndex:
        other = declared.get(index.name)
        same = other is not None and catalog.is_same_index(comparison.connection, found, index, other)
        return other if same and other is not None else index

    return replace(found, indexes=tuple(map(written, found.indexes or ())))


def silence(comparison: Comparison) -> None:
    """Take out the creation of tables that models have for reading an aggregate."""

    def reads(op: ops.MigrateOperation) -> bool:
        if not isinstance(op, ops.CreateTableOp | ops.ModifyTableOps):
            return False
        return comparison.key(Table(op.table_name, MetaData(), schema=op.schema)) in comparison.aggregates

    comparison.upgrade_ops.ops[:] = [op for op in comparison.upgrade_ops.ops if not reads(op)]


def _check_sources(comparison: Comparison, found: Mapping[catalog.Key, catalog.FoundAggregate]) -> None:
    for key in comparison.aggregates.keys() & found.keys():
        if found[key].source in comparison.dropped:
            raise InvalidObject(
                f"{found[key].source[1]} is to be dropped, but continuous aggregate {key[1]} is made of it",
                hint=f"remove the declaration of {key[1]}, too, or keep the table",
            )


def _declares(metadata: MetaData) -> bool:
    """Whether aggregates are declared, or, by an empty list, that there are none; jobs alone say neither."""
    return INFO_KEY in metadata.info and (not objects_in(metadata) or bool(aggregates_of(metadata)))


def _in_scope(comparison: Comparison, found: catalog.FoundAggregate) -> bool:
    """Whether an aggregate that is not declared should go.

    Metadata that declares none, not even an empty list, leaves them alone, until the table goes that they are made of.
    """
    if found.source in comparison.dropped:
        return True
    if not any(map(_declares, comparison.metadata)):
        return False
    included = found.aggregate.schema is None or bool(comparison.context.opts.get("include_schemas"))
    return included and comparison.includes(found.aggregate, reflected=True)


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


def uses_of(
    wanted: Mapping[catalog.Key, ContinuousAggregate], default_schema: str | None
) -> dict[catalog.Key, set[catalog.Key]]:
    """Of each declared aggregate, those that its query selects from."""
    names = {key: key for key in wanted} | {(key[0] or default_schema, key[1]): key for key in wanted}
    return {
        key: {names[name] for name in grammar.relations(each.query) if name in names} for key, each in wanted.items()
    }


def in_order(uses: Mapping[catalog.Key, set[catalog.Key]]) -> Iterator[catalog.Key]:
    """Keys, each after those that it uses; what goes round in a circle is left to the server."""
    given: set[catalog.Key] = set()
    while len(given) < len(uses):
        ready = [key for key, used in uses.items() if key not in given and used <= given]
        for key in ready or [key for key in uses if key not in given]:
            given.add(key)
            yield key


# --- what is to be done


def created(aggregate: ContinuousAggregate, *, again: bool = False) -> Iterator[_Op]:
    """A new aggregate, empty, and its indexes.

    :param again: whether that may be done already, when the revision runs again after a failure.
    """
    yield CreateContinuousAggregate(aggregate, if_not_exists=again)
    for index in aggregate.indexes or ():
        yield CreateAggregateIndex.of(aggregate, index, again=again)


def dropped(found: ContinuousAggregate, timescaledb: catalog.TimescaleInfo | None) -> Iterator[_Op]:
    """An aggregate and its indexes, as this server can make them again."""
    for index in found.indexes or ():
        yield DropAggregateIndex.of(found, index)
    if timescaledb is None or not timescaledb.has(AGGREGATE_CHUNK_INTERVAL):
        found = replace(found, chunk_interval=None)
    yield DropContinuousAggregate(found)


def changes(found: ContinuousAggregate, wanted: ContinuousAggregate) -> Iterator[_Op]:
    """What has changed but the query; what is not declared is not compared."""
    options = {name: getattr(wanted, name) for name in ("materialized_only", "chunk_interval")}
    new = {name: value for name, value in options.items() if value not in (None, getattr(found, name))}
    if new:
        old = {name: getattr(found, name) for name in new}
        yield AlterContinuousAggregate(wanted.name, new, old, schema=wanted.schema)
    if wanted.indexes is not None:
        yield from _other_indexes(wanted, found.indexes or (), wanted.indexes)


def _other_indexes(
    aggregate: ContinuousAggregate, found: Iterable[AggregateIndex], wanted: Iterable[AggregateIndex]
) -> Iterator[_Op]:
    """New ones before old ones go: nobody can read the aggregate from then on until the commit."""
    before, after = ({index.name: index for index in each} for each in (found, wanted))
    new = [index for index in after.values() if index != before.get(index.name)]
    beside_old = [index.name for index in new if index.name in before]
    for index in new:
        name = cut(index.name, "_new") if index.name in beside_old else index.name
        yield CreateAggregateIndex.of(aggregate, replace(index, name=name))
    for name, index in before.items():
        if index != after.get(name):
            yield DropAggregateIndex.of(aggregate, index)
    for name in beside_old:
        yield RenameAggregateIndex(aggregate.name, cut(name, "_new"), name, schema=aggregate.schema)


@dataclass(frozen=True)
class Swap:
    """A new aggregate beside the old one, filled, then given its name; the old one is kept under another.

    All new ones are made, then all are filled, which commits; then all are swapped, in one transaction. So the revision
    can run again if filling was interrupted. A new one that is made of another new one must be made while that has its
    name, which it therefore takes for a moment.
    """

    found: ContinuousAggregate
    wanted: ContinuousAggregate
    suffix: str
    """What is added to the names of the old one and its indexes."""

    @classmethod
    def of(cls, found: ContinuousAggregate, wanted: ContinuousAggregate, taken: set[str]) -> Self:
        """With the first name for the old one that is not taken.

        :raises InvalidObject: if there is none.
        """
        for suffix in _KEPT:
            if cut(wanted.name, suffix) not in taken:
                return cls(found, wanted, suffix)
        raise InvalidObject(
            f"of continuous aggregate {wanted.name}, {len(_KEPT)} older ones are kept",
            hint="drop those that are no longer needed: "
            f'op.drop_continuous_aggregate("{cut(wanted.name, _KEPT[0])}", allow_data_loss="…")',
        )

    @property
    def old(self) -> str:
        """Name under which the old one is kept."""
        return cut(self.wanted.name, self.suffix)

    @property
    def new(self) -> str:
        """Name of the new one, until it is filled."""
        return cut(self.wanted.name, "_new")

    @property
    def indexes(self) -> tuple[AggregateIndex, ...]:
        """Those of the new one; if they are not declared, it has those of the old one."""
        return (self.found if self.wanted.indexes is None else self.wanted).indexes or ()

    def made(self) -> Iterator[_Op]:
        """The new one, empty, for the same roles, and its indexes."""
        new = replace(self.wanted, name=self.new)
        yield CreateContinuousAggregate(
            new,
            if_not_exists=True,
            note=f"The query of {self.wanted.name} has changed, or of what it is made of, which TimescaleDB cannot do "
            f"in place. So {self.new} is made beside it, filled, and takes its name. The old one is kept as "
            f"{self.old}, with all that it holds and its policies.",
        )
        yield CopyAggregatePrivileges(self.wanted.name, self.new, schema=self.wanted.schema)
        for index in self.indexes:
            yield CreateAggregateIndex.of(new, replace(index, name=cut(index.name, "_new")), again=True)

    def filled(self) -> ops.MigrateOperation:
        """The new one, filled."""
        note = (
            "Commits what was done before; if it fails, run the upgrade again. For much data give "
            "window_size=timedelta(days=30), so that each window commits."
        )
        return RefreshContinuousAggregate(self.new, schema=self.wanted.schema, note=note)

    def renamed(self, *, for_a_moment: bool = False, note: str = "") -> Iterator[RenameContinuousAggregate]:
        """The new one under the name of the old one."""
        if for_a_moment:
            note = "For a moment, so that what is made of it next is made of the new one."
        yield self._rename(self.wanted.name, self.old, for_a_moment, note)
        yield self._rename(self.new, self.wanted.name, for_a_moment)

    def renamed_back(self) -> Iterator[RenameContinuousAggregate]:
        """The old one under its name again, after a moment."""
        yield self._rename(self.wanted.name, self.new, True)
        yield self._rename(self.old, self.wanted.name, True)

    def _rename(self, old: str, new: str, for_a_moment: bool, note: str = "") -> RenameContinuousAggregate:
        return RenameContinuousAggregate(old, new, schema=self.wanted.schema, for_a_moment=for_a_moment, note=note)

    def swapped(self) -> Iterator[_Op]:
        """The new one in the place of the old one, with the names of its indexes."""
        name, schema = self.wanted.name, self.wanted.schema
        names = {index.name for index in self.indexes}
        for index in self.found.indexes or ():
            if index.name in names:
                yield RenameAggregateIndex(name, index.name, cut(index.name, self.suffix), schema=schema)
        for each in sorted(names):
            yield RenameAggregateIndex(self.new, cut(each, "_new"), each, schema=schema)
        yield from self.renamed(
            note=f"Of times whose raw data are gone, only {self.old} knows. When that is no longer needed, drop it in "
            f'a later revision: op.drop_continuous_aggregate("{self.old}", allow_data_loss="…").'
        )


# --- indexes: they are created on the aggregate, and are then elsewhere


class CreateAggregateIndex(ops.CreateIndexOp):
    """``op.create_index`` of a continuous aggregate: there is no CONCURRENTLY."""

    @classmethod
    def of(cls, aggregate: ContinuousAggregate, index: AggregateIndex, *, again: bool = False) -> Self:
        columns: list[Any] = [_indexed(name, way) for name, way in index.parts]
        given: dict[str, Any] = {} if index.using == "btree" else {"postgresql_using": index.using}
        given |= {} if index.where is None else {"postgresql_where": literal_column(escaped(index.where))}
        given |= {"if_not_exists": True} if again else {}
        return cls(index.name, aggregate.name, columns, schema=aggregate.schema, **given)

    def reverse(self) -> DropAggregateIndex:
        return DropAggregateIndex(self)


def _indexed(name: str, way: str) -> Any:
    if is_expression(name):
        return literal_column(name + way)
    return literal_column(identifier(name) + way) if way else name


class DropAggregateIndex(ops.DropIndexOp):
    """``op.drop_index`` of a continuous aggregate."""

    def __init__(self, created: CreateAggregateIndex) -> None:
        assert created.index_name is not None
        super().__init__(created.index_name, created.table_name, schema=INDEX_SCHEMA, _reverse=created)
        self.created = created

    @classmethod
    def of(cls, aggregate: ContinuousAggregate, index: AggregateIndex) -> Self:
        return cls(CreateAggregateIndex.of(aggregate, index))

    def reverse(self) -> CreateAggregateIndex:
        return self.created


@renderers.dispatch_for(CreateAggregateIndex)
@renderers.dispatch_for(DropAggregateIndex)
def _render(context: AutogenContext, op: CreateAggregateIndex | DropAggregateIndex) -> str:
    """As Alembic does, but for percent signs, which the dialect of a driver doubles."""
    plain = AutogenContext(MigrationContext.configure(dialect=dialect()), opts=context.opts, autogenerate=False)
    plain.imports = context.imports
    return render._drop_index(plain, op) if isinstance(op, DropAggregateIndex) else render._add_index(plain, op)
