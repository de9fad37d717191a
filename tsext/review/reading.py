"""Reading a revision: which statements it would send, told by Alembic's offline mode, without a database."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from alembic import context as alembic_context
from alembic import op
from alembic.config import Config
from alembic.operations import MigrateOperation, Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

from tsext.errors import WaiverRefused
from tsext.history.contexts import quiet
from tsext.operations.operation import Operation
from tsext.operations.printing import READER
from tsext.safety import Statement, waivers
from tsext.safety.waivers import Waiver
from tsext.settings import Settings
from tsext.sql import files, grammar


@dataclass(frozen=True)
class Sent:
    """A statement that a revision would send."""

    statement: Statement
    waivers: tuple[Waiver, ...] = ()
    """The waivers that cover it, expired ones too."""
    verb: str | None = None
    """The verb of tsext that states it; None if it is somebody else's."""


@dataclass(frozen=True)
class Stop:
    """Where a revision stopped, since there was no database for it to ask."""

    error: Exception | SystemExit
    path: Path
    line: int
    waivers: tuple[Waiver, ...]
    """The waivers that covered the line where it stopped."""


@dataclass(frozen=True)
class Reading:
    """What one revision, or one SQL file, would do."""

    name: str
    """The revision's id, or the file's name."""
    path: Path
    sent: tuple[Sent, ...]
    stop: Stop | None = None
    """Why it could not be read to its end; :attr:`sent` is what went before."""
    script: Script | None = None
    downgrade: bool = False
    operations: tuple[MigrateOperation, ...] = ()
    """tsext's own operations in it."""


def read_file(path: Path) -> Reading:
    """Read a SQL file that need not be a revision's.

    :raises SqlFileError: if it cannot be read.
    """
    file = files.read(path, foreign=True)
    inside = False if file.no_transaction else None
    sent = (
        Sent(_in_file(file, each, in_transaction=inside), tuple(_assured(file, one) for one in each.assured))
        for each in file.statements
    )
    return Reading(path.name, path, tuple(sent))


def read(script: Script, settings: Settings, *, downgrade: bool = False) -> Reading:
    """Run one function of a revision in Alembic's offline mode, and note what it would send.

    :param downgrade: whether the function is ``downgrade()``; else it is ``upgrade()``.
    :raises WaiverRefused: if a waiver says no rule, no reason or no date.
    """
    function = getattr(script.module, "downgrade" if downgrade else "upgrade")
    notes = _Notes(function.__code__.co_filename)
    options = {
        "as_sql": True,
        "output_buffer": notes,
        "literal_binds": True,
        "transaction_per_migration": True,
        "tsext": settings,
        READER: notes.operation,
    }
    with quiet():
        context = MigrationContext.configure(
            dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, opts=options
        )
    stop = None
    # What a revision prints is for its run, and would be in the way of a report in JSON.
    with waivers.noting() as notes.assurances, _as_op(context), _offline(), redirect_stdout(io.StringIO()):
        try:
            function()
        except WaiverRefused as error:
            place = f"{Path(script.path).name}:{notes.stop(error).line}"
            raise WaiverRefused(f"{place}: {error.message}", hint=error.hint) from error
        except (Exception, SystemExit) as error:
            stop = notes.stop(error)
    operations = tuple(notes.operations)
    return Reading(script.revision, Path(script.path), tuple(notes.sent), stop, script, downgrade, operations)


@contextmanager
def _as_op(context: MigrationContext) -> Iterator[None]:
    """Let the module ``op`` work on a context, and afterwards on the one before, if Alembic is at work."""
    outer: Operations | None = getattr(op, "_proxy", None)
    with Operations.context(context):
        yield
    if outer is not None:
        outer._install_proxy()


@contextmanager
def _offline() -> Iterator[None]:
    """Let ``context.is_offline_mode()`` say so, for revisions that can do without a database, and ask that."""
    at_work: EnvironmentContext | None = getattr(alembic_context, "_proxy", None)
    if at_work is None:
        none: Any = None  # no files are read
        with EnvironmentContext(Config(), none, as_sql=True):
            yield
        return
    before = at_work.context_opts
    at_work.context_opts = {**before, "as_sql": True}
    try:
        yield
    finally:
        at_work.context_opts = before


def _in_file(file: files.SqlFile, statement: files.Statement, *, in_transaction: bool | None = None) -> Statement:
    return Statement(statement.text, file.path, statement.line, in_transaction)


def _assured(file: files.SqlFile, directive: files.Directive) -> Waiver:
    try:
        return Waiver.parse(directive.text)
    except WaiverRefused as error:
        files.refuse(file, directive, error.message, error.hint)


class _Notes(io.TextIOBase):
    """Takes what Alembic prints, and where in the revision it came from."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.sent: list[Sent] = []
        self.operations: list[MigrateOperation] = []
        self.assurances = waivers.Assurances()
        self.in_transaction = True

    def write(self, text: str) -> int:
        """Take what Alembic's own operations print."""
        control = text.strip().upper()
        if control in ("BEGIN;", "COMMIT;"):  # around an autocommit block
            self.in_transaction = control == "BEGIN;"
        else:
            for statement in _split(text):
                self._note(Statement(statement, Path(self.path), self._line(), self.in_transaction))
        return len(text)

    def operation(
        self, statement: str, operation: MigrateOperation, place: tuple[files.SqlFile, files.Statement] | None
    ) -> None:
        """Take what ours would print."""
        if operation not in self.operations:
            self.operations.append(operation)
        if place is None:
            verb = operation.verb if isinstance(operation, Operation) else None
            self._note(Statement(statement, Path(self.path), self._line(), self.in_transaction), verb=verb)
            return
        file, found = place
        statement_ = _in_file(file, found, in_transaction=self.in_transaction)
        self._note(statement_, tuple(_assured(file, each) for each in found.assured))

    def stop(self, error: Exception | SystemExit) -> Stop:
        """Where and under which waivers an exception ended the reading."""
        lines = [line for path, line in _places(error.__traceback__) if path == self.path]
        return Stop(error, Path(self.path), lines[-1] if lines else 1, self.assurances.at(error))

    def _note(self, statement: Statement, own: tuple[Waiver, ...] = (), verb: str | None = None) -> None:
        self.sent.append(Sent(statement, (*self.assurances.active, *own), verb))

    def _line(self) -> int:
        """The line of the revision that is at work."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename != self.path:
            frame = frame.f_back
        return frame.f_lineno if frame is not None else 1


def _places(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next


def _split(text: str) -> Iterator[str]:
    """The statements of a text; what is no SQL is one, for the classifier to tell."""
    try:
        script = grammar.parse(text)
    except grammar.GrammarError:
        yield text.strip()
        return
    for start, end in script.statements:
        yield script.text[start:end]
