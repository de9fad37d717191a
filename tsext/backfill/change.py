"""The kind ``change``: an UPDATE of many rows, in batches, each of which is committed with how far it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import ledger
from tsext.backfill.batches import (
    LOCKED_TARGET,
    PASSES,
    Bound,
    Pace,
    Update,
    end_of_batch,
    lock_against_writers,
    loses_updates,
    on_pages,
)
from tsext.backfill.ledger import Backfill, NewTask, Outcome, Task
from tsext.backfill.throttle import limits_of
from tsext.errors import BackfillError, Finding
from tsext.settings import Settings
from tsext.sql.quoting import ended, identifier, literal
from tsext.sql.sending import ask, send

KEY, LOCKED, PAGES, COLUMNSTORE = "key", "locked", "pages", "columnstore"
"""The steps: how a part of the table is gone through. In the order of a key; so, while its writers wait for the batch;
page by page, where there is no key; all at once, in the columnstore."""

PART = 100_000
"""Rows of a part of a table, at least, that a worker goes through by itself."""

MOST_PARTS = 200

ROWS_PER_PAGE = 60
"""A guess, where the table has not been analysed."""

LOCK_TIMEOUTS = {LOCKED: 200, COLUMNSTORE: 200}
"""Milliseconds that a batch may stand in the queue where others queue behind it."""

LOCK_TIMEOUT = 2_000
"""The same where nobody does."""


@dataclass(frozen=True)
class Spec:
    """What a backfill of this kind is to do."""

    table: str
    schema: str
    set: str
    """What follows ``SET``."""
    where: str | None = None
    """Which rows; None: all."""
    columnstore: str = "convert"
    """How chunks are changed that are in it: converted to rows and back, or ``direct``."""

    @classmethod
    def of(cls, backfill: Backfill) -> Spec:
        """That of a backfill."""
        return cls(**backfill.spec)

    @property
    def condition(self) -> str:
        """What follows ``WHERE``."""
        return "true" if self.where is None else f"({ended(self.where)})"

    def named(self, relation: str) -> str:
        """A table that holds rows, by whose name conditions may know it: that of the whole."""
        return relation if relation == _qualified(self) else f"{relation} AS {identifier(self.table)}"

    @property
    def update(self) -> Update:
        """What a batch does."""
        return Update(self.set, self.condition)


# --- planning


def prepare(connection: Connection, backfill: Backfill) -> None:
    """Divide the table, if that is not done."""
    if not ledger.tasks(connection, backfill):
        _plan(connection, backfill)


def complete(connection: Connection, backfill: Backfill) -> bool:
    """Whether there is no chunk or partition that was made meanwhile; else it becomes a task."""
    return _plan(connection, backfill) == 0


def _plan(connection: Connection, backfill: Backfill) -> int:
    spec, known = Spec.of(backfill), {each.relation for each in ledger.tasks(connection, backfill)}
    heaps = [each for each in catalog.heaps(connection, spec.table, spec.schema) if str(each) not in known]
    compressed, locks = _in_columnstore(connection, spec), loses_updates(connection)
    tasks: list[NewTask] = []
    for found in heaps:
        heap = replace(found, tuples=found.tuples or catalog.page_count(connection, found) * ROWS_PER_PAGE)
        if str(heap) in compressed:
            tasks.append(NewTask(COLUMNSTORE, str(heap), expected=heap.tuples))
        else:
            tasks += _tasks(connection, heap, spec, locks=locks)
    return ledger.plan(connection, backfill, tasks)


def _in_columnstore(connection: Connection, spec: Spec) -> set[str]:
    if catalog.hypertable(connection, spec.table, spec.schema) is None:
        return set()
    chunks = catalog.chunks(connection, f"show_chunks({literal(_qualified(spec))})")
    return {each.name for each in chunks if each.in_columnstore}


def _qualified(spec: Spec) -> str:
    return f"{identifier(spec.schema)}.{identifier(spec.table)}"


def _tasks(connection: Connection, heap: catalog.Heap, spec: Spec, *, locks: bool) -> Iterator[NewTask]:
    """The parts of a table or chunk of rows.

    :param locks: whether writers of a chunk must be kept out of it.
    """
    key = _order(connection, str(heap), spec)
    if not key:
        yield NewTask(PAGES, str(heap), expected=heap.tuples)
        return
    if locks and heap.inherits:  # workers would wait for each other
        yield NewTask(LOCKED, str(heap), expected=heap.tuples)
        return
    parts = min(MOST_PARTS, heap.tuples // PART + 1)
    inner = catalog.quantiles(connection, heap, key[0], parts) if parts > 1 else []
    bounds = [None, *(str(Bound({key[0]: each})) for each in dict.fromkeys(inner)), None]
    for lower, upper in pairwise(bounds):
        yield NewTask(KEY, str(heap), lower, upper, heap.tuples // (len(bounds) - 1))


def _order(connection: Connection, relation: str, spec: Spec) -> tuple[str, ...]:
    hypertable = catalog.hypertable(connection, spec.table, spec.schema)
    return catalog.row_order(connection, relation, hypertable.column if hypertable is not None else None)


# --- one batch


def perform(connection: Connection, backfill: Backfill, task: Task) -> Outcome:
    """Change some rows."""
    spec, limits = Spec.of(backfill), limits_of(backfill)
    if not catalog.is_there(connection, task.relation):  # such as by a retention policy
        return Outcome(0)
    _set(connection, task, limits)
    if task.step == COLUMNSTORE:
        return _change_in_columnstore(connection, task, spec)
    _refuse_converted(connection, task)
    batch = _by_page if task.step == PAGES else _by_key
    target = limits.backfill_batch_time.total_seconds()
    pace = Pace(task.batch, min(target, LOCKED_TARGET) if task.step == LOCKED else target)
    return batch(connection, task, spec, pace)


def _set(connection: Connection, task: Task, limits: Settings) -> None:
    """For this transaction: bounds that any session reads alike, and how long it may take."""
    timeout = limits.backfill_timeout.total_seconds() * 1000 if task.step != COLUMNSTORE else 0
    connection.exec_driver_sql(
        "SELECT set_config('datestyle', 'ISO', true), set_config('intervalstyle', 'postgres', true), "
        "set_config('extra_float_digits', '1', true), "
        "set_config('lock_timeout', %(lock)s, true), set_config('statement_timeout', %(statement)s, true)",
        {"lock": str(LOCK_TIMEOUTS.get(task.step, LOCK_TIMEOUT)), "statement": str(int(timeout))},
    )


def _refuse_converted(connection: Connection, task: Task) -> None:
    """Refuse a chunk that was rows when it was planned: it may be half changed, and which half nobody knows then."""
    if catalog.is_in_columnstore(connection, task.relation):
        raise BackfillError(
            f"chunk {task.relation} has been converted to the columnstore meanwhile",
            hint="pause the columnstore policy (op.pause_jobs), convert the chunk to rows, and retry",
        )


def _by_key(connection: Connection, task: Task, spec: Spec, pace: Pace) -> Outcome:
    """The next rows in the order of the key: so each is met once, wherever an UPDATE moves it."""
    after, upper = Bound.of(task.position), Bound.of(task.upper)
    key = tuple(after.values) if after is not None else _order(connection, task.relation, spec)
    lower = after or Bound.of(task.lower)
    within = [each.compared(operator) for each, operator in ((lower, ">"), (upper, "<=")) if each is not None]
    begun = time.monotonic()
    last = end_of_batch(connection, task.relation, key, " AND ".join(within) or "true", pace.size)
    until = [*within, last.compared("<=")] if last is not None else within
    if task.step == LOCKED:
        send(connection, lock_against_writers(task.relation))
    changed = send(connection, spec.update.of(f"ONLY {spec.named(task.relation)}", " AND ".join(until) or None))
    if last is None:
        left = max(0, (task.expected or 0) - task.seen)
        return Outcome(changed, seen=max(changed, min(left, pace.size)))
    seen = pace.size
    pace.took(seen, time.monotonic() - begun)
    return Outcome(changed, seen=seen, position=str(last), batch=pace.size)


def _by_page(connection: Connection, task: Task, spec: Spec, pace: Pace) -> Outcome:
    """The next pages; and again from the first on, as long as there are rows that others have moved behind us.

    A row that is changed may come to lie on a page that is still to come: so it must not be wanted any more.
    """
    passed, first = json.loads(task.position or "[0, 0]")
    pages = catalog.page_count(connection, task.relation)
    stop, begun = first + pace.size, time.monotonic()
    update = spec.update.of(f"ONLY {spec.named(task.relation)}", on_pages(range(first, stop)))
    query = f"WITH done AS ({update} RETURNING {spec.condition} AS again) SELECT count(*), bool_or(again) FROM done"
    changed, again = ask(connection, query).one()
    if again:
        raise BackfillError(
            f"{task.relation} has no key to go through it by, and rows that are changed still fulfil: {spec.where}",
            hint="give a condition that what is done no longer fulfils, or add a primary key or a unique index",
        )
    pace.took(pace.size, time.monotonic() - begun)
    seen = max(changed, (task.expected or 0) * min(pace.size, max(0, pages - first)) // max(1, pages))
    outcome = {"rows": changed, "seen": 0 if passed else seen, "batch": pace.size}
    if stop < pages:
        return Outcome(**outcome, position=json.dumps([passed, stop]))
    if passed < PASSES and _any_left(connection, task.relation, spec):
        return Outcome(**outcome, position=json.dumps([passed + 1, 0]))
    return Outcome(**outcome)


def _any_left(connection: Connection, relation: str, spec: Spec) -> bool:
    query = f"SELECT EXISTS (SELECT FROM {spec.named(relation)} WHERE {spec.condition})"
    return bool(ask(connection, query).scalar())


def _change_in_columnstore(connection: Connection, task: Task, spec: Spec) -> Outcome:
    """A whole chunk, in one transaction; nothing is converted that holds no such row."""
    if not _any_left(connection, task.relation, spec):
        return Outcome(0, seen=task.expected)
    # it is there so that a stray UPDATE does not fill the disk; this one is meant
    send(connection, "SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0")
    chunk = literal(task.relation)
    if spec.columnstore == "convert":
        send(connection, f"SELECT decompress_chunk({chunk})")
        changed = send(connection, spec.update.of(spec.named(task.relation)))
        send(connection, f"SELECT compress_chunk({chunk})")
    else:  # by the hypertable: an UPDATE of the chunk itself does not see its rows in the columnstore
        within = f"{catalog.chunk_condition(connection, task.relation)} AND tableoid = {chunk}::regclass"
        changed = send(connection, spec.update.of(_qualified(spec), within))
    return Outcome(changed, seen=task.expected)


# --- afterwards


def verify(connection: Connection, backfill: Backfill) -> list[Finding]:
    """Whether rows are left that were to be changed; where all were, that cannot be told."""
    spec: Any = Spec.of(backfill)
    if spec.where is None or not _any_left(connection, backfill.source, spec):
        return []
    message = f"{backfill.source} has rows for which still holds: {spec.where}"
    return [Finding("rows-left", message, "if the application writes such rows, change it first, and declare it anew")]
