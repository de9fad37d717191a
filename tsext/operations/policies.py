"""Verbs over policies: retention, columnstore, reorder, and refresh of continuous aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import (
    JOBS,
    SCHEDULE,
    Policy,
    RefreshPolicy,
    Span,
)
from tsext.operations import scheduling
from tsext.operations.hypertables import HypertableOperation
from tsext.operations.rendering import Code, arguments_of, code_of, flags_of
from tsext.operations.scheduling import Changes, sql_of
from tsext.sql.jobs import altered, merged, owned_by
from tsext.sql.quoting import NULL, Raw, call

Window = Sequence[Span | None]
"""Start and end of one of several refresh policies of a continuous aggregate."""


class PolicyOperation(HypertableOperation):
    """A verb over a policy of a hypertable or a continuous aggregate."""

    noun: ClassVar[type[Policy]]
    needs = JOBS
    server: catalog.TimescaleInfo | None = None
    """None in offline mode, which writes for the newest one."""
    window: Window | None = None

    def need(self, connection: Connection) -> None:
        """Refuse what this server does not have, and remember which it is."""
        super().need(connection)
        self.server = catalog.timescaledb(connection)

    @property
    def job(self) -> str:
        """The condition for the policy's job."""
        relation = owned_by(self.schema, self.table_name, self.server)
        return scheduling.policy_of(self.noun, relation, self.window)

    def policies(self, connection: Connection, kind: type[Policy] | None = None) -> list[Policy]:
        """The policies of this kind, or of another, that the relation has."""
        schema = connection.dialect.default_schema_name if self.schema is None else self.schema
        key = catalog.key_of(connection, schema or "", self.table_name)
        return [each for each in catalog.policies(connection) if each.key == key and type(each) is (kind or self.noun)]

    def policy(self, connection: Connection) -> Policy:
        """The one that is meant.

        :raises InvalidObject: if there is none, or more than one could be meant.
        """
        found = self.policies(connection)
        meant = [each for each in found if self.window is None or _window(each) == _checked(self.window)]
        if len(meant) == 1:
            return meant[0]
        if not meant:
            where = "" if self.window is None else f" from {self.window[0]} to {self.window[1]}"
            raise InvalidObject(
                f"op.{self.verb}: {self.shown} has no {self.noun.kind}{where}",
                hint=f"add it with op.add_{self.noun.word()}, or, if it is in another schema, give schema=",
            )
        raise InvalidObject(
            f"op.{self.verb}: {self.shown} has {len(meant)} policies of this kind",
            hint="say which by its offsets: window=(start_offset, end_offset)",
        )

    def call_of(self, *arguments: Code) -> list[Code]:
        """The relation's name, which of several policies, what is given, and the schema."""
        return super().call_of(*([] if self.window is None else [code_of(self.window, "window")]), *arguments)


def _window(policy: Policy) -> tuple[Span | None, Span | None]:
    return policy.window if isinstance(policy, RefreshPolicy) else (None, None)


def _checked(window: Window) -> tuple[Span | None, Span | None]:
    """The offsets as they are compared.

    :raises InvalidObject: unless they are two.
    """
    if isinstance(window, str) or len(window) != 2:
        raise InvalidObject(f"window is {window!r}", hint='give start and end: window=("1 month", "1 hour")')
    start, end = (None if each is None else RefreshPolicy.checked("start_offset", each) for each in window)
    return start, end


# --- add


class AddPolicy(PolicyOperation):
    """Adds a policy.

    :param windowed: whether it is one of several, so that its reverse must say which.
    """

    set_by_adding: ClassVar[Sequence[str]] = ("schedule_interval", "initial_start", "timezone")
    """What of the schedule the function of TimescaleDB takes."""

    def __init__(self, target: Policy, *, if_not_exists: bool = False, windowed: bool = False) -> None:
        super().__init__(target.name, target.schema)
        self.target = target
        self.if_not_exists = if_not_exists
        self.windowed = windowed

    def check(self, connection: Connection) -> None:
        """Refuse what is no hypertable or continuous aggregate, has such a policy already, or cannot have it."""
        relation = catalog.policy_relation(connection, self.table_name, self.schema)
        if relation is None:
            self.facts(connection)
            raise InvalidObject(
                f"{self.shown} is neither a hypertable nor a continuous aggregate",
                hint=f'run op.create_hypertable("{self.table_name}", …) first',
            )
        if not self.if_not_exists:
            self.check_others(self.policies(connection))
        self.check_lengths(relation)
        self.check_relation(relation, connection)

    def check_others(self, found: Sequence[Policy]) -> None:
        """Refuse a second one.

        :raises InvalidObject: naming what changes the one that is there.
        """
        if found:
            raise InvalidObject(
                f"{self.shown} has a {self.noun.kind} already",
                hint=f"change it with op.alter_{self.noun.word()}, or give if_not_exists=True to leave it as it is",
            )

    def check_lengths(self, relation: catalog.PolicyRelation) -> None:
        """Refuse times for a relation with integer time, and integers for another."""
        for name in self.noun.offsets:
            value = getattr(self.target, name)
            if value is None:
                continue
            if isinstance(value, int) and not relation.integer_time:
                raise InvalidObject(
                    f"{name} of {self.shown} is {value}, but its rows have times", hint=f'write {name}="{value} days"'
                )
            if relation.integer_time and not isinstance(value, int):
                raise InvalidObject(
                    f"{name} of {self.shown} is {value}, but its rows have integer time",
                    hint=f"give an integer, in the column's own unit: {name}=100_000",
                )
            if relation.integer_time and not (relation.has_now or relation.is_aggregate):
                raise InvalidObject(
                    f"{self.shown} has integer time, and nothing that tells the present one",
                    hint="set a function that does: SELECT set_integer_now_func(…)",
                )

    def check_relation(self, relation: catalog.PolicyRelation, connection: Connection) -> None:
        """Refuse a relation that cannot have this kind."""

    def named(self) -> dict[str, Any]:
        """What the function that adds it takes, by name."""
        own = {name: sql_of(getattr(self.target, name)) for name in self.noun.keys}
        schedule = {name: scheduling.argument(name, getattr(self.target, name)) for name in self.set_by_adding}
        return {**own, "if_not_exists": self.if_not_exists or None, **schedule}

    def sql(self) -> str:
        """``SELECT add_…(…)``, within ``alter_job`` if there is more than that can set."""
        added = call(self.verb, self.relation, **self.named())
        later = self.later()
        if not later:
            return f"SELECT {added}"
        flags: dict[str, Any] = {"if_exists": self.if_not_exists or None, "timezone": self.target.timezone}
        if "fixed_schedule" in later:  # alter_job forgets the first run then
            flags["initial_start"] = self.target.initial_start
        return "SELECT " + call("alter_job", added, **later, **flags)

    def later(self) -> dict[str, Any]:
        """What only ``alter_job`` can set."""
        return scheduling.added_later(self.target, self.set_by_adding)

    def statements(self) -> list[str]:
        """It is added, and told what else it has to know."""
        if self.target.config is None:
            return [self.sql()]
        config = merged({}, self.target.config)
        return [self.sql(), altered(self.target_job, self.server, config=config)]

    @property
    def target_job(self) -> str:
        """The condition for the job that has been added."""
        window = self.target.window if isinstance(self.target, RefreshPolicy) else None
        relation = owned_by(self.schema, self.table_name, self.server)
        return scheduling.policy_of(self.noun, relation, window)

    def arguments(self) -> list[Code]:
        """Name, and what differs from the defaults."""
        own = arguments_of(self.target, skip=("name", "schema", *SCHEDULE))
        schedule = arguments_of(self.target, skip=("name", "schema", *self.noun.keys))
        return self.call_of(*own, *schedule, *flags_of(self, "if_not_exists"))

    def reverse(self) -> RemovePolicy:
        """Removing it."""
        window = self.target.window if isinstance(self.target, RefreshPolicy) and self.windowed else None
        remove: type[RemovePolicy] = self.verbs[f"remove_{self.noun.word()}"]
        return remove(self.table_name, schema=self.schema, window=window, removed=self.target)


# --- alter


class AlterPolicy(PolicyOperation):
    """Changes a policy, whose other settings stay."""

    def __init__(
        self, table_name: str, changes: dict[str, Any], *, schema: str | None = None, window: Window | None = None
    ) -> None:
        super().__init__(table_name, schema)
        self.changes = Changes.of(self.noun, changes, fixed=())
        self.window = None if window is None else _checked(window)
        self._refuse_other(set(self.noun.exclusive) - {name for name, value in self.changes.new.items() if value})

    def _refuse_other(self, others: set[str]) -> None:
        """Refuse to go from one of two fields to the other.

        :param others: those that are not set, or must not be.
        """
        if others & self.changes.new.keys():
            raise InvalidObject(
                f"{self.verb} of {self.shown} would go from one of {' and '.join(self.noun.exclusive)} to the other",
                hint=f"TimescaleDB cannot change that: op.remove_{self.noun.word()}, then op.add_{self.noun.word()}",
            )

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, *, schema: str | None = None, **changes: Any) -> None:
        """Described by each verb."""
        operations.invoke(cls(table_name, changes, schema=schema))

    def check(self, connection: Connection) -> None:
        """Refuse if there is none, or it goes by the other field."""
        found = self.policy(connection)
        self._refuse_other({name for name in self.noun.exclusive if getattr(found, name) is None})

    def sql(self) -> str:
        """``SELECT alter_job(…)``."""
        arguments = self.changes.arguments(skip=tuple(self.noun.keys))
        config = self._config()
        if config is not None:
            arguments["config"] = config
        return altered(self.job, self.server, **arguments)

    def _config(self) -> Raw | None:
        """What changes in the job's config, so that the rest stays."""
        new, more = self.changes.new, self.changes.new.get("config") or {}
        own = {key: self._value(name) for name, key in self.noun.keys.items() if name in new}
        return merged(own, more) if own or more else None

    def _value(self, name: str) -> Any:
        value = self.changes.new[name]
        if name in ("start_offset", "end_offset") and value is None:
            return NULL
        return value if name == "index_name" else sql_of(value)

    def arguments(self) -> list[Code]:
        """Name, the new values, the old ones."""
        return self.call_of(*self.changes.codes())

    def reverse(self) -> Self:
        """Setting the old values.

        :raises IrreversibleOperation: if one is not known.
        """
        back = self.changes.reversed(f"{self.verb} of {self.shown}")
        window = None if self.window is None else [self._after(place) for place in (0, 1)]
        return type(self)(self.table_name, back, schema=self.schema, window=window)

    def _after(self, place: int) -> Span | None:
        assert self.window is not None
        value: Span | None = self.changes.new.get(("start_offset", "end_offset")[place], self.window[place])
        return value


# --- remove


class RemovePolicy(PolicyOperation):
    """Removes a policy.

    :param removed: what it was, so that it can be added again.
    """

    def __init__(
        self,
        table_name: str,
        *,
        schema: str | None = None,
        if_exists: bool = False,
        window: Window | None = None,
        removed: Policy | None = None,
    ) -> None:
        super().__init__(table_name, schema)
        self.if_exists = if_exists
        self.window = None if window is None else _checked(window)
        self.removed = removed

    @classmethod
    def invoke(
        cls, operations: Operations, table_name: str, *, if_exists: bool = False, schema: str | None = None
    ) -> None:
        """Described by each verb."""
        operations.invoke(cls(table_name, schema=schema, if_exists=if_exists))

    def check(self, connection: Connection) -> None:
        """Refuse if there is none."""
        if not self.if_exists:
            self.policy(connection)

    def sql(self) -> str:
        """``SELECT remove_…(…)``."""
        return "SELECT " + call(self.verb, self.relation, if_exists=self.if_exists or None)

    def arguments(self) -> list[Code]:
        """Only the name, and which of several."""
        return self.call_of(*flags_of(self, "if_exists"))

    def reverse(self) -> AddPolicy:
        """Adding it as it was.

        :raises IrreversibleOperation: if that is not known.
        """
        if self.removed is None:
            raise IrreversibleOperation(
                f"{self.verb} of {self.shown} does not know what it removes",
                hint=f"write op.add_{self.noun.word()} in the downgrade, as the policy is now",
            )
        add: type[AddPolicy] = self.verbs[f"add_{self.noun.word()}"]
        return add(self.removed, windowed=self.window is not None)
