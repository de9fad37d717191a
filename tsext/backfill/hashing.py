"""Hashes by which the rows of two tables are compared: of each row by the types of its columns, then summed.

The sum does not depend on the order of the rows, and unlike XOR alone it sees that two equal rows are one too many.
Values are hashed as PostgreSQL's hash indexes do it, so what is equal has one hash: ``-0.0`` and ``0.0``, ``1.0`` and
``1.00``, all NaN. Types that have no such hash, as ``json``, are hashed as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from tsext.sql.sending import ask

_FUNCTIONS = {
    "int2": "hashint2extended",
    "int4": "hashint4extended",
    "int8": "hashint8extended",
    "float4": "hashfloat4extended",
    "float8": "hashfloat8extended",
    "numeric": "hash_numeric_extended",
    "text": "hashtextextended",
    "varchar": "hashtextextended",
    "bpchar": "hashbpcharextended",
    "name": "hashnameextended",
    "uuid": "uuid_hash_extended",
    "timestamp": "timestamp_hash_extended",
    "time": "time_hash_extended",
    "timetz": "timetz_hash_extended",
    "interval": "interval_hash_extended",
    "jsonb": "jsonb_hash_extended",
    "inet": "hashinetextended",
    "cidr": "hashinetextended",
    "macaddr": "hashmacaddrextended",
    "oid": "hashoidextended",
    "pg_lsn": "pg_lsn_hash_extended",
}
"""Of a type the function that takes it as it is, from PostgreSQL 14 on."""

_CONVERTED = {
    "timestamptz": "timestamp_hash_extended(timezone(INTERVAL '0', {}), {})",  # quicker than a zone by its name
    "bool": "hashint4extended({}::int4, {})",
}
"""Where the function is one for another type, or its name is not the same in all versions."""

_KINDS = {"e": "hashenumextended", "r": "hash_range_extended"}
"""The same by ``pg_type.typtype``."""

_NULL = -7046029254386353131
"""What NULL is hashed to; with the seed, so that it differs by column. An odd constant without meaning."""


@dataclass(frozen=True)
class Value:
    """What is hashed of a row: an expression of a type."""

    expression: str
    type: str
    """Its name in ``pg_type``; of a domain, that which it is made of."""
    kind: str = "b"
    """``pg_type.typtype``."""
    element: str = ""
    """Of an array, the type of its elements."""
    built_in: bool = True
    """Whether the type is in ``pg_catalog``."""

    def hash(self, seed: int) -> str:
        """The expression of its hash, a ``bigint``."""
        return f"coalesce({self._hash(seed)}, {_NULL ^ seed}::int8)"

    def _hash(self, seed: int) -> str:
        given = f"({self.expression})"
        if self.kind in _KINDS:
            return f"{_KINDS[self.kind]}({given}, {seed})"
        if self.built_in and self.type in _CONVERTED:
            return _CONVERTED[self.type].format(given, seed)
        if self.built_in and self.type in _FUNCTIONS:
            return f"{_FUNCTIONS[self.type]}({given}, {seed})"
        if self.built_in and self.element in _FUNCTIONS:
            return f"hash_array_extended({given}, {seed})"
        return f"hashtextextended({given}::text, {seed})"


@dataclass(frozen=True)
class Digest:
    """What some rows come to: two tables with the same have the same rows."""

    rows: int
    hash: str

    def joined(self, other: Digest) -> Digest:
        """That of these rows and of others."""
        return Digest(self.rows + other.rows, str(int(self.hash) + int(other.hash)))

    def without(self, some: Digest) -> Digest:
        """That of the rows that are left without some of them."""
        return Digest(self.rows - some.rows, str(int(self.hash) - int(some.hash)))


def row_hash(values: Iterable[Value]) -> str:
    """The expression of a row's hash, a ``bigint``; each column has a seed of its own, so that none can be swapped."""
    return " # ".join(value.hash(seed) for seed, value in enumerate(values, 1)) or "0::int8"


def digest_query(relation: str, values: Iterable[Value], ranges: Iterable[str]) -> str:
    """The query that gives how many rows there are, and the sum of their hashes.

    :param ranges: conditions, no two of which hold for the same row.
    """
    what = f"count(*) AS n, sum({row_hash(values)}) AS hash"
    parts = " UNION ALL ".join(f"SELECT {what} FROM {relation} AS rows WHERE {each}" for each in ranges)
    return f"SELECT sum(n)::bigint, coalesce(sum(hash), 0)::text FROM ({parts}) AS parts"


def digest(connection: Connection, relation: str, values: Iterable[Value], ranges: Iterable[str]) -> Digest:
    """What the rows of a relation come to that fulfil one of the conditions."""
    query = digest_query(relation, values, ranges)
    rows, hash_ = ask(connection, query).one()
    return Digest(int(rows), str(hash_))


def buckets(
    connection: Connection, relation: str, values: Iterable[Value], where: str, bucket: str
) -> dict[str, Digest]:
    """The same by the values of an expression, as text: by these, a difference is found.

    :param bucket: an expression over the columns, such as ``date_trunc('hour', time)``.
    """
    what = f"({bucket})::text, count(*), sum({row_hash(values)})::text"
    query = f"SELECT {what} FROM {relation} AS rows WHERE {where} GROUP BY 1"
    found = ask(connection, query)
    return {str(place): Digest(int(rows), str(hash_)) for place, rows, hash_ in found}
