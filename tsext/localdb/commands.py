"""``tsext localdb start|stop|status|url|reset``."""

from __future__ import annotations

import argparse
import json

from tsext import localdb
from tsext.errors import LocalServerError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``tsext localdb``."""
    parser.add_argument("action", choices=("start", "stop", "status", "url", "reset"))
    parser.add_argument("--version", choices=tuple(localdb.VERSIONS), help=f"of TimescaleDB; default {localdb.DEFAULT}")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    actions = {"start": _start, "stop": _stop, "status": _status, "url": _url, "reset": _reset}
    return actions[options.action](options)


def _start(options: argparse.Namespace) -> int:
    cluster = localdb.ensure(options.version)
    print(f"TimescaleDB {localdb.timescaledb_version(cluster.bindir)} is running: {cluster.url}")
    return 0


def _stop(options: argparse.Namespace) -> int:
    cluster = localdb.existing(options.version)
    if cluster is None or cluster.pid is None:
        print("not running")
    else:
        cluster.stop()
        print("stopped, with its connections; data stay")
    return 0


def _status(options: argparse.Namespace) -> int:
    versions = [options.version] if options.version else sorted({localdb.default(), *localdb.VERSIONS})
    found = [_described(version) for version in versions]
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for each in found:
            print(
                f"{each['version']}: {each['state']}" + (f", pid {each['pid']}, {each['url']}" if each["pid"] else "")
            )
    return 0


def _described(version: str) -> dict[str, object]:
    cluster = localdb.existing(version if version in localdb.VERSIONS else None)
    pid = cluster.pid if cluster else None
    state = "running" if pid else "stopped" if cluster else "not made"
    return {"version": version, "state": state, "pid": pid, "url": cluster.url if cluster and pid else None}


def _url(options: argparse.Namespace) -> int:
    cluster = localdb.existing(options.version)
    if cluster is None or cluster.pid is None:
        raise LocalServerError("the local server is not running", hint="start it: tsext localdb start")
    print(cluster.url)
    return 0


def _reset(options: argparse.Namespace) -> int:
    cluster = localdb.existing(options.version)
    if cluster is not None:
        cluster.reset()
    return _start(options)
