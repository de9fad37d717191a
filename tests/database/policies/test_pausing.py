"""Jobs that are paused around a revision."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tsext import RefreshPolicy, ReorderPolicy, RetentionPolicy, catalog
from tsext.errors import PreflightFailed
from tsext.operations.pausing import wait_for

from .declaring import AGGREGATE, START, look, models


@pytest.fixture
def paused(licensed):
    licensed.migrate(
        models(
            RetentionPolicy("6 months", initial_start=START, timezone="Europe/Berlin"),
            ReorderPolicy("ix_ticks", scheduled=False),
        )
    )
    licensed.execute(AGGREGATE)
    licensed.run('op.add_continuous_aggregate_policy("hourly", "1 month", "1 hour", "1 hour")')
    return licensed


SCHEDULED = "SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000 AND scheduled"


@pytest.mark.licensed
def test_jobs_are_paused_in_a_transaction_of_their_own(paused):
    before = look(paused)
    assert paused.scalar(SCHEDULED) == 2
    code = f"""
    def scheduled():
        return op.get_bind().exec_driver_sql({SCHEDULED!r}).scalar()

    with op.pause_jobs("ticks"):
        op.get_bind().rollback()
        assert scheduled() == 1
        op.get_bind().rollback()
        op.get_context()._transaction = op.get_bind().begin()
        with op.pause_jobs("ticks", "hourly", timeout="1 minute"):
            assert scheduled() == 0
        assert scheduled() == 2
    """
    paused.run(code)
    assert look(paused) == before
    assert "paused_by_tsext" not in str(paused.jobs())


@pytest.mark.licensed
def test_a_failure_undoes_the_block_and_resumes(paused):
    before = look(paused)
    for failure in ("raise KeyError", 'op.execute("SELECT 1 / 0")', "raise KeyboardInterrupt"):
        code = f"""
        with op.pause_jobs("ticks", "hourly"):
            op.execute("CREATE TABLE half (id int)")
            op.alter_retention_policy("ticks", drop_after="1 day")
            {failure}
        """
        with pytest.raises((KeyError, sa.exc.DBAPIError, KeyboardInterrupt)):
            paused.run(code)
        assert look(paused) == before


@pytest.mark.licensed
def test_what_stayed_paused_is_resumed_later(paused):
    before = look(paused)
    pause = """
    with op.pause_jobs("ticks", "hourly"):
        pass
    op.execute("SELECT 1 / 0")
    """
    with pytest.raises(sa.exc.DBAPIError):
        paused.run(pause)
    assert paused.scalar(SCHEDULED) == 0
    found = {type(each): each.scheduled for each in paused.ask(catalog.policies)}
    assert found == {RetentionPolicy: True, RefreshPolicy: True, ReorderPolicy: False}
    for code in ('op.resume_jobs("ticks", "hourly")', pause.replace("1 / 0", "1")):
        with pytest.raises(sa.exc.DBAPIError):
            paused.run(pause)
        assert look(paused) != before
        paused.run(code)
        assert look(paused) == before


@pytest.mark.licensed
def test_what_the_block_changes_stays_changed(paused):
    code = """
    with op.pause_jobs("ticks"):
        op.alter_retention_policy("ticks", drop_after="1 year", old_drop_after="6 months")
        op.remove_reorder_policy("ticks")
    """
    paused.run(code)
    (found,) = (each for each in paused.ask(catalog.policies) if each.name == "ticks")
    assert (found.drop_after, found.scheduled, found.config) == ("1 year", True, None)
    assert found.timezone == "Europe/Berlin"


@pytest.mark.licensed
def test_what_offline_mode_prints_does_the_same(paused):
    buffer = io.StringIO()
    options = {"as_sql": True, "output_buffer": buffer}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    with Operations(context).pause_jobs("ticks", "hourly", timeout="1 second"):
        buffer.write("@@@")
    # This build keeps the table where releases before 2.25 have it.
    text = buffer.getvalue().replace("_timescaledb_catalog.bgw_job", "_timescaledb_config.bgw_job")
    before = paused.jobs()
    for part, scheduled in zip(text.split("@@@"), (0, 2), strict=True):
        paused.execute(*(each for each in part.split(";\n\n") if each not in ("", "BEGIN", "COMMIT")))
        assert paused.scalar(SCHEDULED) == scheduled
    assert paused.jobs() == before


@pytest.mark.licensed
def test_a_project_pauses_around_a_revision(paused, new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    body = """with op.pause_jobs("ticks", "hourly"):
        op.execute("CREATE TABLE half (id int)")
        op.execute("SELECT 1 / {}")"""
    before = paused.jobs()
    path = project.revision("001_half", None, body.format(0), 'op.drop_table("half")')
    told = project.run("alembic", "upgrade", "head", fails=True)
    assert "division by zero" in told
    assert paused.jobs() == before
    assert paused.scalar("SELECT to_regclass('half')") is None
    path.write_text(path.read_text().replace("1 / 0", "1 / 1"))
    project.run("alembic", "upgrade", "head")
    assert paused.jobs() == before
    assert paused.scalar("SELECT to_regclass('half')") == "half"
    assert paused.scalar("SELECT string_agg(outcome, ' ' ORDER BY id) FROM tsext.event") == "failed succeeded"
    offline = project.run("alembic", "upgrade", "base:head", "--sql")
    assert offline.count("paused_by_tsext") == 3
    project.run("alembic", "downgrade", "base")
    assert paused.jobs() == before


def test_a_job_that_runs_is_waited_for(timescaledb):
    """On a server with several sessions: one that calls itself as a job does."""
    name = "Retention Policy [1000]"
    connect = sa.create_engine(timescaledb.engine.url, connect_args={"application_name": name}).connect
    with timescaledb.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wait_for(connection, [name], timedelta(0))
        with connect() as job:
            pid = job.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with pytest.raises(
                PreflightFailed, match=rf"still run after 1s: Retention Policy \[1000\] \(process {pid}\)"
            ):
                wait_for(connection, [name, "other"], timedelta(seconds=1))
            wait_for(connection, ["other"], timedelta(0))
            job.detach()
            job.connection.close()
        wait_for(connection, [name], timedelta(seconds=30))
