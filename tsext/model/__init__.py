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
from tsext.model.declarations import declared, objects_of
from tsext.model.features import TIMESCALEDB, Feature, License
from tsext.model.hypertables import Dimension, Hypertable, TableFacts, facts_of, partitions
from tsext.model.intervals import Interval, interval, microseconds
from tsext.model.objects import INFO_KEY, Extension, Object, TableObject

__all__ = [
    "AGGREGATE_CHUNK_INTERVAL",
    "AGGREGATE_COLUMNS",
    "CONTINUOUS_AGGREGATES",
    "FORCED_REFRESH",
    "INFO_KEY",
    "TIMESCALEDB",
    "AggregateIndex",
    "ContinuousAggregate",
    "Dimension",
    "Extension",
    "Feature",
    "Hypertable",
    "Interval",
    "License",
    "Object",
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
