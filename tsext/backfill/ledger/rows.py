"""Rows of the ledger as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def made(kind: type[T], row: Mapping[Any, Any]) -> T:
    """A dataclass with a value for each field that has a column; what only a newer tsext knows is left out."""
    return kind(**{each.name: row[each.name] for each in fields(kind) if each.name in row})  # type: ignore[arg-type]
