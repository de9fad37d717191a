"""Tables that get another name while both names are in use."""

from __future__ import annotations

from dataclasses import dataclass

from tsext.errors import InvalidObject
from tsext.model.objects import Object, check_name


@dataclass(frozen=True)
class RenamingView(Object):
    """A view with a table's old name, for whoever does not know the new one yet.

    :raises InvalidObject: without two names.
    """

    old_table_name: str
    new_table_name: str
    schema: str | None = None
    """Of both."""

    def __post_init__(self) -> None:
        check_name("old name of a table", self.old_table_name)
        check_name("new name of a table", self.new_table_name)
        if self.old_table_name == self.new_table_name:
            raise InvalidObject(f"{self.old_table_name} is to be renamed to itself", hint="give another name")
