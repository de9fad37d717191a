"""Functions and procedures that do more than compute: TimescaleDB's, and those of users."""

from __future__ import annotations

from typing import Any

from tsext.model.locks import LockMode, Work
from tsext.safety import builtin, dynamic, holding, hypertables, rules
from tsext.safety.names import Name, name_in
from tsext.safety.reading import Reading, reads
from tsext.safety.tables import need_license
from tsext.sql import grammar

_LICENSED = {
    "add_retention_policy", "remove_retention_policy", "add_reorder_policy", "remove_reorder_policy",
    "add_compression_policy", "remove_compression_policy", "add_columnstore_policy", "remove_columnstore_policy",
    "add_continuous_aggregate_policy", "remove_continuous_aggregate_policy", "add_job", "alter_job", "delete_job",
    "run_job", "compress_chunk", "decompress_chunk", "convert_to_columnstore", "convert_to_rowstore",
    "refresh_continuous_aggregate", "reorder_chunk", "move_chunk", "merge_chunks", "split_chunk", "recompress_chunk",
    "attach_chunk", "detach_chunk",
}  # fmt: skip
_DEEPEST = 5
"""How many functions may call one another; what is deeper is not read."""

_COMMITS = {"refresh_continuous_aggregate", "run_job", "reorder_chunk", "move_chunk", "merge_chunks_concurrently"}
_CHUNK_WORK = {
    "compress_chunk", "decompress_chunk", "convert_to_columnstore", "convert_to_rowstore", "merge_chunks",
    "split_chunk", "recompress_chunk", "reorder_chunk", "move_chunk",
}  # fmt: skip
_SETTINGS = {
    "set_chunk_time_interval", "set_partitioning_interval", "set_number_partitions", "set_integer_now_func",
    "enable_chunk_skipping", "disable_chunk_skipping", "by_range", "by_hash", "show_chunks", "set_adaptive_chunking",
}  # fmt: skip
_OF_HYPERTABLES = {
    "add_dimension", "set_chunk_time_interval", "set_partitioning_interval", "set_number_partitions", "drop_chunks",
    "add_retention_policy", "add_reorder_policy", "add_compression_policy", "add_columnstore_policy", "show_chunks",
    "set_integer_now_func", "enable_chunk_skipping",
}  # fmt: skip
"""Functions whose first argument is a hypertable."""
_WAITING = {"pg_sleep", "pg_sleep_for", "pg_sleep_until"}
_LOCKING = {
    "add_dimension": (0, LockMode.SHARE_UPDATE_EXCLUSIVE),
    "attach_tablespace": (1, LockMode.ACCESS_EXCLUSIVE),
    "detach_tablespace": (1, LockMode.ACCESS_EXCLUSIVE),
    "detach_tablespaces": (0, LockMode.ACCESS_EXCLUSIVE),
}
"""Settings that lock the hypertable for an instant, and which argument it is."""


def read(reading: Reading, node: Any) -> None:
    """The functions that a query calls."""
    for call in grammar.find(node, "FuncCall"):
        name = Name.of_list(call.funcname)
        if name.name == "create_hypertable":
            _create_hypertable(reading, call)
        elif name.name == "drop_chunks":
            _drop_chunks(reading, call)
        elif name.name in _LICENSED:
            _need_hypertable(reading, name.name, call)
            _licensed(reading, name.name, node)
        elif name.name in _LOCKING:
            _need_hypertable(reading, name.name, call)
            position, mode = _LOCKING[name.name]
            if (table := relation(call, position)) is not None:
                reading.lock(table, mode)
        elif name.name in _WAITING:
            holding.wait(reading)
        elif name.name == "set_config":
            _set_config(reading, call)
        elif name.name in _OF_HYPERTABLES:
            _need_hypertable(reading, name.name, call)
        elif name.name not in _SETTINGS and _is_users_own(reading, name):
            _run(reading, name, call, f"{name}()")


def _run(reading: Reading, name: Name, call: Any, shown: str) -> None:
    """A function that may change something: what it does if its body is known; of several that it may be, what all do.

    What calls itself is read once.
    """
    found = reading.script.functions_of(name, len(call.args))
    if not found or reading.depth >= _DEEPEST or any(each.body is None for each in found):
        reading.report(rules.USER_FUNCTION, name=shown)
    for each in found:
        if each.body is not None and each not in reading.running and reading.depth < _DEEPEST:
            inner = reading.inner()
            inner.running = (*inner.running, each)
            dynamic.run(inner, each.body)
            reading.take(inner)


def _need_hypertable(reading: Reading, function: str, call: Any) -> None:
    """What only hypertables have; some of it continuous aggregates, too."""
    table = relation(call) if function in _OF_HYPERTABLES else None
    if table is None:
        return
    found, state = reading.find(table), reading.state(table)
    plain = found is not None and found.whole and found.hypertable is None and found.aggregates is None
    if plain and not state.hypertable:
        reading.report(rules.HYPERTABLE_REFUSES, table, what=f"{function}: it is none", cure="op.create_hypertable")


def _set_config(reading: Reading, call: Any) -> None:
    """``set_config('search_path', …)``, as pg_dump writes it."""
    given = [each.a_const.sval.sval for each in call.args[:2] if each.WhichOneof("node") == "a_const"]
    if len(given) == 2 and given[0] == "search_path":
        schemas = [each.strip(' "') for each in given[1].split(",")]
        reading.script.search_path = tuple(each for each in schemas if each) or reading.facts.search_path


@reads("call_stmt")
def call_procedure(reading: Reading, node: Any) -> None:
    """``CALL``."""
    name = Name.of_list(node.funccall.funcname)
    if name.name in _COMMITS:
        reading.refuse_in_transaction(f"CALL {name.name}")
    if name.name in _LICENSED:
        _licensed(reading, name.name, node)
    elif name.name != "record" or name.schema != "tsext":
        _run(reading, name, node.funccall, f"procedure {name}")


def _is_users_own(reading: Reading, name: Name) -> bool:
    """Whether a function is none of PostgreSQL's or TimescaleDB's, and may change something."""
    if name.schema == "pg_catalog" or name.name.startswith("pg_"):
        return False
    if name.name in reading.script.functions:
        return True
    if reading.facts.database is not None and reading.facts.is_complete:
        known = name.name in reading.facts.database.definitions or name.name not in builtin.VOLATILE
        return known and name.name not in _KNOWN and bool(reading.facts.is_volatile(name.name))
    return reading.facts.is_volatile(name.name) is None and name.name not in _KNOWN


_KNOWN = {
    "count", "max", "min", "sum", "avg", "generate_series", "unnest", "string_agg", "array_agg", "exists", "bool_and",
    "bool_or", "every", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "row_number", "rank",
    "dense_rank", "lag", "lead", "first_value", "last_value", "percentile_cont", "jsonb_array_elements",
    "jsonb_each", "jsonb_object_keys", "json_array_elements", "regexp_matches", "regexp_split_to_table",
    "set_config", "setval", "nextval", "timescaledb_pre_restore", "timescaledb_post_restore", "hypertable_size",
    "hypertable_detailed_size", "chunks_detailed_size", "approximate_row_count", "first", "last",
}  # fmt: skip
"""Aggregates, what gives several rows, and TimescaleDB's that change nothing, or what is told elsewhere."""


def _licensed(reading: Reading, function: str, node: Any) -> None:
    need_license(reading, function)
    if function in _COMMITS:
        reading.refuse_in_transaction(function)
    if function == "add_retention_policy":
        reading.report(rules.DROP_CHUNKS, what="add_retention_policy")
    elif function in _CHUNK_WORK:
        named = (relation(each) for each in grammar.find(node, "FuncCall") if _names_chunks(each, function))
        tables = [each for each in named if each is not None]
        for each in tables:
            reading.lock(each, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
        many = any(Name.of_list(each.funcname).name == "show_chunks" for each in grammar.find(node, "FuncCall"))
        reading.report(rules.CHUNKS_REWRITE if many else rules.CHUNK_REWRITE, *tables, what=function)


def _names_chunks(call: Any, function: str) -> bool:
    """Whether it is the call itself, of one chunk, or ``show_chunks``, which gives chunks to it."""
    return Name.of_list(call.funcname).name in (function, "show_chunks")


def _create_hypertable(reading: Reading, call: Any) -> None:
    table = relation(call)
    if table is None:
        return
    given = {each.named_arg_expr.name: each.named_arg_expr.arg for each in call.args if _is_named(each)}
    found = reading.find(table)
    if reading.is_missing(table):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=table)
        return
    if found is not None and found.hypertable is not None:
        if "if_not_exists" not in given:
            reading.report(rules.EXISTS_ALREADY, what="hypertable", name=table)
        return
    kind = found.kind if found is not None and found.whole else "r"
    if kind != "r":
        what = "create_hypertable of a view, or of what is partitioned already"
        reading.report(rules.HYPERTABLE_REFUSES, table, what=what, cure="make a table of its own")
        return
    column = dimension(call)
    if column is not None:
        reading.need_columns(table, column)
    migrates = "migrate_data" in given and is_true(given["migrate_data"])
    new = reading.is_new(table)
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE if migrates and not new else None)
    hypertables.make(reading, table, dimension(call))
    elsewhere = [one.name for one in reading.facts.referencing(found)] if found is not None else []
    if elsewhere and reading.facts.timescaledb is not None and reading.facts.timescaledb.number < (2, 16):
        cure = "drop the foreign keys first"
        reading.report(rules.REFUSED, table, what=f"a hypertable that {elsewhere[0]} refers to", cure=cure)
    if migrates and not new and (found is None or found.has_rows is not False):
        reading.report(rules.MIGRATE_DATA, table)
    elif found is not None and found.has_rows and not migrates:
        cure = "op.repartition_hypertable, while others write; or migrate_data=True in a maintenance window"
        reading.report(rules.NOT_EMPTY, table, what="create_hypertable", cure=cure)


def dimension(call: Any) -> str | None:
    """The second argument: a column, or ``by_range('column')``; None if it is neither."""
    if len(call.args) < 2:
        return None
    second = call.args[1].named_arg_expr.arg if _is_named(call.args[1]) else call.args[1]
    if second.WhichOneof("node") == "func_call" and len(second.func_call.args):
        second = second.func_call.args[0]
    return second.a_const.sval.sval or None


def _drop_chunks(reading: Reading, call: Any) -> None:
    table = relation(call)
    _need_hypertable(reading, "drop_chunks", call)
    if table is not None:
        found = reading.find(table)
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        for each in reading.constraints(table):
            if each.references:
                reading.lock(Name(*each.references), LockMode.ACCESS_EXCLUSIVE)
        others = reading.facts.referencing(found) if found is not None else []
        if others:
            shown = ", ".join(f"foreign key of {each.name}" for each in others)
            reading.report(rules.DEPENDENTS, table, name=f"chunks of {table}", dependents=shown)
    reading.report(rules.DROP_CHUNKS, *([table] if table else []), what="drop_chunks")


def relation(call: Any, position: int = 0) -> Name | None:
    """An argument, if it is a literal that names a relation."""
    if len(call.args) <= position:
        return None
    first = call.args[position]
    if _is_named(first):
        first = first.named_arg_expr.arg
    while first.WhichOneof("node") == "type_cast":
        first = first.type_cast.arg
    if first.WhichOneof("node") != "a_const" or first.a_const.WhichOneof("val") != "sval":
        return None
    return name_in(first.a_const.sval.sval)


def _is_named(argument: Any) -> bool:
    return bool(argument.WhichOneof("node") == "named_arg_expr")


def is_true(argument: Any) -> bool:
    return argument.WhichOneof("node") == "a_const" and bool(argument.a_const.boolval.boolval)
