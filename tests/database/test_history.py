"""History and bridge on a real server: what is recorded, what is found, what is refused."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from alembic import command as alembic_command
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from tsext import command
from tsext.errors import HistoryError, RevisionFailed, UpgradeLocked
from tsext.history import bookkeeping
from tsext.history.lock import UPGRADE_LOCK, upgrade_lock


def versions(project):
    return [row[0] for row in project.rows("SELECT version FROM migration_history ORDER BY 1")]


def test_migration_history_is_exactly_the_specified_table(project):
    project.tables("001_one")
    project.run("alembic", "upgrade", "head")
    columns = project.rows(
        "SELECT column_name, data_type, character_maximum_length, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_name = 'migration_history' ORDER BY ordinal_position"
    )
    assert columns == [
        ("version", "integer", None, "NO", None),
        ("name", "character varying", 255, "NO", None),
        ("applied_at", "timestamp with time zone", None, "YES", "now()"),
        ("rollback_available", "boolean", None, "NO", "true"),
        ("checksum", "character varying", 64, "NO", None),
        ("execution_time_ms", "integer", None, "NO", None),
        ("applied_by", "character varying", 100, "YES", "CURRENT_USER"),
    ]


def test_upgrade_downgrade_upgrade_is_recorded(project):
    project.tables("001_one", "002_two")
    project.run("alembic", "upgrade", "head")
    assert project.rows("SELECT version, name, rollback_available, applied_by FROM migration_history") == [
        (1, "one", True, "postgres"),
        (2, "two", True, "postgres"),
    ]
    project.run("alembic", "downgrade", "001")
    assert versions(project) == [1]
    project.run("alembic", "upgrade", "002")
    assert versions(project) == [1, 2]
    assert project.rows("SELECT kind, version, outcome FROM tsext.event ORDER BY id") == [
        ("upgrade", 1, "succeeded"),
        ("upgrade", 2, "succeeded"),
        ("downgrade", 2, "succeeded"),
        ("upgrade", 2, "succeeded"),
    ]
    assert command.validate(project.config, models=False) == []


def test_checksum_is_what_cat_and_sha256sum_say(project):
    project.revision("001_one", None, 'op.execute_file("001_one.sql")', 'op.execute_rollback_file("001_rollback.sql")')
    project.sql_file("001_one.sql", "CREATE TABLE a (b text DEFAULT '100% :x');\n")
    project.sql_file("rollback/001_rollback.sql", "DROP TABLE a;\n")
    project.run("alembic", "upgrade", "head")
    printed = subprocess.run(
        "cat alembic/versions/001_*.py migrations_sql/001_*.sql migrations_sql/rollback/001_rollback.sql | sha256sum",
        shell=True, cwd=project.path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert project.scalar("SELECT checksum FROM migration_history") == printed.stdout.split()[0]


def test_line_ends_do_not_matter(project):
    project.tables("001_one")
    project.run("alembic", "upgrade", "head")
    path = project.versions / "001_one.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    project.run("alembic", "upgrade", "head")


def edited(project):
    path = project.versions / "001_one.py"
    path.write_text(path.read_text() + "# edited\n")


def deleted(project):
    (project.versions / "003_three.py").unlink()


def deleted_and_edited(project):
    deleted(project)
    edited(project)


def deleted_for_another(project):
    """What is not applied here builds on the same one, so that the newer code is not what would mend it."""
    deleted(project)
    project.revision("004_other", "002_two")


def renamed(project):
    text = (project.versions / "003_three.py").read_text().replace("003_three", "003_drei")
    (project.versions / "003_three.py").unlink()
    (project.versions / "003_drei.py").write_text(text)


def late(project):
    text = (project.versions / "003_three.py").read_text()
    (project.versions / "003_three.py").write_text(text.replace("down_revision = '002_two'", "down_revision = '002_b'"))
    project.revision("002_b", "002_two")


def row_deleted(project):
    project.execute("DELETE FROM migration_history WHERE version = 2")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (edited, "revision 001_one has changed since it was applied (edited: 001_one.py)"),
        (deleted, "the database is ahead of these files: 003_three is applied, after 002_two"),
        (deleted_and_edited, "revision 001_one has changed since it was applied (edited: 001_one.py)"),
        (deleted_for_another, "revision 003_three is applied, but its files are gone"),
        (renamed, "revision 003_three was renamed to 003_drei"),
        (late, "number 2 is used by 2 files"),
        (row_deleted, "alembic_version says that 002_two is applied, migration_history does not"),
    ],
)
def test_disagreement_is_refused_before_anything_runs(project, fault, says):
    project.tables("001_one", "002_two", "003_three")
    project.run("alembic", "upgrade", "head")
    fault(project)
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert says in output
    assert "hint:" in output


def test_pending_revision_behind_an_applied_one_is_late(project):
    project.tables("001_one", "003_three")
    project.run("alembic", "upgrade", "head")
    project.revision("002_b", "001_one")
    output = project.run("alembic", "upgrade", "heads", fails=True)
    assert "revision 002_b is pending, but 003 is already applied" in output
    assert project.run("tsext", "renumber").strip().endswith("002_b -> 004_b")
    project.run("alembic", "upgrade", "heads")
    assert versions(project) == [1, 3, 4]


def test_policy_warn_lets_an_edit_pass_and_says_so(project):
    project.tables("001_one")
    project.run("alembic", "upgrade", "head")
    edited(project)
    project.configure("staging", history_policy="warn")
    output = project.run("alembic", "-x", "env=staging", "upgrade", "head")
    assert "has changed since it was applied" in output
    project.run("alembic", "-x", "env=production", "upgrade", "head", fails=True)


def test_repair_accepts_an_edit_and_leaves_an_event(project):
    project.tables("001_one")
    project.run("alembic", "upgrade", "head")
    edited(project)
    assert "accepted: 001_one" in project.run("tsext", "history", "repair", "1")
    project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT count(*) FROM tsext.event WHERE kind = 'repair'") == 1


@pytest.mark.parametrize(
    ("forgery", "rule"),
    [
        ("DELETE FROM tsext.event WHERE id = 2", "event-deleted"),
        ("DELETE FROM tsext.event WHERE id = 3", "event-truncated"),
        ("UPDATE tsext.event SET applied_by = 'somebody' WHERE id = 2", "event-forged"),
        ("DELETE FROM migration_history WHERE version = 2", "history-row-deleted"),
        ("INSERT INTO migration_history VALUES (9, 'x', now(), true, 'x', 0)", "history-row-forged"),
        ("UPDATE migration_history SET checksum = 'x' WHERE version = 2", "checksum-mismatch"),
    ],
)
def test_validate_finds_what_was_deleted_or_forged(project, forgery, rule):
    project.tables("001_one", "002_two", "003_three")
    project.run("alembic", "upgrade", "head")
    assert command.validate(project.config, models=False) == []
    project.execute(forgery)
    assert rule in {finding.rule for finding in command.validate(project.config, models=False)}
    with project.command("tsext", "validate") as process:
        assert "hint:" in process.communicate()[0]
    assert process.returncode == 1


def test_a_failed_revision_leaves_a_boundary_an_event_and_a_way_on(project, monkeypatch):
    project.tables("001_one")
    path = project.revision("002_two", "001_one", 'op.execute("CREATE TABLE b (id int)"); raise ValueError("no way")')
    with pytest.raises(RevisionFailed, match="nothing of it remains"):
        alembic_command.upgrade(project.config, "head")
    assert versions(project) == [1]
    assert project.scalar("SELECT version_num FROM alembic_version") == "001_one"
    assert project.scalar("SELECT to_regclass('b')") is None
    assert project.rows("SELECT revision, error FROM tsext.event WHERE outcome = 'failed'") == [("002_two", "no way")]
    monkeypatch.setenv("TSEXT_ENV", "development")  # which runs what cannot be read
    own = 'from tsext.errors import TsextError; raise TsextError("no way", hint="say yes")'
    path.write_text(path.read_text().replace('raise ValueError("no way")', own))
    with pytest.raises(RevisionFailed, match=r"hint: say yes; nothing .* stay applied; run the same command again$"):
        alembic_command.upgrade(project.config, "head")
    path.write_text(path.read_text().replace(own, "pass"))
    alembic_command.upgrade(project.config, "head")
    assert versions(project) == [1, 2]
    assert command.validate(project.config, models=False) == []


def test_stamp_is_recorded_both_ways(project):
    project.tables("001_one", "002_two", "003_three")
    project.run("alembic", "stamp", "003")
    assert versions(project) == [1, 2, 3]
    project.run("alembic", "stamp", "001")
    assert versions(project) == [1]
    assert project.scalar("SELECT to_regclass('t_001_one')") is None


def test_merges_and_hash_ids_work_and_are_numbered_in_order(project):
    project.revision("aaaaaaaaaaaa", None)
    project.revision("cccccccccccc", "aaaaaaaaaaaa")
    project.revision("bbbbbbbbbbbb", "aaaaaaaaaaaa")
    project.revision("dddddddddddd", ("bbbbbbbbbbbb", "cccccccccccc"))
    project.run("alembic", "upgrade", "head")
    assert project.rows("SELECT revision, version FROM tsext.bridge ORDER BY 2") == [
        ("aaaaaaaaaaaa", 1),
        ("bbbbbbbbbbbb", 2),
        ("cccccccccccc", 3),
        ("dddddddddddd", 4),
    ]
    project.run("alembic", "downgrade", "base")
    assert versions(project) == []
    project.run("tsext", "migrate", "--target=latest")
    project.run("tsext", "rollback", "--target=1")
    assert versions(project) == [1]


PLAIN_ENV = """
from alembic import context
from sqlalchemy import create_engine
import os
with create_engine(os.environ["TSEXT_DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_adopt_takes_over_what_plain_alembic_did(project):
    env = project.path / "alembic" / "env.py"
    ours = env.read_text()
    project.revision("aaaaaaaaaaaa", None, 'op.execute("CREATE TABLE a (id int)")')
    project.revision("bbbbbbbbbbbb", "aaaaaaaaaaaa")
    env.write_text(PLAIN_ENV)
    project.run("alembic", "upgrade", "head")
    env.write_text(ours)
    project.revision("cccccccccccc", "bbbbbbbbbbbb")
    assert "tsext adopt" in project.run("alembic", "upgrade", "head", fails=True)
    assert "adopted 2 revision(s)" in project.run("tsext", "adopt")
    project.run("alembic", "upgrade", "head")
    assert versions(project) == [1, 2, 3]
    assert command.validate(project.config, models=False) == []


def test_status_in_json(project):
    project.tables("001_one", "002_two")
    project.run("alembic", "upgrade", "001")
    edited(project)
    lines = json.loads(project.run("tsext", "status", "--json"))
    assert [(line["version"], line["state"], line["checksum_state"]) for line in lines] == [
        (1, "applied", "changed"),
        (2, "pending", "-"),
    ]
    assert "one" in project.run("tsext", "status")


def test_offline_script_leaves_the_same_schema_and_history(project, timescaledb_server):
    project.revision("001_one", None, 'op.execute_file("001_one.sql")', 'op.execute_rollback_file("001_rollback.sql")')
    project.sql_file("001_one.sql", "CREATE TABLE a (b text DEFAULT 'tab\there');\n")
    project.sql_file("rollback/001_rollback.sql", "DROP TABLE a;\n")
    project.revision("002_two", "001_one", 'op.execute_file("002_two.sql")')
    project.sql_file("002_two.sql", "-- tsext: no-transaction\nCREATE INDEX CONCURRENTLY i ON a (b);\n")
    config = project.config
    script = project.path / "up.sql"
    with script.open("w") as config.output_buffer:
        alembic_command.upgrade(config, "head", sql=True)
    psql = [str(timescaledb_server.bindir / "psql"), "-v", "ON_ERROR_STOP=1", "-f", str(script)]
    done = subprocess.run([*psql, project.url.replace("+psycopg2", "")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    query = "SELECT version, name, rollback_available, checksum, applied_by FROM migration_history ORDER BY 1"
    offline, default = project.rows(query), project.scalar("SELECT column_default FROM information_schema.columns "
                                                           "WHERE table_name = 'a'")  # fmt: skip
    assert default == "'tab\there'::text"
    assert command.validate(project.config, models=False) == []
    project.run("alembic", "downgrade", "base")
    project.run("alembic", "upgrade", "head")
    assert project.rows(query) == offline


def test_bookkeeping_of_an_older_tsext_is_brought_up_to_date(project):
    project.tables("001_one")
    project.run("alembic", "upgrade", "head")
    project.execute("DROP PROCEDURE tsext.record", "UPDATE tsext.bookkeeping SET schema_version = 1")
    project.tables("001_one", "002_two")
    project.run("alembic", "upgrade", "head")
    assert project.rows("SELECT schema_version FROM tsext.bookkeeping") == [(bookkeeping.VERSION,)]
    project.execute("UPDATE tsext.bookkeeping SET schema_version = 99")
    assert "newer one" in project.run("alembic", "upgrade", "head", fails=True)


def test_the_ledger_is_made_where_it_is_needed_and_kept_up_to_date(project):
    ledger = (
        "SELECT relname, attname, attnotnull FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid "
        "WHERE relkind = 'r' AND relnamespace = 'tsext'::regnamespace "
        "AND relname NOT IN ('bookkeeping', 'bridge', 'event') ORDER BY 1, 2"
    )
    project.tables("001_one")
    project.run("alembic", "upgrade", "head")
    assert project.rows(ledger) == []
    with project.engine.connect() as connection:
        bookkeeping.upgrade(connection, ledger=True)
    made = project.rows(ledger)
    assert {row[0] for row in made} == {"backfill", "backfill_task", "backfill_attempt", "load_reject"}
    project.execute(
        "DROP TABLE tsext.load_reject, tsext.backfill_attempt, tsext.backfill_task, tsext.backfill",
        bookkeeping.query("004_backfill"),
        "UPDATE tsext.bookkeeping SET schema_version = 4",
    )  # as version 4 made it with the rest
    project.run("alembic", "upgrade", "head")
    assert project.rows(ledger) == made


def test_twenty_upgrades_at_once(project):
    project.tables("001_one", "002_two")
    processes = [project.command("alembic", "upgrade", "head") for _ in range(20)]
    outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 20, outputs
    assert sum("Running upgrade" in output for output in outputs) == 1
    assert project.scalar("SELECT count(*) FROM tsext.event") == 2


def test_who_holds_the_lock_is_named(project):
    project.tables("001_one")
    project.configure(upgrade_lock_timeout="300ms")
    with project.engine.connect() as holder:
        holder.exec_driver_sql("SET application_name = 'deploy-7'")
        holder.exec_driver_sql(f"SELECT pg_advisory_lock({UPGRADE_LOCK})")
        pid = holder.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with pytest.raises(UpgradeLocked, match=rf"pid {pid}, 'deploy-7'.* since .*\n.*pg_terminate_backend\({pid}\)"):
            alembic_command.upgrade(project.config, "head")
        project.execute("DROP ROLE IF EXISTS sees_little", "CREATE ROLE sees_little LOGIN")
        other = create_engine(make_url(project.url).set(username="sees_little"), poolclass=NullPool)
        with (
            pytest.raises(UpgradeLocked, match=f"pid {pid}, 'deploy-7', role postgres; waited"),
            upgrade_lock(other, timedelta(0)),
        ):
            pass
        project.execute("DROP ROLE sees_little")
    alembic_command.upgrade(project.config, "head")


def test_rollback_to_nowhere(project):
    project.tables("001_one")
    with pytest.raises(HistoryError, match="no revision has the number 7"):
        command.rollback(project.config, "7")


def test_threads_take_turns(project):
    project.tables("001_one", "002_two")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: command.upgrade(project.config), range(8)))
    assert versions(project) == [1, 2]
    assert project.scalar("SELECT count(*) FROM tsext.event") == 2


def test_psycopg_3(project, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", project.url.replace("psycopg2", "psycopg"))
    project.revision("001_one", None, 'op.execute_file("001_one.sql")')
    project.sql_file("001_one.sql", "CREATE TABLE a (b text DEFAULT '100% :x'); SELECT nothing")
    with pytest.raises(RevisionFailed, match=r"001_one\.sql:1:51: column \"nothing\" does not exist"):
        command.upgrade(project.config)
    project.sql_file("001_one.sql", "CREATE TABLE a (b text DEFAULT '100% :x')")
    command.upgrade(project.config)
    assert command.validate(project.config, models=False) == []
    command.rollback(project.config, "0")
