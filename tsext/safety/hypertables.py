"""What TimescaleDB refuses on hypertables, their chunks, and continuous aggregates.

Source: ``process_altertable_start`` in TimescaleDB's process_utility.c.
"""

from __future__ import annotations

from typing import Any

from tsext.catalog import RelationFacts
from tsext.model.locks import LockMode
from tsext.safety import columnstores, rules, types
from tsext.safety.names import Name
from tsext.safety.reading import Reading
from tsext.sql import grammar

_NEVER = {
    "AT_AddInherit": "INHERIT", "AT_DropInherit": "NO INHERIT", "AT_AttachPartition": "ATTACH PARTITION",
    "AT_DetachPartition": "DETACH PARTITION", "AT_AddOf": "OF",
}  # fmt: skip


_REPARTITION = "op.repartition_hypertable moves all rows into another hypertable, while others write"


_INTERNAL = "_timescaledb_internal"


_CHUNK_ALLOWS = {
    "AT_SetOptions", "AT_ResetOptions", "AT_SetRelOptions", "AT_ResetRelOptions", "AT_ReplaceRelOptions",
    "AT_SetStatistics", "AT_SetStorage", "AT_SetCompression", "AT_ClusterOn", "AT_DropCluster",
    "AT_EnableRowSecurity", "AT_DisableRowSecurity", "AT_ForceRowSecurity", "AT_NoForceRowSecurity",
    "AT_SetTableSpace", "AT_SetAccessMethod", "AT_SetLogged", "AT_SetUnLogged", "AT_AddConstraint",
    "AT_DropConstraint", "AT_ReplicaIdentity", "AT_ChangeOwner",
}  # fmt: skip


_MATERIALIZATION_ALLOWS = {
    "AT_SetRelOptions", "AT_ResetRelOptions", "AT_ReplaceRelOptions", "AT_AddIndex", "AT_ReAddIndex",
    "AT_ReplicaIdentity",
}  # fmt: skip


def _refuse_internal(reading: Reading, table: Name, subtype: str) -> None:
    """One command of ALTER TABLE about a chunk, or what a continuous aggregate is kept in."""
    what = subtype.removeprefix("AT_")
    if table.name.startswith("_materialized_hypertable_") and subtype not in _MATERIALIZATION_ALLOWS:
        _refuse(reading, table, f"{what} of what a continuous aggregate is kept in", "ALTER MATERIALIZED VIEW")
    elif table.name.startswith("_hyper_") and table.name.endswith("_chunk") and subtype not in _CHUNK_ALLOWS:
        _refuse(reading, table, f"{what} of a chunk", "alter the hypertable")


def refuse_only(reading: Reading, table: Name, node: Any) -> None:
    """``ALTER TABLE ONLY`` of a hypertable."""
    found = reading.find(table)
    if found is None or found.hypertable is None:
        return
    subtypes = {grammar.enum_name("AlterTableType", each.alter_table_cmd.subtype) for each in node.cmds}
    if reading.is_before(2, 23) or not subtypes <= {"AT_SetRelOptions", "AT_ResetRelOptions"}:
        _refuse(reading, table, "ALTER TABLE ONLY", "leave ONLY out: chunks follow their hypertable")


def refuse_truncate_only(reading: Reading, table: Name) -> None:
    """``TRUNCATE ONLY`` of a hypertable."""
    found = reading.find(table)
    if found is not None and found.hypertable is not None:
        _refuse(reading, table, "TRUNCATE ONLY", "leave ONLY out")


def refuse_cascade(reading: Reading, table: Name) -> None:
    """``TRUNCATE … CASCADE`` of a hypertable that foreign keys refer to."""
    found = reading.find(table)
    if found is not None and found.hypertable is not None and reading.is_before(2, 22):
        _refuse(reading, table, "TRUNCATE … CASCADE while foreign keys refer to it", "drop the foreign keys first")


def refuse_drop_together(reading: Reading, table: Name, together: int) -> None:
    """``DROP TABLE`` of a hypertable and others."""
    found = reading.find(table)
    if found is not None and found.hypertable is not None and together > 1 and reading.is_before(2, 23):
        _refuse(reading, table, "dropping it along with other tables", "one statement for each")


def lock_renamed_index(reading: Reading, table: Name) -> None:
    """``ALTER INDEX … RENAME`` of a hypertable's index; since 2.22 its chunks' indexes are found by locking them."""
    found = reading.find(table)
    if found is not None and found.hypertable is not None and reading.is_since(2, 22):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)


def refuse_child(reading: Reading, parent: Name) -> None:
    """``INHERITS (hypertable)``, and ``INHERIT`` of one."""
    found = reading.find(parent)
    if found is not None and found.hypertable is not None and reading.is_since(2, 28):
        _refuse(reading, parent, "tables that inherit from it", "CREATE TABLE … (LIKE …)")


def _set_options(reading: Reading, table: Name, found: RelationFacts | None, command: Any) -> None:
    """``SET (timescaledb.…)``, which turns the columnstore on."""
    options = [each.def_elem for each in getattr(command, "def").list.items]
    theirs = {each.defname for each in options if each.defnamespace in ("timescaledb", "tsdb")}
    if not theirs or found is None:
        return
    if found.continuous_aggregate:
        reading.forget_lock(table)
    elif found.hypertable is not None:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    server = reading.facts.timescaledb
    if server is not None and server.license.value == "apache" and any("co" in each for each in theirs):
        reading.report(rules.LICENSE, what="the columnstore")
    elif found.hypertable is None and found.kind == "r" and not reading.state(table).hypertable:
        _refuse(reading, table, "options of hypertables: it is none", "op.create_hypertable first")
    elif found.compressed and _turns_off(options):
        cure = "convert its chunks to rowstore first: op.convert_to_rowstore"
        _refuse(reading, table, "turning the columnstore off while chunks are in it", cure)
    elif found.columnstore is None and {"compress", "enable_columnstore", "columnstore"} & theirs:
        if any(each.kind == "x" for each in reading.constraints(table)):
            _refuse(reading, table, "the columnstore, as it has an exclusion constraint", "drop the constraint first")
        if found.row_security:
            _refuse(reading, table, "the columnstore, as it has row security", "check rights in a view")


def _turns_off(options: list[Any]) -> bool:
    """Whether they have ``timescaledb.compress = false``, under any of its names."""
    names = ("compress", "enable_columnstore", "columnstore")
    return any(each.defname in names and each.arg.string.sval.lower() in ("false", "off", "0") for each in options)


def refuse_alteration(reading: Reading, table: Name, subtype: str, command: Any) -> None:
    """One command of ALTER TABLE, if it is about a hypertable."""
    if table.schema == _INTERNAL:
        _refuse_internal(reading, table, subtype)
        return
    found = reading.find(table)
    if subtype == "AT_SetRelOptions":
        _set_options(reading, table, found, command)
    if reading.state(table).hypertable and subtype == "AT_AddConstraint":
        _add_constraint(reading, table, getattr(command, "def").constraint)
    if found is not None and found.hypertable is not None:
        _refuse_on_hypertable(reading, table, found, subtype, command)
        if found.columnstore is not None and subtype not in _NEVER:
            columnstores.refuse_alteration(reading, table, found, subtype, command)


def _refuse_on_hypertable(reading: Reading, table: Name, found: RelationFacts, subtype: str, command: Any) -> None:
    if subtype in _NEVER:
        _refuse(reading, table, _NEVER[subtype], "a hypertable has chunks of its own")
    elif subtype == "AT_AddColumn":
        _add_column(reading, table, found, getattr(command, "def").column_def)
    elif subtype == "AT_AddConstraint":
        _add_constraint(reading, table, getattr(command, "def").constraint)
    elif subtype == "AT_DropColumn" and command.name in dimensions(reading, table):
        _refuse(reading, table, f"dropping {command.name}, by which it is partitioned", _REPARTITION)
    elif subtype == "AT_DropNotNull" and command.name in dimensions(reading, table)[:1]:
        _refuse(reading, table, f"a partitioning column {command.name} that may be null", "leave it NOT NULL")
    elif subtype == "AT_AlterColumnType":
        _column_type(reading, table, found, command)
        _refuse_type_of_key(reading, table, found, command.name)
    elif subtype in columnstores.TRIGGERS and reading.is_before(2, 27):
        _refuse(reading, table, "ENABLE or DISABLE TRIGGER below TimescaleDB 2.27", "drop the trigger, create it again")
    elif subtype in ("AT_SetLogged", "AT_SetUnLogged") and reading.is_before(2, 23):
        _refuse(reading, table, "SET LOGGED or UNLOGGED below TimescaleDB 2.23", "decide when the table is created")


def refuse_index(reading: Reading, table: Name, node: Any) -> bool:
    """CREATE INDEX on a hypertable; whether it was refused."""
    found, made = reading.find(table), reading.state(table).hypertable
    if not made and (found is None or (found.hypertable is None and not found.continuous_aggregate)):
        return False
    options = {each.def_elem.defname for each in node.options}
    cure = f'op.create_index_concurrently("{node.idxname or "name"}", "{table}", […]), which goes chunk by chunk'
    aggregate = found is not None and found.continuous_aggregate
    if node.concurrent:
        words = {"kind": "continuous aggregate" if aggregate else "hypertable"}
        reading.report(rules.CONCURRENTLY_UNSUPPORTED, table, what="CREATE INDEX CONCURRENTLY", cure=cure, **words)
        return True
    if node.unique and aggregate:
        _refuse(reading, table, "a UNIQUE index of a continuous aggregate", "leave UNIQUE out: its groups are unique")
        return True
    if node.unique and "transaction_per_chunk" in options:
        _refuse(reading, table, "a UNIQUE index with transaction_per_chunk", cure)
        return True
    if node.unique:
        indexed = {each.index_elem.name for each in node.index_params}
        return _lacks_dimension(reading, table, indexed, "a UNIQUE index")
    return False


def refuse_drop(reading: Reading, index: Name, table: Name, node: Any) -> None:
    """DROP INDEX of a hypertable with chunks."""
    found = reading.find(table)
    if found is None or found.hypertable is None or not found.parts:
        return
    cure = f'op.drop_index_concurrently("{index.name}")'
    if node.concurrent and reading.is_since(2, 22):
        words = {"what": "DROP INDEX CONCURRENTLY", "kind": "hypertable with chunks", "cure": cure}
        reading.report(rules.CONCURRENTLY_UNSUPPORTED, table, **words)
    elif len(node.objects) > 1 and reading.is_before(2, 22):
        _refuse(reading, table, "dropping its index together with others", "one statement for each")


def refuse_reindex(reading: Reading, table: Name, *, index: bool, concurrent: bool) -> None:
    """REINDEX of a hypertable or its index."""
    found = reading.find(table)
    if found is None or found.hypertable is None:
        return
    if index or concurrent:
        what = f"REINDEX {'INDEX' if index else 'TABLE'}{' CONCURRENTLY' if concurrent else ''}"
        cure = "op.reindex_concurrently, which goes chunk by chunk"
        reading.report(rules.CONCURRENTLY_UNSUPPORTED, table, what=what, kind="hypertable", cure=cure)


def refuse_trigger(reading: Reading, table: Name, node: Any) -> None:
    """CREATE TRIGGER on a hypertable."""
    found = reading.find(table)
    if found is None or found.hypertable is None:
        return
    if node.row and len(node.transition_rels):
        _refuse(reading, table, "a row trigger with transition tables", "make it FOR EACH STATEMENT")
    elif found.columnstore is not None and node.events & columnstores.ON_DELETE and len(node.transition_rels):
        columnstores.refuse(
            reading, table, "a DELETE trigger with transition tables", "look at the rows in a row trigger"
        )


def refuse_rule(reading: Reading, table: Name) -> None:
    """CREATE RULE on a hypertable."""
    found = reading.find(table)
    if found is not None and found.hypertable is not None:
        _refuse(reading, table, "rules", "use a trigger, or a view with rules over it")


def warn_of_moves(reading: Reading, table: Name, columns: list[str]) -> None:
    """UPDATE of what decides to which chunk a row belongs."""
    for each in dimensions(reading, table):
        if each in columns:
            reading.report(rules.MOVED_ROWS, table, column=each)


def _add_column(reading: Reading, table: Name, found: RelationFacts, column: Any) -> None:
    kinds = {grammar.enum_name("ConstrType", each.constraint.contype): each.constraint for each in column.constraints}
    if "CONSTR_IDENTITY" in kinds and found.parts:
        _refuse(reading, table, "a new identity column", "add a bigint with DEFAULT nextval('…')")
    unique = [kind for kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY") if kind in kinds]
    if unique:
        _lacks_dimension(reading, table, {column.colname}, "a unique constraint")


def _add_constraint(reading: Reading, table: Name, constraint: Any) -> None:
    kind = grammar.enum_name("ConstrType", constraint.contype)
    if kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        if constraint.indexname:
            _refuse(
                reading, table, "ADD CONSTRAINT … USING INDEX", "leave it a unique index: op.create_index_concurrently"
            )
            return
        _lacks_dimension(reading, table, {each.string.sval for each in constraint.keys}, "a unique constraint")
    elif kind == "CONSTR_FOREIGN":
        referenced = reading.find(Name.of_range(constraint.pktable))
        if referenced is not None and referenced.hypertable is not None:
            _refuse(
                reading, table, "a foreign key to another hypertable", "check it in a trigger, or in the application"
            )
    elif kind == "CONSTR_EXCLUSION":
        named = {each.list.items[0].index_elem.name for each in constraint.exclusions}
        _lacks_dimension(reading, table, named, "an exclusion constraint")


def _lacks_dimension(reading: Reading, table: Name, columns: set[str], what: str) -> bool:
    lacking = [each for each in dimensions(reading, table) if each not in columns]
    if lacking:
        cure = f"add {', '.join(lacking)} to its columns"
        _refuse(reading, table, f"{what} without {', '.join(lacking)}, by which it is partitioned", cure)
    return bool(lacking)


def _column_type(reading: Reading, table: Name, found: RelationFacts, command: Any) -> None:
    if command.name not in dimensions(reading, table) or command.name not in found.columns:
        return
    old = types.of_text(found.columns[command.name].type).name
    new = types.of_node(getattr(command, "def").column_def.type_name).name
    integers = {"smallint", "integer", "bigint"}
    times = {"timestamp with time zone", "timestamp without time zone", "date"}
    hashed = command.name != (found.hypertable.column if found.hypertable else None)
    if hashed or not ({old, new} <= integers or {old, new} <= times):
        _refuse(reading, table, f"making {command.name}, by which it is partitioned, a {new}", _REPARTITION)


def _refuse_type_of_key(reading: Reading, table: Name, found: RelationFacts, column: str) -> None:
    """Below 2.22 the chunks' indexes are registered, and the one of a constraint is registered twice."""
    keys = [each.name for each in reading.constraints(table) if each.kind in "pu" and column in each.columns]
    if keys and found.parts and column in dimensions(reading, table) and reading.is_before(2, 22):
        _refuse(
            reading, table, f"another type of {column}, which {keys[0]} has", f"drop {keys[0]} first, and add it again"
        )


def dimensions(reading: Reading, table: Name) -> list[str]:
    """The columns by which a hypertable is partitioned, by the names that they have now."""
    found, state = reading.find(table), reading.state(table)
    renamed = {old: new for new, old in state.columns.items() if old is not None}
    known = list(state.dimensions)
    if found is not None and found.hypertable is not None:
        known += [found.hypertable.column, *(each.column for each in found.hypertable.dimensions or ())]
    return [renamed.get(each, each) for each in known]


def make(reading: Reading, table: Name, column: str | None) -> None:
    """A table is partitioned by a column; its unique keys must have it."""
    state, found = reading.script.change(table), reading.find(table)
    state.hypertable = True
    if column is None:
        return
    state.dimensions.append(column)
    keys = [*state.keys]
    if found is not None:
        keys += [frozenset(each.columns) for each in found.indexes.values() if each.unique]
    for each in keys:
        if _lacks_dimension(reading, table, set(each), "a unique key"):
            return


def _refuse(reading: Reading, table: Name, what: str, cure: str) -> None:
    reading.report(rules.HYPERTABLE_REFUSES, table, what=what, cure=cure)
