"""Objects: what TimescaleDB adds to a schema, as frozen values; the same type whether declared or found."""

from typing import TYPE_CHECKING

from tsext.deferred import deferred

if TYPE_CHECKING:
    from tsext.model.aggregates import (
        AGGREGATE_CHUNK_INTERVAL,
        AGGREGATE_COLUMNS,
        CONTINUOUS_AGGREGATES,
        FORCED_REFRESH,
        AggregateIndex,
        ContinuousAggregate,
        aggregates_of,
        is_expression,
    )
    from tsext.model.columnstore import COLUMNSTORE, SPARSE_INDEXES, UNSET_COLUMNS, Columnstore, Ordering, SparseIndex
    from tsext.model.declarations import declared
    from tsext.model.features import CHUNK_SKIPPING, TIMESCALEDB, UUID_PARTITIONING, Feature, License
    from tsext.model.hypertables import Dimension, Hypertable, TableFacts, facts_of, partitions
    from tsext.model.indexes import Index
    from tsext.model.intervals import Interval, Span, estimated, interval, microseconds, span
    from tsext.model.jobs import JOB_NAMES, Job, jobs_of
    from tsext.model.objects import INFO_KEY, Extension, Object, TableObject, objects_in, objects_of
    from tsext.model.policies import (
        POLICIES,
        RETENTION_BY_CREATION,
        ColumnstorePolicy,
        Policy,
        RefreshPolicy,
        ReorderPolicy,
        RetentionPolicy,
    )
    from tsext.model.schedules import JOBS, SCHEDULE, Schedule
else:
    __getattr__ = deferred(__name__, __file__)
