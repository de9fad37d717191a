"""Verbs that drop chunks: by a policy, or at once."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NoReturn, Unpack

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import RETENTION_BY_CREATION, TIMESCALEDB, RetentionPolicy, Span, span
from tsext.operations.hypertables import HypertableOperation
from tsext.operations.operation import refuse_without
from tsext.operations.policies import AddPolicy, AlterPolicy, RemovePolicy
from tsext.operations.rendering import Code, code_of
from tsext.operations.scheduling import ScheduleArguments, sql_of
from tsext.sql.quoting import call


class AddRetentionPolicy(AddPolicy, name="add_retention_policy", noun=RetentionPolicy):
    """Drop chunks that are old enough, by a background job."""

    target: RetentionPolicy

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        drop_after: Span | None = None,
        *,
        drop_created_before: Span | None = None,
        if_not_exists: bool = False,
        schema: str | None = None,
        **schedule: Unpack[ScheduleArguments],
    ) -> None:
        """Drop chunks that are old enough, by a background job. What it drops is gone.

        :param table_name: a hypertable or a continuous aggregate, without its schema.
        :param drop_after: age of the rows: ``timedelta`` or text, which may have months; for integer time an integer.
        :param drop_created_before: instead, age of the chunks themselves.
        :param if_not_exists: leave a policy that is there as it is.
        :param schedule: ``schedule_interval``, ``initial_start``, ``timezone``, ``max_runtime``, ``max_retries``,
            ``retry_period``, ``scheduled``, ``fixed_schedule``, ``config``.
        :raises InvalidObject: for what TimescaleDB would refuse, and for a table that foreign keys point to, of which
            no chunk can be dropped.
        """
        target = RetentionPolicy(drop_after, drop_created_before, name=table_name, schema=schema, **schedule)
        operations.invoke(cls(target, if_not_exists=if_not_exists))

    def check_relation(self, relation: catalog.PolicyRelation, connection: Connection) -> None:
        """Refuse a hypertable of which no chunk can be dropped, and a policy that would never run."""
        refuse_referenced(connection, self)
        if self.target.drop_created_before is not None and (relation.has_now or not relation.integer_time):
            refuse_without(RETENTION_BY_CREATION, self.server, f"op.{self.verb}")


class AlterRetentionPolicy(AlterPolicy, name="alter_retention_policy", noun=RetentionPolicy):
    """Change a retention policy; what is not given stays.

    :param changes: what ``op.add_retention_policy`` takes, and the old values, by which it is reversed:
        ``drop_after="1 year", old_drop_after="6 months"``. Of ``config``, keys that are not given stay, and those
        that are None go.
    :raises InvalidObject: if there is none, and for what makes no sense.
    """


class RemoveRetentionPolicy(RemovePolicy, name="remove_retention_policy", noun=RetentionPolicy):
    """Remove a retention policy; what it has dropped is gone.

    :param if_exists: do nothing if there is none.
    :raises InvalidObject: if there is none.
    """


def refuse_referenced(connection: Connection, operation: HypertableOperation) -> None:
    """Refuse a hypertable that foreign keys point to: no chunk of it can be dropped, not even one without rows.

    :raises InvalidObject: naming the keys.
    """
    keys = catalog.referencing_keys(connection, operation.table_name, operation.schema)
    if keys:
        names = ", ".join(f"{name} of {relation}" for relation, name in keys)
        raise InvalidObject(
            f"no chunk of {operation.shown} can be dropped: foreign keys point to it: {names}",
            hint="TimescaleDB refuses that even for chunks that no row refers to; drop the keys first, or delete rows",
        )


class DropChunks(HypertableOperation, name="drop_chunks", noun=RetentionPolicy):
    """Drop chunks at once, and their rows."""

    needs = TIMESCALEDB

    def __init__(self, table_name: str, bounds: dict[str, Any], *, reason: str, schema: str | None = None) -> None:
        super().__init__(table_name, schema)
        self.bounds = _checked_bounds(table_name, bounds)
        self.reason = reason

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        *,
        older_than: Span | datetime | date | None = None,
        newer_than: Span | datetime | date | None = None,
        created_before: Span | datetime | date | None = None,
        created_after: Span | datetime | date | None = None,
        allow_data_loss: str = "",
        schema: str | None = None,
    ) -> None:
        """Drop chunks that lie wholly between the bounds, and their rows. There is no way back.

        Works under any licence. What a continuous aggregate has of those rows goes with its next refresh of that time.

        :param table_name: a hypertable, or a continuous aggregate, without its schema.
        :param older_than: age of the rows, ``timedelta`` or text, or a point in time; for integer time an integer.
        :param newer_than: the same, from the other side.
        :param created_before: instead, age of the chunks themselves, or when they were created.
        :param created_after: the same, from the other side.
        :param allow_data_loss: the reason why their rows may go.
        :raises InvalidObject: without the reason, for bounds that make no sense, and for a table that foreign keys
            point to.
        """
        bounds = {"older_than": older_than, "newer_than": newer_than}
        bounds |= {"created_before": created_before, "created_after": created_after}
        if not isinstance(allow_data_loss, str) or not allow_data_loss.strip():
            raise InvalidObject(
                f"drop_chunks of {table_name} would drop rows for good",
                hint='if they may go, say why: allow_data_loss="older than the law wants them kept"',
            )
        operations.invoke(cls(table_name, bounds, reason=allow_data_loss, schema=schema))

    def check(self, connection: Connection) -> None:
        """Refuse what has no chunks, and what no chunk can be dropped of."""
        relation = catalog.policy_relation(connection, self.table_name, self.schema)
        if relation is None:
            self.found(connection)
        refuse_referenced(connection, self)

    def sql(self) -> str:
        """``SELECT drop_chunks(…)``."""
        return "SELECT " + call(
            "drop_chunks", self.relation, **{name: sql_of(each) for name, each in self.bounds.items()}
        )

    def arguments(self) -> list[Code]:
        """Name, bounds, reason."""
        bounds = [code_of(each, name) for name, each in self.bounds.items()]
        return self.call_of(*bounds, code_of(self.reason, "allow_data_loss"))

    def reverse(self) -> NoReturn:
        """There is none.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"the chunks of {self.shown} that were dropped are gone", hint="restore their rows from a backup"
        )


def _checked_bounds(table_name: str, bounds: dict[str, Any]) -> dict[str, Any]:
    """Those that are given.

    :raises InvalidObject: if none is, or both kinds are, or one cannot be a bound.
    """
    given = {name: each for name, each in bounds.items() if each is not None}
    kinds = {name.startswith("created") for name in given}
    if len(kinds) != 1:
        raise InvalidObject(
            f"drop_chunks of {table_name} has {' and '.join(given) or 'no bounds'}",
            hint="give older_than and newer_than, by the time of the rows, or created_before and created_after",
        )
    return {name: _bound(name, each) for name, each in given.items()}


def _bound(name: str, given: Any) -> Any:
    if isinstance(given, datetime) and given.tzinfo is None:
        raise InvalidObject(f"{name} is {given!r}", hint="give it a time zone: datetime(2026, 1, 1, tzinfo=UTC)")
    return given if isinstance(given, date) else span(name, given, positive=False)
