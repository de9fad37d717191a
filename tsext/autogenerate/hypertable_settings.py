"""What is set on hypertables: the now function, chunk skipping, tablespaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alembic.operations import ops

from tsext.model import Hypertable
from tsext.operations.hypertable_settings import (
    AttachTablespace,
    DetachTablespace,
    DisableChunkSkipping,
    EnableChunkSkipping,
    SetIntegerNowFunc,
)


def changes(found: Hypertable, wanted: Hypertable, functions: Mapping[str, str]) -> Iterator[ops.MigrateOperation]:
    """What has changed; what is not declared is not compared.

    :param functions: declared functions to their qualified names, of those that exist.
    """
    name, schema = wanted.name, wanted.schema
    function = wanted.integer_now_func
    if function is not None and functions.get(function, function) != found.integer_now_func:
        yield SetIntegerNowFunc(name, function, old=found.integer_now_func, schema=schema)
    for column in _missing(wanted.chunk_skipping, found.chunk_skipping):
        yield EnableChunkSkipping(name, column, schema=schema)
    for column in _surplus(wanted.chunk_skipping, found.chunk_skipping):
        yield DisableChunkSkipping(name, column, schema=schema)
    for tablespace in _missing(wanted.tablespaces, found.tablespaces):
        yield AttachTablespace(tablespace, name, schema=schema)
    for tablespace in _surplus(wanted.tablespaces, found.tablespaces):
        yield DetachTablespace(tablespace, name, schema=schema)


def _missing(wanted: tuple[str, ...] | None, found: tuple[str, ...] | None) -> list[str]:
    return [each for each in wanted or () if each not in (found or ())]


def _surplus(wanted: tuple[str, ...] | None, found: tuple[str, ...] | None) -> list[str]:
    return [] if wanted is None else [each for each in found or () if each not in wanted]
