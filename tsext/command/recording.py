"""Changing what the history says, without running a revision."""

from __future__ import annotations

from collections.abc import Callable

from alembic.config import Config
from sqlalchemy import Connection

from tsext import environment, history
from tsext.command.reaching import Database, look_at
from tsext.history import Recorder, adoption, bookkeeping, numbers
from tsext.preflight import check


def adopt(config: Config) -> list[str]:
    """Take over a database that plain Alembic migrated: fill the history without running anything.

    :returns: the revisions recorded, in order.
    """
    return _with_recorder(config, adoption.adopt)


def repair(config: Config, revision: str) -> list[str]:
    """Accept the files of an applied revision as they are now; leaves an event.

    :param revision: its id or number; ``all`` for every applied one that has changed.
    :returns: the revisions whose record was changed.
    """

    def accept(connection: Connection, recorder: Recorder, heads: tuple[str, ...]) -> list[str]:
        return adoption.repair(connection, recorder, revision)

    return _with_recorder(config, accept)


def _with_recorder(config: Config, work: Callable[[Connection, Recorder, tuple[str, ...]], list[str]]) -> list[str]:
    def write(at: Database) -> list[str]:
        with environment.upgrade_lock(at.connection, at.settings, check(at.connection)):
            bookkeeping.upgrade(at.connection)
            assigned = numbers.assign(at.project.ordered, history.fixed_numbers(at.connection))
            done = work(at.connection, Recorder(at.project, assigned, at.settings.environment), at.heads)
            at.connection.commit()
        return done

    return look_at(config, write)
