"""What is the same for all that is loaded: workers are started, attended, and what has stopped them is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection, Engine

from tsext import catalog
from tsext.backfill import ledger, workers
from tsext.backfill.ledger import Backfill, Progress, State, Task, TaskState
from tsext.errors import LoadError

LIMITS: dict[str, str | None] = {"rest": "0", "wal_rate": "off", "blocked": "10min", "vacuum": "ignore"}
"""What of the limits of a backfill is other for a load, which is to be quick. Nobody waits for it but who needs a chunk
that it has just made, or has the same key; its own workers among them. Autovacuum looks at what it has just filled."""

DONE = (State.DONE, State.FINISHED)


def open_again(connection: Connection, backfill: Backfill) -> None:
    """What had failed or was stopped, is asked for once more."""
    with ledger.transaction(connection):
        ledger.retry(connection, backfill)
        stopped = (State.FAILED, State.PAUSED, State.CANCELLED)
        ledger.set_state(connection, backfill, State.RUNNING, only=stopped)


def attend(engine: Engine, backfill: Backfill, count: int, watch: Callable[[Progress], None]) -> bool:
    """Have workers do it, and wait for them; whether Ctrl-C has ended that, after the tasks at hand.

    :param watch: told how far it is, twice a second.
    """
    with workers.connected(engine) as connection:
        single = catalog.takes_one_client(connection)
    try:
        if single:
            workers.run(engine, backfill.name, workers=1)
        else:
            with workers.connected(engine) as beside:
                workers.run(engine, backfill.name, workers=count, tell=partial(_look, beside, backfill, watch))
    except KeyboardInterrupt:
        return True
    return False


def _look(connection: Connection, backfill: Backfill, watch: Callable[[Progress], None]) -> None:
    """Tell how far it is, and stop all workers as soon as a task has failed for good."""
    progress, now = ledger.progress(connection, backfill), ledger.current(connection, backfill) or backfill
    size = int(now.spec.get("size", 0))
    if now.spec.get("hashed", size) < size:  # not all of a file is planned yet
        progress = replace(progress, expected=progress.seen * size // max(1, progress.bytes))
    watch(progress)
    if ledger.count(connection, backfill, TaskState.FAILED):
        ledger.set_state(connection, backfill, State.FAILED, only=[State.RUNNING])


@dataclass(frozen=True)
class Standing:
    """How far a load is."""

    backfill: Backfill
    tasks: list[Task]
    progress: Progress
    reason: str | None
    """What a task has failed of; else why all of it is in its state."""

    @property
    def left(self) -> int:
        """How many tasks are not done."""
        return sum(each.state is not TaskState.DONE for each in self.tasks)


def standing(connection: Connection, name: str, besides: str | None = None) -> Standing:
    """How far a load is now.

    :param besides: a step whose tasks do not count.
    """
    backfill = ledger.find(connection, name)
    tasks = ledger.tasks(connection, backfill)
    errors = [each.error for each in tasks if each.state is TaskState.FAILED]
    counted = [each for each in tasks if each.step != besides]
    return Standing(backfill, counted, ledger.progress(connection, backfill), errors[0] if errors else backfill.reason)


def refuse_stopped(stopped: Standing, done: str) -> None:
    """Refuse what is not done.

    :param done: how much of it is, in words.
    :raises LoadError: with what to do.
    """
    name, state = stopped.backfill.name, stopped.backfill.state
    if state not in DONE:
        fact, _, cure = (stopped.reason or "others have stopped it").partition("\n  hint: ")
        raise LoadError(
            f"{name} {'has' if state is State.FAILED else 'is'} {state}: {fact}",
            hint=f"{cure or 'when the cause is gone, the same command goes on'}; {done}, with "
            f"{stopped.progress.rows} rows",
        )
