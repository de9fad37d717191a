"""Numbers of revisions: ``NNN_slug`` ids, the next number, and numbers for revisions that have hash ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter

from alembic.script import Script, ScriptDirectory

from tsext.errors import HistoryError

MAX_ID = 32
"""Characters; the width of ``alembic_version.version_num``."""

_NUMBERED = re.compile(r"(\d{3}|[1-9]\d{3,4})_(\w+)")
_WORD = re.compile(r"\w+")
_HASH = re.compile(r"[0-9a-f]{12}")


def number_in(revision: str) -> int | None:
    """The number a revision id begins with, or None if it is no ``NNN_slug``."""
    found = _NUMBERED.fullmatch(revision)
    return int(found[1]) if found else None


def name_of(script: Script) -> str:
    """What ``migration_history.name`` says: the slug of a numbered revision, else its message or id."""
    found = _NUMBERED.fullmatch(script.revision)
    return found[2] if found else ((script.doc or "").strip() or script.revision)[:255]


def key_of(revision: str) -> str:
    """What the names of a revision's SQL files begin with: its number as written, or its whole id."""
    found = _NUMBERED.fullmatch(revision)
    return found[1] if found else revision


def revision_id(number: int, message: str | None) -> str:
    """``NNN_slug``, cut at a word so that it fits Alembic's column."""
    prefix = f"{number:03d}_"
    slug = ""
    for word in _WORD.findall((message or "").replace("_", " ").lower()) or ["revision"]:
        longer = f"{slug}_{word}" if slug else word
        if len(prefix + longer) > MAX_ID:
            break
        slug = longer
    return prefix + (slug or _WORD.findall((message or "").lower())[0][: MAX_ID - len(prefix)])


def is_generated(revision: str | None) -> bool:
    """Whether Alembic made the id up, rather than the user giving it with ``--rev-id``."""
    return revision is None or _HASH.fullmatch(revision) is not None


def checked(revision: str) -> str:
    """The id a user gave with ``--rev-id``, if it follows the pattern.

    :raises HistoryError: if it does not.
    """
    if number_in(revision) is None or len(revision) > MAX_ID:
        raise HistoryError(
            f"revision id {revision!r} does not follow the pattern NNN_slug",
            hint=f"give an id such as 004_add_venues, at most {MAX_ID} characters, or leave --rev-id out",
        )
    return revision


def in_order(script: ScriptDirectory) -> list[Script]:
    """All revisions, each after those it builds on; ties are broken by id, so every machine agrees."""
    scripts = {each.revision: each for each in script.walk_revisions()}
    needs = {
        name: [down for down in each._normalized_down_revisions if down in scripts] for name, each in scripts.items()
    }
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    ordered: list[Script] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += [scripts[name] for name in ready]
        sorter.done(*ready)
    return ordered


def assign(ordered: Iterable[Script], fixed: Mapping[str, int]) -> dict[str, int]:
    """The number of every revision: the one the bridge fixed, else its own, else its place in the order.

    :param ordered: all revisions, as :func:`in_order` gives them.
    :param fixed: revision to number, as recorded in the database.
    """
    scripts = list(ordered)
    numbers = {each.revision: fixed[each.revision] for each in scripts if each.revision in fixed}
    taken = set(fixed.values())
    for each in scripts:
        own = number_in(each.revision)
        if own and own not in taken and each.revision not in numbers:
            numbers[each.revision] = own
            taken.add(own)
    for place, each in enumerate(scripts, start=1):
        if each.revision not in numbers:
            numbers[each.revision] = place if place not in taken else max(taken) + 1
            taken.add(numbers[each.revision])
    return numbers


def named(assigned: Mapping[str, int], text: str) -> str:
    """The id of the revision with a number, ``7`` or ``007``; whatever else Alembic knows passes unchanged."""
    wanted = int(text) if text.isdecimal() else None
    return next((revision for revision, number in assigned.items() if number == wanted), text)


def next_number(script: ScriptDirectory) -> int:
    """One more than the highest number of any revision."""
    return max(assign(in_order(script), {}).values(), default=0) + 1


def numbers_new_revisions(script: ScriptDirectory, choice: str) -> bool:
    """Whether the next revision is to be called ``NNN_slug``.

    :param choice: the setting ``revision_ids``; ``auto`` goes on as the newest revisions are.
    """
    if choice != "auto":
        return choice == "number"
    heads = script.get_heads()
    return not heads or any(number_in(head) is not None for head in heads)
