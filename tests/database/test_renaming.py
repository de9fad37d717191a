"""Tables that are renamed while both names are in use: who may do what by the old one, and the way back."""

import pytest
from sqlalchemy.exc import DBAPIError

from tsext.errors import InvalidObject

TABLES = """
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text UNIQUE, price numeric DEFAULT 7, hidden text
);
INSERT INTO orders (code) VALUES ('a'), ('b');
CREATE TABLE ticks (time timestamptz NOT NULL, price numeric);
SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'));
CREATE ROLE {role}_owner; CREATE ROLE {role}_reader;
ALTER TABLE orders OWNER TO {role}_owner;
GRANT SELECT ON orders TO {role}_reader;
GRANT UPDATE (price) ON orders TO {role}_reader WITH GRANT OPTION;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_a ON orders TO {role}_reader USING (code = 'a')
"""


@pytest.fixture
def role(timescaledb):
    """Begin of the names of two roles; roles belong to the server, so each database has its own."""
    name = timescaledb.engine.url.database
    timescaledb.execute(TABLES.format(role=name))
    yield name
    timescaledb.execute(f"DROP OWNED BY {name}_owner, {name}_reader CASCADE", f"DROP ROLE {name}_owner, {name}_reader")


def test_both_names_are_in_use_until_the_old_one_is_dropped(timescaledb, role):
    before = timescaledb.look()
    timescaledb.run('op.rename_table_with_view("orders", "trades"); op.rename_table_with_view("ticks", "Quotes")')
    renamed = timescaledb.look()
    assert {each[1] for each in renamed[1] if each[0] == "column" and "_hyper" not in each[1]} == {"trades", '"Quotes"'}

    timescaledb.execute(
        "INSERT INTO orders (code) VALUES ('c') ON CONFLICT (code) DO UPDATE SET price = 1",
        "INSERT INTO orders (code) VALUES ('c') ON CONFLICT (code) DO UPDATE SET price = orders.price + 1",
        "UPDATE orders SET hidden = 'x' WHERE code = 'b' RETURNING id",
        "SELECT * FROM orders FOR UPDATE",
        "DELETE FROM trades WHERE code = 'b'",
        "INSERT INTO ticks VALUES ('2026-01-01', 1), ('2026-01-05', 2)",
        "SELECT * FROM ticks FOR UPDATE",
        "UPDATE ticks SET price = 3 WHERE time = '2026-01-05'",
    )
    assert timescaledb.scalar("SELECT array_agg((code, price)::text ORDER BY id) FROM trades") == ["(a,7)", "(c,8)"]
    assert timescaledb.scalar('SELECT sum(price) FROM "Quotes"') == 4
    for name in ("orders", "trades"):  # the same privileges, and the same row security
        timescaledb.execute(
            f"SET LOCAL ROLE {role}_reader",
            f"UPDATE {name} SET price = 9",
            f"DO $$ BEGIN ASSERT (SELECT array_agg(code) FROM {name}) = '{{a}}'; END $$",
        )
        with pytest.raises(DBAPIError, match="permission denied"):
            timescaledb.execute(f"SET LOCAL ROLE {role}_reader", f"UPDATE {name} SET code = 'z'")
    assert (
        timescaledb.scalar("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'orders'") == f"{role}_owner"
    )

    timescaledb.run('op.drop_renaming_view("orders", "trades")')
    with pytest.raises(DBAPIError, match='"orders" does not exist'):
        timescaledb.execute("SELECT * FROM orders")
    timescaledb.run('op.create_renaming_view("orders", "trades")')
    timescaledb.run('op.rename_table_over_view("trades", "orders"); op.rename_table_over_view("Quotes", "ticks")')
    assert timescaledb.scalar("SELECT count(*) FROM pg_views WHERE viewname IN ('orders', 'ticks')") == 0
    timescaledb.execute("SELECT drop_chunks('ticks', newer_than => TIMESTAMPTZ '2000-01-01')")
    assert timescaledb.look() == before


def test_what_cannot_be_is_refused_first(database):
    database.execute("CREATE TABLE a (id integer)", "CREATE VIEW v AS SELECT * FROM a", "CREATE VIEW w AS TABLE v")
    before = database.look()
    for code, fact in (
        ('op.rename_table_with_view("v", "b")', "there is no table v"),
        ('op.rename_table_over_view("a", "nope")', "there is no view nope"),
        ('op.drop_renaming_view("a", "v")', "there is no view a"),
        ('op.create_renaming_view("x", "nope")', "there is no table nope"),
    ):
        with pytest.raises(InvalidObject, match=fact):
            database.run(code)
    with pytest.raises(DBAPIError, match="depend on it"):
        database.run('op.drop_renaming_view("v", "a")')
    assert database.look() == before
