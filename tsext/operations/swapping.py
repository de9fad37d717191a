"""Verbs by which one continuous aggregate takes the place of another: names, indexes, privileges."""

from __future__ import annotations

from alembic.operations import Operations

from tsext.model import ContinuousAggregate
from tsext.operations.aggregates import AggregateOperation
from tsext.operations.rendering import Code, code_of
from tsext.sql.quoting import identifier, literal, qualified, regclass

INDEX_SCHEMA = "_timescaledb_internal"
"""Where the materialization hypertables are, and so their indexes."""


class RenameContinuousAggregate(AggregateOperation, name="rename_continuous_aggregate", noun=ContinuousAggregate):
    """Give a continuous aggregate another name; aggregates and views made of it follow.

    :param for_a_moment: whether the same revision gives it its name back, so that there is nothing to reverse.
    """

    def __init__(
        self, old_name: str, new_name: str, *, schema: str | None = None, for_a_moment: bool = False, note: str = ""
    ) -> None:
        super().__init__(old_name, schema)
        self.new_name = new_name
        self.for_a_moment = for_a_moment
        self.note = note
        self.undone = False

    @classmethod
    def invoke(cls, operations: Operations, old_name: str, new_name: str, *, schema: str | None = None) -> None:
        """Give a continuous aggregate another name; aggregates and views made of it follow.

        :raises InvalidObject: if there is no such aggregate.
        """
        operations.invoke(cls(old_name, new_name, schema=schema))

    def sql(self) -> str:
        """``ALTER MATERIALIZED VIEW … RENAME TO …``."""
        return f"ALTER MATERIALIZED VIEW {self.relation} RENAME TO {identifier(self.new_name)}"

    def statements(self) -> list[str]:
        """None, if it only undoes what was for a moment."""
        return [] if self.undone else [self.sql()]

    def arguments(self) -> list[Code] | None:
        """Both names."""
        return None if self.undone else self.call_of(code_of(self.new_name))

    def reverse(self) -> RenameContinuousAggregate:
        """The other way round; nothing, if it was for a moment."""
        names = (self.new_name, self.name)
        back = RenameContinuousAggregate(*names, schema=self.schema, for_a_moment=self.for_a_moment)
        back.undone = self.for_a_moment and not self.undone
        return back


class RenameAggregateIndex(AggregateOperation, name="rename_continuous_aggregate_index", noun=ContinuousAggregate):
    """Rename an index of a continuous aggregate."""

    def __init__(self, name: str, old_index: str, new_index: str, *, schema: str | None = None) -> None:
        super().__init__(name, schema)
        self.old_index = old_index
        self.new_index = new_index

    @classmethod
    def invoke(
        cls, operations: Operations, name: str, old_index: str, new_index: str, *, schema: str | None = None
    ) -> None:
        """Rename an index of a continuous aggregate, which is in a schema of TimescaleDB's.

        :raises InvalidObject: if there is no such aggregate.
        """
        operations.invoke(cls(name, old_index, new_index, schema=schema))

    def sql(self) -> str:
        """``ALTER INDEX … RENAME TO …``."""
        return f"ALTER INDEX {qualified(self.old_index, INDEX_SCHEMA)} RENAME TO {identifier(self.new_index)}"

    def arguments(self) -> list[Code]:
        """The aggregate, and both names."""
        return self.call_of(code_of(self.old_index), code_of(self.new_index))

    def reverse(self) -> RenameAggregateIndex:
        """The other way round."""
        return RenameAggregateIndex(self.name, self.new_index, self.old_index, schema=self.schema)


class CopyAggregatePrivileges(
    AggregateOperation, name="copy_continuous_aggregate_privileges", noun=ContinuousAggregate
):
    """Give a continuous aggregate the owner and the grants of another."""

    def __init__(self, source: str, target: str, *, schema: str | None = None) -> None:
        super().__init__(source, schema)
        self.target = target
        self.undone = False

    @classmethod
    def invoke(cls, operations: Operations, source: str, target: str, *, schema: str | None = None) -> None:
        """Give a continuous aggregate the owner and the grants of another, so that the same roles may read it.

        :param source: the aggregate that has them.
        :param target: the aggregate that gets them.
        :raises InvalidObject: if there is no such aggregate.
        """
        operations.invoke(cls(source, target, schema=schema))

    def sql(self) -> str:
        """A ``DO`` block, because only the server knows the grants."""
        return copied_privileges(regclass(self.name, self.schema), qualified(self.target, self.schema))

    def statements(self) -> list[str]:
        """None in a downgrade, which drops the aggregate that got them."""
        return [] if self.undone else [self.sql()]

    def arguments(self) -> list[Code] | None:
        """Both names."""
        return None if self.undone else self.call_of(code_of(self.target))

    def reverse(self) -> CopyAggregatePrivileges:
        """Nothing."""
        reverse = CopyAggregatePrivileges(self.name, self.target, schema=self.schema)
        reverse.undone = not self.undone
        return reverse


def copied_privileges(source: str, target: str) -> str:
    """What gives a continuous aggregate the owner and the grants of another.

    :param source: the other one, as an argument of a function.
    :param target: as it stands in SQL.
    """
    return "DO " + literal(_COPY_PRIVILEGES.format(source=source, target=literal(target)))


_COPY_PRIVILEGES = """
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('ALTER MATERIALIZED VIEW %s OWNER TO %s', {target}, relowner::regrole)
        FROM pg_class WHERE oid = {source}::regclass
        AND relowner <> (SELECT relowner FROM pg_class WHERE oid = {target}::regclass)
        UNION ALL
        SELECT format('GRANT %s ON %s TO %s', privilege_type, {target},
                      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
               || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        FROM pg_class, aclexplode(relacl) WHERE oid = {source}::regclass AND grantee <> relowner
    LOOP
        EXECUTE statement;
    END LOOP;
END
"""
