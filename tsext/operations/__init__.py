"""Verbs: the ``op.*`` directives. Importing this package registers them all."""

from tsext.operations import (
    aggregates,
    columnstore,
    conversion,
    dimensions,
    extensions,
    files,
    hypertable_settings,
    hypertables,
    refresh,
    swapping,
)

__all__ = [
    "aggregates",
    "columnstore",
    "conversion",
    "dimensions",
    "extensions",
    "files",
    "hypertable_settings",
    "hypertables",
    "refresh",
    "swapping",
]
