"""Why a backfill waits, and for how long it has."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from tsext.backfill.ledger.backfill import Backfill
from tsext.sql.stored import stored

query = partial(stored, __file__)


def say(connection: Connection, backfill: Backfill, reason: str | None, rules: Iterable[str] = ()) -> None:
    """Say why it waits; None: it does not.

    :param rules: the reasons in a word each, by which the seconds are summed up.
    """
    given = {"reason": reason, "rules": list(dict.fromkeys(rules)), "id": backfill.id}
    connection.exec_driver_sql(query("say"), given)


def waited_for(backfill: Backfill, now: datetime) -> dict[str, float]:
    """Seconds by reason, up to a moment."""
    since = backfill.waits_for_since
    at_hand = max(0.0, (now - since).total_seconds()) if since is not None else 0.0
    return backfill.waited_for | {
        each: backfill.waited_for.get(each, 0.0) + at_hand for each in backfill.waits_for or ()
    }
