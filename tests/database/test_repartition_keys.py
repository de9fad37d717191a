"""Tables that others refer to get another shape: their foreign keys go with the table, and hold all the time."""

import threading

import pytest

from tsext import catalog
from tsext.backfill import kinds, ledger
from tsext.errors import BackfillError, FeatureNotSupported, InvalidObject

VENUES = """
CREATE TABLE "Venues" (id int NOT NULL, since date NOT NULL, name text,
    PRIMARY KEY (id, since), UNIQUE (since, id, name));
INSERT INTO "Venues" SELECT g % 40, DATE '2026-01-01' + g, 'v' || g FROM generate_series(0, 399) AS g;
CREATE TABLE fills (
    id bigserial PRIMARY KEY, venue int, since date,
    CONSTRAINT "Fill" FOREIGN KEY (venue, since) REFERENCES "Venues" ON DELETE CASCADE DEFERRABLE
);
INSERT INTO fills (venue, since) SELECT id, since FROM "Venues";
CREATE SCHEMA away;
CREATE TABLE away.notes (
    venue int, since date, name text, FOREIGN KEY (since, venue, name) REFERENCES "Venues" (since, id, name)
);
INSERT INTO away.notes SELECT id, since, name FROM "Venues" WHERE id > 35;
CREATE TABLE away.loose (venue int, since date);
INSERT INTO away.loose VALUES (-1, '2026-01-01');
ALTER TABLE away.loose ADD CONSTRAINT loose FOREIGN KEY (venue, since) REFERENCES "Venues" NOT VALID;
COMMENT ON CONSTRAINT loose ON away.loose IS 'not valid'
"""
KEYS = """
SELECT conrelid::regclass || ' ' || conname || ' ' || confrelid::regclass || ' ' || pg_get_constraintdef(oid)
    || convalidated || coalesce(obj_description(oid), '') FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND confrelid = '"Venues"'::regclass
ORDER BY 1
"""
FORTH = 'op.repartition_hypertable("Venues", "since", chunk_time_interval=timedelta(days={}))'


def keys(database):
    with database.engine.connect() as connection:
        return list(connection.exec_driver_sql(KEYS).scalars())


class Referrer(threading.Thread):
    """Writes rows that refer to the table, and deletes of the table what takes them along."""

    def __init__(self, database):
        super().__init__(daemon=True)
        self.database = database
        self.stopped = threading.Event()
        self.rows, self.refused, self.error = 400, 0, None

    def run(self):
        try:
            with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                number = 0
                while not self.stopped.wait(0.01):
                    number += 1
                    self.write(connection, 1000 + number)
        except Exception as error:
            self.error = error

    def write(self, connection, number):
        day = f"DATE '2026-01-01' + {number % 400}"
        connection.exec_driver_sql(f"INSERT INTO \"Venues\" VALUES ({number}, {day}, 'new')")
        connection.exec_driver_sql(
            f"INSERT INTO fills (venue, since) SELECT {number}, {day} FROM generate_series(1, 3)"
        )
        self.rows += 3
        if number % 3 == 0:
            connection.exec_driver_sql(f'DELETE FROM "Venues" WHERE id = {number} AND since = {day}')
            self.rows -= 3

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()
        assert self.error is None, self.error


def finish(connection):
    connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    found = ledger.find(connection, "repartition_Venues")
    kinds.of(found).finish(connection, found)
    ledger.set_state(connection, found, ledger.State.FINISHED)


def refused(database, statement):
    with pytest.raises(Exception, match="violates foreign key constraint"):
        database.execute(statement)


def test_foreign_keys_to_the_table_follow_it(timescaledb):
    database = timescaledb
    database.execute(*VENUES.split(";\n"))
    before = keys(database)
    assert len(before) == 3
    if database.ask(catalog.timescaledb).number < (2, 21, 1):
        with pytest.raises(FeatureNotSupported, match=r"keys of public.fills, away.loose, away.notes refer to Venues"):
            database.run(FORTH.format(30))
        database.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET plan_cache_mode = force_custom_plan', "
            "current_database()); END $$"
        )
    back = 'op.undo_repartition_hypertable("Venues")'
    with Referrer(database) as referrer:
        for code, hypertables in (
            (FORTH.format(30), 1),
            (back, 0),
            (FORTH.format(50), 1),
        ):
            database.run(code)
            assert keys(database) == before
            assert len([each for each in database.hypertables if each.schema is None]) == hypertables
    refused(database, "INSERT INTO fills (venue, since) VALUES (7, '2020-01-01')")
    refused(database, 'DELETE FROM "Venues" WHERE id = 39')
    for code, hypertables in (
        ('op.repartition_hypertable("Venues", chunk_time_interval=timedelta(days=20))', 1),
        ('op.convert_to_table("Venues")', 0),
    ):
        with pytest.raises(BackfillError, match="has given Venues another shape, and may still be undone"):
            database.run(code)
        database.ask(finish)
        database.run(code)
        assert keys(database) == before
        assert len([each for each in database.hypertables if each.schema is None]) == hypertables
    refused(database, "INSERT INTO fills (venue, since) VALUES (7, '2020-01-01')")
    refused(database, 'DELETE FROM "Venues" WHERE id = 39')
    database.execute('DELETE FROM "Venues" WHERE id = 3')
    assert database.scalar("SELECT count(*) FROM fills") == referrer.rows - 10
    lost = 'SELECT count(*) FROM fills WHERE (venue, since) NOT IN (SELECT id, since FROM "Venues")'
    assert database.scalar(lost) == 0


def test_keys_that_no_hypertable_can_have_are_refused_first(timescaledb):
    timescaledb.execute(
        "CREATE TABLE parts (id int, at date NOT NULL, whole int, PRIMARY KEY (id, at), up date, "
        "FOREIGN KEY (whole, up) REFERENCES parts)",
        "CREATE TABLE uses (id int, at date NOT NULL, FOREIGN KEY (id, at) REFERENCES parts)",
        "SELECT create_hypertable('uses', by_range('at'))",
    )
    with pytest.raises(InvalidObject, match=r"joins parts and public.parts, public.uses, and there are none between"):
        timescaledb.run('op.repartition_hypertable("parts", "at", chunk_time_interval=timedelta(days=1))')
