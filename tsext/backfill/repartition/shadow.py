"""The new table: columns, defaults, CHECKs, comments, privileges of the old one, in the new shape; later its keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition import details
from tsext.backfill.repartition.move import Move, converted, table_of
from tsext.errors import RevisionFailed
from tsext.sql.quoting import identifier, literal
from tsext.sql.sending import send

KEYS = {"p": "primary key", "u": "unique constraint", "x": "exclusion constraint"}


def create(connection: Connection, move: Move, source: details.Described) -> None:
    """Create it, in the transaction that is open."""
    for statement in statements(move, source.table, source.details):
        send(connection, statement)
    if move.spec.defaults:
        for statement in _defaults(move, table_of(connection, move.spec.table, move.place)):
            send(connection, statement)
    made = details.details_of(connection, move.spec.table, move.place)
    if said := list(details.created(move, source.details, made)):
        send(connection, ";\n".join(said))


def statements(move: Move, source: catalog.MovedTable, more: catalog.TableDetails) -> Iterator[str]:
    """What makes it."""
    shadow = move.shadow
    like = f"LIKE {source} INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS"
    options = f" WITH ({', '.join(source.options)})" if source.options else ""
    space = f" TABLESPACE {more.tablespace}" if more.tablespace is not None else ""
    unlogged = "UNLOGGED " if source.persistence == "u" else ""
    yield f"CREATE {unlogged}TABLE {shadow} ({like}){options}{space}"
    for name, type_ in move.spec.types.items():
        column = identifier(name)
        yield f"ALTER TABLE {shadow} ALTER COLUMN {column} DROP DEFAULT, ALTER COLUMN {column} TYPE {type_} USING NULL"
    yield from move.spec.shape
    if source.comment is not None:
        yield f"COMMENT ON TABLE {shadow} IS {literal(source.comment)}"
    yield f"ALTER TABLE {shadow} OWNER TO {identifier(source.owner)}"
    yield from policies(shadow, source)


def _defaults(move: Move, made: catalog.MovedTable) -> Iterator[str]:
    """Those of the columns of other types; what is too long for its column is refused by each INSERT that takes it."""
    for column in made.columns:
        if column.name in move.spec.defaults:
            default = converted(move.spec.defaults[column.name], column)
            yield f"ALTER TABLE {made} ALTER COLUMN {identifier(column.name)} SET DEFAULT {default}"


def policies(table: str, source: catalog.MovedTable) -> Iterator[str]:
    """Row level security."""
    commands = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}
    for each in source.policies:
        kind = "PERMISSIVE" if each.permissive else "RESTRICTIVE"
        text = f"CREATE POLICY {identifier(each.name)} ON {table} AS {kind} FOR {commands[each.command]}"
        text += f" TO {', '.join(each.roles)}"
        text += f" USING ({each.using})" if each.using is not None else ""
        yield text + (f" WITH CHECK ({each.check})" if each.check is not None else "")
        if each.comment is not None:
            yield f"COMMENT ON POLICY {identifier(each.name)} ON {table} IS {literal(each.comment)}"
    if source.row_security:
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"


# --- keys and indexes


def replica_identity(move: Move, source: catalog.MovedTable) -> Iterator[str]:
    """By what subscribers know its rows; needs the keys."""
    if source.replica_identity == "i" and source.identity_index is not None:
        yield f"ALTER TABLE {move.shadow} REPLICA IDENTITY USING INDEX {identifier(source.identity_index)}"
    elif source.replica_identity in "fn":
        yield f"ALTER TABLE {move.shadow} REPLICA IDENTITY {'FULL' if source.replica_identity == 'f' else 'NOTHING'}"


# --- what is altered meanwhile


def refuse_altered(
    connection: Connection, current: catalog.MovedTable, other: catalog.MovedTable, types: Mapping[str, str]
) -> None:
    """Refuse to let a table take the place of one that has been altered since it was made: that would be lost.

    :param types: the columns whose types differ on purpose.
    :raises RevisionFailed: naming what only one of both has.
    """
    here, there = (_parts(connection, each, types) for each in (current, other))
    if different := sorted(here ^ there):
        raise RevisionFailed(
            f"{current} has been altered since {other} was made: {', '.join(different)} differs",
            hint="undo that, or cancel the backfill, let tsext backfill finish drop the new table, and begin anew",
        )


def _parts(connection: Connection, table: catalog.MovedTable, types: Mapping[str, str]) -> set[str]:
    found = details.indexes_of(connection, table.name, table.schema)
    columns = (
        f"column {each.name} {'' if each.name in types else each.type}{' not null' if each.not_null else ''}"
        f"{each.generated}{each.identity}"
        for each in table.columns
    )
    kinds = (*KEYS, "c")
    constraints = (f"constraint {each.name}" for each in table.constraints if each.kind in kinds)
    indexes = (f"index {each.name}" for each in found if each.valid)
    more = details.details_of(connection, table.name, table.schema)
    return {*columns, *constraints, *indexes, *(f"statistics {each.name}" for each in more.statistics)}
