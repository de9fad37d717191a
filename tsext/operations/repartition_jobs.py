"""Policies of a table whose place another one takes: removed from the one, and added to the other as they were."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition.aggregates import aggregates
from tsext.backfill.repartition.move import Move
from tsext.errors import RevisionFailed
from tsext.model import ColumnstorePolicy, Policy, RefreshPolicy, ReorderPolicy, RetentionPolicy
from tsext.operations.columnstore_policies import AddColumnstorePolicy
from tsext.operations.policies import AddPolicy
from tsext.operations.refresh_policies import AddContinuousAggregatePolicy
from tsext.operations.reorder_policies import AddReorderPolicy
from tsext.operations.retention import AddRetentionPolicy
from tsext.sql.jobs import altered, deleted
from tsext.sql.quoting import Raw, identifier, literal

ADDED_BY: dict[type[Policy], type[AddPolicy]] = {
    RetentionPolicy: AddRetentionPolicy,
    ColumnstorePolicy: AddColumnstorePolicy,
    ReorderPolicy: AddReorderPolicy,
    RefreshPolicy: AddContinuousAggregatePolicy,
}


def moved_jobs(connection: Connection, move: Move, other: str) -> list[str]:
    """What is said once another table has taken the place, in the same transaction; and paused jobs run again.

    A plain table can have no policies: they stay with the hypertable, paused, until it takes its place again.

    :param other: the schema of the table that takes the place.
    """
    spec = move.spec
    statements: list[str] = []
    if catalog.hypertable(connection, spec.table, other) is not None:
        owner = str(connection.exec_driver_sql("SELECT current_user").scalar_one())
        relations = [(spec.schema, spec.table), *((each.schema, each.name) for each in aggregates(move))]
        for relation in relations:
            for job in catalog.owned_jobs(connection, catalog.key_of(connection, *relation)):
                statements += _moved(connection, job, owner)
    return [*statements, *move.jobs.resumed(connection)]


def _moved(connection: Connection, job: catalog.OwnedJob, us: str) -> Iterator[str]:
    """What moves a policy; whoever adds one owns it.

    :raises RevisionFailed: if it is none.
    """
    if job.policy is None:  # it has been added since, or it would have been refused at once
        raise RevisionFailed(
            f"job {job.application} is no policy known here, and cannot be moved",
            hint=f"delete it, run this again, and add it again then: SELECT delete_job({job.id})",
        )
    yield deleted(f"job_id = {job.id}")
    if job.owner != us:
        yield f"SET LOCAL ROLE {identifier(job.owner)}"
    add = ADDED_BY[type(job.policy)](job.policy)
    add.server = catalog.timescaledb(connection)
    yield from add.statements()
    if job.next_start is not None:
        yield altered(add.target_job, add.server, next_start=Raw(f"{literal(job.next_start)}::timestamptz"))
    if job.owner != us:
        yield f"SET LOCAL ROLE {identifier(us)}"
