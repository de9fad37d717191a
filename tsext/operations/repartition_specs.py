"""What a move into another shape has to know, gathered when it is declared."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition.move import CAPTURE, RANGES, Spec, place_of
from tsext.errors import InvalidObject
from tsext.model import Hypertable
from tsext.model.repartitions import Repartition
from tsext.operations.columnstore import EnableColumnstore
from tsext.operations.hypertables import CreateHypertable, check_now_function, need_uuid
from tsext.operations.repartition_aggregates import made_again
from tsext.operations.stepped import SteppedOperation


def spec_of(
    operation: SteppedOperation,
    connection: Connection,
    target: Repartition,
    found: Hypertable | None,
    wanted: Hypertable | None,
) -> Spec:
    """All that a move needs to know.

    :param found: what the table is; None: a plain one.
    :param wanted: what it is to be.
    :raises InvalidObject: if it cannot be moved, or not into that shape.
    """
    by = found.column if found is not None else wanted.column if wanted is not None else ""
    spec = _by_ranges_of(by, operation, connection)
    if wanted is not None:
        spec = _shaped(spec, operation, connection, wanted)
    return replace(
        spec,
        types=dict(target.types),
        using=dict(target.using),
        back=dict(target.existing_using),
        defaults=_defaults(operation, connection, target),
        bin=_bin(found, wanted),
    )


def _by_ranges_of(column: str, operation: SteppedOperation, connection: Connection) -> Spec:
    """The move of the table's rows as they are.

    :param column: the one by whose ranges they are moved.
    :raises InvalidObject: if they cannot be.
    """
    relation = catalog.resolved(connection, *operation.table)
    assert relation is not None  # or it would have been refused
    source = catalog.moved_table(connection, relation.name, relation.schema, CAPTURE)
    assert source is not None
    found = source.column(column)
    if found is None or found.type not in RANGES:
        what = "has no such column" if found is None else f"it is of type {found.type}"
        raise InvalidObject(
            f"op.{operation.verb}: {operation.shown} cannot be moved by ranges of {column}: {what}",
            hint=f"choose a column of one of the types {', '.join(RANGES)}",
        )
    if not found.not_null:
        raise InvalidObject(
            f"op.{operation.verb}: column {column} of {operation.shown} may be NULL, and such rows are in no range",
            hint=f'fill it, and then: op.set_not_null("{operation.table[0]}", "{column}")',
        )
    return Spec(relation.schema, relation.name, column, found.type)


def _shaped(spec: Spec, operation: SteppedOperation, connection: Connection, wanted: Hypertable) -> Spec:
    """The same move into a hypertable, with its columnstore and aggregates.

    :raises InvalidObject: if it cannot have that shape.
    """
    _check_shape(operation, connection, wanted)
    relation, place = catalog.Relation(spec.schema, spec.table), place_of(spec)
    return replace(
        spec,
        shape=tuple(CreateHypertable(replace(wanted, name=spec.table, schema=place)).statements()),
        columnstore=_columnstore(connection, relation, place),
        aggregates=made_again(connection, relation, place),
        aligned=wanted.column == spec.column and not wanted.dimensions,
    )


def _columnstore(connection: Connection, relation: catalog.Relation, schema: str) -> str:
    """What turns on the same columnstore for a table in another schema; nothing, if the table has none."""
    found = catalog.columnstore(connection, relation.name, relation.schema)
    if found is None:
        return ""
    enable = EnableColumnstore(replace(found, schema=schema))
    enable.timescaledb = catalog.timescaledb(connection)
    return enable.sql()


def _defaults(operation: SteppedOperation, connection: Connection, target: Repartition) -> dict[str, str]:
    """Those of the columns that get another type.

    :raises InvalidObject: if there is no such column, or it is generated.
    """
    found = {name: catalog.column_details(connection, *operation.table, name) for name in target.types}
    for name, column in found.items():
        if column is None or column.generated:
            raise InvalidObject(
                f"op.{operation.verb}: {operation.shown} has no column {name}"
                if column is None
                else f"op.{operation.verb}: {operation.shown}.{name} is a generated column",
                hint="correct its name, or leave its type as it is",
            )
    return {name: column.default for name, column in found.items() if column and column.default is not None}


def _check_shape(operation: SteppedOperation, connection: Connection, wanted: Hypertable) -> None:
    facts = catalog.table_facts(connection, *operation.table)
    assert facts is not None  # or it would have been refused
    facts.check(wanted)
    need_uuid(connection, facts, wanted)
    check_now_function(connection, wanted)


def _bin(*shapes: Hypertable | None) -> int:
    """Of an integer column, what is near: a thousandth of a chunk."""
    lengths = [each.chunk_time_interval for each in shapes if each is not None]
    return max(1, min([each for each in lengths if isinstance(each, int)], default=1000) // 1000)
