"""Background jobs that are not to run while the rows of a table are moved: paused, waited for, resumed."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tsext import catalog, durations
from tsext.errors import PreflightFailed
from tsext.model import JOBS
from tsext.sql import jobs
from tsext.sql.quoting import identifier, literal, qualified
from tsext.sql.sending import ask, send

log = logging.getLogger("alembic.tsext")

LONGEST = timedelta(minutes=5)
"""How long jobs that run are waited for."""

BETWEEN_LOOKS = 0.5
"""Seconds; also what the scheduler is given to start a job that it had picked before it saw the pause."""


@dataclass(frozen=True)
class TableJobs:
    """The policies of a table, and the jobs of users whose config has the table's name."""

    name: str
    schema: str

    def pause(self, connection: Connection) -> None:
        """Pause those that are scheduled, and wait for those that run; again, it does nothing.

        :param connection: in autocommit mode, so that it holds no snapshot meanwhile.
        :raises PreflightFailed: if one still runs after :data:`LONGEST`; then all of them are resumed.
        """
        server = catalog.timescaledb(connection)
        if server is None or not server.has(JOBS):
            return
        where = self.where(server)
        query = f"SELECT application_name::text FROM timescaledb_information.jobs WHERE {where}"
        names = list(ask(connection, query).scalars())
        if paused := send(connection, jobs.paused(where, server)):
            log.info("%s: %s of its jobs paused", qualified(self.name, self.schema), paused)
        try:
            wait_for(connection, names, LONGEST)
        except BaseException:
            with suppress(SQLAlchemyError):  # what went wrong first is told
                self.resume(connection)
            raise

    def resume(self, connection: Connection) -> None:
        """Resume what was paused."""
        for statement in self.resumed(connection):
            send(connection, statement)

    def resumed(self, connection: Connection) -> list[str]:
        """What resumes them; nothing on a server that has no jobs."""
        server = catalog.timescaledb(connection)
        return [jobs.resumed(self.where(server), server)] if server is not None and server.has(JOBS) else []

    def where(self, server: jobs.Server) -> str:
        """The condition for them."""
        names = (self.name, identifier(self.name), f"{self.schema}.{self.name}", qualified(self.name, self.schema))
        named = (
            "job_id >= 1000 AND hypertable_name IS NULL AND EXISTS (SELECT FROM jsonb_path_query(config, '$.**') AS v "
            f"WHERE jsonb_typeof(v) = 'string' AND v #>> '{{}}' IN ({', '.join(map(literal, dict.fromkeys(names)))}))"
        )
        return f"({jobs.owned_by(self.schema, self.name, server)} OR {named})"


def wait_for(connection: Connection, applications: list[str], timeout: timedelta) -> None:
    """Wait until jobs have ended.

    :param connection: in autocommit mode, so that it holds no snapshot meanwhile.
    :param applications: what they call themselves: ``Retention Policy [1000]``.
    :raises PreflightFailed: naming those that have not.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    while applications:
        time.sleep(BETWEEN_LOOKS)
        running = list(catalog.running(connection, applications))
        if not running:
            return
        if time.monotonic() >= deadline:
            names = ", ".join(f"{name} (process {pid})" for name, pid in running)
            stop = f"SELECT pg_terminate_backend({running[0][1]})"
            raise PreflightFailed(
                f"jobs still run after {durations.spelled(timeout)}: {names}",
                hint=f"run it again later, give a longer timeout=, or stop one: {stop}",
            )
        log.info("waiting for jobs that run: %s", ", ".join(name for name, _ in running))
