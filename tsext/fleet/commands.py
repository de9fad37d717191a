"""``tsext fleet upgrade|status``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from alembic.config import Config
from rich.console import Console
from rich.table import Table

from tsext.backfill import executors
from tsext.errors import TargetsError
from tsext.fleet import project, report
from tsext.fleet.limits import Limits
from tsext.fleet.rollout import Rollout
from tsext.fleet.standing import Standing, look
from tsext.fleet.targets import Fleet, Wanted, read
from tsext.fleet.upgrading import Outcome

_LOOKS = 16
"""How many targets ``status`` looks at at once; each is a short connection."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``tsext fleet``."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    status = verbs.add_parser("status", help="Where each database stands, without changing anything.")
    upgrade = verbs.add_parser("upgrade", help="Upgrade all databases: canaries first, several at once.")
    for each in (upgrade, status):
        each.add_argument("--targets", type=Path, default=Path("targets.toml"), metavar="FILE", help="The databases")
        each.add_argument("--only", action="append", default=[], metavar="NAME", help="Name, or pattern: 'shard-eu-*'")
        each.add_argument("--labels", action="append", default=[], metavar="A,B", help="Labels a target must have")
        each.add_argument("--json", action="store_true", help="Print JSON")
    upgrade.add_argument("revision", nargs="?", default="head", help="As for `alembic upgrade`; default: head")
    upgrade.add_argument("--concurrency", help="How many at once; default 4")
    upgrade.add_argument("--max-failures", help="How many may fail before no more are begun: 3, or 5%%; default 0")
    upgrade.add_argument("--canaries", help="How many come first: those declared, then the first of the file")
    upgrade.add_argument("--bake", help="How long canaries must have run before the others follow: 10min")
    upgrade.add_argument("--executor", default="threads", help="threads (default), or dask://host:port")
    upgrade.add_argument("--confirm", action="store_true", help="Ask after the canaries whether to go on")
    upgrade.add_argument("--logs", type=Path, metavar="FOLDER", help="Write what each upgrade prints to NAME.log")


def run(config: Config, options: argparse.Namespace) -> int:
    """Do it; returns the exit code: 0 if every target is as it should be."""
    labels = tuple(label for each in options.labels for label in each.split(",") if label)
    fleet = read(options.targets, Wanted(tuple(options.only), labels))
    where = project.Where.of(config)
    return {"upgrade": _upgrade, "status": _status}[options.verb](fleet, where, options)


def _status(fleet: Fleet, where: project.Where, options: argparse.Namespace) -> int:
    at = project.read(where)
    with ThreadPoolExecutor(_LOOKS) as looks:
        standings: Sequence[Standing] = list(looks.map(partial(look, at=at), fleet.targets))
    if options.json:
        print(json.dumps(report.status_json(standings), indent=2))
    else:
        _print(report.status_table(standings))
    return 0 if all(each.position.is_sound for each in standings) else 1


def _upgrade(fleet: Fleet, where: project.Where, options: argparse.Namespace) -> int:
    if options.confirm and not sys.stdin.isatty():
        raise TargetsError("--confirm asks, but there is no terminal", hint="use --bake instead, or run canaries alone")
    with executors.executor(options.executor) as executor, report.follower(len(fleet.targets)) as told:
        rollout = Rollout(
            fleet.targets,
            where,
            _limits(fleet.limits, options),
            told,
            revision=options.revision,
            confirm=options.confirm,
            executor=executor,
        )
        done = rollout.run()
    if options.logs is not None:
        _write_logs(done.outcomes, options.logs)
    if options.json:
        print(json.dumps(report.upgrade_json(done), indent=2))
    else:
        _print(report.upgrade_table(done))
        print(report.summary(done))
    return 0 if done.succeeded else 1


def _limits(limits: Limits, options: argparse.Namespace) -> Limits:
    for name in ("concurrency", "max_failures", "canaries", "bake"):
        text = getattr(options, name)
        if text is not None:
            limits = replace(limits, **Limits.parsed(name, text))
    return limits


def _write_logs(outcomes: Sequence[Outcome], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for each in outcomes:
        if each.output:
            (folder / f"{each.target.name.replace('/', '_')}.log").write_text(each.output, "utf-8")


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 180).print(table)
