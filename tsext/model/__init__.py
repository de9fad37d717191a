"""Objects: what TimescaleDB adds to a schema, as frozen values; the same type whether declared or found."""

from tsext.model.aggregates import (
    AGGREGATE_CHUNK_INTERVAL,
    AGGREGATE_COLUMNS,
    CONTINUOUS_AGGREGATES,
    FORCED_REFRESH,
    AggregateIndex,
    ContinuousAggregate,
    aggregates_of,
)
from tsext.model.columnstore import COLUMNSTORE, SPARSE_INDEXES, UNSET_COLUMNS, Columnstore, Ordering, SparseIndex
from tsext.model.declarations import declared, objects_of
from tsext.model.features import CHUNK_SKIPPING, TIMESCALEDB, UUID_PARTITIONING, Feature, License
from tsext.model.hypertables import Dimension, Hypertable, TableFacts, facts_of, partitions
from tsext.model.intervals import Interval, interval, microseconds
from tsext.model.objects import INFO_KEY, Extension, Object, TableObject

__all__ = [
    "AGGREGATE_CHUNK_INTERVAL",
    "AGGREGATE_COLUMNS",
    "CHUNK_SKIPPING",
    "COLUMNSTORE",
    "CONTINUOUS_AGGREGATES",
    "FORCED_REFRESH",
    "INFO_KEY",
    "SPARSE_INDEXES",
    "TIMESCALEDB",
    "UNSET_COLUMNS",
    "UUID_PARTITIONING",
    "AggregateIndex",
    "Columnstore",
    "ContinuousAggregate",
    "Dimension",
    "Extension",
    "Feature",
    "Hypertable",
    "Interval",
    "License",
    "Object",
    "Ordering",
    "SparseIndex",
    "TableFacts",
    "TableObject",
    "aggregates_of",
    "declared",
    "facts_of",
    "interval",
    "microseconds",
    "objects_of",
    "partitions",
]
