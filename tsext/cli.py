"""The command line: every command of Alembic, with tsext's verbs beside them."""

from __future__ import annotations

import argparse
import configparser
import inspect
import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import wraps
from importlib import metadata
from pathlib import Path
from typing import Any

import alembic
from alembic.config import CommandLine, Config
from alembic.util import CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tsext import command, review
from tsext.command import backfill_line
from tsext.command.reaching import engine
from tsext.errors import HistoryError, SettingsError, TsextError, ValidationFailed
from tsext.fleet import commands as fleet_commands
from tsext.loading import commands as loading_commands
from tsext.localdb import commands as localdb_commands
from tsext.preflight.situation import State
from tsext.review import report

_WIDTH = 140
"""Columns of what is printed into a file or a pipe, where rich would take 80, too few for most tables."""

_RESULT = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red", State.UNKNOWN: "magenta", State.OFF: "dim"}
"""The colours of a check's results."""

_STATE = {"ok": "green", "changed": "red", "missing": "red", "-": "dim"}
"""The colours of a revision's checksum."""


def migrate(config: Config, target: str = "latest", sql: bool = False) -> None:
    """Upgrade to a number of migration_history, or to the latest revision."""
    command.migrate(config, target or "latest", sql=bool(sql))


def rollback(config: Config, target: str | None = None) -> None:
    """Downgrade to a number of migration_history; 0 is the empty database."""
    if target is None:
        raise HistoryError("rollback to which revision?", hint="give --target=N; 0 is the empty database")
    command.rollback(config, target)


def validate(config: Config, json: bool = False) -> None:
    """Check history, head, indexes, constraints, the revisions' own checks, and models."""
    findings = command.validate(config)
    if json:
        _print_json([asdict(finding) for finding in findings])
        if findings:
            sys.exit(1)
        return
    try:
        command.refuse(findings)
    except ValidationFailed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        sys.exit(1)
    config.print_stdout(
        "valid: history intact, database at head, indexes and constraints sound, checks passed, "
        "models (if any) equal schema"
    )


def preflight(config: Config, json: bool = False) -> None:
    """Check the server, its disk, locks, replicas and sessions for what is pending."""
    results = command.preflight(config)
    if json:
        _print_json([result._asdict() for result in results])
    else:
        table = Table("check", "result", "found", "cure")
        for each in results:
            colour = _RESULT[each.state]
            table.add_row(each.check, f"[{colour}]{each.state}[/]", escape(each.message), escape("\n".join(each.hints)))
        _console().print(table)
    if any(each.state is State.FAIL for each in results):
        sys.exit(1)


def status(config: Config, json: bool = False) -> None:
    """Show applied and pending revisions."""
    lines = command.status(config)
    if json:
        _print_json([asdict(line) for line in lines])
        return
    table = Table("number", "name", "state", "applied at", "by", "ms", "rollback", "checksum", "phase")
    for line in lines:
        colour = _STATE[line.checksum_state]
        table.add_row(
            f"{line.version:03d}",
            line.name,
            line.state,
            line.applied_at or "",
            line.applied_by or "",
            "" if line.execution_time_ms is None else str(line.execution_time_ms),
            "yes" if line.rollback_available else "no",
            f"[{colour}]{line.checksum[:12]} {line.checksum_state}[/]",
            line.phase,
        )
    _console().print(table)


def receipt(config: Config, revision: str, json: bool = False) -> None:
    """Show what a revision did to others when it ran last."""
    found = command.receipt(config, revision)
    if json:
        _print_json(found)
        return
    console = _console()
    for name, effect in found.items():
        if effect["relations"]:
            console.print(_locked(name, effect["relations"]))
        else:
            console.print(f"{name} locked no table that was there before")
        wal = "not measured" if effect["wal_bytes"] is None else f"{effect['wal_bytes']} bytes"
        console.print(
            f"clients were blocked for {effect['blocked_client_seconds']} s in all, "
            f"{effect['max_client_stall_ms']} ms at most, {effect['most_waiting']} at once; WAL: {wal}; "
            f"cancelled {effect['cancelled']} times"
        )
    if not found:
        console.print("no receipt is recorded")


def _locked(revision: str, relations: dict[str, Any]) -> Table:
    """What a revision locked, one line for each table."""
    titles = ("relation", "lock", "held ms", "longest", "chunks", "rewritten", "bytes before", "bytes after")
    fields = ("mode", "held_ms", "longest_ms", "chunks", "rewritten", "bytes_before", "bytes_after")
    table = Table(*titles, title=revision)
    for relation, told in relations.items():
        table.add_row(relation, *(str(told.get(field, "")) for field in fields))
    return table


def adopt(config: Config) -> None:
    """Take over a database that plain Alembic migrated, running nothing."""
    adopted = command.adopt(config)
    config.print_stdout(f"adopted {len(adopted)} revision(s){': ' + ', '.join(adopted) if adopted else ''}")


def renumber(config: Config) -> None:
    """Give revisions whose numbers clash, or come late, the next free numbers."""
    renamed = command.renumber(config)
    for old, new in renamed:
        config.print_stdout(f"{old} -> {new}")
    if not renamed:
        config.print_stdout("no two revisions share a number, and none comes late")


def reflect(config: Config, schema: list[str] | None = None, table: list[str] | None = None, output: str = "") -> None:
    """Print the declarations of the database as a Python module."""
    text = command.reflect(config, schema or [], table or [])
    if output:
        try:
            Path(output).write_text(text, "utf-8")
        except OSError as error:
            raise SettingsError(
                f"{output} cannot be written: {error.strerror}", hint="name another --output"
            ) from error
    else:
        sys.stdout.write(text)


def seed(config: Config, names: list[str] | None = None) -> None:
    """Load migrations_sql/seeds, or those that are named."""
    config.print_stdout(f"loaded: {', '.join(command.seed(config, names)) or 'nothing'}")


def lint(config: Config) -> None:
    """Tell what revisions and SQL files would do to others: exit 0 safe, 1 unsafe, 2 could not tell."""
    options = config.cmd_opts
    assert options is not None
    wanted = review.Wanted(tuple(options.what), options.since, options.downgrade)
    try:
        verdicts = command.lint(config, wanted, database=options.database)
    except Exception as error:  # also what a revision raises while it is imported
        why = error if isinstance(error, CommandError) else f"{type(error).__name__}: {error}"
        print(f"could not lint: {why}", file=sys.stderr)
        sys.exit(2)
    if options.format == "json":
        _print_json(report.as_json(verdicts))
    elif options.format == "github":
        print("\n".join(report.as_github(verdicts)))
    else:
        console = _console()
        for line in report.as_text(verdicts):
            console.print(line, soft_wrap=True, highlight=False)
    if any(verdict.is_unsafe for verdict in verdicts):
        sys.exit(1)


AddArguments = Callable[[argparse.ArgumentParser], None]


class TsextCommandLine(CommandLine):
    """Alembic's command line with tsext's verbs beside its own; ``history`` and ``revision`` can do more."""

    _KWARGS_OPTS = {
        **CommandLine._KWARGS_OPTS,
        "target": ("--target", {"type": str, "help": "Number in migration_history, or 'latest'"}),
        "schema": ("--schema", {"action": "append", "help": "Schema to reflect; may be given again"}),
        "table": ("--table", {"action": "append", "help": "Table to reflect, instead of all; may be given again"}),
        "output": ("--output", {"default": "", "help": "File to write, instead of printing"}),
        "names": ("names", {"nargs": "*", "help": "File names in migrations_sql/seeds"}),
        "json": ("--json", {"action": "store_true", "help": "Print JSON"}),
    }

    def __init__(self) -> None:
        super().__init__(prog="tsext")
        for verb in (migrate, rollback, preflight, validate, status, receipt, adopt, reflect, renumber, seed):
            self.register_command(verb)
        self._add_repair()
        self._add_lint()
        self._add_verbs_of(fleet, fleet_commands.add_arguments)
        self._add_verbs_of(backfill, backfill_line.add_arguments)
        self._add_verbs_of(load, loading_commands.add_arguments)
        self._add_verbs_of(localdb, localdb_commands.add_arguments)

    def _add_repair(self) -> None:
        """Words after ``history``, which takes none in Alembic."""
        self.subparsers.choices["history"].add_argument(
            "repair",
            nargs="*",
            metavar="repair REVISION",
            help="Accept the files of an applied revision as they are now; 'all': of every one that has changed",
        )

    def _add_lint(self) -> None:
        parser = self.subparsers.add_parser("lint", help=inspect.cleandoc(lint.__doc__ or ""))
        parser.add_argument("what", nargs="*", help="3, 3:head (what leads from 003 to the head), or FILE.sql")
        parser.add_argument("--since", metavar="BRANCH", help="Only what has changed since git's BRANCH was left")
        parser.add_argument("--downgrade", action="store_true", help="Read downgrade() instead of upgrade()")
        parser.add_argument(
            "--database",
            action="store_true",
            help="Look into the database too; without names, at what is pending there",
        )
        parser.add_argument("--format", choices=("text", "json", "github"), default="text", help="What to print")
        parser.set_defaults(cmd=(lint, [], []))

    def _add_verbs_of(self, run: Callable[[Config], None], add_arguments: AddArguments) -> None:
        """A command that has verbs of its own."""
        parser = self.subparsers.add_parser(run.__name__, help=inspect.cleandoc(run.__doc__ or ""))
        add_arguments(parser)
        parser.set_defaults(cmd=(run, [], []))

    def main(self, argv: Sequence[str] | None = None) -> None:
        """Run one command, as Alembic does."""
        words = list(sys.argv[1:] if argv is None else argv)
        if words == ["--version"]:  # Alembic's own tells of Alembic alone
            print(f"tsext {metadata.version('tsext')} (Alembic {alembic.__version__})")
            return
        options = self.parser.parse_args(words)
        if not hasattr(options, "cmd"):
            self.parser.error("too few arguments")
        options.cmd = self._command(options)
        toml, ini = self._inis_from_config(options)
        config = Config(file_=ini, toml_file=toml, ini_section=options.name, cmd_opts=options)
        self.run_cmd(config, options)

    def run_cmd(self, config: Config, options: argparse.Namespace) -> None:
        """Run one command; what it refuses goes to stderr where stdout is for JSON."""
        function, positional, keywords = options.cmd

        @wraps(function)
        def run(*arguments: Any, **named: Any) -> None:
            try:
                function(*arguments, **named)
            except (CommandError, configparser.Error, tomllib.TOMLDecodeError) as error:
                refusal = _with_cure(error)
                if options.raiseerr or not getattr(options, "json", False):
                    if refusal is error:
                        raise
                    raise refusal from error
                print(f"FAILED: {refusal}", file=sys.stderr)
                sys.exit(-1)

        options.cmd = run, positional, keywords
        super().run_cmd(config, options)

    def _command(self, options: argparse.Namespace) -> tuple[Callable[..., Any], list[str], list[str]]:
        """What to run: Alembic's function and the names of its arguments, or ours in their place."""
        function, positional, keywords = options.cmd
        if words := getattr(options, "repair", None):
            if words[0] != "repair" or len(words) != 2:
                self.parser.error("after history there may be: repair REVISION, or repair all")
            return repair, [], []
        if function.__name__ == "revision" and getattr(options, "sql", False) and not options.autogenerate:
            keywords = [name for name in keywords if name not in ("sql", "autogenerate", "process_revision_directives")]
            return command.revision, positional, keywords
        return function, positional, keywords


def fleet(config: Config) -> None:
    """Upgrade many databases, or see where they stand."""
    sys.exit(fleet_commands.run(config, config.cmd_opts or argparse.Namespace()))


def backfill(config: Config) -> None:
    """Chunk-wise work: run it, see how far it is, pause it, change its limits."""
    sys.exit(backfill_line.run(config, config.cmd_opts or argparse.Namespace()))


def load(config: Config) -> None:
    """Load a CSV or Parquet file into a table, in parallel; the same command goes on where one was interrupted."""
    with engine(config) as database:
        sys.exit(loading_commands.run(config.cmd_opts or argparse.Namespace(), database))


def localdb(config: Config) -> None:
    """A throwaway TimescaleDB server for development."""
    sys.exit(localdb_commands.run(config.cmd_opts or argparse.Namespace()))


def repair(config: Config) -> None:
    """Accept the files of an applied revision as they are now; the second word of ``history repair``."""
    assert config.cmd_opts is not None
    changed = command.repair(config, config.cmd_opts.repair[1])
    config.print_stdout(f"accepted: {', '.join(changed) or 'nothing had changed'}")


def _with_cure(error: Exception) -> CommandError:
    """What a newcomer meets that is not ours, with what to do; any other error as it is."""
    if not isinstance(error, CommandError):
        return SettingsError(
            f"the configuration cannot be read: {error}",
            hint="correct alembic.ini, or pyproject.toml; a percent sign is written twice in alembic.ini",
        )
    if isinstance(error, TsextError) or "No 'script_location' key" not in str(error):
        return error
    return SettingsError(
        "there is no alembic.ini here, or it has no script_location",
        hint="run tsext where it is, or name it: tsext -c FILE; a new project begins with `alembic init alembic`",
    )


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))


def main(argv: Sequence[str] | None = None) -> None:
    """The console script ``tsext``."""
    TsextCommandLine().main(argv)


if __name__ == "__main__":
    main()
