"""Judging what revisions and SQL files would do, without running them."""

from __future__ import annotations

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from tsext import history, review, safety
from tsext.command.reaching import Database, look_at, x_arguments
from tsext.history import Project
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
    for script in review.revisions(project, wanted, offered):
        readings.append(review.read(script, settings, downgrade=wanted.downgrade))
    if at is not None:
        return review.judge(readings, safety.facts(at.connection))
    return [verdict for reading in readings for verdict in review.judge([reading], safety.Facts())]
