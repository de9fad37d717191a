"""What ``CREATE TABLE … LIKE`` leaves out: privileges, statistics, storage, comments, names of sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition.move import Move, table_of
from tsext.errors import BackfillError
from tsext.sql.quoting import identifier, literal, qualified


def details_of(connection: Connection, name: str, schema: str) -> catalog.TableDetails:
    """Those of a table of a move.

    :raises BackfillError: if it is gone.
    """
    found = catalog.table_details(connection, name, schema)
    if found is None:
        raise BackfillError(
            f"table {schema}.{name} is gone", hint="cancel the backfill: somebody has dropped the table"
        )
    return found


@dataclass(frozen=True)
class Described:
    """All that is known of a table of a move."""

    table: catalog.MovedTable
    details: catalog.TableDetails


def described(connection: Connection, name: str, schema: str) -> Described:
    """A table of a move.

    :raises BackfillError: if it is gone.
    """
    return Described(table_of(connection, name, schema), details_of(connection, name, schema))


def indexes_of(connection: Connection, name: str, schema: str) -> Sequence[catalog.BuiltIndex]:
    """The indexes of a table of a move, also those of its keys."""
    found = catalog.indexed_table(connection, name, schema)
    return found.indexes if found is not None else ()


def created(move: Move, source: catalog.TableDetails, shadow: catalog.TableDetails) -> Iterator[str]:
    """What makes the new table like the old one, once it is there, and has its owner.

    :param shadow: what it has now, such as by default privileges.
    """
    if source.toast_options:
        yield f"ALTER TABLE {move.shadow} SET ({', '.join(source.toast_options)})"
    for column in source.columns:
        alter = f"ALTER TABLE {move.shadow} ALTER COLUMN {identifier(column.name)}"
        if column.statistics is not None:
            yield f"{alter} SET STATISTICS {column.statistics}"
        if column.options:
            yield f"{alter} SET ({', '.join(column.options)})"
    yield from _privileges(f"TABLE {move.shadow}", source.privileges, shadow.privileges)
    yield from _sequences(move, source, shadow)
    yield from _statistics(move, source)


def _privileges(on: str, wanted: Sequence[catalog.Privilege], found: Sequence[catalog.Privilege]) -> Iterator[str]:
    """Those that are too many are taken first, as with one of the table those of its columns are taken."""
    for each in found:
        if each not in wanted:
            yield f"REVOKE {each.privilege} ON {on} FROM {each.grantee}"
    for each in wanted:
        if each not in found:
            option = " WITH GRANT OPTION" if each.grantable else ""
            yield f"GRANT {each.privilege} ON {on} TO {each.grantee}{option}"


def _sequences(move: Move, source: catalog.TableDetails, shadow: catalog.TableDetails) -> Iterator[str]:
    """Of identity columns."""
    made = {each.column: each for each in shadow.sequences}
    for each in source.sequences:
        found = made[each.column]
        if found.name != each.name:
            yield f"ALTER SEQUENCE {found.relation} RENAME TO {identifier(each.name)}"
        sequence = qualified(each.name, move.place)
        if found.type != each.type and each.column not in move.spec.types:
            yield f"ALTER SEQUENCE {sequence} AS {each.type}"
        if each.comment is not None:
            yield f"COMMENT ON SEQUENCE {sequence} IS {literal(each.comment)}"
        yield from _privileges(f"SEQUENCE {sequence}", each.privileges, found.privileges)


def _statistics(move: Move, source: catalog.TableDetails) -> Iterator[str]:
    for each in source.statistics:
        name = qualified(each.name, move.place)
        what, _, _ = each.definition.rpartition(" FROM ")
        yield f"CREATE STATISTICS {name}{what} FROM {move.shadow}"
        if each.target is not None:
            yield f"ALTER STATISTICS {name} SET STATISTICS {each.target}"
        if each.comment is not None:
            yield f"COMMENT ON STATISTICS {name} IS {literal(each.comment)}"
        yield f"ALTER STATISTICS {name} OWNER TO {each.owner}"


def with_keys(move: Move, source: catalog.MovedTable, details: catalog.TableDetails) -> Iterator[str]:
    """What is said of keys and indexes, once the new table has them."""
    for each in source.constraints:
        if each.kind in ("p", "u", "x") and each.comment is not None:
            yield f"COMMENT ON CONSTRAINT {identifier(each.name)} ON {move.shadow} IS {literal(each.comment)}"
    for index in details.indexes:
        name = qualified(index.name, move.place)
        if index.comment is not None:
            yield f"COMMENT ON INDEX {name} IS {literal(index.comment)}"
        for number, target in (index.statistics or {}).items():
            yield f"ALTER INDEX {name} ALTER COLUMN {number} SET STATISTICS {target}"
        if index.clustered:
            yield f"ALTER TABLE {move.shadow} CLUSTER ON {identifier(index.name)}"


# --- exchanging


def exchange(details: catalog.TableDetails, other: str, leaves_for: str) -> Iterator[str]:
    """What has the other table's extended statistics take the places of those in place."""
    for each in details.statistics:
        name, schema = each.name, each.schema
        yield f"ALTER STATISTICS {qualified(name, schema)} SET SCHEMA {identifier(leaves_for)}"
        yield f"ALTER STATISTICS {qualified(name, other)} SET SCHEMA {identifier(schema)}"


def published(details: catalog.TableDetails, left: str, current: str) -> Iterator[str]:
    """What has publications publish the table that takes the place.

    :param left: the one that has left it.
    """
    for each in details.publications:
        columns = f" ({', '.join(each.columns)})" if each.columns else ""
        rows = f" WHERE ({each.condition})" if each.condition is not None else ""
        yield f"ALTER PUBLICATION {each.name} DROP TABLE {left}"
        yield f"ALTER PUBLICATION {each.name} ADD TABLE {current}{columns}{rows}"


def rules(details: catalog.TableDetails) -> Iterator[str]:
    """What has rules of views mean the table that has its name then."""
    for definition in details.view_rules:
        yield definition.replace("CREATE RULE", "CREATE OR REPLACE RULE", 1).rstrip(";")
