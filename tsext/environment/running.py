"""One Alembic command: what it was asked for, with which settings, and who does it."""

from __future__ import annotations

import logging
from typing import Any

from alembic.operations.ops import MigrationScript
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData

from tsext import autogenerate, history
from tsext.environment.connecting import connected
from tsext.environment.garbage import seldom_searched
from tsext.environment.migrating import migrate, write_script
from tsext.environment.naming import Directives, name_merge, naming
from tsext.errors import ModelsMissing
from tsext.settings import Settings
from tsext.sql.dialect import dialect

log = logging.getLogger("alembic.tsext")

_PLUGINS = ["alembic.autogenerate.*", "tsext.autogenerate"]


def run(context: Any, metadata: MetaData | list[MetaData] | None, **options: Any) -> None:
    """Run the Alembic command at hand: the whole of a project's ``env.py``.

    :param context: the module ``alembic.context``.
    :param metadata: the models' metadata, for autogenerate.
    :param options: anything else ``context.configure`` takes (``include_schemas``, ``include_object``, …);
        ``transaction_per_migration`` is always on.
    :raises TsextError: every refusal says what is wrong and what to do.
    """
    _let_warnings_be_seen()
    environment: EnvironmentContext = getattr(context, "_proxy", None) or context
    with history.in_process, seldom_searched(environment.config):
        Run(environment, metadata, options).start()


class Run:
    """One command: what it was asked for, and with which settings."""

    def __init__(
        self,
        environment: EnvironmentContext,
        metadata: MetaData | list[MetaData] | None,
        options: dict[str, Any],
    ) -> None:
        self.environment = environment
        self.metadata = metadata
        self.options = options
        self.asked = environment.context_opts
        x_arguments = environment.get_x_argument(as_dictionary=True)
        self.settings = Settings.read(environment.config, x_arguments)

    @property
    def is_stamp(self) -> bool:
        """Whether revisions are only recorded."""
        return getattr(self.asked.get("fn"), "__name__", "") == "do_stamp"

    def start(self) -> None:
        """Do what was asked for."""
        may_clash = bool(self.asked.get(history.NUMBERS_MAY_CLASH))
        history.load(self.environment.config, self.environment.script, self.settings, numbers_may_clash=may_clash)
        revision = self.asked.get("revision_context")
        if self.environment.is_offline_mode():
            write_script(self)
        elif revision is not None and not _compares(revision):
            self._without_database()
        elif revision is not None and self.metadata is None:
            raise ModelsMissing(
                "env.py gives no models, so there is nothing to compare the schema with",
                hint="give your models' metadata to environment.run, or write the revision by hand: alembic revision",
            )
        elif revision is None and "template_args" in self.asked:
            name_merge(self.environment, self.settings)
        else:
            with connected(self.environment.config, self.settings) as connection:
                if "destination_rev" in self.asked:
                    migrate(self, connection)
                else:
                    self.configure(connection=connection)
                    self.run_steps()

    def configure(self, **how: Any) -> MigrationContext:
        """Alembic's ``context.configure``: the project's options, ours, and those of the command."""
        given = dict(self.options)
        given["include_name"] = autogenerate.include_name(given.get("include_name"))
        given["process_revision_directives"] = self._directives(given.get("process_revision_directives"))
        given.setdefault("autogenerate_plugins", _PLUGINS)
        given["transaction_per_migration"] = True
        self.environment.configure(target_metadata=self.metadata, tsext=self.settings, **{**given, **how})
        return self.environment.get_context()

    @property
    def _writes_safely(self) -> bool:
        """Whether this writes a revision by autogenerate, and it is wanted; ``alembic check`` writes none."""
        revision = self.asked.get("revision_context")
        if self.settings.safe_autogenerate == "off" or revision is None or not _compares(revision):
            return False
        function, *_ = getattr(self.environment.config.cmd_opts, "cmd", None) or (None,)
        return revision.command_args.get("message") is not None or getattr(function, "__name__", "") == "revision"

    def run_steps(self) -> None:
        """What Alembic does in ``env.py`` after ``context.configure``."""
        with self.environment.begin_transaction():
            self.environment.run_migrations()

    def _without_database(self) -> None:
        """``alembic revision`` writes a file; no database is needed for that."""
        self.configure(dialect_name="postgresql", as_sql=True)
        self.environment.run_migrations()

    def _directives(self, theirs: Directives | None) -> Directives:
        """Ours, then the project's own."""
        name = naming(self.environment, self.settings)

        def process(context: Any, revision: Any, directives: list[MigrationScript]) -> None:
            if self._writes_safely:
                from tsext.autogenerate import rewriting  # only autogenerate pays for loading that

                rewriting.make_safe(directives, self.metadata, context.connection)
            name(context, revision, directives)
            if theirs is not None:
                theirs(context, revision, directives)
            # what follows is text, in which the dialect of a driver would double percent signs
            context.impl.dialect = dialect()

        return process


def _let_warnings_be_seen() -> None:
    """Where no logging is configured, as without an ini file; Alembic's handler of nothing would swallow them."""
    last = logging.lastResort  # None, if the application has said that it wants none
    if last is not None:
        (log.removeHandler if logging.getLogger().handlers else log.addHandler)(last)


def _compares(revision_context: Any) -> bool:
    return bool(revision_context.command_args.get("autogenerate"))
