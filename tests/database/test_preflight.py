"""What is looked at before the first statement: each check when all is well, and when it is not."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tsext import catalog, cli, command, safety
from tsext.errors import PreflightFailed
from tsext.locks import guard_rails
from tsext.preflight import checking
from tsext.preflight.budget import entries_of
from tsext.preflight.situation import State, Touch
from tsext.preflight.touching import touches
from tsext.settings import Settings, Size

TICKS = (
    "CREATE EXTENSION timescaledb",
    "CREATE TABLE ticks (time timestamptz NOT NULL, symbol int NOT NULL, note text, PRIMARY KEY (symbol, time))",
    "SELECT create_hypertable('ticks', 'time', chunk_time_interval => INTERVAL '1 day')",
    "INSERT INTO ticks SELECT now() - i * INTERVAL '1 day', i, 'x' FROM generate_series(1, 12) AS i",
    "ANALYZE ticks",
)

ALL_OK = dict.fromkeys(checking.CHECKS, State.OK)


@pytest.fixture
def ticks(timescaledb):
    timescaledb.execute(*TICKS[1:])
    return timescaledb


def states(connection, pending, **settings):
    found = {each.check: each for each in checking.examine(connection, pending, Settings(**settings))}
    connection.rollback()
    return found


def state_of(found):
    return {name: each.state for name, each in found.items() if name != "server"}


def _guard_rails_are_crossed(connection, primary):
    """What the watchdog looks at while a run is at work."""
    for _ in range(2):
        connection.exec_driver_sql("INSERT INTO plain VALUES (2)")
        connection.exec_driver_sql("SELECT pg_switch_wal()")

    def crossed(**rails):
        return {each.rule: each.message for each in guard_rails.crossed(connection, Settings(**rails), pid=0)}

    wide = {"guard_replica_lag": timedelta(hours=1), "guard_free_disk": Size(1), "guard_archive_backlog": 1000}
    assert crossed(**wide) == {}
    found = crossed(guard_replica_lag=timedelta(0), guard_free_disk=Size(2**60), guard_archive_backlog=1)
    assert re.fullmatch(r"replica \w+ is \d+\.\d s behind, more than guard_replica_lag", found["replica-lag"])
    assert re.fullmatch(rf"\d+ bytes are free in {primary.data}, less than guard_free_disk", found["disk"])
    assert re.fullmatch(
        r"[2-9] WAL files wait to be archived, more than guard_archive_backlog", found["archive-backlog"]
    )
    connection.exec_driver_sql("ALTER SYSTEM SET archive_command = '/bin/true'")  # or it would not stop for seconds
    connection.exec_driver_sql("SELECT pg_reload_conf()")


def test_a_small_server_short_of_everything(small_server):
    primary, standby = small_server
    engine = sa.create_engine(primary.url, poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as autocommit:
        for statement in TICKS:
            autocommit.exec_driver_sql(statement)
    drop = {"005_drop": touches(["DROP TABLE ticks"])}
    impatient = {"preflight_transaction_age": timedelta(0), "preflight_slot_wal": Size(0)}
    with engine.connect() as connection:
        assert state_of(states(connection, {})) == ALL_OK
        found = states(connection, drop)
        assert found["server"].state is State.OK
        assert found["locks"].state is State.FAIL
        assert "for ticks and its 12 chunks or partitions" in found["locks"].message
        assert "set max_locks_per_transaction to" in found["locks"].hints[0]
        with pytest.raises(
            PreflightFailed, match=r"revision 005_drop needs some .* locks(?s:.*)preflight_locks = warn"
        ):
            checking.refuse(connection, drop, Settings())

    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as autocommit,
        closing(psycopg2.connect(standby.url.replace("+psycopg2", ""))) as replaying,
        engine.connect() as idle,
    ):
        replaying.cursor().execute("SELECT pg_wal_replay_pause()")
        for statement in (
            "SELECT pg_create_physical_replication_slot('forgotten', true)",
            "CREATE TABLE plain AS SELECT i / 2 AS i FROM generate_series(1, 1000) AS i",
            "ALTER TABLE plain ADD CONSTRAINT positive CHECK (i > 0) NOT VALID",
        ):
            autocommit.exec_driver_sql(statement)
        with pytest.raises(sa.exc.IntegrityError):
            autocommit.exec_driver_sql("CREATE UNIQUE INDEX CONCURRENTLY twice ON plain (i)")
        autocommit.exec_driver_sql("BEGIN; INSERT INTO plain VALUES (1); PREPARE TRANSACTION 'two_phase'")
        idle.exec_driver_sql("SELECT count(*) FROM plain")
        with engine.connect() as connection:
            found = states(connection, {}, **impatient, preflight_replica_wal=Size(0))
            said = {name: each.message for name, each in found.items()}
            assert state_of(found) == {
                **dict.fromkeys(checking.CHECKS, State.WARN), "disk": State.OK, "locks": State.OK, "jobs": State.OK,
                "replicas": State.FAIL, "prepared": State.FAIL,
            }  # fmt: skip
            assert "behind" in said["replicas"]
            assert "nobody reads the replication slot forgotten" in said["slots"]
            assert "now idle in transaction: SELECT count(*) FROM plain" in said["transactions"]
            assert "transaction 'two_phase'" in said["prepared"]
            assert "index public.twice is INVALID: a build" in said["indexes"]
            assert said["constraints"] == "constraint positive on public.plain is NOT VALID"
            with pytest.raises(PreflightFailed, match="replica") as refused:
                checking.refuse(connection, {}, Settings(**impatient, preflight_replica_wal=Size(0)))
            assert [each.rule for each in refused.value.findings] == ["prepared"]
            connection.rollback()
            off = {f"preflight_{name}": "off" for name in checking.CHECKS}
            assert set(state_of(states(connection, drop, **impatient, **off)).values()) == {State.OFF}
        _guard_rails_are_crossed(autocommit, primary)
    with sa.create_engine(standby.url, poolclass=NullPool).connect() as connection:
        assert states(connection, {})["server"].message == "the server is a read-only standby"


def test_disk(ticks, monkeypatch, tmp_path):
    rewrite = {
        "001_a": touches(["VACUUM FULL ticks"]),
        "002_b": touches(["CREATE INDEX ON ticks (note)", "CREATE INDEX ON new (a)"]),
    }
    with ticks.engine.connect() as connection:
        size = catalog.sizes(connection, ["ticks"])["ticks"]
        assert size.relations == 13
        assert size.bytes == connection.exec_driver_sql("SELECT hypertable_size('ticks')").scalar()

        def disk(pending, **settings):
            return states(connection, pending, **settings)["disk"]

        assert "nothing that is pending" in disk({"001_a": [Touch("ticks")]}).message
        measured = disk(rewrite)
        assert measured.state is State.OK and "measured at" in measured.message
        assert disk(rewrite, preflight_disk_reserve=100).state is State.FAIL
        full = disk(rewrite, preflight_disk_size=Size(1024**2))
        assert full.state is State.FAIL and "preflight_disk_size = 1MB" in full.message
        assert "largest: ticks" in full.hints[0]
        assert disk(rewrite, preflight_disk_size=Size(1024**2), preflight_disk="warn").state is State.WARN
        full = guard_rails.Rails(free_disk=2**60)
        assert [each.rule for each in guard_rails.beyond(connection, full, catalog.server(connection))] == ["disk"]
        # a server that is elsewhere, as one in a container: the directory is not there, or is another's
        another = tmp_path / "another"
        (another / "global").mkdir(parents=True)
        (another / "pg_wal").mkdir()
        (another / "global" / "pg_control").write_bytes(bytes(8))
        for somewhere in (tmp_path / "nowhere", another):
            monkeypatch.setattr("tsext.catalog.volumes.Path", lambda _, at=somewhere: at)
            assert guard_rails.beyond(connection, full, catalog.server(connection)) == []
            unknown = disk(rewrite)
            assert unknown.state is State.UNKNOWN and "set preflight_disk_size" in unknown.message
            probed = disk(rewrite, preflight_disk_probe="program")
            assert probed.state is State.OK and "df of /" in probed.message
        connection.exec_driver_sql("CREATE ROLE no_one; SET ROLE no_one")
        refused = checking.examine(connection, rewrite, Settings(preflight_disk_probe="program"))
        seen = {each.check: each.state for each in refused}
        connection.rollback()
    assert {seen["disk"], seen["replicas"], seen["transactions"]} == {State.UNKNOWN}


TAKES = {
    "DROP TABLE ticks": 1.5,
    "TRUNCATE ticks": 1.5,
    "ALTER TABLE ticks ADD COLUMN a timestamptz DEFAULT clock_timestamp()": 1.5,
    "REINDEX TABLE ticks": 1.5,
    "CREATE INDEX ON ticks (note)": 1.5,
    "ALTER TABLE ticks ADD COLUMN a int": 4,
}
"""Statements, and how many times the locks that they take may be estimated."""


def test_locks_are_counted_as_the_server_takes_them(ticks):
    with ticks.engine.connect() as connection:
        size = catalog.sizes(connection, ["ticks"])["ticks"]
        for statement, most in TAKES.items():
            connection.rollback()
            (touch,) = touches([statement], safety.facts(connection))
            connection.rollback()
            connection.exec_driver_sql(statement)
            query = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND NOT fastpath"
            taken = connection.exec_driver_sql(query).scalar()
            assert taken <= entries_of(touch, size) <= most * taken, statement


def test_the_verb(project, capsys):
    def verb(*options, fails=False):
        arguments = ["-c", str(project.path / "alembic.ini"), "preflight", *options]
        if fails:
            with pytest.raises(SystemExit, match="1"):
                cli.main(arguments)
        else:
            cli.main(arguments)
        return capsys.readouterr().out

    project.tables("001_a")
    lines = {each["check"]: each["state"] for each in json.loads(verb("--json"))}
    assert lines == dict.fromkeys(["server", "history", *checking.CHECKS], "ok")
    project.execute("CREATE TABLE old (id int)", "ALTER TABLE old ADD CHECK (id > 0) NOT VALID")
    output = project.run("tsext", "preflight")
    assert "constraint old_id_check on public.old is NOT VALID" in output and "VALIDATE CONSTRAINT" in output
    project.configure(preflight_constraints="fail")
    assert "fail" in verb(fails=True)
    with pytest.raises(PreflightFailed, match="is NOT VALID"):
        command.upgrade(project.config)
    assert project.scalar("SELECT to_regclass('t_001_a')") is None
    project.execute("ALTER TABLE old VALIDATE CONSTRAINT old_id_check")
    command.upgrade(project.config)
    project.execute("ALTER TABLE old ADD CHECK (id > 1) NOT VALID")
    command.upgrade(project.config)  # nothing to do, so nothing is looked at
    path = project.versions / "001_a.py"
    path.write_text(path.read_text() + "\n# edited\n")
    lines = {each["check"]: each for each in json.loads(verb("--json", fails=True))}
    assert lines["history"]["state"] == "fail" and "has changed" in lines["history"]["message"]


def test_what_is_pending_is_read_from_the_revisions(project):
    project.execute(*TICKS[:1])
    project.execute(*TICKS[1:])
    project.revision(
        "001_wide", None, "op.execute('ALTER TABLE ticks ALTER COLUMN symbol TYPE bigint')", "op.drop_table('ticks')"
    )
    project.configure(preflight_disk_size="1MB")
    ini = project.path / "alembic.ini"
    found = {each.check: each for each in command.preflight(project.config)}
    assert found["disk"].state is State.FAIL and "largest: ticks" in found["disk"].hints[0]
    assert re.match(r"221 of [\d,]+ free ones", found["locks"].message)
    with pytest.raises(PreflightFailed, match="what is pending needs about"):
        command.upgrade(project.config)
    asks = "op.get_bind().exec_driver_sql('SELECT 1').scalar() + 1"
    path = project.revision("002_asks", "001_wide", asks)
    found = {each.check: each for each in command.preflight(project.config)}
    assert found["disk"].state is State.FAIL
    assert found["locks"].state is State.UNKNOWN and "what 002_asks does cannot be told" in found["locks"].message
    path.unlink()
    ini.write_text(ini.read_text().replace("_size = 1MB", "_size = 100TB\nunsafe_revisions = allow"))
    command.upgrade(project.config)
    ini.write_text(ini.read_text().replace("_size = 100TB", " = fail\npreflight_disk_size = 1MB"))
    command.downgrade(project.config, "base")  # needs locks, and no disk
    assert project.scalar("SELECT to_regclass('ticks')") is None


@pytest.mark.licensed
def test_jobs_of_what_is_touched(licensed):
    licensed.execute(*TICKS[1:], "SELECT add_retention_policy('ticks', INTERVAL '1 year')")
    with licensed.engine.connect() as connection:
        found = states(connection, {"001_a": [Touch("ticks")]})
        assert set(state_of(found).values()) == {State.OK}
        assert found["jobs"].message == "1 of what is touched, none at work"


JOB = """
INSERT INTO _timescaledb_config.bgw_job (id, application_name, schedule_interval, max_runtime, max_retries,
    retry_period, proc_schema, proc_name, owner, scheduled, fixed_schedule, hypertable_id)
SELECT 1000, 'User-Defined Action [1000]', '1s', '0', -1, '1s', 'public', 'work', current_user::regrole, true, false, id
FROM _timescaledb_catalog.hypertable
"""
"""As ``add_job`` writes it, which the Apache edition lacks: its scheduler runs it, until the licence is asked."""


def test_a_job_at_work_is_known_by_its_name(timescaledb):
    """A real worker, held before it has begun. That jobs are looked for at all, only the licensed build can show."""
    timescaledb.execute(*TICKS[1:], JOB)
    autocommit = timescaledb.engine.execution_options(isolation_level="AUTOCOMMIT")
    with timescaledb.engine.connect() as other, autocommit.connect() as connection:
        other.exec_driver_sql("LOCK TABLE _timescaledb_internal.bgw_job_stat_history IN SHARE MODE")
        connection.exec_driver_sql("SELECT _timescaledb_functions.restart_background_workers()")
        names = connection.exec_driver_sql(
            "SELECT application_name::text FROM timescaledb_information.jobs WHERE hypertable_name = 'ticks'"
        ).scalars().all()  # fmt: skip
        until = time.monotonic() + 20
        while not (found := list(catalog.running(connection, names))):
            assert time.monotonic() < until
            time.sleep(0.1)
        ((name, pid),) = found
        query = f"SELECT backend_type, wait_event FROM pg_stat_activity WHERE pid = {pid}"
        while (seen := tuple(connection.exec_driver_sql(query).one())) != (name, "relation"):
            assert time.monotonic() < until, seen
            time.sleep(0.1)
        other.rollback()
        connection.exec_driver_sql("SELECT _timescaledb_functions.stop_background_workers()")
        assert list(catalog.running(connection, names)) == []
