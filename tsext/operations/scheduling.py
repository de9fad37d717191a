"""How background jobs are found and altered: what the verbs over policies and over jobs have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypedDict

from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import Policy, Schedule, Span
from tsext.operations.rendering import Code, code_of
from tsext.sql.quoting import Raw, interval, literal

_OLD = "old_"
_SET_BY_ADDING = ("schedule_interval", "initial_start", "timezone")


class RunArguments(TypedDict, total=False):
    """What every verb that adds a job takes; see :class:`tsext.model.Schedule`."""

    initial_start: datetime | None
    timezone: str | None
    max_runtime: Span | None
    max_retries: int | None
    retry_period: Span | None
    scheduled: bool | None
    fixed_schedule: bool | None
    config: Mapping[str, Any] | None


class ScheduleArguments(RunArguments, total=False):
    """The same, where the interval need not be given."""

    schedule_interval: Span | None


def sql_of(value: Any) -> Any:
    """A value for :func:`tsext.sql.quoting.call`, of a field that holds a length: text is an interval."""
    return interval(value) if isinstance(value, str) else value


# --- which job, and what it is given


def policy_of(target: type[Policy], relation: str, window: Sequence[Span | None] | None) -> str:
    """The condition for a policy's job.

    :param relation: the condition for the relation.
    :param window: start and end, if it is one of several refresh policies.
    """
    offsets = zip(("start_offset", "end_offset"), window or (), strict=False)
    parts = [f"proc_name = {literal(target.proc_name)}", relation, *(_offset_is(key, value) for key, value in offsets)]
    return " AND ".join(parts)


def _offset_is(key: str, value: Span | None) -> str:
    if value is None:
        return f"config ->> '{key}' IS NULL"
    type_ = "bigint" if isinstance(value, int) else "interval"
    return f"(config ->> '{key}')::{type_} = {literal(sql_of(value))}"


def added_later(target: Schedule, known: Sequence[str] = _SET_BY_ADDING) -> dict[str, Any]:
    """What of a schedule the function that adds it cannot set, as arguments of ``alter_job``.

    :param known: the fields that it can set.
    """
    names = [each.name for each in fields(Schedule) if each.name not in (*known, "config")]
    return {name: sql for name in names if (sql := argument(name, getattr(target, name))) is not None}


def argument(name: str, value: Any) -> Any:
    """A field's value as an argument of ``alter_job``."""
    if name in ("schedule_interval", "max_runtime", "retry_period"):
        return sql_of(value)
    return value


# --- changes


@dataclass(frozen=True)
class Changes:
    """New values of some fields, and the old ones, by which they are reversed."""

    new: Mapping[str, Any]
    old: Mapping[str, Any]

    @classmethod
    def of(cls, noun: type[Schedule], given: Mapping[str, Any], fixed: Sequence[str]) -> Changes:
        """From ``drop_after=…, old_drop_after=…``.

        :param fixed: fields that cannot be changed.
        :raises InvalidObject: for no change, for a field the noun does not have, or a value it cannot hold.
        """
        names = [each.name for each in fields(noun) if each.name not in ("name", "schema", *fixed)]
        known = {prefix + name for name in names for prefix in ("", _OLD)}
        if unknown := sorted(given.keys() - known):
            raise InvalidObject(
                f"a {noun.kind} has no {', '.join(unknown)} that could change",
                hint=f"what can: {', '.join(names)}; each with its old value: old_{names[0]}",
            )
        new = {name: _checked(noun, name, value) for name, value in given.items() if name in names}
        old = {name: _checked(noun, name, given[_OLD + name]) for name in names if _OLD + name in given}
        if not new:
            raise InvalidObject(f"nothing of the {noun.kind} is to change", hint=f"give one of {', '.join(names)}")
        return cls(new, old)

    def reversed(self, what: str) -> dict[str, Any]:
        """The arguments that change everything back.

        :param what: is changed, for the message.
        :raises IrreversibleOperation: if an old value is not known.
        """
        if unknown := [name for name in self.new if name not in self.old]:
            raise IrreversibleOperation(
                f"{what} does not know the old {', '.join(unknown)}", hint=f"give old_{', old_'.join(unknown)}"
            )
        return {**{name: self.old[name] for name in self.new}, **{_OLD + name: each for name, each in self.new.items()}}

    def codes(self) -> list[Code]:
        """The arguments of the call: new values, then old ones."""
        old = [code_of(each, _OLD + name) for name, each in self.old.items()]
        return [*(code_of(each, name) for name, each in self.new.items()), *old]

    def arguments(self, *, skip: Sequence[str] = ()) -> dict[str, Any]:
        """The arguments of ``alter_job``.

        :raises InvalidObject: if something is to be taken away that ``alter_job`` can only replace.
        """
        given = {name: argument(name, value) for name, value in self.new.items() if name not in (*skip, "config")}
        for name, value in given.items():
            if value is None and name != "check_config":
                raise InvalidObject(
                    f"{name} cannot be taken away from a job", hint="remove it, and add it without, or give a value"
                )
        return {name: Raw("0") if value is None else value for name, value in given.items()}


def _checked(noun: type[Schedule], name: str, value: Any) -> Any:
    return None if value is None else noun.checked(name, value)
