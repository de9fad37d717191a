"""Locks of a move: asked for as a run asks for its own, on a connection of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from sqlalchemy import Connection

from tsext.backfill.repartition.sessions import send, takes_one_client, transaction
from tsext.locks import Locks
from tsext.model.locks import LockMode
from tsext.settings import Settings

T = TypeVar("T")


def in_one_go(connection: Connection, needs: Mapping[str, str], work: Callable[[Connection], T]) -> T:
    """Do something in a transaction whose locks make others wait only briefly; again, until they are to be had.

    :param needs: the locks it takes, by relation as it stands in SQL.
    :param work: its first statement asks for a lock; it may run again.
    :raises LockNotAvailable: if they were not to be had in time, naming who was in the way.
    """
    if takes_one_client(connection):
        with transaction(connection):
            return work(connection)
    asked = {relation: LockMode(mode) for relation, mode in needs.items()}
    with connection.engine.connect() as own, Locks(own, Settings(), lambda _: asked) as locks:
        result: list[T] = []

        def once() -> None:
            own.rollback()
            result[:] = [work(own)]
            own.commit()

        locks.again(once)()
        return result[0]


class Stopwatch:
    """How long others were made to wait."""

    def __init__(self) -> None:
        self.begun: float | None = None
        self.seconds = 0.0

    def start(self) -> None:
        """Others wait from now on."""
        self.begun = time.monotonic()

    def stop(self) -> None:
        """They go on."""
        if self.begun is not None:
            self.seconds = time.monotonic() - self.begun


__all__ = ["Stopwatch", "in_one_go", "send"]
