"""SQL files: what is read from them, what is refused, and how a place is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsext.errors import SqlFileError
from tsext.sql.files import SqlFile, Statement, explain, locate, read


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str | bytes, name: str = "a.sql") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def texts(folder: Path, text: str | bytes) -> list[str]:
    return [statement.text for statement in read(write(folder, text)).statements]


def refusal(folder: Path, text: str | bytes) -> SqlFileError:
    with pytest.raises(SqlFileError) as refused:
        read(write(folder, text))
    assert refused.value.hint, "every error ends with what to do"
    return refused.value


# --- splitting

WHOLE = [
    "SELECT 1",
    "SELECT '50%', '%s', '%(a)s', 5 % 3",
    "SELECT ':a', a::int, b[1:2], '12:30:00'::time FROM t",
    "SELECT f(a := 1, b => 2)",
    """SELECT '{"a":1}'::jsonb""",
    "SELECT $$;$$, $a$ $$;$$ $b$; $a$, $é$;$é$",
    r"SELECT E'it\'s;', E'\\', 'C:\'",
    r"SELECT U&'\0441;' UESCAPE '!', U&" + '"d\\0061;ta"',
    "SELECT 'a'\n  ';b'",
    "SELECT 'a' -- it's ;\n  ';b'",
    "SELECT 1 /* ; /* ; */ ; */ + 2",
    "SELECT a NOT /* ; */ IN (1), b NOT -- ;\n BETWEEN 1 AND 2 FROM t",
    "CREATE TABLE t (a timestamp WITH /* ; */ TIME ZONE)",
    'SELECT 1 AS "a;""b"',
    "SELECT 1 AS größe, '日本;語😀' AS 日本",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $f$ SELECT 1; SELECT $$;$$; $f$",
    "DO $do$ BEGIN PERFORM 1; RAISE NOTICE '%', $q$;$q$; END $do$",
    "CREATE RULE r AS ON INSERT TO t DO INSTEAD (INSERT INTO a VALUES (1); INSERT INTO b VALUES (2))",
    "ALTER TYPE mood ADD VALUE 'fine'",
    "COPY t FROM '/tmp/t.csv' WITH (FORMAT csv)",
    "COPY t FROM PROGRAM 'cat x'",
    "COPY (SELECT 1) TO '/tmp/x'",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
    "SELECT a$b$c FROM t",
    "SELECT 1 -1, 2 - -1, 3 !=-1",
    "SELECT " + "+".join("1" * 3000),
    "CREATE VIEW v AS SELECT " + "+".join("1" * 100_000),
    "SELECT " + "f(" * 500 + "1" + ")" * 500,
]


@pytest.mark.parametrize("statement", WHOLE)
def test_a_statement_stays_whole(folder: Path, statement: str) -> None:
    assert texts(folder, f"SELECT 'é';{statement};\nSELECT 2") == ["SELECT 'é'", statement, "SELECT 2"]
    assert texts(folder, statement) == [statement]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        ("\n \t\n", []),
        ("-- only\n/* comments */", []),
        (";;", []),
        (" ; -- a\n ; SELECT 1 /* b */ ;; /* c */", ["SELECT 1"]),
        ("SELECT 1 -- no semicolon may follow a comment", ["SELECT 1"]),
        ("/* a /* b */ */ -- c\nSELECT 1;-- d\n\n/*e*/SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1;SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("\ufeffSELECT 1", ["SELECT 1"]),
        ("SELECT\r\n1;\r\n\r\nSELECT 2;\r\n", ["SELECT\n1", "SELECT 2"]),
        ("-- a\rSELECT 1;\rSELECT 2", ["SELECT 1", "SELECT 2"]),
    ],
)
def test_what_lies_between_statements_is_dropped(folder: Path, text: str, statements: list[str]) -> None:
    assert texts(folder, text) == statements


def test_every_statement_knows_where_it_is(folder: Path) -> None:
    file = read(write(folder, "\ufeff-- é\r\n\r\nSELECT 'ä',\r\n  2;\r\n/* 日本 */ SELECT 3;\r\n"))
    assert file.text == "-- é\n\nSELECT 'ä',\n  2;\n/* 日本 */ SELECT 3;\n"
    assert [(statement.line, statement.offset) for statement in file.statements] == [(3, 6), (5, 32)]
    for statement in file.statements:
        assert file.text.startswith(statement.text, statement.offset)


SEPARATORS = [";", ";;", ";\n", " ;\t;\n\n", "; -- it's ; é\n", ";/* ; /* ' */ $$ */", "\n;\n-- 日本\n", "; /* a */ ;"]


@given(
    st.lists(st.tuples(st.sampled_from(WHOLE[:-3]), st.sampled_from(SEPARATORS)), max_size=12),
    st.sampled_from(["", "\n", "-- a\n", "/* é */", "; ;"]),
    st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_statements_in_any_company_are_found(
    folder: Path, pieces: list[tuple[str, str]], before: str, crlf: bool
) -> None:
    text = before + "".join(statement + separator for statement, separator in pieces)
    file = read(write(folder, text.replace("\n", "\r\n") if crlf else text))
    assert [statement.text for statement in file.statements] == [statement for statement, _ in pieces]
    for statement in file.statements:
        assert file.text.startswith(statement.text, statement.offset)
        assert statement.line == file.text[: statement.offset].count("\n") + 1


# --- files that cannot be read


def test_a_missing_file_names_similar_ones(folder: Path) -> None:
    write(folder, "", "004_users.sql")
    with pytest.raises(SqlFileError, match=r"^004_user.sql does not exist") as refused:
        read("004_user.sql")
    assert refused.value.hint == "did you mean 004_users.sql?"


def test_a_missing_folder_is_named(folder: Path) -> None:
    with pytest.raises(SqlFileError, match="nor does its directory") as refused:
        read("none/004_user.sql")
    assert str(folder) in refused.value.hint


def test_a_directory_is_refused(folder: Path) -> None:
    with pytest.raises(SqlFileError, match="is a directory"):
        read(folder)


@pytest.mark.parametrize(
    ("content", "fact", "cure"),
    [
        (b"SELECT 1;\nSELECT 'gr\xfc\xdfe'", "a.sql:2: not UTF-8: byte 0xfc at offset 20", "iconv -f LATIN1"),
        (b"\xef\xbb\xbfSELECT '\xfc'", "a.sql:1: not UTF-8: byte 0xfc at offset 11", "iconv -f LATIN1"),
        ("SELECT 1".encode("utf-16"), "a.sql is UTF-16", "iconv -f UTF-16"),
        ("SELECT 1".encode("utf-16-be"), "a.sql:1:1: a NUL character", "iconv -f UTF-16"),
        (b"SELECT 1;\nSELECT '\0'", "a.sql:2:9: a NUL character", "remove it"),
    ],
)
def test_another_encoding_is_refused(folder: Path, content: bytes, fact: str, cure: str) -> None:
    error = refusal(folder, content)
    assert error.message.startswith(fact)
    assert cure in error.hint


def test_a_file_elsewhere_is_shown_with_its_whole_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder, "SELEC 1")
    (folder / "sub").mkdir()
    monkeypatch.chdir(folder / "sub")
    with pytest.raises(SqlFileError, match=re.escape(f"{path}:1:1: ")):
        read(path)


# --- the directive


def test_no_transaction(folder: Path) -> None:
    for first in ("-- tsext: no-transaction", "--tsext:no-transaction  ", "\ufeff-- tsext: no-transaction\r"):
        assert read(write(folder, f"{first}\nVACUUM")).no_transaction
    assert not read(write(folder, "-- no-transaction\nSELECT '-- tsext: no-transaction'")).no_transaction
    assert not read(write(folder, "DO $$\n-- tsext: no-transaction\n$$")).no_transaction


@pytest.mark.parametrize(
    ("text", "fact", "cure"),
    [
        ("-- tsext: foo\n", "a.sql:1:1: unknown directive 'foo'", "there is: no-transaction"),
        ("-- tsext:\n", "a.sql:1:1: unknown directive ''", "there is: no-transaction"),
        ("-- TSEXT: No-Transaction\n", "a.sql:1:1: unknown directive", "there is: no-transaction"),
        ("\n-- tsext: no-transaction\nVACUUM", "a.sql:2:1: the directive", "the first line"),
        ("SELECT 1; -- tsext: no-transaction", "a.sql:1:11: the directive", "the first line"),
        ("/* tsext: no-transaction */ VACUUM", "a.sql:1:1: the directive", "the first line"),
        ("-- tsext: no-transaction\n-- tsext: no-transaction\n", "a.sql:2:1: the directive", "the first line"),
        ("-- tsext: no-transaction\n-- a\n-- tsext: development\n", "a.sql:3:1: the directive", "the first line"),
        ("SELECT 1; -- tsext: assured a because b", "a.sql:1:11: this assures nothing", "above the statement"),
        ("SELECT\n-- tsext: assured a because b\n1", "a.sql:2:1: this assures nothing", "above the statement"),
        ("-- tsext: assure a because b\nSELECT 1", "a.sql:1:1: unknown directive 'assure a", "assured RULE because"),
    ],
)
def test_a_directive_is_never_silently_lost(folder: Path, text: str, fact: str, cure: str) -> None:
    error = refusal(folder, text)
    assert error.message.startswith(fact)
    assert cure in error.hint


def test_directives_of_a_file_and_of_its_statements(folder: Path) -> None:
    text = (
        "-- tsext: no-transaction\n-- tsext: development\n-- tsext: assured a because it is small\nSELECT 1;\n"
        "/* tsext: assured b because of c\n   until 2027-01-31 */ -- and d\n\nSELECT 2; SELECT 3;"
    )
    file = read(write(folder, text))
    assert (file.no_transaction, file.development) == (True, True)
    assert [[each.text for each in statement.assured] for statement in file.statements] == [
        ["assured a because it is small"],
        ["assured b because of c\n   until 2027-01-31"],
        [],
    ]


# --- syntax errors


def test_a_syntax_error_in_the_fortieth_statement(folder: Path) -> None:
    lines = [f"INSERT INTO t VALUES ({number}, 'é;');" for number in range(1, 40)]
    error = refusal(folder, "\r\n".join([*lines, "", "SELECT * FORM users;", "SELECT 1;"]))
    assert error.message == (
        'a.sql:41:10: syntax error at or near "FORM"\n  41 | SELECT * FORM users;\n     |          ^'
    )
    assert "nothing of the file has been sent" in str(error)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT 'é' a b", "1:14: syntax error at or near \"b\"\n  1 | SELECT 'é' a b\n    |              ^"),
        ("\tSELECT\t1 1", '1:11: syntax error at or near "1"\n  1 |         SELECT  1 1\n    |                   ^'),
        (
            "SELECT '日本' a b",
            "1:15: syntax error at or near \"b\"\n  1 | SELECT '日本' a b\n    |                 ^",
        ),
        (
            "SELECT 'e\u0301' a b",
            "1:15: syntax error at or near \"b\"\n  1 | SELECT 'e\u0301' a b\n    |              ^",
        ),
        ("SELECT '\x1b' a b", "1:14: syntax error at or near \"b\"\n  1 | SELECT '\ufffd' a b\n    |              ^"),
        ("SELECT (1\n\n", "1:10: syntax error at end of input\n  1 | SELECT (1\n    |          ^"),
        ("SELECT (1 -- é\n", "1:10: syntax error at end of input\n  1 | SELECT (1 -- é\n    |          ^"),
        ("SELECT\n'a", "2:1: unterminated quoted string at or near \"'a\"\n  2 | 'a\n    | ^"),
        ("SELECT 1;\n/* a", '2:1: unterminated /* comment at or near "/* a"\n  2 | /* a\n    | ^'),
        ("SELECT 'é';\nSELECT $a$ b $A$", '2:8: unterminated dollar-quoted string at or near "$a$ b $A$"'),
        ("SELECT 'é', E'\\u00'", "1:15: invalid Unicode escape"),
        ("SELECT 'é';\nSELECT E'\\xff' ; SELECT 1", '2:14: invalid byte sequence for encoding "UTF8": 0xff'),
        ("SELECT\u00a01", '1:1: syntax error at or near "SELECT\u00a01"'),
        ("SELECT a FROM\ufeff t x y", '1:16: syntax error at or near "t"\n  1 | SELECT a FROM\ufffd t x y'),
        ("SELECT %s", '1:8: syntax error at or near "%"'),
    ],
)
def test_a_syntax_error_is_shown_where_it_is(folder: Path, text: str, shown: str) -> None:
    message = refusal(folder, text).message
    assert message.startswith(f"a.sql:{shown}"), message


def test_a_long_line_is_shown_in_part(folder: Path) -> None:
    row = ", ".join(f"'{number:04}é'" for number in range(500))
    message = refusal(folder, f"SELECT {row} a b, {row}").message
    _, line, caret = message.split("\n")
    assert line[caret.index("^")] == "b"
    assert len(line) < 110
    assert line.startswith("  1 | …") and line.endswith("…")


def test_an_open_quote_does_not_quote_the_whole_file(folder: Path) -> None:
    message = refusal(folder, "SELECT 'a;\n" + "SELECT 1;\n" * 1000).message
    assert message.splitlines()[0] == 'a.sql:1:8: unterminated quoted string at or near "\'a;…"'


# --- what only psql understands


@pytest.mark.parametrize(
    ("text", "place", "fact", "cure"),
    [
        ("SELECT 1;\n\\i it's.sql\n", "2:1", r"\i is", "op.execute_file once per file"),
        ("\\ir b.sql", "1:1", r"\ir is", "op.execute_file once per file"),
        ("SELECT 1\n\\gexec", "2:1", r"\gexec is", "EXECUTE format"),
        ("SELECT 1 \\gset", "1:10", r"\gset is", "write the value"),
        ("\\set a 'b", "1:1", r"\set is", "write the value"),
        ("SELECT 'é'; \\connect other", "1:13", r"\connect is", "one connection"),
        ("\\copy t from 'a.csv'", "1:1", r"\copy is", "INSERT"),
        ("\\if :a", "1:1", r"\if is", "op.execute_file"),
        ("\\restrict abc", "1:1", r"\restrict is", "pg_dump"),
        ("\\! ls", "1:1", r"\! is", "program"),
        ("\\unheard_of", "1:1", r"\unheard_of is", "remove it"),
        ("SELECT 1 \\; SELECT 2", "1:10", r"\; is", "semicolon"),
        ("-- \\i a\nSELECT '\\i', $$\\i$$; \\x", "2:22", r"\x is", "prints"),
        ("SELECT :a", "1:8", ":a is a variable of psql", "write the value"),
        ("SELECT 'é', :'a'", "1:13", ":'a' is a variable", "write the value"),
        ('SELECT * FROM :"a b"', "1:15", ':"a b" is a variable', "write the value"),
        ("SELECT :{?a}", "1:8", ":{?a} is a variable", "write the value"),
        ("; -- é\n ;\n\\i a", "3:1", r"\i is", "op.execute_file"),
        ("SELECT 1;\n\\.", "2:1", r"\. is", "COPY"),
        ("SELECT 1;\nCOPY t FROM STDIN;\n1\tit's\n\\.\nSELECT 2;", "2:1", "COPY … FROM STDIN", "INSERT"),
        ("/* a */ COPY t (a) FROM stdin (FORMAT csv);\n", "1:9", "COPY … FROM STDIN", "INSERT"),
        ("COPY t FROM STDIN;\n\\.\n", "1:1", "COPY … FROM STDIN", "INSERT"),
        ("COPY t FROM STDIN;\n'quoted\n\\.\n", "1:1", "COPY … FROM STDIN", "INSERT"),
        ("SELECT 1; COPY t TO STDOUT", "1:11", "COPY … TO STDOUT", "COPY … TO '/path"),
    ],
)
def test_what_needs_psql_is_refused(folder: Path, text: str, place: str, fact: str, cure: str) -> None:
    error = refusal(folder, text)
    assert error.message.startswith(f"a.sql:{place}: {fact}"), error.message
    assert cure in error.hint


def test_string_syntax_may_not_change_within_a_file(folder: Path) -> None:
    for value in ("off", "'off'", "false", "0"):
        error = refusal(folder, f"SELECT 1;\nSET standard_conforming_strings = {value};")
        assert error.message.startswith("a.sql:2:1: standard_conforming_strings = off")
    for value in ("on", "'on'", "true", "1", "DEFAULT"):
        assert texts(folder, f"SET standard_conforming_strings = {value}")


# --- transactions


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "COMMIT",
        "COMMIT AND CHAIN",
        "END",
        "ROLLBACK",
        "ABORT",
        "PREPARE TRANSACTION 'a'",
        "COMMIT PREPARED 'a'",
        "ROLLBACK PREPARED 'a'",
    ],
)
def test_transaction_control_is_refused(folder: Path, statement: str) -> None:
    error = refusal(folder, f"SELECT 1;\n{statement};")
    assert error.message.startswith("a.sql:2:1: ")
    assert "in a file that runs in the transaction of its revision" in error.message
    assert "-- tsext: no-transaction" in error.hint


def test_savepoints_are_allowed(folder: Path) -> None:
    assert len(texts(folder, "SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a; ROLLBACK TO SAVEPOINT b")) == 5


OUTSIDE_ONLY = [
    "CREATE INDEX CONCURRENTLY i ON t (a)",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)",
    "CREATE INDEX ON t (a) WITH (timescaledb.transaction_per_chunk)",
    "CREATE INDEX ON t (a) WITH (fillfactor = 70, timescaledb.transaction_per_chunk = true)",
    "DROP INDEX CONCURRENTLY i",
    "REINDEX TABLE CONCURRENTLY t",
    "REINDEX (VERBOSE, CONCURRENTLY) INDEX i",
    "REINDEX SCHEMA s",
    "REINDEX DATABASE d",
    "VACUUM",
    "VACUUM (ANALYZE) t",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "ALTER SYSTEM RESET ALL",
    "CREATE DATABASE d",
    "DROP DATABASE d",
    "ALTER DATABASE d SET TABLESPACE s",
    "CREATE TABLESPACE s LOCATION '/s'",
    "DROP TABLESPACE s",
    "CLUSTER",
    "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (create_slot = true)",
    "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
    "ALTER SUBSCRIPTION s SET PUBLICATION p",
    "DISCARD ALL",
    "CALL refresh_continuous_aggregate('a', NULL, NULL)",
    "CALL public.refresh_continuous_aggregate('a', NULL, NULL)",
    "SELECT move_chunk('c', 'a', 'b')",
    "SELECT reorder_chunk('c')",
    "CREATE MATERIALIZED VIEW v WITH (timescaledb.continuous) AS SELECT 1",
    "CREATE MATERIALIZED VIEW v WITH (timescaledb.continuous = on) AS SELECT 1 WITH DATA",
]


@pytest.mark.parametrize("statement", OUTSIDE_ONLY)
def test_what_runs_only_outside_a_transaction(folder: Path, statement: str) -> None:
    error = refusal(folder, f"SELECT 'é';\n  {statement};")
    assert error.message.startswith("a.sql:2:3: ")
    assert "cannot run inside a transaction block" in error.message
    assert error.hint.startswith("put `-- tsext: no-transaction` on the first line")
    assert texts(folder, f"-- tsext: no-transaction\n{statement};") == [statement]
    assert "put it before BEGIN" in refusal(folder, f"-- tsext: no-transaction\nBEGIN; {statement}; COMMIT").hint


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX i ON t (a)",
        "CREATE INDEX concurrently_made ON t (a)",
        "CREATE INDEX ON t (a) WITH (timescaledb.transaction_per_chunk = false)",
        "DROP INDEX i",
        "DROP TABLE t CASCADE",
        "REINDEX TABLE t",
        "REINDEX (CONCURRENTLY off) TABLE t",
        "ANALYZE t",
        "CLUSTER t",
        "ALTER TABLE t DETACH PARTITION p",
        "ALTER TABLE t DETACH PARTITION p FINALIZE",
        "ALTER DATABASE d SET work_mem = '1MB'",
        "ALTER DATABASE d CONNECTION LIMIT 5",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (create_slot = false)",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = off)",
        "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
        "ALTER SUBSCRIPTION s SET (slot_name = NONE)",
        "ALTER SUBSCRIPTION s DISABLE",
        "DISCARD PLANS",
        "CALL my_procedure()",
        "SELECT 'move_chunk()'",
        "CREATE MATERIALIZED VIEW v WITH (timescaledb.continuous) AS SELECT 1 WITH NO DATA",
        "CREATE MATERIALIZED VIEW v AS SELECT 1",
        "CREATE TABLE v AS SELECT 'CREATE INDEX CONCURRENTLY'",
        "SET LOCAL lock_timeout = '1s'",
    ],
)
def test_what_may_run_in_a_transaction(folder: Path, statement: str) -> None:
    assert texts(folder, statement) == [statement]


@pytest.mark.parametrize(
    ("body", "place", "fact"),
    [
        ("BEGIN; SELECT 1; COMMIT; VACUUM", "", ""),
        ("BEGIN; COMMIT AND CHAIN; ROLLBACK; START TRANSACTION; SAVEPOINT a; END", "", ""),
        ("BEGIN; PREPARE TRANSACTION 'a'; COMMIT PREPARED 'a'", "", ""),
        ("BEGIN; SELECT 1", "2:1", "this transaction is never committed"),
        ("SELECT 1; COMMIT", "2:11", "COMMIT outside a transaction block"),
        ("BEGIN; BEGIN; COMMIT", "2:8", "BEGIN inside a transaction block"),
        ("SAVEPOINT a", "2:1", "SAVEPOINT outside a transaction block"),
        ("BEGIN; COMMIT AND CHAIN", "2:1", "this transaction is never committed"),
        ("BEGIN; COMMIT PREPARED 'a'; COMMIT", "2:8", "COMMIT PREPARED inside a transaction block"),
    ],
)
def test_blocks_without_the_revision_s_transaction(folder: Path, body: str, place: str, fact: str) -> None:
    text = f"-- tsext: no-transaction\n{body}"
    if fact:
        assert refusal(folder, text).message.startswith(f"a.sql:{place}: {fact}")
    else:
        assert texts(folder, text)


# --- what the server says


@dataclass
class Said(Exception):
    """What psycopg2 and psycopg 3 raise, as far as it is read here."""

    text: str = "connection\n\tlost"
    diag: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(message_primary=None))

    def __str__(self) -> str:
        return self.text


def said(**given: str) -> Said:
    silent = dict.fromkeys(["message_detail", "message_hint", "context", "statement_position"])
    internal = dict.fromkeys(["internal_query", "internal_position"])
    return Said(diag=SimpleNamespace(message_primary="no", **({"sqlstate": "42P01"} | silent | internal | given)))


@pytest.fixture
def file(folder: Path) -> SqlFile:
    return read(write(folder, "SELECT 'é';\n\n  SELECT *\n\tFROM nowhere;\n"))


def test_locate(file: SqlFile) -> None:
    assert locate(file, file.statements[1], 16) == ("a.sql:4:7\n  4 |         FROM nowhere;\n    |              ^")
    assert locate(file, file.statements[0], 1) == "a.sql:1:1\n  1 | SELECT 'é';\n    | ^"


def test_a_position_outside_the_statement_shows_its_end(file: SqlFile) -> None:
    assert locate(file, file.statements[0], 1000).startswith("a.sql:1:11\n")


def test_explain_keeps_all_that_the_server_said(file: SqlFile) -> None:
    error = said(
        statement_position="16",
        message_detail="It is gone.",
        message_hint="Make it.",
        context="SQL function f",
    )
    explained = explain(file, file.statements[1], error)
    assert explained.message == (
        "a.sql:4:7: no (SQLSTATE 42P01)\n  4 |         FROM nowhere;\n    |              ^\n"
        "DETAIL: It is gone.\nCONTEXT: SQL function f"
    )
    assert explained.hint.startswith("Make it; correct the statement")


def test_explain_looks_into_sqlalchemy_s_exception(file: SqlFile) -> None:
    wrapped = SimpleNamespace(orig=said(statement_position="16"))
    assert explain(file, file.statements[1], wrapped).message.startswith("a.sql:4:7: no")  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [Said(), Said(diag=None), OSError("connection lost")])  # type: ignore[arg-type]
def test_explain_without_an_answer_of_the_server(file: SqlFile, error: BaseException) -> None:
    explained = explain(file, file.statements[1], error)
    assert explained.message.startswith("a.sql:3:3: connection lost\n  3 |   SELECT *\n")
    assert "server's log" in explained.hint


def test_explain_finds_the_inner_query(folder: Path) -> None:
    file = read(write(folder, "SELECT 1;\nDO $$ BEGIN\n  SELECT nothing; END $$"))
    error = said(internal_query="SELECT nothing", internal_position="8")
    assert explain(file, file.statements[1], error).message.startswith("a.sql:3:10: no")
    error = said(internal_query="SELECT other", internal_position="8")
    message = explain(file, file.statements[1], error).message
    assert message.startswith("a.sql:2:1: no") and "QUERY: SELECT other" in message


@pytest.mark.parametrize(
    ("state", "cure"),
    [
        ("55P03", "lock"),
        ("40P01", "another session"),
        ("57014", "statement_timeout"),
        ("57P01", "log"),
        ("42501", "privilege"),
        ("25001", "no-transaction"),
        ("42601", "correct the statement"),
    ],
)
def test_the_cure_depends_on_the_sqlstate(file: SqlFile, state: str, cure: str) -> None:
    error = said()
    error.diag.sqlstate = state
    assert cure in explain(file, file.statements[1], error).hint


def test_without_a_transaction_the_hint_tells_what_remains(folder: Path) -> None:
    file = read(write(folder, "-- tsext: no-transaction\nSELECT 1; SELECT 2"))
    first, second = (explain(file, statement, said()).hint for statement in file.statements)
    assert "have taken effect" in second
    assert "have taken effect" not in first


def test_statements_can_be_told_apart_by_their_place() -> None:
    assert Statement("SELECT 1", 0, 1) != Statement("SELECT 1", 10, 1)
