"""Operations that print their SQL, as with ``--sql``."""

from __future__ import annotations

import io

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations


@pytest.fixture
def op():
    buffer = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer})
    operations = Operations(context)
    operations.emitted = lambda: [line for line in buffer.getvalue().split(";\n\n") if line]
    return operations
