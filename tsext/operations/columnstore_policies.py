"""Verbs over columnstore policies."""

from __future__ import annotations

from typing import Unpack

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject
from tsext.model import ColumnstorePolicy, RefreshPolicy, Span
from tsext.operations.policies import AddPolicy, AlterPolicy, RemovePolicy
from tsext.operations.scheduling import ScheduleArguments
from tsext.sql.jobs import altered, merged
from tsext.sql.quoting import call


class AddColumnstorePolicy(AddPolicy, name="add_columnstore_policy", noun=ColumnstorePolicy):
    """Move chunks that are old enough to the columnstore, by a background job."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        after: Span | None = None,
        *,
        created_before: Span | None = None,
        if_not_exists: bool = False,
        schema: str | None = None,
        **schedule: Unpack[ScheduleArguments],
    ) -> None:
        """Move chunks that are old enough to the columnstore, by a background job.

        Before TimescaleDB 2.18 it is called a compression policy.

        :param table_name: a hypertable or a continuous aggregate, without its schema.
        :param after: age of the rows: ``timedelta`` or text, which may have months; for integer time an integer.
        :param created_before: instead, age of the chunks themselves.
        :param if_not_exists: leave a policy that is there as it is.
        :param schedule: as of ``op.add_retention_policy``.
        :raises InvalidObject: for what TimescaleDB would refuse.
        """
        target = ColumnstorePolicy(after, created_before, name=table_name, schema=schema, **schedule)
        operations.invoke(cls(target, if_not_exists=if_not_exists))

    def check_relation(self, relation: catalog.PolicyRelation, connection: Connection) -> None:
        """Refuse a relation whose columnstore is off, and an aggregate that is not refreshed."""
        if not relation.columnstore:
            raise InvalidObject(
                f"the columnstore of {self.shown} is off",
                hint=f'turn it on first: op.enable_columnstore("{self.table_name}", …)',
            )
        if relation.is_aggregate:
            self._check_aggregate(connection)

    def _check_aggregate(self, connection: Connection) -> None:
        if isinstance(self.target, ColumnstorePolicy) and self.target.created_before is not None:
            raise InvalidObject(
                f"the columnstore policy of continuous aggregate {self.shown} goes by created_before",
                hint="TimescaleDB takes only the age of the rows there: give after",
            )
        if not self.policies(connection, RefreshPolicy):
            raise InvalidObject(
                f"continuous aggregate {self.shown} has no refresh policy, and so can have no columnstore policy",
                hint=f'add one first: op.add_continuous_aggregate_policy("{self.table_name}", …), '
                "and declare it: RefreshPolicy(…)",
            )

    def sql(self) -> str:
        """``CALL add_columnstore_policy(…)``, or, before 2.18, ``SELECT add_compression_policy(…)``."""
        if _is_old(self.server):
            named = {
                f"compress_{name}" if name in self.noun.keys else name: each for name, each in self.named().items()
            }
            return "SELECT " + call("add_compression_policy", self.relation, **named)
        return "CALL " + call(self.verb, self.relation, **self.named())

    def statements(self) -> list[str]:
        """A procedure gives no job to alter, so that is found."""
        later = self.later()
        if self.target.config is not None:
            later["config"] = merged({}, self.target.config)
        if not later:
            return [self.sql()]
        timezone = {} if self.target.timezone is None else {"timezone": self.target.timezone}
        return [self.sql(), altered(self.target_job, self.server, **later, **timezone)]


class AlterColumnstorePolicy(AlterPolicy, name="alter_columnstore_policy", noun=ColumnstorePolicy):
    """Change a columnstore policy; what is not given stays.

    :param changes: what ``op.add_columnstore_policy`` takes, and the old values, by which it is reversed:
        ``after="14 days", old_after="7 days"``.
    :raises InvalidObject: if there is none, and for what makes no sense.
    """


class RemoveColumnstorePolicy(RemovePolicy, name="remove_columnstore_policy", noun=ColumnstorePolicy):
    """Remove a columnstore policy; chunks that are in the columnstore stay there.

    :param if_exists: do nothing if there is none.
    :raises InvalidObject: if there is none.
    """

    def sql(self) -> str:
        """``CALL remove_columnstore_policy(…)``, or, before 2.18, ``SELECT remove_compression_policy(…)``."""
        if _is_old(self.server):
            return "SELECT " + call("remove_compression_policy", self.relation, if_exists=self.if_exists or None)
        return "CALL " + call(self.verb, self.relation, if_exists=self.if_exists or None)


def _is_old(server: catalog.TimescaleInfo | None) -> bool:
    """Whether the columnstore is still called compression."""
    return server is not None and server.number < (2, 18)
