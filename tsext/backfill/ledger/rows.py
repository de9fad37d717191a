"""Rows of the ledger as objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

T = TypeVar("T")


def made(kind: Callable[..., T], row: Mapping[Any, Any]) -> T:
    """A dataclass with a value for each field that has a column; what only a newer tsext knows is left out."""
    names = (each.name for each in fields(cast(Any, kind)))
    return kind(**{name: row[name] for name in names if name in row})
