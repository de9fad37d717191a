"""Pausing the jobs of a hypertable or a continuous aggregate around a change of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, NoReturn

from alembic.operations import Operations
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.backfill.jobs import BETWEEN_LOOKS, wait_for
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import JOBS, Policy, estimated, span
from tsext.operations.operation import Operation
from tsext.operations.rendering import Code, code_of, schema_of
from tsext.sql.jobs import owned_by, paused, resumed
from tsext.sql.quoting import literal

log = logging.getLogger("alembic.tsext")


class PausingOperation(Operation):
    """A verb over all jobs of some relations."""

    needs = JOBS
    server: catalog.TimescaleInfo | None = None
    """None in offline mode, which writes for the newest one."""

    def __init__(self, table_names: Collection[str], schema: str | None) -> None:
        if not table_names:
            raise InvalidObject(f"op.{self.verb} has no table", hint=f'name at least one: op.{self.verb}("ticks")')
        self.table_names = tuple(table_names)
        self.schema = schema

    def need(self, connection: Connection) -> None:
        """Refuse what this server does not have, and remember which it is."""
        super().need(connection)
        self.server = catalog.timescaledb(connection)

    def check(self, connection: Connection) -> None:
        """Refuse what is no hypertable and no continuous aggregate."""
        for name in self.table_names:
            if catalog.policy_relation(connection, name, self.schema) is None:
                raise InvalidObject(
                    f"op.{self.verb}: there is no hypertable or continuous aggregate {name}",
                    hint="correct its name; give its schema apart: schema=",
                )

    @property
    def owned(self) -> str:
        """The condition for their jobs."""
        relations = [owned_by(self.schema, name, self.server) for name in self.table_names]
        return relations[0] if len(relations) == 1 else f"({' OR '.join(relations)})"

    def arguments(self) -> list[Code]:
        """The relations, and their schema."""
        return [*map(code_of, self.table_names), *schema_of(self.schema)]

    def reverse(self) -> NoReturn:
        """There is none: both directions of a revision pause by themselves.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"{self.verb} is not a change", hint="write it in upgrade and in downgrade, where each needs it"
        )


class ResumeJobs(PausingOperation, name="resume_jobs", noun=Policy):
    """Resume what was paused."""

    @classmethod
    def invoke(cls, operations: Operations, *table_names: str, schema: str | None = None) -> None:
        """Resume the jobs that ``op.pause_jobs`` has paused and, because of a failure, not resumed.

        :param table_names: hypertables and continuous aggregates, without their schema.
        """
        operations.invoke(cls(table_names, schema))

    def sql(self) -> str:
        """``SELECT alter_job(…)`` of those that are marked as paused."""
        return resumed(self.owned, self.server)


class PauseJobs(PausingOperation, name="pause_jobs", noun=Policy):
    """Pause the jobs of some relations."""

    def __init__(self, table_names: Collection[str], schema: str | None, *, timeout: timedelta | str) -> None:
        super().__init__(table_names, schema)
        waited = estimated(span("timeout of pause_jobs", timeout, positive=False))
        if not isinstance(waited, timedelta):
            raise InvalidObject(f"timeout of pause_jobs is {timeout!r}", hint="write timedelta(minutes=5)")
        self.timeout = waited

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        *table_names: str,
        schema: str | None = None,
        timeout: timedelta | str = "5 minutes",
    ) -> AbstractContextManager[None]:
        """Pause the jobs of hypertables and continuous aggregates while a ``with`` block changes them.

        ``with op.pause_jobs("ticks"): …`` commits what the revision did before, pauses the jobs that are scheduled,
        commits that, and waits for those that run. After the block they are scheduled again, in the revision's own
        transaction; if the block fails, after its rollback. Should even that fail, they are resumed when the revision
        runs again, or by ``op.resume_jobs``. A paused job has ``paused_by_tsext`` in its config.

        :param table_names: hypertables and continuous aggregates, without their schema.
        :param timeout: how long to wait for jobs that run: ``timedelta`` or text.
        :raises PreflightFailed: if a job still runs then; nothing stays paused.
        :raises InvalidObject: if there is no such relation.
        """
        return cls(table_names, schema, timeout=timeout).paused(operations)

    @contextmanager
    def paused(self, operations: Operations) -> Iterator[None]:
        """Pauses, waits, and resumes."""
        context = operations.migration_context
        resume = ResumeJobs(self.table_names, self.schema)
        with context.autocommit_block():
            operations.invoke(self)
            if not context.as_sql:
                self._wait(operations, resume)
        try:
            yield
        except BaseException:
            if not context.as_sql:
                _resume_after_failure(operations, resume)
            raise
        operations.invoke(resume)

    def sql(self) -> str:
        """``SELECT alter_job(…)`` of those that are scheduled."""
        return paused(self.owned, self.server)

    def statements(self) -> list[str]:
        """Offline, the server waits by itself."""
        return [self.sql()] if self.server is not None else [self.sql(), self._waiting()]

    def _waiting(self) -> str:
        seconds = self.timeout.total_seconds()
        running = (
            "SELECT FROM pg_stat_activity AS a JOIN timescaledb_information.jobs AS j "
            f"ON a.application_name = j.application_name::text WHERE a.datname = current_database() AND {self.owned}"
        )
        block = (
            "DECLARE deadline timestamptz := clock_timestamp() + "
            f"{seconds:g} * interval '1 second'; "
            f"BEGIN LOOP PERFORM pg_sleep({BETWEEN_LOOKS}); PERFORM pg_stat_clear_snapshot(); "
            f"EXIT WHEN NOT EXISTS ({running}); IF clock_timestamp() > deadline THEN "
            f"RAISE EXCEPTION 'jobs still run'; END IF; END LOOP; END"
        )
        return f"DO {literal(block)}"

    def _wait(self, operations: Operations, resume: ResumeJobs) -> None:
        connection = operations.get_bind()
        schema = connection.dialect.default_schema_name if self.schema is None else self.schema
        relations = {catalog.key_of(connection, schema or "", name) for name in self.table_names}
        try:
            wait_for(connection, catalog.job_applications(connection, relations), self.timeout)
        except BaseException:
            operations.invoke(resume)
            raise


def _resume_after_failure(operations: Operations, resume: ResumeJobs) -> None:
    """Undo the block, so that its half is not committed with what follows, and resume."""
    connection: Any = operations.get_bind()
    try:
        connection.rollback()
        with operations.migration_context.autocommit_block():
            operations.invoke(resume)
    except (DBAPIError, AssertionError) as error:
        log.error(
            "jobs of %s stay paused (%s); mend the cause and run it again, or execute: %s",
            ", ".join(resume.table_names),
            str(error).strip().partition("\n")[0],
            resume.sql(),
        )
