"""The verbs of ``tsext backfill`` as functions of an Alembic ``Config``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from tsext import catalog, history, review
from tsext.backfill import executors, kinds, ledger, workers
from tsext.backfill.ledger import Attempt, Backfill, Progress, State, Task
from tsext.backfill.throttle import NOT_LIMITS, PREFIX, limits_of
from tsext.command.reaching import applied_revisions, engine, url_of, x_arguments
from tsext.errors import BackfillError, Finding, SettingsError
from tsext.history import Project, bookkeeping, records
from tsext.operations.declaring import DeclaringOperation
from tsext.settings import Settings


@dataclass(frozen=True)
class Report:
    """A backfill, and how far it is."""

    backfill: Backfill
    progress: Progress
    tasks: tuple[Task, ...] = ()
    """All of them, where one backfill is asked about."""
    attempts: tuple[Attempt, ...] = ()
    """The attempts that are at work now, one for each worker."""

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        report = {**asdict(self.backfill), **asdict(self.progress), "fraction": self.progress.fraction}
        report["seconds_left"] = self.progress.seconds_left
        report["waited_for"] = ledger.waited_for(self.backfill, datetime.now(UTC))
        if self.tasks:
            report |= {"task_list": list(map(asdict, self.tasks)), "at_work": list(map(asdict, self.attempts))}
        return report


def listed(config: Config) -> list[Report]:
    """All backfills, the first declared first."""
    with connected(config) as connection:
        return [Report(each, ledger.progress(connection, each)) for each in ledger.backfills(connection)]


def status(config: Config, name: str) -> Report:
    """One backfill with its tasks.

    :raises BackfillError: if there is none of this name.
    """
    with connected(config) as connection:
        return _reported(connection, ledger.find(connection, name))


def _reported(connection: Connection, found: Backfill) -> Report:
    tasks, attempts = ledger.tasks(connection, found), ledger.at_work(connection, found)
    return Report(found, ledger.progress(connection, found), tuple(tasks), tuple(attempts))


# --- run


@dataclass(frozen=True)
class Crew:
    """The workers of one run: how many, and where."""

    workers: int | None = None
    """How many; None: as the settings say."""
    executor: str = "threads"
    """Where: ``threads`` of this process, or ``dask://host:port``."""


def run(
    config: Config, what: str | None, crew: Crew, tell: Callable[[Connection, Backfill], None] | None = None
) -> list[Report]:
    """Work on a backfill, on all that a revision declares, or on all that is declared or pending, until it is done.

    :param what: the name of a backfill, or a revision; None: all.
    :param tell: called twice a second with the backfill that is at work.
    :raises BackfillError: if there is neither a backfill nor a revision of this name, or the revision declares none.
    """
    settings = Settings.read(config, x_arguments(config))
    with connected(config) as connection:
        return [_run(connection, each, crew, settings, tell) for each in _wanted(config, connection, settings, what)]


def _run(
    connection: Connection,
    wanted: Backfill,
    crew: Crew,
    settings: Settings,
    tell: Callable[[Connection, Backfill], None] | None,
) -> Report:
    if wanted.state in (State.CANCELLED, State.FAILED):
        further = f"let it go on: tsext backfill retry {wanted.name}"
        raise BackfillError(f"backfill {wanted.name} is {wanted.state}: {wanted.reason or 'by hand'}", hint=further)
    if catalog.takes_one_client(connection):
        workers.work_on(connection, wanted.name)
    elif wanted.state in (State.DECLARED, State.RUNNING, State.PAUSED):
        with executors.executor(crew.executor) as executor:
            telling = (lambda: tell(connection, wanted)) if tell is not None else (lambda: None)
            count = crew.workers or settings.backfill_workers
            workers.run(url_of(settings), wanted.name, workers=count, executor=executor, tell=telling)
    return _reported(connection, ledger.find(connection, wanted.name))


def _wanted(config: Config, connection: Connection, settings: Settings, what: str | None) -> Iterator[Backfill]:
    named = {each.name: each for each in ledger.backfills(connection)}
    if what in named:
        yield named[what]
        return
    script = ScriptDirectory.from_config(config)
    history.load(config, script, settings)
    project = Project.read(script, settings.sql_location)
    chosen = list(_revisions(project, applied_revisions(config, connection), what))
    declared = [each for revision in chosen for each in _declared(revision, connection, settings)]
    if what is not None and not declared:
        raise BackfillError(
            f"revision {what} declares no backfill", hint="those of revisions are: op.backfill and the like"
        )
    yield from declared
    if what is None:
        names = {each.name for each in declared}
        waiting = (State.DECLARED, State.RUNNING)
        yield from (each for name, each in named.items() if each.state in waiting and name not in names)


def _revisions(project: Project, there: tuple[set[str], tuple[str, ...]], what: str | None) -> Iterator[Script]:
    recorded, heads = there
    applied = recorded | {each.revision for each in project.behind(heads)}
    if what is None:
        yield from (each for each in project.ordered if each.revision not in applied)
        return
    for each in project.script.get_revisions(what):
        if each is not None and each.revision in applied:
            raise BackfillError(f"revision {each.revision} is applied", hint="there is nothing left to be done for it")
        if each is not None:
            yield each


def _declared(revision: Script, connection: Connection, settings: Settings) -> Iterator[Backfill]:
    """Declare what a revision declares."""
    with history.in_process:
        reading = review.read(revision, settings)
    if reading.stop is not None:
        raise BackfillError(
            f"what revision {revision.revision} declares cannot be told without running it: {reading.stop.error}",
            hint="put op.backfill into a revision of its own, which asks the database nothing",
        )
    for operation in reading.operations:
        if isinstance(operation, DeclaringOperation):
            bookkeeping.upgrade(connection, ledger=True)
            operation.settings = settings
            operation.need(connection)
            operation.check(connection)
            yield operation.declare(connection, revision.revision)


# --- while it runs, and afterwards

_CHANGES = {
    "pause": (State.PAUSED, (State.DECLARED, State.RUNNING)),
    "resume": (State.RUNNING, (State.PAUSED,)),
    "cancel": (State.CANCELLED, (State.DECLARED, State.RUNNING, State.PAUSED, State.FAILED)),
    "retry": (State.RUNNING, (State.FAILED, State.CANCELLED, State.RUNNING)),
}
"""What becomes of a backfill, and in which states it may be."""


def change_state(config: Config, name: str, action: str) -> Backfill:
    """``pause``, ``resume``, ``cancel`` or ``retry`` it; workers anywhere see that within a second or two.

    :raises BackfillError: if it is in no state for that.
    """
    state, states = _CHANGES[action]
    with connected(config) as connection:
        found = ledger.find(connection, name)
        ledger.make_room(connection)
        if action == "retry":
            ledger.retry(connection, found)
        who = f"by {records.client()}" if action in ("pause", "cancel") else None
        if not ledger.set_state(connection, found, state, reason=who, only=states):
            found = ledger.find(connection, name)
            raise BackfillError(f"cannot {action} backfill {name}: it is {found.state}", hint=_instead(found))
        if action == "cancel" and kinds.can(kinds.of(found), "stopped"):
            kinds.of(found).stopped(connection, found)
        return ledger.find(connection, name)


def _instead(found: Backfill) -> str:
    hints = {
        State.DECLARED: "work on it: tsext backfill run {name}",
        State.RUNNING: "stop it for a while: tsext backfill pause {name}; for good: tsext backfill cancel {name}",
        State.PAUSED: "let it go on: tsext backfill resume {name}",
        State.FAILED: "see why: tsext backfill status {name}; try again: tsext backfill retry {name}",
        State.CANCELLED: "let it go on: tsext backfill retry {name}; forget it: tsext backfill finish {name}",
        State.DONE: "apply its revision: alembic upgrade",
    }
    return hints.get(found.state, "nothing is left to be done").format(name=found.name)


def limits(config: Config, name: str, given: list[str]) -> dict[str, str]:
    """Change limits, also while it runs, and tell all that hold.

    :param given: as in ``replica_lag=10s``; ``replica_lag=`` for the default.
    :raises SettingsError: if there is no such limit, or its value makes no sense.
    """
    with connected(config) as connection:
        found = ledger.find(connection, name)
        wanted = dict(_limit(each) for each in given)
        ledger.limit(connection, found, dict(wanted))
        return _limits_as_text(limits_of(ledger.find(connection, name)))


def _limit(given: str) -> tuple[str, str | None]:
    name, equals, text = given.partition("=")
    known = _limits_as_text(Settings())
    if name not in known or not equals:
        raise SettingsError(
            f"{given!r} is no limit" if equals else f"{given!r} has no value",
            hint=f"write replica_lag=10s; there are: {', '.join(known)}",
        )
    if text:
        Settings().given({f"{PREFIX}{name}": text})
    return name, text or None


def _limits_as_text(settings: Settings) -> dict[str, str]:
    mine = {name: text for name, text in settings.texts().items() if name.startswith(PREFIX)}
    return {name.removeprefix(PREFIX): text for name, text in mine.items() if name not in NOT_LIMITS}


def verify(config: Config, name: str) -> list[Finding]:
    """What is not as it should be after a backfill; reads only."""
    with connected(config) as connection:
        found = ledger.find(connection, name)
        kind = kinds.of(found)
        return kind.verify(connection, found) if kinds.can(kind, "verify") else []


def finish(config: Config, name: str) -> None:
    """Remove what is kept for the way back; of one that was given up, all that is left of it.

    :raises BackfillError: if its revision is still to be applied, or it is at work.
    """
    with connected(config) as connection:
        found = ledger.find(connection, name)
        if found.state in (State.RUNNING, State.PAUSED) or (found.state is State.DONE and found.revision is not None):
            raise BackfillError(f"cannot finish backfill {name}: it is {found.state}", hint=_instead(found))
        kind = kinds.of(found)
        if kinds.can(kind, "finish"):
            kind.finish(connection, found)
        if found.state in (State.APPLIED, State.DONE, State.FINISHED):
            ledger.set_state(connection, found, State.FINISHED)
        else:
            ledger.forget(connection, found)


@contextmanager
def connected(config: Config) -> Iterator[Connection]:
    """A connection in autocommit mode."""
    with (
        engine(config) as database,
        database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        yield connection
