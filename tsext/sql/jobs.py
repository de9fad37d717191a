"""Background jobs of TimescaleDB in SQL: which ones, and what is done with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tsext.sql.quoting import Raw, call, literal

PAUSED = "paused_by_tsext"
"""Key in the config of a job that is paused for the time of a change, and is to be resumed afterwards."""

_JOBS = "timescaledb_information.jobs"

_AS_BEFORE = Raw("next_start")
"""``alter_job`` reckons anew when a job on a fixed schedule runs next, unless it is told."""


class Server(Protocol):
    """What decides how jobs are found."""

    @property
    def number(self) -> tuple[int, ...]:
        """The version of TimescaleDB."""


# --- which jobs


def owned_by(schema: str | None, name: str, server: Server | None = None) -> str:
    """The condition for jobs of a hypertable or a continuous aggregate.

    :param schema: None: the default one.
    :param server: None: the newest.
    """
    named = f"{_schema(schema)}, {literal(name)}"
    if server is not None and server.number < (2, 20):
        # their jobs show the hypertable behind a continuous aggregate
        return (
            "(hypertable_schema, hypertable_name) IN (SELECT materialization_hypertable_schema, "
            "materialization_hypertable_name FROM timescaledb_information.continuous_aggregates "
            f"WHERE (view_schema, view_name) = ({named}) UNION ALL SELECT {named})"
        )
    return f"(hypertable_schema, hypertable_name) = ({named})"


def job_of(
    schema: str | None, proc: str, job_name: str | None = None, with_config: Mapping[str, Any] | None = None
) -> str:
    """The condition for a job that runs a procedure."""
    parts = [f"(proc_schema, proc_name) = ({_schema(schema)}, {literal(proc)})"]
    if job_name is not None:
        parts.append(f"application_name = format('%s [%s]', {literal(job_name)}, job_id)")
    if with_config is not None:
        parts.append(f"config = {literal(dict(with_config))}")
    return " AND ".join(parts)


def _schema(schema: str | None) -> str:
    return "current_schema()" if schema is None else literal(schema)


# --- what is done with them


def deleted(where: str) -> str:
    """``SELECT delete_job(…)``."""
    return f"SELECT delete_job(job_id) FROM {_JOBS} WHERE {where}"


def altered(where: str, server: Server | None, **arguments: Any) -> str:
    """``SELECT alter_job(…)``, which forgets a job's time zone, and its first run, unless it is told again."""
    if "fixed_schedule" in arguments:
        arguments.setdefault("initial_start", Raw("initial_start"))
    arguments.setdefault("timezone", Raw(f"(SELECT timezone FROM {_job_table(server)} WHERE id = job_id)"))
    return f"SELECT {call('alter_job', Raw('job_id'), **arguments)} FROM {_JOBS} WHERE {where}"


def _job_table(server: Server | None) -> str:
    schema = "_timescaledb_config" if server is not None and server.number < (2, 25) else "_timescaledb_catalog"
    return f"{schema}.bgw_job"


def merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> Raw:
    """A job's config with other values; those that are None go.

    :param values: as arguments of SQL functions, in which null is ``NULL``, so that lengths are written as TimescaleDB
        writes them.
    :param more: as JSON.
    """
    gone = [key for key, value in {**values, **more}.items() if value is None]
    text = "".join(["config", *(f" - {literal(key)}" for key in gone)])
    parts = [f"({text})" if gone and len(gone) < len(values) + len(more) else text]
    if own := [part for key, value in values.items() if value is not None for part in (key, value)]:
        parts.append(call("jsonb_build_object", *own))
    if json := {key: value for key, value in more.items() if value is not None}:
        parts.append(literal(json))
    return Raw(" || ".join(parts))


def paused(where: str, server: Server | None) -> str:
    """Pause those that are scheduled, and mark them, so that they can be found later."""
    config = merged({}, {PAUSED: True})
    return altered(f"scheduled AND {where}", server, scheduled=False, config=config, next_start=_AS_BEFORE)


def resumed(where: str, server: Server | None) -> str:
    """Resume those that were paused."""
    config = merged({}, {PAUSED: None})
    where = f"config ? {literal(PAUSED)} AND {where}"
    return altered(where, server, scheduled=True, config=config, next_start=_AS_BEFORE)
