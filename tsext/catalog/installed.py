"""Extensions, TimescaleDB's before all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection

from tsext import model  # each of its names is loaded when it is first used: most runs need none
from tsext.catalog.asking import Key, key_of, rows

if TYPE_CHECKING:
    from tsext.model import Extension, Feature, License

MATCHED_SINCE = (2, 22)
"""TimescaleDB that tells by definitions which indexes of chunks are those of a hypertable; before, by its catalog."""


class TimescaleInfo(NamedTuple):
    """The TimescaleDB of a database."""

    version: str
    license: License

    @property
    def number(self) -> tuple[int, ...]:
        """The version as numbers that can be compared: ``(2, 19, 3)``; what follows a hyphen does not count."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version.partition("-")[0]))

    def has(self, feature: Feature) -> bool:
        """Whether this version has a feature, under this licence."""
        licensed = feature.license is model.License.APACHE or self.license is model.License.TIMESCALE
        return licensed and self.number >= feature.since


def timescaledb(connection: Connection) -> TimescaleInfo | None:
    """Version and licence of TimescaleDB; None if this database does not have it."""
    found = rows(connection, "timescaledb")
    if not found:
        return None
    return TimescaleInfo(found[0].extversion, model.License(found[0].license or model.License.TIMESCALE))


def expected_timescaledb(connection: Connection, version: str | None = None) -> TimescaleInfo | None:
    """TimescaleDB as this database has it, or else as the server would install it; None if it could not.

    :param version: what would be installed; None takes the server's default.
    """
    found = rows(connection, "expected_timescaledb")
    if not found:
        return None
    installed, offered, license, may_look = found[0]
    expected = installed or version or offered
    if license is None and installed is None and may_look:
        # Before the extension is there, its setting is not, either.
        library = rows(connection, "timescale_library", version=expected)
        license = model.License.TIMESCALE if library else model.License.APACHE
    return TimescaleInfo(expected, model.License(license or model.License.TIMESCALE))


def available(connection: Connection, extension: str) -> bool:
    """Whether the server has the files of an extension."""
    query = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = %(name)s)"
    return bool(connection.exec_driver_sql(query, {"name": extension}).scalar())


def preloaded(connection: Connection) -> bool:
    """Whether the server was started with TimescaleDB's library, without which the extension cannot be created."""
    # shared_preload_libraries itself is hidden from ordinary roles.
    query = "SELECT current_setting('timescaledb.disable_load', true) IS NOT NULL"
    return bool(connection.exec_driver_sql(query).scalar())


def extensions(connection: Connection) -> list[Extension]:
    """The extensions of this database, each with its schema and version."""
    return [model.Extension(*row) for row in rows(connection, "extensions")]


def extension_tables(connection: Connection) -> set[Key]:
    """Tables that belong to an extension, and so go with it."""
    return {key_of(connection, *row) for row in rows(connection, "extension_tables")}


def chunk_tables(connection: Connection) -> set[Key]:
    """Chunks that live outside TimescaleDB's own schemas."""
    if timescaledb(connection) is None:
        return set()
    return {key_of(connection, *row) for row in rows(connection, "chunk_tables")}


def timescaledb_triggers(connection: Connection) -> set[tuple[str, str]]:
    """Schema and name of the triggers that TimescaleDB put on tables."""
    return {tuple(row) for row in rows(connection, "timescaledb_triggers")}
