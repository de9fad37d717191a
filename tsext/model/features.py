"""What TimescaleDB has since when, and under which licence; the server is asked elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class License(StrEnum):
    """Values of the setting ``timescaledb.license``."""

    APACHE = "apache"
    TIMESCALE = "timescale"


@dataclass(frozen=True)
class Feature:
    """Something a server has, or lacks."""

    name: str
    """As a sentence about it begins: ``"the columnstore"``."""
    since: tuple[int, ...] = (2, 13)
    """First version of TimescaleDB that has it."""
    license: License = License.APACHE
    """The licence it needs; Timescale's includes everything."""
    alternative: str = ""
    """What to do without it."""


TIMESCALEDB = Feature("TimescaleDB")

# 2.16 has it too, but without the setting that switches it on
CHUNK_SKIPPING = Feature("chunk skipping", since=(2, 17, 1), alternative="remove it: queries only get slower")

UUID_PARTITIONING = Feature(
    "partitioning by UUIDv7",
    since=(2, 22),
    alternative="partition by a column that is a time, and keep the UUID beside it",
)
