"""Whether the disk has room for what is pending: rewrites, index builds, and their WAL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.catalog import RelationSize, Server, Volume
from tsext.errors import Finding
from tsext.model.locks import Work
from tsext.preflight.situation import Observation, Situation, Touch
from tsext.settings import Settings, Size

_ENTRY = 32
"""Bytes of an index entry of a table that has no index to go by: header, pointer, and a key of 8 to 16 bytes."""

_DF = "df -Pk . pg_wal/"
"""A server runs in its data directory."""


class Need(NamedTuple):
    """What a run takes on disk at most at one time, in bytes."""

    data: int = 0
    wal: int = 0

    @property
    def all(self) -> int:
        """Where both are on one volume."""
        return self.data + self.wal


def disk(situation: Situation) -> Observation:
    """Whether the volumes have room for what is pending, and still the reserve."""
    need = needed(situation)
    if not need.all:
        return situation.estimated("nothing that is pending rewrites or builds anything", ())
    volumes = _volumes(situation.connection, situation.server, situation.settings)
    if volumes is None:
        return Observation(
            f"needs about {pretty(need.all)}; how much is free cannot be told from here: set preflight_disk_size, or "
            "preflight_disk_probe = program",
            known=False,
        )
    data, wal = volumes
    amounts = [(data, need.all, "data and WAL")] if wal is None else [(data, need.data, "data"), (wal, need.wal, "WAL")]
    findings = tuple(_findings(amounts, situation))
    if not findings and any(situation.sizes[each.relation].elsewhere for each in _works(situation)):
        return Observation(
            f"needs about {pretty(need.all)}, some of it in another tablespace, not looked at", known=False
        )
    return situation.estimated(f"needs about {pretty(need.all)} of {pretty(data.free)} free ({data.source})", findings)


def _findings(amounts: list[tuple[Volume, int, str]], situation: Situation) -> Iterator[Finding]:
    reserve = situation.settings.preflight_disk_reserve
    for volume, needs, what in amounts:
        kept = volume.total * reserve // 100
        if needs > volume.free - kept:
            yield Finding(
                "disk",
                f"what is pending needs about {pretty(needs)} for {what}; {pretty(volume.free)} are free "
                f"({volume.source}), of which {pretty(kept)} are to stay free",
                f"make room or enlarge the volume; largest: {_largest(situation)}",
            )


def _largest(situation: Situation) -> str:
    return max(_works(situation), key=lambda touch: written(touch, situation.sizes[touch.relation])).relation


def _works(situation: Situation) -> Iterator[Touch]:
    """What is pending that writes new files of relations that are there."""
    for touches in situation.pending.values():
        yield from (touch for touch in touches if _writes(touch, situation))


def _writes(touch: Touch, situation: Situation) -> bool:
    return touch.relation in situation.sizes and touch.work in (Work.REWRITE, Work.BUILD)


def pretty(amount: int) -> str:
    """Bytes as people read them: ``1.5 GB``."""
    value = float(amount)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


# --- how much is needed


def needed(situation: Situation) -> Need:
    """What is pending takes at most at one time.

    A rewrite keeps both copies until its revision commits; an index stays, and is sorted in temporary files if it is
    larger than ``maintenance_work_mem``.
    """
    server, sizes = situation.server, situation.sizes
    lasting = peak = logged = 0
    for touches in situation.pending.values():
        passing = 0
        for touch in touches:
            if not _writes(touch, situation):
                continue
            amount = written(touch, sizes[touch.relation])
            logged += amount
            if touch.work is Work.REWRITE or touch.all_indexes:
                passing += amount
            else:
                lasting += amount
            if touch.work is Work.BUILD and amount > server.maintenance_work_mem:
                peak = max(peak, lasting + passing + amount)
        peak = max(peak, lasting + passing)
    return Need(peak, _wal(server, logged))


def written(touch: Touch, size: RelationSize) -> int:
    """Bytes of new files: a rewrite makes table and indexes anew; an index is taken to be like those there are."""
    if touch.work is Work.REWRITE:
        return size.bytes
    if touch.work is Work.BUILD and touch.all_indexes:
        return size.index_bytes
    if touch.work is Work.BUILD:
        return size.index_bytes * size.relations // size.indexes if size.indexes else size.tuples * _ENTRY
    return 0


def _wal(server: Server, logged: int) -> int:
    """What is kept of the WAL: all of it where a slot or the archive holds it back, else what the server recycles."""
    if not server.logs_all:
        return 0
    held = server.archives or any(slot.wal_status != "lost" for slot in server.slots)
    return logged if held else min(logged, server.max_wal_size)


# --- how much is free


def _volumes(connection: Connection, server: Server, settings: Settings) -> tuple[Volume, Volume | None] | None:
    """The volume of the data, and that of WAL if it is another; None if they are not known."""
    if settings.preflight_disk_size is not None:
        total = settings.preflight_disk_size
        return Volume(total - catalog.database_bytes(connection), total, f"preflight_disk_size = {Size(total)}"), None
    local = catalog.local_volumes(server)
    if local is not None:
        return local
    return _probed(connection) if settings.preflight_disk_probe == "program" else None


def _probed(connection: Connection) -> tuple[Volume, Volume | None] | None:
    """What ``df`` says on the server; None if the role may not ask, or there is no ``df``."""
    try:
        lines = catalog.output_of(connection, _DF)
    except DBAPIError:
        return None
    found = [re.fullmatch(r"(\S.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s+\d+%\s+(/.*)", line) for line in lines[1:]]
    volumes = [Volume(int(each[4]) * 1024, int(each[2]) * 1024, f"df of {each[5]}") for each in found if each]
    if len(volumes) != 2:
        return None
    return volumes[0], None if volumes[0] == volumes[1] else volumes[1]
