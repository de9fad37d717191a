"""Alembic loads the plugin while it is itself being imported, and any of our modules may be the first that follows."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import tsext

MODULES = [each.name for each in pkgutil.walk_packages(tsext.__path__, "tsext.")]

EACH_FIRST = """
import importlib, os, sys
import tsext

for module in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(module)
            from alembic import op
            op.create_hypertable
            assert "postgast" not in sys.modules
        except BaseException as error:
            print(module, repr(error), flush=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize("module", ["alembic", "tsext", "tsext.plugin", "tsext.cli", "tsext.operations.operation"])
def test_first_import(module):
    code = f"import {module}, sys; from alembic import op; op.create_hypertable; assert 'postgast' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_any_module_may_come_first():
    """Each in a process that has loaded nothing but what ``import tsext`` loads, which comes before all of them."""
    done = subprocess.run([sys.executable, "-c", EACH_FIRST, *MODULES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("package", ["tsext", "tsext.catalog", "tsext.command", "tsext.localdb", "tsext.model"])
def test_what_type_checkers_see_is_there(package):
    module = importlib.import_module(package)
    tree = ast.parse(Path(module.__file__).read_text())
    (block,) = (each for each in tree.body if isinstance(each, ast.If))
    names = [(each.module, name.name) for each in block.body for name in each.names]
    assert names
    for place, name in names:
        assert getattr(module, name) is getattr(importlib.import_module(place), name)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_an_upgrade_loads_no_objects():
    """Before it knows that there is one to be made."""
    code = (
        "import sys, tsext.environment; print([m for m in sys.modules if m.startswith(('tsext.model', 'tsext.cat'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "[]\n")


def test_what_a_first_revision_needs_loads_no_nouns_and_no_grammar():
    code = (
        "import sys; from tsext.preflight import checking; from tsext.locks import acquiring, receipt, watchdog;"
        "from tsext import catalog, validation; catalog.invalid_indexes, catalog.unvalidated_constraints;"
        "print(*sorted(m for m in sys.modules if m.startswith(('tsext.model.', 'tsext.sql.grammar', 'postgast'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "tsext.model.locks\n")


def test_a_url_of_this_machine_loads_little_of_the_local_server():
    """Every run on one asks whether it is that server's."""
    code = (
        "import sys; from tsext import localdb; localdb.serves(1);"
        "print(*sorted(m for m in sys.modules if m == 'platformdirs' or m.startswith('tsext.localdb.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "tsext.localdb.places tsext.localdb.postmaster\n")


def test_public_names():
    for name in tsext.__all__:
        assert getattr(tsext, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tsext.nothing  # noqa: B018


DECLARED = """
import sqlalchemy as sa
from tsext import Hypertable

table = sa.Table("t", sa.MetaData(), sa.Column("time", sa.DateTime), Hypertable("time"))
assert table.info["timescaledb"] == [Hypertable("time")]
"""


def test_models_that_load_nothing_else_declare():
    """They are loaded before anything that reads them."""
    done = subprocess.run([sys.executable, "-c", DECLARED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
