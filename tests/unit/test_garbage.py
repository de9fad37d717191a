"""Python's search for garbage, while a command runs and when its process ends."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from alembic.config import Config

from tsext.environment.garbage import seldom_searched

AT_EXIT = """
import argparse, atexit, gc
from alembic.config import Config
from tsext.environment.garbage import seldom_searched

atexit.register(lambda: print(gc.get_freeze_count() > 0))  # the last that is called
with seldom_searched(Config(cmd_opts={options})):
    pass
assert gc.get_freeze_count() == 0
"""


def test_a_run_restores_what_the_application_has_set():
    before = gc.get_threshold()
    gc.set_threshold(800, 7, 6)
    try:
        with pytest.raises(ZeroDivisionError), seldom_searched(Config()):
            assert gc.get_freeze_count() > 0
            assert gc.get_threshold()[0] > 800
            raise ZeroDivisionError
        assert gc.get_threshold() == (800, 7, 6)
        assert gc.get_freeze_count() == 0
    finally:
        gc.set_threshold(*before)


def test_what_the_application_has_frozen_stays_so():
    gc.freeze()
    try:
        before = gc.get_threshold()
        with seldom_searched(Config()):
            assert gc.get_threshold() == before
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(("options", "frozen"), [("argparse.Namespace()", True), ("None", False)])
def test_only_a_command_line_ends_without_a_search(options, frozen):
    code = AT_EXIT.format(options=options)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", f"{frozen}\n")
