"""Whether a way back is available, told from the revision's code."""

from __future__ import annotations

import importlib.util

import pytest

from tsext.history.files import RevisionFiles

CASES = {
    "def upgrade():\n    pass\n\ndef downgrade():\n    pass\n": True,
    "def upgrade():\n    work()\n\ndef downgrade():\n    pass\n": False,
    'def upgrade():\n    work()\n\ndef downgrade():\n    """Nothing."""\n': False,
    "def upgrade():\n    work()\n": False,
    "def upgrade():\n    work()\n\ndef downgrade():\n    raise ValueError('no')\n": False,
    "def upgrade():\n    work()\n\ndef downgrade():\n    undo()\n": True,
    "def upgrade():\n    work()\n\ndef downgrade():\n    if odd():\n        raise ValueError\n    undo()\n": True,
    "def upgrade():\n    work()\n\ndef downgrade():\n    op.execute_rollback_file('001_rollback.sql')\n": False,
}


@pytest.mark.parametrize(("text", "available"), CASES.items())
def test_rollback_available(tmp_path, text, available):
    path = tmp_path / "001_x.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("revision", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert RevisionFiles((path,), getattr(module, "downgrade", None)).rollback_available is available


def test_named_rollback_file_that_exists(tmp_path):
    path, rollback = tmp_path / "001_x.py", tmp_path / "001_rollback.sql"
    path.write_text("def downgrade():\n    op.execute_rollback_file('001_rollback.sql')\n")
    rollback.write_text("SELECT 1")
    namespace = {}
    exec(path.read_text(), namespace)
    assert RevisionFiles((path, rollback), namespace["downgrade"]).rollback_available
