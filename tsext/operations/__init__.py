"""Verbs: the ``op.*`` directives. Importing this package registers them all."""

from tsext.operations import aggregates, dimensions, extensions, files, hypertables, refresh

__all__ = ["aggregates", "dimensions", "extensions", "files", "hypertables", "refresh"]
