"""What is validated after a run, and what follows if it fails."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tsext import catalog, command
from tsext.errors import HistoryError, PreflightFailed, RevisionFailed, ValidationFailed

ROOT = Path(__file__).parents[2]

PRICES = """
CREATE TABLE prices (id int PRIMARY KEY, price numeric);
INSERT INTO prices VALUES (1, 10), (2, {price});
"""
CHECK = """
-- no price is negative
SELECT id, price FROM prices WHERE price < 0;
SELECT 'nobody' AS who WHERE NOT EXISTS (SELECT FROM prices);
"""
HISTORY = "SELECT version, name, checksum FROM migration_history ORDER BY version"
EVENTS = "SELECT kind, outcome, revision, coalesce(details ->> 'answer', '') FROM tsext.event ORDER BY id"


@pytest.fixture
def prices(project):
    """001 is sound; 002 fills a table that its check does not like."""
    project.tables("001_a")
    project.revision("002_prices", "001_a", 'op.execute_file("002_prices.sql")', 'op.drop_table("prices")')
    project.sql_file("002_prices.sql", PRICES.format(price=-5))
    project.sql_file("checks/002_check.sql", CHECK)
    return project


def append(project, revision, text):
    path = project.versions / f"{revision}.py"
    path.write_text(f"{path.read_text()}\n\n{text}")


def look(project):
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
    return project.rows(tables), project.rows(HISTORY), project.rows("SELECT * FROM alembic_version")


def test_a_check_that_finds_rows_stops_production(prices):
    prices.tables_after("002_prices", "003_b")
    output = prices.run("alembic", "upgrade", "head", fails=True)
    assert "validation failed; 001_a, 002_prices stay applied" in output
    assert "checks/002_check.sql:3 found 1 row(s) that must not be: (id: 2, price: -5)" in output
    assert "hint:" in output
    assert prices.rows(HISTORY)[-1][:2] == (2, "prices")  # 003 was not begun
    assert prices.rows(EVENTS)[-1] == ("validation", "failed", "002_prices", "stop")
    error, details = prices.rows("SELECT error, details FROM tsext.event ORDER BY id DESC LIMIT 1")[0]
    assert "found 1 row(s)" in error and details["revisions"] == ["001_a", "002_prices"]
    found = json.loads(prices.run("tsext", "validate", "--json", fails=True))
    assert {"check-failed", "revisions-pending"} == {each["rule"] for each in found}
    prices.sql_file("checks/002_check.sql", CHECK.replace("< 0", "< -100"))  # a check may change, no checksum has it
    command.upgrade(prices.config)
    assert command.validate(prices.config, models=False) == []
    assert prices.rows("SELECT kind, outcome FROM tsext.event WHERE kind = 'validation'") == [("validation", "failed")]


def test_staging_rolls_back_to_where_it_began(prices, monkeypatch):
    monkeypatch.setenv("TSEXT_ENV", "staging")
    command.upgrade(prices.config, "001")
    before = look(prices)
    prices.revision("003_more", "002_prices", "op.execute('CREATE TABLE more (id int)')", 'op.drop_table("more")')
    prices.sql_file("002_prices.sql", PRICES.format(price=5))
    append(prices, "003_more", "def validate(connection):\n    yield 'never good'\n    yield ''\n")
    output = prices.run("alembic", "upgrade", "head", fails=True)
    assert "validation failed; 002_prices, 003_more rolled back" in output
    assert "validate() of revision 003_more: never good" in output
    assert look(prices) == before
    assert [row[:3] for row in prices.rows(EVENTS)] == [
        ("upgrade", "succeeded", "001_a"),
        ("upgrade", "succeeded", "002_prices"),
        ("upgrade", "succeeded", "003_more"),
        ("validation", "failed", "003_more"),
        ("downgrade", "succeeded", "003_more"),
        ("downgrade", "succeeded", "002_prices"),
    ]
    assert [line.state for line in command.status(prices.config)] == ["applied", "pending", "pending"]
    assert prices.scalar("SELECT details ? 'receipt' FROM tsext.event ORDER BY id DESC LIMIT 1")  # watched, too

    # one without a way back: nothing is rolled back
    prices.revision("002_prices", "001_a", 'op.execute_file("002_prices.sql")', 'raise NotImplementedError("lost")')
    with pytest.raises(ValidationFailed, match=r"002_prices, 003_more stay applied(?s:.*)no way back from 002_prices"):
        command.upgrade(prices.config)
    assert [row[0] for row in prices.rows(HISTORY)] == [1, 2, 3]
    assert prices.rows(EVENTS)[-1] == ("validation", "failed", "003_more", "stop")
    assert command.validate(prices.config, models=False)[0].rule == "validate-failed"


def test_a_rollback_that_fails_itself(prices, monkeypatch):
    monkeypatch.setenv("TSEXT_ENV", "staging")
    prices.revision("002_prices", "001_a", 'op.execute_file("002_prices.sql")', 'op.drop_table("price")')
    with pytest.raises(RevisionFailed, match="downgrade of revision 002_prices failed"):
        command.upgrade(prices.config)
    assert [row[:3] for row in prices.rows(EVENTS)[-2:]] == [
        ("validation", "failed", "002_prices"),
        ("downgrade", "failed", "002_prices"),
    ]
    assert [row[0] for row in prices.rows(HISTORY)] == [1, 2]


def test_the_examples_of_the_page(project):
    page = (ROOT / "docs" / "validation.md").read_text()
    sql, python = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("sql", "python"))
    orders = "CREATE TABLE orders AS SELECT 1 AS id, 5 AS quantity, {} AS filled"
    project.revision("003_orders", None, f'op.execute("{orders.format(6)}")', 'op.execute("DROP TABLE orders")')
    project.sql_file("checks/003_check.sql", sql[0])
    (project.versions / "004_venues.py").write_text(python[0])
    with pytest.raises(ValidationFailed, match=r"003_check\.sql:2 found 1 row.*\(id: 1, quantity: 5, filled: 6\)"):
        command.upgrade(project.config)
    project.execute("UPDATE orders SET filled = 5")
    command.upgrade(project.config)
    assert command.validate(project.config, models=False) == []
    project.execute("UPDATE orders SET venue = 'XXXX'")
    assert "unknown venue XXXX" in command.validate(project.config, models=False)[0].message


SAYS = {
    "raise ValueError('out of stock')": "validate() of revision 001_a: out of stock",
    "assert connection.exec_driver_sql('SELECT 1').scalar() == 2": "AssertionError()",
    "return True": "returned True, which may mean either",
    "return [Finding('mine', 'too few', 'add some')]": "too few",
    "return 'one text'": "one text",
    "connection.exec_driver_sql('DELETE FROM t_001_a')": "cannot execute DELETE in a read-only transaction",
    "connection.commit(); connection.exec_driver_sql('DELETE FROM t_001_a')": "in a read-only transaction",
    "connection.exec_driver_sql('SELECT pg_sleep(5)')": "statement timeout",
    "return []": None,
    "return None": None,
    "return [Finding('mine', 'so what', severity=Severity.WARNING)]": None,
}


def test_what_validate_says(project):
    project.tables("001_a")
    project.configure(validation_timeout="200ms")
    path = project.versions / "001_a.py"
    source = path.read_text()
    for body, said in SAYS.items():
        function = f"def validate(connection):\n    from tsext.errors import Finding, Severity\n    {body}\n"
        path.write_text(f"{source}\n\n{function}")
        if said is None:
            command.upgrade(project.config)
        else:
            with pytest.raises(ValidationFailed) as failed:
                command.upgrade(project.config)
            assert said in str(failed.value)
        command.downgrade(project.config, "base")
    for other in ("from tsext import validate", "def validate(row, schema):\n    1 / 0", "validate = 'strictly'"):
        path.write_text(f"{source}\n\n{other}\n")  # what a revision calls so without meaning ours
        command.upgrade(project.config)
        command.downgrade(project.config, "base")


def test_rows_that_a_revision_promises_to_keep(project):
    project.execute("CREATE TABLE orders AS SELECT generate_series(1, 3) AS id")
    project.configure(unsafe_revisions="allow")
    project.revision("001_keeps", None, "op.execute('ALTER TABLE orders ADD COLUMN note text')")
    project.revision("002_loses", "001_keeps", "op.execute('DELETE FROM orders WHERE id = 2')")
    project.revision("003_drops", "002_loses", "op.execute('DROP TABLE orders')")
    project.revision("004_typo", "003_drops")
    tables = ("001_keeps", "public.orders"), ("002_loses", "orders"), ("003_drops", "orders"), ("004_typo", "order")
    for revision, table in tables:
        append(project, revision, f"unchanged_rows = [{table!r}]\n")
    with pytest.raises(ValidationFailed, match="orders had 3 rows before revision 002_loses, and has 2 now"):
        command.upgrade(project.config)
    append(project, "003_drops", "def validate(connection):\n    connection.exec_driver_sql('SELECT 1 FROM orders')\n")
    with pytest.raises(ValidationFailed, match="orders, of which revision 003_drops") as failed:
        command.upgrade(project.config)
    assert [each.rule for each in failed.value.findings] == ["validate-failed", "rows-changed"]
    with pytest.raises(PreflightFailed, match=r"unchanged_rows of revision 004_typo(?s:.*)name tables that are there"):
        command.upgrade(project.config)
    assert [row[0] for row in project.rows(HISTORY)] == [1, 2, 3]


def test_a_check_that_cannot_run(project):
    project.tables("001_a")
    project.sql_file(
        "checks/001_check.sql", "SELECT * FROM nowhere;\nSELECT 7 AS seven;\nINSERT INTO t_001_a VALUES (1)"
    )
    belongs_to_nothing = project.sql_file("checks/009_check.sql", "SELECT 1")
    with pytest.raises(ValidationFailed) as failed:
        command.upgrade(project.config)
    assert [each.rule for each in failed.value.findings] == ["check-error", "check-failed", "check-error"]
    rules = [each.rule for each in command.validate(project.config, models=False)]
    assert rules == ["check-of-nothing", "check-error", "check-failed", "check-error"]
    assert 'relation "nowhere" does not exist' in str(failed.value) and "(seven: 7)" in str(failed.value)
    assert "a check only reads" in str(failed.value)
    assert "hint: correct the statement\n" in str(failed.value)
    belongs_to_nothing.unlink()
    project.configure(validation_timeout="200ms")
    for text, rule, cure in (
        ("SELEC", "check-unreadable", "correct it"),
        ("VACUUM t_001_a", "check-unreadable", "a check only reads"),
        ("BEGIN; SELECT 1 WHERE false; COMMIT", "check-unreadable", "a check only reads"),
        ("SELECT pg_sleep(5)", "check-error", "took longer than validation_timeout"),
        ("DO $$ BEGIN ASSERT false, 'no order has a venue'; END $$", "check-failed", "mend the data"),
    ):
        project.sql_file("checks/001_check.sql", text)
        (found,) = command.validate(project.config, models=False)
        assert (found.rule, cure in found.hint, "again" in found.hint) == (rule, True, False), found
    assert project.scalar("SELECT count(*) FROM t_001_a") == 0


MODELS = """
from sqlalchemy import Column, Integer, MetaData, Table

metadata = MetaData()
Table("t_001_a", metadata, Column("id", Integer){})
"""


def test_models_at_the_head(project, monkeypatch, capsys):
    project.models(MODELS.format(""))
    project.tables("001_a", "002_b")
    command.upgrade(project.config, "001")  # not at the head, where nothing is compared
    assert "models and schema differ" not in capsys.readouterr().err
    command.upgrade(project.config)
    surplus = (
        "the schema has what the models do not have: remove_table t_002_b\n  hint: declare it in the models, as `tsext"
    )
    assert surplus in capsys.readouterr().err  # no more than a warning
    command.downgrade(project.config, "base")
    project.models(MODELS.format(', Column("note", Integer)'))
    sys.modules.pop("models")
    command.upgrade(project.config)
    lacking = "the schema lacks what the models have: add_column t_001_a note"
    assert lacking in capsys.readouterr().err  # it may have been so before
    command.rollback(project.config, "0")
    monkeypatch.setenv("TSEXT_ENV", "staging")
    with pytest.raises(ValidationFailed, match=lacking):
        command.upgrade(project.config)
    monkeypatch.setenv("TSEXT_ENV", "development")
    command.upgrade(project.config)
    assert {each.rule for each in command.validate(project.config)} == {"models-differ"}


HYPERTABLE = """op.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    op.execute("CREATE TABLE ticks (time timestamptz NOT NULL, symbol int)")
    op.execute("SELECT create_hypertable('ticks', 'time', chunk_time_interval => INTERVAL '1 day')")
    op.execute("INSERT INTO ticks SELECT now() - i * INTERVAL '1 day', i FROM generate_series(1, 4) AS i")"""


def test_indexes_on_every_chunk(project, capsys):
    project.revision("001_ticks", None, HYPERTABLE, 'op.execute("DROP TABLE ticks")')
    command.upgrade(project.config)
    assert command.validate(project.config, models=False) == []
    project.revision("002_only", "001_ticks", 'op.execute("CREATE INDEX half ON ONLY ticks (symbol)")')
    with pytest.raises(
        ValidationFailed,
        match=r"index public\.half of hypertable public\.ticks is not on every chunk(?s:.*)4 chunk\(s\) lack it",
    ):
        command.upgrade(project.config)
    with project.engine.connect() as connection:
        (found,) = catalog.uncovered_indexes(connection)
    assert (found.name, found.chunks) == ("public.half", 4) and "_hyper_" in found.example
    # what was there before is none of the next revision's doing
    project.tables_after("002_only", "003_b")
    command.upgrade(project.config)
    assert [each.rule for each in command.validate(project.config, models=False)] == ["index-incomplete"]
    with project.engine.connect() as connection:
        for chunk in connection.exec_driver_sql("SELECT show_chunks('ticks')::text").scalars().all():
            connection.exec_driver_sql(f"CREATE INDEX ON {chunk} (symbol)")
        assert catalog.uncovered_indexes(connection) == []  # built chunk by chunk
    project.execute("DROP INDEX half", "CREATE INDEX whole ON ticks (symbol)")
    assert command.validate(project.config, models=False) == []
    index = project.scalar(
        f"SELECT indexrelid::regclass FROM pg_index WHERE indrelid = '{found.example}'::regclass LIMIT 1"
    )
    project.execute(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index}'::regclass")
    (invalid,) = command.validate(project.config, models=False)
    assert invalid.rule == "index-invalid" and str(index).split(".")[-1] in invalid.message
    project.execute(f"UPDATE pg_index SET indisvalid = true WHERE indexrelid = '{index}'::regclass")
    # constraints that are NOT VALID only warn, for they may be validated later
    project.revision("004_c", "003_b", 'op.execute("ALTER TABLE t_003_b ADD CONSTRAINT c CHECK (id > 0) NOT VALID")')
    command.upgrade(project.config)
    assert "constraint c on public.t_003_b is NOT VALID" in capsys.readouterr().err


def test_checks_are_renumbered_with_their_revisions(project):
    project.tables("001_a", "002_b")
    project.revision("002_c", "001_a", 'op.execute("SELECT 1")')
    project.sql_file("checks/002_check.sql", "SELECT 1 WHERE false")
    with pytest.raises(HistoryError, match="may belong to 002_c"):
        command.renumber(project.config)
    (project.sql / "checks" / "002_check.sql").rename(project.sql / "checks" / "002_c_check.sql")
    assert command.renumber(project.config) == [("002_c", "003_c")]
    assert [path.name for path in (project.sql / "checks").iterdir()] == ["003_c_check.sql"]
    command.upgrade(project.config, "003")
    project.revision("004_late", "003_c")
    project.sql_file("checks/004_check.sql", "SELECT 1 WHERE false")
    project.tables_after("003_c", "005_e")
    command.upgrade(project.config, "005_e")
    assert command.renumber(project.config) == [("004_late", "006_late")]
    assert (project.sql / "checks" / "006_check.sql").exists()
