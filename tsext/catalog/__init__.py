"""What the database holds: the only room that asks it; returns objects and facts, never rows.

Nothing here writes, and nothing fails where TimescaleDB is absent: there is then simply none of it.
"""

from typing import TYPE_CHECKING

from tsext.deferred import deferred

if TYPE_CHECKING:
    from tsext.catalog.activity import Holder, holds_locks, lock_holders, long_transactions, oldest_transactions
    from tsext.catalog.aggregates import (
        FoundAggregate,
        SourceOfAggregate,
        aggregate_query,
        aggregates_over,
        continuous_aggregate,
        continuous_aggregates,
        extent,
        is_query_of,
        is_same_index,
        source_of_aggregate,
    )
    from tsext.catalog.asking import Key, Relation, key_of
    from tsext.catalog.blocking import Backend, Waiter, Waiting, archive_backlog, backend, blocked_by, waiting
    from tsext.catalog.columnar import (
        Chunk,
        ColumnstoreUse,
        Partitioned,
        chunk_condition,
        chunks,
        columnstore,
        columnstore_use,
        columnstores,
        commented_chunks,
        is_in_columnstore,
        partitioned,
        partitioned_relation,
    )
    from tsext.catalog.columns import (
        ColumnDetails,
        ColumnUse,
        Moved,
        column_details,
        column_uses,
        expansions,
        expansions_of,
        is_assignable,
        moved,
        printed_column,
        refusal_of_type,
    )
    from tsext.catalog.constraints import ConstraintState, NullState, constraint_state, null_state, printed_check
    from tsext.catalog.details import (
        ColumnSettings,
        ExtendedStatistics,
        IdentitySequence,
        IndexDetails,
        Privilege,
        Publication,
        TableDetails,
        table_details,
    )
    from tsext.catalog.emptiness import holds_tables
    from tsext.catalog.filling import (
        Span,
        chunk_spans,
        insert_triggers,
        internal_times,
        is_fillable,
        loadable_columns,
        own_chunks,
    )
    from tsext.catalog.holding import (
        Locked,
        LockedRelation,
        TableFiles,
        locked,
        table_files,
        tables_of_indexes,
        wal_position,
    )
    from tsext.catalog.index_builds import (
        BuiltIndex,
        ChunkKey,
        Indexed,
        IndexedTable,
        chunk_keys,
        index_builders,
        index_table,
        indexed,
        indexed_table,
        indexed_tables,
        indexes_are_matched,
        indexes_of_parts,
        may_create_in,
        may_register_chunk_index,
        printed_index,
        register_chunk_indexes,
    )
    from tsext.catalog.indexes import default_indexes
    from tsext.catalog.installed import (
        MATCHED_SINCE,
        TimescaleInfo,
        available,
        chunk_tables,
        expected_timescaledb,
        extension_tables,
        extensions,
        preloaded,
        timescaledb,
        timescaledb_triggers,
    )
    from tsext.catalog.measuring import RelationSize, sizes
    from tsext.catalog.moves import (
        MovedColumn,
        MovedConstraint,
        MovedPolicy,
        MovedTable,
        MovedTrigger,
        ReadingView,
        ReferringKey,
        SourceChunk,
        chunk_range,
        chunks_like_columnstore,
        leads_index,
        moved_table,
        row_estimate,
        source_chunks,
        table_mark,
        view_query,
        views_of_columns,
    )
    from tsext.catalog.native import Exclusion, exclusions, partition_keys, partitions
    from tsext.catalog.pages import (
        ColumnState,
        Heap,
        Updating,
        column_state,
        heaps,
        is_there,
        page_count,
        quantiles,
        row_order,
        rows_by_page,
        updating,
        vacuumed,
    )
    from tsext.catalog.partitioning import (
        NowFunction,
        chunk_foreign_keys,
        functions,
        hypertable,
        hypertables,
        named,
        now_function,
        resolved,
        table_facts,
        tablespaces,
    )
    from tsext.catalog.relations import (
        ColumnFacts,
        ConstraintFacts,
        DatabaseFacts,
        Dependent,
        IndexFacts,
        RelationFacts,
        database_facts,
    )
    from tsext.catalog.scheduled import (
        OwnedJob,
        PolicyRelation,
        job_applications,
        jobs,
        owned_jobs,
        policies,
        policy_relation,
        referencing_keys,
        running,
    )
    from tsext.catalog.serving import (
        PreparedTransaction,
        Replica,
        Server,
        Slot,
        Transaction,
        database_bytes,
        output_of,
        server,
        takes_one_client,
    )
    from tsext.catalog.unfinished import UncoveredIndex, invalid_indexes, uncovered_indexes, unvalidated_constraints
    from tsext.catalog.volumes import Volume, local_volumes
else:
    __getattr__ = deferred(__name__, __file__)
