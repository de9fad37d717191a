"""tsext: Alembic stays the engine; tsext makes it safe, measured and reversible on TimescaleDB.

Public names are loaded when first used, because Alembic imports this package while it is itself being imported.
"""

from typing import TYPE_CHECKING

import alembic  # noqa: F401  (first: whoever imports tsext first must not meet a half-imported Alembic)

from tsext.deferred import deferred

if TYPE_CHECKING:
    from tsext.autogenerate import include_name
    from tsext.command import (
        adopt,
        downgrade,
        migrate,
        reflect,
        renumber,
        repair,
        rollback,
        seed,
        status,
        upgrade,
        validate,
    )
    from tsext.errors import Finding, TsextError
    from tsext.model import (
        AggregateIndex,
        Columnstore,
        ColumnstorePolicy,
        ContinuousAggregate,
        Dimension,
        Extension,
        Hypertable,
        Job,
        RefreshPolicy,
        ReorderPolicy,
        RetentionPolicy,
    )
else:
    __getattr__ = deferred(__name__, __file__)

__all__ = [
    "AggregateIndex",
    "Columnstore",
    "ColumnstorePolicy",
    "ContinuousAggregate",
    "Dimension",
    "Extension",
    "Finding",
    "Hypertable",
    "Job",
    "RefreshPolicy",
    "ReorderPolicy",
    "RetentionPolicy",
    "TsextError",
    "adopt",
    "downgrade",
    "include_name",
    "migrate",
    "reflect",
    "renumber",
    "repair",
    "rollback",
    "seed",
    "status",
    "upgrade",
    "validate",
]
