"""Names of a package that are loaded when they are first used: loading all would take longer than most commands."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeGuard


def deferred(package: str, path: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package: it imports one by one what the package imports for type checkers only.

    :param path: the package's ``__init__.py``, which is read for that: so each name stands there once.
    """

    @cache
    def module_of() -> dict[str, str]:
        tree = ast.parse(Path(path).read_text("utf-8"))
        imports = (each for block in tree.body if _is_for_type_checkers(block) for each in block.body)
        return {
            name.name: each.module
            for each in imports
            if isinstance(each, ast.ImportFrom) and each.module is not None
            for name in each.names
        }

    def load(name: str) -> Any:
        if name not in module_of():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(module_of()[name]), name)
        setattr(sys.modules[package], name, found)  # so that it is not asked for again
        return found

    return load


def _is_for_type_checkers(block: ast.stmt) -> TypeGuard[ast.If]:
    return isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
