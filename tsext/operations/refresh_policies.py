"""Verbs over the refresh policies of continuous aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject
from tsext.model import Policy, RefreshPolicy, Span
from tsext.operations.policies import AddPolicy, AlterPolicy, RemovePolicy, Window
from tsext.operations.scheduling import RunArguments, sql_of
from tsext.sql.jobs import deleted
from tsext.sql.quoting import NULL


class AddContinuousAggregatePolicy(AddPolicy, name="add_continuous_aggregate_policy", noun=RefreshPolicy):
    """Refresh a continuous aggregate, by a background job."""

    target: RefreshPolicy

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        continuous_aggregate: str,
        start_offset: Span | None,
        end_offset: Span | None,
        schedule_interval: Span,
        *,
        include_tiered_data: bool | None = None,
        buckets_per_batch: int | None = None,
        max_batches_per_execution: int | None = None,
        refresh_newest_first: bool | None = None,
        if_not_exists: bool = False,
        schema: str | None = None,
        **schedule: Unpack[RunArguments],
    ) -> None:
        """Refresh a continuous aggregate from ``start_offset`` to ``end_offset`` before now, by a background job.

        From TimescaleDB 2.21 on there may be several, of windows that do not overlap.

        :param continuous_aggregate: its name, without its schema.
        :param start_offset: ``timedelta`` or text, which may have months; for integer time an integer; None: from the
            beginning.
        :param end_offset: the same; None: to the end.
        :param schedule_interval: the time between two runs.
        :param include_tiered_data: whether tiered data is read.
        :param buckets_per_batch: how many buckets are refreshed in one transaction; 0: all of them.
        :param max_batches_per_execution: how many batches one run does; 0: as many as there are.
        :param refresh_newest_first: whether it begins with the newest.
        :param if_not_exists: leave a policy that is there as it is.
        :param schedule: as of ``op.add_retention_policy``.
        :raises InvalidObject: for what TimescaleDB would refuse.
        """
        batches = {"buckets_per_batch": buckets_per_batch, "max_batches_per_execution": max_batches_per_execution}
        flags = {"include_tiered_data": include_tiered_data, "refresh_newest_first": refresh_newest_first}
        named: dict[str, Any] = {**batches, **flags, **schedule, "schedule_interval": schedule_interval}
        target = RefreshPolicy(start_offset, end_offset, name=continuous_aggregate, schema=schema, **named)
        operations.invoke(cls(target, if_not_exists=if_not_exists))

    def named(self) -> dict[str, Any]:
        """An offset that is open is null, and has to be given."""
        start, end = self.target.window
        return {**super().named(), "start_offset": sql_of(start) or NULL, "end_offset": sql_of(end) or NULL}

    def check_others(self, found: Sequence[Policy]) -> None:
        """Refuse one that overlaps another."""
        several = self.server is None or self.server.number >= (2, 21)
        for other in found:
            if not several:
                raise InvalidObject(
                    f"{self.shown} has a {self.noun.kind} already",
                    hint=f"change it with op.alter_{self.noun.word()}; several are possible from TimescaleDB 2.21 on",
                )
            if isinstance(other, RefreshPolicy) and self.target.overlaps(other):
                raise InvalidObject(
                    f"the {self.noun.kind} of {self.shown} overlaps one that is there, from {other.start_offset} to "
                    f"{other.end_offset} before now",
                    hint=f"change that with op.alter_{self.noun.word()}, or give if_not_exists=True",
                )

    def check_relation(self, relation: catalog.PolicyRelation, connection: Connection) -> None:
        """Refuse a hypertable."""
        if not relation.is_aggregate:
            raise InvalidObject(
                f"{self.shown} is a hypertable, not a continuous aggregate", hint="give the name of the aggregate"
            )


class AlterContinuousAggregatePolicy(AlterPolicy, name="alter_continuous_aggregate_policy", noun=RefreshPolicy):
    """Change the refresh policy of a continuous aggregate."""

    @classmethod
    def invoke(  # type: ignore[override]  # each verb has arguments of its own
        cls,
        operations: Operations,
        continuous_aggregate: str,
        *,
        window: Window | None = None,
        schema: str | None = None,
        **changes: Any,
    ) -> None:
        """Change the refresh policy of a continuous aggregate; what is not given stays.

        :param window: start and end of the one that is meant, until now, if there are several.
        :param changes: what ``op.add_continuous_aggregate_policy`` takes, and the old values, by which it is reversed:
            ``start_offset="3 months", old_start_offset="1 month"``.
        :raises InvalidObject: if there is none, and for what makes no sense.
        """
        operations.invoke(cls(continuous_aggregate, changes, schema=schema, window=window))


class RemoveContinuousAggregatePolicy(RemovePolicy, name="remove_continuous_aggregate_policy", noun=RefreshPolicy):
    """Remove the refresh policy of a continuous aggregate."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        continuous_aggregate: str,
        *,
        window: Window | None = None,
        if_exists: bool = False,
        schema: str | None = None,
    ) -> None:
        """Remove the refresh policy of a continuous aggregate.

        :param window: start and end of the one that is meant, if there are several; without, all of them go.
        :param if_exists: do nothing if there is none.
        :raises InvalidObject: if there is none.
        """
        operations.invoke(cls(continuous_aggregate, schema=schema, if_exists=if_exists, window=window))

    def check(self, connection: Connection) -> None:
        """Refuse if there is none."""
        if self.window is not None or not self.policies(connection):
            super().check(connection)

    def sql(self) -> str:
        """``SELECT remove_continuous_aggregate_policy(…)``, or, of one of several, ``SELECT delete_job(…)``."""
        return super().sql() if self.window is None else deleted(self.job)
