"""Names and values as SQL text."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsext.errors import InvalidObject
from tsext.sql.quoting import NULL, Raw, call, cut, identifier, interval, literal, qualified, regclass


class Word(StrEnum):
    ONE = "one"


class Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("conditions", "conditions"),
        ("time", "time"),
        ("_hyper_1_1_chunk", "_hyper_1_1_chunk"),
        ("a$b", "a$b"),
        ("Conditions", '"Conditions"'),
        ("user", '"user"'),
        ("lateral", '"lateral"'),
        ("1st", '"1st"'),
        ("my table", '"my table"'),
        ('a"b', '"a""b"'),
        ("50%", '"50%"'),
        ("a\n", '"a\n"'),
        ("a;drop", '"a;drop"'),
        ("größe", '"größe"'),
        ("ñ" * 31, '"' + "ñ" * 31 + '"'),
        ("x" * 63, "x" * 63),
    ],
)
def test_identifier(name: str, sql: str) -> None:
    assert identifier(name) == sql


@pytest.mark.parametrize(
    ("name", "fact"),
    [("", "empty"), ("a\0b", "NUL"), ("x" * 64, "64 bytes"), ("ñ" * 32, "64 bytes"), ("\ud800", "surrogate")],
)
def test_an_impossible_name_is_refused(name: str, fact: str) -> None:
    with pytest.raises(InvalidObject, match=fact) as refusal:
        identifier(name)
    assert refusal.value.hint


def keywords() -> list[str]:
    """Every keyword of the grammar."""
    postgast = import_module("postgast")
    names = (name.removesuffix("_P").lower() for name in postgast.pg_query_pb2.Token.DESCRIPTOR.values_by_name)
    tokens = ((name, postgast.scan(name).tokens) for name in names if name.isidentifier())
    return [name for name, found in tokens if len(found) == 1 and found[0].keyword_kind]


def test_every_keyword_can_be_a_name() -> None:
    assert len(keywords()) > 400
    parse = import_module("postgast").parse
    for word in keywords():
        name = identifier(word)
        parse(f"CREATE TABLE {name} (a int); SELECT t.{name} FROM {qualified(word, word)} AS t ORDER BY t.{name}")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=15))
def test_any_name_is_read_back(name: str) -> None:
    statement = import_module("postgast").parse(f"DROP TABLE {identifier(name)}").stmts[0].stmt.drop_stmt
    assert statement.objects[0].list.items[0].string.sval == name


def test_qualified() -> None:
    assert qualified("conditions") == "conditions"
    assert qualified("t", "My Schema") == '"My Schema".t'


def test_a_name_is_cut_between_characters_so_that_its_suffix_stays() -> None:
    assert cut("hourly", "_old") == "hourly_old"
    assert cut("é" * 31, "_old2") == "é" * 29 + "_old2"


def test_regclass_is_a_string_that_holds_a_quoted_name() -> None:
    assert regclass("conditions", "public") == "'public.conditions'"
    assert regclass("t", "My Schema") == "'\"My Schema\".t'"
    assert regclass("it's") == "'\"it''s\"'"


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, "NULL"),
        (True, "true"),
        (False, "false"),
        (42, "42"),
        (-1, "-1"),
        (Number.ONE, "1"),
        (1.5, "1.5"),
        (1e-7, "1e-07"),
        (float("nan"), "'nan'::float8"),
        (float("-inf"), "'-inf'::float8"),
        (Decimal("1.10"), "1.10"),
        (Decimal("NaN"), "'NaN'::numeric"),
        (Decimal("-Infinity"), "'-inf'::numeric"),
        ("", "''"),
        ("it's", "'it''s'"),
        ("a\\b", "'a\\b'"),
        ("50% :x", "'50% :x'"),
        (Word.ONE, "'one'"),
        (timedelta(days=7), "INTERVAL '7 days'"),
        (timedelta(days=1), "INTERVAL '1 day'"),
        (timedelta(weeks=1), "INTERVAL '7 days'"),
        (timedelta(hours=6), "INTERVAL '6 hours'"),
        (timedelta(hours=36, minutes=1), "INTERVAL '1 day 12 hours 1 minute'"),
        (timedelta(seconds=1.5), "INTERVAL '1 second 500000 microseconds'"),
        (timedelta(hours=-1), "INTERVAL '-1 hour'"),
        (timedelta(days=-1, hours=-2), "INTERVAL '-1 day -2 hours'"),
        (timedelta(), "INTERVAL '0 seconds'"),
        (timedelta.max, "INTERVAL '999999999 days 23 hours 59 minutes 59 seconds 999999 microseconds'"),
        (date(2026, 1, 2), "DATE '2026-01-02'"),
        (datetime(2026, 1, 2, 3, 4, 5, 6), "TIMESTAMP '2026-01-02 03:04:05.000006'"),
        (datetime(2026, 1, 2, tzinfo=UTC), "TIMESTAMPTZ '2026-01-02 00:00:00+00:00'"),
        (
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3.5))),
            "TIMESTAMPTZ '2026-01-02 00:00:00-03:30'",
        ),
        ({"a": "it's", "b": [1, None]}, '\'{"a": "it\'\'s", "b": [1, null]}\'::jsonb'),
        (["ä"], "'[\"ä\"]'::jsonb"),
        (Raw("now() - INTERVAL '1 day'"), "now() - INTERVAL '1 day'"),
    ],
)
def test_literal(value: object, sql: str) -> None:
    assert literal(value) == sql
    import_module("postgast").parse(f"SELECT {sql}")


@pytest.mark.parametrize(
    "value",
    [b"x", object(), {"a": object()}, [float("nan")], "a\0b", "\ud800", {"a": "\ud800"}, {"a": ["b\0"]}, {"\\\0": 1}],
)
def test_what_is_no_constant_is_refused(value: object) -> None:
    with pytest.raises(InvalidObject) as refusal:
        literal(value)
    assert refusal.value.hint


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_string_is_read_back(value: str) -> None:
    statement = import_module("postgast").parse(f"SELECT {literal(value)}").stmts[0].stmt.select_stmt
    assert statement.target_list[0].res_target.val.a_const.sval.sval == value


def test_interval() -> None:
    assert interval("1 month") == "INTERVAL '1 month'"
    assert interval(timedelta(days=1)) == "INTERVAL '1 day'"
    assert isinstance(interval("1 month"), Raw)


def test_call() -> None:
    by_range = call("by_range", "time", timedelta(days=1))
    assert call(
        "create_hypertable",
        regclass("conditions"),
        by_range,
        create_default_indexes=False,
        if_not_exists=None,
    ) == ("create_hypertable('conditions', by_range('time', INTERVAL '1 day'), create_default_indexes => false)")
    assert call("now") == "now()"
    assert call("f", function="a", if_not_exists=True) == "f(function => 'a', if_not_exists => true)"
    assert call("f", None, start_offset=NULL) == "f(NULL, start_offset => NULL)"


def test_importing_it_does_not_import_the_parser() -> None:
    """Alembic imports tsext whenever it is imported itself."""
    program = "import sys, tsext.sql; sys.exit(bool({'postgast', 'google.protobuf'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
