"""What a later revision needs and the server lacks is refused before the first one runs."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tsext import catalog, command
from tsext.errors import FeatureNotSupported
from tsext.model import CHUNK_SKIPPING, Feature, License
from tsext.operations.hypertable_settings import EnableChunkSkipping
from tsext.operations.hypertables import CreateHypertable


@pytest.fixture
def in_future(monkeypatch):
    """Chunk skipping as of a version that no server has, and tablespaces under the Timescale licence."""
    later = Feature("chunk skipping", (99, 1), alternative="do without")
    monkeypatch.setattr(EnableChunkSkipping, "needs", later)
    licensed = Feature("tablespaces", license=License.TIMESCALE, alternative="use the default one")
    monkeypatch.setattr(CreateHypertable, "arguments_need", {"tablespaces": licensed})


def with_four(project):
    project.revision("001_t", None, 'op.execute("CREATE TABLE first (id int)")', 'op.execute("DROP TABLE first")')
    create = 'op.create_extension("timescaledb")\n    op.execute("CREATE TABLE t (time timestamptz, n int)")'
    project.revision("002_t", "001_t", create, 'op.enable_chunk_skipping("t", "n")')
    project.revision("003_t", "002_t", 'op.create_hypertable("t", "time", tablespaces=["x"])')
    project.revision("004_t", "003_t", 'op.enable_chunk_skipping("t", "n")')


def refused(project, run, *arguments):
    before = project.scalar("SELECT to_regclass('first')")
    with pytest.raises(FeatureNotSupported) as refusal:
        run(project.config, *arguments)
    assert project.scalar("SELECT to_regclass('first')") == before
    return refusal.value


def test_before_the_first_revision_of_the_run(project, in_future):
    with_four(project)
    error = refused(project, command.upgrade, "head")
    version = project.scalar("SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'")
    assert error.message == (
        "revision 003_t: op.create_hypertable with tablespaces needs tablespaces: TimescaleDB 2.13 or newer under the "
        f"Timescale licence; this server has {version} under the Apache licence"
    )
    assert error.hint == "use the default one"
    (other,) = error.findings
    assert other.message.startswith("revision 004_t: op.enable_chunk_skipping needs chunk skipping: TimescaleDB 99.1")
    command.upgrade(project.config, "002_t")  # what is not pending does not matter
    error = refused(project, command.upgrade, "003_t")
    assert "revision 003_t" in error.message
    error = refused(project, command.downgrade, "base")
    assert "revision 002_t: op.enable_chunk_skipping" in error.message


def test_what_needs_the_timescale_licence(project):
    """With the extension itself still pending, and with a verb that stands in a function of the revision."""
    project.revision("001_t", None, 'op.execute("CREATE TABLE first (id int)")')
    create = 'op.create_extension("timescaledb")\n    _rest()\n\n\ndef _rest() -> None:\n    '
    project.revision("002_t", "001_t", create + 'op.enable_columnstore("t", segmentby=["n"])')
    error = refused(project, command.upgrade, "head")
    assert "revision 002_t: op.enable_columnstore needs the columnstore" in error.message
    assert "under the Timescale licence; this server has" in error.message
    project.execute("CREATE EXTENSION timescaledb")
    assert refused(project, command.upgrade, "head").message == error.message


def test_with_the_version_that_a_revision_asks_for(project):
    project.revision("001_t", None, 'op.create_extension("timescaledb", version="2.16.1")')
    project.revision("002_t", "001_t", 'op.enable_chunk_skipping("t", "n")')
    error = refused(project, command.upgrade, "head")
    assert "TimescaleDB 2.17.1 or newer; this server has 2.16.1" in error.message


def test_a_role_that_may_look_at_nothing(database):
    role = f"looker_{database.engine.url.database}"
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        assert catalog.expected_timescaledb(connection).license is License.APACHE
        connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        expected = catalog.expected_timescaledb(connection)
        assert expected.has(CHUNK_SKIPPING)
        assert expected.license is License.TIMESCALE  # not known: its verbs look again
        connection.rollback()
    database.execute("CREATE EXTENSION timescaledb")
    assert database.ask(catalog.expected_timescaledb) == database.ask(catalog.timescaledb)


@contextmanager
def queries():
    seen = []

    def remember(connection, cursor, statement, *_):
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    yield seen
    event.remove(Engine, "before_cursor_execute", remember)


def asked(project):
    with queries() as seen:
        command.upgrade(project.config, "head")
    return sum("pg_available_extensions AS a" in each for each in seen)


def test_one_query_and_only_where_something_needs_it(project):
    project.tables("001_a", "002_b")
    assert asked(project) == 0
    project.execute("CREATE EXTENSION timescaledb")
    down = "002_b"
    for n in range(3, 6):
        table = f'op.execute("CREATE TABLE h{n} (time timestamptz)")\n    op.create_hypertable("h{n}", "time")'
        project.revision(f"00{n}_h", down, table)
        down = f"00{n}_h"
    assert asked(project) == 1
    assert asked(project) == 0
