"""Verbs: the ``op.*`` directives. An operation is one verb over one object; it states its SQL and its reverse."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from alembic.autogenerate.render import renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection

from tsext.model import Object

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


class Operation(MigrateOperation):
    """One verb over one object.

    A subclass names its verb and its noun; ``op.<verb>(target name, **fields of the noun)`` follows from that.
    """

    verb: ClassVar[str]
    noun: ClassVar[type[Object]]

    def __init__(self, target: Any) -> None:
        self.target = target

    def __init_subclass__(cls, name: str = "", **kw: Any) -> None:
        super().__init_subclass__(**kw)
        if not name:
            return
        cls.verb = name
        Operations.register_operation(name, "invoke")(cls)
        Operations.implementation_for(cls)(_execute)
        renderers.dispatch_for(cls)(_render)

    def sql(self) -> str:
        """The statement that does it."""
        raise NotImplementedError(f"{type(self).__name__} states no SQL")

    def statements(self) -> list[str]:
        """All statements, in order; most verbs have one."""
        return [self.sql()]

    def check(self, connection: Connection) -> None:
        """Refuse what this server would refuse, before anything is sent."""

    def arguments(self) -> list[str]:
        """The arguments of the call, as they stand in a revision file."""
        return rendered_fields(self.target, skip=())

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return (self.verb, self.target)


class Nothing(MigrateOperation):
    """The reverse of what is undone by the reverse of another operation; rendered as nothing."""

    def reverse(self) -> MigrateOperation:
        """Nothing again."""
        return self

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """No difference."""
        return ("nothing",)


@renderers.dispatch_for(Nothing)
def _render_nothing(context: AutogenContext, operation: Nothing) -> list[str]:
    return []


def _execute(operations: Operations, operation: Operation) -> None:
    if not operations.migration_context.as_sql:
        operation.check(operations.get_bind())
    for statement in operation.statements():
        # text() would read a colon in the SQL as a parameter
        operations.execute(statement.replace(":", r"\:"))


def _render(context: AutogenContext, operation: Operation) -> str:
    arguments = operation.arguments()
    if any("timedelta(" in argument for argument in arguments):
        context.imports.add("from datetime import timedelta")
    if any("Dimension(" in argument for argument in arguments):
        context.imports.add("from tsext import Dimension")
    prefix = context.opts.get("alembic_module_prefix") or ""
    return f"{prefix}{operation.verb}({', '.join(arguments)})"


def rendered_fields(target: Object, skip: tuple[str, ...]) -> list[str]:
    """The fields of an object that differ from their defaults: the name first, the rest by keyword."""
    parts = [repr_of(getattr(target, "name", ""))] if "name" not in skip and hasattr(target, "name") else []
    for each in fields(target):
        value = getattr(target, each.name)
        if each.name not in ("name", *skip) and value != each.default:
            parts.append(f"{each.name}={repr_of(value)}")
    return parts


def repr_of(value: Any) -> str:
    """A value as black would leave it: double quotes, ``timedelta(days=7)``, objects by their set fields."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, timedelta):
        parts = {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
        if value.seconds and value.seconds % 3600 == 0:
            parts = {"days": value.days, "hours": value.seconds // 3600, "microseconds": value.microseconds}
        set_parts = ", ".join(f"{unit}={count}" for unit, count in parts.items() if count)
        return f"timedelta({set_parts})"
    if isinstance(value, Object):
        return f"{type(value).__name__}({', '.join(rendered_fields(value, skip=()))})"
    if isinstance(value, tuple):
        return f"[{', '.join(repr_of(each) for each in value)}]"
    return repr(value)
