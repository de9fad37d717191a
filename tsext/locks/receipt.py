"""The receipt: what a revision did to others, stored with the record that it was applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tsext import catalog
from tsext.catalog import EarlierRelation, LockedRelation
from tsext.locks.watchdog import Watchdog


@dataclass(frozen=True)
class Receipt:
    """Of one revision, at the end of its transaction."""

    watchdog: Watchdog
    elapsed_ms: int
    """Milliseconds since the step began: how long a lock was held, at most."""

    def details(self, connection: Connection) -> dict[str, Any]:
        """For the event, under ``receipt``.

        :param connection: the one the revision ran on, in its transaction.
        """
        relations, lsn = catalog.locked_relations(connection)
        before = self.watchdog.ask(catalog.relations_before, [each.oid for each in relations]) or {}
        harm = self.watchdog.harm
        return {
            "receipt": {
                "relations": _told(relations, before, self.elapsed_ms),
                "max_client_stall_ms": round(harm.longest * 1000),
                "blocked_client_seconds": round(harm.client_seconds, 3),
                "most_waiting": harm.most,
                "cancelled": self.watchdog.cancellations,
                "wal_bytes": _distance(self.watchdog.first_lsn, lsn),
            }
        }


def _told(
    relations: Sequence[LockedRelation], before: dict[int, EarlierRelation], elapsed_ms: int
) -> dict[str, dict[str, Any]]:
    """By table, those that were there before; chunks and partitions are summed up under theirs."""
    told: dict[str, dict[str, Any]] = {}
    for each in sorted(relations, key=lambda one: one.mode.strength):
        earlier = before.get(each.oid)
        if earlier is None:
            continue
        found = told.setdefault(earlier.table, {"held_ms": elapsed_ms, "bytes_before": 0, "bytes_after": 0})
        found["mode"] = str(each.mode)
        found["bytes_before"] += earlier.bytes
        found["bytes_after"] += each.bytes
        if each.file not in (None, earlier.file):
            found["rewritten"] = found.get("rewritten", 0) + 1
        if earlier.is_part:
            found["chunks"] = found.get("chunks", 0) + 1
    return told


def _distance(first: str | None, last: str | None) -> int | None:
    """Bytes between two places in the WAL."""
    if first is None or last is None:
        return None
    return _position(last) - _position(first)


def _position(lsn: str) -> int:
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
