"""Reading revisions without a database: statements, their places, waivers; what is said of them."""

from __future__ import annotations

import sys
import textwrap
from datetime import date
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tsext import command, review, safety
from tsext.errors import InvalidObject, SqlFileError
from tsext.history import Project
from tsext.review import report
from tsext.safety import Axis, Category, Hazard, Statement, Waiver
from tsext.settings import Settings

HEAD = """
from datetime import timedelta

import sqlalchemy as sa
from alembic import op
from tsext import safety

revision = {revision!r}
down_revision = {down!r}
"""


class Revisions:
    """A project of revisions written out, none of them ever run."""

    def __init__(self, project):
        self.path, self.project = project.path, project
        self.last = None

    def write(self, revision, body, head=""):
        text = HEAD.format(revision=revision, down=self.last) + textwrap.dedent(head) + textwrap.dedent(body)
        path = self.project.versions / f"{revision}.py"
        path.write_text(text if "def downgrade" in text else f"{text}\ndef downgrade():\n    pass\n")
        self.last = revision
        return path

    def line(self, revision, text):
        """Where a text stands in a revision."""
        lines = (self.project.versions / f"{revision}.py").read_text().split("\n")
        return next(number for number, line in enumerate(lines, 1) if text in line)

    def read(self, revision, downgrade=False):
        config = Config(self.path / "alembic.ini")
        script = ScriptDirectory.from_config(config).get_revision(revision)
        return review.read(script, Settings.read(config), downgrade=downgrade)


@pytest.fixture
def revisions(offline_project, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which Python would take for a file as long, a moment later
    return Revisions(offline_project)


def texts(reading):
    return [" ".join(each.statement.text.split()) for each in reading.sent]


# --- reading


def test_every_statement_and_where_it_stands(revisions):
    revisions.project.sql_file(
        "001_a.sql", "-- a comment; with a semicolon\n\nCREATE VIEW v AS\n  SELECT '100%' AS a;\nANALYZE;\n"
    )
    path = revisions.write(
        "001_a",
        """
        def upgrade():
            op.create_table("conditions", sa.Column("time", sa.DateTime(timezone=True), nullable=False))
            op.execute("UPDATE a SET b = 'x;y' WHERE c LIKE '5%'; DELETE FROM a -- all of them")
            op.execute_file("001_a.sql")
            op.create_hypertable("conditions", column="time", chunk_time_interval=timedelta(days=1))
            _more()


        def _more():
            print("not to be printed while it is read")
            for name in ("b", "c"):
                op.add_column("conditions", sa.Column(name, sa.Float()))
        """,
    )
    reading = revisions.read("001_a")
    assert reading.stop is None
    assert texts(reading) == [
        "CREATE TABLE conditions ( time TIMESTAMP WITH TIME ZONE NOT NULL )",
        "UPDATE a SET b = 'x;y' WHERE c LIKE '5%'",
        "DELETE FROM a",
        "CREATE VIEW v AS SELECT '100%' AS a",
        "ANALYZE",
        "SELECT create_hypertable('conditions', by_range('time', INTERVAL '1 day'), create_default_indexes => false)",
        "ALTER TABLE conditions ADD COLUMN b FLOAT",
        "ALTER TABLE conditions ADD COLUMN c FLOAT",
    ]
    sql = revisions.project.sql / "001_a.sql"
    at = [(each.statement.path, each.statement.line) for each in reading.sent]
    update, added = revisions.line("001_a", "op.execute("), revisions.line("001_a", "op.add_column")
    assert at == [
        (path, revisions.line("001_a", "op.create_table")),
        (path, update),
        (path, update),
        (sql, 3),
        (sql, 5),
        (path, revisions.line("001_a", "op.create_hypertable")),
        (path, added),
        (path, added),
    ]
    assert [each.verb for each in reading.sent if each.verb] == ["create_hypertable"]


def test_what_asks_the_database_cannot_be_read_beyond_that(revisions):
    path = revisions.write(
        "001_a",
        """
        def upgrade():
            op.execute("SELECT 1")
            with safety.assured("unreadable-revision", because="it only counts"):
                _count()


        def _count():
            op.get_bind().execute(sa.text("SELECT 2")).scalar_one()


        def downgrade():
            raise NotImplementedError
        """,
    )
    reading = revisions.read("001_a")
    assert texts(reading) == ["SELECT 1", "SELECT 2"]
    assert (reading.stop.path, reading.stop.line) == (path, revisions.line("001_a", "scalar_one"))
    assert [each.because for each in reading.stop.waivers] == ["it only counts"]
    (verdict,) = review.judge([reading], safety.Facts())
    assert (verdict.category, verdict.waived[0].hazard.axis) == (Category.SAFE, Axis.UNKNOWN)
    assert isinstance(revisions.read("001_a", downgrade=True).stop.error, NotImplementedError)
    assert revisions.read("001_a", downgrade=True).stop.waivers == ()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("rows = op.get_bind().execute(sa.text('SELECT 1')).fetchall()", "no attribute 'fetchall'"),
        ("sa.inspect(op.get_bind())", "No inspection system"),
        ("op.execute('SELECT 1').scalar()", "no attribute 'scalar'"),
        ("with op.batch_alter_table('t', recreate='always') as t: t.drop_column('a')", "table reflection"),
        ("import os; os.environ['NOT_SET']", "NOT_SET"),
        ("raise SystemExit('set TENANT first')", "set TENANT first"),
        ("1 / 0", "division by zero"),
    ],
)
def test_whatever_stops_it_is_a_finding(revisions, body, why):
    revisions.write("001_a", f"def upgrade():\n    op.execute('ANALYZE a')\n    {body}\n")
    (verdict,) = review.judge([revisions.read("001_a")], safety.Facts())
    (hazard,) = (each for each in verdict.hazards if each.rule == "unreadable-revision")
    assert why in hazard.message and hazard.statement.line == revisions.line("001_a", body)


def test_a_revision_that_can_do_without_a_database_is_read_so(revisions):
    revisions.write(
        "001_a",
        """
        from alembic import context

        def upgrade():
            if context.is_offline_mode():
                op.execute("UPDATE a SET b = 1")
            else:
                op.get_bind().execute(sa.text("SELECT 1")).scalar()
        """,
    )
    reading = revisions.read("001_a")
    assert (reading.stop, texts(reading)) == (None, ["UPDATE a SET b = 1"])


# --- waivers


def test_waivers_cover_what_their_block_does_and_the_statement_below_them(revisions):
    revisions.project.sql_file(
        "001_a.sql",
        "SELECT 1;\n-- tsext: assured drop-table because it was a copy until 2027-01-31\n-- and more\n"
        "DROP TABLE a;\nSELECT 2;",
    )
    revisions.write(
        "001_a",
        """
        def upgrade():
            with safety.assured("drop-column", because="nothing reads it", until="2026-12-31"):
                op.drop_column("a", "b")
                with safety.assured("drop-table", because="neither that"):
                    op.execute("DROP TABLE c")
                try:
                    with safety.assured("drop-table", because="of an error"):
                        raise ValueError
                except ValueError:
                    pass
                op.execute("SELECT 0")
            op.execute_file("001_a.sql")
        """,
    )
    reading = revisions.read("001_a")
    covered = [[(each.rule, each.because) for each in sent.waivers] for sent in reading.sent]
    assert covered == [
        [("drop-column", "nothing reads it")],
        [("drop-column", "nothing reads it"), ("drop-table", "neither that")],
        [("drop-column", "nothing reads it")],
        [],
        [("drop-table", "it was a copy")],
        [],
    ]
    (last_day,) = review.judge([reading], safety.Facts(), date(2026, 12, 31))
    assert (last_day.category, last_day.expired, len(last_day.waived)) == (Category.SAFE, (), 3)
    (too_late,) = review.judge([reading], safety.Facts(), date(2027, 1, 1))
    assert too_late.is_unsafe
    assert [each.waiver.rule for each in too_late.expired] == ["drop-column"]


@pytest.mark.parametrize(
    ("arguments", "fact", "cure"),
    [
        (("drop-colunm", "a"), "no rule is called 'drop-colunm'", "did you mean drop-column"),
        (("drop-column", "  "), "waived for no reason", 'because="'),
        (("drop-column", "a", "tomorrow"), "until 'tomorrow', which is no date", 'until="2027-01-31"'),
    ],
)
def test_waivers_that_cannot_be_understood(arguments, fact, cure):
    with pytest.raises(InvalidObject, match=fact) as refused:
        Waiver.of(*arguments)
    assert cure in refused.value.hint
    rule, because, *until = arguments
    with pytest.raises(InvalidObject, match=fact), safety.assured(rule, because=because, until=(until or [None])[0]):
        pass


def test_a_waiver_of_a_revision_that_cannot_be_understood(revisions):
    revisions.write("001_a", 'def upgrade():\n    with safety.assured("drop-colum", because="a"):\n        pass\n')
    line = revisions.line("001_a", "with safety")
    with pytest.raises(InvalidObject, match=rf"001_a\.py:{line}: no rule is called 'drop-colum'") as refused:
        revisions.read("001_a")
    assert "did you mean drop-column" in refused.value.hint


def test_a_waiver_in_a_file_that_cannot_be_understood(tmp_path):
    path = tmp_path / "a.sql"
    path.write_text("-- tsext: assured drop-column\nSELECT 1;")
    with pytest.raises(SqlFileError, match=r"a.sql:1:1: 'assured drop-column' is not of the form"):
        review.read_file(path)


def test_how_a_waiver_is_written_in_a_file():
    assert Waiver.parse("assured drop-table because we wait until it is gone until 2027-01-31") == Waiver(
        "drop-table", "we wait until it is gone", date(2027, 1, 31)
    )
    assert Waiver.parse("assured drop-table because a\nb").because == "a\nb"


# --- phases


def test_a_contract_revision_waits_for_the_application(revisions):
    drop = 'def upgrade():\n    op.drop_column("a", "b")\ndef downgrade():\n    op.drop_column("a", "c")\n'
    revisions.write("001_a", drop, 'phase = "contract"\nrequires_application = ">=2.4"\n')
    revisions.write("002_b", drop, 'phase = "contract"\n')
    revisions.write("003_c", drop, 'phase = "contracts"\n')
    revisions.write("004_d", drop, 'requires_application = "2.4 or so"\n')
    gated, not_gated = command.lint(revisions.project.config, review.Wanted(("001", "002")))
    assert (gated.category, str(gated.phase)) == (Category.SAFE, "contract application >=2.4")
    assert [each.axis for each in gated.gated] == [Axis.COMPATIBILITY]
    assert not_gated.is_unsafe
    (back,) = command.lint(revisions.project.config, review.Wanted(("001",), downgrade=True))
    assert back.is_unsafe
    with pytest.raises(InvalidObject, match="phase = 'contracts'"):
        command.lint(revisions.project.config, review.Wanted(("003",)))
    with pytest.raises(InvalidObject, match=r"requires_application = '2\.4 or so'"):
        command.lint(revisions.project.config, review.Wanted(("004",)))


# --- choosing


def test_what_is_reviewed(revisions):
    for name in ("001_a", "002_b", "003_c"):
        revisions.write(name, "def upgrade():\n    pass\n")
    path = revisions.project.sql_file("002_more.sql", "SELECT 1")
    config = revisions.project.config

    def names(*what, **how):
        return [each.reading.name for each in command.lint(config, review.Wanted(what, **how))]

    assert names() == ["001_a", "002_b", "003_c"]
    assert names("002") == names("2") == names("001:002") == names("1:2") == ["002_b"]
    assert names("001:") == names("001:head") == names("003", "002") == ["002_b", "003_c"]
    assert names(":002", downgrade=True) == ["002_b", "001_a"]
    assert names(str(path), "003") == ["002_more.sql", "003_c"]
    assert names(str(path)) == ["002_more.sql"]
    assert Project  # what git knows is tested with the command line


def test_what_earlier_revisions_create_is_known_when_it_is_called(revisions):
    def change(name):
        return f"ALTER TABLE {name} ALTER COLUMN name SET NOT NULL"

    def write(revision, *statements):
        lines = "".join(f'    op.execute("{each}")\n' for each in statements)
        revisions.write(revision, f"def upgrade():\n{lines}")

    write("001_a", f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {change('users')}; END $$")
    write("002_b", f"CREATE PROCEDURE g() LANGUAGE sql AS $$ {change('orders')} $$", "SELECT f()")
    write("003_c", "CALL g()")
    file = revisions.project.sql_file("changes.sql", "SELECT f()")

    def found(*what):
        verdicts = command.lint(revisions.project.config, review.Wanted(what))
        return [[each.relations for each in verdict.hazards if each.rule == "set-not-null"] for verdict in verdicts]

    assert found() == [[], [("users",)], [("orders",)]]
    assert found("002") == [[("users",)]]
    assert found("003") == [[("orders",)]]
    assert found(str(file)) == [[("users",)]]
    assert found("001") == [[]]


def test_what_earlier_revisions_made_is_known(revisions):
    revisions.project.sql_file("002_b.sql", "CREATE VIEW heads AS SELECT head FROM orgs;")
    revisions.write(
        "001_a",
        """
        def upgrade():
            op.create_table(
                "orgs",
                sa.Column("id", sa.BigInteger(), primary_key=True),
                sa.Column("name", sa.String(50)),
                sa.Column("head", sa.String(50)),
                sa.Column("size", sa.Integer(), nullable=False),
                sa.Column("mood", sa.Enum("sad", "ok", name="mood")),
                sa.Column("code", sa.Text()),
            )
            op.create_table("ticks", sa.Column("time", sa.DateTime(timezone=True), nullable=False))
            op.create_hypertable("ticks", column="time", chunk_time_interval=timedelta(days=1))
        """,
    )
    revisions.write(
        "002_b",
        """
        def upgrade():
            op.execute_file("002_b.sql")
            with op.batch_alter_table("orgs") as batch:
                batch.add_column(sa.Column("note", sa.String(20)))
                batch.create_check_constraint("code_there", "code IS NOT NULL")
            op.execute("DO $$ BEGIN ALTER TABLE orgs ADD COLUMN extra varchar(9); END $$")
            op.rename_table("orgs", "organisations")
        """,
    )
    revisions.write("003_c", "def upgrade():\n    pass\n")
    file = revisions.project.sql_file("changes.sql", "ALTER TABLE organisations ALTER name TYPE varchar(90)")

    def found(statement, revision="003_c"):
        revisions.last = "002_b"
        revisions.write(revision, f'def upgrade():\n    op.execute("{statement}")\n')
        (verdict,) = command.lint(revisions.project.config, review.Wanted((revision,)))
        return [each.rule for each in verdict.hazards if each.severity == "error"]

    change = "ALTER TABLE organisations "
    for column in ("name", "note", "extra"):
        assert found(f"{change} ALTER {column} TYPE varchar(90)") == []
        assert found(f"{change} ALTER {column} TYPE varchar(9)") == ([] if column == "extra" else ["alter-column-type"])
    assert found(f"{change} ALTER size TYPE text") == ["alter-column-type"], "it is no text"
    assert found(f"{change} ALTER head TYPE text") == ["has-dependents"], "a view reads it"
    assert found(f"{change} ALTER code SET NOT NULL") == found(f"{change} ALTER size SET NOT NULL") == []
    assert found(f"{change} ALTER name SET NOT NULL") == ["set-not-null"]
    assert found(f"{change} ADD COLUMN note text") == ["exists-already"]
    assert found(f"{change} DROP COLUMN nome") == ["does-not-exist"]
    assert found("ALTER TYPE mood ADD VALUE 'sad'") == ["exists-already"]
    assert "concurrently-unsupported" in found("CREATE INDEX CONCURRENTLY i ON ticks (time)")
    assert found("CREATE TABLE shops (org text REFERENCES organisations (code))") == ["refused"]
    assert found("ALTER TABLE elsewhere ALTER name TYPE varchar(90)") == ["alter-column-type"], "no file tells of it"
    (verdict,) = command.lint(revisions.project.config, review.Wanted((str(file),)))
    assert verdict.is_unsafe, "a file of no revision may be about anything"
    (back,) = command.lint(revisions.project.config, review.Wanted(("001_a",), downgrade=True))
    assert not back.is_unsafe


@pytest.mark.parametrize(
    ("between", "known"),
    [
        ("op.execute(\"DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD x text', 'a'); END $$\")", False),
        ("op.execute(\"DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD x text', 'b'); END $$\")", True),
        ("op.execute(\"DO $$ BEGIN EXECUTE 'GRANT SELECT ON a TO ' || current_user; END $$\")", True),
        ('rows = op.get_bind().execute(sa.text("SELECT id FROM a")).fetchall()', False),
        ('rows = op.get_bind().execute(sa.text("SELECT id FROM b")).fetchall()', True),
        ("for table in sa.inspect(op.get_bind()).get_table_names(): op.drop_table(table)", False),
    ],
)
def test_what_cannot_be_read_may_have_changed_what_it_names(revisions, between, known):
    revisions.write("001_a", 'def upgrade():\n    op.execute("CREATE TABLE a (name varchar(50))")\n')
    revisions.write("002_b", f"def upgrade():\n    {between}\n".replace(" a (name", " a"))
    revisions.write("003_c", 'def upgrade():\n    op.execute("ALTER TABLE a ALTER name TYPE varchar(90)")\n')
    (verdict,) = command.lint(revisions.project.config, review.Wanted(("003_c",)))
    assert verdict.is_unsafe is not known


# --- what is said


def hazard(message, hint="", path=Path("a,b:c.sql")):
    statement = Statement("DROP TABLE a;\nSELECT 1", path.absolute(), 7)
    return Hazard(rule="drop-table", message=message, hint=hint, axis=Axis.DATA_LOSS, statement=statement)


def verdict(*hazards, **others):
    reading = review.Reading("007_a", Path("a.py"), ())
    return review.Verdict(reading, hazards, **others)


def test_github_annotations_are_escaped(monkeypatch):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    waived = review.Waived(hazard("gone"), Waiver("drop-table", "it is empty", date(2027, 1, 31)))
    assert list(report.as_github([verdict(hazard("100 %,\nand: all", "a::b"), waived=(waived,))])) == [
        "::error file=a%2Cb%3Ac.sql,line=7,title=drop-table (data-loss)::100 %25,%0Aand: all%0Aa::b",
        "::notice file=a%2Cb%3Ac.sql,line=7,title=drop-table waived::drop-table because it is empty until 2027-01-31",
    ]
    monkeypatch.setenv("GITHUB_WORKSPACE", str(Path.cwd().parent))
    (line,) = report.as_github([verdict(hazard("gone", path=Path("a.sql")))])
    assert line.startswith(f"::error file={Path.cwd().name}/a.sql,line=7,")


def test_text_escapes_what_rich_would_take_for_markup():
    lines = list(report.as_text([verdict(hazard("[bold]not bold[/]"))]))
    assert r"\[bold]not bold" in "\n".join(lines)
    assert lines[-1] == "0 safe, 1 unsafe; 1 finding"


def test_what_verbs_do_in_batches_or_behind_a_view_is_safe(revisions):
    revisions.write(
        "001_a",
        """
        def upgrade():
            op.rename_table_with_view("orders", "trades")
            op.add_column_with_default("trades", sa.Column("c", sa.UUID(), server_default=sa.text("gen_random_uuid()")))
            op.execute("UPDATE t SET a = 1")
        """,
    )
    (verdict,) = review.judge([revisions.read("001_a")], safety.Facts())
    assert [(each.rule, each.statement.text) for each in verdict.hazards] == [("mass-update", "UPDATE t SET a = 1")]
