"""The kinds of backfills, and the modules that do them; each is loaded when it is needed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Protocol, cast

from sqlalchemy import Connection

from tsext.backfill.ledger import Backfill, NewTask, Outcome, Task
from tsext.errors import BackfillError, Finding

KINDS = {
    "change": "tsext.backfill.change",
    "repartition": "tsext.backfill.repartition",
    "load": "tsext.loading.copying",
    "transfer": "tsext.loading.transfer",
}
"""Kind to module."""


class Kind(Protocol):
    """What a module of a kind has: :meth:`perform`, and of the others what it needs."""

    def perform(self, connection: Connection, backfill: Backfill, task: Task) -> Outcome:
        """Do a task, or some of it, in the transaction that is open; whatever it raises ends that.

        An outcome with a position leaves the task open there: it is committed, and the same worker goes on with it.
        """

    def attend(self, connection: Connection) -> AbstractContextManager[None]:
        """What a worker keeps open for as long as it works, beside its connection."""

    def prepare(self, connection: Connection, backfill: Backfill) -> None:
        """Plan the tasks, before the first is begun; one worker at a time, and it may run again.

        :param connection: in autocommit mode; :func:`tsext.backfill.ledger.transaction` makes one.
        """

    def complete(self, connection: Connection, backfill: Backfill) -> bool:
        """What follows when all tasks are done; one worker at a time, and it may run again.

        :returns: False if it has planned further tasks.
        """

    def stopped(self, connection: Connection, backfill: Backfill) -> None:
        """Nobody works on it, as it has failed, or is given up or put off; it may go on later, with :meth:`prepare`."""

    def split(self, connection: Connection, backfill: Backfill, task: Task) -> list[NewTask]:
        """What a task that takes longer than it may is divided into; nothing: it cannot be."""

    def verify(self, connection: Connection, backfill: Backfill) -> list[Finding]:
        """What is not as it should be; reads only."""

    def finish(self, connection: Connection, backfill: Backfill) -> None:
        """Remove what was kept for the way back."""


def of(backfill: Backfill) -> Kind:
    """The module that does a backfill.

    :raises BackfillError: if this tsext has none.
    """
    if backfill.kind not in KINDS:
        raise BackfillError(
            f"backfill {backfill.name} is of the kind {backfill.kind}, which this tsext does not know",
            hint="install the tsext that declared it, or a newer one, on every machine that helps",
        )
    return cast(Kind, import_module(KINDS[backfill.kind]))


def can(kind: Kind, what: str) -> bool:
    """Whether a kind has one of the optional functions."""
    return hasattr(kind, what)


def attended(connection: Connection, backfill: Backfill) -> AbstractContextManager[None]:
    """What a worker keeps open for the kind of a backfill."""
    kind = of(backfill)
    return kind.attend(connection) if can(kind, "attend") else nullcontext()
