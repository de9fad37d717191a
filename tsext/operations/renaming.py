"""Verbs that rename a table while old and new versions of the application run: a view keeps the old name."""

from __future__ import annotations

from typing import Any

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import FeatureNotSupported, InvalidObject
from tsext.model.renaming import RenamingView
from tsext.operations.operation import Operation
from tsext.operations.rendering import Code, code_of, schema_of
from tsext.sql.quoting import identifier, literal, qualified

_SECURITY_INVOKER = 150_000
"""PostgreSQL whose views can check the privileges of whoever uses them."""


class RenamingOperation(Operation):
    """A verb over a table and the view that has its old name."""

    def __init__(self, target: RenamingView) -> None:
        self.target = target

    @classmethod
    def invoke(
        cls, operations: Operations, old_table_name: str, new_table_name: str, *, schema: str | None = None
    ) -> None:
        """Described by each verb."""
        operations.invoke(cls(RenamingView(old_table_name, new_table_name, schema)))

    @property
    def old(self) -> str:
        """The view, or the table before."""
        return qualified(self.target.old_table_name, self.target.schema)

    @property
    def new(self) -> str:
        """The table."""
        return qualified(self.target.new_table_name, self.target.schema)

    def create_view(self) -> list[str]:
        """The view, for the same roles as the table."""
        view = f"CREATE VIEW {self.old} WITH (security_invoker = true) AS SELECT * FROM {self.new}"
        privileges = _COPY_PRIVILEGES.format(source=literal(self.new), target=literal(self.old))
        return [view, "DO " + literal(privileges)]

    def drop_view(self) -> str:
        """``DROP VIEW``, which PostgreSQL refuses if anything depends on it."""
        return f"DROP VIEW {self.old}"

    def expect(self, connection: Connection, name: str, kinds: str, what: str) -> None:
        """Refuse what is not there, or something else.

        :param kinds: ``pg_class.relkind`` of what may be there.
        """
        found = catalog.indexed_tables(connection, name, self.target.schema)
        if not found or found[0].kind not in kinds:
            raise InvalidObject(
                f"op.{self.verb}: there is no {what} {qualified(name, self.target.schema)}",
                hint="correct the names: the old one comes first, except in op.rename_table_over_view",
            )

    def expect_security_invoker(self, connection: Connection) -> None:
        """Refuse a server whose views would hide from it who asks."""
        version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
        if version < _SECURITY_INVOKER:
            raise FeatureNotSupported(
                f"op.{self.verb} needs PostgreSQL 15, whose views keep the table's row security",
                hint="use a newer server, or op.rename_table while the application is stopped",
            )

    def arguments(self) -> list[Code]:
        """Both names, and the schema if there is one."""
        target = self.target
        names: list[Any] = [target.old_table_name, target.new_table_name]
        return [*map(code_of, names), *schema_of(target.schema)]


class RenameTableWithView(RenamingOperation, name="rename_table_with_view", noun=RenamingView):
    """Rename a table, and keep a view with its old name, so that both names can be read and written.

    Both at once, in the revision's transaction; the lock is held for an instant. The view is updatable, has the
    table's owner and privileges, and keeps to its row security. Once no version of the application uses the old
    name, ``op.drop_renaming_view`` ends it, in a later revision.

    :param old_table_name: a table, partitioned or not, or a hypertable.
    :raises InvalidObject: if there is no such table.
    :raises FeatureNotSupported: below PostgreSQL 15.
    """

    def check(self, connection: Connection) -> None:
        """Refuse what is no table."""
        self.expect_security_invoker(connection)
        self.expect(connection, self.target.old_table_name, "rp", "table")

    def statements(self) -> list[str]:
        """Rename it, and let the view take its name."""
        return [f"ALTER TABLE {self.old} RENAME TO {identifier(self.target.new_table_name)}", *self.create_view()]

    def reverse(self) -> RenameTableOverView:
        """Giving the table its old name back, in place of the view."""
        return RenameTableOverView(self.target)


class RenameTableOverView(RenamingOperation, name="rename_table_over_view", noun=RenamingView):
    """Give a table its old name back, in place of the view that has it."""

    @classmethod
    def invoke(  # type: ignore[override]  # what a verb is about comes first
        cls, operations: Operations, new_table_name: str, old_table_name: str, *, schema: str | None = None
    ) -> None:
        """Give a table its old name back, in place of the view that has it: undoes ``op.rename_table_with_view``.

        :param new_table_name: the name that the table has.
        :param old_table_name: the name that the view has.
        :raises InvalidObject: if there is no such table, or no such view.
        """
        operations.invoke(cls(RenamingView(old_table_name, new_table_name, schema)))

    def check(self, connection: Connection) -> None:
        """Refuse what is no table, and what is no view."""
        self.expect(connection, self.target.new_table_name, "rp", "table")
        self.expect(connection, self.target.old_table_name, "v", "view")

    def statements(self) -> list[str]:
        """Drop the view, and give the table its name."""
        return [self.drop_view(), f"ALTER TABLE {self.new} RENAME TO {identifier(self.target.old_table_name)}"]

    def reverse(self) -> RenameTableWithView:
        """Renaming it again."""
        return RenameTableWithView(self.target)

    def arguments(self) -> list[Code]:
        """The name that the table has comes first."""
        old, new, *schema = super().arguments()
        return [new, old, *schema]


class DropRenamingView(RenamingOperation, name="drop_renaming_view", noun=RenamingView):
    """Drop the view that has a table's old name, once no version of the application uses it.

    :param old_table_name: the name that the view has.
    :param new_table_name: the name that the table has.
    :raises InvalidObject: if there is no such view, or no such table.
    """

    def check(self, connection: Connection) -> None:
        """Refuse what is no view."""
        self.expect(connection, self.target.old_table_name, "v", "view")
        self.expect(connection, self.target.new_table_name, "rp", "table")

    def sql(self) -> str:
        """``DROP VIEW``."""
        return self.drop_view()

    def reverse(self) -> CreateRenamingView:
        """Making it again."""
        return CreateRenamingView(self.target)


class CreateRenamingView(RenamingOperation, name="create_renaming_view", noun=RenamingView):
    """Make the view that has a table's old name again: undoes ``op.drop_renaming_view``.

    :param old_table_name: the name that the view gets.
    :param new_table_name: the name that the table has.
    :raises InvalidObject: if there is no such table.
    :raises FeatureNotSupported: below PostgreSQL 15.
    """

    def check(self, connection: Connection) -> None:
        """Refuse what is no table."""
        self.expect_security_invoker(connection)
        self.expect(connection, self.target.new_table_name, "rp", "table")

    def statements(self) -> list[str]:
        """The view, with its privileges."""
        return self.create_view()

    def reverse(self) -> DropRenamingView:
        """Dropping it."""
        return DropRenamingView(self.target)


_COPY_PRIVILEGES = """
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('GRANT %s ON %s TO %s', privilege_type || columns, {target},
                      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
               || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        FROM (
            SELECT '' AS columns, a.* FROM pg_class, aclexplode(relacl) AS a
            WHERE oid = {source}::regclass AND grantee <> relowner
            UNION ALL
            SELECT format(' (%I)', attname), a.* FROM pg_attribute, aclexplode(attacl) AS a
            WHERE attrelid = {source}::regclass
        ) AS granted
        WHERE privilege_type <> 'MAINTAIN'
        UNION ALL
        SELECT format('ALTER VIEW %s OWNER TO %s', {target}, relowner::regrole)
        FROM pg_class WHERE oid = {source}::regclass
        AND relowner <> (SELECT relowner FROM pg_class WHERE oid = {target}::regclass)
    LOOP
        EXECUTE statement;
    END LOOP;
END
"""
