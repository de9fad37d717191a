"""Verbs over extensions."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import PreflightFailed
from tsext.model import Extension
from tsext.operations import Operation
from tsext.sql.quoting import identifier, literal


class CreateExtension(Operation, name="create_extension"):
    """Install an extension into the database."""

    noun = Extension
    target: Extension

    def __init__(self, target: Extension, if_not_exists: bool = False, cascade: bool = False) -> None:
        super().__init__(target)
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
        if_not_exists: bool = False,
        cascade: bool = False,
    ) -> None:
        """``CREATE EXTENSION``, after looking whether the server has it."""
        operations.invoke(cls(Extension(name, schema, version), if_not_exists, cascade))

    def check(self, connection: Connection) -> None:
        """Refuse what the server does not have."""
        name = self.target.name
        if not catalog.available(connection, name):
            raise PreflightFailed(
                f"extension {name} is not installed on this server",
                hint=f"install the package that has it (for TimescaleDB: timescaledb-2-postgresql-N), or use a server "
                f"that has it; for development: tsext localdb start. Until then {name} revisions cannot run",
            )
        if name == "timescaledb" and not catalog.preloaded(connection, name):
            raise PreflightFailed(
                "TimescaleDB is installed, but the server was started without it",
                hint="set shared_preload_libraries = 'timescaledb' in postgresql.conf and restart the server",
            )

    def sql(self) -> str:
        """``CREATE EXTENSION …``."""
        words = [
            "CREATE EXTENSION",
            "IF NOT EXISTS" if self.if_not_exists else "",
            identifier(self.target.name),
        ]
        words.append(f"SCHEMA {identifier(self.target.schema)}" if self.target.schema else "")
        words.append(f"VERSION {literal(self.target.version)}" if self.target.version else "")
        words.append("CASCADE" if self.cascade else "")
        return " ".join(word for word in words if word)

    def arguments(self) -> list[str]:
        """As in the call."""
        flags = [f"{flag}=True" for flag in ("if_not_exists", "cascade") if getattr(self, flag)]
        return [*super().arguments(), *flags]

    def reverse(self) -> Operation:
        """Dropping it."""
        return DropExtension(self.target)


class DropExtension(Operation, name="drop_extension"):
    """Remove an extension; refused by the server while anything depends on it, unless ``cascade``."""

    noun = Extension
    target: Extension

    def __init__(self, target: Extension, if_exists: bool = False, cascade: bool = False) -> None:
        super().__init__(target)
        self.if_exists = if_exists
        self.cascade = cascade

    @classmethod
    def invoke(cls, operations: Operations, name: str, *, if_exists: bool = False, cascade: bool = False) -> None:
        """``DROP EXTENSION``."""
        operations.invoke(cls(Extension(name), if_exists, cascade))

    def sql(self) -> str:
        """``DROP EXTENSION …``."""
        words = ["DROP EXTENSION", "IF EXISTS" if self.if_exists else "", identifier(self.target.name)]
        words.append("CASCADE" if self.cascade else "")
        return " ".join(word for word in words if word)

    def arguments(self) -> list[str]:
        """As in the call; schema and version do not matter here."""
        flags = [f"{flag}=True" for flag in ("if_exists", "cascade") if getattr(self, flag)]
        return [*super().arguments()[:1], *flags]

    def reverse(self) -> Operation:
        """Creating it."""
        return CreateExtension(self.target)
