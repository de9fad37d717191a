"""All checks, what the environment makes of each, and refusing a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import Finding, PreflightFailed
from tsext.preflight import budget, connecting, disk, relations, replication, sessions
from tsext.preflight.situation import Observation, Pending, Result, Situation, State
from tsext.settings import Settings

log = logging.getLogger("alembic.tsext")

CHECKS: Mapping[str, Callable[[Situation], Observation]] = MappingProxyType(
    {
        "disk": disk.disk,
        "locks": budget.locks,
        "replicas": replication.replicas,
        "slots": replication.slots,
        "transactions": sessions.transactions,
        "prepared": sessions.prepared,
        "jobs": sessions.jobs,
        "indexes": relations.indexes,
        "constraints": relations.constraints,
    }
)
"""By the names under which the settings have them: ``preflight_disk`` says what follows from ``disk``."""


def examine(connection: Connection, pending: Pending, settings: Settings, unread: Collection[str] = ()) -> list[Result]:
    """Every check, in order, after the server's own state; in the transaction that is open on the connection.

    :param unread: revisions of which the end cannot be told without running them.
    """
    situation = _situation(connection, pending, settings, unread)
    return [_writable(situation.server), *(result for _, result in _checked(situation))]


def refuse(connection: Connection, pending: Pending, settings: Settings) -> None:
    """Look before the first statement; warn of what the environment warns of.

    :raises PreflightFailed: with all findings on which the environment fails.
    """
    failed: list[Finding] = []
    for observation, result in _checked(_situation(connection, pending, settings)):
        if result.state is State.FAIL:
            failed += observation.findings
        elif result.state is State.WARN:
            for finding in observation.findings:
                log.warning("preflight: %s", finding)
        elif result.state is State.UNKNOWN and observation.matters:
            log.warning("preflight: %s: %s", result.check, result.message)
    if failed:
        first, *others = failed
        more = f"; preflight_{first.rule} = warn would go on all the same"
        raise PreflightFailed(first.message, hint=first.hint + more, findings=others)


def _situation(connection: Connection, pending: Pending, settings: Settings, unread: Collection[str] = ()) -> Situation:
    server = catalog.server(connection, settings.preflight_transaction_age)
    return Situation(connection, pending, settings, server, unread)


def _writable(server: catalog.Server) -> Result:
    """What a run refuses as soon as it is connected, whatever the settings say."""
    if server.standby:
        return Result("server", State.FAIL, connecting.STANDBY.message, (connecting.STANDBY.hint,))
    if server.read_only:
        return Result("server", State.FAIL, connecting.READ_ONLY.message, (connecting.READ_ONLY.hint,))
    return Result("server", State.OK, "primary, and this role may write")


def _checked(situation: Situation) -> list[tuple[Observation, Result]]:
    return [_judged(name, check, situation) for name, check in CHECKS.items()]


def _judged(name: str, check: Callable[[Situation], Observation], situation: Situation) -> tuple[Observation, Result]:
    answer = getattr(situation.settings, f"preflight_{name}")
    if answer == "off":
        seen = Observation("turned off")
        return seen, Result(name, State.OFF, seen.says)
    seen = check(situation)
    if seen.findings:
        hints = tuple(finding.hint for finding in seen.findings)
        return seen, Result(name, State(answer), "; ".join(finding.message for finding in seen.findings), hints)
    return seen, Result(name, State.OK if seen.known else State.UNKNOWN, seen.says)
