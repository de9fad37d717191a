"""Which revisions may run: the environment's policy, maintenance windows, waivers, and the application's version."""

from __future__ import annotations

import json

import pytest

INDEX = 'op.execute("CREATE INDEX ix ON t_001_a (id)")'
UNINDEX = 'op.execute("DROP INDEX ix")'
WAIVED = f"""from tsext import safety
    with safety.assured("create-index", because="nobody writes it yet", until="2099-01-01"):
        {INDEX}"""


pytestmark = pytest.mark.one_version  # nothing here hangs on TimescaleDB


@pytest.fixture
def busy(project):
    """A table that is in use, and a revision that would block its writers."""
    project.tables("001_a")
    project.run("alembic", "upgrade", "head")
    project.revision("002_b", "001_a", INDEX, UNINDEX)
    project.execute("INSERT INTO t_001_a VALUES (1)")
    return project


def details(project):
    """What the newest event tells of its revision."""
    return project.scalar("SELECT details FROM tsext.event WHERE revision = '002_b' ORDER BY id DESC LIMIT 1")


def test_production_runs_unsafe_revisions_in_a_window_only(busy):
    output = busy.run("alembic", "upgrade", "head", fails=True)
    assert "revision 002_b is unsafe, and no maintenance window of production is open" in output
    assert "op.create_index_concurrently" in output
    assert '-x maintenance-window="why' in output
    assert busy.scalar("SELECT version_num FROM alembic_version") == "001_a"

    busy.configure("production", maintenance_windows="* * * * * for 1h in Europe/Zurich")
    busy.run("alembic", "upgrade", "head")

    assert details(busy)["unsafe"] == ["create-index"]
    assert "Europe/Zurich" in details(busy)["maintenance_window"]


def test_a_reason_opens_the_window_and_is_recorded(busy):
    busy.run("alembic", "-x", "maintenance-window=CHG-17 agreed", "upgrade", "head")
    assert details(busy)["maintenance_reason"] == "CHG-17 agreed"

    output = busy.run("alembic", "downgrade", "001_a")  # whoever rolls back has no time to wait
    assert busy.scalar("SELECT to_regclass('ix')") is None
    assert "is unsafe" not in output.replace("the downgrade of revision 002_b is unsafe", "")


def test_a_waiver_is_recorded(busy):
    busy.revision("002_b", "001_a", WAIVED, UNINDEX)
    busy.run("alembic", "upgrade", "head")

    (waiver,) = details(busy)["waivers"]
    assert (waiver["rule"], waiver["because"], waiver["until"]) == (
        "create-index",
        "nobody writes it yet",
        "2099-01-01",
    )
    assert waiver["at"].startswith("alembic/versions/002_b.py:")


def test_an_expired_waiver_has_no_effect(busy):
    busy.revision("002_b", "001_a", WAIVED.replace("2099", "2020"), UNINDEX)
    assert "a waiver has expired" in busy.run("alembic", "upgrade", "head", fails=True)


@pytest.mark.parametrize(
    ("environment", "said"), [("staging", "revision 002_b is unsafe: "), ("development", "Running upgrade 001_a")]
)
def test_elsewhere_they_run(busy, environment, said):
    assert said in busy.run("alembic", "-x", f"env={environment}", "upgrade", "head")
    assert busy.scalar("SELECT to_regclass('ix') IS NOT NULL")


def test_what_the_server_would_refuse_is_refused_first(busy):
    busy.revision("002_b", "001_a", 'op.execute("CREATE TABLE new (id int)")')
    busy.revision("003_c", "002_b", 'op.execute("CREATE INDEX CONCURRENTLY ix ON t_001_a (id)")')
    output = busy.run("alembic", "upgrade", "head", fails=True)

    assert "revision 003_c would fail; nothing has been run" in output
    assert "autocommit block" in output
    assert busy.scalar("SELECT to_regclass('new')") is None


def test_a_contract_revision_waits_for_the_application(busy):
    path = busy.revision("002_b", "001_a", 'op.execute("ALTER TABLE t_001_a DROP COLUMN id")')
    path.write_text(path.read_text() + '\nphase = "contract"\nrequires_application = ">=2.4"\n')
    loss = ["-x", "maintenance-window=agreed"]

    assert "nothing tells which version is running" in busy.run("alembic", "upgrade", "head", fails=True)
    output = busy.run("alembic", *loss, "-x", "app-version=2.5,2.3.9", "upgrade", "head", fails=True)
    assert "requires application >=2.4, but 2.3.9 is running" in output
    assert "contract" in busy.run("tsext", "status")
    busy.execute("CREATE TABLE deployed AS SELECT '2.4.1' AS version")
    busy.configure("production", application_version_query="SELECT version FROM deployed")
    busy.run("alembic", *loss, "upgrade", "head")

    assert busy.scalar("SELECT version_num FROM alembic_version") == "002_b"


def test_what_ran_before_a_refusal_is_validated(busy):
    unfinished = """with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY half ON t_001_a (id)")
    op.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half'::regclass")"""
    (busy.versions / "002_b.py").unlink()
    busy.revision("002_half", "001_a", unfinished, 'op.execute("DROP INDEX half")')
    refused = busy.revision("003_index", "002_half", INDEX, UNINDEX)

    output = busy.run("alembic", "upgrade", "head", fails=True)
    assert "revision 003_index is unsafe, and no maintenance window" in output
    assert "validation failed; 002_half stay applied" in output
    assert "index public.half is INVALID" in output
    events = "SELECT kind, outcome, revision FROM tsext.event ORDER BY id DESC LIMIT 2"
    assert busy.rows(events) == [("validation", "failed", "002_half"), ("upgrade", "succeeded", "002_half")]

    refused.unlink()
    busy.revision("003_slow", "002_half", 'op.execute("SELECT pg_sleep(0.1)")')
    busy.revision("004_index", "003_slow", INDEX, UNINDEX)
    busy.configure("production", max_execution_time="1ms")
    output = busy.run("alembic", "upgrade", "head", fails=True)
    assert "revision 004_index is unsafe" in output
    assert "revision 003_slow took" in output
    assert "validation failed" not in output  # the index is none of this run's doing


def test_lint_tells_by_its_exit_code(busy):
    found = json.loads(busy.run("tsext", "lint", "--format=json", fails=True))
    assert found["category"] == "unsafe"
    assert [each["name"] for each in found["revisions"]] == ["001_a", "002_b"]
    assert "create-index" in busy.run("tsext", "lint", "--database", fails=True)
    assert "safe" in busy.run("tsext", "lint", "001_a")
    assert "::error" in busy.run("tsext", "lint", "--format=github", "002_b", fails=True)
    with busy.command("tsext", "lint", "nope") as process:
        output, _ = process.communicate()
    assert process.returncode == 2, output
    file = busy.sql_file("plain.sql", "CREATE INDEX CONCURRENTLY ix ON t (a)")
    assert "safe" in busy.run("tsext", "lint", str(file))


def test_a_nothing_to_do_run_reads_nothing(busy):
    busy.revision("002_b", "001_a", "raise RuntimeError('this was read')")
    busy.run("alembic", "upgrade", "001_a")
    assert "this was read" in busy.run("alembic", "upgrade", "head", fails=True)


def test_slow_revisions_fail_staging(busy):
    busy.configure("staging", max_execution_time="1ms")
    busy.revision("002_b", "001_a", 'op.execute("SELECT pg_sleep(0.05)")')

    output = busy.run("alembic", "-x", "env=staging", "upgrade", "head", fails=True)

    assert "longer than max_execution_time" in output
    assert busy.scalar("SELECT version_num FROM alembic_version") == "002_b"


def test_a_table_locked_against_everything_is_not_waited_for(busy):
    with busy.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE fresh AS SELECT 1 AS id")
        connection.commit()
        connection.exec_driver_sql("LOCK TABLE fresh IN ACCESS EXCLUSIVE MODE")
        assert "locked against everything" in busy.run("alembic", "upgrade", "head", fails=True)
