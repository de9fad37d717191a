"""What the database holds: the only room that asks it; returns objects and facts, never rows.

Nothing here writes, and nothing fails where TimescaleDB is absent: there is then simply none of it.
"""

from tsext.catalog.aggregates import (
    FoundAggregate,
    continuous_aggregate,
    continuous_aggregates,
    extent,
    is_query_of,
)
from tsext.catalog.asking import Key
from tsext.catalog.asking import key as key_of
from tsext.catalog.columnstore import (
    Chunk,
    ColumnstoreUse,
    Partitioned,
    chunks,
    columnstore,
    columnstore_use,
    columnstores,
    partitioned,
    partitioned_relation,
)
from tsext.catalog.extensions import (
    TimescaleInfo,
    available,
    expected_timescaledb,
    extension_tables,
    extensions,
    preloaded,
    timescaledb,
    timescaledb_triggers,
)
from tsext.catalog.hypertables import (
    NowFunction,
    chunk_foreign_keys,
    chunk_tables,
    functions,
    hypertable,
    hypertables,
    now_function,
    table_facts,
    tablespaces,
)
from tsext.catalog.indexes import default_indexes, invalid_indexes, unvalidated_constraints
from tsext.catalog.jobs import (
    PAUSED,
    PolicyRelation,
    job_applications,
    jobs,
    policies,
    policy_relation,
    referencing_keys,
    running,
)
from tsext.catalog.relations import (
    ColumnFacts,
    ConstraintFacts,
    DatabaseFacts,
    IndexFacts,
    RelationFacts,
    database_facts,
)

__all__ = [
    "PAUSED",
    "Chunk",
    "ColumnFacts",
    "ColumnstoreUse",
    "ConstraintFacts",
    "DatabaseFacts",
    "FoundAggregate",
    "IndexFacts",
    "Key",
    "NowFunction",
    "Partitioned",
    "PolicyRelation",
    "RelationFacts",
    "TimescaleInfo",
    "available",
    "chunk_foreign_keys",
    "chunk_tables",
    "chunks",
    "columnstore",
    "columnstore_use",
    "columnstores",
    "continuous_aggregate",
    "continuous_aggregates",
    "database_facts",
    "default_indexes",
    "expected_timescaledb",
    "extension_tables",
    "extensions",
    "extent",
    "functions",
    "hypertable",
    "hypertables",
    "invalid_indexes",
    "is_query_of",
    "job_applications",
    "jobs",
    "key_of",
    "now_function",
    "partitioned",
    "partitioned_relation",
    "policies",
    "policy_relation",
    "preloaded",
    "referencing_keys",
    "running",
    "table_facts",
    "tablespaces",
    "timescaledb",
    "timescaledb_triggers",
    "unvalidated_constraints",
]
