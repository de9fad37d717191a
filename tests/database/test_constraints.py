"""Constraints that are added in steps: life-cycles, interruptions, and what is refused."""

import pytest
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.errors import FeatureNotSupported, InvalidObject

TABLES = """
CREATE TABLE "Üsers" (id integer PRIMARY KEY, name text, "Age" integer);
CREATE TABLE orders (id integer PRIMARY KEY, user_id integer, code text);
INSERT INTO "Üsers" VALUES (1, 'a', 3), (2, 'b', 4);
INSERT INTO orders VALUES (1, 1, 'x'), (2, 2, 'y');
CREATE TABLE parts (id integer, user_id integer) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (5);
CREATE TABLE "Rest" PARTITION OF parts DEFAULT PARTITION BY LIST (user_id);
CREATE TABLE "Rest_1" PARTITION OF "Rest" DEFAULT;
INSERT INTO parts VALUES (1, 1), (7, 2)
"""
TICKS = """
CREATE TABLE ticks (time timestamptz NOT NULL, v integer, user_id integer);
SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'));
INSERT INTO ticks SELECT '2026-01-01'::timestamptz + g * INTERVAL '12 hours', g, 1 FROM generate_series(0, 9) AS g
"""
VERBS = {
    "add_check": 'op.add_check("ck", "Üsers", "\\"Age\\" > 0 AND name <> \'50%\'")',
    "add_foreign_key": 'op.add_foreign_key("fk", "orders", "Üsers", ["user_id"], ["id"], ondelete="CASCADE")',
    "add_foreign_key_of_partitions": 'op.add_foreign_key("fk", "parts", "Üsers", ["user_id"], ["id"])',
    "set_not_null": 'op.set_not_null("Üsers", "Age")',
    "add_unique": 'op.add_unique("uq", "orders", ["code"])',
}
BACK = {
    "add_check": 'op.drop_constraint("ck", "Üsers", type_="check")',
    "add_foreign_key": 'op.drop_constraint("fk", "orders", type_="foreignkey")',
    "add_foreign_key_of_partitions": 'op.drop_constraint("fk", "parts", type_="foreignkey")',
    "set_not_null": 'op.alter_column("Üsers", "Age", nullable=True)',
    "add_unique": 'op.drop_constraint("uq", "orders", type_="unique")',
}


@pytest.mark.parametrize("verb", VERBS)
def test_there_and_back(both_drivers, verb):
    database = both_drivers
    database.execute(TABLES)
    before = database.look()

    database.run(VERBS[verb])
    after = database.look()
    database.run(VERBS[verb])  # there is nothing left to do
    assert database.look() == after != before
    assert database.ask(catalog.unvalidated_constraints) == []
    database.run(BACK[verb])

    assert database.look() == before


@pytest.mark.parametrize("verb", VERBS)
def test_it_goes_on_after_being_killed_before_any_statement(database, killed, verb):
    database.execute(TABLES)
    before = database.look()
    with killed(database, VERBS[verb]) as kills:
        for _ in kills:
            database.run(VERBS[verb])
            after = database.look()
            assert database.ask(catalog.unvalidated_constraints) == database.ask(catalog.invalid_indexes) == []
            database.run(BACK[verb])
            assert database.look() == before
        assert database.look() == after


TAKEN = """
ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 5) NOT VALID;
ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id);
CREATE INDEX i ON orders (id)
"""
REFUSED = [
    ('op.add_check("c", "nope", "true")', "there is no table nope"),
    ('op.add_foreign_key("f", "orders", "nope", ["user_id"], ["id"])', "there is no table nope to refer to"),
    ('op.add_foreign_key("f", "orders", "Üsers", ["user_id"], ["id", "name"])', "refers to 2"),
    ('op.add_foreign_key("f", "orders", "Üsers", ["user_id"], ["id"], ondelete="EXPLODE")', "action 'EXPLODE'"),
    ('op.set_not_null("Üsers", "nope")', "has no column nope"),
    ('op.add_unique("x", "orders", [])', "no columns"),
    ('op.add_check("c", "orders", "id > 6")', "another definition"),
    ('op.add_unique("u", "orders", ["code"])', "another definition"),
    ('op.add_unique("i", "orders", ["code"])', "another definition"),
]


def test_bad_input_is_refused_first(database):
    database.execute(TABLES, TAKEN)
    before = database.look()
    for code, message in REFUSED:
        with pytest.raises(InvalidObject, match=message):
            database.run(code)
    assert database.look() == before


IN_THE_WAY = [
    ('UPDATE "Üsers" SET "Age" = -1', "add_check", "is violated by some row"),
    ("UPDATE orders SET user_id = 9", "add_foreign_key", "violates foreign key"),
    ('UPDATE "Üsers" SET "Age" = NULL WHERE id = 1', "set_not_null", "is violated by some row"),
    ("UPDATE orders SET code = 'x'", "add_unique", "could not create unique index"),
]


def test_rows_in_the_way_are_told_and_a_second_run_succeeds(database):
    database.execute(TABLES)
    for spoil, verb, message in IN_THE_WAY:
        database.execute(spoil)
        with pytest.raises(DBAPIError, match=message):
            database.run(VERBS[verb])
        database.execute('UPDATE "Üsers" SET "Age" = id', "UPDATE orders SET user_id = id, code = id")
        database.run(VERBS[verb])

    assert database.ask(catalog.unvalidated_constraints) == []


def test_on_hypertables(timescaledb):
    timescaledb.execute(
        TABLES, TICKS, "CREATE TABLE other (LIKE ticks)", "SELECT create_hypertable('other', by_range('time'))"
    )
    before = timescaledb.look()

    timescaledb.run(
        """
        op.add_check("ck", "ticks", "v >= 0")
        op.add_foreign_key("fk", "ticks", "Üsers", ["user_id"], ["id"])
        op.set_not_null("ticks", "v")
        """
    )
    with pytest.raises(DBAPIError, match="null value"):
        timescaledb.execute("INSERT INTO ticks VALUES ('2026-01-01', NULL, 1)")
    with pytest.raises(FeatureNotSupported, match="a unique index does the same"):
        timescaledb.run('op.add_unique("u", "ticks", ["time", "v"])')
    with pytest.raises(InvalidObject, match="are both hypertables"):
        timescaledb.run('op.add_foreign_key("f", "ticks", "other", ["time"], ["time"])')
    timescaledb.run(
        """
        op.drop_constraint("ck", "ticks")
        op.drop_constraint("fk", "ticks")
        op.alter_column("ticks", "v", nullable=True)
        """
    )

    assert timescaledb.look() == before


@pytest.mark.licensed
@pytest.mark.parametrize("code", ['op.add_check("ck", "ticks", "v >= 0")', 'op.set_not_null("ticks", "v")'])
def test_a_columnstore_is_refused_with_the_way_round(licensed, code):
    licensed.execute(TICKS, "ALTER TABLE ticks SET (timescaledb.enable_columnstore)")
    with pytest.raises(FeatureNotSupported, match="VALIDATE"):
        licensed.run(code)
