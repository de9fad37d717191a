"""What projects already do with Alembic goes on working through ``environment.run``, or is refused clearly."""

from __future__ import annotations

import io
import json

import pytest
from alembic import command as alembic_command
from alembic.config import Config
from sqlalchemy import create_engine

from tsext import command
from tsext.errors import ModelsMissing, PreflightFailed, RevisionFailed
from tsext.sql.sending import send
from tsext.testing import licensed

PLAIN_ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

with create_engine(os.environ["TSEXT_DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection, {options})
    with context.begin_transaction():
        context.run_migrations()
"""

TWO_MODELS = """
from sqlalchemy import Column, Integer, MetaData, Table

first, second = MetaData(), MetaData(schema="billing")
Table("a", first, Column("id", Integer, primary_key=True))
Table("b", second, Column("id", Integer, primary_key=True))
metadata = [first, second]
"""


def states(project, *options):
    return [line["state"] for line in json.loads(project.run("tsext", *options, "status", "--json"))]


# --- the version table


@pytest.mark.parametrize("options", ["version_table='my_versions'", "version_table_schema='meta', version_table='v'"])
def test_a_version_table_of_its_own(project, options):
    project.execute("CREATE SCHEMA meta")
    project.run_with(options)
    project.tables("001_a", "002_b")
    project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT to_regclass('alembic_version')") is None
    assert states(project) == ["applied", "applied"]
    assert command.validate(project.config, models=False) == []
    project.run("tsext", "rollback", "--target=1")
    assert states(project) == ["applied", "pending"]


def test_adopt_reads_the_version_table_of_the_project(project):
    env = project.path / "alembic" / "env.py"
    ours = env.read_text()
    env.write_text(PLAIN_ENV.format(options="version_table='my_versions'"))
    project.tables("001_a", "002_b")
    project.run("alembic", "upgrade", "head")
    env.write_text(ours)
    project.run_with("version_table='my_versions'")
    assert command.adopt(project.config) == ["001_a", "002_b"]
    assert command.validate(project.config, models=False) == []


def test_a_second_tenant_in_one_database_is_refused(project):
    project.execute("CREATE SCHEMA tenant_a", "CREATE SCHEMA tenant_b")
    project.tables("001_a")
    for tenant in ("a", "b"):
        project.environment["TSEXT_DATABASE_URL"] = f"{project.url}?options=-csearch_path%3Dtenant_{tenant}"
        output = project.run("alembic", "upgrade", "head", fails=tenant == "b")
    assert "migration_history of this database is in schema tenant_a" in output
    assert "not in the search path tenant_b" in output
    assert "one history per database" in output
    assert "schema tenant_a" in project.run("tsext", "status", fails=True)
    assert project.scalar("SELECT to_regclass('tenant_b.t_001_a')") is None


def test_a_second_version_table_beside_one_history_is_refused(project):
    project.execute("CREATE SCHEMA tenant_b")
    project.tables("001_a")
    project.run("alembic", "upgrade", "head")
    project.run_with("version_table_schema='tenant_b'")
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert "nothing is applied according to tenant_b.alembic_version" in output
    assert "one history per database" in output


def test_a_revision_may_leave_another_search_path_behind(project):
    project.run_with("version_table_schema='public'")
    leave = "op.execute(\"SELECT set_config('search_path', '', false)\")"
    project.revision("001_own_schema", None, "op.execute('CREATE SCHEMA own'); op.execute('SET search_path TO own')")
    project.revision(
        "002_table", "001_own_schema", "op.execute('CREATE TABLE a (id int)')", "op.execute('DROP TABLE a')"
    )
    project.revision("003_nowhere", "002_table", leave, "op.execute('SET search_path TO own')")
    project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT to_regclass('own.a')") == "own.a"
    assert command.validate(project.config, models=False) == []
    project.run("tsext", "rollback", "--target=1")
    assert states(project) == ["applied", "pending", "pending"]
    assert project.rows("SELECT relname FROM pg_class WHERE relnamespace = 'own'::regnamespace") == []


@pytest.fixture
def owner(project):
    """A role that owns what is made, knows nothing of tsext, and may write the version table."""
    name = f"owner_{project.scalar('SELECT current_database()')}"
    project.execute(
        f"CREATE ROLE {name}", f"GRANT ALL ON SCHEMA public TO {name}",
        f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {name}",
    )  # fmt: skip
    yield name
    project.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.one_version
def test_a_revision_for_an_asynchronous_connection_is_told_so(project):
    project.revision("001_a", None, "op.run_async(None)")
    with pytest.raises(RevisionFailed, match=r"(?s)sync engine.*let the revision use op\.get_bind\(\) instead"):
        alembic_command.upgrade(project.config, "head")


@pytest.mark.one_version
def test_a_revision_may_leave_another_role_behind(project, owner):
    become = [f"SET LOCAL ROLE {owner}", f"SET ROLE {owner}", f"SET SESSION AUTHORIZATION {owner}", "SELECT 1"]
    previous = None
    for number, statement in enumerate(become, start=1):
        revision = f"00{number}_x"
        make, drop = f"CREATE TABLE t{number} AS SELECT current_user", f"DROP TABLE t{number}"
        project.revision(revision, previous, *(f"op.execute('{statement}; {each}')" for each in (make, drop)))
        previous = revision
    config = project.config
    config.output_buffer = io.StringIO()
    alembic_command.upgrade(config, "head", sql=True)
    alembic_command.upgrade(project.config, "head")
    owners = "SELECT relname, relowner::regrole::text FROM pg_class WHERE relname ~ '^t[1-4]$' ORDER BY 1"
    made = [(f"t{number}", owner) for number in (1, 2, 3, 4)]
    assert project.rows(owners) == made
    assert project.rows("SELECT DISTINCT applied_by FROM migration_history") == [("postgres",)]
    alembic_command.downgrade(project.config, "base")
    assert project.rows(owners) == []
    project.execute("DROP TABLE alembic_version, migration_history", "DROP SCHEMA tsext CASCADE")
    with project.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        send(connection, config.output_buffer.getvalue())
    assert project.rows(owners) == made
    assert states(project) == ["applied"] * 4


def test_whatever_follows_a_run_has_the_search_path_of_the_connection(project):
    project.environment["TSEXT_ENV"] = "development"
    project.run_with("version_table_schema='public'")
    hide = "op.execute('CREATE TABLE a (id int)'); op.execute('SET search_path TO pg_catalog')"
    project.revision("001_a", None, hide)
    project.sql_file("seeds/rows.sql", "INSERT INTO a VALUES (7)")
    project.run("alembic", "upgrade", "head")
    assert project.rows("SELECT id FROM a") == [(7,)]


def test_a_revision_may_ask_for_the_database_while_it_is_loaded(project):
    first = project.revision("001_grant", None, "op.execute(f'GRANT CONNECT ON DATABASE {DATABASE} TO PUBLIC')")
    ask = (
        "DATABASE = op.get_bind().engine.url.database\nTENANT = context.get_x_argument(as_dictionary=True)['tenant']\n"
    )
    text = first.read_text().replace("from alembic import op", "from alembic import context, op")
    first.write_text(
        text.replace("\n\ndef upgrade", f"{ask}assert op.get_bind().dialect.name == 'postgresql'\n\ndef upgrade")
    )
    asked = ("-x", "tenant=blue")
    project.run("alembic", *asked, "upgrade", "head")
    assert states(project, *asked) == ["applied"]
    assert "valid: history intact" in project.run("tsext", *asked, "validate")
    assert "1 safe" in project.run("tsext", *asked, "lint")
    project.run("tsext", *asked, "rollback", "--target=0")
    assert "GRANT CONNECT ON DATABASE test_" in project.run("tsext", *asked, "migrate", "--target=1", "--sql")
    project.run("tsext", *asked, "revision", "--sql", "-m", "further")
    project.run("tsext", *asked, "migrate", "--target=1")
    assert states(project, *asked) == ["applied", "pending"]


@pytest.mark.parametrize(
    ("end", "remains", "table"),
    [
        ("COMMIT", "what it has committed itself stays, while the history is as it was before", "a"),
        ("ROLLBACK", "nothing of it remains and earlier revisions stay applied", None),
    ],
)
def test_what_a_revision_commits_by_itself_is_not_said_to_be_gone(project, end, remains, table):
    project.revision("001_a", None, f"op.execute('CREATE TABLE a (id int)'); op.execute('{end}'); raise ValueError")
    assert remains in project.run("alembic", "upgrade", "head", fails=True)
    assert project.scalar("SELECT to_regclass('a')") == table
    assert states(project) == ["pending"]


# --- models


def test_several_metadata_in_several_schemas(project):
    project.models(TWO_MODELS)
    project.run_with("include_schemas=True")
    project.execute("CREATE SCHEMA billing")
    project.run("alembic", "revision", "--autogenerate", "-m", "both")
    project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT to_regclass('billing.b')") == "billing.b"
    assert "No new upgrade operations" in project.run("alembic", "check")
    assert command.validate(project.config) == []


def test_without_models_there_is_nothing_to_compare(project):
    env = project.path / "alembic" / "env.py"
    env.write_text(env.read_text().replace("from models import metadata", "metadata = None"))
    project.tables("001_a")
    project.run("alembic", "upgrade", "head")
    output = project.run("tsext", "validate")
    assert "env.py gives no models" in output
    assert "valid: history intact" in output
    with pytest.raises(ModelsMissing):
        alembic_command.check(project.config)


# --- the command line and the configuration


def test_another_section_of_the_ini_file(project):
    ini = project.path / "alembic.ini"
    place = "script_location = %(here)s/alembic\nprepend_sys_path = %(here)s/alembic"
    ini.write_text(f"{ini.read_text()}\n[other]\n{place}\nsqlalchemy.url = {project.url}\n")
    project.environment["TSEXT_DATABASE_URL"] = ""
    project.tables("001_a")
    project.run("alembic", "-n", "other", "upgrade", "head")
    assert states(project, "-n", "other") == ["applied"]


def test_x_arguments_of_the_project_itself(project):
    env = project.path / "alembic" / "env.py"
    env.write_text(env.read_text() + "\nassert context.get_x_argument(as_dictionary=True)['tenant'] == 'blue'\n")
    project.tables("001_a")
    project.run("alembic", "-x", "tenant=blue", "-x", "quick", "-x", "env=staging", "upgrade", "head")
    assert project.scalar("SELECT environment FROM tsext.event") == "staging"
    assert states(project, "-x", "tenant=blue", "-x", "quick") == ["applied"]


def test_configuration_in_pyproject_alone(project):
    (project.path / "alembic.ini").unlink()
    (project.path / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "%(here)s/alembic"\nprepend_sys_path = ["%(here)s/alembic"]\n'
        'file_template = "%%(rev)s"\nrevision_environment = true\n\n[tool.tsext]\nhistory_policy = "warn"\n'
    )
    project.run("alembic", "revision", "-m", "first")
    project.run("tsext", "revision", "--sql", "-m", "second")
    project.run("alembic", "upgrade", "head")
    assert states(project) == ["applied", "applied"]
    assert sorted(path.name for path in project.versions.glob("*.py")) == ["001_first.py", "002_second.py"]
    assert project.run("tsext", "validate")
    (project.versions / "001_first.py").write_text((project.versions / "001_first.py").read_text() + "# edited")
    assert "has changed since it was applied" in project.run("alembic", "upgrade", "head")


def test_a_connection_handed_over(project):
    project.tables("001_a")
    with project.engine.connect() as connection:
        config = Config(project.path / "alembic.ini", attributes={"connection": connection})
        alembic_command.upgrade(config, "head")
        assert [line.state for line in command.status(config)] == ["applied"]
        assert command.validate(config, models=False) == []
        assert not connection.in_transaction()
        command.downgrade(config, "base")
    assert states(project) == ["pending"]


def test_a_connection_of_another_driver_is_refused(project):
    with create_engine("sqlite://").connect() as connection:
        config = Config(project.path / "alembic.ini", attributes={"connection": connection})
        with pytest.raises(PreflightFailed, match="driver pysqlite, with which tsext cannot migrate"):
            alembic_command.upgrade(config, "head")


@pytest.mark.parametrize(
    ("driver", "query"), [("asyncpg", "?ssl=disable&prepared_statement_cache_size=0"), ("psycopg_async", "")]
)
def test_the_url_of_an_asynchronous_application(project, driver, query):
    project.tables("001_a")
    project.environment["TSEXT_DATABASE_URL"] = project.url.replace("+psycopg2", f"+{driver}") + query
    project.run("alembic", "upgrade", "head")
    assert states(project) == ["applied"]


# --- branches


def test_seeds_are_loaded_when_a_head_is_implied_by_a_dependency(project):
    project.tables("001_a", "002_b")
    path = project.revision("003_other", None)
    path.write_text(path.read_text().replace("depends_on = None", "depends_on = '002_b'"))
    project.sql_file("seeds/rows.sql", "INSERT INTO t_002_b VALUES (7)")
    project.run("alembic", "-x", "env=development", "upgrade", "heads")
    assert project.rows("SELECT version_num FROM alembic_version") == [("003_other",)]
    assert project.scalar("SELECT id FROM t_002_b") == 7


def test_merge_by_our_function_has_its_message(offline_project):
    offline_project.tables("001_a")
    offline_project.revision("002_b", "001_a")
    offline_project.revision("003_c", "001_a")
    written = command.merge(offline_project.config, "heads", message="both sides")
    assert written.revision == "004_both_sides"
    assert (offline_project.versions / "004_both_sides.py").exists()


def test_merge_with_a_template_that_cannot_be_numbered(offline_project):
    template = offline_project.path / "alembic" / "script.py.mako"
    template.write_text(
        template.read_text().replace("revision_id if revision_id is not UNDEFINED else up_revision", "up_revision")
    )
    offline_project.tables("001_a")
    offline_project.revision("002_b", "001_a")
    offline_project.revision("003_c", "001_a")
    assert "or give --rev-id=004_both" in offline_project.run("alembic", "merge", "heads", "-m", "both", fails=True)
    offline_project.run("alembic", "merge", "heads", "-m", "both", "--rev-id=004_both")
    assert "revision = '004_both'" in (offline_project.versions / "004_both.py").read_text()


def test_two_applied_revisions_with_one_number_need_not_be_torn_apart(project):
    env = project.path / "alembic" / "env.py"
    ours = env.read_text()
    env.write_text(PLAIN_ENV.format(options="target_metadata=None"))
    project.tables("001_a", "002_b")
    project.revision("002_c", "001_a")
    project.revision("003_merge", ("002_b", "002_c"))
    project.run("alembic", "upgrade", "002_c")
    project.run("alembic", "upgrade", "head")
    env.write_text(ours)
    assert "set revision_ids = hash" in project.run("tsext", "adopt", fails=True)
    project.configure(revision_ids="hash")
    assert sorted(command.adopt(project.config)) == ["001_a", "002_b", "002_c", "003_merge"]
    assert project.rows("SELECT version, revision FROM tsext.bridge ORDER BY 1") == [
        (1, "001_a"),
        (2, "002_b"),
        (3, "003_merge"),
        (4, "002_c"),
    ]
    project.run("alembic", "downgrade", "002_c")
    project.run("alembic", "downgrade", "base")
    project.run("alembic", "upgrade", "002_c")
    project.run("alembic", "upgrade", "head")
    assert command.validate(project.config, models=False) == []


# --- one client


@pytest.mark.licensed
def test_adopt_and_repair_where_the_server_takes_one_client(new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    env = project.path / "alembic" / "env.py"
    ours = env.read_text()
    env.write_text(PLAIN_ENV.format(options="target_metadata=None"))
    project.tables("001_a")
    project.run("alembic", "upgrade", "head")
    env.write_text(ours)
    assert "001_a" in project.run("tsext", "adopt")
    (project.versions / "001_a.py").write_text((project.versions / "001_a.py").read_text() + "# edited\n")
    assert "001_a" in project.run("tsext", "history", "repair", "001_a")
    with licensed.engine(licensed_url).connect() as connection:
        assert connection.exec_driver_sql("SELECT kind FROM tsext.event ORDER BY id").scalars().all() == [
            "adopt",
            "repair",
        ]


def test_what_builds_a_database_anew_loads_neither_rules_nor_nouns(project):
    project.tables("001_a")
    heavy = ("tsext.safety", "tsext.review", "tsext.operations.operation", "postgast")
    loaded = f'[each for each in __import__("sys").modules if each.startswith({heavy})]'
    project.revision("002_b", "001_a", f'print("loaded:", {loaded})')
    assert "loaded: []" in project.run("alembic", "upgrade", "head")
