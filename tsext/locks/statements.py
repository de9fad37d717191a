"""What kind of locks a statement asks for: told from its first words, so that it costs nothing."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, NamedTuple

from tsext.sql.excerpt import shortened
from tsext.sql.roles import may_change_role


class Kind(Enum):
    """How long a statement may ask for a lock before it makes others wait."""

    SESSION = auto()
    """It asks for none: SET, BEGIN, COMMIT."""
    TABLE = auto()
    """Perhaps a lock that others queue behind; whatever is not known to be of another kind."""
    READ = auto()
    """A query. It waits for nobody but who keeps others from reading, and may wait as long as the one before it."""
    ROWS = auto()
    """It shares its tables with other writers, and waits for single rows only."""
    TRANSACTIONS = auto()
    """It waits for the transactions of others by nature, makes nobody wait meanwhile, and would leave an INVALID index
    or half of its work if it were cut short: CONCURRENTLY, and procedures that commit."""


_ROWS = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "WITH")
_OF_THE_SESSION = ("SET", "RESET", "SHOW", "DISCARD", "PREPARE", "DEALLOCATE")
_OF_THE_TRANSACTION = ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE")
_KINDS = {
    **dict.fromkeys(_ROWS, Kind.ROWS),
    **dict.fromkeys((*_OF_THE_SESSION, *_OF_THE_TRANSACTION), Kind.SESSION),
}
_MAY_BE_CONCURRENT = ("CREATE", "DROP", "REINDEX", "ALTER")
_COMMITS = ("CALL", "DO")
_ON_EXISTING = ("ALTER", "DROP", "TRUNCATE", "LOCK", "REINDEX", "CLUSTER", "REFRESH")
_DEFINING = ("CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE")
_CREATED_ON_EXISTING = ("INDEX", "UNIQUE", "TRIGGER", "CONSTRAINT", "POLICY", "RULE")


class Statement(NamedTuple):
    """One statement as the driver is given it."""

    text: str
    verb: str
    """Its first word, in capitals."""
    kind: Kind
    on_existing: bool
    """Whether it surely changes something that others may be using."""

    @classmethod
    def of(cls, query: Any, cursor: Any, autocommit: bool) -> Statement:
        """Read what is given to ``cursor.execute``: text, bytes, or what the driver composes."""
        text = _text(query, cursor)
        words = _first_words(text)
        verb = words[0]
        return cls(text, verb, _kind(verb, text, autocommit), verb in _ON_EXISTING or _creates_on_existing(words))

    @property
    def sets_timeout(self) -> bool:
        """Whether it may change ``lock_timeout`` for what follows."""
        named = self.verb in ("SET", "SELECT") and "lock_timeout" in self.text.lower()
        return named or self.verb in ("ROLLBACK", "RESET", "DISCARD")

    @property
    def may_change_role(self) -> bool:
        """Whether it may leave another role behind for what follows."""
        return may_change_role(self.text)

    @property
    def only_defines(self) -> bool:
        """Whether it writes no rows, as far as its text tells, so that nothing is left to be checked at the commit."""
        one = ";" not in self.text.rstrip("; \t\r\n")
        return one and self.verb in _DEFINING and "AS" not in self.text.upper().split()

    @property
    def does_not_wait(self) -> bool:
        """Whether its author wants to be told at once that a lock is not to be had."""
        return self.verb in ("LOCK", "SELECT", "WITH") and "NOWAIT" in self.text.upper()

    @property
    def label(self) -> str:
        """What messages call it: its beginning, on one line."""
        return shortened(self.text)


def _text(query: Any, cursor: Any) -> str:
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    return str(query.as_string(cursor))


def _kind(verb: str, text: str, autocommit: bool) -> Kind:
    if verb == "SELECT" and "FROM" in text.upper().split():
        return Kind.READ
    if verb == "SET" and "CONSTRAINTS" in text.upper().split(None, 2)[1:2]:
        return Kind.ROWS  # the checks that were deferred lock the rows that are referenced
    if autocommit and verb in _COMMITS:
        return Kind.TRANSACTIONS
    if verb in _MAY_BE_CONCURRENT and "CONCURRENTLY" in text.upper() and _waits_for_transactions(text):
        return Kind.TRANSACTIONS
    return _KINDS.get(verb, Kind.TABLE)


def _creates_on_existing(words: list[str]) -> bool:
    named = [word for word in words[1:] if word not in ("OR", "REPLACE")]
    return words[0] == "CREATE" and bool(named) and named[0] in _CREATED_ON_EXISTING


def _first_words(text: str) -> list[str]:
    """In capitals, without comments before them; at least one, which may be empty."""
    start = text.lstrip(" \t\r\n\f\v(;")
    while start.startswith(("--", "/*")):
        _, _, start = start.partition("\n" if start.startswith("--") else "*/")
        start = start.lstrip(" \t\r\n\f\v(;")
    return [word.rstrip(";").upper() for word in start[:200].split(None, 4)[:4]] or [""]


def _waits_for_transactions(text: str) -> bool:
    """Whether a statement with the word CONCURRENTLY in it waits for others' transactions; assumed if unreadable."""
    from tsext.sql import grammar  # most runs have no such statement

    found = grammar.tree(text.rstrip("; \t\r\n"))
    if found is None:
        return True
    kind, node = found
    if kind == "alter_table_stmt":
        return any(each.concurrent for each in grammar.find(node, "PartitionCmd"))
    if kind == "reindex_stmt":
        return any(each.defname == "concurrently" for each in grammar.find(node, "DefElem"))
    return kind in ("index_stmt", "drop_stmt") and bool(node.concurrent)
