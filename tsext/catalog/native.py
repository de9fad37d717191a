"""What PostgreSQL has and SQLAlchemy does not reflect: exclusion constraints, and native partitioning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tsext.catalog.asking import Key, key_of, rows


@dataclass(frozen=True)
class Exclusion:
    """An exclusion constraint."""

    key: Key
    """The table's."""
    name: str
    using: str
    """The access method of its index."""
    elements: tuple[tuple[str | None, str, str], ...]
    """Of each the column; as SQL, with its operator class, where that alone would not say it all; and the operator."""
    condition: str | None
    """Of a partial one."""
    deferrable: bool
    deferred: bool


def exclusions(connection: Connection) -> list[Exclusion]:
    """All exclusion constraints of tables; one query."""
    return [_exclusion(connection, row) for row in rows(connection, "exclusions")]


def _exclusion(connection: Connection, row: Any) -> Exclusion:
    elements = tuple(zip(row.columns, row.elements, row.operators, strict=True))
    table = key_of(connection, row.schema, row.table)
    return Exclusion(table, row.name, row.using, elements, row.condition, row.deferrable, row.deferred)


def partition_keys(connection: Connection) -> dict[Key, str]:
    """By what tables are partitioned natively, as it stands behind ``PARTITION BY``; one query."""
    return {key_of(connection, row.schema, row.name): row.key for row in rows(connection, "partition_keys")}


def partitions(connection: Connection) -> set[Key]:
    """All native partitions; one query."""
    return {key_of(connection, *row) for row in rows(connection, "partitions")}
