"""Verbs: the ``op.*`` directives. Importing this package makes them known; each is loaded when it is first called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from alembic.operations import Operations

MODULES: dict[str, tuple[str, ...]] = {
    "aggregates": (
        "add_continuous_aggregate_column",
        "alter_continuous_aggregate",
        "create_continuous_aggregate",
        "drop_continuous_aggregate",
    ),
    "backfilling": ("backfill",),
    "columnstore": ("alter_columnstore", "disable_columnstore", "enable_columnstore"),
    "columnstore_columns": ("alter_columnstore_column",),
    "columnstore_policies": ("add_columnstore_policy", "alter_columnstore_policy", "remove_columnstore_policy"),
    "column_renames": (
        "contract_column_rename",
        "expand_column_rename",
        "undo_contract_column_rename",
        "undo_expand_column_rename",
    ),
    "column_types": (
        "contract_column_type",
        "expand_column_type",
        "undo_contract_column_type",
        "undo_expand_column_type",
    ),
    "columns": ("add_column_with_default",),
    "constraints": ("add_check", "add_foreign_key", "add_unique", "set_not_null"),
    "conversion": ("convert_to_columnstore", "convert_to_rowstore"),
    "dimensions": ("add_dimension", "drop_dimension", "set_chunk_time_interval", "set_number_partitions"),
    "extensions": ("create_extension", "drop_extension"),
    "files": ("execute_file", "execute_rollback_file"),
    "hypertable_settings": (
        "attach_tablespace",
        "detach_tablespace",
        "disable_chunk_skipping",
        "drop_integer_now_func",
        "enable_chunk_skipping",
        "set_integer_now_func",
    ),
    "hypertables": ("create_hypertable", "drop_hypertable"),
    "indexes": ("create_index_concurrently", "drop_index_concurrently", "reindex_concurrently"),
    "jobs": ("add_job", "alter_job", "delete_job", "run_job"),
    "pausing": ("pause_jobs", "resume_jobs"),
    "refresh": ("refresh_continuous_aggregate",),
    "refresh_policies": (
        "add_continuous_aggregate_policy",
        "alter_continuous_aggregate_policy",
        "remove_continuous_aggregate_policy",
    ),
    "renaming": (
        "create_renaming_view",
        "drop_renaming_view",
        "rename_table_over_view",
        "rename_table_with_view",
    ),
    "reorder_policies": ("add_reorder_policy", "alter_reorder_policy", "remove_reorder_policy"),
    "repartition": ("convert_to_table", "repartition_hypertable", "undo_repartition_hypertable"),
    "retention": ("add_retention_policy", "alter_retention_policy", "drop_chunks", "remove_retention_policy"),
    "swapping": (
        "copy_continuous_aggregate_privileges",
        "rename_continuous_aggregate",
        "rename_continuous_aggregate_index",
    ),
}
"""The verbs that each module brings; a test compares them with the modules.

Alembic imports this package whenever it is imported itself, and most commands call none of them: loading all of them
would take as long as the rest of such a command.
"""

VERBS = {verb: module for module, verbs in MODULES.items() for verb in verbs}


def load(verb: str) -> None:
    """Load the module of a verb, which registers the verb itself in place of what stands for it here."""
    import_module(f"tsext.operations.{VERBS[verb]}")


def load_all() -> None:
    """Load every verb, as the documentation needs it."""
    for module in MODULES:
        import_module(f"tsext.operations.{module}")


def _stand_in(verb: str) -> type[Any]:
    class StandIn:
        @classmethod
        def invoke(cls, operations: Operations, *arguments: Any, **options: Any) -> Any:
            """Loaded when it is first called: see the page of all operations."""
            load(verb)
            return getattr(operations, verb)(*arguments, **options)

    return StandIn


for _verb in VERBS:
    if not hasattr(Operations, _verb):
        Operations.register_operation(_verb, "invoke")(_stand_in(_verb))
