"""Verbs that build, drop and rebuild indexes while others write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from alembic.operations.ops import CreateIndexOp, DropIndexOp
from sqlalchemy import Column, Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.schema import CreateIndex
from sqlalchemy.types import NullType

from tsext import catalog
from tsext.catalog import BuiltIndex, IndexedTable
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import Index
from tsext.operations import index_builds, index_refusals, index_removals, index_scripts
from tsext.operations.index_builds import Build
from tsext.operations.operation import Operation
from tsext.operations.rendering import Code, code_of, flags_of, schema_of
from tsext.sql.dialect import dialect
from tsext.sql.quoting import qualified
from tsext.sql.sending import said_first

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

_COPY = "tsext_index_copy"
"""The table on which the server is asked how it prints an index."""


class IndexOperation(Operation):
    """A verb over an index, which commits as it goes."""

    noun = Index
    transactional = False
    # it goes part by part where the whole would be refused, and goes on with what is there already
    answers_for = frozenset({"concurrently-unsupported", "exists-already"})


class CreateIndexConcurrently(IndexOperation, name="create_index_concurrently", noun=Index):
    """Build an index while others write."""

    def __init__(self, target: Index) -> None:
        self.target = target
        self.build: Build | None = None
        """What is to be built, once the server has been asked how it prints it."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        index_name: str,
        table_name: str,
        columns: Sequence[Any],
        *,
        schema: str | None = None,
        unique: bool = False,
        **kw: Any,
    ) -> None:
        """Build an index while others write; on a hypertable chunk by chunk, on a partitioned table part by part.

        Outside the transaction, in steps that may be repeated: after an interruption the same call goes on where it
        stopped, and does nothing if the index is there. An INVALID index with this definition is what an interrupted
        build has left, and is built again. On a hypertable, its root gets the index first, with a SHARE lock for an
        instant, so that each new chunk has it; then it is built CONCURRENTLY on one chunk after the other. A
        partitioned table gets it last, with a SHARE lock for an instant, and adopts what its partitions have.

        :param index_name: without its schema.
        :param table_name: a table, a hypertable, a partitioned table, or a materialized view.
        :param columns: names, or expressions: ``sa.text("lower(name)")``.
        :param schema: of the table.
        :param unique: whether no two rows may be equal in it. If there are duplicates, it is left INVALID.
        :param kw: what ``op.create_index`` takes for PostgreSQL: ``postgresql_where``, ``postgresql_using``,
            ``postgresql_include``, ``postgresql_ops``, ``postgresql_with`` …
        :raises InvalidObject: if an index of this name has another definition, or, on a hypertable, another index has
            the same.
        :raises FeatureNotSupported: for a unique index that TimescaleDB below 2.22, or 2.28 with a columnstore, would
            not enforce.
        """
        operations.invoke(cls(Index(index_name, table_name, columns, schema, unique, kw)))

    def check(self, connection: Connection) -> None:
        """Refuse a name that is taken, and what the server could not enforce."""
        target = self.target
        tables = catalog.indexed_tables(connection, target.table_name, target.schema)
        if not tables:
            raise InvalidObject(
                f"op.{self.verb}: there is no table {qualified(target.table_name, target.schema)}",
                hint="create it first, or correct its name or schema",
            )
        index_refusals.refuse_kind(tables[0])
        index = self._printed(connection, tables[0])
        place = target.options.get("postgresql_tablespace")
        self.build = Build(target.name, target.table_name, target.schema, index.definition, index.predicate, place)
        index_refusals.refuse(connection, self.build)

    def _printed(self, connection: Connection, table: IndexedTable) -> BuiltIndex:
        target = self.target
        try:
            return catalog.printed_index(connection, _create(self._on_copy()), target.table_name, target.schema, _COPY)
        except DBAPIError as error:
            if isinstance(error, OperationalError):  # such as a lost connection
                raise
            reason = said_first(error)
            raise InvalidObject(
                f"index {target.name} cannot be built on {table}: {reason}", hint="correct its columns or options"
            ) from error

    def run(self, connection: Connection) -> None:
        """Build what is missing of it."""
        assert self.build is not None
        index_builds.build(connection, self.build)

    def sql(self) -> str:
        """``CREATE INDEX CONCURRENTLY``; on a hypertable or partitioned table, more than that."""
        return _create(self._alembic(postgresql_concurrently=True))

    def script(self) -> str:
        """The same for psql, which asks what the table is."""
        target = self.target
        _, _, what = _create(self._on_copy()).partition(f" ON {_COPY} ")
        return index_scripts.create(target.name, (target.table_name, target.schema), what, unique=target.unique)

    def _on_copy(self) -> CreateIndexOp:
        target = self.target
        return CreateIndexOp(f"{_COPY}_ix", _COPY, target.columns, unique=target.unique, **target.options)

    def _alembic(self, **kw: Any) -> CreateIndexOp:
        target = self.target
        options = {**target.options, **kw}
        return CreateIndexOp(
            target.name, target.table_name, target.columns, schema=target.schema, unique=target.unique, **options
        )

    def reverse(self) -> DropIndexConcurrently:
        """Dropping it."""
        return DropIndexConcurrently(self.target.name, self.target.table_name, self.target.schema, target=self.target)

    def arguments(self) -> list[Code]:
        """As ``alembic check`` prints them."""
        target = self.target
        return [code_of(target.name), code_of(target.table_name), code_of([str(each) for each in target.columns])]

    def rendered(self, context: AutogenContext) -> str:
        """With the arguments that Alembic renders for ``op.create_index``, which takes the same."""
        return self.rendered_as(context, self._alembic())


class DropIndexConcurrently(IndexOperation, name="drop_index_concurrently", noun=Index):
    """Drop an index while others write."""

    def __init__(
        self,
        index_name: str,
        table_name: str | None = None,
        schema: str | None = None,
        *,
        if_exists: bool = False,
        target: Index | None = None,
    ) -> None:
        self.index_name = index_name
        self.table_name = table_name
        self.schema = schema
        self.if_exists = if_exists
        self.target = target

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        index_name: str,
        table_name: str | None = None,
        *,
        schema: str | None = None,
        if_exists: bool = False,
    ) -> None:
        """Drop an index while others read and write; on a hypertable chunk by chunk.

        Outside the transaction. On a hypertable, the indexes of its chunks are dropped CONCURRENTLY one after the
        other, then that of its root; TimescaleDB from 2.22 on does that only with an ACCESS EXCLUSIVE lock, for an
        instant, if a chunk has come meanwhile. So does PostgreSQL with that of a partitioned table.

        :param index_name: without its schema.
        :param table_name: not needed; for whoever reads it.
        :param schema: of the index, and so of its table.
        :param if_exists: do nothing if there is none.
        """
        operations.invoke(cls(index_name, table_name, schema, if_exists=if_exists))

    def check(self, connection: Connection) -> None:
        """Refuse an index that is not there, or that a constraint owns."""
        found = index_removals.found(connection, self.index_name, self.schema)
        if found is None:
            if self.if_exists:
                return
            raise InvalidObject(
                f"op.{self.verb}: there is no index {qualified(self.index_name, self.schema)}",
                hint="correct its name or schema, or give if_exists=True",
            )
        index, whole = found
        if index.constraint:
            raise InvalidObject(
                f"index {self.index_name} belongs to a constraint of {whole.root}",
                hint=f"drop the constraint: op.drop_constraint({self.index_name!r}, {whole.root.name!r})",
            )

    def run(self, connection: Connection) -> None:
        """Drop what is left of it."""
        index_removals.drop(connection, self.index_name, self.schema)

    def sql(self) -> str:
        """``DROP INDEX CONCURRENTLY``; on a hypertable or partitioned table, something else."""
        exists = "IF EXISTS " if self.if_exists else ""
        return f"DROP INDEX CONCURRENTLY {exists}{qualified(self.index_name, self.schema)}"

    def script(self) -> str:
        """The same for psql, which asks what the table is."""
        return index_scripts.drop(self.index_name, self.schema, if_exists=self.if_exists)

    def reverse(self) -> CreateIndexConcurrently:
        """Building it again.

        :raises IrreversibleOperation: if its definition is not known.
        """
        if self.target is None:
            raise IrreversibleOperation(
                f"the definition of index {self.index_name} is not known",
                hint="write op.create_index_concurrently into the downgrade",
            )
        return CreateIndexConcurrently(self.target)

    def arguments(self) -> list[Code]:
        """Name, table, and what differs from the defaults."""
        named = [("table_name", self.table_name), ("schema", self.schema)]
        given = [code_of(value, name) for name, value in named if value is not None]
        return [code_of(self.index_name), *given, *flags_of(self, "if_exists")]


class ReindexConcurrently(IndexOperation, name="reindex_concurrently", noun=Index):
    """Build an index anew beside itself while others read and write."""

    def __init__(self, index_name: str, schema: str | None = None, *, undone: bool = False) -> None:
        self.index_name = index_name
        self.schema = schema
        self.undone = undone

    @classmethod
    def invoke(cls, operations: Operations, index_name: str, *, schema: str | None = None) -> None:
        """Build an index anew beside itself while others read and write; on a hypertable chunk by chunk.

        Outside the transaction. What an interrupted REINDEX CONCURRENTLY has left, ``…_ccnew`` or ``…_ccold``, is
        dropped.

        :param index_name: without its schema.
        :param schema: of the index, and so of its table.
        :raises InvalidObject: if there is none.
        """
        operations.invoke(cls(index_name, schema))

    def run(self, connection: Connection) -> None:
        """Rebuild it."""
        if not self.undone:
            index_removals.rebuild(connection, self.index_name, self.schema)

    def sql(self) -> str:
        """``REINDEX INDEX CONCURRENTLY``; on a hypertable, chunk by chunk."""
        return f"REINDEX INDEX CONCURRENTLY {qualified(self.index_name, self.schema)}"

    def script(self) -> str | None:
        """The same for psql, which asks what the table is."""
        return None if self.undone else index_scripts.reindex(self.index_name, self.schema)

    def statements(self) -> list[str]:
        """None on the way back: the new index is as good as the old."""
        return [] if self.undone else [self.sql()]

    def reverse(self) -> ReindexConcurrently:
        """Nothing."""
        return ReindexConcurrently(self.index_name, self.schema, undone=not self.undone)

    def arguments(self) -> list[Code] | None:
        """Name and schema."""
        if self.undone:
            return None
        return [code_of(self.index_name), *schema_of(self.schema)]


def created(operation: CreateIndexOp) -> CreateIndexConcurrently:
    """The verb that does the same as Alembic's."""
    kw = {name: value for name, value in operation.kw.items() if name != "postgresql_concurrently"}
    columns = tuple(operation.columns)
    return CreateIndexConcurrently(
        Index(str(operation.index_name), operation.table_name, columns, operation.schema, bool(operation.unique), kw)
    )


def dropped(operation: DropIndexOp) -> DropIndexConcurrently:
    """The same of dropping one, which may have gone with a column already."""
    drop = created(operation.reverse()).reverse()
    drop.if_exists = True
    return drop


def _create(operation: CreateIndexOp) -> str:
    index = operation.to_index()
    table = index.table
    assert table is not None
    for name in set(operation.kw.get("postgresql_include") or ()) - set(table.c.keys()):
        table.append_column(Column(name, NullType()))
    return str(CreateIndex(index).compile(dialect=dialect()))
