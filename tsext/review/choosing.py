"""Which revisions and files to review."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from tsext.errors import InvalidObject
from tsext.history import Project, numbers


@dataclass(frozen=True)
class Wanted:
    """What a user asks to be reviewed; nothing: every revision."""

    what: tuple[str, ...] = ()
    """Revisions by id or number, ranges of them (``3:head``: what is run to go from 003 to the head), and SQL files."""
    since: str | None = None
    """A revision of git: only what has changed since a branch left it."""
    downgrade: bool = False


def files(wanted: Wanted) -> list[Path]:
    """The SQL files that are asked for."""
    return [Path(each) for each in wanted.what if each.endswith(".sql")]


def revisions(
    project: Project, assigned: Mapping[str, int], wanted: Wanted, offered: Collection[Script]
) -> list[Script]:
    """The revisions that are asked for, in the order in which they would run.

    :param assigned: their numbers, by which they may be asked for.
    :param offered: those to take if none is named.
    :raises CommandError: if there is no such revision.
    :raises InvalidObject: if git does not know :attr:`Wanted.since`.
    """
    named = [each for each in wanted.what if not each.endswith(".sql")]
    if named:
        found = {each.revision for name in named for each in _named(project.script, assigned, name)}
    elif files(wanted):
        found = set()
    else:
        found = {each.revision for each in offered}
    chosen = [each for each in project.ordered if each.revision in found]
    if wanted.since is not None:
        changed = _changed(Path(project.script.dir), wanted.since)
        chosen = [each for each in chosen if changed & {path.resolve() for path in project.files(each).paths}]
    return chosen[::-1] if wanted.downgrade else chosen


def _named(script: ScriptDirectory, assigned: Mapping[str, int], name: str) -> Iterator[Script]:
    lower, is_range, upper = (numbers.named(assigned, each) for each in name.partition(":"))
    if not is_range:
        yield from (each for each in script.get_revisions(lower) if each is not None)
        return
    yield from script.iterate_revisions(upper or "heads", lower or "base")


def _changed(folder: Path, since: str) -> set[Path]:
    """The files that differ from where the branch left ``since``, those not in git included."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
    start = _git(folder, "merge-base", since, "HEAD").strip()
    names = _git(top, "diff", "--name-only", "-z", start) + _git(
        top, "ls-files", "--others", "--exclude-standard", "-z"
    )
    return {(top / name).resolve() for name in names.split("\0") if name}


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise InvalidObject("git is not installed here", hint="name the revisions: tsext lint 003:head") from error
    except subprocess.CalledProcessError as error:
        raise InvalidObject(
            f"git {arguments[0]}: {error.stderr.strip() or 'no such branch'}",
            hint="--since needs the project in git, and a branch that git knows here; in CI fetch it first: "
            "git fetch origin main",
        ) from error
    return done.stdout
