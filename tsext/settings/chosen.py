"""Everything a user may set, with its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

from tsext.errors import SettingsError
from tsext.settings import sources, values
from tsext.settings.values import Size

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

    from tsext.maintenance import Window

_ANSWERS = ("fail", "warn", "off")


def _answer(default: str, doc: str, **defaults: str) -> Any:
    """A setting that says what follows from a check: ``fail``, ``warn`` or ``off``."""
    return _setting(default, values.choice(*_ANSWERS), doc, **defaults)


def _setting(default: Any, parse: Any, doc: str, **defaults: Any) -> Any:
    """A setting, its default, and other defaults by environment: ``development=…``."""
    return field(default=default, metadata={"parse": parse, "doc": doc, "defaults": defaults})


@dataclass(frozen=True)
class Settings:
    """The settings of one run.

    Read from ``[tsext]`` and ``[tsext:ENVIRONMENT]`` in ``alembic.ini``, or from ``[tool.tsext]`` and
    ``[tool.tsext.ENVIRONMENT]`` in ``pyproject.toml``; the environment's own section wins.
    """

    environment: str = "production"
    database_url: URL | None = None
    sql_location: Path = Path("migrations_sql")
    history_policy: str = _setting(
        "fail", values.choice("fail", "warn"), "what to do when the files and the history disagree"
    )
    revision_ids: str = _setting(
        "auto",
        values.choice("auto", "number", "hash"),
        "ids of new revisions: `number` (NNN_slug), `hash` (Alembic's own), or `auto`: as the newest ones are",
    )
    safe_autogenerate: str = _setting(
        "on",
        values.choice("on", "off"),
        "whether autogenerate writes, for tables that exist, the operations that do not block others: `op.add_check` "
        "instead of `op.create_check_constraint` and so on",
    )
    upgrade_lock_timeout: timedelta = _setting(
        timedelta(minutes=1), values.duration, "how long to wait for another upgrade of the same database to end"
    )
    lock_timeouts: tuple[timedelta, ...] = _setting(
        (timedelta(milliseconds=10), timedelta(milliseconds=50), timedelta(milliseconds=200)),
        values.times,
        "`lock_timeout` of statements that lock whole tables, at the first attempt, at the second, …; the last at all "
        "further ones",
    )
    lock_timeouts_of_rows: tuple[timedelta, ...] = _setting(
        (timedelta(seconds=2),),
        values.times,
        "the same for statements that wait for single rows only: INSERT, UPDATE, DELETE, MERGE, COPY; and for VALIDATE "
        "CONSTRAINT once it was refused",
    )
    lock_deadline: timedelta = _setting(
        timedelta(minutes=10),
        values.duration,
        "how long a revision may keep trying to get its locks, all attempts together; also the `lock_timeout` of what "
        "runs CONCURRENTLY, which is not tried again",
        development=timedelta(seconds=30),
    )
    watchdog: str = _setting(
        "on",
        values.choice("on", "off"),
        "whether to watch, from a second connection, how long other sessions wait for the run",
    )
    watchdog_waiters: int = _setting(
        5,
        values.count,
        "cancel our statement when this many sessions have waited for it longer than `watchdog_wait_of_many`",
    )
    watchdog_wait_of_many: timedelta = _setting(timedelta(milliseconds=250), values.duration, "see `watchdog_waiters`")
    watchdog_longest_wait: timedelta = _setting(
        timedelta(seconds=2),
        values.duration,
        "cancel our statement when any session has waited for it longer than this",
        development=timedelta(seconds=30),
    )
    watchdog_attempts: int = _setting(
        3, values.count, "a revision that was cancelled is run again; this many cancellations fail it"
    )
    guard_replica_lag: timedelta | None = _setting(
        None, values.duration, "cancel our statement while a replica is further behind than this"
    )
    guard_free_disk: Size | None = _setting(
        None,
        values.size,
        "cancel our statement while less is free on the volume of the data directory, if that can be measured",
    )
    guard_archive_backlog: int | None = _setting(
        None, values.count, "cancel our statement while more WAL files than this wait to be archived"
    )
    guard_transaction: timedelta | None = _setting(
        None, values.duration, "cancel a revision whose transaction is older than this"
    )
    seeds: str = _setting(
        "auto",
        values.choice("auto", "on", "off"),
        "whether an upgrade that reaches the head loads `seeds/*.sql`; `auto`: in development only",
    )
    timescaledb: str = _setting(
        "required",
        values.choice("required", "optional"),
        "`optional`: on a server that has no TimescaleDB, its operations are left out, logged and recorded",
    )
    unsafe_revisions: str = _setting(
        "window",
        values.choice("ignore", "allow", "warn", "window", "refuse"),
        "what to do with a pending revision that would block or break others: run it only in a maintenance `window`, "
        "`refuse` it, `warn` and run it, `allow` it with a line in the log, or `ignore`: none is judged",
        development="ignore",
        staging="warn",
    )
    maintenance_windows: tuple[Window, ...] = _setting(
        (), values.windows, "when unsafe revisions may run, one a line: `0 2 * * SUN for 3h in Europe/Zurich`"
    )
    maintenance_reason: str = ""
    """Given with ``-x maintenance-window=``: the window is now, and this is why."""
    version_given: str = ""
    """Given with ``-x app-version=``: the versions of the application that are running."""
    application_version: str = _setting(
        "",
        values.text,
        "the version of the application that is running, for `requires_application`; several with commas between "
        "them, of which the lowest counts; `-x app-version=` wins over it",
    )
    application_version_query: str = _setting(
        "",
        values.text,
        "a query that returns the versions that are running, one a row; it wins over `application_version`",
    )
    max_execution_time: timedelta | None = _setting(
        None,
        values.duration,
        "how long a revision may take; one that took longer stays applied, but the run ends with an error",
        staging=timedelta(hours=1),
    )
    preflight_disk: str = _answer(
        "fail", "preflight: the disk has too little room for what is pending", development="warn"
    )
    preflight_disk_size: Size | None = _setting(
        None,
        values.size,
        "size of the volume, where it cannot be measured, or how much of it the databases may use: `500GB`",
    )
    preflight_disk_probe: str = _setting(
        "off",
        values.choice("off", "program"),
        "`program`: ask the server to run `df`, for which the role needs pg_execute_server_program",
    )
    preflight_disk_reserve: int = _setting(5, values.percent, "how much of the volume must stay free, in percent")
    preflight_locks: str = _answer("fail", "preflight: a revision needs more locks than the server has room for")
    preflight_replicas: str = _answer("fail", "preflight: a replica is behind", development="warn", staging="warn")
    preflight_replica_lag: timedelta = _setting(
        timedelta(seconds=30), values.duration, "how far a replica may be behind for preflight"
    )
    preflight_replica_wal: Size = _setting(
        Size(256 * 1024**2), values.size, "how much WAL a replica may have left to replay for preflight"
    )
    preflight_slots: str = _answer("warn", "preflight: a slot that nobody reads keeps WAL")
    preflight_slot_wal: Size = _setting(Size(1024**3), values.size, "how much WAL such a slot may keep")
    preflight_transactions: str = _answer(
        "warn", "preflight: long transactions, which locks and CONCURRENTLY have to wait for"
    )
    preflight_prepared: str = _answer(
        "fail", "preflight: prepared transactions that nobody ends", development="warn", staging="warn"
    )
    preflight_transaction_age: timedelta = _setting(
        timedelta(minutes=1),
        values.duration,
        "from which age on preflight reports a transaction, prepared ones included",
    )
    preflight_jobs: str = _answer("warn", "preflight: jobs that are at work on hypertables that are touched")
    preflight_indexes: str = _answer("warn", "preflight: INVALID indexes, left by builds that were interrupted")
    preflight_constraints: str = _answer("warn", "preflight: constraints that are NOT VALID")
    validate_checks: str = _answer("fail", "validation: check files, `validate()` and `unchanged_rows` of revisions")
    validate_indexes: str = _answer("fail", "validation: INVALID indexes, and indexes that some chunks lack")
    validate_constraints: str = _answer("warn", "validation: constraints that are NOT VALID")
    validate_models: str = _answer(
        "warn", "validation at the head: the schema lacks what the models have", development="off", staging="fail"
    )
    validation_timeout: timedelta = _setting(
        timedelta(seconds=30), values.duration, "statement_timeout of check files and `validate()`"
    )
    on_validation_failure: str = _setting(
        "stop",
        values.choice("stop", "rollback"),
        "`rollback`: downgrade the revisions of this run; `stop`: leave them applied; both end with an error",
        staging="rollback",
    )
    backfill_in_upgrade: int | None = _setting(
        1_000_000,
        values.or_off(values.count),
        "how many rows an upgrade may change itself for `op.backfill` and the like; a larger table needs "
        "`tsext backfill run` before the upgrade; `off`: any number",
        development=None,
    )
    backfill_workers: int = _setting(2, values.count, "how many threads of one process work on a backfill")
    backfill_batch_time: timedelta = _setting(
        timedelta(milliseconds=20),
        values.duration,
        "how long a batch should take, by which its size is chosen; others wait that long for a row at most",
    )
    backfill_rest: int = _setting(
        200,
        values.number,
        "how long a worker pauses after each batch, in percent of the time that the batch took",
        development=0,
    )
    backfill_timeout: timedelta = _setting(
        timedelta(minutes=1), values.duration, "how long a batch may take; then it is divided, and tried again"
    )
    backfill_blocked: timedelta = _setting(
        timedelta(seconds=1),
        values.duration,
        "how long anybody may wait for a batch; then it is given up, and tried again",
    )
    backfill_replica_lag: timedelta | None = _setting(
        timedelta(seconds=5),
        values.or_off(values.duration),
        "wait while a replica is further behind than this; `off`, here and below: do not wait for that",
    )
    backfill_slot_wal: Size | None = _setting(
        Size(4 * 1024**3),
        values.or_off(values.size),
        "wait while a replication slot keeps more WAL than this, or is about to lose some that it needs",
    )
    backfill_wal_rate: Size | None = _setting(
        Size(64 * 1024**2), values.or_off(values.size), "wait while the server writes more WAL in a second than this"
    )
    backfill_archive_backlog: int | None = _setting(
        42, values.or_off(values.count), "wait while more WAL files than this wait to be archived"
    )
    backfill_transaction_age: timedelta | None = _setting(
        timedelta(hours=1),
        values.or_off(values.duration),
        "wait while a transaction is older than this: until it ends, VACUUM removes none of the old rows",
    )
    backfill_free_disk: Size | None = _setting(
        Size(1024**3),
        values.or_off(values.size),
        "wait while less than this is free on the volume of the data directory, if that can be measured",
    )
    backfill_vacuum: str = _setting("wait", values.choice("wait", "ignore"), "`wait` while the table is vacuumed")
    backfill_query: str = _setting(
        "", values.text, "wait while this query returns true, or a number above 0, in its first row and column"
    )
    localdb_version: str = _setting(
        "2.19",
        values.choice("2.19", "2.31"),
        "version of TimescaleDB of the local server, where no database URL is set",
    )

    @property
    def loads_seeds(self) -> bool:
        """Whether an upgrade that reaches the head ends by loading the seeds."""
        return self.seeds == "on" or (self.seeds == "auto" and self.environment == "development")

    @classmethod
    def read(cls, config: Config, x_arguments: Mapping[str, str] | None = None) -> Settings:
        """The settings that hold for this command.

        :param x_arguments: what the user gave with ``-x``; ``env=`` names the environment.
        :raises SettingsError: for an unknown setting or a value that makes no sense.
        """
        database_url = sources.database_url(config)
        x_arguments = x_arguments or {}
        environment = sources.environment_of(x_arguments, database_url)
        given = {**sources.sections(config, ""), **sources.sections(config, environment)}
        sql_location = given.pop("sql_location", None)
        return cls(
            environment=environment,
            database_url=database_url,
            sql_location=Path(sql_location) if sql_location else sources.beside_scripts(config),
            maintenance_reason=sources.x_argument(
                x_arguments, "maintenance-window", "restoring the order book, CHG-1234"
            ),
            version_given=sources.x_argument(x_arguments, "app-version", "2.4.1"),
            **{**_defaults(environment), **{name: _parse(name, text) for name, text in given.items()}},
        )

    def given(self, texts: Mapping[str, str]) -> Settings:
        """These, but for some that are given as they would stand in a section.

        :raises SettingsError: for an unknown setting or a value that makes no sense.
        """
        return replace(self, **{name: _parse(name, text) for name, text in texts.items()})

    def texts(self) -> dict[str, str]:
        """All that a section may hold, as they would stand in it."""
        mine = {each.name: getattr(self, each.name) for each in fields(self) if "doc" in each.metadata}
        return {name: "off" if value is None else values.spelled(value) for name, value in mine.items()}

    @classmethod
    def of(cls, context: MigrationContext) -> Settings:
        """The settings that hold for a migration context; the defaults for one without an environment."""
        given: Settings | None = context.opts.get("tsext")
        if given is not None:
            return given
        environment = context.environment_context
        return cls() if environment is None else cls.read(environment.config)


@dataclass(frozen=True)
class Documented:
    """A setting that a section may hold, as the documentation tells of it."""

    name: str
    takes: str
    """What may be written."""
    default: str
    """With those of environments that have another."""
    meaning: str


def documented() -> list[Documented]:
    """Every setting that a section may hold."""
    told = [
        Documented("sql_location", "a path", "migrations_sql beside the script location", "folder of the SQL files")
    ]
    for each in fields(Settings):
        if "doc" in each.metadata:
            takes, others = each.metadata["parse"].takes, each.metadata["defaults"]
            defaults = [
                _default_text(each.default, takes),
                *(f"{name}: {_default_text(value, takes)}" for name, value in others.items()),
            ]
            told.append(Documented(each.name, takes, "; ".join(defaults), each.metadata["doc"]))
    return told


def _default_text(default: Any, takes: str) -> str:
    return "off" if default is None and "`off`" in takes else values.spelled(default)


def _defaults(environment: str) -> dict[str, Any]:
    """What an environment has by default where it is not what the others have."""
    theirs = ((each.name, each.metadata.get("defaults", {})) for each in fields(Settings))
    return {name: defaults[environment] for name, defaults in theirs if environment in defaults}


def _parse(name: str, text: str) -> Any:
    for each in fields(Settings):
        if each.name == name and "parse" in each.metadata:
            return each.metadata["parse"](f"tsext setting {name}", text)
    known = ", ".join(each.name for each in documented())
    raise SettingsError(f"tsext knows no setting {name!r}", hint=f"it knows: {known}")
