"""What operations do offline: print their statements, or tell them to whoever reads the revision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from alembic.operations import MigrateOperation

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

    from tsext.sql import files

READER = "tsext_reader"
"""Option of a migration context that is offline: the :class:`Reader` that is told what would be printed."""


class Reader(Protocol):
    """Takes the statements of our operations."""

    def __call__(
        self, statement: str, operation: MigrateOperation, place: tuple[files.SqlFile, files.Statement] | None
    ) -> None:
        """Take one statement.

        :param place: the file it stands in, and where; None if the operation states it.
        """


def emit(
    context: MigrationContext,
    statement: str,
    operation: MigrateOperation,
    place: tuple[files.SqlFile, files.Statement] | None = None,
) -> None:
    """Print a statement as it is, or tell it to the context's reader."""
    reader: Reader | None = context.opts.get(READER)
    if reader is not None:
        reader(statement, operation, place)
    else:
        write(context, f"{statement};\n\n")


def is_read(context: MigrationContext) -> bool:
    """Whether nobody prints, but somebody is told the statements."""
    return context.opts.get(READER) is not None


def write(context: MigrationContext, text: str) -> None:
    """Print a text as it is."""
    buffer = context.impl.output_buffer
    assert buffer is not None
    buffer.write(text)  # not static_output, which would turn tabs into spaces
