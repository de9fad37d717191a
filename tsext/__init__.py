"""tsext: Alembic stays the engine; tsext makes it safe, measured and reversible on TimescaleDB.

Public names are loaded when first used, because Alembic imports this package while it is itself being imported.
"""

import alembic  # noqa: F401  (first: whoever imports tsext first must not meet a half-imported Alembic)

_PUBLIC = {
    "AggregateIndex": "model",
    "Columnstore": "model",
    "ColumnstorePolicy": "model",
    "ContinuousAggregate": "model",
    "Dimension": "model",
    "Extension": "model",
    "Hypertable": "model",
    "Job": "model",
    "RefreshPolicy": "model",
    "ReorderPolicy": "model",
    "RetentionPolicy": "model",
    "Finding": "errors",
    "TsextError": "errors",
    "include_name": "autogenerate",
    "adopt": "command",
    "downgrade": "command",
    "migrate": "command",
    "reflect": "command",
    "renumber": "command",
    "repair": "command",
    "rollback": "command",
    "seed": "command",
    "status": "command",
    "upgrade": "command",
    "validate": "command",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tsext' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"tsext.{_PUBLIC[name]}"), name)
