"""From one stage to the next: note changes, make the new table, copy, build keys, bring changes over, compare."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import ledger
from tsext.backfill.ledger import Backfill, NewTask, Outcome, Task
from tsext.backfill.repartition import (
    aggregates,
    analyzing,
    capture,
    columnstore,
    details,
    indexing,
    planning,
    shadow,
    vanished,
)
from tsext.backfill.repartition.capture import Capture
from tsext.backfill.repartition.copying import copy
from tsext.backfill.repartition.locking import in_one_go
from tsext.backfill.repartition.move import Flow, Move
from tsext.backfill.repartition.planning import COPY, COPY_CHUNK, COPY_CHUNKS, Place
from tsext.backfill.repartition.replay import replay
from tsext.backfill.repartition.sessions import beside, remembered, transaction
from tsext.backfill.repartition.verifying import compare
from tsext.errors import BackfillError, Finding
from tsext.sql.quoting import identifier
from tsext.sql.sending import send

log = logging.getLogger("alembic.tsext")

KEY, KEY_CHUNK, VERIFY = "key", "key chunk", "verify"
"""Steps: a key or index of the whole table, all those of one chunk, a range compared."""

_COPYING = (COPY, COPY_CHUNK, COPY_CHUNKS)

ROUNDS = 3
"""How often what differs is copied again."""

_WORTH_A_TASK = 200_000
"""Rows that are compared by one task at least, which by itself takes as long as some thousand of them."""

_ROUNDS_OF_REPLAY = 5
_QUICK = 0.2
"""Seconds: what takes longer to bring over is worth to be gone through once more."""


def prepare(connection: Connection, backfill: Backfill) -> None:
    """Pause the table's jobs, begin to note changes, make the new table, and plan what is to be copied."""
    move = Move.of(backfill)
    if move.is_swapped(connection):
        return
    move.jobs.pause(connection)
    if ledger.tasks(connection, backfill):
        return
    if not move.is_begun(connection) or not Capture(move.forth(connection)).is_installed(connection):
        _begin(connection, move)
    with transaction(connection):
        vanished.learn(connection, move, identifier(move.place))
    tasks = planning.plan(connection, move, _forth(connection, move))
    indexing.drop_of_chunks(connection, move)
    ledger.plan(connection, backfill, tasks)


def _begin(connection: Connection, move: Move) -> None:
    """Make the new table, anew if another try came to nothing; and then note changes, for which writers wait."""
    with transaction(connection):
        send(connection, f"DROP TABLE IF EXISTS {move.shadow}")
        send(connection, f"DROP SCHEMA IF EXISTS {identifier(move.place)} CASCADE")
        send(connection, f"CREATE SCHEMA {identifier(move.place)}")
        source = details.described(connection, move.spec.table, move.spec.schema)
        shadow.create(connection, move, source)
        indexing.create_on_root(connection, move, source)
        noting = Capture(move.forth(connection))
        send(connection, ";\n".join([indexing.known(move), vanished.known(noting.flow.home), *noting.log]))

    def begin(own: Connection) -> None:
        send(own, noting.lock("SHARE ROW EXCLUSIVE"))
        noting.install(own)

    in_one_go(connection, {move.table: "ShareRowExclusiveLock"}, begin)


def perform(connection: Connection, backfill: Backfill, task: Task) -> Outcome:
    """Do one task, in the transaction that is open."""
    move = Move.of(backfill)
    send(connection, "SET LOCAL synchronous_commit = off")  # what a crash of the server undoes is an open task again
    if task.step in _COPYING:
        return _copy(connection, move, task)
    if task.step.startswith(VERIFY):
        return _verify(connection, move, task)
    if task.step == KEY:
        indexing.build_on_root(connection, move, task.relation)
    elif task.step == KEY_CHUNK:
        indexing.build(connection, move, [task.relation], indexing.MEMORY_OF_LARGE)
        analyzing.chunks(connection, move, [task.relation], catalog.row_estimate(connection, task.relation))
    elif task.step == columnstore.CONVERT:
        columnstore.convert(connection, task.relation)
    elif task.step == analyzing.ANALYZE:
        analyzing.perform(connection, move, task.relation)
    else:
        raise BackfillError(
            f"this tsext does not know the step {task.step} of a move",
            hint="let the tsext that planned it, or a newer one, work on it: tsext backfill retry",
        )
    return Outcome(0)


def _copy(connection: Connection, move: Move, task: Task) -> Outcome:
    flow = _forth(connection, move)
    whole = task.step != COPY
    places = planning.filled_by(connection, move, task)
    names = [each.target for each in places]
    if whole:
        send(connection, f"TRUNCATE {', '.join(names)}")
    if len(places) > 1 and not planning.is_indexed(connection, flow):
        places, whole = [Place(task.lower, task.upper, flow.target)], False  # read once; the server divides the rows
    with transaction(connection):
        queries = ((flow.rows(flow.within(each.lower, each.upper)), each.target) for each in places)
        copied = copy(connection, queries, flow.columns, freeze=whole)
    if task.step != COPY:
        indexing.build(connection, move, names)
        most = max(each.rows for each in copied) // (len(names) // len(places))
        analyzing.chunks(connection, move, names, most)
    return Outcome(sum(each.rows for each in copied), sum(each.bytes for each in copied))


def _forth(connection: Connection, move: Move) -> Flow:
    """The flow of a task; that of the worker's first one, as a swap refuses tables that were altered since."""
    return remembered(connection, move.shadow, lambda: move.forth(connection))


def _verify(connection: Connection, move: Move, task: Task) -> Outcome:
    flow = _forth(connection, move)
    with beside(connection) as another:
        found = compare(another, flow, task.lower, task.upper)
    if found.source != found.target:
        log.warning("%s and %s differ: %s", flow.source, flow.target, ", ".join(found.different))
        with transaction(connection):
            capture.note(connection, flow, task.lower, task.upper)
    source, target = (f"{each.rows}:{each.hash}" for each in (found.source, found.target))
    return Outcome(0, 0, source, target, seen=found.source.rows)


# --- between the stages


def complete(connection: Connection, backfill: Backfill) -> bool:
    """Plan the next stage; whether there was none left."""
    move = Move.of(backfill)
    if move.is_swapped(connection):
        return True
    tasks = ledger.tasks(connection, backfill)
    steps = {each.step for each in tasks}
    # no key can be violated: all have the column, and what is in one range was copied as it was at one moment
    if chunks := indexing.without(connection, move):
        return not ledger.plan(connection, backfill, [NewTask(KEY_CHUNK, each) for each in chunks])
    source = None if VERIFY in steps else details.described(connection, move.spec.table, move.spec.schema)
    if source is not None and KEY not in steps and (keys := indexing.missing(connection, move, source)):
        return not ledger.plan(connection, backfill, [NewTask(KEY, each.name) for each in keys])
    if columnstore.CONVERT not in steps and ledger.plan(connection, backfill, columnstore.tasks(connection, move)):
        return False
    analyzed = _analyzed(connection, move, tasks)
    ledger.plan(connection, backfill, analyzing.tasks(connection, move, analyzed))  # another worker's, meanwhile
    catch_up(connection, move)
    round_ = 1 + sum(step.startswith(VERIFY) for step in steps)
    wrong = [each for each in tasks if each.step == _verify_step(round_ - 1) and _differs(each)]
    if source is not None:
        for statement in _about_keys(move, source):
            send(connection, statement)
        ranges = _ranges(tasks)
    else:
        ranges = [(each.lower, each.upper) for each in wrong]
    if wrong and round_ > ROUNDS:
        places = ", ".join(f"{each.lower} to {each.upper}" for each in wrong)
        raise BackfillError(
            f"{move.table} and its new table still differ after they were copied again {ROUNDS - 1} times: {places}",
            hint="something writes into the new table, or past the triggers straight into chunks of the old one",
        )
    if ledger.plan(connection, backfill, [NewTask(_verify_step(round_), move.shadow, *each) for each in ranges]):
        return False
    aggregates.build(connection, move)
    return True


def _analyzed(connection: Connection, move: Move, tasks: list[Task]) -> Iterator[str]:
    """The chunks that were analysed as they were filled."""
    for task in tasks:
        if task.step in (COPY_CHUNK, COPY_CHUNKS):
            yield from (place.target for place in planning.filled_by(connection, move, task))
        elif task.step == KEY_CHUNK:
            yield task.relation


def _about_keys(move: Move, source: details.Described) -> list[str]:
    """What is said of keys and indexes once all are there."""
    about_them = details.with_keys(move, source.table, source.details)
    return [*shadow.replica_identity(move, source.table), *about_them]


def _verify_step(round_: int) -> str:
    return VERIFY if round_ == 1 else f"{VERIFY} {round_}"


def _differs(task: Task) -> bool:
    return task.source_hash != task.target_hash


def _ranges(tasks: list[Task]) -> list[tuple[str | None, str | None]]:
    """All there can be, divided where copied ranges begin; of small ones, several are compared together."""
    bounds: list[str | None] = []
    rows = 0
    for each in tasks:
        if each.step not in _COPYING:
            continue
        if not bounds or rows >= _WORTH_A_TASK:
            bounds.append(each.lower)
            rows = 0
        rows += each.rows
    return list(zip([None, *bounds[1:]], [*bounds[1:], None], strict=True)) or [(None, None)]


def catch_up(connection: Connection, move: Move) -> None:
    """Bring over what has changed, until little is left."""
    with beside(connection) as another:
        flow = move.forth(another) if move.spec.columnstore else _forth(connection, move)
        capture.refuse_lost(another, Capture(flow))
        for _ in range(_ROUNDS_OF_REPLAY):
            with transaction(another):
                vanished.learn(another, move, flow.home)
                vanished.notice(another, move, flow.home)
            if replay(another, flow).seconds < _QUICK:
                return


def verify(connection: Connection, backfill: Backfill) -> list[Finding]:
    """Compare all of both tables anew."""
    move = Move.of(backfill)
    if not move.is_begun(connection) and not move.is_swapped(connection):
        return []
    flow = move.back(connection) if move.is_swapped(connection) else move.forth(connection)
    tasks = ledger.tasks(connection, backfill)
    findings = []
    with beside(connection) as another:
        for lower, upper in _ranges(tasks):
            found = compare(another, flow, lower, upper)
            if found.source != found.target:
                where = f"from {lower or 'the beginning'} to {upper or 'the end'}"
                fact = f"{flow.source} and {flow.target} differ {where}: {', '.join(found.different)}"
                findings.append(Finding("rows-differ", fact, "have them copied again: run the backfill once more"))
    return findings


def stopped(connection: Connection, backfill: Backfill) -> None:
    """Let the table's jobs run again."""
    Move.of(backfill).jobs.resume(connection)


def finish(connection: Connection, backfill: Backfill) -> None:
    """Drop the table that is not in use, and what notes changes for it."""
    from tsext.backfill.repartition.swapping import clear

    clear(connection, Move.of(backfill))
