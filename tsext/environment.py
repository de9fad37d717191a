"""The seam: what a project's ``env.py`` calls, and from which everything else hangs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from alembic.operations.ops import MigrationScript
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tsext import autogenerate, history, preflight
from tsext.errors import HistoryError, ModelsMissing, PreflightFailed, RevisionFailed, TsextError
from tsext.history import Project, Recorder, bookkeeping, numbers, records
from tsext.history.recording import Steps
from tsext.operations import pending
from tsext.operations.optional import SKIPPED
from tsext.settings import Settings

log = logging.getLogger("alembic.tsext")

REV_ID = "tsext_rev_id"
"""Key of ``Config.attributes`` for the id ``tsext.command.merge`` gives; Alembic does not tell it ``env.py``."""

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
    with history.in_process:
        environment: EnvironmentContext = getattr(context, "_proxy", None) or context
        _Run(environment, metadata, options).start()


class _Run:
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

    def start(self) -> None:
        history.refuse_duplicates(self.environment.script, self.settings.revision_ids)
        revision = self.asked.get("revision_context")
        if self.environment.is_offline_mode():
            self._offline()
        elif revision is not None and not _compares(revision):
            self._without_database()
        elif revision is not None and self.metadata is None:
            raise ModelsMissing(
                "env.py gives no models, so there is nothing to compare the schema with",
                hint="give your models' metadata to environment.run, or write the revision by hand: alembic revision",
            )
        elif revision is None and "template_args" in self.asked:
            self._name_merge()
        elif "destination_rev" in self.asked:
            with self._connected() as connection:
                self._migrate(connection)
        else:
            with self._connected() as connection:
                self._configure(connection=connection)
                self._run_steps()

    def _configure(self, recorder: Recorder | None = None, **how: Any) -> MigrationContext:
        given = dict(self.options)
        followed: dict[str, Any] = {}
        if recorder is not None:
            theirs = given.pop("on_version_apply", None) or ()
            hooks = tuple(theirs) if isinstance(theirs, tuple | list | set) else (theirs,)
            followed = {
                "fn": recorder.following(self._refusing(self.asked["fn"])),
                "on_version_apply": (recorder.on_version_apply, *hooks),
                "tsext_refuse_foreign_file": partial(_refuse_foreign_file, recorder),
                SKIPPED: recorder.skipped,
            }
        given["include_name"] = autogenerate.include_name(given.get("include_name"))
        given["process_revision_directives"] = self._naming(given.get("process_revision_directives"))
        given.setdefault("autogenerate_plugins", _PLUGINS)
        given["transaction_per_migration"] = True
        self.environment.configure(target_metadata=self.metadata, tsext=self.settings, **{**given, **followed, **how})
        return self.environment.get_context()

    def _refusing(self, steps_of: Steps) -> Steps:
        """Alembic's function that lists the steps; what a later one needs and this server lacks is refused first."""

        def refused(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
            steps = list(steps_of(heads, context))
            revisions = [step for step in steps if isinstance(step, RevisionStep)]
            if not context.as_sql and revisions:
                assert context.connection is not None
                works = [(step.revision, step.migration_fn) for step in revisions]
                pending.refuse(context.connection, works, self.settings)
            yield from steps

        return refused

    def _run_steps(self) -> None:
        with self.environment.begin_transaction():
            self.environment.run_migrations()

    # --- revision and merge: names

    def _without_database(self) -> None:
        """``alembic revision`` writes a file; no database is needed for that."""
        self._configure(dialect_name="postgresql", as_sql=True)
        self.environment.run_migrations()

    def _name_merge(self) -> None:
        """``alembic merge`` calls no hook but this environment: name the file by its template."""
        script, config = self.environment.script, self.environment.config
        if not numbers.numbers_new_revisions(script, self.settings.revision_ids):
            return
        if given := config.attributes.get(REV_ID) or getattr(config.cmd_opts, "rev_id", None):
            numbers.checked(given)
            return
        name = numbers.revision_id(numbers.next_number(script), getattr(config.cmd_opts, "message", None) or "merge")
        if "revision_id" not in Path(script.dir, "script.py.mako").read_text("utf-8"):
            raise HistoryError(
                "script.py.mako writes up_revision, which Alembic makes up for a merge",
                hint="write ${revision_id if revision_id is not UNDEFINED else up_revision} in its place, "
                f"or give --rev-id={name}",
            )
        script.file_template = name
        self.asked["template_args"]["revision_id"] = name

    def _naming(
        self, theirs: Callable[[Any, Any, list[MigrationScript]], None] | None
    ) -> Callable[[Any, Any, list[MigrationScript]], None]:
        def name(context: MigrationContext, revision: Any, directives: list[MigrationScript]) -> None:
            script = self.environment.script
            if numbers.numbers_new_revisions(script, self.settings.revision_ids):
                number = numbers.next_number(script)
                for directive in directives:
                    if not numbers.is_generated(directive.rev_id):
                        numbers.checked(directive.rev_id or "")
                        continue
                    directive.rev_id = numbers.revision_id(number, directive.message)
                    number += 1
            if theirs is not None:
                theirs(context, revision, directives)

        return name

    # --- upgrade, downgrade, stamp

    def _offline(self) -> None:
        project = Project.read(self.environment.script, self.settings.sql_location)
        recorder = Recorder(project, numbers.assign(project.ordered, {}), self.settings.environment)
        self._configure(
            recorder if "destination_rev" in self.asked else None,
            dialect_name="postgresql",
            literal_binds=True,
            dialect_opts={"paramstyle": "named"},
        )
        self._run_steps()

    def _migrate(self, connection: Connection) -> None:
        state = preflight.check(connection)
        with upgrade_lock(connection, self.settings, state):
            history.refuse_elsewhere(connection)
            bookkeeping.upgrade(connection)
            project = Project.read(self.environment.script, self.settings.sql_location)
            fixed = records.fixed_numbers(connection)
            connection.rollback()  # inside a transaction, Alembic would leave the commit to us
            recorder = Recorder(project, numbers.assign(project.ordered, fixed), self.settings.environment)
            context = self._configure(recorder, connection=connection)
            self._verify(connection, context, recorder, fixed)
            self._follow_commits(connection, recorder)
            try:
                self._run_steps()
            except Exception as error:
                self._fail(connection, state, recorder, error)
            self._load_seeds(connection, context, recorder)

    def _verify(
        self, connection: Connection, context: MigrationContext, recorder: Recorder, bridged: dict[str, int]
    ) -> None:
        recorded = records.applied(connection)
        heads = context.get_current_heads()
        connection.rollback()
        recorder.applied = {record.revision for record in recorded if record.revision}
        if _is_stamp(self.asked):
            return
        if recorded and not heads and context.version_table_schema:
            raise HistoryError(
                f"migration_history has {len(recorded)} applied revisions, but nothing is applied according to "
                f"{context.version_table_schema}.{context.version_table}",
                hint=history.ONE_PER_DATABASE,
            )
        findings = history.verify(recorder.project, recorded, heads, bridged)
        if findings and self.settings.history_policy == "fail":
            raise HistoryError("the files and the history of this database disagree", findings=findings)
        for finding in findings:
            log.warning("%s", finding)

    @staticmethod
    def _follow_commits(connection: Connection, recorder: Recorder) -> None:
        @event.listens_for(connection, "commit")
        def committed(_: Connection) -> None:
            recorder.committed = True

    def _fail(self, connection: Connection, state: preflight.ServerState, recorder: Recorder, error: Exception) -> None:
        """Record the failure where it can outlive the rollback, and tell what remains of the revision."""
        entry = recorder.failed_entry()
        if entry is None:
            raise error
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        reason, cure = _told(error)
        if not lost:
            connection.rollback()
        failure = replace(entry, error=reason)
        self._record_failure(connection if state.single_client else None, connection.engine, failure)
        direction = "downgrade of revision" if entry.kind == "downgrade" else "revision"
        raise RevisionFailed(
            f"{direction} {entry.revision} failed: {reason}", hint=cure + _what_remains(recorder, lost)
        ) from error

    @staticmethod
    def _record_failure(own: Connection | None, engine: Engine, failure: records.Entry) -> None:
        try:
            with nullcontext(own) if own is not None else engine.connect() as other:
                records.write(other, failure)
                other.commit()
        except DBAPIError as error:
            log.warning("the failure could not be recorded: %s", str(error.orig).strip())

    def _load_seeds(self, connection: Connection, context: MigrationContext, recorder: Recorder) -> None:
        if not recorder.steps_done or not self.settings.loads_seeds or _is_stamp(self.asked):
            return
        heads = self.environment.script.get_heads(consider_depends_on=True)
        at_head = set(context.get_current_heads()) == set(heads)
        connection.rollback()
        if at_head:
            from tsext import seeds  # brings the grammar

            seeds.load(connection, self.settings)

    # --- the connection

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        shared = self.environment.config.attributes.get("connection")
        if shared is not None:
            if shared.in_transaction():
                raise PreflightFailed(
                    "the connection in config.attributes is inside a transaction, so Alembic would roll "
                    "everything back in the end",
                    hint="commit or roll it back before you hand it over",
                )
            _refuse_driver(shared)
            try:
                yield shared
            finally:
                shared.rollback()  # handed back as it came, outside a transaction
            return
        engine = self._engine()
        try:
            with preflight.connect(engine) as connection:
                _refuse_driver(connection)
                yield connection
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        url = self.settings.database_url
        arguments = {"application_name": "tsext"}
        if url is None:
            from tsext import localdb  # most runs have a URL

            server = localdb.ensure(self.settings.localdb_version)
            log.info("no database URL is set: using the local development server %s", server.url)
            return create_engine(server.url, poolclass=NullPool, connect_args=arguments)
        return create_engine(url, poolclass=NullPool, connect_args=arguments)


def upgrade_lock(
    connection: Connection, settings: Settings, state: preflight.ServerState
) -> AbstractContextManager[None]:
    """The upgrade lock of the connection's database; none where the server takes one client at a time."""
    if state.single_client:
        log.info("this server takes one client at a time: going on without the upgrade lock")
        return nullcontext()
    return history.upgrade_lock(connection.engine, settings.upgrade_lock_timeout)


def _let_warnings_be_seen() -> None:
    """Where no logging is configured, as without an ini file; Alembic's handler of nothing would swallow them."""
    last = logging.lastResort  # None, if the application has said that it wants none
    if last is not None:
        (log.removeHandler if logging.getLogger().handlers else log.addHandler)(last)


def _refuse_driver(connection: Connection) -> None:
    driver = connection.dialect.driver
    if not driver.startswith("psycopg"):
        raise PreflightFailed(
            f"the connection uses the driver {driver}, with which tsext cannot migrate",
            hint="let tsext connect by itself: set TSEXT_DATABASE_URL or sqlalchemy.url to "
            "postgresql+psycopg2://… or postgresql+psycopg://…",
        )


def _compares(revision_context: Any) -> bool:
    return bool(revision_context.command_args.get("autogenerate"))


def _refuse_foreign_file(recorder: Recorder, path: Path) -> None:
    """What ``op.execute_file`` asks before it runs a file."""
    info = getattr(recorder.step, "info", None)
    if info is not None:
        script = recorder.project.revision(info.up_revision_id)
        history.refuse_foreign(script, recorder.project.files(script), path)


def _is_stamp(asked: dict[str, Any]) -> bool:
    return getattr(asked.get("fn"), "__name__", "") == "do_stamp"


def _told(error: Exception) -> tuple[str, str]:
    """What an error says, and its own cure."""
    if isinstance(error, TsextError):
        return error.message, f"{error.hint}; " if error.hint else ""
    return str(error.orig if isinstance(error, DBAPIError) else error).strip() or repr(error), ""


def _what_remains(recorder: Recorder, lost: bool) -> str:
    if recorder.committed:
        return (
            "statements it ran outside a transaction stay; the database is still recorded as before it. Make "
            "them repeatable (DROP … IF EXISTS first), mend the cause and run the same command again"
        )
    connection = "the connection was lost; " if lost else ""
    earlier = "earlier revisions stay applied"
    if lost and not recorder.flush:
        earlier += ", but for the newest if the server crashed before they were on disk"
    return f"{connection}nothing of it remains and {earlier}; mend the cause and run the same command again"
