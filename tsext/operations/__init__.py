"""Verbs: the ``op.*`` directives. Importing this package registers them all."""

from tsext.operations import columnstore, conversion, dimensions, extensions, files, hypertables

__all__ = ["columnstore", "conversion", "dimensions", "extensions", "files", "hypertables"]
