"""``tsext backfill``: what it prints, what running workers make of it, and how it ends."""

from __future__ import annotations

import json
import time

import pytest

from tsext import cli

pytestmark = pytest.mark.one_version

CREATE = """op.execute("CREATE TABLE orders (id int PRIMARY KEY, currency text)")
    op.execute("INSERT INTO orders SELECT i FROM generate_series(1, 30000) AS i")
    op.execute("ANALYZE orders")"""
FILL = """op.backfill("orders", set={"currency": "'EUR'"}, where="currency IS NULL", name="currency")"""


@pytest.fixture
def line(project, capsys, monkeypatch):
    monkeypatch.chdir(project.path)

    def run(*arguments, code=0):
        with pytest.raises(SystemExit) as ended:
            cli.main(["backfill", *arguments])
        said = capsys.readouterr()
        assert ended.value.code == code, said
        return json.loads(said.out) if "--json" in arguments else said.out + said.err

    return run


@pytest.fixture
def two_steps(project):
    project.revision("001_orders", None, CREATE, 'op.execute("DROP TABLE orders")')
    project.revision("002_currency", "001_orders", FILL)
    project.run("alembic", "upgrade", "001")
    return project


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def filled(project):
    return project.scalar("SELECT count(currency) FROM orders")


def test_before_the_upgrade_on_any_machine(two_steps, line, monkeypatch):
    assert line("list") == "no backfill is declared\n"
    monkeypatch.setenv("TSEXT_ENV", "staging")
    ini = two_steps.path / "alembic.ini"
    ini.write_text(ini.read_text() + "\n[tsext:staging]\nbackfill_in_upgrade = 1000\nbackfill_rest = 0\n")
    output = two_steps.run("alembic", "upgrade", "head", fails=True)
    assert "backfill currency has about 30000 rows of public.orders to go through, more than backfill_in_upgrade" in (
        " ".join(output.split())
    )
    (ran,) = line("run", "002", "--json", "--workers", "3")
    assert (ran["state"], ran["rows"], ran["fraction"], ran["limits"]) == ("done", 30000, 1, {"rest": "0"})
    assert filled(two_steps) == 30000
    assert "cannot finish backfill currency: it is done" in line("finish", "currency", code=-1)
    two_steps.run("alembic", "upgrade", "head")
    (told,) = line("list", "--json")
    assert (told["state"], told["revision"]) == ("applied", "002_currency")
    assert "revision 002_currency is applied" in line("run", "002", code=-1)
    assert line("verify", "currency") == "currency: nothing is wrong\n"
    two_steps.execute("UPDATE orders SET currency = NULL WHERE id = 7")
    (finding,) = line("verify", "currency", "--json", code=1)
    assert finding["rule"] == "rows-left"
    assert line("finish", "currency") == "currency: finished\n"


def test_running_workers_heed_what_is_said(two_steps, line):
    line("run", "nobody", code=-1)
    two_steps.execute("CREATE TABLE wait AS SELECT true AS now")
    ini = two_steps.path / "alembic.ini"
    ini.write_text(ini.read_text() + "\n[tsext:production]\nbackfill_query = SELECT now FROM wait\n")
    worker = two_steps.command("tsext", "backfill", "run", "002", "--workers", "1")
    wait_until(lambda: two_steps.scalar("SELECT to_regclass('tsext.backfill')") and line("list", "--json"))
    assert "query=SELECT now FROM wait" in line("limits", "currency", "batch_time=20ms")
    assert "'speed=3' is no limit" in line("limits", "currency", "speed=3", code=-1)
    wait_until(lambda: "waits: query: the query of the limits returns True" in line("status", "currency"))
    wait_until(lambda: line("status", "currency", "--json")["waited_for"]["query"] > 1)
    assert "currency: paused" in line("pause", "currency")
    assert "cannot pause backfill currency: it is paused" in line("pause", "currency", code=-1)
    two_steps.execute("UPDATE wait SET now = false")
    time.sleep(1)
    assert filled(two_steps) == 0
    two_steps.execute("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                      "'BEGIN PERFORM pg_sleep(20); RETURN NEW; END'")  # fmt: skip
    two_steps.execute("CREATE TRIGGER slow BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION slow()")
    line("resume", "currency")
    told = line("status", "currency", "--json")
    assert set(told["waited_for"]) == {"query", "paused"} and 1 <= told["waited_for"]["paused"] < 60
    wait_until(lambda: line("status", "currency", "--json")["at_work"])
    cancelled = time.monotonic()
    assert "currency: cancelled" in line("cancel", "currency")
    output, _ = worker.communicate(timeout=10)  # within a batch that would last for hours
    assert time.monotonic() - cancelled < 4, output
    assert worker.returncode == 1
    assert "currency: cancelled: by" in output
    two_steps.execute("DROP TRIGGER slow ON orders")
    assert "is cancelled" in line("run", "currency", code=-1)
    line("retry", "currency")
    assert "currency: done; 30,000 rows in 1 of 1 tasks" in line("run", "currency")
