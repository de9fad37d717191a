"""How the verbs reach the database: through ``env.py``, or past it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

from tsext import history, localdb
from tsext.history import Project
from tsext.preflight import check, connect
from tsext.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Database:
    """The database as ``env.py`` sees it: its connection, its version table."""

    context: MigrationContext
    project: Project
    heads: tuple[str, ...]
    """What the version table says is applied."""
    settings: Settings

    @property
    def connection(self) -> Connection:
        """What the context is connected by."""
        assert self.context.connection is not None
        return self.context.connection


def look_at(config: Config, work: Callable[[Database], T]) -> T:
    """Run the project's ``env.py``, as ``alembic current`` does, and do something where it would migrate."""
    settings = Settings.read(config, x_arguments(config))
    script = ScriptDirectory.from_config(config)
    history.load(config, script, settings)
    done: list[T] = []

    def instead(heads: tuple[str, ...], context: MigrationContext) -> list[Any]:
        assert context.connection is not None
        context.connection.rollback()
        history.refuse_elsewhere(context.connection)
        project = Project.read(script, settings.sql_location)
        done.append(work(Database(context, project, tuple(heads), settings)))
        return []

    with history.in_process, history.quiet(), EnvironmentContext(config, script, fn=instead, dont_mutate=True):
        script.run_env()
    return done[0]


@contextmanager
def engine(config: Config) -> Iterator[Engine]:
    """An engine for the database, made without ``env.py``: for commands that do not concern revisions.

    :raises ConnectionRefused: if it cannot be reached, with the cure.
    """
    made = create_engine(url_of(Settings.read(config, x_arguments(config))), poolclass=NullPool)
    with connect(made) as connection:
        check(connection)
    yield made


def x_arguments(config: Config) -> dict[str, str]:
    """What the user gave with ``-x``."""
    given: list[str] = getattr(config.cmd_opts, "x", None) or []
    return dict(each.partition("=")[::2] for each in given)


def applied_revisions(config: Config, connection: Connection) -> tuple[set[str], tuple[str, ...]]:
    """The revisions that the history records, and the heads in the version table.

    Unlike :func:`look_at`, it works while two revisions have the same number.

    :param connection: to the database that ``env.py`` would connect to.
    """
    recorded = history.applied(connection)
    options = history.version_table(config, ScriptDirectory.from_config(config))
    with history.quiet():
        heads = MigrationContext.configure(connection, opts=options).get_current_heads()
    return {record.revision for record in recorded if record.revision}, heads


def url_of(settings: Settings) -> URL:
    """The URL of the database; where none is set, that of the local server, which is started if need be."""
    return settings.database_url or make_url(localdb.ensure(settings.localdb_version).url)
