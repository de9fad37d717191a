"""Verbs over what can be set on a hypertable: its now function, chunk skipping, tablespaces."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import CHUNK_SKIPPING, Hypertable
from tsext.operations.hypertables import (
    HypertableOperation,
    attach_tablespace,
    check_now_function,
    check_tablespaces,
    enable_chunk_skipping,
    set_integer_now_func,
    skipping,
)
from tsext.operations.rendering import Code, code_of, flags_of
from tsext.sql.quoting import call


class SetIntegerNowFunc(HypertableOperation, name="set_integer_now_func", noun=Hypertable):
    """Set the function that tells a hypertable by an integer column what is now; knows the old one."""

    def __init__(
        self,
        table_name: str,
        integer_now_func: str,
        *,
        replace_if_exists: bool = False,
        old: str | None = None,
        schema: str | None = None,
    ) -> None:
        super().__init__(table_name, schema)
        self.integer_now_func = integer_now_func
        self.replace_if_exists = replace_if_exists or old is not None
        self.old = old

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        integer_now_func: str,
        *,
        replace_if_exists: bool = False,
        old_integer_now_func: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Set the function that tells a hypertable by an integer column what is now.

        :param integer_now_func: takes nothing, is STABLE, and returns the column's type: ``"schema.name"``.
        :param replace_if_exists: replace another function.
        :param old_integer_now_func: the function until now, by which the change is reversed; it is replaced.
        :raises InvalidObject: for what TimescaleDB would refuse.
        """
        replaced = {"replace_if_exists": replace_if_exists}
        operations.invoke(cls(table_name, integer_now_func, old=old_integer_now_func, schema=schema, **replaced))

    def check(self, connection: Connection) -> None:
        """Refuse a function that cannot be it, and to replace one unasked."""
        found = self.found(connection)
        wanted = replace(found, integer_now_func=self.integer_now_func)
        self.facts(connection).check(replace(wanted, dimensions=(), chunk_skipping=None))
        check_now_function(connection, wanted)
        if found.integer_now_func is not None and not self.replace_if_exists:
            raise InvalidObject(
                f"{self.shown} has an integer_now_func already, {found.integer_now_func}",
                hint=f'give old_integer_now_func="{found.integer_now_func}", which replaces it',
            )

    def sql(self) -> str:
        """``SELECT set_integer_now_func(…)``."""
        return set_integer_now_func(self.relation, self.integer_now_func, replace_if_exists=self.replace_if_exists)

    def arguments(self) -> list[Code]:
        """Name, the function, the old one."""
        old = [] if self.old is None else [code_of(self.old, "old_integer_now_func")]
        flags = flags_of(self, "replace_if_exists") if self.old is None else []
        return self.call_of(code_of(self.integer_now_func), *flags, *old)

    def reverse(self) -> SetIntegerNowFunc | DropIntegerNowFunc:
        """Setting the old one; where there was none, TimescaleDB has no way back."""
        if self.old is None:
            return DropIntegerNowFunc(self.table_name, self.integer_now_func, schema=self.schema)
        return SetIntegerNowFunc(self.table_name, self.old, old=self.integer_now_func, schema=self.schema)


class DropIntegerNowFunc(HypertableOperation, name="drop_integer_now_func", noun=Hypertable):
    """Refuse: TimescaleDB cannot take the function from a hypertable."""

    def __init__(self, table_name: str, integer_now_func: str = "", *, schema: str | None = None) -> None:
        super().__init__(table_name, schema)
        self.integer_now_func = integer_now_func

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, *, schema: str | None = None) -> None:
        """Refuse, with the way out.

        :raises IrreversibleOperation: always.
        """
        operations.invoke(cls(table_name, schema=schema))

    def sql(self) -> str:
        """There is none.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"the integer_now_func of hypertable {self.table_name} cannot be removed",
            hint="remove this line, which leaves the function set; that does no harm while the function exists",
        )

    def arguments(self) -> list[Code]:
        """Only the name."""
        return self.call_of()

    def reverse(self) -> SetIntegerNowFunc:
        """Setting it."""
        return SetIntegerNowFunc(self.table_name, self.integer_now_func, schema=self.schema)


class ChunkSkipping(HypertableOperation):
    """Switches the skipping of chunks by one column on or off."""

    needs = CHUNK_SKIPPING

    def __init__(
        self, table_name: str, column_name: str, *, if_not_exists: bool = False, schema: str | None = None
    ) -> None:
        super().__init__(table_name, schema)
        self.column_name = column_name
        self.if_not_exists = if_not_exists

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        if_not_exists: bool = False,
        schema: str | None = None,
    ) -> None:
        """Described by each verb."""
        operations.invoke(cls(table_name, column_name, if_not_exists=if_not_exists, schema=schema))

    def arguments(self) -> list[Code]:
        """Name, column, and whether it may be so already."""
        return self.call_of(code_of(self.column_name), *flags_of(self, "if_not_exists"))


class EnableChunkSkipping(ChunkSkipping, name="enable_chunk_skipping", noun=Hypertable):
    """Keep the least and greatest value of a column for each chunk compressed from now on, to skip chunks by.

    :param column_name: of an integer type, a date or a time.
    :raises FeatureNotSupported: below TimescaleDB 2.17.1.
    :raises InvalidObject: for what TimescaleDB would refuse.
    """

    def check(self, connection: Connection) -> None:
        """Refuse a column that cannot be it, or is it."""
        found = self.found(connection)
        self.facts(connection).check_skipping(self.column_name)
        if self.column_name in (found.chunk_skipping or ()) and not self.if_not_exists:
            raise InvalidObject(
                f"chunks of {self.shown} are skipped by {self.column_name} already",
                hint="remove the operation, or give if_not_exists=True",
            )

    def sql(self) -> str:
        """``SELECT set_config(…), enable_chunk_skipping(…)``."""
        return enable_chunk_skipping(self.relation, self.column_name, if_not_exists=self.if_not_exists)

    def reverse(self) -> DisableChunkSkipping:
        """Forgetting them."""
        return DisableChunkSkipping(
            self.table_name, self.column_name, if_not_exists=self.if_not_exists, schema=self.schema
        )


class DisableChunkSkipping(ChunkSkipping, name="disable_chunk_skipping", noun=Hypertable):
    """Forget the least and greatest value of a column; those of chunks that are compressed come back only when
    they are compressed anew.

    :param if_not_exists: do nothing if there are none; TimescaleDB calls it so.
    :raises FeatureNotSupported: below TimescaleDB 2.17.1.
    :raises InvalidObject: for what TimescaleDB would refuse.
    """

    def check(self, connection: Connection) -> None:
        """Refuse a column by which no chunks are skipped."""
        columns = self.found(connection).chunk_skipping or ()
        if self.column_name not in columns and not self.if_not_exists:
            raise InvalidObject(
                f"chunks of {self.shown} are not skipped by {self.column_name}",
                hint=f"they are by {', '.join(columns) or 'none'}; remove the operation, or give if_not_exists=True",
            )

    def sql(self) -> str:
        """``SELECT set_config(…), disable_chunk_skipping(…)``."""
        flag = self.if_not_exists or None
        return skipping(call("disable_chunk_skipping", self.relation, self.column_name, if_not_exists=flag))

    def reverse(self) -> EnableChunkSkipping:
        """Keeping them."""
        return EnableChunkSkipping(
            self.table_name, self.column_name, if_not_exists=self.if_not_exists, schema=self.schema
        )


class TablespaceOperation(HypertableOperation):
    """A verb over one tablespace of a hypertable."""

    flag: ClassVar[str]
    """The argument by which it may be so already."""

    def __init__(self, tablespace: str, table_name: str, *, flag: bool = False, schema: str | None = None) -> None:
        super().__init__(table_name, schema)
        self.tablespace = tablespace
        self.given = flag

    def arguments(self) -> list[Code]:
        """Tablespace, name, and whether it may be so already."""
        flags = [code_of(True, self.flag)] if self.given else []
        return [code_of(self.tablespace), *self.call_of(*flags)]


class AttachTablespace(TablespaceOperation, name="attach_tablespace", noun=Hypertable):
    """Put new chunks into a tablespace, by turns with others."""

    flag = "if_not_attached"

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        tablespace: str,
        table_name: str,
        *,
        if_not_attached: bool = False,
        schema: str | None = None,
    ) -> None:
        """Put new chunks of a hypertable into a tablespace, by turns with others; those that exist stay where they are.

        :raises InvalidObject: if there is no such tablespace or hypertable, or it is attached already.
        """
        operations.invoke(cls(tablespace, table_name, flag=if_not_attached, schema=schema))

    def check(self, connection: Connection) -> None:
        """Refuse a tablespace that does not exist, or is attached."""
        found = self.found(connection)
        check_tablespaces(connection, [self.tablespace])
        if self.tablespace in (found.tablespaces or ()) and not self.given:
            raise InvalidObject(
                f"tablespace {self.tablespace} is attached to {self.shown} already",
                hint="remove the operation, or give if_not_attached=True",
            )

    def sql(self) -> str:
        """``SELECT attach_tablespace(…)``."""
        return attach_tablespace(self.relation, self.tablespace, if_not_attached=self.given)

    def reverse(self) -> DetachTablespace:
        """Detaching it."""
        return DetachTablespace(self.tablespace, self.table_name, flag=self.given, schema=self.schema)


class DetachTablespace(TablespaceOperation, name="detach_tablespace", noun=Hypertable):
    """Put no more chunks into a tablespace."""

    flag = "if_attached"

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        tablespace: str,
        table_name: str,
        *,
        if_attached: bool = False,
        schema: str | None = None,
    ) -> None:
        """Put no more chunks of a hypertable into a tablespace; those that are there stay.

        :raises InvalidObject: if there is no such hypertable, or the tablespace is not attached to it.
        """
        operations.invoke(cls(tablespace, table_name, flag=if_attached, schema=schema))

    def check(self, connection: Connection) -> None:
        """Refuse a tablespace that does not exist, or is not attached."""
        check_tablespaces(connection, [self.tablespace])
        attached = self.found(connection).tablespaces or ()
        if self.tablespace not in attached and not self.given:
            raise InvalidObject(
                f"tablespace {self.tablespace} is not attached to {self.shown}",
                hint=f"attached: {', '.join(attached) or 'none'}; remove the operation, or give if_attached=True",
            )

    def sql(self) -> str:
        """``SELECT detach_tablespace(…)``."""
        return "SELECT " + call("detach_tablespace", self.tablespace, self.relation, if_attached=self.given or None)

    def reverse(self) -> AttachTablespace:
        """Attaching it, as the last one."""
        return AttachTablespace(self.tablespace, self.table_name, flag=self.given, schema=self.schema)
