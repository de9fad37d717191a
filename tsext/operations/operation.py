"""An operation: one verb over one object; it states its SQL, its reverse, and how it is rendered."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from contextlib import nullcontext
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from alembic.autogenerate.render import render_op_text, renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import FeatureNotSupported, Finding
from tsext.model import Feature, License, Object
from tsext.operations import load
from tsext.operations.optional import leaves_out
from tsext.operations.printing import emit, is_read, write
from tsext.operations.rendering import Code, arguments_in, comment
from tsext.sql.sending import send

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


class Operation(MigrateOperation):
    """One verb over one object; states its SQL, its reverse, and the arguments of its call.

    A subclass with a name is what ``op.<name>`` does: ``class AddDimension(Operation, name="add_dimension",
    noun=Dimension)``. Its classmethod ``invoke(cls, operations, …)`` has the call's signature, and its docstring is the
    one users read.
    """

    verb: ClassVar[str]
    noun: ClassVar[type[Object]]
    needs: ClassVar[Feature | None] = None
    """What the server must have."""
    transactional: ClassVar[bool] = True
    """Whether it may run in a transaction; if not, what went before is committed."""
    answers_for: ClassVar[frozenset[str]] = frozenset()
    """Rules of :mod:`tsext.safety` that what it prints would break, and what it does does not."""
    note: str = ""
    """What an author should know who reads it in a revision: a comment above the call."""
    arguments_need: ClassVar[Mapping[str, Feature]] = {}
    """What it must have beyond that for an argument, by the argument's name."""
    verbs: ClassVar[Verbs]
    """All verbs, by name."""
    invoke: ClassVar[Any]
    """What ``op.<verb>`` does with its arguments; verbs that share it are described by their classes."""

    def __init_subclass__(cls, *, name: str = "", noun: type[Object] | None = None) -> None:
        super().__init_subclass__()
        if noun is not None:
            cls.noun = noun
        if name:
            cls.verb = name
            if "invoke" not in vars(cls):
                cls.invoke = _described(cls)
            Operation.verbs[name] = cls
            Operations.register_operation(name, "invoke")(cls)
            Operations.implementation_for(cls)(_execute)
            renderers.dispatch_for(cls)(_render)

    @property
    def is_timescaledb(self) -> bool:
        """Whether it makes no sense without TimescaleDB."""
        return self.needs is not None

    def sql(self) -> str:
        """The statement that does it.

        :raises IrreversibleOperation: if nothing can.
        """
        raise NotImplementedError(f"{type(self).__name__} states no SQL")

    def statements(self) -> list[str]:
        """All statements, in order; most verbs have one."""
        return [self.sql()]

    def script(self) -> str | None:
        """What offline mode prints for psql, if that is more than its statements."""
        return None

    def run(self, connection: Connection) -> None:
        """Send its statements."""
        for statement in self.statements():
            # not text(), which would take a colon for a parameter
            send(connection, statement)

    def need(self, connection: Connection) -> None:
        """Refuse what this server does not have.

        :raises FeatureNotSupported: naming what is needed, what was found, and the alternative.
        """
        if self.needs is not None:
            refuse_without(self.needs, catalog.timescaledb(connection), f"op.{self.verb}")

    def check(self, connection: Connection) -> None:
        """Refuse what this server would refuse, before anything is sent.

        :raises TsextError: with the way round.
        """

    def arguments(self) -> list[Code] | None:
        """The arguments of the call, as they stand in a revision; None if another operation does this one's work."""
        raise NotImplementedError(f"{type(self).__name__} has no arguments")

    def rendered(self, context: AutogenContext) -> str | None:
        """The call, as it stands in a revision; None if another operation does this one's work."""
        arguments = self.arguments()
        if arguments is None:
            return None
        prefix = context.opts.get("alembic_module_prefix") or ""
        code = Code(f"{prefix}{self.verb}(", tuple(arguments), ")")
        context.imports.update(code.needs())
        return code.broken()

    def rendered_as(self, context: AutogenContext, like: MigrateOperation) -> str:
        """The call with the arguments that Alembic renders for an operation of its own, but for the defaults."""
        rendered = ast.parse(render_op_text(context, like))
        call = next(node for node in ast.walk(rendered) if isinstance(node, ast.Call))
        given = tuple(each for each in arguments_in(call) if str(each) != "unique=False")
        return Code(f"{context.opts.get('alembic_module_prefix') or ''}{self.verb}(", given, ")").broken()

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return (self.verb, *(str(each) for each in self.arguments() or []))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.arguments() or []))})"


def _described(verb: Any) -> Any:
    """The ``invoke`` that several verbs share, for one of them, which its class describes."""
    shared = verb.invoke.__func__
    own = FunctionType(shared.__code__, shared.__globals__, shared.__name__, shared.__defaults__, shared.__closure__)
    own.__kwdefaults__, own.__annotations__, own.__doc__ = shared.__kwdefaults__, shared.__annotations__, verb.__doc__
    return classmethod(own)


class Verbs(dict[str, type[Any]]):
    """Operations by their verbs, each loaded when it is first asked for."""

    def __missing__(self, verb: str) -> type[Any]:
        """Load it.

        :raises KeyError: if there is no such verb.
        """
        load(verb)
        return dict(self)[verb]


Operation.verbs = Verbs()


def refuse_without(feature: Feature, found: catalog.TimescaleInfo | None, what: str) -> None:
    """Refuse what a server does not have.

    :param found: the server's TimescaleDB; None if the database has none.
    :param what: what needs the feature, for the message.
    :raises FeatureNotSupported: unless the server has it.
    """
    if found is None:
        raise FeatureNotSupported(
            f"{what} needs TimescaleDB, which this database does not have",
            hint='run op.create_extension("timescaledb") in this revision or an earlier one',
        )
    if finding := lacking(feature, found, what):
        raise FeatureNotSupported(finding.message, hint=finding.hint)


def lacking(feature: Feature, found: catalog.TimescaleInfo, what: str) -> Finding | None:
    """What to say of a server that does not have a feature; None if it does."""
    if found.has(feature):
        return None
    since = ".".join(map(str, feature.since))
    licence = " under the Timescale licence" if feature.license is License.TIMESCALE else ""
    here = f"{found.version} under the {'Apache' if found.license is License.APACHE else 'Timescale'} licence"
    return Finding(
        "feature-missing",
        f"{what} needs {feature.name}: TimescaleDB {since} or newer{licence}; this server has {here}",
        feature.alternative or "use a server that has it, or remove the operation",
    )


def _execute(operations: Operations, operation: Operation) -> None:
    context = operations.migration_context
    if operation.is_timescaledb and leaves_out(operations, _call_in_short(operation)):
        return
    if not context.as_sql:
        operation.need(operations.get_bind())
        operation.check(operations.get_bind())
    statements = operation.statements()
    with context.autocommit_block() if statements and not operation.transactional else nullcontext():
        if not context.as_sql:
            operation.run(operations.get_bind())
            return
        script = None if is_read(context) else operation.script()
        if script is not None:
            write(context, f"{script}\n")
            return
        for statement in statements:
            emit(context, statement, operation)


def _call_in_short(operation: Operation) -> str:
    return f"{operation.verb}({', '.join(map(str, (operation.arguments() or [])[:1]))})"


def _render(context: AutogenContext, operation: Operation) -> str | list[str]:
    rendered = operation.rendered(context)
    return [] if rendered is None else "\n".join([*comment(operation.note), rendered])
