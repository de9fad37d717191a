"""tsext: Alembic stays the engine; tsext makes it safe, measured and reversible on TimescaleDB."""

import alembic  # noqa: F401  (first, because Alembic loads our plugin while it is itself being imported)
