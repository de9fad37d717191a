"""A table copied from another database, from its declaration to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.backfill import ledger, workers
from tsext.backfill.ledger import Backfill, Declaration, Progress
from tsext.errors import LoadError
from tsext.history import bookkeeping
from tsext.loading import attending, transfer
from tsext.loading.rejects import query
from tsext.loading.transfer import Spec, source_of, table_of
from tsext.settings import normalise_url
from tsext.sql.sending import said


@dataclass(frozen=True)
class Request:
    """What a user asks for.

    :param url: of the other database.
    :param table: here, as it stands in SQL.
    :param source: there; None: of the same name.
    :param name: in the ledger; None: made of the table's.
    :param columns: None: all that can be written.
    :param workers: how many copy at once.
    """

    url: str
    table: str
    source: str | None = None
    name: str | None = None
    columns: list[str] | None = None
    catch_up: bool = False
    """Whether what is copied already is compared once more, and copied where it differs."""
    workers: int = 2

    @property
    def load_name(self) -> str:
        """The name in the ledger."""
        return self.name or f"load-{self.table}-from-database"


@dataclass(frozen=True)
class Transferred:
    """How it stands."""

    name: str
    table: str
    source: str
    database: str
    """Its URL, without a password."""
    state: str
    already_done: bool
    """Whether all was copied before."""
    compared_again: bool
    """Whether it was compared once more for that."""
    rows: int
    """Written, in all; those of ranges that were copied again, too."""
    ranges: int
    ranges_left: int
    """To be copied or compared."""
    interrupted: bool = False


def load(engine: Engine, request: Request, watch: Callable[[Progress], None] = lambda _: None) -> Transferred:
    """Copy a table, or what is left of it, and compare both.

    :param watch: told how far it is, twice a second.
    :raises LoadError: if it cannot be begun, or cannot go on: with what to do.
    """
    url = _without_password(request.url)
    try:
        with workers.connected(engine) as connection:
            backfill = _declare(connection, replace(request, url=url))
            already = backfill.state in attending.DONE
            _compare_again(connection, backfill, ["done"] if already and request.catch_up else ["failed"])
            attending.open_again(connection, backfill)
        interrupted = (request.catch_up or not already) and attending.attend(engine, backfill, request.workers, watch)
    finally:
        transfer.leave(url)
    with engine.connect() as connection:
        standing = attending.standing(connection, backfill.name)
    if not interrupted:
        of = len(standing.tasks)
        attending.refuse_stopped(standing, f"{of - standing.left} of {of} ranges are copied or compared")
    return Transferred(
        name=backfill.name,
        table=backfill.source,
        source=Spec.of(backfill).source,
        database=url,
        state=str(standing.backfill.state),
        already_done=already,
        compared_again=request.catch_up,
        rows=standing.progress.rows,
        ranges=sum(each.step == transfer.COPY for each in standing.tasks),
        ranges_left=standing.left,
        interrupted=interrupted,
    )


def _without_password(url: str) -> str:
    """A URL as it stands in the ledger; the password is kept for workers in this process.

    :raises SettingsError: if it is no URL of a PostgreSQL database.
    """
    normalise_url(url)
    given = make_url(url)
    password = given.password or given.query.get("password")
    plain = given.set(password=None).difference_update_query(["password"]).render_as_string()
    if password is not None:
        transfer.passwords[plain] = str(password)
    return plain


def _declare(connection: Connection, request: Request) -> Backfill:
    """Enter it in the ledger, or find it there."""
    table = catalog.named(connection, request.table)
    if table is None:
        raise LoadError(f"there is no table {request.table}", hint="create it first, as it is to be")
    relation = str(table)
    bookkeeping.upgrade(connection, ledger=True)
    try:
        with source_of(request.url) as source:
            spec = _spec(connection, source, request, relation)
    except DBAPIError as error:
        raise LoadError(
            f"{request.url} cannot be read: {said(error)}",
            hint="a password that is not in the URL is looked for in PGPASSWORD and in ~/.pgpass, wherever workers run",
        ) from error
    known = ledger.named(connection, request.load_name)
    if known is None:
        _refuse_filled(connection, relation)
    wanted = Declaration(transfer.KIND, relation, spec.as_json(), given=request.load_name)
    with ledger.transaction(connection):
        backfill = ledger.declare(connection, wanted)
        if known is None:
            ledger.limit(connection, backfill, attending.LIMITS)
    return backfill


def _compare_again(connection: Connection, backfill: Backfill, states: list[str]) -> None:
    """Open comparisons that are in some states, as if they had not been tried."""
    given = {"backfill": backfill.id, "step": transfer.COMPARE, "states": states}
    with ledger.transaction(connection):
        if connection.exec_driver_sql(query("reopen"), given).rowcount:
            ledger.set_state(connection, backfill, ledger.State.RUNNING)


def _spec(connection: Connection, source: Connection, request: Request, relation: str) -> Spec:
    theirs, ours = table_of(source, request.source or request.table), table_of(connection, relation)
    there = {each.name: each for each in theirs.columns if not each.generated}
    here = {each.name: each for each in ours.columns if not each.generated}
    columns = request.columns or list(here)
    if missing := [each for each in columns if each not in there or each not in here]:
        raise LoadError(
            f"column {', '.join(missing)} is not in both {theirs} there and {ours} here",
            hint="name those that are in both: --columns a,b; others get their defaults",
        )
    if other := [each for each in columns if there[each].type != here[each].type]:
        raise LoadError(
            ", ".join(f"{each} is {there[each].type} there and {here[each].type} here" for each in other),
            hint="make the types the same: rows are copied in binary form, and compared by their hash",
        )
    encodings = [each.exec_driver_sql("SHOW server_encoding").scalar() for each in (source, connection)]
    if encodings[0] != encodings[1]:
        raise LoadError(
            f"the encoding is {encodings[0]} there and {encodings[1]} here", hint="copy into a database of the same one"
        )
    column = _column(source, theirs)
    if column not in columns:
        raise LoadError(f"{column}, by whose ranges it is copied, is not among the columns", hint=f"add it: {column}")
    return Spec(request.url, str(theirs), columns, column, there[column].type)


def _column(source: Connection, table: catalog.MovedTable) -> str:
    """By whose ranges it can be copied."""
    found = catalog.hypertable(source, table.name, table.schema)
    order = (found.column,) if found is not None else catalog.row_order(source, str(table))
    if not order:
        raise LoadError(
            f"{table} has no column by whose ranges it could be copied",
            hint="it needs a primary key, or a unique index over columns that are NOT NULL; or COPY it to a file",
        )
    return order[0]


def _refuse_filled(connection: Connection, relation: str) -> None:
    if connection.exec_driver_sql(f"SELECT EXISTS (SELECT FROM {relation})").scalar():
        raise LoadError(
            f"{relation} has rows already",
            hint="copy into an empty table: what is in it and not there would be deleted when both are compared",
        )
