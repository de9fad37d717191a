"""The files of a revision, and their checksum."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from opcode import opmap
from pathlib import Path
from types import FunctionType

from alembic.script import Script, ScriptDirectory

from tsext.errors import HistoryError
from tsext.history.numbers import key_of, number_in

_ROLLBACK = "execute_rollback_file"
_RAISE = opmap["RAISE_VARARGS"]


def _idle() -> None:
    pass


def _idle_documented() -> None:
    """Nothing but this."""


_IDLE = {_idle.__code__.co_code, _idle_documented.__code__.co_code}
"""Byte code of a function that does nothing; what is not of this kind need not be parsed to be understood."""


@dataclass(frozen=True)
class RevisionFiles:
    """What one revision consists of, in the order in which the checksum reads it."""

    paths: tuple[Path, ...]
    downgrade: FunctionType | None = None

    @cached_property
    def contents(self) -> tuple[bytes, ...]:
        """The files' bytes with line ends normalised to LF, so that a checkout's settings do not matter."""
        return tuple(path.read_bytes().replace(b"\r\n", b"\n") for path in self.paths)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 in hex over all files; ``cat FILES | sha256sum`` gives the same."""
        return hashlib.sha256(b"".join(self.contents)).hexdigest()

    @cached_property
    def checksums(self) -> dict[str, str]:
        """File name to SHA-256 in hex, for the bridge."""
        return {
            path.name: hashlib.sha256(content).hexdigest()
            for path, content in zip(self.paths, self.contents, strict=True)
        }

    @cached_property
    def rollback_available(self) -> bool:
        """Whether there is a way back: ``downgrade()`` does something other than raise, or has nothing to undo."""
        if self.downgrade is None:
            return False
        code = self.downgrade.__code__
        if code.co_code not in _IDLE and _RAISE not in code.co_code[::2] and _ROLLBACK not in code.co_names:
            return True
        functions = {node.name: node for node in ast.parse(self.contents[0]).body if isinstance(node, ast.FunctionDef)}
        down, up = functions.get("downgrade"), functions.get("upgrade")
        if down is None:
            return False
        work = _work(down)
        if not work:
            return up is None or not _work(up)
        return not isinstance(work[0], ast.Raise) and self._rollback_files_exist(down)

    def _rollback_files_exist(self, downgrade: ast.FunctionDef) -> bool:
        names = {path.name for path in self.paths}
        return all(wanted in names for wanted in _rollback_files(downgrade))


@dataclass
class FileIndex:
    """The SQL files of a project by revision; the folders are listed once."""

    sql_location: Path
    _by_key: dict[str, list[Path]] = field(default_factory=dict)
    _rollbacks: dict[str, Path] = field(default_factory=dict)
    checks: tuple[Path, ...] = ()
    """Check files; no checksum covers them, for they may change when the data do."""

    def __post_init__(self) -> None:
        for path in sorted(self.sql_location.glob("*.sql")):
            self._by_key.setdefault(path.name.partition("_")[0], []).append(path)
            self._by_key.setdefault(path.stem, []).append(path)
        self._rollbacks.update((path.name, path) for path in (self.sql_location / "rollback").glob("*_rollback.sql"))
        self.checks = tuple(sorted((self.sql_location / "checks").glob("*.sql")))

    def check(self, script: Script) -> Path | None:
        """The check file of a revision, ``checks/NNN_check.sql``, or after its whole id; None if there is none."""
        names = (f"{script.revision}_check.sql", f"{key_of(script.revision)}_check.sql")
        return next((path for name in names for path in self.checks if path.name == name), None)

    def of(self, script: Script) -> RevisionFiles:
        """The files of a revision: ``.py``, ``NNN_*.sql``, ``rollback/NNN_rollback.sql``; those that exist."""
        key = key_of(script.revision)
        sql = self._by_key.get(key, []) if number_in(script.revision) else self._named(script.revision)
        rollback = self._rollbacks.get(f"{key}_rollback.sql")
        paths = (Path(script.path), *sql, *([rollback] if rollback else []))
        return RevisionFiles(paths, getattr(script.module, "downgrade", None))

    def _named(self, revision: str) -> list[Path]:
        found = {*self._by_key.get(revision, []), *self.sql_location.glob(f"{revision}_*.sql")}
        return sorted(found)


def refuse_foreign(script: Script, files: RevisionFiles, path: Path) -> None:
    """Refuse to run a SQL file that the checksum of the revision would not cover.

    :param path: the file that the revision is about to run.
    :raises HistoryError: naming the file, the revision, and the name the file should have.
    """
    if path.resolve() in {own.resolve() for own in files.paths}:
        return
    key, revision = key_of(script.revision), Path(script.path)
    rollback = path.parent.name == "rollback"
    wanted = f"{key}_rollback.sql" if rollback else f"{key}_{re.sub(r'^[0-9]+_', '', path.name)}"
    raise HistoryError(
        f"revision {script.revision} runs {path.name}, which is not one of its files: its checksum would not cover it",
        hint=f"rename it to {'rollback/' if rollback else ''}{wanted}, and write that name in {revision.name}; copy it "
        "if another revision runs it too",
    )


def refuse_duplicates(script: ScriptDirectory, revision_ids: str) -> None:
    """Refuse two files with one id, which Alembic would load as one, and two revisions with one number.

    :param revision_ids: the setting; with ``hash`` an id's number means nothing.
    :raises HistoryError: naming the files, and the cure.
    """
    scripts = loaded(script)
    folders = {Path(each.path).parent for each in scripts}
    files = [path for folder in folders for path in folder.glob("*.py") if path.name != "__init__.py"]
    if len(files) != len(scripts):
        _refuse_same(((_revision_in(path), path) for path in files), "revision id")
    if revision_ids == "hash":
        return
    numbered = ((number_in(each.revision), Path(each.path)) for each in scripts)
    _refuse_same(((number, path) for number, path in numbered if number is not None), "number")


def loaded(script: ScriptDirectory) -> list[Script]:
    """All revisions; two files with one id are refused, and those that are no Python.

    :raises HistoryError: naming the files.
    """
    try:
        return list(script.walk_revisions())
    except SyntaxError as error:
        raise HistoryError(
            f"{error.filename}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}",
            hint="mend the file: Alembic reads all revisions before it runs any",
        ) from error
    except Exception:
        files = sorted((Path(script.dir) / "versions").glob("*.py"))
        _refuse_same(((_revision_in(path), path) for path in files), "revision id")
        raise


def _refuse_same(named: Iterable[tuple[object, Path]], what: str) -> None:
    by_name: dict[object, list[Path]] = {}
    for name, path in named:
        if name is not None:
            by_name.setdefault(name, []).append(path)
    same = [(name, paths) for name, paths in by_name.items() if len(paths) > 1]
    for name, paths in sorted(same, key=str):
        raise HistoryError(
            f"{what} {name} is used by {len(paths)} files: {', '.join(path.name for path in sorted(paths))}",
            hint="run `tsext renumber`, which gives the later one the next free number; if both have long been "
            "applied, set revision_ids = hash: ids are then mere ids"
            if what == "number"
            else "give one of them another `revision`, or delete the copy: Alembic would run only one of them",
        )


def _revision_in(path: Path) -> str | None:
    """The id a revision file states, read without running it."""
    for node in ast.parse(path.read_bytes()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "revision" for target in targets):
            value = getattr(node, "value", None)
            return str(value.value) if isinstance(value, ast.Constant) else None
    return None


def _work(function: ast.FunctionDef) -> list[ast.stmt]:
    """The statements of a function that do something: no docstring, no ``pass``, no ``...``."""
    return [
        node
        for node in function.body
        if not isinstance(node, ast.Pass) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def _rollback_files(downgrade: ast.FunctionDef) -> list[str]:
    """Names of the files that ``op.execute_rollback_file("…")`` calls in a downgrade name."""
    return [
        str(call.args[0].value)
        for call in ast.walk(downgrade)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == _ROLLBACK
        and call.args
        and isinstance(call.args[0], ast.Constant)
    ]
