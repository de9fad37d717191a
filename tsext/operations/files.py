"""Running SQL files: ``op.execute_file`` and ``op.execute_rollback_file``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.autogenerate.render import renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy.exc import DBAPIError

from tsext.operations.printing import emit
from tsext.operations.rendering import repr_of
from tsext.settings import Settings
from tsext.sql.sending import send

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


@Operations.register_operation("execute_file")
class ExecuteFileOp(MigrateOperation):
    """Run ``migrations_sql/<name>``, statement by statement."""

    folder = ""
    verb = "execute_file"

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def execute_file(cls, operations: Operations, name: str) -> None:
        """Run a SQL file as the body of this revision.

        Its statements run in the revision's transaction; with ``-- tsext: no-transaction`` on its first line each in
        its own, which CONCURRENTLY needs.

        :param name: file name in the folder ``migrations_sql``; it begins with the revision's number, or whole id.
        :raises SqlFileError: with file, line and a caret.
        :raises HistoryError: if the file is not this revision's, so that its checksum would not cover it.
        """
        operations.invoke(cls(name))

    def reverse(self) -> MigrateOperation:
        """Its rollback file."""
        return ExecuteRollbackFileOp(f"{self.name.partition('_')[0]}_rollback.sql")

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` would print."""
        return (self.verb, self.name)


@Operations.register_operation("execute_rollback_file")
class ExecuteRollbackFileOp(ExecuteFileOp):
    """Run ``migrations_sql/rollback/<name>``, statement by statement."""

    folder = "rollback"
    verb = "execute_rollback_file"

    @classmethod
    def execute_rollback_file(cls, operations: Operations, name: str) -> None:
        """Run a SQL file of the folder ``migrations_sql/rollback``, as :meth:`execute_file` does."""
        operations.invoke(cls(name))

    def reverse(self) -> MigrateOperation:
        """The file it undoes cannot be told from its name."""
        return ExecuteFileOp(self.name)


@Operations.implementation_for(ExecuteFileOp)
def _execute_file(operations: Operations, operation: ExecuteFileOp) -> None:
    from tsext.sql import files  # brings the grammar, which most runs do not need

    context = operations.migration_context
    path = _location(context) / operation.folder / operation.name
    file = files.read(path)
    refuse_foreign = context.opts.get("tsext_refuse_foreign_file")
    if refuse_foreign is not None:
        refuse_foreign(path)
    with context.autocommit_block() if file.no_transaction else nullcontext():
        for statement in file.statements:
            if context.as_sql:
                emit(context, statement.text, operation, (file, statement))
                continue
            try:
                send(operations.get_bind(), statement.text)
            except DBAPIError as error:
                raise files.explain(file, statement, error) from error


def _location(context: Any) -> Path:
    return Settings.of(context).sql_location


@renderers.dispatch_for(ExecuteFileOp)
def _render(context: AutogenContext, operation: ExecuteFileOp) -> str:
    prefix = context.opts.get("alembic_module_prefix") or ""
    return f"{prefix}{operation.verb}({repr_of(operation.name)})"
