"""The locks of one run. What asks for them is imported with the first step: most runs have nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection

from tsext.locks import cursors
from tsext.locks.attempts import Attempts
from tsext.settings import Settings
from tsext.steps import Steps

if TYPE_CHECKING:
    from tsext.locks.acquiring import Acquirer
    from tsext.locks.holds import Holds, Tell
    from tsext.model.locks import LockMode


class Locks:
    """Has the steps of one run acquire their locks as the settings say; to be used in a ``with`` block.

    :param tell: told the text of a statement, tells what it locks, by relation; asked only once somebody is in the
        way, and for the receipt. A good guess is enough: with a wrong one we wait a little too long, or ask a little
        too early.
    :param off: everything passes as it is, as on a server that takes one client at a time.
    """

    def __init__(self, connection: Connection, settings: Settings, tell: Tell, *, off: bool = False) -> None:
        self.connection = connection
        self.settings = settings
        self.tell = tell
        self.off = off
        self.before_again: list[Callable[[], None]] = []
        """Called before a step runs again."""
        self.cancelled: Callable[[], bool] = lambda: False
        """Whether it was we who cancelled the statement at work, from elsewhere: then it was refused, too."""
        self.attempts = Attempts()
        """What it took to get the locks of the step at work, or of the last one."""
        self.holds: Holds | None = None
        """For how long that step has locked what."""
        self.committed = False
        """Whether the step at work, or the last one, has committed anything itself."""
        self.acquirer: Acquirer | None = None
        """None until the first step."""

    @property
    def role_may_differ(self) -> bool:
        """Whether a step may have left another role behind."""
        return self.acquirer is not None and self.acquirer.role_may_differ

    def __enter__(self) -> Locks:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the connection back as it came."""
        if self.acquirer is not None:
            self.acquirer.uninstall()

    def following(self, steps_of: Steps) -> Steps:
        """Alembic's function that lists the steps, with each revision's work run as often as it takes."""

        def followed(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
            for step in steps_of(heads, context):
                if isinstance(step, RevisionStep):
                    once = getattr(step.revision.module, "run_once", False)
                    step.migration_fn = self.again(step.migration_fn, may_run_again=not once)
                yield step

        return followed

    def again(self, work: Callable[..., Any], *, may_run_again: bool = True) -> Callable[..., Any]:
        """Work whose statements ask for their locks as the settings say, and which is run as often as it takes.

        :param may_run_again: whether it may be run again at all.
        """
        if self.off:
            return work

        @wraps(work, assigned=["__name__"], updated=())  # which Alembic logs
        def run(*arguments: Any, **options: Any) -> Any:
            acquirer = self.acquirer = self.acquirer or self._installed()
            with acquirer.at_work(may_run_again) as step:
                self.attempts, self.holds = step.attempts, step.holds
                while True:
                    try:
                        done = work(*arguments, **options)
                        acquirer.settle(step)
                        return done
                    except Exception as error:
                        acquirer.undo_all(step, error)
                    finally:
                        self.committed = step.committed
                    for each in self.before_again:
                        each()

        return run

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """While tsext itself sends something on the connection, which is no statement of the step."""
        with self.acquirer.lookout.ourselves() if self.acquirer is not None else nullcontext():
            yield

    def _installed(self) -> Acquirer:
        from tsext.locks.acquiring import Acquirer
        from tsext.locks.policy import Policy

        acquirer = Acquirer(self.connection, Policy.of(self.settings), self.tell)
        acquirer.cancelled = lambda: self.cancelled()
        acquirer.install()
        return acquirer


def note_held(connection: Connection, held: Mapping[int, LockMode], seconds: float) -> None:
    """Have the receipt of the step at work on this connection tell what was locked for it on another.

    :param held: by oid of the table.
    :param seconds: for how long.
    """
    asks = cursors.asks_of(connection)
    if asks is not None and asks.step is not None:
        asks.step.holds.note(held, seconds)
