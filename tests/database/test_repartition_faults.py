"""What goes wrong while a table gets another shape: chunks are dropped, the network is cut, the disk is full."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tsext.backfill import ledger, workers
from tsext.model.repartitions import Repartition
from tsext.operations.repartition import RepartitionHypertable

TICKS = """
CREATE TABLE ticks (time timestamptz NOT NULL, symbol text NOT NULL, price float8, PRIMARY KEY (symbol, time));
SELECT create_hypertable('ticks', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
INSERT INTO ticks SELECT '2026-01-01'::timestamptz + g * INTERVAL '40 seconds', 'S' || g % 7, g
FROM generate_series(0, 99999) AS g
"""
SUM = "SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)) FROM ticks AS t"
MOVE = "repartition_ticks"
FORTH = 'op.repartition_hypertable("ticks", chunk_time_interval=timedelta(days=1))'
BACK = 'op.undo_repartition_hypertable("ticks")'
DONE = "SELECT count(*) FROM tsext.backfill_task WHERE state = 'done'"


@pytest.fixture(autouse=True)
def as_if_chunks_were_large(monkeypatch):
    """Each of them is a task, so that there are some to be interrupted."""
    monkeypatch.setattr("tsext.backfill.repartition.planning.SMALL", 1)
    monkeypatch.setattr("tsext.backfill.repartition.planning.PASSES", 1_000)


def declared(database, after="SELECT"):
    """A move that is declared and not begun."""
    database.execute(*TICKS.split(";\n"), after)

    def declare(connection):
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        RepartitionHypertable(Repartition("ticks", chunk_time_interval=timedelta(days=1))).declare(connection)

    database.ask(declare)


def until(database, query, least):
    deadline = time.monotonic() + 60
    while (database.scalar(query) or 0) < least:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def at_work(database, engine=None):
    """Two workers, beside what the block does; afterwards, they have done all."""
    told = []

    def work():
        try:
            workers.run(engine or database.engine, MOVE, workers=2)
        except Exception as error:
            told.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield told
    thread.join(120)
    assert not thread.is_alive()


def test_chunks_that_are_dropped_meanwhile(timescaledb):
    database = timescaledb
    declared(database)
    with at_work(database) as told:
        until(database, DONE, 3)
        database.execute("SELECT drop_chunks('ticks', older_than => TIMESTAMPTZ '2026-01-08')")  # is copied
        database.execute("SELECT drop_chunks('ticks', newer_than => TIMESTAMPTZ '2026-02-12')")  # is not
    assert told == []
    rows = database.scalar(SUM)
    assert rows.split()[0] == str(int(35 * 86400 / 40))
    database.run(FORTH)
    assert database.scalar(SUM) == rows
    database.execute(
        "SELECT drop_chunks('ticks', older_than => TIMESTAMPTZ '2026-01-20')",
        "INSERT INTO ticks VALUES ('2026-01-30', 'new', 1)",
    )
    rows = database.scalar(SUM)
    database.run(BACK)
    assert database.scalar(SUM) == rows


# --- the network


class Wire:
    """What is between clients and the server: it can be cut, and mended."""

    def __init__(self, port):
        self.server = port
        self.port = None
        self.ends = []
        self.mend()

    def mend(self):
        self.listening = socket.create_server(("127.0.0.1", self.port or 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listening,), daemon=True).start()

    def cut(self):
        for each in (self.listening, *self.ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.ends.clear()

    def _accept(self, listening):
        with suppress(OSError):
            while True:
                ours, _ = listening.accept()
                theirs = socket.create_connection(("127.0.0.1", self.server))
                self.ends += [ours, theirs]
                for pair in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.mark.one_version
def test_a_network_that_is_cut(timescaledb, monkeypatch):
    database = timescaledb
    declared(database)
    rows = database.scalar(SUM)
    wire = Wire(database.engine.url.port)
    through = workers.engine_of(database.engine.url.set(port=wire.port))
    with at_work(database, through) as told:  # cut for a moment: it goes on by itself
        until(database, DONE, 3)
        wire.cut()
        time.sleep(0.3)
        wire.mend()
        until(database, DONE, 8)
        monkeypatch.setattr(workers, "RECONNECTIONS", 2)
        wire.cut()
    assert isinstance(told[0], OperationalError)
    assert told[0].connection_invalidated or "refused" in str(told[0])
    assert database.ask(ledger.find, MOVE).state is ledger.State.RUNNING
    database.run(FORTH)
    assert database.scalar(SUM) == rows
    tasks = database.scalar("SELECT count(*) FROM tsext.backfill_task")
    assert database.scalar("SELECT count(*) FROM tsext.backfill_attempt") <= tasks + 2 * 2  # two workers, cut twice


@pytest.mark.one_version
def test_steps_of_a_newer_tsext_are_left_to_it(timescaledb):
    planned = "INSERT INTO tsext.backfill_task (backfill, step, relation) SELECT id, 'fold', 'x' FROM tsext.backfill"
    declared(timescaledb)
    timescaledb.execute(planned)
    found = workers.run(timescaledb.engine, MOVE, workers=1)
    assert found.state is ledger.State.FAILED
    assert found.reason == "1 task failed, the first for: this tsext does not know the step fold of a move"


# --- the disk


@pytest.fixture
def small_disk(timescaledb_server):
    """A tablespace on a disk of its own; gives what makes that disk larger."""
    folder, name = timescaledb_server.home / f"small_{os.getpid()}", f"small_{os.getpid()}"
    owner = timescaledb_server.data.stat()
    size = f"size=3m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    if os.geteuid() != 0:
        pytest.skip("a disk that gets full has to be mounted, which takes root")
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "small", folder], check=False, capture_output=True)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"a disk that gets full cannot be mounted here: {mounted.stderr.decode().strip()}")
    engine = create_engine(timescaledb_server.url_of("postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
        yield name, lambda: subprocess.run(["mount", "-o", "remount,size=256m", folder], check=True)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP TABLESPACE {name}")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@pytest.mark.one_version
def test_a_disk_that_is_full(small_disk, timescaledb):
    database, (name, enlarge) = timescaledb, small_disk
    declared(database, after=f"SELECT attach_tablespace('{name}', 'ticks')")
    rows = database.scalar(SUM)
    with at_work(database) as told:
        until(database, "SELECT count(*) FROM tsext.backfill_task WHERE position('No space left' IN error) > 0", 1)
        assert database.scalar(SUM) == rows
        enlarge()
    assert told == []
    database.run(FORTH)
    assert database.scalar(SUM) == rows
    assert database.scalar(
        "SELECT count(*) FROM pg_tables WHERE tablespace LIKE 'small%%' AND tablename LIKE '_hyper%%'"
    )
