"""Replicas that are behind, and slots that nobody reads."""

from __future__ import annotations

from tsext.catalog import Replica, Slot
from tsext.errors import Finding
from tsext.preflight.disk import pretty
from tsext.preflight.situation import Observation, Situation


def replicas(situation: Situation) -> Observation:
    """Whether the replicas keep up: what a migration writes comes on top."""
    if not situation.server.sees_sessions:
        return Observation("this role may not see replicas: GRANT pg_monitor to it", known=False, matters=False)
    found, settings = situation.server.replicas, situation.settings
    late = [
        each
        for each in found
        if (each.seconds or 0) > settings.preflight_replica_lag.total_seconds()
        or (each.bytes or 0) > settings.preflight_replica_wal
    ]
    return Observation(_summary(found), tuple(map(_behind, late)))


def _summary(replicas: tuple[Replica, ...]) -> str:
    return (
        f"{len(replicas)}, at most {pretty(max(each.bytes or 0 for each in replicas))} behind" if replicas else "none"
    )


def _behind(replica: Replica) -> Finding:
    behind = f"{replica.seconds or 0:.0f} s and {pretty(replica.bytes or 0)}"
    return Finding(
        "replicas",
        f"replica {replica.name} ({replica.state}) is {behind} behind",
        "wait until it has caught up, or find out what holds it back: a long query on it, its disk, the network",
    )


def slots(situation: Situation) -> Observation:
    """Whether there are slots for which WAL heaps up."""
    found = situation.server.slots
    idle = [each for each in found if not each.active and (each.bytes or 0) >= situation.settings.preflight_slot_wal]
    kept = sum(each.bytes or 0 for each in found)
    said = f"{len(found)}, keeping {pretty(kept)} of WAL" if found else "none"
    return Observation(said, tuple(map(_idle, idle)))


def _idle(slot: Slot) -> Finding:
    return Finding(
        "slots",
        f"nobody reads the replication slot {slot.name}, for which {pretty(slot.bytes or 0)} of WAL are kept "
        f"({slot.wal_status})",
        f"start what reads it; or, if that is gone for good: SELECT pg_drop_replication_slot('{slot.name}')",
    )
