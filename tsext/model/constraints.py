"""Constraints that are added without making others wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tsext.errors import InvalidObject
from tsext.model.objects import Object, check_name


@dataclass(frozen=True)
class Check(Object):
    """A CHECK of a table.

    :param condition: SQL text.
    :raises InvalidObject: without a name, a table or a condition.
    """

    name: str
    table_name: str
    condition: str
    schema: str | None = None

    def __post_init__(self) -> None:
        check_name("name of a check", self.name)
        check_name(f"table of check {self.name}", self.table_name)
        object.__setattr__(self, "condition", str(self.condition).strip())
        check_name(f"condition of check {self.name}", self.condition)


@dataclass(frozen=True)
class NotNull(Object):
    """A column that must not be null.

    :raises InvalidObject: without a table or a column.
    """

    table_name: str
    column: str
    schema: str | None = None

    def __post_init__(self) -> None:
        check_name("table of a column", self.table_name)
        check_name(f"column of {self.table_name}", self.column)


@dataclass(frozen=True)
class Unique(Object):
    """A unique constraint of a table.

    :raises InvalidObject: without a name, a table or a column.
    """

    name: str
    table_name: str
    columns: tuple[str, ...]
    schema: str | None = None

    def __post_init__(self) -> None:
        check_name("name of a unique constraint", self.name)
        check_name(f"table of unique constraint {self.name}", self.table_name)
        object.__setattr__(self, "columns", names(f"unique constraint {self.name}", self.columns))


@dataclass(frozen=True)
class ForeignKey(Object):
    """A foreign key.

    :param ondelete: what happens to rows whose reference is deleted: ``"CASCADE"``, ``"SET NULL"`` …
    :param deferrable: whether it may be checked at the end of the transaction.
    :raises InvalidObject: if it does not refer to as many columns as it has.
    """

    name: str
    table_name: str
    referent: str
    columns: tuple[str, ...]
    remote_columns: tuple[str, ...]
    schema: str | None = None
    referent_schema: str | None = None
    ondelete: str | None = None
    onupdate: str | None = None
    deferrable: bool = False
    initially_deferred: bool = False

    def __post_init__(self) -> None:
        check_name("name of a foreign key", self.name)
        check_name(f"table of foreign key {self.name}", self.table_name)
        check_name(f"table that foreign key {self.name} refers to", self.referent)
        object.__setattr__(self, "columns", names(f"foreign key {self.name}", self.columns))
        object.__setattr__(self, "remote_columns", names(f"foreign key {self.name}", self.remote_columns))
        if len(self.columns) != len(self.remote_columns):
            raise InvalidObject(
                f"foreign key {self.name} has {len(self.columns)} columns, and refers to {len(self.remote_columns)}",
                hint="give as many local_cols as remote_cols",
            )
        for action in (self.ondelete, self.onupdate):
            if action is not None and action.upper() not in ACTIONS:
                raise InvalidObject(
                    f"foreign key {self.name} has the action {action!r}", hint=f"use {' or '.join(ACTIONS)}"
                )


ACTIONS = ("CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION")


def names(what: str, given: Any) -> tuple[str, ...]:
    """Names of columns.

    :raises InvalidObject: if there are none, or one twice.
    """
    columns = (given,) if isinstance(given, str) else tuple(given)
    for each in columns:
        check_name(f"column of {what}", each)
    if not columns or len(set(columns)) < len(columns):
        raise InvalidObject(f"{what} has {'one column twice' if columns else 'no columns'}", hint="name each once")
    return columns
