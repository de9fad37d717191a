"""Names of relations, as they are written in statements, and in calls of operations."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from tsext.sql import grammar
from tsext.sql.quoting import identifier

SYSTEM_COLUMNS = frozenset({"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})
"""What every table has already."""


class Name(NamedTuple):
    """A relation, type or other object; the schema is None where it is not written."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return ".".join(identifier(part) for part in self if part)

    @property
    def in_schema(self) -> list[str]:
        """The argument that says in which schema it is, if one is written."""
        return [f"schema={text(self.schema)}"] if self.schema else []

    @property
    def is_system(self) -> bool:
        """Whether it is one of the catalog, which PostgreSQL finds without a schema, too."""
        return self.schema == "information_schema" or (self.schema or self.name).startswith("pg_")

    def arguments(self, *others: str) -> str:
        """The name and other strings, as the arguments of a verb."""
        return ", ".join([text(self.name), *map(text, others), *self.in_schema])

    @classmethod
    def of_range(cls, node: Any) -> Name:
        """Of a ``RangeVar``."""
        return cls(node.schemaname or None, node.relname)

    @classmethod
    def of_list(cls, nodes: Any) -> Name:
        """Of a list of strings: ``[catalog,] [schema,] name``."""
        parts = [node.string.sval for node in nodes if node.WhichOneof("node") == "string"]
        return cls(parts[-2] if len(parts) > 1 else None, parts[-1] if parts else "")


def text(value: str) -> str:
    """A string, as it stands in a call."""
    return json.dumps(value, ensure_ascii=False)


def texts(values: Iterable[str]) -> str:
    """A list of strings, the same way."""
    return f"[{', '.join(map(text, values))}]"


def name_in(text: str) -> Name:
    """Of SQL text, as ``regclass`` prints it."""
    read = grammar.tree(f"TABLE {text}")
    ranges = grammar.find(read[1], "RangeVar") if read is not None else []
    return Name.of_range(ranges[0]) if ranges else Name(None, text)


def name_of(node: Any) -> Name:
    """Of whatever a statement names its object by: a list, a type name, an object with arguments, or a string."""
    kind = node.WhichOneof("node")
    if kind == "list":
        return Name.of_list(node.list.items)
    if kind == "type_name":
        return Name.of_list(node.type_name.names)
    if kind == "object_with_args":
        return Name.of_list(node.object_with_args.objname)
    if kind == "string":
        return Name(None, node.string.sval)
    return Name(None, "")
