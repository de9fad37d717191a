"""Statements about rows, and those that maintain tables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tsext.model.locks import LockMode, Work
from tsext.safety import calls, hypertables, rules
from tsext.safety.expressions import columns_in, gives_many_rows, longest_series, reads_everything, truth
from tsext.safety.facts import estimate
from tsext.safety.names import Name
from tsext.safety.reading import READERS, Reading, reads
from tsext.safety.tables import read_relations
from tsext.sql import grammar

_LOCK_MODES = tuple(LockMode)


@reads("select_stmt")
def select(reading: Reading, node: Any) -> None:
    """``SELECT``: harmless, unless it calls what is not, or changes rows in a WITH."""
    for each in grammar.find(node, "CommonTableExpr"):
        kind = each.ctequery.WhichOneof("node")
        if kind in ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"):
            READERS[kind](reading, getattr(each.ctequery, kind))
    if node.HasField("into_clause"):
        into = node.into_clause.rel
        reading.script.create(Name.of_range(into), temporary=into.relpersistence == "t")
    read_relations(reading, node, work=Work.SCAN if reads_everything(node) else None)
    for locking in node.locking_clause:
        named = [Name.of_range(each.range_var) for each in locking.locking_clause.locked_rels]
        for name in named or [Name.of_range(each) for each in grammar.find(node, "RangeVar")]:
            reading.lock(name, LockMode.ROW_SHARE)
    calls.read(reading, node)


@reads("insert_stmt")
def insert(reading: Reading, node: Any) -> None:
    """``INSERT``."""
    table = Name.of_range(node.relation)
    values = node.select_stmt.select_stmt
    if node.HasField("select_stmt"):
        read_relations(reading, values, work=Work.SCAN)
        calls.read(reading, values)
        if gives_many_rows(values):
            reading.script.change(table).filled = True
            _fill(reading, table, node)
    reading.lock(table, LockMode.ROW_EXCLUSIVE)


def _fill(reading: Reading, table: Name, node: Any) -> None:
    """An ``INSERT`` of the rows that a query gives; those that it changes on conflict are locked."""
    values = node.select_stmt.select_stmt
    sources = [Name.of_range(each) for each in grammar.find(values, "RangeVar")]
    used = [each for each in sources if not reading.is_new(each) and not each.is_system]
    series = longest_series(values)
    if reading.is_new(table) or not (series >= _MANY or (used and reads_everything(values))):
        return
    changes = grammar.enum_name("OnConflictAction", node.on_conflict_clause.action) == "ONCONFLICT_UPDATE"
    if changes and used:
        cure = _in_batches(table, "INSERT … ON CONFLICT DO UPDATE")
        reading.report(rules.MASS_UPDATE, table, verb="INSERT … ON CONFLICT DO UPDATE", cure=cure)
    elif series >= _MANY or any(_is_large(reading, each) is not False for each in used):
        reading.report(rules.MASS_INSERT, table, rows=f"all rows of {used[0]}" if used else f"{series} rows")


_MANY = 100_000
"""How many rows take long to write."""


@reads("update_stmt")
def update(reading: Reading, node: Any) -> None:
    """``UPDATE``."""
    table = Name.of_range(node.relation)
    changed = [each.res_target.name for each in node.target_list]
    hypertables.warn_of_moves(reading, table, changed)
    _change(reading, node, "UPDATE")
    reading.script.change(table).empty.difference_update(changed)


@reads("delete_stmt")
def delete(reading: Reading, node: Any) -> None:
    """``DELETE``."""
    table = Name.of_range(node.relation)
    condition = _condition(reading, node)
    if not reading.is_new(table) and condition is not False:
        everything = condition is True and not len(node.using_clause)
        reading.report(rules.DELETE_ALL if everything else rules.DELETE_SOME, table)
    _change(reading, node, "DELETE")


@reads("merge_stmt")
def merge(reading: Reading, node: Any) -> None:
    """``MERGE``."""
    table = Name.of_range(node.relation)
    read_relations(reading, node)
    reading.lock(table, LockMode.ROW_EXCLUSIVE, Work.SCAN)
    commands = {grammar.enum_name("CmdType", each.merge_when_clause.command_type) for each in node.merge_when_clauses}
    if commands & {"CMD_UPDATE", "CMD_DELETE"} and not reading.is_new(table):
        if _is_join(reading, node.join_condition, [node.source_relation]):
            reading.report(rules.MASS_UPDATE, table, verb="MERGE", cure=_in_batches(table, "MERGE"))
        else:
            _report_wide(reading, table, "MERGE")


def _change(reading: Reading, node: Any, verb: str) -> None:
    table = Name.of_range(node.relation)
    if reading.is_missing(table):
        reading.report(rules.DOES_NOT_EXIST, what="relation", name=table)
        return
    read_relations(reading, node, besides=table)
    condition = _condition(reading, node)
    row_by_row = condition is None and reading.script.row_by_row
    some = condition is False or (condition is None and not row_by_row and _names_a_value(reading, node))
    reading.lock(table, LockMode.ROW_EXCLUSIVE, None if some else Work.SCAN)
    if some or reading.is_new(table):
        return
    joins = _is_join(reading, node.where_clause, _sources(node))
    if condition is True or row_by_row or joins or _is_of_empty_column(reading, node):
        reading.report(rules.MASS_UPDATE, table, verb=verb, cure=_in_batches(table, verb))
    elif not _is_batch(node.where_clause):
        _report_wide(reading, table, verb)


def _report_wide(reading: Reading, table: Name, verb: str) -> None:
    """It finds as many rows as there may be, which are few at most in a table that is small."""
    found, words = reading.find(table), {"verb": verb, "cure": _in_batches(table, verb)}
    if found is not None and _is_large(reading, table):
        reading.report(rules.LARGE_UPDATE, table, size=f"{found.bytes >> 20} MB", **words)
    else:
        reading.report(rules.WIDE_UPDATE, table, **words)


_LONG = timedelta(seconds=1)
"""For how long nobody minds that rows are locked."""


def _is_large(reading: Reading, table: Name) -> bool | None:
    """Whether it takes long to write all of its rows; None if its size is not known."""
    duration = estimate(Work.REWRITE, reading.find(table))
    return None if duration is None else duration >= _LONG


def _sources(node: Any) -> Any:
    """What else an UPDATE or DELETE reads."""
    return node.from_clause if node.DESCRIPTOR.name == "UpdateStmt" else node.using_clause


def _is_batch(condition: Any) -> bool:
    """Whether a query says which rows, and how many at most."""
    return any(each.HasField("limit_count") for each in grammar.find(condition, "SelectStmt"))


def _in_batches(table: Name, verb: str) -> str:
    if verb == "UPDATE":
        return f"op.backfill({table.arguments()}, set=…, where=…), which changes rows in batches"
    what = {"MERGE": "merge into", "DELETE": "delete from"}.get(verb, "insert into")
    return f"{what} {table} in batches, by ranges of its key, each committed in an autocommit block"


def _condition(reading: Reading, node: Any) -> bool | None:
    """Whether it is about every row, or about none; None: about some."""
    if not node.HasField("where_clause"):
        return True
    table = Name.of_range(node.relation)
    alone = not len(_sources(node)) and not len(grammar.find(node.where_clause, "SubLink"))
    columns = columns_in(node.where_clause) if alone else set()
    known = truth(node.where_clause, {each for each in columns if _is_never_null(reading, table, each)})
    says = any(len(grammar.find(node.where_clause, each)) for each in ("ColumnRef", "SubLink", "CurrentOfExpr"))
    return known if known is not None or says else True


def _is_never_null(reading: Reading, table: Name, column: str) -> bool:
    known = reading.column(table, column)
    return known is not None and known.not_null and column not in reading.state(table).nullable


def _is_join(reading: Reading, condition: Any, sources: Any) -> bool:
    """Whether it changes whatever row has its like in a table that was there before, and asks for nothing else."""
    tables = [Name.of_range(each.range_var) for each in sources if each.WhichOneof("node") == "range_var"]
    defined = {name for name in tables if reading.is_new(name) or reading.is_missing(name)}
    asks = any(len(grammar.find(condition, each)) for each in ("A_Const", "SubLink", "ParamRef", "NullTest"))
    return bool(tables) and len(tables) == len(sources) and not defined and not asks


def _is_of_empty_column(reading: Reading, node: Any) -> bool:
    """Whether it asks for the rows where a column is null that an earlier statement added, and so for all."""
    if node.where_clause.WhichOneof("node") != "null_test":
        return False
    tested = node.where_clause.null_test
    if grammar.enum_name("NullTestType", tested.nulltesttype) != "IS_NULL" or not tested.arg.HasField("column_ref"):
        return False
    return tested.arg.column_ref.fields[-1].string.sval in reading.state(Name.of_range(node.relation)).empty


def _is_of(reference: Any, table: Name, alias: str) -> bool:
    """Whether a column is of the table that is changed, as far as its name tells."""
    return len(reference.fields) == 1 or reference.fields[-2].string.sval in (table.name, alias)


def _names_a_value(reading: Reading, node: Any) -> bool:
    """Whether it asks for certain values, as ``id = 1`` does, and so for few rows."""
    return _limits(reading, node, node.where_clause)


def _limits(reading: Reading, node: Any, condition: Any) -> bool:
    if condition.WhichOneof("node") == "bool_expr":
        operator = grammar.enum_name("BoolExprType", condition.bool_expr.boolop)
        parts = (_limits(reading, node, each) for each in condition.bool_expr.args)
        return any(parts) if operator == "AND_EXPR" else operator == "OR_EXPR" and all(parts)
    table, alias = Name.of_range(node.relation), node.relation.alias.aliasname
    for each in grammar.find(condition, "A_Expr"):
        kind = grammar.enum_name("A_Expr_Kind", each.kind)
        operator = each.name[0].string.sval if len(each.name) else ""
        column = each.lexpr.WhichOneof("node") == "column_ref"
        other = each.rexpr.WhichOneof("node") == "column_ref"
        if column and not _is_of(each.lexpr.column_ref, table, alias):
            continue
        if kind in ("AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY") and operator == "=" and column and not other:
            return _is_selective(reading, table, each.lexpr.column_ref.fields[-1].string.sval)
    return False


def _is_selective(reading: Reading, table: Name, column: str) -> bool:
    """Whether an index finds the rows that have a value; without a catalog, all columns may have one."""
    found, known = reading.find(table), reading.column(table, column)
    if found is None:
        return True
    return known is not None and any(each.columns[:1] == (known.name,) for each in found.indexes.values())


@reads("truncate_stmt")
def truncate(reading: Reading, node: Any) -> None:
    """``TRUNCATE``."""
    cascade = grammar.enum_name("DropBehavior", node.behavior) == "DROP_CASCADE"
    for each in node.relations:
        table = Name.of_range(each.range_var)
        if reading.is_missing(table):
            reading.report(rules.DOES_NOT_EXIST, what="table", name=table)
            continue
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        if reading.is_new(table):
            continue
        reading.report(rules.TRUNCATE, table)
        found = reading.find(table)
        if not each.range_var.inh:
            hypertables.refuse_truncate_only(reading, table)
        others = reading.facts.referencing(found) if found is not None else []
        together = {reading.script.key(Name.of_range(one.range_var)) for one in node.relations}
        keys = [Name(other.schema, other.name) for other in others]
        left = [other for other in keys if other not in together and not reading.script.is_gone(other)]
        if left and cascade:
            hypertables.refuse_cascade(reading, table)
        if left and not cascade:
            shown = ", ".join(other.name for other in left)
            reading.report(rules.DEPENDENTS, table, name=table, dependents=f"foreign keys of {shown}")
        for other in left if cascade else ():
            reading.lock(other, LockMode.ACCESS_EXCLUSIVE)


@reads("copy_stmt")
def copy(reading: Reading, node: Any) -> None:
    """``COPY``."""
    if node.HasField("relation"):
        mode = LockMode.ROW_EXCLUSIVE if node.is_from else LockMode.ACCESS_SHARE
        reading.lock(Name.of_range(node.relation), mode)
        if node.is_from:
            reading.script.change(Name.of_range(node.relation)).filled = True


@reads("lock_stmt")
def lock_table(reading: Reading, node: Any) -> None:
    """``LOCK TABLE``."""
    mode = _LOCK_MODES[node.mode - 1]
    for each in node.relations:
        table = Name.of_range(each.range_var)
        reading.lock(table, mode)
        if mode.blocks_writes and not reading.is_new(table):
            words = {"mode": mode.name.replace("_", " ")}
            reading.report(rules.LOCK_TABLE, table, **words)


# --- maintenance


@reads("vacuum_stmt")
def vacuum(reading: Reading, node: Any) -> None:
    """``VACUUM`` and ``ANALYZE``."""
    full = node.is_vacuumcmd and grammar.option(node.options, "full")
    if node.is_vacuumcmd:
        reading.refuse_in_transaction("VACUUM")
    for each in node.rels:
        table = Name.of_range(each.vacuum_relation.relation)
        if full:
            reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
            if not reading.is_new(table):
                reading.report(rules.VACUUM_FULL, table, what="VACUUM FULL")
        else:
            reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
    if full and not len(node.rels):
        reading.report(rules.VACUUM_FULL, what="VACUUM FULL", table="every table")


@reads("cluster_stmt", "repack_stmt")
def cluster(reading: Reading, node: Any) -> None:
    """``CLUSTER``."""
    if not node.HasField("relation"):
        reading.refuse_in_transaction("CLUSTER of all tables")
        reading.report(rules.VACUUM_FULL, what="CLUSTER", table="every table")
        return
    table = Name.of_range(node.relation)
    found = reading.find(table)
    if reading.is_missing(table):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=table)
        return
    if found is not None and (found.kind == "p" or found.hypertable is not None):
        reading.refuse_in_transaction("CLUSTER of a partitioned table")
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
    if not reading.is_new(table):
        reading.report(rules.VACUUM_FULL, table, what="CLUSTER")


@reads("refresh_mat_view_stmt")
def refresh(reading: Reading, node: Any) -> None:
    """``REFRESH MATERIALIZED VIEW``."""
    view = Name.of_range(node.relation)
    found = reading.find(view)
    if found is not None and found.continuous_aggregate:
        cure = f'op.refresh_continuous_aggregate("{view.name}", …)'
        what = "REFRESH MATERIALIZED VIEW of a continuous aggregate"
        reading.report(rules.HYPERTABLE_REFUSES, view, what=what, cure=cure)
        return
    if reading.is_missing(view):
        reading.report(rules.DOES_NOT_EXIST, what="materialized view", name=view)
        return
    if found is not None and found.kind != "m":
        reading.report(rules.REFUSED, view, what="REFRESH of what is no materialized view", cure="correct its name")
        return
    if node.concurrent:
        reading.lock(view, LockMode.EXCLUSIVE, Work.SCAN)
        unique = found is None or any(each.unique and each.valid and each.whole for each in found.indexes.values())
        if not unique and not reading.state(view).keys:
            cure = "create a unique index on it, without WHERE, first"
            words = {"what": "REFRESH … CONCURRENTLY", "kind": "materialized view without a unique index", "cure": cure}
            reading.report(rules.CONCURRENTLY_UNSUPPORTED, view, **words)
        return
    reading.lock(view, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
    if not reading.is_new(view):
        reading.report(rules.REFRESH_MATERIALIZED_VIEW, view)


@reads("transaction_stmt")
def transaction(reading: Reading, node: Any) -> None:
    """``BEGIN``, ``COMMIT``, ``ROLLBACK``, savepoints."""
    kind = grammar.enum_name("TransactionStmtKind", node.kind)
    if kind in ("TRANS_STMT_BEGIN", "TRANS_STMT_START"):
        reading.script.inside = True
    elif kind in ("TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK", "TRANS_STMT_PREPARE"):
        reading.script.inside = node.chain
        reading.script.end_transaction()
    elif kind in ("TRANS_STMT_COMMIT_PREPARED", "TRANS_STMT_ROLLBACK_PREPARED"):
        reading.refuse_in_transaction("COMMIT PREPARED")


@reads("explain_stmt")
def explain(reading: Reading, node: Any) -> None:
    """``EXPLAIN``; with ANALYZE it does what it explains."""
    kind = node.query.WhichOneof("node")
    if kind in ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"):
        reading.lock(Name.of_range(getattr(node.query, kind).relation), LockMode.ROW_EXCLUSIVE)
    if grammar.option(node.options, "analyze") and kind in READERS:
        READERS[kind](reading, getattr(node.query, kind))
