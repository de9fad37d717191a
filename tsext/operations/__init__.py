"""Verbs: the ``op.*`` directives. Importing this package registers them all."""

from tsext.operations import dimensions, extensions, files, hypertables

__all__ = ["dimensions", "extensions", "files", "hypertables"]
