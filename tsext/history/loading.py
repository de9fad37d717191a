"""Loading revisions where they may ask ``op`` and ``context`` for something on their first lines, as Alembic does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import cast

from alembic import context as alembic_context
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Dialect, make_url

from tsext.history.contexts import quiet
from tsext.history.files import refuse_duplicates
from tsext.history.lock import in_process
from tsext.settings import Settings


def load(config: Config, script: ScriptDirectory, settings: Settings, *, numbers_may_clash: bool = False) -> None:
    """Load the revisions of a project; nothing is connected to.

    :param numbers_may_clash: let two files have one id or number.
    :raises HistoryError: if two have, naming the files.
    """
    at_work = getattr(alembic_context, "_proxy", None) is not None
    environment = nullcontext() if at_work else EnvironmentContext(config, script)
    bind = config.attributes.get("connection") or _Bind(settings.database_url or make_url("postgresql://"))
    with in_process, environment, _op(bind):
        if numbers_may_clash:
            script.get_heads()
        else:
            refuse_duplicates(script, settings.revision_ids)


@dataclass
class _Bind:
    """Stands for the connection until there is one; no driver is needed for that."""

    url: URL

    @property
    def dialect(self) -> Dialect:
        return self.url.get_dialect()()

    @property
    def engine(self) -> _Bind:
        return self


@contextmanager
def _op(bind: Connection | _Bind) -> Iterator[None]:
    """Let ``op`` tell what can be known without a connection: the dialect, and the URL of the engine."""
    with quiet():
        context = MigrationContext(bind.dialect, cast(Connection, bind), {})
    with Operations.context(context):
        yield
