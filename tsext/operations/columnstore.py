"""Verbs over the settings of columnstores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, Self, TypeVar

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation, PreflightFailed
from tsext.model import COLUMNSTORE, SPARSE_INDEXES, UNSET_COLUMNS, Columnstore, Interval
from tsext.operations.hypertables import HypertableOperation
from tsext.operations.operation import refuse_without
from tsext.operations.rendering import Code, arguments_of, code_of
from tsext.sql.quoting import duration, identifier, literal, qualified

Unchanged = Literal[False]
"""For a setting that is not to be changed, or whose old value is not known; None means that it is not set."""

Columns = Sequence[str] | None
Indexes = Sequence[str] | Mapping[str, Any] | None

SETTINGS = ("segmentby", "orderby", "index", "compress_chunk_interval")

NAMED_SINCE = (2, 18)
"""First version that has the names of the columnstore; before, it was compression."""
_OLD_NAMES = {
    "enable_columnstore": (NAMED_SINCE, "compress"),
    "segmentby": (NAMED_SINCE, "compress_segmentby"),
    "orderby": (NAMED_SINCE, "compress_orderby"),
    "compress_chunk_interval": ((2, 20), "compress_chunk_time_interval"),
}


class ColumnstoreOperation(HypertableOperation):
    """A verb over the columnstore of a hypertable, or of a continuous aggregate.

    :param continuous_aggregate: whether it is one; run against a database, that is looked up.
    """

    needs = COLUMNSTORE

    def __init__(self, table_name: str, schema: str | None, *, continuous_aggregate: bool = False) -> None:
        super().__init__(table_name, schema)
        self.continuous_aggregate = continuous_aggregate
        self.timescaledb: catalog.TimescaleInfo | None = None
        """Of the database; None until that is known, for which the newest names are taken."""

    def look(self, connection: Connection) -> catalog.Partitioned:
        """What this is about, and on which version.

        :raises InvalidObject: if there is no such relation, or it can have no columnstore.
        """
        self.timescaledb = catalog.timescaledb(connection)
        there = catalog.partitioned_relation(connection, self.table_name, self.schema)
        if there is None:
            there = catalog.Partitioned(self.found(connection).column, continuous_aggregate=False)
        self.continuous_aggregate = there.continuous_aggregate
        return there

    def enabled(self, connection: Connection) -> Columnstore:
        """The settings that there are.

        :raises InvalidObject: if the columnstore is not enabled.
        """
        found = catalog.columnstore(connection, self.table_name, self.schema)
        if found is None:
            raise InvalidObject(
                f"op.{self.verb}: {self.shown} has no columnstore",
                hint=f'enable it first: op.enable_columnstore("{self.table_name}", …); or remove the operation',
            )
        return found

    def alter(self, settings: Mapping[str, str | None]) -> str:
        """``ALTER TABLE … SET (…)``, or RESET if there are no values."""
        kind = "MATERIALIZED VIEW" if self.continuous_aggregate else "TABLE"
        options = [
            f"timescaledb.{self._option(name)}" + (f" = {value}" if value is not None else "")
            for name, value in settings.items()
        ]
        verb = "RESET" if None in settings.values() else "SET"
        return f"ALTER {kind} {qualified(self.table_name, self.schema)} {verb} ({', '.join(options)})"

    def _option(self, name: str) -> str:
        until, old = _OLD_NAMES.get(name, ((), name))
        return old if self.timescaledb is not None and self.timescaledb.number < until else name

    def refuse_index(self, settings: Columnstore) -> None:
        """Refuse sparse indexes, where the server or an aggregate takes none.

        :raises FeatureNotSupported: if the server has none.
        :raises InvalidObject: if it is an aggregate.
        """
        if settings.index is None:
            return
        if self.continuous_aggregate:
            raise InvalidObject(
                f"op.{self.verb}: continuous aggregate {self.shown} takes no sparse indexes", hint="leave index out"
            )
        if self.timescaledb is not None:
            refuse_without(SPARSE_INDEXES, self.timescaledb, f"op.{self.verb} of {self.shown}")

    def flags(self) -> list[Code]:
        """Whether it is an aggregate."""
        return [code_of(True, "continuous_aggregate")] if self.continuous_aggregate else []


class ColumnstoreSwitch(ColumnstoreOperation):
    """Turns a columnstore on or off.

    :param target: its settings.
    :param with_table: whether the same revision creates or drops the table, which does both at once.
    """

    def __init__(self, target: Columnstore, *, continuous_aggregate: bool = False, with_table: bool = False) -> None:
        super().__init__(target.name, target.schema, continuous_aggregate=continuous_aggregate)
        self.target = target
        self.with_table = with_table

    def reversed_by(self, switch: type[Switch]) -> Switch:
        """The other verb about the same."""
        return switch(self.target, continuous_aggregate=self.continuous_aggregate, with_table=self.with_table)


Switch = TypeVar("Switch", bound=ColumnstoreSwitch)


class EnableColumnstore(ColumnstoreSwitch, name="enable_columnstore", noun=Columnstore):
    """Let chunks of a hypertable be converted to the columnstore."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        *,
        segmentby: Columns = None,
        orderby: Columns = None,
        index: Indexes = None,
        compress_chunk_interval: Interval | None = None,
        continuous_aggregate: bool = False,
        schema: str | None = None,
    ) -> None:
        """Let chunks of a hypertable, or of a continuous aggregate, be converted to the columnstore; converts none.

        What is left out, TimescaleDB chooses. Locks the table against everything until the transaction ends.

        :param segmentby: columns whose rows with equal values are stored together; ``[]`` for explicitly none.
        :param orderby: columns by which rows are ordered, each with a direction if need be: ``["time DESC"]``.
        :param index: sparse indexes, ``["bloom(device)"]`` or ``{"bloom": ["device"]}``; TimescaleDB 2.22 or newer.
        :param compress_chunk_interval: into which chunks are rolled up: ``timedelta``, text, or an integer.
        :param continuous_aggregate: whether it is one; needed only with ``--sql``, without a database to ask.
        :raises InvalidObject: for what TimescaleDB would refuse.
        """
        given = Columnstore(segmentby, orderby, index, compress_chunk_interval, name=table_name, schema=schema)
        operations.invoke(cls(given, continuous_aggregate=continuous_aggregate))

    def check(self, connection: Connection) -> None:
        """Refuse settings that do not fit the table, and a columnstore that is enabled already."""
        there = self.look(connection)
        if catalog.columnstore(connection, self.table_name, self.schema) is not None:
            raise InvalidObject(
                f"the columnstore of {self.shown} is enabled already",
                hint="remove the operation, or change the settings with op.alter_columnstore",
            )
        self.refuse_index(self.target)
        self.target.check(self.facts(connection), there.column)

    def sql(self) -> str:
        """``ALTER TABLE … SET (timescaledb.enable_columnstore = true, …)``."""
        return self.alter({"enable_columnstore": "true", **_values(self.target)})

    def arguments(self) -> list[Code]:
        """Name, and what is set."""
        return self.call_of(*arguments_of(self.target, skip=("name", "schema")), *self.flags())

    def reverse(self) -> DisableColumnstore:
        """Disabling it."""
        return self.reversed_by(DisableColumnstore)


class DisableColumnstore(ColumnstoreSwitch, name="disable_columnstore", noun=Columnstore):
    """Forget the settings of a columnstore that is empty."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        *,
        continuous_aggregate: bool = False,
        schema: str | None = None,
    ) -> None:
        """Disable the columnstore of a hypertable, or of a continuous aggregate, and forget its settings.

        All chunks must be in the rowstore, and no policy may convert any. Locks the table against everything until
        the transaction ends.

        :param continuous_aggregate: whether it is one; needed only with ``--sql``, without a database to ask.
        :raises PreflightFailed: if there are chunks in the columnstore, or a policy.
        """
        operations.invoke(cls(Columnstore(name=table_name, schema=schema), continuous_aggregate=continuous_aggregate))

    def check(self, connection: Connection) -> None:
        """Refuse while it is in use."""
        if self.with_table:
            return
        self.look(connection)
        self.enabled(connection)
        use = catalog.columnstore_use(connection, self.table_name, self.schema)
        schema = f', schema="{self.schema}"' if self.schema else ""
        if use.policies:
            raise PreflightFailed(
                f"the columnstore of {self.shown} cannot be disabled: a policy converts chunks to it "
                f"(job {', '.join(map(str, use.policies))})",
                hint=f'remove it first: op.remove_columnstore_policy("{self.table_name}"{schema})',
            )
        if use.chunks:
            raise PreflightFailed(
                f"the columnstore of {self.shown} cannot be disabled: {use.chunks} of its chunks are in it",
                hint=f'convert them first: op.convert_to_rowstore("{self.table_name}"{schema}), which takes time, and '
                "the room that they had before",
            )

    def statements(self) -> list[str]:
        """None, if the table is dropped."""
        return [] if self.with_table else [self.alter({"enable_columnstore": "false"})]

    def arguments(self) -> list[Code] | None:
        """Only the name."""
        return None if self.with_table else self.call_of(*self.flags())

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """With the schema, as Alembic's own."""
        return (self.verb, self.schema, self.table_name)

    def reverse(self) -> EnableColumnstore:
        """Enabling it, with the settings that it had."""
        return self.reversed_by(EnableColumnstore)


class AlterColumnstore(ColumnstoreOperation, name="alter_columnstore", noun=Columnstore):
    """Change settings of a columnstore, for chunks to be converted; knows the old ones, so that it can be reversed.

    :param new: the settings that change, by name; None for what is left to TimescaleDB again.
    :param old: the same, as they were, as far as that is known.
    """

    def __init__(
        self,
        table_name: str,
        new: Mapping[str, Any],
        old: Mapping[str, Any],
        *,
        continuous_aggregate: bool = False,
        schema: str | None = None,
    ) -> None:
        super().__init__(table_name, schema, continuous_aggregate=continuous_aggregate)
        self.new = Columnstore(**new, name=table_name, schema=schema)
        self.old = Columnstore(**old, name=table_name, schema=schema)
        self.changed = tuple(name for name in SETTINGS if name in new)
        self.known = tuple(name for name in SETTINGS if name in old)

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        *,
        segmentby: Columns | Unchanged = False,
        old_segmentby: Columns | Unchanged = False,
        orderby: Columns | Unchanged = False,
        old_orderby: Columns | Unchanged = False,
        index: Indexes | Unchanged = False,
        old_index: Indexes | Unchanged = False,
        compress_chunk_interval: Interval | Unchanged | None = False,
        old_compress_chunk_interval: Interval | Unchanged | None = False,
        continuous_aggregate: bool = False,
        schema: str | None = None,
    ) -> None:
        """Change settings of the columnstore for chunks to be converted; those that are in it stay as they are.

        What is left out stays. None leaves a setting to TimescaleDB again; with ``segmentby`` and ``index``, ``[]``
        means explicitly none. The old values are those by which the change is reversed. Locks the table against
        everything until the transaction ends.

        :param continuous_aggregate: whether it is one; needed only with ``--sql``, without a database to ask.
        :raises InvalidObject: for what TimescaleDB would refuse, and if nothing is changed.
        """
        given = {
            "segmentby": (segmentby, old_segmentby),
            "orderby": (orderby, old_orderby),
            "index": (index, old_index),
            "compress_chunk_interval": (compress_chunk_interval, old_compress_chunk_interval),
        }
        new = {name: value for name, (value, _) in given.items() if value is not False}
        old = {name: value for name, (_, value) in given.items() if value is not False}
        if not new:
            raise InvalidObject(
                f"op.alter_columnstore of {table_name} changes nothing", hint=f"give one of {', '.join(SETTINGS)}"
            )
        operations.invoke(cls(table_name, new, old, continuous_aggregate=continuous_aggregate, schema=schema))

    def check(self, connection: Connection) -> None:
        """Refuse what does not fit the table, or the settings that stay as they are."""
        there = self.look(connection)
        after = replace(self.enabled(connection), **{name: getattr(self.new, name) for name in self.changed})
        after.check(self.facts(connection), there.column)
        self.refuse_index(self.new)
        if not self.unset:
            return
        if self.continuous_aggregate:
            raise InvalidObject(
                f"op.alter_columnstore: {', '.join(self.unset)} of continuous aggregate {self.shown} cannot be left "
                "to TimescaleDB again",
                hint="give the columns, or [] for none, instead of None",
            )
        refuse_without(UNSET_COLUMNS, self.timescaledb, f"op.alter_columnstore of {self.shown}")

    @property
    def unset(self) -> list[str]:
        """The settings that are left to TimescaleDB again by a statement of their own."""
        return [each for each in self.changed if each in _LISTS and getattr(self.new, each) is None]

    def statements(self) -> list[str]:
        """RESET, then SET, so that a column may go from one list to another."""
        values = _values(self.new)
        if "compress_chunk_interval" in self.changed:
            values.setdefault("compress_chunk_interval", "'0'")
        unset = [self.alter(dict.fromkeys(self.unset))] if self.unset else []
        return [*unset, self.alter(values)] if values else unset

    def arguments(self) -> list[Code]:
        """Name, and of each setting the new value and the old one."""
        given = []
        for name in SETTINGS:
            given += [code_of(getattr(self.new, name), name)] if name in self.changed else []
            given += [code_of(getattr(self.old, name), f"old_{name}")] if name in self.known else []
        return self.call_of(*given, *self.flags())

    def reverse(self) -> Self:
        """Setting the old values.

        :raises IrreversibleOperation: if one is not known.
        """
        if missing := [name for name in self.changed if name not in self.known]:
            raise IrreversibleOperation(
                f"alter_columnstore of {self.shown} does not know the old {', '.join(missing)}",
                hint=f"give {', '.join(f'old_{name}=' for name in missing)}; None if it was not set",
            )
        new = {name: getattr(self.new, name) for name in self.changed}
        old = {name: getattr(self.old, name) for name in self.known}
        return type(self)(self.table_name, old, new, continuous_aggregate=self.continuous_aggregate, schema=self.schema)


# --- settings as SQL has them


def _values(settings: Columnstore) -> dict[str, str]:
    """What is set, as the values of options."""
    given = {name: getattr(settings, name) for name in SETTINGS}
    return {name: literal(_text(settings, name)) for name, value in given.items() if value is not None}


def _text(settings: Columnstore, name: str) -> str:
    if name == "compress_chunk_interval":
        return _length(settings.compress_chunk_interval)
    return ", ".join(_LISTS[name](settings))


def _length(length: Any) -> str:
    """TimescaleDB reads an interval even for an integer column, and stores its microseconds."""
    return duration(length) if isinstance(length, timedelta) else f"{length} microseconds"


_LISTS: Mapping[str, Callable[[Columnstore], Iterable[str]]] = {
    "segmentby": lambda settings: map(identifier, settings.segmentby or ()),
    "orderby": lambda settings: [identifier(each.column) + each.direction for each in settings.ordering],
    "index": lambda settings: [
        f"{each.kind}({', '.join(map(identifier, each.columns))})" for each in settings.sparse_indexes
    ],
}
"""How the settings are written that are lists of columns."""
