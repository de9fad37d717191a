"""Statements about rows, and those that maintain tables."""

from __future__ import annotations

from typing import Any

from tsext.model.locks import LockMode, Work
from tsext.safety import calls, extent, firing, hypertables, rules, values
from tsext.safety.expressions import gives_many_rows, longest_series, reads_everything
from tsext.safety.looping import Looping
from tsext.safety.names import Name
from tsext.safety.reading import READERS, Reading, reads
from tsext.safety.tables import read_relations, read_whole
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
        state = reading.script.create(Name.of_range(into), temporary=into.relpersistence == "t")
        state.filled, state.copied = True, bool(read_whole(reading, node))
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
    source = node.select_stmt.select_stmt
    values.refuse_rows(reading, node)
    if node.HasField("select_stmt"):
        read_relations(reading, source, work=Work.SCAN)
        calls.read(reading, source)
        if gives_many_rows(source):
            reading.script.change(table).filled = True
            _fill(reading, table, node)
    used = read_whole(reading, source) if node.HasField("select_stmt") else []
    firing.fire(reading, table, "INSERT", rows=Looping.ALL if used else Looping.NONE)
    reading.lock(table, LockMode.ROW_EXCLUSIVE)


def _fill(reading: Reading, table: Name, node: Any) -> None:
    """An ``INSERT`` of the rows that a query gives; those that it changes on conflict are locked."""
    source, series = node.select_stmt.select_stmt, longest_series(node.select_stmt)
    used = read_whole(reading, source)
    if used:
        reading.script.change(table).copied = True
    if reading.is_new(table) or not (series >= extent.MANY or used):
        return
    changes = grammar.enum_name("OnConflictAction", node.on_conflict_clause.action) == "ONCONFLICT_UPDATE"
    if changes and used:
        cure = _in_batches(table, "INSERT … ON CONFLICT DO UPDATE")
        reading.report(rules.MASS_UPDATE, table, verb="INSERT … ON CONFLICT DO UPDATE", cure=cure)
    elif series >= extent.MANY or any(extent.is_large(reading, each) is not False for each in used):
        reading.report(rules.MASS_INSERT, table, rows=f"all rows of {used[0]}" if used else f"{series} rows")


@reads("update_stmt")
def update(reading: Reading, node: Any) -> None:
    """``UPDATE``."""
    table = Name.of_range(node.relation)
    changed = [each.res_target.name for each in node.target_list]
    hypertables.warn_of_moves(reading, table, changed)
    values.refuse(reading, table, [(each.res_target.name, each.res_target.val) for each in node.target_list])
    _change(reading, node, "UPDATE")
    reading.script.change(table).empty.difference_update(changed)


@reads("delete_stmt")
def delete(reading: Reading, node: Any) -> None:
    """``DELETE``."""
    table = Name.of_range(node.relation)
    condition = extent.condition(reading, node)
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
        if extent.is_join(reading, node.join_condition, [node.source_relation]):
            reading.report(rules.MASS_UPDATE, table, verb="MERGE", cure=_in_batches(table, "MERGE"))
        else:
            _report_wide(reading, table, "MERGE")


def _change(reading: Reading, node: Any, verb: str) -> None:
    table = Name.of_range(node.relation)
    if reading.is_missing(table):
        reading.report(rules.DOES_NOT_EXIST, what="relation", name=table)
        return
    read_relations(reading, node, besides=table)
    condition = extent.condition(reading, node)
    rows = _repeated(reading, node) if condition is None else Looping.NONE
    row_by_row = rows >= Looping.REST
    alone = condition is None and rows is Looping.NONE
    some = condition is False or (alone and extent.names_a_value(reading, node))
    if condition is not False:
        _fire(reading, node, verb, Looping.ALL if condition is True else rows)
    reading.lock(table, LockMode.ROW_EXCLUSIVE, None if some else Work.SCAN)
    if some or reading.is_new(table):
        return
    joins = extent.is_join(reading, node.where_clause, extent.sources(node))
    if condition is True or row_by_row or joins or extent.is_of_empty_column(reading, node):
        reading.report(rules.MASS_UPDATE, table, verb=verb, cure=_in_batches(table, verb))
    elif not extent.is_batch(reading, node):
        _report_wide(reading, table, verb)


def _repeated(reading: Reading, node: Any) -> Looping:
    """Which rows the loop is about, for a statement of some rows in it."""
    looping = reading.script.looping
    if looping is Looping.REST:
        again = extent.is_batch(reading, node) or extent.goes_by_variable(reading, node)
        return Looping.REST if again else Looping.NONE
    return looping if looping is Looping.ALL or extent.goes_by_variable(reading, node) else Looping.NONE


def _fire(reading: Reading, node: Any, verb: str, rows: Looping) -> None:
    changed = [each.res_target.name for each in node.target_list] if verb == "UPDATE" else None
    firing.fire(reading, Name.of_range(node.relation), verb, rows=rows, changed=changed)


def _report_wide(reading: Reading, table: Name, verb: str) -> None:
    """It finds as many rows as there may be, which are few at most in a table that is small."""
    found, words = reading.find(table), {"verb": verb, "cure": _in_batches(table, verb)}
    if found is not None and extent.is_large(reading, table):
        reading.report(rules.LARGE_UPDATE, table, size=f"{(found.bytes or 0) >> 20} MB", **words)
    else:
        reading.report(rules.WIDE_UPDATE, table, **words)


def _in_batches(table: Name, verb: str) -> str:
    if verb == "UPDATE":
        return f"op.backfill({table.arguments()}, set=…, where=…), which changes rows in batches"
    what = {"MERGE": "merge into", "DELETE": "delete from"}.get(verb, "insert into")
    return f"{what} {table} in batches, by ranges of its key, each committed in an autocommit block"


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
        if found is not None and found.kind in "vm":
            reading.report(rules.REFUSED, table, what="TRUNCATE of a view", cure="name its tables")
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
        indexed = any(each.unique and each.valid and each.whole for each in reading.indexes(view))
        if reading.knows(view) and not indexed:
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
