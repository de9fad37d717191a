"""Judging what revisions and SQL files would do, without running them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory

from tsext import history, review, safety
from tsext.command.reaching import Database, look_at, x_arguments
from tsext.errors import WaiverRefused
from tsext.history import Project, numbers
from tsext.settings import Settings


def lint(config: Config, wanted: review.Wanted | None = None, *, database: bool = False) -> list[review.Verdict]:
    """Judge what revisions and SQL files would do, without running them.

    :param wanted: which; None: all revisions, with a database those that are pending there.
    :param database: read the catalog of the database too; else nothing is connected to.
    :raises CommandError: if there is no such revision, or a file cannot be read.
    """
    wanted = wanted or review.Wanted()
    if database:
        return look_at(config, lambda at: _reviewed(at.project, at.settings, wanted, at))
    settings, script = Settings.read(config, x_arguments(config)), ScriptDirectory.from_config(config)
    history.load(config, script, settings)
    project = Project.read(script, settings.sql_location)
    with history.in_process, EnvironmentContext(config, script, as_sql=True):
        return _reviewed(project, settings, wanted)


def _reviewed(
    project: Project, settings: Settings, wanted: review.Wanted, at: Database | None = None
) -> list[review.Verdict]:
    applied = {each.revision for each in project.behind(at.heads)} if at is not None else set()
    offered = [each for each in project.ordered if (each.revision in applied) == (wanted.downgrade and at is not None)]
    readings = [review.read_file(path) for path in review.files(wanted)]
    assigned = numbers.assign(project.ordered, history.fixed_numbers(at.connection) if at is not None else {})
    chosen = review.revisions(project, assigned, wanted, offered)
    readings += [review.read(script, settings, downgrade=wanted.downgrade) for script in chosen]
    if at is not None:
        return review.judge(readings, safety.facts(at.connection))
    return list(_each_on_its_own(readings, _Before(project, settings, wanted.downgrade)))


@dataclass
class _Before:
    """What is known without a database before each revision: what those say that go before it."""

    project: Project
    settings: Settings
    downgrade: bool
    known: list[safety.Facts] = field(default_factory=lambda: [safety.Facts()])
    """Before the first revision, and after each that was read, in their order."""
    read: dict[str, review.Reading] = field(default_factory=dict)

    def facts(self, reading: review.Reading) -> safety.Facts:
        """What is known when it begins; a file that belongs to no revision may be about anything."""
        order = [each.revision for each in self.project.ordered]
        revision = reading.script.revision if reading.script is not None else self._owner(reading.path)
        if revision is None:
            return replace(self._after(len(order)), database=None)
        return self._after(order.index(revision) + self.downgrade)

    def _owner(self, path: Path) -> str | None:
        """The revision that a SQL file belongs to."""
        owners = (each for each in self.project.ordered if path.resolve() in self._files(each))
        return next((each.revision for each in owners), None)

    def _files(self, script: Script) -> set[Path]:
        return {each.resolve() for each in self.project.files(script).paths}

    def _after(self, count: int) -> safety.Facts:
        while len(self.known) <= count:
            self.known.append(self._with(self.project.ordered[len(self.known) - 1]))
        return self.known[count]

    def _with(self, script: Script) -> safety.Facts:
        facts, reading = self.known[-1], self.read.get(script.revision)
        try:
            reading = reading or review.read(script, self.settings)
        except WaiverRefused:  # of a revision that nobody asks about
            return safety.after(facts, [], unread=_text(script))
        unread = _text(script) if reading.stop is not None else None
        return safety.after(facts, [each.statement for each in reading.sent], unread)


def _text(script: Script) -> str:
    return Path(script.path).read_text("utf-8", "replace")


def _each_on_its_own(readings: Sequence[review.Reading], before: _Before) -> Iterator[review.Verdict]:
    if not before.downgrade:
        before.read = {each.script.revision: each for each in readings if each.script is not None}
    for reading in readings:
        yield from review.judge([reading], before.facts(reading))
