"""Verbs over jobs of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn, Self, Unpack

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import JOB_NAMES, JOBS, Job, Span
from tsext.operations import scheduling
from tsext.operations.operation import Operation, refuse_without
from tsext.operations.rendering import Code, arguments_of, code_of, flags_of, schema_of
from tsext.operations.scheduling import Changes, RunArguments, sql_of
from tsext.sql.jobs import altered, deleted, job_of
from tsext.sql.quoting import call, literal, regclass, shown

Config = Mapping[str, Any]


class JobOperation(Operation):
    """A verb over a job, by what it runs, its name, and its config where those are not enough."""

    noun: ClassVar[type[Job]]
    needs = JOBS
    server: catalog.TimescaleInfo | None = None
    """None in offline mode, which writes for the newest one."""

    def __init__(
        self, proc: str, *, schema: str | None, job_name: str | None = None, with_config: Config | None = None
    ) -> None:
        self.proc = Job.checked("proc", proc)
        self.schema = schema
        self.job_name = None if job_name is None else Job.checked("job_name", job_name)
        self.with_config = None if with_config is None else Job.checked("config", with_config)

    def need(self, connection: Connection) -> None:
        """Refuse what this server does not have, and remember which it is."""
        super().need(connection)
        self.server = catalog.timescaledb(connection)
        if self.job_name is not None:
            refuse_without(JOB_NAMES, self.server, f"op.{self.verb}(…, job_name={self.job_name!r})")

    @property
    def job(self) -> str:
        """The condition for the job."""
        return job_of(self.schema, self.proc, self.job_name, self.with_config)

    @property
    def shown(self) -> str:
        """The job, for messages."""
        proc = shown(self.proc, self.schema)
        return proc if self.job_name is None else f"{self.job_name} ({proc})"

    def check(self, connection: Connection) -> None:
        """Refuse unless exactly one job is meant."""
        found = self.found(connection)
        if not found:
            raise InvalidObject(
                f"op.{self.verb}: there is no job {self.shown}",
                hint="add it with op.add_job, or, if what it runs is in another schema, give schema=",
            )
        if len(found) > 1:
            raise InvalidObject(
                f"op.{self.verb}: {len(found)} jobs run {self.shown}",
                hint="say which: by job_name=, or by with_config=, the config it has",
            )

    def found(self, connection: Connection) -> list[Job]:
        """The jobs that could be meant."""
        schema = connection.dialect.default_schema_name if self.schema is None else self.schema
        key = catalog.key_of(connection, schema or "", self.proc)
        return [
            job
            for job in catalog.jobs(connection)
            if job.key == key
            and self.job_name in (None, job.job_name)
            and (self.with_config is None or self.with_config == job.config)
        ]

    def call_of(self, *arguments: Code) -> list[Code]:
        """What it runs, its name, what is given, and the schema."""
        names = {"job_name": self.job_name, "with_config": self.with_config}
        named = [code_of(value, name) for name, value in names.items() if value is not None]
        return [code_of(self.proc), *named, *arguments, *schema_of(self.schema)]


class AddJob(JobOperation, name="add_job", noun=Job):
    """Let a procedure or function run in the background."""

    def __init__(self, target: Job, *, by_config: bool = False) -> None:
        super().__init__(target.proc, schema=target.schema, job_name=target.job_name)
        self.target = target
        self.by_config = by_config

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        proc: str,
        schedule_interval: Span,
        *,
        job_name: str | None = None,
        check_config: str | None = None,
        schema: str | None = None,
        **run: Unpack[RunArguments],
    ) -> None:
        """Let a procedure or function run in the background, again and again.

        :param proc: what it runs, without its schema; it takes ``(job_id int, config jsonb)``.
        :param schedule_interval: the time between two runs: ``timedelta`` or text, which may have months.
        :param job_name: by which it is known, from TimescaleDB 2.20 on.
        :param check_config: a function, ``"schema.name"``, that refuses a wrong config.
        :param run: ``config``, ``initial_start``, ``timezone``, ``scheduled``, ``fixed_schedule``, ``max_runtime``,
            ``max_retries``, ``retry_period``.
        :raises InvalidObject: for what makes no sense, and if there is a job of this name already.
        """
        named: dict[str, Any] = {**run, "schedule_interval": schedule_interval}
        target = Job(proc, schema=schema, job_name=job_name, check_config=check_config, **named)
        operations.invoke(cls(target))

    def check(self, connection: Connection) -> None:
        """Refuse a second one of the same name."""
        if self.job_name is not None and self.found(connection):
            raise InvalidObject(
                f"there is a job {self.shown} already", hint="change it with op.alter_job, or give another job_name="
            )

    def sql(self) -> str:
        """``SELECT add_job(…)``, within ``alter_job`` if there is more than that can set."""
        job = self.target
        named = {
            "config": None if job.config is None else dict(job.config),
            "initial_start": job.initial_start,
            "scheduled": job.scheduled,
            "check_config": job.check_config,
            "fixed_schedule": job.fixed_schedule,
            "timezone": job.timezone,
            "job_name": job.job_name,
        }
        added = call("add_job", regclass(job.proc, job.schema), sql_of(job.schedule_interval), **named)
        later = scheduling.added_later(job, (*named, "schedule_interval"))
        return "SELECT " + (call("alter_job", added, **later, timezone=job.timezone) if later else added)

    def arguments(self) -> list[Code]:
        """What it runs, how often, and what differs from the defaults."""
        skip = ("proc", "schema")
        first = arguments_of(self.target, skip=(*skip, "job_name", "config", "check_config"))
        names = {"job_name": self.target.job_name, "config": self.target.config}
        names["check_config"] = self.target.check_config
        named = [code_of(value, name) for name, value in names.items() if value is not None]
        return [code_of(self.proc), *first, *named, *schema_of(self.schema)]

    def reverse(self) -> DeleteJob:
        """Deleting it."""
        config = self.target.config if self.by_config else None
        return DeleteJob(self.proc, schema=self.schema, job_name=self.job_name, with_config=config, removed=self.target)


class AlterJob(JobOperation, name="alter_job", noun=Job):
    """Change a job."""

    def __init__(self, proc: str, changes: dict[str, Any], **which: Any) -> None:
        super().__init__(proc, **which)
        self.changes = Changes.of(Job, changes, fixed=("proc", "job_name"))
        if "config" in self.changes.new and self.changes.new["config"] is None:
            raise InvalidObject("config cannot be taken away from a job", hint="give {}, or delete it and add it again")

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        proc: str,
        *,
        job_name: str | None = None,
        with_config: Config | None = None,
        schema: str | None = None,
        **changes: Any,
    ) -> None:
        """Change a job; what is not given stays.

        :param proc: what it runs, without its schema.
        :param job_name: its name, if more than one job runs that.
        :param with_config: its config until now, if the name does not tell.
        :param changes: what ``op.add_job`` takes, and the old values, by which it is reversed:
            ``schedule_interval="2 hours", old_schedule_interval="1 hour"``.
        :raises InvalidObject: if there is none, or more than one, and for what makes no sense.
        """
        operations.invoke(cls(proc, changes, schema=schema, job_name=job_name, with_config=with_config))

    def sql(self) -> str:
        """``SELECT alter_job(…)``."""
        arguments = self.changes.arguments()
        if "config" in self.changes.new:
            arguments["config"] = self.changes.new["config"]
        return altered(self.job, self.server, **arguments)

    def arguments(self) -> list[Code]:
        """What it runs, the new values, the old ones."""
        return self.call_of(*self.changes.codes())

    def reverse(self) -> Self:
        """Setting the old values.

        :raises IrreversibleOperation: if one is not known.
        """
        back = self.changes.reversed(f"{self.verb} of {self.shown}")
        config = None if self.with_config is None else self.changes.new.get("config", self.with_config)
        return type(self)(self.proc, back, schema=self.schema, job_name=self.job_name, with_config=config)


class DeleteJob(JobOperation, name="delete_job", noun=Job):
    """Delete a job.

    :param removed: what it was, so that it can be added again.
    """

    def __init__(self, proc: str, *, if_exists: bool = False, removed: Job | None = None, **which: Any) -> None:
        super().__init__(proc, **which)
        self.if_exists = if_exists
        self.removed = removed

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        proc: str,
        *,
        job_name: str | None = None,
        with_config: Config | None = None,
        if_exists: bool = False,
        schema: str | None = None,
    ) -> None:
        """Delete a job; one that runs is cancelled.

        :param proc: what it runs, without its schema.
        :param job_name: its name, if more than one job runs that.
        :param with_config: its config, if the name does not tell.
        :param if_exists: do nothing if there is none.
        :raises InvalidObject: if there is none, or more than one.
        """
        operations.invoke(cls(proc, schema=schema, job_name=job_name, with_config=with_config, if_exists=if_exists))

    def check(self, connection: Connection) -> None:
        """Refuse unless exactly one job is meant."""
        if not self.if_exists or self.found(connection):
            super().check(connection)

    def sql(self) -> str:
        """``SELECT delete_job(…)``."""
        return deleted(self.job)

    def arguments(self) -> list[Code]:
        """What it runs, and which of several."""
        return self.call_of(*flags_of(self, "if_exists"))

    def reverse(self) -> AddJob:
        """Adding it as it was.

        :raises IrreversibleOperation: if that is not known.
        """
        if self.removed is None:
            raise IrreversibleOperation(
                f"delete_job of {self.shown} does not know what it deletes",
                hint="write op.add_job in the downgrade, as the job is now",
            )
        return AddJob(self.removed, by_config=self.with_config is not None)


class RunJob(JobOperation, name="run_job", noun=Job):
    """Run a job at once."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        proc: str,
        *,
        job_name: str | None = None,
        with_config: Config | None = None,
        schema: str | None = None,
    ) -> None:
        """Run a job at once, in this session, and wait for it. What the revision did before is committed.

        :param proc: what it runs, without its schema.
        :param job_name: its name, if more than one job runs that.
        :param with_config: its config, if the name does not tell.
        :raises InvalidObject: if there is none, or more than one.
        """
        # A job may commit, which nothing inside a transaction can.
        operation = cls(proc, schema=schema, job_name=job_name, with_config=with_config)
        with operations.migration_context.autocommit_block():
            operations.invoke(operation)

    def sql(self) -> str:
        """A block that finds the job, because ``CALL`` takes no subquery."""
        block = (
            "DECLARE job int; BEGIN SELECT job_id INTO STRICT job FROM timescaledb_information.jobs "
            f"WHERE {self.job}; CALL run_job(job); END"
        )
        return f"DO {literal(block)}"

    def arguments(self) -> list[Code]:
        """What it runs, and which of several."""
        return self.call_of()

    def reverse(self) -> NoReturn:
        """There is none.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"what job {self.shown} has done cannot be undone", hint="write in the downgrade what undoes it"
        )
