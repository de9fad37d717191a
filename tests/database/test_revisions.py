"""Numbers of new revisions, clashes, and SQL files; most need no database at all."""

from __future__ import annotations

import json

import pytest
from alembic import command as alembic_command

from tsext import command
from tsext.errors import HistoryError

pytestmark = pytest.mark.one_version  # it is about files, and not about TimescaleDB


def ids(project):
    return sorted(path.stem for path in project.versions.glob("*.py"))


def test_revision_without_a_database_is_numbered(offline_project):
    offline_project.run("alembic", "revision", "-m", "Initial schema")
    offline_project.run("alembic", "revision", "-m", "A message that is far too long for the column of Alembic")
    assert ids(offline_project) == ["001_initial_schema", "002_a_message_that_is_far_too"]


def test_given_id_wins_if_it_follows_the_pattern(offline_project):
    offline_project.run("alembic", "revision", "-m", "x", "--rev-id", "007_bond")
    assert ids(offline_project) == ["007_bond"]
    output = offline_project.run("alembic", "revision", "-m", "x", "--rev-id", "bond", fails=True)
    assert "does not follow the pattern NNN_slug" in output
    offline_project.run("alembic", "revision", "-m", "next")
    assert ids(offline_project) == ["007_bond", "008_next"]


@pytest.mark.parametrize("through", ["command line", "function"])
def test_merge_is_numbered(offline_project, through):
    offline_project.revision("001_a", None)
    offline_project.revision("002_b", "001_a")
    offline_project.revision("003_c", "001_a")
    if through == "function":
        alembic_command.merge(offline_project.config, "heads", message="both")
        assert ids(offline_project)[-1] == "004_merge"
    else:
        offline_project.run("alembic", "merge", "heads", "-m", "both")
        assert ids(offline_project)[-1] == "004_both"
    text = (offline_project.versions / f"{ids(offline_project)[-1]}.py").read_text()
    assert f"revision = '{ids(offline_project)[-1]}'" in text


def test_project_with_hash_ids_keeps_them(offline_project):
    offline_project.revision("aaaaaaaaaaaa", None)
    offline_project.run("alembic", "revision", "-m", "next")
    assert [len(name) for name in ids(offline_project)] == [12, 12]


def test_two_files_with_one_id_are_refused(offline_project):
    offline_project.revision("001_a", None)
    (offline_project.versions / "001_copy.py").write_text((offline_project.versions / "001_a.py").read_text())
    output = offline_project.run("alembic", "revision", "-m", "x", fails=True)
    assert "revision id 001_a is used by 2 files: 001_a.py, 001_copy.py" in output


def test_two_revisions_with_one_number_are_refused_and_mended(project):
    project.revision("001_a", None, 'op.execute("CREATE TABLE a (id int)")')
    project.revision("002_b", "001_a", 'op.execute("CREATE TABLE b (id int)")')
    project.run("alembic", "upgrade", "head")
    project.run("tsext", "revision", "--sql", "-m", "c")
    for old in [*project.versions.glob("003_*.py"), *project.sql.rglob("003_*.sql")]:
        old.rename(old.with_name(old.name.replace("003", "002")))
    path = project.versions / "002_c.py"
    text = path.read_text().replace("003_", "002_").replace("down_revision = '002_b'", "down_revision = '001_a'")
    path.write_text(text)
    project.sql_file("002_c.sql", "CREATE TABLE c (id int)")
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert "number 2 is used by 2 files: 002_b.py, 002_c.py" in output
    assert "002_c -> 003_c" in project.run("tsext", "renumber")
    assert sorted(each.name for each in project.sql.rglob("*.sql")) == ["003_c.sql", "003_rollback.sql"]
    project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT version_num FROM alembic_version") == "003_c"
    assert command.validate(project.config, models=False) == []


def test_sql_revision_is_scaffolded_with_its_rollback(project):
    project.run("tsext", "revision", "--sql", "-m", "add venues")
    assert ids(project) == ["001_add_venues"]
    project.sql_file("001_add_venues.sql", "CREATE TABLE venues (a text DEFAULT ':x 100%');")
    project.sql_file("rollback/001_rollback.sql", "DROP TABLE venues")
    project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT to_regclass('venues')") == "venues"
    project.run("tsext", "rollback", "--target=0")
    assert project.scalar("SELECT to_regclass('venues')") is None


TRICKY = """\
-- comment; with 'quotes'
CREATE TABLE a (b text, c jsonb);\r
INSERT INTO a VALUES ('100% :name', '{"a": 1}'), (E'it\\'s; \\\\', NULL), ($q$ ; $x$ ; $q$, NULL);
/* nested /* comment; */ here; */
CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;
DO $$ BEGIN PERFORM 1; INSERT INTO a VALUES ('größe €'); END $$;
INSERT INTO a VALUES (f()::text)"""


def test_tricky_sql_runs_as_written(project):
    project.revision("001_a", None, 'op.execute_file("001_a.sql")')
    project.sql_file("001_a.sql", TRICKY)
    project.run("alembic", "upgrade", "head")
    assert [row[0] for row in project.rows("SELECT b FROM a")] == [
        "100% :name",
        "it's; \\",
        " ; $x$ ; ",
        "größe €",
        "2",
    ]


def test_errors_of_the_server_show_file_line_and_caret(project):
    project.revision("001_a", None, 'op.execute_file("001_a.sql")')
    project.sql_file("001_a.sql", "CREATE TABLE a (id int);\n-- ü\nINSERT INTO a\n  SELECT nothing FROM a;\n")
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert 'migrations_sql/001_a.sql:4:10: column "nothing" does not exist' in output
    assert "\n    |          ^" in output or "         ^" in output
    assert project.scalar("SELECT to_regclass('a')") is None


def test_syntax_error_in_the_fortieth_statement_runs_nothing(project):
    project.revision("001_a", None, 'op.execute_file("001_a.sql")')
    lines = ["-- tsext: no-transaction", *(f"CREATE TABLE t{n} (id int);" for n in range(39)), "SELECT * FORM x;"]
    project.sql_file("001_a.sql", "\n".join(lines))
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert "001_a.sql:41:" in output
    assert project.scalar("SELECT to_regclass('t0')") is None
    project.sql_file("001_a.sql", "\n".join(lines[:-1]))
    project.run("alembic", "upgrade", "head")


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "is a directory"), (b"SELECT '\xff'", "UTF-8"), (b"\\i other.sql", "001_a.sql:1:1")],
)
def test_files_that_are_none(project, content, says):
    project.revision("001_a", None, 'op.execute_file("001_a.sql")')
    if content is None:
        (project.sql / "001_a.sql").mkdir()
    else:
        project.sql_file("001_a.sql", content)
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert says in output
    assert "hint:" in output
    assert project.scalar("SELECT count(*) FROM migration_history") == 0


def test_unknown_setting_is_refused(offline_project):
    offline_project.configure(history_polcy="warn")
    assert "tsext knows no setting 'history_polcy'" in offline_project.run("alembic", "upgrade", "head", fails=True)


def test_rollback_target_needs_a_number(project):
    assert "--target=N" in project.run("tsext", "rollback", fails=True)
    with pytest.raises(HistoryError):
        command.migrate(project.config, "9")
    assert json.loads(project.run("tsext", "status", "--json")) == []


OWN = 'op.execute_file("{}")'
OWN_BACK = 'op.execute_rollback_file("{}")'


@pytest.mark.parametrize(
    ("revision", "name", "says"),
    [
        ("002_b", "001_a.sql", "rename it to 002_a.sql, and write that name in 002_b.py"),
        ("002_b", "views.sql", "rename it to 002_views.sql"),
        ("002_b", "sub/002_b.sql", "rename it to 002_b.sql"),
        ("abcdef123456", "abcdef.sql", "rename it to abcdef123456_abcdef.sql"),
    ],
)
def test_a_file_that_the_checksum_would_not_cover_is_refused(project, revision, name, says):
    project.revision("001_a", None)
    path = project.revision(revision, "001_a", OWN.format(name), OWN_BACK.format("001_rollback.sql"))
    project.sql_file(name, "CREATE TABLE b (id int)")
    project.sql_file("rollback/001_rollback.sql", "DROP TABLE b")
    for more in ((), ("--sql",)):
        output = project.run("alembic", "upgrade", "head", *more, fails=True)
        assert f"revision {revision} runs {name.rpartition('/')[2]}, which is not one of its files" in output
        assert says in output
    assert project.scalar("SELECT to_regclass('b')") is None
    key = revision.partition("_")[0]
    project.sql_file(f"{key}_x.sql", "CREATE TABLE b (id int)")
    path.write_text(path.read_text().replace(f'"{name}"', f'"./{key}_x.sql"'))
    project.run("alembic", "upgrade", "head")
    output = project.run("alembic", "downgrade", "-1", fails=True)
    assert "runs 001_rollback.sql, which is not one of its files: its checksum would not cover it\n" in output
    assert f"rename it to rollback/{key}_rollback.sql" in output
    assert project.scalar("SELECT to_regclass('b')") == "b"
