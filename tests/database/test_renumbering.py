"""``tsext renumber``: clashes of numbers and late revisions become one line again."""

from __future__ import annotations

import itertools
import json
from contextlib import contextmanager, suppress

import pytest

from tsext import command
from tsext.errors import HistoryError
from tsext.history import renumbering

pytestmark = pytest.mark.one_version  # it is about files, and not about TimescaleDB


def ids(project):
    return sorted(path.stem for path in project.versions.glob("*.py"))


def sql(project):
    return sorted(path.relative_to(project.sql).as_posix() for path in project.sql.rglob("*.sql"))


def with_files(project, revision, down, rollback=None, sql_name=None):
    """A revision that makes a table by its SQL file, and drops it by its rollback file."""
    table = revision.partition("_")[2]
    sql_name, rollback = sql_name or f"{revision}.sql", rollback or f"{revision.partition('_')[0]}_rollback.sql"
    project.revision(
        revision, down, f'op.execute_file("{sql_name}")', f'op.execute_rollback_file("{rollback}")', revises=True
    )
    project.sql_file(sql_name, f"CREATE TABLE t_{table} (id int)")
    project.sql_file(f"rollback/{rollback}", f"DROP TABLE t_{table}")


def one_head_that_works(project, *expected):
    """One head; up, down and up again, each with its own SQL files."""
    assert ids(project) == sorted(expected)
    assert project.run("alembic", "heads").strip() == f"{expected[-1]} (head)"
    project.run("alembic", "upgrade", "head")
    assert command.validate(project.config, models=False) == []
    project.run("alembic", "downgrade", "base")
    assert project.rows("SELECT relname FROM pg_class WHERE relname LIKE 't\\_%%'") == []
    project.run("alembic", "upgrade", "head")
    assert not (project.versions.parent / renumbering.JOURNAL).exists()


def test_three_branches_with_one_number_and_their_files(project):
    with_files(project, "001_a", None)
    with_files(project, "002_b", "001_a")
    with_files(project, "002_c", "001_a", rollback="003_rollback.sql")
    with_files(project, "002_d", "001_a", rollback="004_rollback.sql")
    assert project.run("tsext", "renumber").split("\n")[-3:-1] == ["002_c -> 003_c", "002_d -> 004_d"]
    rollbacks = [f"rollback/00{number}_rollback.sql" for number in (1, 2, 3, 4)]
    assert sql(project) == ["001_a.sql", "002_b.sql", "003_c.sql", "004_d.sql", *rollbacks]
    assert "Revises: 003_c\n" in (project.versions / "004_d.py").read_text()
    one_head_that_works(project, "001_a", "002_b", "003_c", "004_d")


def test_a_file_that_two_revisions_run_is_not_torn_from_either(project):
    with_files(project, "001_a", None)
    with_files(project, "002_b", "001_a")
    with_files(project, "002_c", "001_a")
    before = {path: path.read_bytes() for path in project.path.rglob("*") if path.is_file()}
    output = project.run("tsext", "renumber", fails=True)
    assert "002_c and 002_b run the same file, 002_rollback.sql" in output
    assert "put what belongs to 002_c, which becomes 003_c, into rollback/003_rollback.sql" in output
    assert before.items() <= {path: path.read_bytes() for path in project.path.rglob("*") if path.is_file()}.items()
    project.sql_file("rollback/002_rollback.sql", "DROP TABLE t_b")
    project.sql_file("rollback/003_rollback.sql", "DROP TABLE t_c")
    project.run("tsext", "renumber")
    one_head_that_works(project, "001_a", "002_b", "003_c")


def test_a_branch_of_two_against_another_of_two(project):
    with_files(project, "001_a", None)
    with_files(project, "002_b", "001_a")
    with_files(project, "003_z", "002_b")
    with_files(project, "002_d", "001_a", rollback="004_rollback.sql")
    with_files(project, "003_e", "002_d", rollback="005_rollback.sql")
    project.run("tsext", "renumber")
    assert sql(project)[:5] == ["001_a.sql", "002_b.sql", "003_z.sql", "004_d.sql", "005_e.sql"]
    one_head_that_works(project, "001_a", "002_b", "003_z", "004_d", "005_e")


def test_a_late_revision_behind_two_applied_ones(project):
    with_files(project, "001_a", None)
    with_files(project, "003_c", "001_a")
    with_files(project, "004_d", "003_c")
    project.run("alembic", "upgrade", "head")
    with_files(project, "002_b", "001_a", sql_name="002_any_name.sql")
    assert project.run("tsext", "renumber").endswith("002_b -> 005_b\n")
    assert sql(project)[-1] == "rollback/005_rollback.sql"
    assert "005_any_name.sql" in sql(project)
    one_head_that_works(project, "001_a", "003_c", "004_d", "005_b")


def test_applied_ones_are_left_alone(project):
    project.tables("001_a", "002_b", "003_c")
    project.run("alembic", "upgrade", "head")
    project.revision("002_late", "001_a")
    path = project.versions / "003_c.py"
    path.write_text(path.read_text().replace("'002_b'", "'002_late'"))
    output = project.run("tsext", "renumber", fails=True)
    assert "003_c is applied here, but builds on 002_late, which is not" in output
    assert "set down_revision of 003_c back" in output
    assert ids(project) == ["001_a", "002_b", "002_late", "003_c"]


def test_what_plain_alembic_applied_is_left_alone_too(project):
    project.tables("001_a", "002_b")
    project.revision("002_c", "001_a")
    project.revision("003_merge", ("002_b", "002_c"))
    project.execute(
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('003_merge')",
    )
    assert "002_c would need a new number, but is applied here" in project.run("tsext", "renumber", fails=True)


def test_a_version_table_of_another_name_is_seen_too(project):
    """It is ``env.py`` that names it."""
    project.tables("001_a", "002_b")
    project.revision("002_c", "001_a")
    project.run_with('version_table="applied_here"')
    project.execute(
        "CREATE TABLE applied_here (version_num varchar(32) PRIMARY KEY)", "INSERT INTO applied_here VALUES ('002_c')"
    )
    assert project.run("tsext", "renumber").endswith("002_b -> 003_b\n")
    assert project.run("alembic", "heads").strip() == "003_b (head)"


@pytest.mark.parametrize("merge", ["003_merge", "abcdef123456"])
def test_a_merge_in_between_becomes_part_of_the_line(project, merge):
    with_files(project, "001_a", None)
    with_files(project, "002_b", "001_a")
    with_files(project, "002_c", "001_a", rollback="005_rollback.sql" if merge[0] == "0" else "004_rollback.sql")
    project.revision(merge, ("002_b", "002_c"), revises=True)
    path = project.versions / f"{merge}.py"
    path.write_text(path.read_text().replace("('002_b', '002_c')", "(\n    '002_b',\n    '002_c',  # theirs\n)"))
    project.tables_after(merge, "004_d" if merge[0] == "0" else "003_d")
    project.run("tsext", "renumber")
    if merge[0] == "0":
        one_head_that_works(project, "001_a", "002_b", "005_c", "006_merge", "007_d")
    else:
        one_head_that_works(project, "001_a", "002_b", "004_c", "abcdef123456", "005_d")


def test_a_labelled_branch_stays_one_and_what_depends_on_it_follows(project):
    project.tables("001_a", "002_b", "003_c")
    path = project.revision("002_other", None, "pass")
    path.write_text(path.read_text().replace("branch_labels = None", "branch_labels = ('other',)"))
    path = project.revision("005_needs", "003_c")
    path.write_text(path.read_text().replace("depends_on = None", "depends_on = ['002_other']"))
    project.run("tsext", "renumber")
    assert ids(project) == ["001_a", "002_b", "003_c", "006_other", "007_needs"]
    assert "depends_on = ['006_other']" in (project.versions / "007_needs.py").read_text()
    assert "down_revision = '003_c'" in (project.versions / "007_needs.py").read_text()
    assert "down_revision = None" in (project.versions / "006_other.py").read_text()
    project.run("alembic", "upgrade", "heads")


def test_names_that_begin_alike(project):
    with_files(project, "001_a", None)
    with_files(project, "002_b", "001_a")
    with_files(project, "003_ab", "002_b", rollback="004_rollback.sql")
    project.revision("003_a", "002_b", 'op.execute_file("003_a.sql")', 'op.execute("DROP TABLE t_3")')
    project.sql_file("003_a.sql", "CREATE TABLE t_3 (id int)")
    path = project.versions / "003_ab.py"
    path.write_text(path.read_text() + "\n# unlike 003_a, and 003_a.sql\n")
    project.run("tsext", "renumber")
    assert sql(project)[2:4] == ["003_a.sql", "004_ab.sql"]
    assert "# unlike 003_a, and 003_a.sql" in (project.versions / "004_ab.py").read_text()
    one_head_that_works(project, "001_a", "002_b", "003_a", "004_ab")


def test_interrupted_anywhere_it_can_be_run_again(project):
    """Killed before each of its steps in turn, a second run ends as one that was not."""
    project.tables("001_a")
    expected = ["001_a", "002_b", "003_z", "004_d", "005_e"]
    for step in itertools.count():
        for path in [*project.versions.glob("0*.py"), *project.sql.rglob("*.sql")]:
            path.unlink()
        with_files(project, "001_a", None)
        with_files(project, "002_b", "001_a")
        with_files(project, "003_z", "002_b")
        with_files(project, "002_d", "001_a", rollback="004_rollback.sql")
        with_files(project, "003_e", "002_d", rollback="005_rollback.sql")
        with killed_before(step) as died:
            command.renumber(project.config)
        if not died:
            break
        if (project.versions / "002_d.py").exists():
            assert project.run("alembic", "upgrade", "head", fails=True)
        assert sorted(command.renumber(project.config)) == [("002_d", "004_d"), ("003_e", "005_e")]
        assert ids(project) == expected
    assert step == 11, "two moves; two texts and the journal, each written, then renamed; two deletions; the journal"
    one_head_that_works(project, *expected)


@contextmanager
def killed_before(step):
    """The run dies before its step: each change of the file system is one."""
    left = iter(range(step))
    died = []

    def dying(function):
        def call(*arguments, **options):
            if next(left, None) is None:
                died.append(True)
                raise KeyboardInterrupt
            return function(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        for name in ("write_bytes", "replace", "unlink"):
            patch.setattr(renumbering.Path, name, dying(getattr(renumbering.Path, name)))
        yield died


def test_a_stray_file_is_not_overwritten(project):
    with_files(project, "001_a", None)
    with_files(project, "002_b", "001_a", rollback="001_rollback.sql")
    with_files(project, "002_c", "001_a", rollback="002_rollback.sql")
    project.sql_file("003_c.sql", "SELECT 'of nobody'")
    with pytest.raises(HistoryError, match=r"002_c\.sql of 002_c is to be called 003_c\.sql, but there is such a file"):
        command.renumber(project.config)
    assert json.dumps(sql(project)).count("003_c") == 1
