"""Indexes: created, built anew, dropped."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from tsext.catalog import IndexFacts, RelationFacts
from tsext.model.locks import LockMode, Work
from tsext.safety import hints, hypertables, immutable, rules
from tsext.safety.expressions import columns_in
from tsext.safety.names import Name
from tsext.safety.reading import Reading, reads
from tsext.sql import grammar


@reads("index_stmt")
def create_index(reading: Reading, node: Any) -> None:
    """``CREATE INDEX``."""
    table = Name.of_range(node.relation)
    if reading.is_missing(table):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=table)
        return
    if not _can_be_indexed(reading, table):
        reading.report(rules.REFUSED, table, what="an index of it", cure="index the tables that it reads")
        return
    named = [each.index_elem.name for each in node.index_params if each.index_elem.name]
    expressions = [each.index_elem.expr for each in node.index_params if each.index_elem.HasField("expr")]
    if _index_exists(reading, table, node):
        return
    reading.need_columns(table, *named, *{column for each in expressions for column in columns_in(each)})
    schema = reading.script.key(table).schema
    name = node.idxname or usual_name(table.name, node, lambda each: _is_taken(reading, Name(schema, each)))
    immutable.refuse_changing(reading, table, "an index", *expressions, node.where_clause)
    immutable.refuse_method(reading, table, node)
    state = reading.script.create(Name(schema, name), kind="i")
    state.index_of, state.index = reading.script.key(table), index_of(node, name, named)
    if node.unique:
        reading.script.change(table).keys.append(frozenset(named))
    refused = hypertables.refuse_index(reading, table, node) or _refuse_partitioned(reading, table, node, named)
    if node.concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE, Work.BUILD)
        reading.refuse_in_transaction("CREATE INDEX CONCURRENTLY")
        return
    found = reading.find(table)
    divided = found is None or not found.whole or found.kind == "p" or found.hypertable is not None
    root_only = not node.relation.inh and divided
    reading.lock(table, LockMode.SHARE, None if root_only or reading.is_new(table) else Work.BUILD)
    if refused or root_only or reading.is_new(table) or _is_only_refreshed(found):
        return
    by_chunk = any(each.def_elem.defname == "transaction_per_chunk" for each in node.options)
    if by_chunk:
        reading.refuse_in_transaction("CREATE INDEX … WITH (timescaledb.transaction_per_chunk)")
    rule = rules.TRANSACTION_PER_CHUNK if by_chunk else rules.CREATE_INDEX
    reading.report(rule, table, arguments=hints.index(reading, table, node))


def _is_taken(reading: Reading, name: Name) -> bool:
    return reading.is_new(name) or reading.find(name) is not None


def usual_name(table: str, node: Any, is_taken: Callable[[str], bool]) -> str:
    """What PostgreSQL calls an index that is given no name: ``ChooseIndexName`` in indexcmds.c."""
    elements = (*node.index_params, *node.index_including_params)
    name = "_".join([table, *map(_usual_part, elements), "idx"])
    return next(each for each in (f"{name}{number or ''}" for number in count()) if not is_taken(each))


def _usual_part(element: Any) -> str:
    called = element.index_elem.expr.func_call.funcname
    return element.index_elem.name or (called[-1].string.sval if len(called) else "expr")


def index_of(node: Any, name: str, named: list[str]) -> IndexFacts:
    """What is created."""
    expressions = any(each.index_elem.HasField("expr") for each in node.index_params)
    included = [each.index_elem.name for each in node.index_including_params]
    reads = sorted({*named, *included, *columns_in(node)})
    whole = not node.HasField("where_clause")
    return IndexFacts(name, node.unique, True, whole, (*named, *included), tuple(reads), expressions)


def _can_be_indexed(reading: Reading, table: Name) -> bool:
    found = reading.find(table)
    return found is None or found.kind in "rpm" or found.continuous_aggregate


def _is_only_refreshed(found: RelationFacts | None) -> bool:
    """Whether nobody writes to it but a refresh, which can wait: a materialized view, a continuous aggregate."""
    return found is not None and (found.kind == "m" or found.continuous_aggregate)


def _index_exists(reading: Reading, table: Name, node: Any) -> bool:
    """Whether there is a relation of its name, so that nothing is created."""
    index = Name(reading.script.key(table).schema, node.idxname) if node.idxname else None
    if index is None or (reading.find(index) is None and not reading.is_new(index)):
        return False
    reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else LockMode.SHARE)
    found = reading.find(table)
    known = found.indexes.get(node.idxname) if found is not None else None
    if not node.if_not_exists:
        reading.report(rules.EXISTS_ALREADY, what="relation", name=index)
    elif known is not None and not known.valid:
        reading.report(rules.INVALID_INDEX, table, name=node.idxname)
    return True


def _refuse_partitioned(reading: Reading, table: Name, node: Any, columns: list[str]) -> bool:
    """What PostgreSQL refuses of indexes of partitioned tables; whether it does."""
    found, state = reading.find(table), reading.state(table)
    if (found is None or found.kind != "p") and not (state.new and state.kind == "p"):
        return False
    if node.concurrent:
        cure = "CREATE INDEX ON ONLY the parent, concurrently on each partition, then ALTER INDEX … ATTACH PARTITION"
        words = {"what": "CREATE INDEX CONCURRENTLY", "kind": "partitioned table", "cure": cure}
        reading.report(rules.CONCURRENTLY_UNSUPPORTED, table, **words)
        return True
    lacking = sorted(set(found.partition_key) - set(columns)) if found is not None and node.unique else []
    if lacking:
        what = f"a unique index without {', '.join(lacking)}, by which it is partitioned"
        reading.report(rules.REFUSED, table, what=what, cure="add it to the columns of the index")
    return bool(lacking)


@reads("reindex_stmt")
def reindex(reading: Reading, node: Any) -> None:
    """``REINDEX``."""
    kind = grammar.enum_name("ReindexObjectType", node.kind)
    concurrent = grammar.option(node.params, "concurrently")
    name = Name.of_range(node.relation) if node.HasField("relation") else Name(None, node.name or "the database")
    found = reading.find(name) if node.HasField("relation") else None
    if node.HasField("relation") and reading.is_missing(name):
        reading.report(rules.DOES_NOT_EXIST, what="relation", name=name)
        return
    if found is not None and found.kind in "pI":
        reading.refuse_in_transaction("REINDEX of a partitioned table")
    if concurrent or kind not in ("REINDEX_OBJECT_INDEX", "REINDEX_OBJECT_TABLE"):
        reading.refuse_in_transaction(f"REINDEX{' CONCURRENTLY' if concurrent else ' of more than a table'}")
    table = index_table(reading, name) if kind == "REINDEX_OBJECT_INDEX" else name
    hypertables.refuse_reindex(reading, table, index=kind == "REINDEX_OBJECT_INDEX", concurrent=concurrent)
    if concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE, Work.BUILD)
        return
    reading.lock(table, LockMode.SHARE, Work.BUILD)
    if table != name:
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(table):
        one = kind == "REINDEX_OBJECT_INDEX"
        cure = f"op.reindex_concurrently({name.arguments()})" if one else "op.reindex_concurrently for each index of it"
        reading.report(rules.REINDEX, table, cure=cure)


def index_table(reading: Reading, index: Name) -> Name:
    """The table of an index; the index itself, if that is not known."""
    made = reading.state(index)
    if made.index_of is not None:
        return made.index_of
    found = reading.find(index)
    return Name(*found.index_of) if found is not None and found.index_of is not None else index


def drop_index(reading: Reading, index: Name, node: Any) -> None:
    """``DROP INDEX [CONCURRENTLY]``."""
    if reading.is_missing(index):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="index", name=index)
        return
    table, known = index_table(reading, index), reading.find(index)
    was = reading.state(index).was
    name = was.name if was is not None else index.name
    owner = next((each.name for each in reading.constraints(table) if each.index == name and each.kind in "pux"), None)
    if owner is not None:
        reading.report(rules.DEPENDENTS, table, name=index, dependents=f"constraint {owner}")
    if known is not None and known.parent is not None:
        reading.report(rules.DEPENDENTS, name=index, dependents=f"index {known.parent[1]}")
    hypertables.refuse_drop(reading, index, table, node)
    if node.concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
        if known is not None and known.kind == "I":
            words = {"what": "DROP INDEX CONCURRENTLY", "kind": "partitioned table", "cure": "DROP INDEX"}
            reading.report(rules.CONCURRENTLY_UNSUPPORTED, table, **words)
        elif len(node.objects) > 1:
            cure = "one statement for each"
            reading.report(rules.REFUSED, table, what="DROP INDEX CONCURRENTLY of several indexes", cure=cure)
        reading.refuse_in_transaction("DROP INDEX CONCURRENTLY")
        return
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(index) and not reading.is_new(table):
        reading.report(rules.DROP_INDEX, table, name=index, arguments=index.arguments())
