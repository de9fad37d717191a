"""Mending clashes of numbers after a rebase: new numbers for revisions that are not applied yet."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from tsext.errors import HistoryError
from tsext.history.files import FileIndex, loaded
from tsext.history.numbers import MAX_ID, in_order, key_of, number_in, revision_id

Down = str | tuple[str, ...] | None

JOURNAL = "renumber.json"
"""What is being done, beside ``env.py``; there only while it is done, so that a run that was killed can be finished."""


def renumber(
    script: ScriptDirectory, sql_location: Path, applied: Collection[str], heads: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Rename the revisions that share a number with another, or come late, and put them after the rest.

    Of two revisions with one number the applied one keeps it, else the one that sorts first. What builds on a renamed
    revision is renamed with it, and all follow the kept ones in one line; a branch with a label of its own stays a
    branch. Files, ``revision``, ``down_revision``, ``depends_on`` and the names of SQL files are rewritten. A run that
    was interrupted is finished first.

    :param applied: the applied revisions, as the history has them.
    :param heads: what Alembic's version table says, of a database that has no history yet.
    :returns: (old id, new id) of each, in order.
    :raises HistoryError: before anything is changed, if a revision that would have to change is applied, or two
        revisions run the same SQL file.
    """
    journal = Path(script.dir) / JOURNAL
    finished = _Plan.read(journal).carry_out(journal) if journal.exists() else []
    loaded(script)
    ordered = in_order(script)
    below = _below(ordered)
    applied = {*applied, *heads}.union(*(below.get(head, ()) for head in heads))
    moved = _to_move(ordered, below, applied)
    if not moved:
        return finished
    _refuse_applied(moved, applied)
    plan = _planned(ordered, moved, FileIndex(sql_location))
    _write(journal, json.dumps(asdict(plan)))
    return finished + plan.carry_out(journal)


# --- which


def _to_move(ordered: list[Script], below: Mapping[str, set[str]], applied: Collection[str]) -> list[Script]:
    """Those that come late, whose number is taken, or that build on such a one; each after those it builds on."""
    keeper = {number_in(name): name for name in sorted(applied, reverse=True)}
    newest = max((number_in(name) or 0 for name in applied), default=0)
    moved: set[str] = set()
    for number, name in sorted((number_in(each.revision) or 0, each.revision) for each in ordered):
        late = number < newest and name not in applied
        if number and (late or below[name] & moved or keeper.setdefault(number, name) != name):
            moved.add(name)
    return [each for each in ordered if each.revision in moved or below[each.revision] & moved]


def _below(ordered: list[Script]) -> dict[str, set[str]]:
    """All that each revision builds on."""
    below: dict[str, set[str]] = {}
    for each in ordered:
        downs = [down for down in each._normalized_down_revisions if down in below]
        below[each.revision] = set(downs).union(*(below[down] for down in downs))
    return below


def _refuse_applied(moved: list[Script], applied: Collection[str]) -> None:
    names = {each.revision for each in moved}
    for each in moved:
        if each.revision not in applied:
            continue
        if pending := sorted(names.intersection(each._normalized_down_revisions) - set(applied)):
            raise HistoryError(
                f"{each.revision} is applied here, but builds on {', '.join(pending)}, which is not",
                hint=f"set down_revision of {each.revision} back to what it was, then run this again",
            )
        raise HistoryError(
            f"{each.revision} would need a new number, but is applied here",
            hint="downgrade it first, or renumber the other revision by hand; if both have long been applied, set "
            "revision_ids = hash: ids are then mere ids",
        )


# --- what to


@dataclass(frozen=True)
class _Plan:
    """What to do, in an order in which it may be done again from the start after it was interrupted anywhere."""

    renamed: list[tuple[str, str]] = field(default_factory=list)
    """Old id, new id."""
    moves: list[tuple[str, str]] = field(default_factory=list)
    """SQL files: old path, new path."""
    writes: list[tuple[str, str]] = field(default_factory=list)
    """Revision files: path, text."""
    deletes: list[str] = field(default_factory=list)
    """Revision files under their old names; each before those it builds on."""

    @classmethod
    def read(cls, journal: Path) -> _Plan:
        return cls(**json.loads(journal.read_text("utf-8")))

    def carry_out(self, journal: Path) -> list[tuple[str, str]]:
        for old, new in self.moves:
            if Path(old).exists():
                Path(old).replace(new)
        for path, text in self.writes:
            _write(Path(path), text)
        for old in self.deletes:
            Path(old).unlink(missing_ok=True)
        journal.unlink()
        return [(old, new) for old, new in self.renamed]


def _planned(ordered: list[Script], moved: list[Script], index: FileIndex) -> _Plan:
    ids = _new_ids(ordered, moved)
    downs = _new_downs(ordered, moved, ids)
    plan = _Plan(renamed=[(old, new) for old, new in ids.items() if old != new])
    sources = {each.revision: Path(each.path).read_bytes().decode() for each in ordered}
    for each in moved:
        old, new = each.revision, ids[each.revision]
        names = _sql_names(each, new, index, sources)
        moves = ((path, path.with_name(name)) for path, name in names.items())
        plan.moves.extend((str(path), str(target)) for path, target in moves if not target.exists())
        words = {**{path.name: name for path, name in names.items()}, **ids}
        path = Path(each.path)
        renamed = path.with_name(_file_name(path.name, old, new))
        plan.writes.append((str(renamed), _rebased(_replaced(sources[old], words), downs[old])))
        if renamed != path:
            plan.deletes.insert(0, str(path))
    return plan


def _new_ids(ordered: list[Script], moved: list[Script]) -> dict[str, str]:
    """Old id to new id; numbers beyond all there are, so that no new name is another's old one."""
    number = max(number_in(each.revision) or 0 for each in ordered)
    ids: dict[str, str] = {}
    for each in moved:
        ids[each.revision] = each.revision
        if number_in(each.revision) is not None:
            number += 1
            slug = each.revision.partition("_")[2]
            new = f"{number:03d}_{slug}"
            ids[each.revision] = new if len(new) <= MAX_ID else revision_id(number, slug)
    return ids


def _new_downs(ordered: list[Script], moved: list[Script], ids: Mapping[str, str]) -> dict[str, Down]:
    """What each follows: within its branch, the last that is kept, then one another."""
    tips = {frozenset(each.branch_labels): each.revision for each in ordered if each.revision not in ids}
    downs: dict[str, Down] = {}
    for each in moved:
        branch = frozenset(each.branch_labels)
        downs[each.revision] = tips.get(branch) or _mapped(each.down_revision, ids)
        tips[branch] = ids[each.revision]
    return downs


def _mapped(down: str | Iterable[str] | None, ids: Mapping[str, str]) -> Down:
    if down is None or isinstance(down, str):
        return ids.get(down or "", down)
    return tuple(ids.get(name, name) for name in down)


def _file_name(name: str, old: str, new: str) -> str:
    """The revision file's new name: with the new id, or the new number, in place of the old; else as it is."""
    if old in name:
        return name.replace(old, new)
    key = f"{key_of(old)}_"
    return name.replace(key, f"{key_of(new)}_", 1) if name.startswith(key) else name


# --- SQL files


def _sql_names(script: Script, new: str, index: FileIndex, sources: Mapping[str, str]) -> dict[Path, str]:
    """The SQL files of one revision, and their new names.

    :raises HistoryError: if another revision runs one too, or there is a file of the new name already.
    """
    old = script.revision
    if old == new:
        return {}
    alone = not any(number_in(name) == number_in(old) for name in sources if name != old)
    names: dict[Path, str] = {}
    if (check := index.check(script)) is not None:
        names[check] = _check_name(check, old, new, alone=alone)
    for path in index.of(script).paths[1:]:
        if not (alone or path.stem == old or _runs(sources[old], path.name)):
            continue
        wanted = f"{new}.sql" if path.stem == old else path.name.replace(key_of(old), key_of(new), 1)
        others = [name for name, source in sources.items() if name != old and _runs(source, path.name)]
        there = path.with_name(wanted).exists()
        if others and not there:
            raise HistoryError(
                f"{old} and {', '.join(others)} run the same file, {path.name}",
                hint=f"put what belongs to {old}, which becomes {new}, into {path.parent.name}/{wanted}, "
                "then run this again",
            )
        if there and not others:
            raise HistoryError(
                f"{path.name} of {old} is to be called {wanted}, but there is such a file already",
                hint=f"delete {path.parent.name}/{wanted}, or give it another name, then run this again",
            )
        names[path] = wanted
    return names


def _check_name(check: Path, old: str, new: str, *, alone: bool) -> str:
    """The new name of a check file.

    :raises HistoryError: if it may as well be that of the other revision with this number: nothing in it tells.
    """
    if check.stem == f"{old}_check":
        return f"{new}_check.sql"
    if not alone:
        raise HistoryError(
            f"checks/{check.name} may belong to {old}, which becomes {new}, or to the other revision of that number",
            hint=f"call it {old}_check.sql if it is the former's, else after the whole id of the latter; then run this "
            "again",
        )
    return check.name.replace(key_of(old), key_of(new), 1)


# --- sources


def _write(path: Path, text: str) -> None:
    """All of it or, if this is interrupted, nothing."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_bytes(text.encode())
    unfinished.replace(path)


def _runs(source: str, file_name: str) -> bool:
    """Whether a string of the source, not a mere comment, names the SQL file."""
    strings = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return any(isinstance(each, str) and each.rpartition("/")[2] == file_name for each in strings)


def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")


def _replaced(source: str, words: Mapping[str, str]) -> str:
    for old, new in words.items():
        source = _word(old).sub(new, source)
    return source


def _rebased(source: str, down: Down) -> str:
    """The source of a revision that follows ``down``."""
    for node in ast.parse(source).body:
        target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
        if isinstance(target, ast.Name) and target.id == "down_revision":
            statement = ast.get_source_segment(source, node) or ""
            head = statement.partition("=")[0].rstrip()
            source = source.replace(statement, f"{head} = {down!r}", 1)
    revises = ", ".join([down] if isinstance(down, str) else down or ())
    return re.sub(r"(?m)^(Revises:).*$", lambda found: f"{found[1]} {revises}".rstrip(), source, count=1)
