"""Verbs over reorder policies."""

from __future__ import annotations

from typing import Any, Unpack

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject
from tsext.model import ReorderPolicy
from tsext.operations.policies import AddPolicy, AlterPolicy, RemovePolicy
from tsext.operations.scheduling import ScheduleArguments


class AddReorderPolicy(AddPolicy, name="add_reorder_policy", noun=ReorderPolicy):
    """Sort chunks by an index when they are complete, by a background job."""

    target: ReorderPolicy
    set_by_adding = ("initial_start", "timezone")

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        index_name: str,
        *,
        if_not_exists: bool = False,
        schema: str | None = None,
        **schedule: Unpack[ScheduleArguments],
    ) -> None:
        """Sort chunks by an index when they are complete, by a background job.

        :param table_name: a hypertable, without its schema.
        :param index_name: an index of it.
        :param if_not_exists: leave a policy that is there as it is.
        :param schedule: as of ``op.add_retention_policy``.
        :raises InvalidObject: for what TimescaleDB would refuse.
        """
        target = ReorderPolicy(index_name, name=table_name, schema=schema, **schedule)
        operations.invoke(cls(target, if_not_exists=if_not_exists))

    def named(self) -> dict[str, Any]:
        """The index is a name, not a length."""
        return {**super().named(), "index_name": self.target.index_name}

    def check_relation(self, relation: catalog.PolicyRelation, connection: Connection) -> None:
        """Refuse a continuous aggregate, and an index that is none of the hypertable's."""
        index = self.target.index_name
        if relation.is_aggregate:
            raise InvalidObject(
                f"{self.shown} is a continuous aggregate", hint="only chunks of hypertables can be reordered"
            )
        if index not in relation.indexes:
            raise InvalidObject(
                f"{self.shown} has no index {index}", hint=f"it has {', '.join(relation.indexes) or 'none'}"
            )

    def check_lengths(self, relation: catalog.PolicyRelation) -> None:
        """There are none."""


class AlterReorderPolicy(AlterPolicy, name="alter_reorder_policy", noun=ReorderPolicy):
    """Change a reorder policy; what is not given stays.

    :param changes: what ``op.add_reorder_policy`` takes, and the old values, by which it is reversed:
        ``index_name="ix_new", old_index_name="ix_old"``.
    :raises InvalidObject: if there is none, and for what makes no sense.
    """


class RemoveReorderPolicy(RemovePolicy, name="remove_reorder_policy", noun=ReorderPolicy):
    """Remove a reorder policy; chunks stay as they are sorted.

    :param if_exists: do nothing if there is none.
    :raises InvalidObject: if there is none.
    """
