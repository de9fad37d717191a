"""Alembic loads the plugin while it is itself being imported: any module may come first."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import tsext

MODULES = ["alembic", *(each.name for each in pkgutil.walk_packages(tsext.__path__, "tsext."))]


@pytest.mark.parametrize("module", MODULES)
def test_first_import(module):
    code = f"import {module}, sys; from alembic import op; op.create_hypertable; assert 'postgast' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names():
    for name in tsext.__all__:
        assert getattr(tsext, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tsext.nothing  # noqa: B018
