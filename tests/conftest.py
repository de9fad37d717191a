"""Projects to migrate: a folder with ``alembic.ini``, ``env.py``, models and revisions, made for one test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from tsext.sql.sending import send

ROOT = Path(__file__).parent.parent

REVISION = '''"""{message}{revises}"""

from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''


def _interruptible() -> None:
    """Whoever runs the tests in the background has them ignore it, and all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Project:
    """An Alembic project in a folder of its own."""

    path: Path
    url: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def versions(self) -> Path:
        return self.path / "alembic" / "versions"

    @property
    def sql(self) -> Path:
        return self.path / "migrations_sql"

    @property
    def config(self) -> Config:
        return Config(self.path / "alembic.ini")

    @property
    def engine(self) -> Engine:
        return create_engine(self.url, poolclass=NullPool)

    def scalar(self, query: str) -> object:
        with self.engine.connect() as connection:
            return connection.exec_driver_sql(query).scalar()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def execute(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                send(connection, statement)

    def run_with(self, options: str) -> None:
        """Let ``env.py`` give further options to ``environment.run``."""
        path = self.path / "alembic" / "env.py"
        path.write_text(path.read_text().replace("(context, metadata)", f"(context, metadata, {options})"))

    def configure(self, environment: str = "", **settings: str | int) -> None:
        """Write settings into ``alembic.ini``: for one environment, or for all of them."""
        path = self.path / "alembic.ini"
        header = f"[tsext:{environment}]\n" if environment else "[tsext]\n"
        text = path.read_text() if header in path.read_text() else f"{path.read_text()}\n{header}"
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        path.write_text(text.replace(header, header + lines))

    def models(self, text: str) -> None:
        (self.path / "alembic" / "models.py").write_text(text)

    def revision(
        self,
        revision: str,
        down: str | tuple[str, ...] | None,
        upgrade: str = "pass",
        downgrade: str = "pass",
        revises: bool = False,
    ) -> Path:
        path = self.versions / f"{revision}.py"
        said = f"\n\nRevision ID: {revision}\nRevises: {down or ''}\n" if revises else ""
        values = {"message": revision, "revises": said, "revision": revision, "down": down}
        path.write_text(REVISION.format(**values, upgrade=upgrade, downgrade=downgrade))
        return path

    def tables(self, *revisions: str) -> None:
        """One revision after the other, each with a table of the revision's name."""
        self.tables_after(None, *revisions)

    def tables_after(self, down: str | None, *revisions: str) -> None:
        for revision in revisions:
            self.revision(
                revision,
                down,
                f'op.execute("CREATE TABLE t_{revision} (id int)")',
                f'op.execute("DROP TABLE t_{revision}")',
            )
            down = revision

    def sql_file(self, name: str, text: str | bytes) -> Path:
        path = self.sql / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def command(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", {"tsext": "tsext.cli", "alembic": "alembic"}[program], *arguments],
            cwd=self.path,
            env={**os.environ, "TSEXT_DATABASE_URL": self.url, "COLUMNS": "200", **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_interruptible,
        )

    def run(self, program: str, *arguments: str, fails: bool = False) -> str:
        """Run ``alembic`` or ``tsext`` as a user does; returns what it printed."""
        with self.command(program, *arguments) as process:
            output, _ = process.communicate(timeout=120)
        assert (process.returncode != 0) == fails, output
        return output


@pytest.fixture
def new_project(tmp_path: Path) -> Callable[[str], Project]:
    """Makes an empty project on a database."""

    def make(url: str) -> Project:
        scripts = tmp_path / "alembic"
        (scripts / "versions").mkdir(parents=True)
        for name in ("env.py", "script.py.mako"):
            (scripts / name).write_text((ROOT / "alembic" / name).read_text())
        (tmp_path / "alembic.ini").write_text((ROOT / "alembic.ini").read_text())
        (tmp_path / "migrations_sql" / "rollback").mkdir(parents=True)
        project = Project(tmp_path, url)
        project.models("from sqlalchemy import MetaData\n\nmetadata = MetaData()\n")
        return project

    return make


@pytest.fixture
def project(
    new_project: Callable[[str], Project], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """An empty project on an empty database."""
    monkeypatch.setenv("TSEXT_DATABASE_URL", database_url)
    yield new_project(database_url)
    sys.modules.pop("models", None)


@pytest.fixture
def offline_project(new_project: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project whose database cannot be reached."""
    url = "postgresql+psycopg2://nobody@127.0.0.1:1/nothing"
    monkeypatch.setenv("TSEXT_DATABASE_URL", url)
    yield new_project(url)
    sys.modules.pop("models", None)
