"""Which versions of the application are running, and whether a revision's phase waits for newer ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.script import Script
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.errors import RevisionRefused, SettingsError
from tsext.phases import Phase, refused_versions, versions
from tsext.settings import Settings
from tsext.sql.sending import ask, said

if TYPE_CHECKING:
    from packaging.version import Version


def refuse_early(connection: Connection, script: Script, phase: Phase, settings: Settings) -> None:
    """Let a revision wait for the application that it requires.

    :raises RevisionRefused: if a version is running that it would break, or nothing tells which version is.
    :raises SettingsError: as :func:`running_versions` does.
    """
    running = running_versions(connection, settings)
    if not running:
        raise RevisionRefused(
            f"revision {script.revision} requires application {phase.requires_application}, and nothing tells "
            "which version is running",
            hint="give it with -x app-version=2.4.1, or set application_version_query or application_version",
        )
    if refused := refused_versions(script, phase, running):
        raise RevisionRefused(
            f"revision {script.revision} requires application {phase.requires_application}, but "
            f"{', '.join(map(str, refused))} is running",
            hint="deploy the application everywhere, then run the same command again; revisions before it are applied",
        )


def running_versions(connection: Connection, settings: Settings) -> list[Version]:
    """The versions of the application that are running: given with ``-x``, asked for, or set; none if nothing tells.

    :raises SettingsError: if the query fails, or what it returns is no version.
    """
    if settings.version_given:
        return versions(settings.version_given, "-x app-version")
    if not settings.application_version_query:
        return versions(settings.application_version, "application_version")
    try:
        rows = ask(connection, settings.application_version_query).all()
    except DBAPIError as error:
        raise SettingsError(
            f"application_version_query failed: {said(error)}",
            hint="let it return one row for each version that is running",
        ) from error
    return versions(",".join(str(row[0]) for row in rows), "application_version_query")
