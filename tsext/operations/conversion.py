"""Verbs that convert chunks between rowstore and columnstore."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import Columnstore
from tsext.operations.columnstore import NAMED_SINCE, ColumnstoreOperation
from tsext.operations.rendering import Code, code_of
from tsext.sql.quoting import Raw, call, interval

Bound = date | timedelta | str | int
"""Where a range of chunks ends: a point in time, or how long ago; text is an interval, such as ``"3 months"``."""


class Conversion(ColumnstoreOperation):
    """Converts the chunks in a range, one after the other.

    :param idempotent: whether chunks that are there already are passed over; else the range must hold none.
    """

    procedure: ClassVar[str]
    """What TimescaleDB calls it."""
    function: ClassVar[str]
    """What it was called before 2.18."""
    flag: ClassVar[str]
    """The argument of the procedure that makes it idempotent."""
    old_flag: ClassVar[str]
    """The same of the function."""
    to_columnstore: ClassVar[bool]

    def __init__(
        self,
        table_name: str,
        *,
        older_than: Bound | None = None,
        newer_than: Bound | None = None,
        idempotent: bool = True,
        schema: str | None = None,
    ) -> None:
        super().__init__(table_name, schema)
        self.range = {"older_than": older_than, "newer_than": newer_than}
        for name, bound in self.range.items():
            if isinstance(bound, bool) or not isinstance(bound, Bound | None):
                raise InvalidObject(
                    f"{name} is {bound!r}",
                    hint='write datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=7) or "3 months"; for an integer '
                    "column an integer",
                )
        self.idempotent = idempotent
        self.chunks: list[catalog.Chunk] | None = None
        """Those in the range; None until the database is known."""

    def check(self, connection: Connection) -> None:
        """Look which chunks there are; refuse those that are there already, if that is not expected."""
        column = self.look(connection).column
        self.enabled(connection)
        self._check_range(column, self.facts(connection).columns[column])
        self.chunks = catalog.chunks(connection, self.show_chunks)
        there = [each.name for each in self.chunks if each.in_columnstore == self.to_columnstore]
        if there and not self.idempotent:
            raise InvalidObject(
                f"op.{self.verb}: {len(there)} of the chunks of {self.shown} are there already: first {there[0]}",
                hint=f"choose another range, or pass over them with {self.flag}=True",
            )

    def _check_range(self, column: str, kind: str) -> None:
        for name, bound in self.range.items():
            if bound is not None and kind and isinstance(bound, int) != (kind == "integer"):
                raise InvalidObject(
                    f"op.{self.verb}: {name} is {bound!r}, but {column} of {self.shown} is "
                    f"{'of an integer type' if kind == 'integer' else 'a date or a time'}",
                    hint="give " + ("an integer" if kind == "integer" else 'a point in time, or an interval: "7 days"'),
                )

    @property
    def show_chunks(self) -> str:
        """The call that gives the chunks in the range."""
        bounds = {name: interval(bound) if isinstance(bound, str) else bound for name, bound in self.range.items()}
        return call("show_chunks", self.relation, **bounds)

    def statements(self) -> list[str]:
        """One for each chunk; without a database a loop over them, to be run by psql."""
        if self.chunks is None:
            return [_loop(self.show_chunks, f"CALL {self.convert(Raw('chunk'))}")]
        old = self.timescaledb is not None and self.timescaledb.number < NAMED_SINCE
        return [f"{'SELECT' if old else 'CALL'} {self.convert(each.name, old=old)}" for each in self.chunks]

    def convert(self, chunk: str, *, old: bool = False) -> str:
        """The call that converts one chunk."""
        flags = {self.old_flag if old else self.flag: None if self.idempotent else False, **self.options()}
        return call(self.function if old else self.procedure, chunk, **flags)

    def options(self) -> dict[str, bool | None]:
        """Further arguments of the call."""
        return {}

    def arguments(self) -> list[Code]:
        """Name, range, and what differs from the defaults."""
        given: dict[str, Any] = {**self.range, self.flag: None if self.idempotent else False, **self.options()}
        return self.call_of(*(code_of(value, name) for name, value in given.items() if value is not None))

    def exact(self) -> dict[str, Any]:
        """The arguments of the way back.

        :raises IrreversibleOperation: unless exactly the chunks in the range were converted, and it stays the same.
        """
        older_than = self.range["older_than"]
        moving = any(isinstance(bound, timedelta | str) for bound in self.range.values())
        if self.idempotent or moving or older_than is None:
            raise IrreversibleOperation(
                f"which chunks {self.verb} of {self.shown} converted is not known any more: some in the range may have "
                "been there before",
                hint=f"state which are to be converted back, by the verb for it; or give {self.flag}=False and a fixed "
                "range, older_than=datetime(…), of which all chunks are converted",
            )
        return {**self.range, "idempotent": False, "schema": self.schema}


class ConvertToColumnstore(Conversion, name="convert_to_columnstore", noun=Columnstore):
    """Convert chunks to the columnstore.

    :param recompress: whether chunks that are in it are converted anew.
    """

    procedure, function = "convert_to_columnstore", "compress_chunk"
    flag, old_flag = "if_not_columnstore", "if_not_compressed"
    to_columnstore = True

    def __init__(self, table_name: str, *, recompress: bool = False, **given: Any) -> None:
        super().__init__(table_name, **given)
        self.recompress = recompress

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        *,
        older_than: Bound | None = None,
        newer_than: Bound | None = None,
        if_not_columnstore: bool = True,
        recompress: bool = False,
        schema: str | None = None,
    ) -> None:
        """Convert the chunks in a range to the columnstore, one after the other; all of them if no range is given.

        Each chunk is locked against writing while it is converted, and at last against everything, until the
        transaction ends: with ``op.get_context().autocommit_block()`` around it, each chunk has its own.

        :param older_than: only chunks that end before: a point in time, a ``timedelta`` ago, or text such as
            ``"3 months"`` ago; for an integer column, an integer.
        :param newer_than: only chunks that begin after.
        :param if_not_columnstore: pass over chunks that are in it; if not, refuse them.
        :param recompress: convert chunks that are in it anew, for example to other settings.
        :raises InvalidObject: if the columnstore is not enabled.
        """
        bounds = {"older_than": older_than, "newer_than": newer_than}
        operations.invoke(
            cls(table_name, **bounds, idempotent=if_not_columnstore, recompress=recompress, schema=schema)
        )

    def options(self) -> dict[str, bool | None]:
        """Whether chunks are converted anew."""
        return {"recompress": self.recompress or None}

    def reverse(self) -> ConvertToRowstore:
        """Converting exactly those chunks back.

        :raises IrreversibleOperation: unless they are known.
        """
        return ConvertToRowstore(self.table_name, **self.exact())


class ConvertToRowstore(Conversion, name="convert_to_rowstore", noun=Columnstore):
    """Convert chunks to the rowstore."""

    procedure, function = "convert_to_rowstore", "decompress_chunk"
    flag, old_flag = "if_columnstore", "if_compressed"
    to_columnstore = False

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        *,
        older_than: Bound | None = None,
        newer_than: Bound | None = None,
        if_columnstore: bool = True,
        schema: str | None = None,
    ) -> None:
        """Convert the chunks in a range to the rowstore, one after the other; all of them if no range is given.

        Needs the room that they had before. Each chunk is locked against everything until the transaction ends: with
        ``op.get_context().autocommit_block()`` around it, each chunk has its own.

        :param older_than: only chunks that end before: a point in time, a ``timedelta`` ago, or text such as
            ``"3 months"`` ago; for an integer column, an integer.
        :param newer_than: only chunks that begin after.
        :param if_columnstore: pass over chunks that are in the rowstore; if not, refuse them.
        :raises InvalidObject: if the columnstore is not enabled.
        """
        bounds = {"older_than": older_than, "newer_than": newer_than}
        operations.invoke(cls(table_name, **bounds, idempotent=if_columnstore, schema=schema))

    def reverse(self) -> ConvertToColumnstore:
        """Converting exactly those chunks back.

        :raises IrreversibleOperation: unless they are known.
        """
        return ConvertToColumnstore(self.table_name, **self.exact())


def _loop(chunks: str, statement: str) -> str:
    """A statement for each chunk, which it calls ``chunk``."""
    body = f"""
DECLARE
    chunk regclass;
BEGIN
    FOR chunk IN SELECT {chunks} LOOP
        {statement};
    END LOOP;
END
"""
    tag = "$$" if "$$" not in body else next(tag for n in range(len(body)) if (tag := f"$b{n}$") not in body)
    return f"DO {tag}{body}{tag}"
