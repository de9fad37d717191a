"""Where a database stands, and whether it is as it should be; reads only."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alembic.config import Config

from tsext import environment, history, validation
from tsext.command.reaching import Database, look_at
from tsext.command.statuses import RevisionStatus, status_lines
from tsext.errors import Finding, Severity, ValidationFailed
from tsext.history import numbers, records
from tsext.preflight.checking import examine
from tsext.preflight.situation import Result, State

log = logging.getLogger("alembic.tsext")


def status(config: Config) -> list[RevisionStatus]:
    """Every revision, applied or pending, lowest number first."""

    def look(at: Database) -> list[RevisionStatus]:
        recorded = {record.version: record for record in history.applied(at.connection)}
        assigned = numbers.assign(at.project.ordered, history.fixed_numbers(at.connection))
        return status_lines(at.project, assigned, recorded)

    return look_at(config, look)


def receipt(config: Config, revision: str = "heads") -> dict[str, dict[str, Any]]:
    """What revisions did to others when they ran last, by revision; without those of which that is not recorded.

    :raises CommandError: if there is no such revision.
    """

    def look(at: Database) -> dict[str, dict[str, Any]]:
        assigned = numbers.assign(at.project.ordered, history.fixed_numbers(at.connection))
        found = {}
        for script in at.project.script.get_revisions(numbers.named(assigned, revision)):
            newest = records.newest_receipt(at.connection, script.revision) if script is not None else None
            if script is not None and newest is not None:
                found[script.revision] = newest
        return found

    return look_at(config, look)


def validate(config: Config, *, models: bool = True) -> list[Finding]:
    """All that is not as it should be: history, head, indexes, constraints, checks, models; empty if all is well.

    :param models: whether to compare the models with the schema, if nothing else is wrong.
    """

    def look(at: Database) -> list[Finding]:
        recorded = history.applied(at.connection)
        findings = [
            *history.verify(at.project, recorded, at.heads, history.fixed_numbers(at.connection)),
            *validation.history_intact(at.connection, recorded),
            *validation.at_head(at.project, at.heads),
            *validation.checks_belong(at.project),
            *validation.indexes(at.connection),
            *validation.constraints(at.connection),
            *_of_applied_revisions(at),
        ]
        return findings if findings or not models else _models_equal_schema(config, at)

    return look_at(config, look)


def _of_applied_revisions(at: Database) -> Iterator[Finding]:
    """What fails of the revisions' own checks."""
    for each in at.project.behind(at.heads):
        check = at.project.index.check(each)
        yield from validation.of_revision(at.connection, each, check, at.settings.validation_timeout)


def _models_equal_schema(config: Config, at: Database) -> list[Finding]:
    if at.context.opts.get("target_metadata") is None:
        log.warning("env.py gives no models, so there is nothing to compare the schema with")
        return []
    found = validation.compared(at.context, config, at.project.script)
    return [replace(each, severity=Severity.ERROR) for each in found.findings]


def refuse(findings: list[Finding]) -> None:
    """Raise if there is any finding.

    :raises ValidationFailed: with all of them.
    """
    if findings:
        told = f"validation found {len(findings)} fault(s)"
        raise ValidationFailed(told, hint="mend what was found, then run `tsext validate` again", findings=findings)


def preflight(config: Config) -> list[Result]:
    """What an upgrade to the head looks at before its first statement; reads only."""

    def look(at: Database) -> list[Result]:
        applied = {each.revision for each in at.project.behind(at.heads)}
        pending = [(each, False) for each in at.project.ordered if each.revision not in applied]
        found = environment.foreseen(at.connection, pending, at.settings)
        work, unread = (found.touched, found.unread) if found else ({}, [])
        server, *others = examine(at.connection, work, at.settings, unread)
        return [server, _history_state(at), *others]

    return look_at(config, look)


def _history_state(at: Database) -> Result:
    fixed = history.fixed_numbers(at.connection)
    findings = history.verify(at.project, history.applied(at.connection), at.heads, fixed)
    if not findings:
        return Result("history", State.OK, "files, history and alembic_version agree")
    messages = "; ".join(finding.message for finding in findings)
    return Result("history", State(at.settings.history_policy), messages, tuple(each.hint for each in findings))
