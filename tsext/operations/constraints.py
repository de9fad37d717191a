"""Verbs that add constraints in steps: without a scan while others wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from alembic.operations import Operations
from alembic.operations.ops import (
    AlterColumnOp,
    CreateCheckConstraintOp,
    CreateForeignKeyOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
)
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import FeatureNotSupported, InvalidObject
from tsext.model.constraints import Check, ForeignKey, NotNull, Unique
from tsext.operations import index_builds, index_refusals
from tsext.operations.index_builds import Build
from tsext.operations.rendering import Code, code_of, schema_of
from tsext.operations.stepped import SteppedOperation
from tsext.sql.quoting import cut, identifier, qualified
from tsext.sql.sending import send


class AddConstraint(SteppedOperation):
    """Adds a constraint NOT VALID, then validates it, in two transactions."""

    target: Check | ForeignKey
    definition: str | None = None
    """As the server prints it; None until the database is known."""

    def added(self) -> str:
        """What follows ``ADD CONSTRAINT name``."""
        raise NotImplementedError(type(self).__name__)

    def statements(self) -> list[str]:
        """Both steps."""
        return [
            f"{self.alter} ADD CONSTRAINT {identifier(self.target.name)} {self.added()} NOT VALID",
            f"{self.alter} VALIDATE CONSTRAINT {identifier(self.target.name)}",
        ]

    def steps(self, connection: Connection) -> list[str]:
        """What the constraint that is there leaves to do."""
        found = catalog.constraint_state(connection, *self.table, self.target.name)
        if found is None:
            return self.statements()
        return [] if found.validated else self.statements()[1:]

    def check(self, connection: Connection) -> None:
        """Refuse a name that another constraint has."""
        super().check(connection)
        found = catalog.constraint_state(connection, *self.table, self.target.name)
        if found is not None and not self.is_this(connection, found):
            raise InvalidObject(
                f"constraint {self.target.name} of {self.shown} is there, but with another definition: "
                f"{found.definition}",
                hint="choose another name, or drop it first: op.drop_constraint(…)",
            )

    def is_this(self, connection: Connection, found: catalog.ConstraintState) -> bool:
        """Whether a constraint that is there is the one to be added."""
        raise NotImplementedError(type(self).__name__)


class AddCheck(AddConstraint, name="add_check", noun=Check):
    """Add a CHECK without a scan while others wait."""

    def __init__(self, target: Check) -> None:
        self.target: Check = target

    @classmethod
    def invoke(
        cls, operations: Operations, constraint_name: str, table_name: str, condition: Any, *, schema: str | None = None
    ) -> None:
        """Add a CHECK: NOT VALID first, which is instant, then it is validated while others read and write.

        Outside the transaction, in two steps; after an interruption the same call goes on.

        :param condition: SQL text, or what compiles to it.
        :raises InvalidObject: if a constraint of this name has another definition.
        :raises FeatureNotSupported: on a hypertable with a columnstore, of which nothing is validated afterwards.
        """
        operations.invoke(cls(Check(constraint_name, table_name, str(condition), schema)))

    def check(self, connection: Connection) -> None:
        """Refuse a columnstore, too."""
        super().check(connection)
        self.refuse_columnstore(connection, "op.create_check_constraint")

    def added(self) -> str:
        """``CHECK (…)``."""
        return f"CHECK ({self.target.condition})"

    def is_this(self, connection: Connection, found: catalog.ConstraintState) -> bool:
        """By what the server prints."""
        return found.definition == catalog.printed_check(connection, self.target.condition, *self.table)

    def reverse(self) -> DropConstraintOp:
        """Dropping it."""
        target = self.target
        again = CreateCheckConstraintOp(target.name, target.table_name, target.condition, schema=target.schema)
        return DropConstraintOp(target.name, target.table_name, type_="check", schema=target.schema, _reverse=again)

    def arguments(self) -> list[Code]:
        """Name, table, condition, and the schema if there is one."""
        target = self.target
        return [*map(code_of, (target.name, target.table_name, target.condition)), *schema_of(target.schema)]


class AddForeignKey(AddConstraint, name="add_foreign_key", noun=ForeignKey):
    """Add a foreign key without a scan while others wait."""

    # below 18, PostgreSQL refuses NOT VALID of a partitioned table, where each partition gets its own first
    answers_for = SteppedOperation.answers_for | {"version"}

    def __init__(self, target: ForeignKey) -> None:
        self.target: ForeignKey = target

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        constraint_name: str,
        source_table: str,
        referent_table: str,
        local_cols: Sequence[str],
        remote_cols: Sequence[str],
        *,
        ondelete: str | None = None,
        onupdate: str | None = None,
        deferrable: bool = False,
        initially_deferred: bool = False,
        source_schema: str | None = None,
        referent_schema: str | None = None,
    ) -> None:
        """Add a foreign key: NOT VALID first, which is instant, then it is validated while others read and write.

        Outside the transaction, in two steps; after an interruption the same call goes on.

        :param ondelete: ``"CASCADE"``, ``"SET NULL"``, ``"SET DEFAULT"``, ``"RESTRICT"``; None: no action.
        :param onupdate: the same, for a key that changes.
        :param deferrable: whether it may be checked at the end of the transaction.
        :param initially_deferred: whether it is, unless it is said otherwise.
        :raises InvalidObject: if a constraint of this name has another definition, or both tables are hypertables.
        :raises FeatureNotSupported: on a hypertable with a columnstore, of which nothing is validated afterwards.
        """
        target = ForeignKey(
            constraint_name,
            source_table,
            referent_table,
            tuple(local_cols),
            tuple(remote_cols),
            source_schema,
            referent_schema,
            ondelete,
            onupdate,
            deferrable,
            initially_deferred,
        )
        operations.invoke(cls(target))

    def check(self, connection: Connection) -> None:
        """Refuse what TimescaleDB would refuse, too."""
        super().check(connection)
        target = self.target
        referent = (target.referent, target.referent_schema)
        if catalog.indexed_table(connection, *referent) is None:
            raise InvalidObject(
                f"op.{self.verb}: there is no table {qualified(*referent)} to refer to", hint="create it first"
            )
        if catalog.hypertable(connection, *self.table) is not None:
            self.refuse_columnstore(connection, "op.create_foreign_key")
            if catalog.hypertable(connection, *referent) is not None:
                raise InvalidObject(
                    f"op.{self.verb}: {self.shown} and {qualified(*referent)} are both hypertables, between which "
                    "TimescaleDB has no foreign keys",
                    hint="check it in a trigger, or in the application",
                )

    def steps(self, connection: Connection) -> list[str]:
        """What is left to do; a partitioned table takes over the keys of its partitions, without a scan."""
        name, whole = self.target.name, catalog.indexed(connection, *self.table)
        if whole is None or not whole.is_partitioned or catalog.constraint_state(connection, *self.table, name):
            return super().steps(connection)
        of_parts = (replace(self.target, table_name=each.name, schema=each.schema) for each in whole.parts)
        left = [step for each in of_parts for step in AddForeignKey(each).steps(connection)]
        return [*left, f"{self.alter} ADD CONSTRAINT {identifier(name)} {self.added()}"]

    def added(self) -> str:
        """``FOREIGN KEY (…) REFERENCES …``."""
        target = self.target
        here, there = (", ".join(map(identifier, each)) for each in (target.columns, target.remote_columns))
        parts = [f"FOREIGN KEY ({here}) REFERENCES {qualified(target.referent, target.referent_schema)} ({there})"]
        parts += [f"ON UPDATE {target.onupdate.upper()}"] if target.onupdate else []
        parts += [f"ON DELETE {target.ondelete.upper()}"] if target.ondelete else []
        parts += ["DEFERRABLE"] if target.deferrable else []
        parts += ["INITIALLY DEFERRED"] if target.initially_deferred else []
        return " ".join(parts)

    def is_this(self, connection: Connection, found: catalog.ConstraintState) -> bool:
        """By its columns, and what it refers to."""
        target = self.target
        here, there = (", ".join(map(identifier, each)) for each in (target.columns, target.remote_columns))
        starts = found.definition.startswith(f"FOREIGN KEY ({here}) REFERENCES ")
        return starts and f"{identifier(target.referent)}({there})" in found.definition

    def reverse(self) -> DropConstraintOp:
        """Dropping it."""
        target = self.target
        again = CreateForeignKeyOp(
            target.name,
            target.table_name,
            target.referent,
            list(target.columns),
            list(target.remote_columns),
            source_schema=target.schema,
            referent_schema=target.referent_schema,
        )
        return DropConstraintOp(
            target.name, target.table_name, type_="foreignkey", schema=target.schema, _reverse=again
        )

    def arguments(self) -> list[Code]:
        """As in the call, with what differs from the defaults."""
        target = self.target
        columns = [list(target.columns), list(target.remote_columns)]
        given = [target.name, target.table_name, target.referent, *columns]
        named = {
            "ondelete": target.ondelete,
            "onupdate": target.onupdate,
            "deferrable": target.deferrable or None,
            "initially_deferred": target.initially_deferred or None,
            "source_schema": target.schema,
            "referent_schema": target.referent_schema,
        }
        return [*map(code_of, given), *(code_of(value, name) for name, value in named.items() if value is not None)]


class SetNotNull(SteppedOperation, name="set_not_null", noun=NotNull):
    """Make a column NOT NULL without a scan while others wait."""

    def __init__(self, target: NotNull) -> None:
        self.target = target

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, column_name: str, *, schema: str | None = None) -> None:
        """Make a column NOT NULL: a CHECK, added NOT VALID and validated while others read and write, proves it first.

        Outside the transaction, in four steps; after an interruption the same call goes on. ``SET NOT NULL`` itself is
        then instant, and the CHECK is dropped.

        :raises InvalidObject: if there is no such column.
        :raises FeatureNotSupported: on a hypertable with a columnstore, of which nothing is validated afterwards.
        """
        operations.invoke(cls(NotNull(table_name, column_name, schema)))

    @property
    def proof(self) -> str:
        """The name of the CHECK."""
        return cut(f"tsext_{self.target.table_name}_{self.target.column}", "_not_null")

    def statements(self) -> list[str]:
        """All four steps."""
        column, proof = identifier(self.target.column), identifier(self.proof)
        return [
            f"{self.alter} ADD CONSTRAINT {proof} CHECK ({column} IS NOT NULL) NOT VALID",
            f"{self.alter} VALIDATE CONSTRAINT {proof}",
            f"{self.alter} ALTER COLUMN {column} SET NOT NULL",
            f"{self.alter} DROP CONSTRAINT {proof}",
        ]

    def steps(self, connection: Connection) -> list[str]:
        """What column and CHECK, as they are, leave to do."""
        add, validate, set_, drop = self.statements()
        state = catalog.null_state(connection, *self.table, self.target.column)
        assert state is not None
        found = catalog.constraint_state(connection, *self.table, self.proof)
        if state.not_null:
            return [drop] if found is not None else []
        if found is not None:
            return [set_, drop] if found.validated else [validate, set_, drop]
        proven = f"CHECK (({identifier(self.target.column)} IS NOT NULL))" in state.checks
        return [set_] if proven else [add, validate, set_, drop]

    def check(self, connection: Connection) -> None:
        """Refuse a column that is not there, and a columnstore."""
        super().check(connection)
        state = catalog.null_state(connection, *self.table, self.target.column)
        if state is None:
            raise InvalidObject(
                f"op.{self.verb}: {self.shown} has no column {self.target.column}", hint="correct its name"
            )
        if not state.not_null:
            self.refuse_columnstore(connection, "op.alter_column(…, nullable=False)")

    def reverse(self) -> AlterColumnOp:
        """Letting it be null again."""
        target = self.target
        return AlterColumnOp(
            target.table_name, target.column, schema=target.schema, existing_nullable=False, modify_nullable=True
        )

    def arguments(self) -> list[Code]:
        """Table, column, and the schema if there is one."""
        return [code_of(self.target.table_name), code_of(self.target.column), *schema_of(self.target.schema)]


class AddUnique(SteppedOperation, name="add_unique", noun=Unique):
    """Add a unique constraint without building its index while others wait."""

    def __init__(self, target: Unique) -> None:
        self.target = target

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        constraint_name: str,
        table_name: str,
        columns: Sequence[str],
        *,
        schema: str | None = None,
    ) -> None:
        """Add a unique constraint: its index is built CONCURRENTLY, and the constraint then adopts it, in an instant.

        Outside the transaction, in two steps; after an interruption the same call goes on.

        :raises InvalidObject: if a constraint or index of this name has another definition.
        :raises FeatureNotSupported: on a hypertable, where a constraint cannot adopt an index.
        """
        operations.invoke(cls(Unique(constraint_name, table_name, tuple(columns), schema)))

    @property
    def _columns(self) -> str:
        return ", ".join(map(identifier, self.target.columns))

    def statements(self) -> list[str]:
        """Both steps."""
        name = identifier(self.target.name)
        return [
            f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {qualified(*self.table)} ({self._columns})",
            f"{self.alter} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}",
        ]

    def run(self, connection: Connection) -> None:
        """Build the index, or what is missing of it, then adopt it."""
        if catalog.constraint_state(connection, *self.table, self.target.name) is None:
            index_builds.build(connection, self._build)
            adopt = self.statements()[-1]
            send(connection, adopt)

    @property
    def _build(self) -> Build:
        target = self.target
        definition = f"UNIQUE USING btree ({self._columns})"
        return Build(target.name, target.table_name, target.schema, definition)

    def check(self, connection: Connection) -> None:
        """Refuse a hypertable or partitioned table, and a name that is taken."""
        super().check(connection)
        whole = catalog.indexed(connection, *self.table)
        if whole is not None and (whole.is_hypertable or whole.is_partitioned):
            kind = "hypertable" if whole.is_hypertable else "partitioned table"
            raise FeatureNotSupported(
                f"op.{self.verb}: {self.shown} is a {kind}, where a constraint cannot adopt an index",
                hint=f"a unique index does the same, ON CONFLICT included: op.create_index_concurrently("
                f"{self.target.name!r}, {self.target.table_name!r}, {list(self.target.columns)}, unique=True)",
            )
        found = catalog.constraint_state(connection, *self.table, self.target.name)
        if found is None:
            index_refusals.refuse(connection, self._build)
        elif found.definition != f"UNIQUE ({self._columns})":
            raise InvalidObject(
                f"constraint {self.target.name} of {self.shown} is there, but with another definition: "
                f"{found.definition}",
                hint="choose another name, or drop it first: op.drop_constraint(…)",
            )

    def reverse(self) -> DropConstraintOp:
        """Dropping it."""
        target = self.target
        again = CreateUniqueConstraintOp(target.name, target.table_name, list(target.columns), schema=target.schema)
        return DropConstraintOp(target.name, target.table_name, type_="unique", schema=target.schema, _reverse=again)

    def arguments(self) -> list[Code]:
        """Name, table, columns, and the schema if there is one."""
        target = self.target
        return [*map(code_of, (target.name, target.table_name, list(target.columns))), *schema_of(target.schema)]
