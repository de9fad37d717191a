"""Asking for locks: briefly, again, and not before those who would take long have gone."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import durations
from tsext.errors import LockNotAvailable
from tsext.locks import cursors, reporting
from tsext.locks.holds import Holds, Tell
from tsext.locks.looking import Lookout, Seen, Wait
from tsext.locks.policy import Policy
from tsext.locks.session import Place, Session
from tsext.locks.statements import Kind, Statement
from tsext.locks.step import Step
from tsext.model.locks import LockMode
from tsext.sql.sending import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, QUERY_CANCELED, said_first, sqlstate

log = logging.getLogger("alembic.tsext")

SERIALIZATION_FAILURE = "40001"

_IN_TRANSACTION = 2
"""``PQTRANS_INTRANS``, in both drivers."""

HOLDING = 2.0
"""Seconds for which we ask again while we hold locks that others may want; then they are released."""

BRIEFEST = 0.001
"""Seconds: PostgreSQL's shortest ``lock_timeout``, for a try although somebody seems to be in the way."""

PAUSE = 5
"""Before we ask again, others have the queue to themselves for up to so many times as long as we stood in it."""


PASSING = (LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, SERIALIZATION_FAILURE)
"""What may succeed if it is done again."""


_SETTLING = Statement("SET CONSTRAINTS ALL IMMEDIATE", "SET", Kind.ROWS, on_existing=False)
"""The checks that were deferred lock the rows that are referenced."""


class Acquirer:
    """Has every statement on one connection ask for its locks briefly, and again until a deadline."""

    def __init__(self, connection: Connection, policy: Policy, tell: Tell) -> None:
        self.connection = connection
        self.policy = policy
        self.tell = tell
        """Told the text of a statement, tells what it locks."""
        dbapi: Any = connection.connection.dbapi_connection
        self.session = Session(dbapi, cursors.plain(dbapi))
        self.lookout = Lookout(connection)
        self.cancelled: Callable[[], bool] = lambda: False
        """Whether it was we who cancelled the statement at work, from elsewhere, because others waited for it."""
        self.role_may_differ = False
        """Whether a step may have left another role behind."""
        self.step: Step | None = None
        """The step at work; what is sent between steps is not sent again."""

    def install(self) -> None:
        """Have all cursors of the connection ask so, whoever makes them."""
        dbapi = self.session.dbapi
        self._before = dbapi.cursor_factory, self.session.install(self.policy.tables[0])
        dbapi.cursor_factory = cursors.asking(self, self.session.cursor)

    def uninstall(self) -> None:
        """Give the connection back as it was."""
        self.session.dbapi.cursor_factory, timeout = self._before
        self.session.restore(timeout)

    def execute(self, send: Callable[[], Any], query: Any, cursor: Any) -> Any:
        """What a cursor does instead of executing.

        :param send: executes the statement.
        :raises LockNotAvailable: if it did not get its locks in time.
        """
        if self.lookout.busy:
            return send()
        if self.step is None:
            self._between_steps()
            return send()
        statement = Statement.of(query, cursor, self.session.autocommit)
        place = self.step.place(statement, self.session)
        self.role_may_differ |= statement.may_change_role
        if statement.sets_timeout:
            self.session.notice(statement)
        if statement.kind is Kind.SESSION:
            result = send()
            if self.session.is_idle:
                self.step.ended(statement)
            return result
        result = self._ask(self.step, send, statement, place)
        self.step.sent(self.session)
        return result

    def prepare(self, query: Any, cursor: Any) -> None:
        """What a cursor does before it copies rows, which cannot be sent again by itself."""
        if self.step is None or self.lookout.busy:
            return
        statement = Statement.of(query, cursor, self.session.autocommit)
        self.step.place(statement, self.session)
        self.step.ran = True  # committed when the next statement finds no transaction
        self.session.limit(self.step.timeout(statement.kind))

    def _between_steps(self) -> None:
        """A transaction of its own, as that of a validation: it reads, and may wait for who keeps it from that."""
        if self.session.is_idle:
            self.session.began()
            self.session.limit(self.policy.rows[0])

    def _ask(self, step: Step, send: Callable[[], Any], statement: Statement, place: Place) -> Any:
        timeout = self._looking_first(step, statement, place)
        if timeout is not None:
            self.session.limit(timeout)
        self.session.enter(place)
        try:
            result = send()
        except Exception as error:
            if not self.is_refusal(error):
                raise
            result = self._ask_again(step, send, statement, place, error)
        self.session.leave(place)
        return result

    def _ask_again(
        self, step: Step, send: Callable[[], Any], statement: Statement, place: Place, error: Exception
    ) -> Any:
        until: float | None = None
        while True:
            until = self._undo(step, statement, place, until, error)
            self.session.limit(self.wait(step, statement, place, until))
            step.holds.again()
            try:
                return send()
            except Exception as again:
                if not self.is_refusal(again):
                    raise
                error = again

    def _looking_first(self, step: Step, statement: Statement, place: Place) -> float | None:
        """For how long to ask, after a wait if there is somebody to wait for; None: for as long as the one before."""
        if statement.text in step.waited_for:
            return step.waited_for.pop(statement.text)
        waits = place in (Place.ALONE, Place.FIRST) and statement.on_existing and statement.kind is Kind.TABLE
        if waits and not self.session.authors and self.lookout.may_be_crowded():
            return self.wait(step, statement, place, step.expires())
        return None if statement.kind is Kind.READ else step.timeout(statement.kind)

    def is_refusal(self, error: BaseException) -> bool:
        """Whether an error of the driver says that a lock was not to be had, or that others were in between."""
        code = sqlstate(error)
        return code in PASSING or (code == QUERY_CANCELED and self.cancelled())

    def _undo(self, step: Step, statement: Statement, place: Place, until: float | None, error: Exception) -> float:
        """Undo what was refused; returns until when to go on, or raises if it cannot be sent again by itself."""
        step.attempts.refused += 1
        step.probes = not self.session.authors
        stale = sqlstate(error) == SERIALIZATION_FAILURE  # what the transaction has seen: only a new one sees more
        if self.session.current != round(BRIEFEST * 1000) and not stale:
            step.climb()
        if place is Place.AMID or statement.kind is Kind.TRANSACTIONS or (stale and place is Place.SAVEPOINT):
            step.refused = statement  # whoever sent it may know what to do
            raise error
        self.session.undo(place)
        if until is None:
            holding = place is Place.SAVEPOINT and self.lookout.holds_locks()
            until = min(step.expires(), time.monotonic() + HOLDING) if holding else step.expires()
        if time.monotonic() < until:
            return until
        if place is Place.SAVEPOINT and step.can_restart:
            step.refused = statement
            raise error
        raise self._given_up(step, statement, error) from error

    # --- one step

    @contextmanager
    def at_work(self, may_run_again: bool) -> Iterator[Step]:
        """While a step is at work.

        :param may_run_again: whether it may be run again at all.
        """
        self.session.reset()
        self.step = Step(self.policy, may_run_again, Holds(self.tell))
        try:
            yield self.step
        finally:
            self.step = None

    def settle(self, step: Step) -> None:
        """Check now what is deferred to the commit, as long as the step can be run again if that is refused.

        Most steps write no rows: then there is nothing of that kind.
        """
        if not step.defers or self.session.dbapi.info.transaction_status != _IN_TRANSACTION:
            return
        try:
            with self.lookout.ourselves():
                self.connection.exec_driver_sql(self.session.limited(_SETTLING, step.timeout(_SETTLING.kind)))
        except DBAPIError as error:
            if self.is_refusal(error):
                self._undo(step, _SETTLING, Place.AMID, None, error)
            raise

    def undo_all(self, step: Step, error: Exception) -> None:
        """Undo a step that was refused, and wait; raises the error, or a better one, if it is not to run again."""
        statement = step.refused
        if statement is None or isinstance(error, LockNotAvailable) or not self._comes_from_refusal(error):
            raise error
        if statement.kind is Kind.TRANSACTIONS:
            raise self.cut_short(step, statement, error) from error
        if not step.can_restart or time.monotonic() >= step.expires():
            raise self._given_up(step, statement, error) from error
        with self.lookout.ourselves():
            while (nested := self.connection.get_nested_transaction()) is not None:
                nested.rollback()
        self.session.rollback()
        self.session.reset()
        step.restarted()
        step.waited_for[statement.text] = self.wait(step, statement, Place.FIRST, step.expires())
        log.info("running it again from the beginning: %s was refused its locks", statement.label)

    def _comes_from_refusal(self, error: BaseException | None) -> bool:
        while error is not None:
            if self.is_refusal(getattr(error, "orig", None) or error):
                return True
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return False

    # --- waiting

    def wait(self, step: Step, statement: Statement, place: Place, until: float) -> float:
        """Wait until it makes sense to ask again; returns for how many seconds to ask."""
        begun = time.monotonic()
        asked = self._in_question(statement)
        mild = statement.kind is Kind.ROWS or (asked and not any(mode.blocks_writes for mode in asked.values()))
        try:
            if step.attempts.refused:
                self._pause(step, until)
            while True:
                timeout = step.timeout(Kind.ROWS if mild else statement.kind)
                patience = self.policy.patience(timeout)
                wait = Wait(asked, patience, until, lambda: self._looked(place), statement.label, step.probes)
                seen, holders = self.lookout.wait(wait, step.attempts)
                if seen is Seen.CHANGING:
                    step.climb()
                elif seen is Seen.VACUUM and place is not Place.SAVEPOINT:
                    self.session.ask_vacuum(holders[0].relation)
                else:
                    wanted = timeout if seen is Seen.CLEAR or mild else BRIEFEST
                    return max(BRIEFEST, min(wanted, until - time.monotonic()))
        finally:
            step.attempts.waited += time.monotonic() - begun

    def _in_question(self, statement: Statement) -> Mapping[str, LockMode]:
        """The locks it needs; where it waits for rows, EXCLUSIVE, which conflicts with whatever a writer holds."""
        asked = self.tell(statement.text)
        return asked if statement.kind is not Kind.ROWS else dict.fromkeys(asked, LockMode.EXCLUSIVE)

    def _pause(self, step: Step, until: float) -> None:
        pause = PAUSE * step.timeout(Kind.TABLE) * random.random()
        time.sleep(max(0.0, min(pause, until - time.monotonic())))

    def _looked(self, place: Place) -> None:
        """Let go of the transaction in which we looked; or see anew in it, if it must be kept."""
        if place is Place.SAVEPOINT:
            self.session.run("SELECT pg_stat_clear_snapshot()")
        elif place is not Place.ALONE:
            self.session.rollback()

    # --- giving up

    def _given_up(self, step: Step, statement: Statement, error: Exception) -> Exception:
        """The error that says why; of what could not be serialized, the server says it best."""
        return error if sqlstate(error) == SERIALIZATION_FAILURE else self.unavailable(step, statement)

    def unavailable(self, step: Step, statement: Statement) -> LockNotAvailable:
        """The error that says who is in the way, after an end of the transaction."""
        self._leave_transaction()
        asked = self._in_question(statement)
        found = self.lookout.holders(asked) if asked else self.lookout.oldest()
        self._leave_transaction()
        step.attempts.saw(found)
        seconds = self.policy.deadline + time.monotonic() - step.expires()
        return LockNotAvailable(
            f"{statement.label} did not get its locks within {durations.measured(seconds)} "
            f"(refused {step.attempts.refused} times, run again {step.attempts.restarted} times)",
            hint="end what is in the way, or wait for a quieter time; lock_deadline says how long to try",
            findings=reporting.findings(found or step.attempts.blockers.values()),
        )

    def cut_short(self, step: Step, statement: Statement, error: Exception) -> LockNotAvailable:
        """The error for what cannot be sent again, since part of it may have been done."""
        self._leave_transaction()
        found = self.lookout.oldest()
        self._leave_transaction()
        step.attempts.saw(found)
        reason = said_first(error)
        return LockNotAvailable(
            f"{statement.label} was cut short: {reason}",
            hint="end the transactions that it waited for, or set lock_deadline higher, by which each of its waits is "
            "limited; what it left half done, as an INVALID index, must be dropped first",
            findings=reporting.findings(found),
        )

    def _leave_transaction(self) -> None:
        if not self.session.is_idle:
            self.session.rollback()
