"""The dialect in which SQLAlchemy's own things are written as text."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy.dialects.postgresql.base import PGDialect


@cache
def dialect() -> Any:
    """PostgreSQL's, without parameters: with any paramstyle that uses ``%``, those in names and texts are doubled."""
    return PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy does not say its types
