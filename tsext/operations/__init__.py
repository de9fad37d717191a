"""Verbs: the ``op.*`` directives. Importing this package registers them all."""

from tsext.operations import (
    aggregates,
    columnstore,
    columnstore_policies,
    conversion,
    dimensions,
    extensions,
    files,
    hypertable_settings,
    hypertables,
    jobs,
    pausing,
    refresh,
    refresh_policies,
    reorder_policies,
    retention,
    swapping,
)

__all__ = [
    "aggregates",
    "columnstore",
    "columnstore_policies",
    "conversion",
    "dimensions",
    "extensions",
    "files",
    "hypertable_settings",
    "hypertables",
    "jobs",
    "pausing",
    "refresh",
    "refresh_policies",
    "reorder_policies",
    "retention",
    "swapping",
]
