"""What the statements before have done: what is new, and so concerns nobody; and which locks are still held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tsext.model.locks import LockMode
from tsext.safety.names import Name


@dataclass
class Script:
    """The state after some statements of one revision."""

    relations: set[Name] = field(default_factory=set)
    """Tables, views, indexes and so on that were created, by the names they have now."""
    types: set[Name] = field(default_factory=set)
    columns: set[tuple[Name, str]] = field(default_factory=set)
    """Columns that were added to tables that were there before."""
    proven: set[tuple[Name, str]] = field(default_factory=set)
    """Columns of which a valid CHECK says that they are not null."""
    not_valid: dict[tuple[Name, str], tuple[str, ...]] = field(default_factory=dict)
    """Constraints added NOT VALID, and the columns that they prove not null."""
    validated: set[Name] = field(default_factory=set)
    """Tables of which a constraint was validated."""
    gone: set[Name] = field(default_factory=set)
    """What was dropped, or has another name now."""
    index_tables: dict[Name, Name] = field(default_factory=dict)
    """Indexes that were created, and their tables."""
    checked: set[Name] = field(default_factory=set)
    """Tables that got a CHECK, so that a partition may be attached without a scan."""
    held: dict[Name, LockMode] = field(default_factory=dict)
    """The strongest lock that the transaction holds on each table that was there before, if it makes others wait."""
    enum_values: dict[str, Name] = field(default_factory=dict)
    """Values that the transaction has added to enums that were there before."""
    hypertables: set[Name] = field(default_factory=set)
    """Tables that were made hypertables."""

    def create(self, name: Name) -> None:
        """A relation is new."""
        self.relations.add(name)
        self.gone.discard(name)

    def is_new(self, name: Name) -> bool:
        """Whether it was created here, and so is used by nobody."""
        return self._among(name, self.relations)

    def is_gone(self, name: Name) -> bool:
        """Whether it was dropped or renamed here."""
        return self._among(name, self.gone)

    def rename(self, old: Name, new: Name) -> None:
        """A relation has another name."""
        if self.is_new(old):
            self.relations = {each for each in self.relations if not same(each, old)} | {new}
        else:
            self.gone.add(old)
            if old in self.held:
                self.held[new] = self.held.pop(old)
        self.columns |= {(new, column) for table, column in self.columns if same(table, old)}

    def drop(self, name: Name) -> None:
        """A relation is gone."""
        self.relations = {each for each in self.relations if not same(each, name)}
        self.gone.add(name)

    def hold(self, name: Name, mode: LockMode) -> None:
        """The transaction holds a lock until its end."""
        if mode.blocks_writes and not self.is_new(name):
            held = self.held.get(name)
            self.held[name] = mode if held is None or mode.strength > held.strength else held

    def end_transaction(self) -> None:
        """Its locks are released, and what it added may be used."""
        self.held.clear()
        self.enum_values.clear()

    @staticmethod
    def _among(name: Name, names: Iterable[Name]) -> bool:
        return any(same(each, name) for each in names)


def same(one: Name, other: Name) -> bool:
    """Whether two names are of one relation, as far as they tell: a schema that is not written may be any."""
    return one.name == other.name and (one.schema == other.schema or None in (one.schema, other.schema))
