"""``tsext load``: every record of a file is in the table once, or among the rejects, whatever happens meanwhile."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tsext.backfill import ledger, workers
from tsext.backfill.hashing import Digest
from tsext.backfill.ledger import State
from tsext.errors import LoadError
from tsext.loading import arrow_files, commands, csv_files, loads, planning, program, transfer, transfers
from tsext.loading.formats import Format
from tsext.loading.loads import Request
from tsext.loading.spec import Spec

HYPERTABLE = (
    "CREATE TABLE ticks (time timestamptz NOT NULL, device int NOT NULL CHECK (device < 100), note text, "
    "twice int GENERATED ALWAYS AS (device * 2) STORED, seen timestamptz DEFAULT now(), PRIMARY KEY (time, device))",
    "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'), create_default_indexes => false)",
)

LOADER = """
import sys
from tsext import cli
from tsext.loading import csv_files
csv_files.SMALLEST = 10_000
cli.main(sys.argv[1:])
"""


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(csv_files, "SMALLEST", 2_000)


@contextmanager
def loader(url, folder, *arguments):
    """The command in a process of its own, which cuts the file into small parts."""
    with subprocess.Popen(
        [sys.executable, "-c", LOADER, "load", *arguments],
        cwd=folder,
        env={**os.environ, "TSEXT_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        yield process


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def records(count, days=5):
    """Their notes have commas, quotes and line feeds."""
    step = days * 86400 / count
    for number in range(count):
        day, seconds = divmod(int(number * step), 86400)
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{number % 1000:03d}"
        moment = f"2024-01-{1 + day:02d} {clock}+00"
        yield [moment, str(number % 50), f'{number}, "quoted"\nand more' if number % 7 == 0 else ""]


def write(path, rows, header=("time", "device", "note")):
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows] if header else rows)
    return path


def stored(database):
    """As the file has them."""
    query = (
        "SELECT to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00', device::text, note FROM ticks"
    )
    return sorted(database.ask(lambda c: [(row[0], row[1], row[2] or "") for row in c.exec_driver_sql(query)]))


def test_what_the_server_refuses_is_kept_and_all_else_is_loaded(timescaledb, small_parts, tmp_path):
    timescaledb.execute(*HYPERTABLE)
    rows = list(records(1500))
    broken = {  # by the place of the record
        0: ["never", "1", "no time"],
        400: ["2024-01-01 00:00:00+00", "1"],
        401: ["", "1", "no time\nat all"],
        700: [rows[10][0], rows[10][1], "a key that is there"],
        701: ["2024-01-03 00:00:00+00", "100", "violates a check"],
        1200: ["2024-01-03 00:00:00+00", "x", "no number"],
        1499: ["2024-01-03 00:00:00+00", "99999999999", "out of range"],
    }
    path = write(tmp_path / "ticks.csv", [broken.get(place, row) for place, row in enumerate(rows)])
    told = []
    loaded = loads.load(timescaledb.engine, Request(path, "ticks", header="names"), told.append)
    good = [tuple(row) for place, row in enumerate(rows) if place not in broken]
    assert stored(timescaledb) == sorted(good)
    assert (loaded.rows, loaded.rejected, loaded.state, loaded.chunks_made) == (len(good), len(broken), "done", 5)
    assert loaded.tasks > 10
    assert timescaledb.scalar("SELECT limits->>'vacuum' FROM tsext.backfill") == "ignore"
    straight = "SELECT count(*) FROM tsext.backfill_task WHERE step = 'copy' AND relation <> 'public.ticks'"
    assert timescaledb.scalar(straight) > 5
    # the server counts what a backend writes from 18 on; before, nobody claims to know
    measured = "SELECT count(*) FROM tsext.backfill_task WHERE step = 'copy' AND wal_bytes > 0"
    knows = int(timescaledb.scalar("SHOW server_version_num")) >= 180000
    assert timescaledb.scalar(measured) > 5 if knows else timescaledb.scalar(measured) == 0
    with Path(loaded.rejects).open(newline="") as file:
        rejected = list(csv.DictReader(file))
    lines = path.read_text().splitlines()
    for (place, record), told in zip(broken.items(), rejected, strict=True):
        assert next(csv.reader([told["record"]])) == record, place
        assert told["record"].startswith(lines[int(told["line"]) - 1])
    reasons = [(each["sqlstate"], each["reason"].split(":")[0]) for each in rejected]
    assert [code for code, _ in reasons] == ["22007", "22P04", "23502", "23505", "23514", "22P02", "22003"]
    assert rejected[5]["reason"] == 'invalid input syntax for type integer: "x", column device'
    assert "already exists" in rejected[3]["reason"]
    assert timescaledb.scalar("SELECT count(*) FROM ticks WHERE twice = device * 2 AND seen IS NOT NULL") == len(good)

    again = loads.load(timescaledb.engine, Request(path, "ticks", header="names"))
    assert (again.already_done, again.rows, again.rejected) == (True, len(good), len(broken))
    with pytest.raises(LoadError, match=r"with other values of the format .*: delimiter ',', now ';'"):
        loads.load(timescaledb.engine, Request(path, "ticks", header="names", format=Format(delimiter=";")))
    other = write(tmp_path / "copy.csv", [broken.get(place, row) for place, row in enumerate(rows)])
    with pytest.raises(LoadError, match=r"is loaded into ticks already, as load-ticks-ticks\.csv"):
        loads.load(timescaledb.engine, Request(other, "ticks", header="names"))
    write(path, rows)
    with pytest.raises(LoadError, match=r"has changed since it was begun to be loaded as load-ticks-ticks\.csv"):
        loads.load(timescaledb.engine, Request(path, "ticks", header="names"))
    renewed = Request(
        path, "ticks", "once more", header="names", on_conflict_do_nothing=True, columns=["time", "device", "note"]
    )
    loaded = loads.load(timescaledb.engine, renewed)
    assert (loaded.rows, loaded.skipped, loaded.rejected) == (len(broken), len(good), 0)
    assert len(stored(timescaledb)) == len(rows)


def test_killed_and_interrupted_it_goes_on_where_it_was(timescaledb, database_url, tmp_path):
    """A trigger makes each part take a while, so that there is a middle."""
    timescaledb.execute(
        *HYPERTABLE,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END'",
        "CREATE TRIGGER wait AFTER INSERT ON ticks EXECUTE FUNCTION wait()",
    )
    rows = list(records(4000))
    path = write(tmp_path / "ticks.csv", rows, header=None)
    command = (database_url, tmp_path, "ticks", str(path), "--columns=time,device,note", "--json")
    done = "SELECT count(*) FROM tsext.backfill_task WHERE state = 'done'"
    ours = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'tsext-backfill' AND datname = current_database()"
    )

    def some(least):
        return timescaledb.scalar("SELECT to_regclass('tsext.backfill_task')") and timescaledb.scalar(done) >= least

    with loader(*command) as process:
        wait_until(lambda: some(2))
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not timescaledb.scalar(ours))
    with loader(*command) as process:
        wait_until(lambda: some(6))
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    told = json.loads(output)
    assert (process.returncode, told["interrupted"], told["tasks_left"] > 0) == (130, True, True)
    with loader(*command) as process:
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(output)["rows"]) == (0, len(rows))
    assert stored(timescaledb) == sorted(map(tuple, rows))
    tasks = timescaledb.scalar("SELECT count(*) FROM tsext.backfill_task")
    attempts = timescaledb.scalar("SELECT count(*) FROM tsext.backfill_attempt")
    assert attempts <= tasks + 2  # what the two workers were at when they were killed


def test_table_and_file_may_change_while_it_goes_on(timescaledb, small_parts, tmp_path, monkeypatch):
    """A chunk that was to be copied into is gone, the others get a trigger; the file is touched, then another one."""
    monkeypatch.setattr(planning, "FIRST_STRETCH", 20_000)
    monkeypatch.setattr(planning, "STRETCH", 40_000)
    timescaledb.execute(*HYPERTABLE, "CREATE TABLE seen (n bigint)")
    rows = list(records(3000))
    path = write(tmp_path / "ticks.csv", rows)
    request = Request(path, "ticks", header="names")

    def stretch(connection, declared):
        with ledger.transaction(connection):
            task = ledger.claim(connection, declared.backfill)
            ledger.finish(connection, task, planning.perform(connection, declared.backfill, task))

    with workers.connected(timescaledb.engine) as connection:
        declared = loads._declare(connection, request)
        ledger.set_state(connection, declared.backfill, State.RUNNING)
        stretch(connection, declared)
        os.utime(path)
        stretch(connection, declared)
        now = Spec.of(ledger.find(connection, declared.backfill.name))
        assert now.sha256 == hashlib.sha256(path.read_bytes()[: now.hashed]).hexdigest()
        assert 20_000 < now.hashed < now.size
        planned = {each.relation for each in ledger.tasks(connection, declared.backfill)} - {"public.ticks"}
    timescaledb.execute(
        f"DROP TABLE {min(planned)}",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO seen VALUES (new.device); RETURN NULL; END'",
        "CREATE TRIGGER note AFTER INSERT ON ticks FOR EACH ROW EXECUTE FUNCTION note()",
    )
    text = path.read_bytes()
    path.write_bytes(text.replace(b"2024-01-01 00:0", b"2024-01-01 00:1", 1))
    with pytest.raises(LoadError, match="has changed since it was begun to be loaded"):
        loads.load(timescaledb.engine, request)
    path.write_bytes(text)
    loaded = loads.load(timescaledb.engine, request)
    assert (loaded.rows, loaded.rejected) == (len(rows), 0)
    assert stored(timescaledb) == sorted(map(tuple, rows))
    assert timescaledb.scalar("SELECT count(*) FROM seen") == len(rows)


def test_it_stops_when_too_much_is_rejected(timescaledb, both_drivers, small_parts, tmp_path):
    timescaledb.execute(
        "CREATE TABLE ticks (id int, at timestamp, word text DEFAULT 'none')", "CREATE TABLE words (w text)"
    )
    engine = both_drivers.engine
    rows = [[str(each), "01/02/2024 10:00", "x" * 50] for each in range(500)]
    path = write(tmp_path / "ticks.csv", rows, header=None)
    refused = r"has failed: more than 3 records are rejected; line \d+: date/time field value"
    with pytest.raises(LoadError, match=refused):
        loads.load(engine, Request(path, "ticks", columns=["at", "id", "word"], max_rejects=3))
    assert timescaledb.scalar("SELECT count(*) FROM ticks") == 0
    both_drivers.execute(f"ALTER DATABASE {engine.url.database} SET DateStyle = 'ISO, DMY'")
    loaded = loads.load(engine, Request(path, "ticks", "as it is"))
    assert (loaded.rows, loaded.rejected) == (500, 0)
    assert timescaledb.scalar("SELECT min(at)::date = '2024-02-01' AND max(at) = min(at) FROM ticks")
    end = write(tmp_path / "end.csv", [["\\."], ["x"]], header=None)
    loaded, ends = (
        loads.load(engine, Request(end, "words")),
        int(timescaledb.scalar("SHOW server_version_num")) < 180000,
    )
    assert (loaded.rows, loaded.rejected) == ((1, 1) if ends else (2, 0))  # of which older servers make the end
    assert not ends or "1,22P04,a server before PostgreSQL 18 takes it" in Path(loaded.rejects).read_text()
    with pytest.raises(LoadError, match="there is no table nowhere"):
        loads.load(engine, Request(end, "nowhere"))
    for given, said in {
        Format(null="a,b"): "delimiter character must not appear in the NULL specification",
        Format(encoding="no such"): 'argument to option "encoding" must be a valid encoding name',
        Format(encoding="MULE_INTERNAL"): "default conversion function for encoding",
    }.items():  # or it would refuse every record
        with pytest.raises(LoadError, match=f"cannot read records so: .*{said}"):
            loads.load(engine, Request(end, "words", "unreadable", format=given))
    with pytest.raises(LoadError, match="would be overwritten by what is rejected"):
        Request(end, "words", rejects=end)
    assert not timescaledb.scalar("SELECT count(*) FROM tsext.backfill WHERE name = 'unreadable'")
    for encoding in ("WIN1250", "latin2", "iso88592"):  # names that Python does not have, or writes otherwise
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes('w\n"Łódź"\n'.encode("cp1250" if encoding == "WIN1250" else "iso8859-2"))
        loads.load(engine, Request(path, "words", encoding, format=Format(encoding=encoding), header="names"))
    assert timescaledb.scalar("SELECT count(*) FROM words WHERE w = 'Łódź'") == 3
    with pytest.raises(LoadError, match="words has no column other that could be loaded"):
        loads.load(engine, Request(end, "words", "other", columns=["other"]))
    named = write(tmp_path / "named.csv", [["w"], ["x"]], header=None)
    with pytest.raises(LoadError, match=r"the first record of .*named\.csv names columns of words: w"):
        loads.load(engine, Request(named, "words"))
    assert loads.load(engine, Request(named, "words", columns=["w"])).rows == 2


def test_a_hypertable_that_has_had_other_columns(timescaledb, small_parts, tmp_path):
    """Its newer chunks never had them, so that their columns have other numbers."""
    timescaledb.execute(
        "CREATE TABLE ticks (gone int, time timestamptz NOT NULL, note text, device int)",
        "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'), create_default_indexes => false)",
        "INSERT INTO ticks (time) VALUES ('2024-01-02')", "ALTER TABLE ticks DROP COLUMN gone", "DELETE FROM ticks",
    )  # fmt: skip
    rows = list(records(500))
    loaded = loads.load(timescaledb.engine, Request(write(tmp_path / "ticks.csv", rows), "ticks", header="names"))
    assert (loaded.rows, loaded.rejected) == (len(rows), 0)
    assert stored(timescaledb) == sorted(map(tuple, rows))


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_files_of_parquet_and_arrow(timescaledb, tmp_path, monkeypatch, kind):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: the extra arrow")
    from pyarrow import parquet

    monkeypatch.setattr(arrow_files, "LARGEST", 700)
    timescaledb.execute(
        "CREATE TABLE ticks (time timestamptz NOT NULL, device text, price numeric, good bool, day date, n int)",
        "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'))",
        "CREATE UNIQUE INDEX ON ticks (time, n)",
    )
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        (
            begin + timedelta(minutes=each),
            ("a\n,'\"", "", None)[each % 3],
            Decimal(each) / 4,
            each % 2 == 0,
            date(2026, 3, 1),
            each,
        )
        for each in range(3000)
    ]
    wrong = [*rows, (begin, "twice", Decimal(0), True, date(2026, 3, 1), 0)]
    types = [
        pyarrow.timestamp("us", "UTC"), pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), pyarrow.decimal128(9, 2),
        pyarrow.bool_(), pyarrow.date32(), pyarrow.int32(),
    ]  # fmt: skip
    names = ["time", "device", "price", "good", "day", "n"]
    columns = [pyarrow.array(list(each), type_) for each, type_ in zip(zip(*wrong, strict=True), types, strict=True)]
    table, path = pyarrow.table(columns, names=names), tmp_path / f"ticks.{kind}"
    if kind == "parquet":
        parquet.write_table(table, path, row_group_size=500)
    else:
        with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=900)

    loaded = loads.load(timescaledb.engine, Request(path, "ticks"))

    assert (loaded.rows, loaded.rejected, loaded.chunks_made) == (3000, 1, 3)
    assert loaded.tasks > 3
    assert ",23505," in (tmp_path / f"ticks.{kind}.rejects.csv").read_text()
    with timescaledb.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT * FROM ticks ORDER BY n")
        assert [tuple(row) for row in found] == rows
    nested = tmp_path / f"nested.{kind}"
    with pyarrow.OSFile(str(nested), "wb") as file:
        listed = pyarrow.table({"n": [[1, 2]]})
        if kind == "parquet":
            parquet.write_table(listed, file)
        else:
            with pyarrow.ipc.new_file(file, listed.schema) as writer:
                writer.write_table(listed)
    with pytest.raises(LoadError, match=r"column n of .* is of type list"):
        loads.load(timescaledb.engine, Request(nested, "ticks"))


STAND_IN = """
import argparse, os, sys
import psycopg2

parser = argparse.ArgumentParser()
for flag in ("connection", "schema", "table", "file", "columns", "split", "quote", "escape", "copy-options", "workers",
             "batch-size", "batch-byte-size", "import-id"):
    parser.add_argument("-" + flag, required=True)
parser.add_argument("-skip-header", action="store_true")
given = parser.parse_args()
base, _, settings = given.connection.partition("?")
with psycopg2.connect(base) as connection, connection.cursor() as cursor, open(given.file) as file:
    assert "TimeZone=" in settings and "DateStyle=" in settings
    cursor.execute("INSERT INTO imports VALUES (%s) ON CONFLICT DO NOTHING", [given.import_id])
    if given.skip_header:
        file.readline()
    if cursor.rowcount:
        marks = f"DELIMITER '{given.split}' QUOTE '{given.quote}' ESCAPE '{given.escape}'"
        table = f"{given.schema}.{given.table} ({given.columns})"
        cursor.copy_expert(f"COPY {table} FROM STDIN WITH {marks} {given.copy_options}", file)
print("COPY", cursor.rowcount)
"""
"""Takes the flags of timescaledb-parallel-copy that we pass, and does what it does: nothing under a known import id."""


def test_another_program_may_do_it(timescaledb, tmp_path, monkeypatch):
    timescaledb.execute("CREATE TABLE ticks (n int, word text)", "CREATE TABLE imports (id text PRIMARY KEY)")
    path = write(tmp_path / "ticks.csv", [[str(each), "a, b"] for each in range(50)], header=("n", "word"))
    request = Request(path, "ticks", header="names", tool=program.NAME, batch_size=10)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LoadError, match="timescaledb-parallel-copy is not installed"):
        loads.load(timescaledb.engine, request)
    stand_in = tmp_path / program.NAME
    stand_in.write_text(f"#!{sys.executable}\n{STAND_IN}")
    stand_in.chmod(0o755)
    timescaledb.execute("ALTER TABLE ticks ADD CHECK (n < 10)")
    with pytest.raises(LoadError, match="timescaledb-parallel-copy has failed: CONTEXT:  COPY ticks, line 11"):
        loads.load(timescaledb.engine, request)
    timescaledb.execute("ALTER TABLE ticks DROP CONSTRAINT ticks_n_check")
    loaded = loads.load(timescaledb.engine, request)
    assert (loaded.rows, loaded.state, loaded.tasks) == (50, "done", 1)
    assert loads.load(timescaledb.engine, request).already_done
    with pytest.raises(LoadError, match="was begun with other values of --batch-size: 10, now 20"):
        loads.load(timescaledb.engine, replace(request, batch_size=20))
    assert timescaledb.scalar("SELECT count(*) FROM ticks WHERE word = 'a, b'") == 50
    ((import_id,),) = timescaledb.ask(lambda c: c.exec_driver_sql("SELECT id FROM imports").all())
    assert import_id == f"load-ticks-ticks.csv-{hashlib.sha256(path.read_bytes()).hexdigest()}-10"


@pytest.fixture
def elsewhere(timescaledb):
    """Another database, with the same extension."""
    name = f"{timescaledb.engine.url.database}_elsewhere"
    with timescaledb.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    other = replace(timescaledb, engine=sa.create_engine(timescaledb.engine.url.set(database=name), poolclass=NullPool))
    other.execute("CREATE EXTENSION timescaledb")
    try:
        yield other
    finally:
        with timescaledb.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_table_of_another_database(timescaledb, database_url, elsewhere, tmp_path, monkeypatch):
    """What others write there meanwhile is found by comparing, and copied anew; so is what they write later."""
    half = HYPERTABLE[1].replace("1 day", "12 hours")
    fill = (
        "INSERT INTO ticks SELECT timestamptz '2024-01-01 00:00+00' + i * interval '3 minutes', i % 50, 'note ' || i "
        "FROM generate_series(0, 959) AS i"
    )
    elsewhere.execute(HYPERTABLE[0], half, fill, "CREATE TABLE words (id int PRIMARY KEY, w text)")
    elsewhere.execute("INSERT INTO words SELECT i, repeat('x', i % 9) FROM generate_series(1, 5000) AS i")
    timescaledb.execute(*HYPERTABLE, "CREATE TABLE words (w varchar, id int PRIMARY KEY)", "CREATE TABLE odd (w text)")
    complete = transfer.complete

    def meanwhile(connection, backfill):
        if backfill.source == "public.ticks" and ledger.tasks(connection, backfill)[-1].step == transfer.COPY:
            elsewhere.execute(
                "UPDATE ticks SET note = 'other' WHERE device = 7 AND time < '2024-01-01 12:00+00'",
                "DELETE FROM ticks WHERE device = 8 AND time > '2024-01-02 12:00+00'",
                "INSERT INTO ticks VALUES ('2024-02-01 00:00+00', 1), ('2023-01-01 00:00+00', 1)",
            )
        return complete(connection, backfill)

    monkeypatch.setattr(transfer, "complete", meanwhile)
    url = elsewhere.engine.url.set(password="secret").render_as_string(hide_password=False)
    request = transfers.Request(url, "ticks")
    told = transfers.load(timescaledb.engine, request)

    assert (told.state, told.ranges, told.already_done) == ("done", 6, False)
    assert stored(timescaledb) == stored(elsewhere) and len(stored(timescaledb)) < 962
    anew = "SELECT sum(rows), count(*) FILTER (WHERE rows > 0) FROM tsext.backfill_task WHERE step = 'compare'"
    rows, ranges = timescaledb.ask(lambda c: c.exec_driver_sql(anew).one())
    assert ranges == 4 and rows < 500  # the first half day, the last one, and what is before and behind them
    assert timescaledb.scalar("SELECT count(*) FROM tsext.backfill_task WHERE source_hash = target_hash") == 6
    assert "secret" not in timescaledb.scalar("SELECT string_agg(b::text, '') FROM tsext.backfill AS b")

    elsewhere.execute("UPDATE ticks SET note = 'later' WHERE device = 9 AND time < '2024-01-01 12:00+00'")
    with workers.connected(timescaledb.engine) as connection:
        (found,) = transfer.verify(connection, ledger.find(connection, told.name))
    assert "differ where" in found.message
    assert transfers.load(timescaledb.engine, request).already_done
    assert stored(timescaledb) != stored(elsewhere)
    with loader(database_url, tmp_path, "ticks", "--from-database", url, "--catch-up", "--json") as process:
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(output)["compared_again"]) == (0, True)
    assert stored(timescaledb) == stored(elsewhere)

    with pytest.raises(LoadError, match=r"public\.ticks has rows already"):
        transfers.load(timescaledb.engine, replace(request, name="other"))
    with pytest.raises(LoadError, match="w is text there and character varying here"):
        transfers.load(timescaledb.engine, transfers.Request(url, "words"))
    with pytest.raises(LoadError, match=r"column id is not in both|is not among the columns"):
        transfers.load(timescaledb.engine, transfers.Request(url, "odd", source="words"))
    timescaledb.execute("ALTER TABLE words ALTER w TYPE text")
    with monkeypatch.context() as patched:
        patched.setattr(transfer, "_digests", lambda *_: (Digest(1, "1"), Digest(1, "2")))
        with pytest.raises(LoadError, match="rows where true have changed each of 5 times that they were copied"):
            transfers.load(timescaledb.engine, transfers.Request(url, "words"))
    assert transfers.load(timescaledb.engine, transfers.Request(url, "words")).state == "done"
    assert timescaledb.scalar("SELECT count(*) FROM words") == 5000


def test_the_examples_of_the_page(timescaledb, database_url, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "load.md").read_text()
    (rejected,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    (python,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    timescaledb.execute("CREATE SCHEMA market", "CREATE TABLE market.ticks (time timestamptz, device int, note text)")
    monkeypatch.chdir(tmp_path)
    lines = ["time,device,note", "2026-01-01 00:01+00,1,", "2026-01-01 00:02+00,2,", "2026-01-01 00:03+00,x,"]
    Path("ticks.csv").write_text("\n".join(lines) + "\n")
    exec(python.replace("postgresql+psycopg2://…/market", database_url), {})
    assert capsys.readouterr().out == f"2 1 {tmp_path}/ticks.csv.rejects.csv\n"
    assert Path("ticks.csv.rejects.csv").read_text() == rejected
    options = [each for action in _options() for each in action.option_strings if each.startswith("--")]
    assert [each for each in options if each != "--help" and f"`{each}" not in page and f", `{each}" not in page] == []


def _options():
    parser = argparse.ArgumentParser()
    commands.add_arguments(parser)
    return parser._actions
