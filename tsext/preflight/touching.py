"""What pending statements touch, told by the safety rules' reading of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tsext import safety
from tsext.preflight.situation import Touch
from tsext.safety import Facts, Statement, Verdict
from tsext.sql import grammar

_DROPPING = frozenset({"drop_stmt", "truncate_stmt", "select_stmt", "call_stmt"})
"""Kinds of statements that drop tables, or chunks, where they lock them against reading: ``SELECT drop_chunks(…)``."""


def touches(statements: Iterable[Statement | str], facts: Facts | None = None) -> list[Touch]:
    """What the statements of one revision lock, and what is done under the locks.

    :param facts: what is known of the database; without it a rewrite that depends on types is not told.
    """
    return [touch for verdict in safety.verdicts(statements, facts) for touch in _of(verdict)]


def _of(verdict: Verdict) -> Iterator[Touch]:
    kind, node = grammar.tree(verdict.statement.text) or ("", None)
    drops = kind in _DROPPING and (kind != "drop_stmt" or _drops_tables(node))
    for lock in verdict.locks:
        yield Touch(lock.relation, lock.work, drops and lock.mode.blocks_reads, kind == "reindex_stmt")


def _drops_tables(node: Any) -> bool:
    return grammar.enum_name("ObjectType", node.remove_type) == "OBJECT_TABLE"
