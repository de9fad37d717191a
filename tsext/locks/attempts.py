"""What it took to get the locks of one step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tsext.sql.excerpt import shortened

if TYPE_CHECKING:
    from tsext.catalog import Holder

MOST_REMEMBERED = 20
"""Blockers that are recorded of one step."""


@dataclass
class Attempts:
    """What was in the way of one step, and how it was got round."""

    refused: int = 0
    """How often a lock was asked for in vain."""
    restarted: int = 0
    """How often the whole revision was rolled back and run again."""
    waited: float = 0.0
    """Seconds spent waiting outside the queue."""
    blockers: dict[str, Holder] = field(default_factory=dict)
    """Who was in the way, by transaction; as last seen."""

    def saw(self, holders: Iterable[Holder]) -> None:
        """Remember who is in the way."""
        for each in holders:
            if each.transaction in self.blockers or len(self.blockers) < MOST_REMEMBERED:
                self.blockers[each.transaction] = each

    @property
    def details(self) -> dict[str, Any]:
        """For the event; empty if nothing was in the way."""
        if not (self.refused or self.waited or self.blockers):
            return {}
        told = {
            "refused": self.refused,
            "restarted": self.restarted,
            "waited_ms": round(self.waited * 1000),
            "blockers": [_as_json(each) for each in self.blockers.values()],
        }
        return {"locks": told}


def _as_json(holder: Holder) -> dict[str, Any]:
    return {
        "pid": holder.pid,
        "prepared": holder.gid,
        "application": holder.application,
        "role": holder.role,
        "state": holder.state,
        "relation": holder.relation,
        "mode": holder.mode,
        "age_s": None if holder.age is None else round(holder.age, 3),
        "query": shortened(holder.query),
    }
