"""Background jobs: policies, and what users let run; those that TimescaleDB has by itself do not count."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tsext.catalog.asking import Key, key_of, rows
from tsext.catalog.installed import timescaledb
from tsext.errors import InvalidObject
from tsext.model import JOBS, POLICIES, Job, Policy
from tsext.sql.jobs import PAUSED
from tsext.sql.quoting import qualified

log = logging.getLogger("alembic.tsext")

_OF_THIS_DATABASE = frozenset({"hypertable_id", "mat_hypertable_id", PAUSED})
_POLICIES = {kind.proc_name: kind for kind in POLICIES}


def policies(connection: Connection) -> list[Policy]:
    """The policies of all hypertables and continuous aggregates; nothing is None that is set.

    One that TimescaleDB takes, but makes no sense, is left out with a warning.
    """
    timezones = _timezones(connection)
    found = (_policy(connection, row, timezones.get(row.job_id)) for row in _jobs(connection))
    return [policy for policy in found if policy is not None]


def _jobs(connection: Connection) -> list[Any]:
    info = timescaledb(connection)
    return rows(connection, "jobs") if info is not None and info.has(JOBS) else []


def _timezones(connection: Connection) -> dict[int, str]:
    """Time zones by job, which no view shows; none, if the table cannot be read."""
    return {
        row.id: row.timezone
        for table in rows(connection, "job_table")
        for row in rows(connection, f"job_timezones{table.schema.removeprefix('_timescaledb')}")
    }


def _policy(connection: Connection, row: Any, timezone: str | None) -> Policy | None:
    kind = _POLICIES.get(row.proc_name)
    if kind is None or row.name is None or not row.proc_schema.startswith("_timescaledb"):
        return None
    schema, name = key_of(connection, row.schema, row.name)
    config, lengths = json.loads(row.config or "{}"), json.loads(row.lengths)
    own = {field: lengths.get(key, config.get(key)) for field, key in kind.keys.items()}
    rest = {key: each for key, each in config.items() if key not in {*kind.keys.values(), *_OF_THIS_DATABASE}}
    try:
        return kind(**own, **_schedule(row, timezone), config=rest or None, name=name, schema=schema)
    except InvalidObject as error:
        log.warning("the %s of %s is left alone: %s", kind.kind, name, error.message)
        return None


def _schedule(row: Any, timezone: str | None) -> dict[str, Any]:
    lengths = json.loads(row.lengths)
    return {
        "schedule_interval": lengths["schedule_interval"],
        "initial_start": row.initial_start,
        "timezone": timezone,
        "max_runtime": lengths["max_runtime"],
        "max_retries": row.max_retries,
        "retry_period": lengths["retry_period"],
        "scheduled": row.scheduled or PAUSED in json.loads(row.config or "{}"),
        "fixed_schedule": row.fixed_schedule,
    }


def jobs(connection: Connection) -> list[Job]:
    """The jobs that users added; nothing is None that is set.

    One that TimescaleDB takes, but makes no sense, is left out with a warning.
    """
    timezones = _timezones(connection)
    own = (row for row in _jobs(connection) if row.name is None)
    found = (_job(connection, row, timezones.get(row.job_id)) for row in own)
    return [job for job in found if job is not None]


def _job(connection: Connection, row: Any, timezone: str | None) -> Job | None:
    if row.proc_schema.startswith("_timescaledb"):
        return None
    schema, proc = key_of(connection, row.proc_schema, row.proc_name)
    name = row.application_name.removesuffix(f" [{row.job_id}]")
    try:
        return Job(
            proc,
            schema=schema,
            job_name=None if name in ("", "User-Defined Action") else name,
            check_config=row.check_config,
            config=json.loads(row.config or "null"),
            **_schedule(row, timezone),
        )
    except InvalidObject as error:
        log.warning("job %s is left alone: %s", name, error.message)
        return None


@dataclass(frozen=True)
class OwnedJob:
    """A job of a hypertable or a continuous aggregate."""

    id: int
    application: str
    """What it calls itself while it runs: ``Retention Policy [1000]``."""
    owner: str
    policy: Policy | None
    """None, if it is of a kind that is not known, or makes no sense."""
    next_start: str | None
    """When it runs next, as text; None, if that is not known yet."""


def owned_jobs(connection: Connection, relation: Key) -> list[OwnedJob]:
    """The jobs of a relation."""
    timezones = _timezones(connection)
    own = (row for row in _jobs(connection) if row.name is not None)
    return [
        OwnedJob(
            row.job_id,
            row.application_name,
            row.owner,
            _policy(connection, row, timezones.get(row.job_id)),
            row.next_start,
        )
        for row in own
        if key_of(connection, row.schema, row.name) == relation
    ]


def job_applications(connection: Connection, relations: Collection[Key]) -> list[str]:
    """What the jobs of some relations call themselves while they run: ``Retention Policy [1000]``."""
    own = (row for row in _jobs(connection) if row.name is not None)
    return [row.application_name for row in own if key_of(connection, row.schema, row.name) in relations]


def running(connection: Connection, applications: list[str]) -> Iterator[tuple[str, int]]:
    """Those jobs that run, with the process of each."""
    for row in rows(connection, "running_jobs", names=applications):
        yield row.application_name, row.pid


def referencing_keys(connection: Connection, name: str, schema: str | None = None) -> list[tuple[str, str]]:
    """Table and name of the foreign keys that point to a table."""
    found = rows(connection, "referencing_keys", relation=qualified(name, schema))
    return [(row.relation, row.name) for row in found]


@dataclass(frozen=True)
class PolicyRelation:
    """What of a hypertable or a continuous aggregate decides which policies it can have."""

    is_aggregate: bool
    columnstore: bool
    """Whether it is on."""
    integer_time: bool
    has_now: bool
    """Whether it has a function that tells the time as an integer."""
    indexes: tuple[str, ...]
    """Their names."""


def policy_relation(connection: Connection, name: str, schema: str | None = None) -> PolicyRelation | None:
    """What PostgreSQL finds under this name; None if that is no hypertable, and no continuous aggregate."""
    found = rows(connection, "policy_relation", relation=qualified(name, schema))
    return next((PolicyRelation(**{**row._mapping, "indexes": tuple(row.indexes)}) for row in found), None)
