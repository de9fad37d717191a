"""The SQL that the rooms keep in folders of their own, ``queries``."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def stored(room: str, name: str) -> str:
    """What ``queries/<name>.sql`` says.

    :param room: the ``__file__`` of a module that lies beside the folder.
    """
    return (Path(room).parent / "queries" / f"{name}.sql").read_text("utf-8")
