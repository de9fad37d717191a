"""Judging what revisions and SQL files would do, without running them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

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
    facts = safety.Facts() if wanted.downgrade else _with_functions_before(project, settings, chosen)
    return list(_each_on_its_own(readings, facts))


def _with_functions_before(project: Project, settings: Settings, chosen: Sequence[Script]) -> safety.Facts:
    """What is known without a database: the functions that revisions create which go before, since these may call them.

    Only those are read that say so in their files.
    """
    facts = safety.Facts()
    for script in project.ordered:
        if script in chosen:
            break
        if any(_CREATES.search(path.read_text("utf-8", "replace")) for path in project.files(script).paths):
            with suppress(WaiverRefused):  # of a revision that nobody asks about
                facts = safety.with_functions(facts, _statements(review.read(script, settings)))
    return facts


_CREATES = re.compile("function|procedure", re.IGNORECASE)


def _each_on_its_own(readings: Sequence[review.Reading], facts: safety.Facts) -> Iterator[review.Verdict]:
    for reading in readings:
        yield from review.judge([reading], facts)
        facts = safety.with_functions(facts, _statements(reading))


def _statements(reading: review.Reading) -> list[safety.Statement]:
    return [each.statement for each in reading.sent]
