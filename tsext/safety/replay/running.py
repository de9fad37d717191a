"""What is known once statements have run, told from their text alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tsext.safety import functions
from tsext.safety.calls import dimension, is_true, relation
from tsext.safety.dynamic import literal
from tsext.safety.facts import Facts
from tsext.safety.hazards import Statement
from tsext.safety.names import Name
from tsext.safety.replay import objects, tables
from tsext.safety.replay.memory import Memory
from tsext.sql import bodies, grammar
from tsext.sql.bodies import Body, Kind

_DEEPEST = 5
"""How many functions may call one another; what is deeper is not read."""

_LOOKS = ("pg_", "information_schema", "inspect", "reflect", "MetaData", "_timescaledb", "timescaledb_information")
"""What looks into the catalog, and so may go through all that is there."""


def after(facts: Facts, statements: Iterable[Statement], unread: str | None = None) -> Facts:
    """What is known without a database, once a revision has run.

    :param facts: what is known before it.
    :param unread: the text of what could not be read to its end: what it names is not known any more.
    """
    memory = Memory.of(facts)
    for each in statements:
        _read(memory, each.text)
    if unread is not None:
        _forget(memory, unread)
    return memory.told(facts)


def _forget(memory: Memory, told: str) -> None:
    memory.forget(None if any(each in told for each in _LOOKS) else told)


def _read(memory: Memory, text: str) -> None:
    """All statements of a text."""
    if not _may_define(text):
        return
    try:
        script = grammar.parse(text)
    except (grammar.GrammarError, ValueError):
        _forget(memory, text)
        return
    for start, end in script.statements:
        source = script.text[start:end]
        read = grammar.tree(source)
        if read is not None:
            kind, node = read
            if kind in _READERS:
                _READERS[kind](memory, node, source)


def _may_define(text: str) -> bool:
    """Whether it may be about more than rows."""
    return text.lstrip()[:6].upper() not in ("INSERT", "UPDATE", "DELETE", "COMMEN") or ";" in text


def _do(memory: Memory, node: Any, source: str) -> None:
    arguments = {each.def_elem.defname: each.def_elem.arg.string.sval for each in node.args}
    plpgsql = arguments.get("language", "plpgsql").lower() == "plpgsql"
    body = bodies.of_block(arguments.get("as", "")) if plpgsql else None
    if body is None:
        _forget(memory, source)
    else:
        _run(memory, body, source)


def _run(memory: Memory, body: Body, source: str) -> None:
    """What a body says outright is read as if all of it ran; what it puts together may be about what it names."""
    for part in body:
        text = literal(part.text) if part.kind is Kind.DYNAMIC else part.text
        if text is None and not _is_harmless(part.text):
            _forget(memory, source)
        elif text is not None and part.kind in (Kind.DYNAMIC, Kind.STATEMENT):
            _read(memory, text)


_HARMLESS = ("GRANT", "REVOKE", "COMMENT", "ANALYZE", "VACUUM", "SELECT", "INSERT", "UPDATE", "DELETE", "SET",
             "CREATE ROLE", "ALTER ROLE", "CREATE USER", "ALTER USER", "ALTER DATABASE", "NOTIFY", "REFRESH",
             "ALTER DEFAULT", "REINDEX")  # fmt: skip


def _is_harmless(expression: str) -> bool:
    """Whether the text that is put together begins like what defines nothing that is remembered."""
    first = next((token for token, _, _ in grammar.tokens(expression) if token.startswith("'")), "")
    return first[1:].lstrip().upper().startswith(_HARMLESS)


def _select(memory: Memory, node: Any, source: str) -> None:
    """What functions do: ``create_hypertable``, ``set_config``, and those that statements have made."""
    for call in grammar.find(node, "FuncCall"):
        name = Name.of_list(call.funcname).name
        table = relation(call) if name == "create_hypertable" else None
        if table is not None:
            named = {each.named_arg_expr.name: each.named_arg_expr.arg for each in call.args}
            without = "create_default_indexes" in named and not is_true(named["create_default_indexes"])
            tables.make_hypertable(memory, table, dimension(call), default_index=not without)
        elif name == "set_config":
            given = [each.a_const.sval.sval for each in call.args[:2] if each.WhichOneof("node") == "a_const"]
            if len(given) == 2 and given[0] == "search_path":
                _set_search_path(memory, given[1].split(","))
        else:
            _call(memory, call, source)


def _call(memory: Memory, call: Any, source: str) -> None:
    memory.depth += 1
    for each in memory.functions.functions_of(Name.of_list(call.funcname), len(call.args)):
        if each.body is not None and memory.depth <= _DEEPEST:
            _run(memory, each.body, source)
    memory.depth -= 1


def _call_procedure(memory: Memory, node: Any, source: str) -> None:
    _call(memory, node.funccall, source)


def _create_function(memory: Memory, node: Any, source: str) -> None:
    memory.functions.define(Name.of_list(node.funcname), functions.of_node(node, source))


def _define(memory: Memory, node: Any, source: str) -> None:
    if grammar.enum_name("ObjectType", node.kind) == "OBJECT_AGGREGATE":
        memory.functions.define(Name.of_list(node.defnames), functions.aggregate())


def _set(memory: Memory, node: Any, source: str) -> None:
    if node.name == "search_path":
        _set_search_path(memory, [each.a_const.sval.sval for each in node.args])


def _set_search_path(memory: Memory, schemas: list[str]) -> None:
    named = [each.strip(' "') for each in schemas]
    memory.search_path = tuple(each for each in named if each not in ("$user", "pg_catalog", "")) or ("public",)


def _create_schema(memory: Memory, node: Any, source: str) -> None:
    path = memory.search_path
    memory.search_path = (node.schemaname, *path) if node.schemaname else path
    for each in node.schema_elts:
        kind = each.WhichOneof("node")
        if kind in _READERS:
            _READERS[kind](memory, getattr(each, kind), source)
    memory.search_path = path


def _alter(memory: Memory, node: Any, source: str) -> None:
    if grammar.enum_name("ObjectType", node.objtype) in ("OBJECT_TABLE", "OBJECT_MATVIEW", "OBJECT_VIEW"):
        tables.alter(memory, node, source)


_READERS: dict[str, Callable[[Memory, Any, str], None]] = {
    "create_stmt": tables.create,
    "alter_table_stmt": _alter,
    "index_stmt": objects.create_index,
    "view_stmt": objects.create_view,
    "create_table_as_stmt": objects.create_table_as,
    "create_trig_stmt": objects.create_trigger,
    "create_policy_stmt": objects.create_policy,
    "create_enum_stmt": objects.create_enum,
    "alter_enum_stmt": objects.alter_enum,
    "create_domain_stmt": objects.create_domain,
    "alter_domain_stmt": objects.alter_domain,
    "composite_type_stmt": objects.create_type,
    "create_range_stmt": objects.create_type,
    "drop_stmt": objects.drop,
    "rename_stmt": objects.rename,
    "alter_object_schema_stmt": objects.set_schema,
    "select_stmt": _select,
    "variable_set_stmt": _set,
    "create_schema_stmt": _create_schema,
    "do_stmt": _do,
    "call_stmt": _call_procedure,
    "create_function_stmt": _create_function,
    "define_stmt": _define,
}
