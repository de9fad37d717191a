"""What valid SQL a file may not hold, and what is to be done about it; decided on the parse tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tsext.sql.grammar import Script, Span, enum_name, tree

NO_TRANSACTION = "no-transaction"
"""The directive that makes a file run statement by statement, each on its own."""

ALONE = f"put `-- tsext: {NO_TRANSACTION}` on the first line, and give the statement a revision of its own"
NOT_IN_BLOCK = "put it before BEGIN or after COMMIT"
LOAD = "load the data with INSERT, with COPY … FROM '/path/on/the/server', or from a program"


@dataclass(frozen=True)
class Refusal:
    """Why a statement is refused: the fact, and the cure."""

    message: str
    hint: str


NEVER_COMMITTED = Refusal("this transaction is never committed", "add COMMIT after its last statement")
COPY_FROM_STDIN = Refusal("COPY … FROM STDIN needs psql, which sends the data after the statement", LOAD)


def is_copy_from_stdin(statement: str) -> bool:
    """Whether psql would take the lines after this statement for data."""
    found = _tree(statement)
    return found is not None and found[0] == "copy_stmt" and _copy(found[1]) is COPY_FROM_STDIN


def refused(script: Script, *, no_transaction: bool) -> Iterator[tuple[Span, Refusal]]:
    """Every statement that may not stand where it does."""
    block = _Block(not no_transaction)
    for start, end in script.statements:
        if found := _tree(script.text[start:end]):
            refusal = _anywhere(*found) or block.refuses((start, end), *found)
            if refusal:
                yield (start, end), refusal
    if block.begun:
        yield block.begun, NEVER_COMMITTED


# What is refused nowhere; making a tree of every INSERT of a long list would take most of the time.
_HARMLESS = frozenset({"delete", "insert", "merge", "select", "update", "values", "with"})
_MOVERS = frozenset({"move_chunk", "reorder_chunk"})


def _tree(statement: str) -> tuple[str, Any] | None:
    lower = statement.lower()
    if lower.split(maxsplit=1)[0] in _HARMLESS and not any(name in lower for name in _MOVERS):
        return None
    return tree(statement)


def _anywhere(kind: str, node: Any) -> Refusal | None:
    if kind == "copy_stmt":
        return _copy(node)
    if kind == "variable_set_stmt":
        return _setting(node)
    return None


def _copy(node: Any) -> Refusal | None:
    if node.filename or node.is_program:
        return None
    if node.is_from:
        return COPY_FROM_STDIN
    return Refusal("COPY … TO STDOUT has no one to send the data to", "write COPY … TO '/path/on/the/server'")


def _setting(node: Any) -> Refusal | None:
    if node.name != "standard_conforming_strings" or not node.args or _is_true(node.args[0]):
        return None
    return Refusal(
        "standard_conforming_strings = off changes how the rest of the file is to be read",
        "remove it, and write strings with backslash escapes as E'…'",
    )


def _is_true(argument: Any) -> bool:
    constant = argument.a_const
    return constant.sval.sval.lower() in ("on", "true", "yes", "1") or constant.ival.ival == 1


# --- transactions


class _Block:
    """Follows where a transaction block begins and ends."""

    def __init__(self, whole_file: bool) -> None:
        self.whole_file = whole_file
        self.begun: Span | None = None
        """The BEGIN of the block that is open."""

    def refuses(self, span: Span, kind: str, node: Any) -> Refusal | None:
        if kind == "transaction_stmt":
            return self._control(span, node)
        reason = _outside_only(kind, node)
        if reason is None or not (self.whole_file or self.begun):
            return None
        cure = ALONE if self.whole_file else NOT_IN_BLOCK
        return Refusal(f"{reason} cannot run inside a transaction block", cure)

    def _control(self, span: Span, node: Any) -> Refusal | None:
        verb = _verb(node)
        if verb in ("SAVEPOINT", "RELEASE", "ROLLBACK TO"):
            return None if self.whole_file or self.begun else _outside(verb)
        if self.whole_file:
            return Refusal(
                f"{verb} in a file that runs in the transaction of its revision",
                f"remove it, or put `-- tsext: {NO_TRANSACTION}` on the first line",
            )
        if verb in ("BEGIN", "START TRANSACTION"):
            return self._begin(span, verb)
        return self._end(verb, node)

    def _begin(self, span: Span, verb: str) -> Refusal | None:
        if self.begun:
            return Refusal(f"{verb} inside a transaction block", "use SAVEPOINT, or COMMIT first")
        self.begun = span
        return None

    def _end(self, verb: str, node: Any) -> Refusal | None:
        if verb.endswith(" PREPARED"):  # ends another transaction, not this one
            return Refusal(f"{verb} inside a transaction block", NOT_IN_BLOCK) if self.begun else None
        if not self.begun:
            return _outside(verb)
        if not node.chain:
            self.begun = None
        return None


def _outside(verb: str) -> Refusal:
    return Refusal(f"{verb} outside a transaction block", "put BEGIN before the statements it is to end with")


def _verb(node: Any) -> str:
    """``ROLLBACK TO``, from ``TRANS_STMT_ROLLBACK_TO``."""
    name = enum_name("TransactionStmtKind", node.kind).removeprefix("TRANS_STMT_").replace("_", " ")
    return {"START": "START TRANSACTION", "PREPARE": "PREPARE TRANSACTION"}.get(name, name)


def _outside_only(kind: str, node: Any) -> str | None:
    """What PostgreSQL or TimescaleDB runs only outside a transaction block, as a user would call it.

    PostgreSQL: the callers of ``PreventInTransactionBlock``. What depends on the catalog (CLUSTER of a
    hypertable, a procedure that commits) is left to the server, whose refusal names the statement as well.
    """
    name = _OUTSIDE_ONLY.get(kind)
    return name(node) if callable(name) else name


def _create_index(node: Any) -> str | None:
    if node.concurrent:
        return "CREATE INDEX CONCURRENTLY"
    chunkwise = _option(node.options, "transaction_per_chunk", "timescaledb")
    return "CREATE INDEX … WITH (timescaledb.transaction_per_chunk)" if chunkwise else None


def _drop(node: Any) -> str | None:
    return "DROP INDEX CONCURRENTLY" if node.concurrent else None


def _reindex(node: Any) -> str | None:
    if _option(node.params, "concurrently"):
        return "REINDEX … CONCURRENTLY"
    scope = enum_name("ReindexObjectType", node.kind).removeprefix("REINDEX_OBJECT_")
    return f"REINDEX {scope}" if scope in ("SCHEMA", "SYSTEM", "DATABASE") else None


def _vacuum(node: Any) -> str | None:
    return "VACUUM" if node.is_vacuumcmd else None


def _cluster(node: Any) -> str | None:
    return None if node.HasField("relation") else "CLUSTER of all tables"


def _alter_table(node: Any) -> str | None:
    actions = (getattr(command.alter_table_cmd, "def") for command in node.cmds)
    concurrent = any(action.partition_cmd.concurrent for action in actions)
    return "DETACH PARTITION … CONCURRENTLY" if concurrent else None


def _continuous_aggregate(node: Any) -> str | None:
    continuous = _option(node.into.options, "continuous", "timescaledb")
    if not continuous or node.into.skip_data:
        return None
    return "CREATE MATERIALIZED VIEW … WITH (timescaledb.continuous) and WITH DATA, which is the default,"


def _alter_database(node: Any) -> str | None:
    moved = any(option.def_elem.defname == "tablespace" for option in node.options)
    return "ALTER DATABASE … SET TABLESPACE" if moved else None


def _discard(node: Any) -> str | None:
    return "DISCARD ALL" if enum_name("DiscardMode", node.target) == "DISCARD_ALL" else None


def _create_subscription(node: Any) -> str | None:
    slot = all(_option(node.options, name, default=True) for name in ("connect", "create_slot"))
    return "CREATE SUBSCRIPTION that makes a replication slot" if slot else None


def _alter_subscription(node: Any) -> str | None:
    verb = enum_name("AlterSubscriptionType", node.kind).removeprefix("ALTER_SUBSCRIPTION_").partition("_")[0]
    if verb in ("REFRESH", "SET", "ADD", "DROP") and _option(node.options, "refresh", default=True):
        return f"ALTER SUBSCRIPTION … {verb} PUBLICATION"
    return None


def _procedure(node: Any) -> str | None:
    name = _function(node.funccall)
    return f"CALL {name}" if name in ("refresh_continuous_aggregate", "merge_chunks_concurrently") else None


def _mover(node: Any) -> str | None:
    targets = (target.res_target.val.func_call for target in node.target_list)
    return next((f"{_function(call)}()" for call in targets if _function(call) in _MOVERS), None)


def _function(call: Any) -> str:
    return str(call.funcname[-1].string.sval) if call.funcname else ""


_OUTSIDE_ONLY: Mapping[str, str | Callable[[Any], str | None]] = {
    "alter_database_stmt": _alter_database,
    "alter_subscription_stmt": _alter_subscription,
    "alter_system_stmt": "ALTER SYSTEM",
    "alter_table_stmt": _alter_table,
    "call_stmt": _procedure,
    "cluster_stmt": _cluster,
    "create_subscription_stmt": _create_subscription,
    "create_table_as_stmt": _continuous_aggregate,
    "create_table_space_stmt": "CREATE TABLESPACE",
    "createdb_stmt": "CREATE DATABASE",
    "discard_stmt": _discard,
    "drop_stmt": _drop,
    "drop_table_space_stmt": "DROP TABLESPACE",
    "dropdb_stmt": "DROP DATABASE",
    "index_stmt": _create_index,
    "reindex_stmt": _reindex,
    "select_stmt": _mover,
    "vacuum_stmt": _vacuum,
}


def _option(options: Any, name: str, namespace: str = "", *, default: bool = False) -> bool:
    """The value of ``WITH (name = …)``; an option without a value is on."""
    for option in options:
        element = option.def_elem
        if (element.defnamespace, element.defname) == (namespace, name):
            return not element.HasField("arg") or _is_on(element.arg)
    return default


def _is_on(value: Any) -> bool:
    if value.HasField("integer"):
        return bool(value.integer.ival)
    # An unquoted word that is no keyword, such as off, is read as the name of a type.
    words = [value.string.sval, *(name.string.sval for name in value.type_name.names)]
    return not {"false", "off"} & {word.lower() for word in words}
