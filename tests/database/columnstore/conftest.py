"""A hypertable that may get a columnstore."""

from __future__ import annotations

import pytest

from .declaring import HYPERTABLE, ROWS, TABLE


@pytest.fixture
def ticks(licensed):
    """A hypertable with five chunks."""
    licensed.execute(TABLE, HYPERTABLE, ROWS)
    return licensed
