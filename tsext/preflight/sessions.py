"""Who is at work on the database: long transactions, prepared ones, background jobs."""

from __future__ import annotations

from tsext import catalog, durations
from tsext.catalog import PreparedTransaction, Transaction
from tsext.errors import Finding
from tsext.preflight.situation import Observation, Situation


def transactions(situation: Situation) -> Observation:
    """Whether there are long transactions: locks and CONCURRENTLY wait for them."""
    found = situation.server.transactions
    if not situation.server.sees_sessions and not found:
        reason = "this role may not see other roles' transactions: GRANT pg_monitor to it"
        return Observation(reason, known=False, matters=False)
    says = f"none older than {durations.spelled(situation.settings.preflight_transaction_age)}"
    return Observation(says, tuple(map(_long, found)))


def _long(each: Transaction) -> Finding:
    return Finding(
        "transactions",
        f"pid {each.pid} ({each.application or 'no name'}, role {each.role}) has a transaction open for "
        f"{durations.measured(each.seconds)}, now {each.state}: {' '.join(each.query.split())}",
        f"wait for it, or end it: SELECT pg_terminate_backend({each.pid})",
    )


def prepared(situation: Situation) -> Observation:
    """Whether there are prepared transactions that nobody has ended."""
    says = f"none older than {durations.spelled(situation.settings.preflight_transaction_age)}"
    return Observation(says, tuple(map(_forgotten, situation.server.prepared)))


def _forgotten(each: PreparedTransaction) -> Finding:
    gid = each.gid.replace("'", "''")
    return Finding(
        "prepared",
        f"transaction '{each.gid}' of role {each.role} was prepared {durations.measured(each.seconds)} ago, "
        "and holds its locks",
        f"find out whether its coordinator still knows it; then COMMIT PREPARED '{gid}' or ROLLBACK PREPARED '{gid}'",
    )


def jobs(situation: Situation) -> Observation:
    """Whether background jobs of TimescaleDB are at work on what is touched."""
    connection = situation.connection
    keys = [size.key for size in situation.sizes.values()]
    applications = catalog.job_applications(connection, keys) if keys else []
    running = list(catalog.running(connection, applications)) if applications else []
    says = f"{len(applications)} of what is touched, none at work" if applications else "none of what is touched"
    return Observation(says, tuple(_working(*each) for each in running))


def _working(application: str, pid: int) -> Finding:
    return Finding(
        "jobs",
        f"job {application} is at work (pid {pid}) on a hypertable that is touched",
        "wait for it; `with op.pause_jobs(…)` keeps jobs away while a revision runs",
    )
