"""Verbs over extensions."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import PreflightFailed
from tsext.model import Extension
from tsext.operations.operation import Operation
from tsext.operations.rendering import Code, arguments_of, code_of, flags_of
from tsext.sql.quoting import identifier, literal


class ExtensionOperation(Operation):
    """A verb over an extension."""

    target: Extension

    @property
    def is_timescaledb(self) -> bool:
        """Whether the extension is TimescaleDB."""
        return self.target.name == "timescaledb"


class CreateExtension(ExtensionOperation, name="create_extension", noun=Extension):
    """Install an extension into the database."""

    def __init__(self, target: Extension, *, if_not_exists: bool = True, cascade: bool = False) -> None:
        self.target = target
        self.if_not_exists = if_not_exists
        self.cascade = cascade

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        name: str,
        *,
        schema: str | None = None,
        version: str | None = None,
        if_not_exists: bool = True,
        cascade: bool = False,
    ) -> None:
        """Install an extension, unless the database has it already.

        :param schema: where its objects go, if it lets one choose.
        :param version: None takes the default version of the server.
        :param cascade: install what it needs, too.
        :raises PreflightFailed: if the server does not have it, or was not started with it.
        """
        target = Extension(name, schema, version)
        operations.invoke(cls(target, if_not_exists=if_not_exists, cascade=cascade))

    def check(self, connection: Connection) -> None:
        """Refuse what the server does not have, and another version than the one that is there."""
        installed = {each.name: each for each in catalog.extensions(connection)}.get(self.target.name)
        if installed is None:
            _need(connection, self.target.name)
        elif self.if_not_exists and self.target.version not in (None, installed.version):
            raise PreflightFailed(
                f"this database has {installed.name} {installed.version}, not {self.target.version}",
                hint=f'update it in a session of its own, psql -X -c "ALTER EXTENSION {identifier(installed.name)} '
                f"UPDATE TO '{self.target.version}'\", or leave version= out",
            )

    def sql(self) -> str:
        """``CREATE EXTENSION …``."""
        words = ["CREATE EXTENSION", "IF NOT EXISTS" if self.if_not_exists else "", identifier(self.target.name)]
        words.append(f"SCHEMA {identifier(self.target.schema)}" if self.target.schema else "")
        words.append(f"VERSION {literal(self.target.version)}" if self.target.version else "")
        words.append("CASCADE" if self.cascade else "")
        return " ".join(filter(None, words))

    def arguments(self) -> list[Code]:
        """Name, and what differs from the defaults."""
        parts = [code_of(self.target.name), *arguments_of(self.target, skip=("name",))]
        if not self.if_not_exists:
            parts.append(code_of(False, "if_not_exists"))
        return [*parts, *flags_of(self, "cascade")]

    def reverse(self) -> DropExtension:
        """Dropping it."""
        return DropExtension(self.target)


class DropExtension(ExtensionOperation, name="drop_extension", noun=Extension):
    """Remove an extension from the database."""

    def __init__(self, target: Extension, *, if_exists: bool = False, cascade: bool = False) -> None:
        self.target = target
        self.if_exists = if_exists
        self.cascade = cascade

    @classmethod
    def invoke(cls, operations: Operations, name: str, *, if_exists: bool = False, cascade: bool = False) -> None:
        """Remove an extension; refused while anything depends on it, unless ``cascade`` drops that, too.

        :raises PreflightFailed: if there are hypertables that need it.
        """
        operations.invoke(cls(Extension(name), if_exists=if_exists, cascade=cascade))

    def check(self, connection: Connection) -> None:
        """Refuse to take TimescaleDB from under its hypertables."""
        if self.target.name != "timescaledb" or self.cascade:
            return
        names = [".".join(filter(None, each.key)) for each in catalog.hypertables(connection)]
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise PreflightFailed(
                f"timescaledb cannot be dropped: there are hypertables: {', '.join(names[:3])}{more}",
                hint="drop those tables first, or keep the extension by removing op.drop_extension",
            )

    def sql(self) -> str:
        """``DROP EXTENSION …``."""
        words = ["DROP EXTENSION", "IF EXISTS" if self.if_exists else "", identifier(self.target.name)]
        return " ".join(filter(None, [*words, "CASCADE" if self.cascade else ""]))

    def arguments(self) -> list[Code]:
        """Name and switches; schema and version do not matter here."""
        return [code_of(self.target.name), *flags_of(self, "if_exists", "cascade")]

    def reverse(self) -> CreateExtension:
        """Creating it."""
        return CreateExtension(self.target)


def _need(connection: Connection, name: str) -> None:
    if not catalog.available(connection, name):
        package = "timescaledb-2-postgresql-N, or postgresql-N-timescaledb" if name == "timescaledb" else "it"
        development = "; for development: tsext localdb start" if name == "timescaledb" else ""
        raise PreflightFailed(
            f"extension {name} is not installed on this server",
            hint=f"install the package that has {package}, or use a server that has it{development}",
        )
    if name == "timescaledb" and not catalog.preloaded(connection):
        raise PreflightFailed(
            "TimescaleDB is installed, but the server was started without it",
            hint="set shared_preload_libraries = 'timescaledb' in postgresql.conf and restart the server",
        )
