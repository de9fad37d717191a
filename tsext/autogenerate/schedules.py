"""What has changed of a job, whoever declares it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from tsext.model import Schedule

_SET_ONCE = ("initial_start", "timezone")
"""What ``alter_job`` can replace, but not take away again."""


def changed(found: Schedule, wanted: Schedule, *, compared: Sequence[str] = ()) -> dict[str, Any]:
    """New and old values, ``drop_after=…, old_drop_after=…``; what is not declared is not compared.

    :param compared: fields that are compared even if they are None, because that means something.
    """
    new, old = {}, {}
    names = [each.name for each in fields(wanted) if each.name not in ("name", "schema", "config")]
    for name in names:
        before, after = getattr(found, name), getattr(wanted, name)
        if after != before and (after is not None or name in compared):
            new[name], old[name] = after, before
    return {**new, **{f"old_{name}": value for name, value in old.items()}}


def can_be_altered(found: Schedule, changes: dict[str, Any], *, more: Sequence[str] = ()) -> bool:
    """Whether ``alter_job`` can do it, and undo it.

    :param more: further fields that it can replace, but not take away.
    """
    if changes.get("fixed_schedule") and found.initial_start is None:
        return False  # it would be given a first run, which stays
    return not any(name in changes and getattr(found, name) is None for name in (*_SET_ONCE, *more))
