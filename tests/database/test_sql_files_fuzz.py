"""A file leaves the same in the database, whether psql executes it or we do, statement by statement."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from tsext.errors import SqlFileError
from tsext.localdb import Cluster
from tsext.sql.files import SqlFile, explain, read

Outcome = tuple[bool, list[tuple[int, str]]]
"""Whether all went well, and the rows of the log."""


@dataclass(frozen=True)
class Place:
    """A file, and two schemas of one database to execute it in."""

    path: Path
    url: str
    psql: Path
    connection: psycopg2.extensions.connection

    def write(self, text: str) -> None:
        self.path.write_bytes(text.encode())

    def by_psql(self) -> Outcome:
        self._empty("by_psql")
        done = subprocess.run(
            [self.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", self.path, "-d", self.url],
            env={**os.environ, "PGOPTIONS": "-c search_path=by_psql", "PGCLIENTENCODING": "UTF8"},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0, self._log()

    def by_us(self, file: SqlFile) -> Outcome:
        self._empty("by_us")
        with self.connection.cursor() as cursor:
            for statement in file.statements:
                try:
                    cursor.execute(statement.text)
                except psycopg2.Error as error:
                    assert (
                        f":{statement.line}:" in explain(file, statement, error).message
                        or error.diag.statement_position
                    )
                    return False, self._log()
        return True, self._log()

    def _empty(self, schema: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SET client_min_messages = warning; SET search_path = pg_catalog")
            cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
            cursor.execute(f"SET search_path = {schema}")
            cursor.execute("CREATE TABLE log (id serial, value text); CREATE TABLE ruled (value text)")

    def _log(self) -> list[tuple[int, str]]:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT id, value FROM log ORDER BY id")
            return cursor.fetchall()


@pytest.fixture
def place(database_url: str, timescaledb_server: Cluster, tmp_path: Path) -> Iterator[Place]:
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(url, client_encoding="UTF8")
    connection.autocommit = True
    yield Place(tmp_path / "a.sql", url, timescaledb_server.bindir / "psql", connection)
    connection.close()


# --- values and statements, as tricky as they come

tricky = st.lists(
    st.sampled_from([*"'\"\\;$-*/%:{}()[]!eEUx1 \n\té日😀", "--", "$$", "$a$", "/*", "*/", "END", ":a", "%s", "\\i"]),
    max_size=8,
).map("".join)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def escaped(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def unicode_escaped(text: str) -> str:
    return "U&'" + "".join(f"\\+{ord(character):06x}" for character in text) + ";'"


def custom_escape(text: str) -> str:
    return "U&" + quoted(text.replace("!", "!!")) + " UESCAPE /* ; */ '!'"


def dollar_quoted(text: str) -> str:
    return f"$tag${text}$tag$"


def continued(text: str) -> str:
    return f"{quoted(text)} -- it's;\n  {quoted(text)}"


values = st.builds(
    lambda quote, text: quote(text),
    st.sampled_from([quoted, escaped, unicode_escaped, custom_escape, dollar_quoted, continued]),
    tricky,
)

STATEMENTS = [
    "INSERT INTO log (value) VALUES ({})",
    "INSERT INTO log (value) SELECT {} WHERE 1 NOT /* ; */ IN (2) AND 5 % 3 = 2",
    "INSERT INTO log (value) SELECT (ARRAY[{}, 'b'])[1:1]::text",
    'INSERT INTO log (value) SELECT "a;""b" FROM (SELECT {} AS "a;""b") größe',
    "DO $do$ BEGIN INSERT INTO log (value) VALUES ({}); PERFORM 1; END $do$",
    "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC"
    " INSERT INTO log (value) VALUES ({}); SELECT CASE WHEN true THEN 1 END; END",
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $f$ INSERT INTO log (value) VALUES ({}); SELECT 1; $f$",
    "CREATE OR REPLACE RULE r AS ON INSERT TO ruled DO INSTEAD"
    " (INSERT INTO log (value) VALUES ({}); INSERT INTO log (value) VALUES (new.value))",
    "INSERT INTO ruled VALUES ({})",
    "SELECT f(), {}",
    "SELECT 1/0, {}",
]
statements = st.builds(str.format, st.sampled_from([*STATEMENTS[:-1] * 3, *STATEMENTS]), values)

comments = st.one_of(
    tricky.map(lambda text: "--" + text.replace("\n", "").replace("\r", "") + "\n"),
    tricky.map(lambda text: "/* " + text.replace("*", "").replace("/", "") + " /* ; */ */"),
)
separators = st.builds(
    lambda before, semicolons, after: f"{before}{semicolons}{after}",
    st.one_of(st.sampled_from(["", " ", "\r\n", "\t\n"]), comments),
    st.sampled_from([";", ";;", "; ;\n"]),
    st.one_of(st.sampled_from(["", "\n", "\r\n\r\n", " "]), comments),
)
files = st.builds(
    lambda before, pieces, last: before + "".join(s + separator for s, separator in pieces) + last,
    st.one_of(st.just("\ufeff"), st.just(""), comments),
    st.lists(st.tuples(statements, separators), max_size=8),
    st.one_of(st.just(""), statements),
)
often = settings(
    max_examples=int(os.environ.get("TSEXT_FUZZ_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(files)
@often
def test_valid_files(place: Place, text: str) -> None:
    place.write(text)
    assert place.by_us(read(place.path)) == place.by_psql()


# --- what need not be SQL at all

WHOLE = ["INSERT INTO log (value) VALUES ('a');", "SELECT 1;", "SELECT $$;$$;", "SELECT E'\\';';", "/* ; */", "-- ;\n"]
BROKEN = [
    "INSERT INTO log (value) VALUES (",
    "SELECT ",
    "BEGIN ATOMIC ",
    "END",
    "CASE ",
    ")",
    "'",
    "''",
    '"',
    "--",
    "\n",
]
BROKEN += [";", ",", ":", "/", "*", "%", "é", "1", "/*", "*/", "$$", "$a$", "E'", "U&'", "\\'"]
soups = st.lists(
    st.one_of(*[st.sampled_from(WHOLE)] * 3, st.sampled_from(BROKEN)),
    max_size=12,
).map("".join)


@given(soups)
@example("SELECT ':a'; SELECT (ARRAY[1, 2])[1:2]; INSERT INTO log (value) VALUES ('a' -- ;\n 'b')")
@example("INSERT INTO log (value) VALUES ('a' /* ; */\n 'b')")
@often
def test_any_text(place: Place, text: str) -> None:
    """What we refuse, psql cannot execute either; what we accept, it reads as we do."""
    place.write(text)
    done, rows = place.by_psql()
    try:
        file = read(place.path)
    except SqlFileError as error:
        assert not done or "the transaction of its revision" in error.message  # END: for psql only a warning
        return
    assert place.by_us(file) == (done, rows)
