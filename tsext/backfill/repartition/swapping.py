"""The swap: the new table takes the place of the old one, or the old one that of the new one again."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from tsext import catalog, locks
from tsext.backfill.repartition import aggregates, capture, details, shadow, vanished
from tsext.backfill.repartition.capture import Capture
from tsext.backfill.repartition.exchange import EXCLUSIVE, Swap, view_again
from tsext.backfill.repartition.locking import in_one_go
from tsext.backfill.repartition.move import Flow, Move, table_of
from tsext.backfill.repartition.replay import most_ranges, replay
from tsext.backfill.repartition.sessions import SETTLED, commit, transaction
from tsext.errors import LockNotAvailable
from tsext.model.locks import LockMode
from tsext.sql.quoting import identifier, qualified
from tsext.sql.sending import send

log = logging.getLogger("alembic.tsext")

LONGEST = (0.03, 0.03, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.25, 0.5, 1.0)
"""Seconds that bringing over what is left may take while others wait; after that, the lock is given back first.

From one try to the next, the last for all that follow: on a server that is so busy that it never ends in time, it is
better to make others wait for once than never to come to an end.
"""

_QUICK = 0.02
"""Seconds that it should take, before it is worth to ask for the lock."""

_TRIES = 20

_ROUNDS = 10
"""How often changes are brought over before the lock is asked for, as long as each time there are clearly fewer."""

_FEWER = 0.7

_COMMITTED_AT_ONCE = "SET LOCAL synchronous_commit = off"
"""Nobody waits for the disk: what others write then into the new table is written to the WAL after the swap."""


def swap(connection: Connection, move: Move, more: Sequence[str] = ()) -> float:
    """Let the new table take the place of the old one; gives for how many seconds others had to wait.

    :param connection: in autocommit mode.
    :param more: what is said at the end, in the same transaction.
    :raises LockNotAvailable: if the table was never free for long enough.
    """
    flow = move.forth(connection)
    return _exchange(connection, Swap(move, flow, move.place, move.kept), more)


def swap_back(connection: Connection, move: Move, more: Sequence[str] = ()) -> float:
    """Let the old table take its place again, with what has changed since; gives for how many seconds others waited."""
    flow = move.back(connection)
    return _exchange(connection, Swap(move, flow, move.kept, move.place), more)


def fill_aggregates(connection: Connection, move: Move, *, back: bool = False) -> None:
    """Bring continuous aggregates that are to take the place up to date before the swap, which may take long."""
    if not move.spec.aggregates:
        return
    flow = move.back(connection) if back else move.forth(connection)
    with transaction(connection):
        vanished.learn(connection, move, flow.home)
        vanished.notice(connection, move, flow.home)
    replay(connection, flow)
    aggregates.fill(connection, move, back=back)


def _exchange(connection: Connection, what: Swap, more: Sequence[str]) -> float:
    exchange = _Exchange(what, more)
    for attempt in range(_TRIES):
        exchange.longest = LONGEST[min(attempt, len(LONGEST) - 1)]
        needs = what.locks(connection)
        named = catalog.locked(connection, needs, new=False).named  # afterwards, the names mean other tables
        try:
            in_one_go(connection, needs, exchange.work, exchange.before)
        except TimeoutError as error:
            log.info("%s; once more", error)
            continue
        with transaction(connection):
            if what.is_forth:  # those that came with the last changes
                vanished.learn(connection, what.move, identifier(what.leaves_for))
        log.info("%s swapped: writers waited for %.0f ms", what.move.table, 1000 * exchange.seconds)
        held = {oid: LockMode(needs[name]) for name, oid in named.items()}
        locks.note_held(connection, held, exchange.seconds)
        validate(connection, what.move)
        return exchange.seconds
    raise LockNotAvailable(
        f"{what.move.table} is written so fast that what changes could not be brought over in time",
        hint="run it again at a quieter time; where a primary key of integers, texts and uuids tells rows apart, those "
        f"that change are brought over one by one, without it all that have the same {what.move.spec.column}",
    )


class _Exchange:
    """One exchange of two tables, which may have to be tried again."""

    def __init__(self, what: Swap, more: Sequence[str]) -> None:
        self.what = what
        self.more = more
        self.noting = Capture(what.flow)
        self.longest = LONGEST[0]
        self.seconds = 0.0
        """For which others had to wait in the end."""
        self.referring: tuple[str, ...] = ()

    def before(self, own: Connection) -> None:
        """All that need not be done while others wait: look, and bring over what has changed, until little is left."""
        what = self.what
        with transaction(own):
            send(own, "SET LOCAL search_path = ''")
            current = table_of(own, what.move.spec.table, what.place)
            shadow.refuse_altered(own, current, table_of(own, what.move.spec.table, what.other), what.move.spec.types)
            aggregates.refuse_altered(own, what.move)
            views = [view_again(own, each) for each in aggregates.views(own, what.move, current)]
            self.referring = current.referring
            capture.refuse_lost(own, self.noting)
            self.most = most_ranges(own, what.flow)
            self.mark = catalog.table_mark(own, what.move.table)
            more = details.details_of(own, what.move.spec.table, what.place)
            self.said = ";\n".join([*self._locks("ACCESS EXCLUSIVE"), *what.statements(current, more, views)])
            if what.is_forth:
                home = what.noting_back.flow.home
                made = [f"CREATE SCHEMA IF NOT EXISTS {home}", *what.noting_back.log, vanished.known(home)]
                send(own, ";\n".join(made))
                send(own, SETTLED)
                vanished.learn(own, what.move, home, what.other)
        last = float("inf")
        for _ in range(_ROUNDS):
            with transaction(own):
                vanished.learn(own, what.move, what.flow.home)
                vanished.notice(own, what.move, what.flow.home)
            took = replay(own, what.flow).seconds
            if took < _QUICK or took > _FEWER * last:
                return
            last = took

    def work(self, own: Connection) -> None:
        """All in one transaction."""
        what = self.what
        send(own, "; ".join(self._locks("SHARE ROW EXCLUSIVE")))
        begun = time.monotonic()
        if catalog.table_mark(own, what.move.table) != self.mark:
            raise TimeoutError(f"{what.move.table} was altered meanwhile")
        send(own, f"{SETTLED}; {vanished.noticing(what.move, what.flow.home)}")
        replay(own, what.flow, self.longest, self.most)
        send(own, self.said)
        if what.is_forth:
            what.noting_back.install(own)
        send(own, ";\n".join([*self.more, _COMMITTED_AT_ONCE]))
        commit(own)
        self.seconds = time.monotonic() - begun

    def _locks(self, mode: str) -> list[str]:
        """Those that refer to the table first, as who writes into one of them looks into the table afterwards."""
        return [*(f"LOCK TABLE ONLY {each} IN {mode} MODE" for each in self.referring), self.noting.lock(mode)]


# --- afterwards


def validate(connection: Connection, move: Move) -> None:
    """What nobody has to wait for during the swap; goes on after a kill.

    Foreign keys are made sure to hold, as they are created without looking at the rows; and what noted the changes of
    the old table, for the swap, is dropped.
    """
    for schema in (move.place, move.kept):
        query = "SELECT obj_description(to_regnamespace(%(schema)s), 'pg_namespace')"
        left = connection.exec_driver_sql(query, {"schema": identifier(schema)}).scalar()
        for statement in json.loads(left or "[]"):
            send(connection, statement)
        if left:
            send(connection, f"COMMENT ON SCHEMA {identifier(schema)} IS NULL")
    if move.is_swapped(connection):
        send(connection, f"DROP SCHEMA IF EXISTS {identifier(move.place)} CASCADE")


def clear(connection: Connection, move: Move) -> None:
    """Drop the table that is not in place, and what notes changes for it; nothing, if there is none. Jobs run again.

    :param connection: in autocommit mode.
    """
    for schema, table in ((move.place, move.shadow), (move.kept, move.old)):
        flow = _noting(connection, move, schema)
        if flow is not None:
            in_one_go(connection, {move.table: EXCLUSIVE}, _dropping(move, flow))
        aggregates.drop(connection, schema)
        send(connection, f"DROP TABLE IF EXISTS {table}")
        with transaction(connection):
            send(connection, f"DROP SCHEMA IF EXISTS {identifier(schema)} CASCADE")
    move.jobs.resume(connection)


def _noting(connection: Connection, move: Move, schema: str) -> Flow | None:
    """The flow for which changes of the table in place are noted, if that is in this schema."""
    query = "SELECT to_regclass(%(log)s) IS NOT NULL AND to_regclass(%(table)s) IS NOT NULL"
    names = {"log": qualified("tsext_changes", schema), "table": qualified(move.spec.table, schema)}
    if not connection.exec_driver_sql(query, names).scalar():
        return None
    return move.forth(connection) if schema == move.place else move.back(connection)


def _dropping(move: Move, flow: Flow) -> Callable[[Connection], None]:
    def work(own: Connection) -> None:
        send(own, f"LOCK TABLE ONLY {move.table} IN ACCESS EXCLUSIVE MODE")
        send(own, "; ".join(Capture(flow).removal))

    return work
