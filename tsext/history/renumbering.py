"""Mending clashes of numbers after a rebase: new numbers for revisions that are not applied yet."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from tsext.errors import HistoryError
from tsext.history.files import FileIndex, loaded
from tsext.history.numbers import in_order, key_of, number_in, revision_id


def renumber(script: ScriptDirectory, sql_location: Path, applied: Collection[str]) -> list[tuple[str, str]]:
    """Rename the revisions that share a number with another, or come late, and put them after the rest.

    Of two revisions with one number the applied one keeps it, else the one that sorts first. The renamed revisions
    follow the kept ones in one line: files, ``revision`` and ``down_revision`` are rewritten.

    :returns: (old id, new id) of each, in order.
    :raises HistoryError: if one that would have to change is applied.
    """
    loaded(script)
    ordered = in_order(script)
    moved = _to_move(ordered, applied)
    if refused := [each.revision for each in moved if each.revision in applied]:
        raise HistoryError(
            f"{', '.join(refused)} would need a new number, but is applied here",
            hint="downgrade it first, or renumber the other revision by hand",
        )
    highest = max((number_in(each.revision) or 0 for each in ordered if each not in moved), default=0)
    index = FileIndex(sql_location)
    previous = _last_kept(ordered, moved)
    renamed: list[tuple[str, str]] = []
    for number, each in enumerate(moved, start=highest + 1):
        new = revision_id(number, each.revision.partition("_")[2])
        _rename(each, new, previous, index)
        renamed.append((each.revision, new))
        previous = new
    return renamed


def _to_move(ordered: list[Script], applied: Collection[str]) -> list[Script]:
    keeper: dict[int, Script] = {}
    newest = max((number_in(name) or 0 for name in applied), default=0)
    moved: list[Script] = []
    for each in sorted(ordered, key=lambda each: (each.revision not in applied, each.revision)):
        number = number_in(each.revision)
        if number is None:
            continue
        late = each.revision not in applied and number < newest
        if late or keeper.setdefault(number, each) is not each:
            moved.append(each)
    follow = {each.revision for each in moved}
    for each in ordered:
        if set(each._normalized_down_revisions) & follow and number_in(each.revision) is not None:
            follow.add(each.revision)
    return [each for each in ordered if each.revision in follow]


def _last_kept(ordered: list[Script], moved: list[Script]) -> str | None:
    """The head of what stays: the kept revision on which no other kept one builds."""
    kept = [each for each in ordered if each not in moved]
    built_on = {name for each in kept for name in each._normalized_down_revisions}
    heads = [each.revision for each in kept if each.revision not in built_on]
    return max(heads, default=None, key=lambda name: (number_in(name) or 0, name))


def _rename(script: Script, new: str, down: str | None, index: FileIndex) -> None:
    old_key, new_key = key_of(script.revision), key_of(new)
    path = Path(script.path)
    source = path.read_text("utf-8")
    for sql in _own_sql(script, index):
        name = sql.name.replace(old_key, new_key, 1)
        if sql.stem == script.revision:
            name = f"{new}.sql"
        source = source.replace(sql.name, name)
        sql.rename(sql.with_name(name))
    source = source.replace(script.revision, new)
    source = re.sub(r"(?m)^(down_revision\b[^=]*= ).*$", lambda found: f"{found[1]}{down!r}", source)
    source = re.sub(r"(?m)^(Revises:).*$", lambda found: f"{found[1]} {down or ''}".rstrip(), source)
    path.with_name(f"{new}.py").write_text(source, encoding="utf-8")
    path.unlink()


def _own_sql(script: Script, index: FileIndex) -> list[Path]:
    """The SQL files that this revision names; another revision with the same number keeps its own."""
    source = Path(script.path).read_text("utf-8")
    return [path for path in index.of(script).paths[1:] if path.name in source]
