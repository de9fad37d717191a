"""Locks of a move: asked for as a run asks for its own, on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition.sessions import transaction
from tsext.locks import Locks
from tsext.model.locks import LockMode
from tsext.settings import Settings

T = TypeVar("T")

Work = Callable[[Connection], T]


def in_one_go(connection: Connection, needs: Mapping[str, str], work: Work[T], before: Work[None] | None = None) -> T:
    """Do something in a transaction whose locks make others wait only briefly; again, until they are to be had.

    :param needs: the locks it takes, by relation as it stands in SQL.
    :param work: its first statement asks for a lock; it may run again.
    :param before: what is done on the same connection each time before the lock is asked for.
    :raises LockNotAvailable: if they were not to be had in time, naming who was in the way.
    """
    if catalog.takes_one_client(connection):
        if before is not None:
            before(connection)
        with transaction(connection):
            return work(connection)
    asked = {relation: LockMode(mode) for relation, mode in needs.items()}
    with connection.engine.connect() as own, Locks(own, Settings(), lambda _: asked) as locks:
        result: list[T] = []

        def once() -> None:
            result[:] = [work(own)]
            own.commit()

        if before is not None:
            again = before
            locks.before_again.append(lambda: again(own))
            again(own)
        locks.again(once)()
        return result[0]
