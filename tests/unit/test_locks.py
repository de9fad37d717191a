"""What is told of a statement's locks from its text, and how long is asked for them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tsext.catalog import Holder
from tsext.environment.locking import locked_by
from tsext.errors import SettingsError
from tsext.locks import Attempts, reporting
from tsext.locks.policy import Policy
from tsext.locks.statements import Kind, Statement
from tsext.model.locks import LockMode
from tsext.settings import Settings
from tsext.settings.values import times


def kind(text, autocommit=False):
    return Statement.of(text, None, autocommit).kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ALTER TABLE a ADD b int", Kind.TABLE),
        ("-- why\n/* how */ alter table a add b int", Kind.TABLE),
        ("SELECT create_hypertable('a', 'b')", Kind.TABLE),
        ("(SELECT 1)", Kind.TABLE),
        ("SELECT a\nFROM b", Kind.READ),
        ("", Kind.TABLE),
        ("/* never closed", Kind.TABLE),
        (b"UPDATE a SET b = 1", Kind.ROWS),
        ("with x as (select 1) insert into a select * from x", Kind.ROWS),
        ("COMMIT;", Kind.SESSION),
        ("set lock_timeout = 0", Kind.SESSION),
        ("CREATE INDEX CONCURRENTLY i ON a (b)", Kind.TRANSACTIONS),
        ("REINDEX (CONCURRENTLY) TABLE a", Kind.TRANSACTIONS),
        ("REINDEX TABLE CONCURRENTLY a", Kind.TRANSACTIONS),
        ("DROP INDEX CONCURRENTLY i", Kind.TRANSACTIONS),
        ("ALTER TABLE p DETACH PARTITION c CONCURRENTLY", Kind.TRANSACTIONS),
        ("CREATE INDEX i ON a (b) -- not CONCURRENTLY", Kind.TABLE),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY m", Kind.TABLE),
        ("DO $$BEGIN END$$", Kind.TABLE),
    ],
)
def test_kind_of_a_statement(text, expected):
    assert kind(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE TABLE a (b int);\n", True),
        ("alter table a add b int", True),
        ("CREATE TABLE a AS\nSELECT f()", False),
        ("CREATE TABLE a (b int); INSERT INTO a VALUES (1)", False),
        ("SELECT create_hypertable('a', 'b')", False),
        ("DO $$BEGIN END$$", False),
        ("TRUNCATE a", False),
    ],
)
def test_what_writes_rows_is_told_from_what_defines(text, expected):
    assert Statement.of(text, None, False).only_defines is expected


def test_procedures_that_may_commit_are_not_cut_short():
    assert kind("CALL refresh_continuous_aggregate('a', NULL, NULL)", autocommit=True) is Kind.TRANSACTIONS
    assert kind("CALL refresh_continuous_aggregate('a', NULL, NULL)") is Kind.TABLE


@pytest.mark.parametrize(
    ("text", "looks_first"),
    [
        ("ALTER TABLE a ADD b int", True),
        ("CREATE UNIQUE INDEX i ON a (b)", True),
        ("CREATE OR REPLACE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()", True),
        ("CREATE TABLE a (b int)", False),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", False),
        ("SELECT 1", False),
    ],
)
def test_only_what_surely_changes_something_that_exists_is_looked_for_first(text, looks_first):
    assert Statement.of(text, None, False).on_existing is looks_first


@pytest.mark.parametrize("text", ["DO $$BEGIN END$$", "this is no SQL", "", "SELECT 'no: name', 'a.b.c'", "BEGIN; x"])
def test_what_does_not_tell_its_locks_is_only_asked_for(text):
    assert locked_by(text) == {}


def test_what_a_statement_locks():
    assert locked_by("ALTER TABLE b ADD FOREIGN KEY (x) REFERENCES d") == {
        "b": LockMode.SHARE_ROW_EXCLUSIVE,
        "d": LockMode.SHARE_ROW_EXCLUSIVE,
    }


def test_timeouts_grow_and_never_end_in_none():
    policy = Policy.of(Settings())
    assert policy.timeout(Kind.TABLE, 0) == 0.01
    assert 0.0375 <= policy.timeout(Kind.TABLE, 1) <= 0.0625
    assert 0.15 <= policy.timeout(Kind.TABLE, 1000) <= 0.25
    assert policy.timeout(Kind.ROWS, 0) == 2
    assert policy.timeout(Kind.TRANSACTIONS, 7) == 600


def test_settings():
    assert times("x", "5ms, 1s") == (timedelta(milliseconds=5), timedelta(seconds=1))
    for nonsense in ("", "0ms 10ms", "soon"):
        with pytest.raises(SettingsError):
            times("x", nonsense)


def holder(**given):
    values = {
        "pid": 4711, "transaction": "3/9", "relation": "orders", "mode": "AccessShareLock", "granted": True,
        "age": 75.0, "application": "billing", "role": "app", "backend_type": "client backend", "state": "active",
        "query": "SELECT *\n  FROM orders", "gid": None,
    }  # fmt: skip
    return Holder(**{**values, **given})


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (
            {},
            "pid 4711 ('billing', role app) holds AccessShareLock on orders, in a transaction 1 min 15 s old; "
            "it runs: SELECT * FROM orders",
            "wait for it, or end it: SELECT pg_terminate_backend(4711)",
        ),
        (
            {"state": "idle in transaction", "granted": False, "age": 3.21},
            "pid 4711 ('billing', role app) waits for AccessShareLock on orders, in a transaction 3.2 s old; "
            "idle in transaction, its last statement: SELECT * FROM orders",
            "wait for it, or end it: SELECT pg_terminate_backend(4711)",
        ),
        (
            {"pid": None, "gid": "it's", "application": "", "query": ""},
            "the prepared transaction \"it's\" of role app holds AccessShareLock on orders, "
            "in a transaction 1 min 15 s old",
            "if its transaction manager has forgotten it: COMMIT PREPARED 'it''s', or ROLLBACK PREPARED 'it''s'",
        ),
        (
            {
                "backend_type": "autovacuum worker", "application": "", "role": "",
                "query": "autovacuum: VACUUM public.orders (to prevent wraparound)", "mode": "ShareUpdateExclusiveLock",
            },
            "pid 4711 (autovacuum) holds ShareUpdateExclusiveLock on orders, in a transaction 1 min 15 s old; "
            "it runs: autovacuum: VACUUM public.orders (to prevent wraparound)",
            "let it finish, it must not be ended; how far it is: SELECT * FROM pg_stat_progress_vacuum",
        ),
        (
            {"age": None, "application": "", "role": "", "query": ""},
            "pid 4711 holds AccessShareLock on orders",
            "wait for it, or end it: SELECT pg_terminate_backend(4711)",
        ),
    ],
)  # fmt: skip
def test_who_is_in_the_way(given, message, hint):
    (finding,) = reporting.findings([holder(**given)])
    assert (finding.message, finding.hint) == (message, hint)


def test_details_for_the_event():
    assert Attempts().details == {}
    attempts = Attempts(refused=2, restarted=1, waited=1.5)
    attempts.saw([holder(), holder(age=80.0), holder(transaction="4/1", pid=12)])
    told = attempts.details["locks"]
    assert (told["refused"], told["restarted"], told["waited_ms"]) == (2, 1, 1500)
    assert [(each["pid"], each["age_s"]) for each in told["blockers"]] == [(4711, 80.0), (12, 75.0)]
