"""What pending revisions are known to call, told from their files."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest

from tsext.operations.calling import calls_of
from tsext.operations.pending import needs

BODY = """
def upgrade():
    op.create_extension("timescaledb", version="2.19.3")
    _tables()
    with op.get_context().autocommit_block():
        op.set_number_partitions("t", 2)
    result = op.set_chunk_time_interval("t", "1 day", dimension_name=NAME)
    if RELEASE:
        op.add_dimension("t", "device", number_partitions=2)
    for each in ("a", "b"):
        op.attach_tablespace(each, "t")
    try:
        op.detach_tablespace("a", "t")
    except Exception:
        pass
    def later():
        op.enable_chunk_skipping("t", "n")
    if RELEASE:
        return
    op.disable_chunk_skipping("t", "n")


def _tables():
    op.create_hypertable("t", "time", chunk_skipping=["n"])
    _tables()


def downgrade():
    op.drop_table("t")
"""


@pytest.fixture
def revision(tmp_path):
    def make(text):
        path = tmp_path / "001_t.py"
        path.write_text(f"from alembic import op\n\nNAME = RELEASE = None\n{text}")
        spec = importlib.util.spec_from_file_location("revision", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return SimpleNamespace(revision="001_t", path=str(path)), module

    return make


def test_only_what_is_called_in_any_case_is_read(revision):
    script, module = revision(BODY)
    calls = list(calls_of(script, module.upgrade))
    assert [(each.verb, each.arguments) for each in calls] == [
        ("create_extension", {"": "timescaledb", "version": "2.19.3"}),
        ("create_hypertable", {"": "t", "chunk_skipping": ["n"]}),
        ("set_number_partitions", {"": "t"}),
        ("set_chunk_time_interval", {"": "t", "dimension_name": None}),
    ]
    assert [what for each in calls for what, _ in needs(each)] == [
        "op.create_hypertable",
        "op.create_hypertable with chunk_skipping",
        "op.set_number_partitions",
        "op.set_chunk_time_interval",
    ]


def test_a_revision_without_our_verbs_is_not_even_opened(revision):
    script, module = revision(BODY)
    script.path = "/does/not/exist"
    assert list(calls_of(script, module.downgrade)) == []
    with pytest.raises(FileNotFoundError):
        list(calls_of(script, module.upgrade))


@pytest.mark.parametrize(
    "text",
    [
        "def make():\n    return lambda: op.create_hypertable('t', 'time')\n\nupgrade = make()\n",
        "class A:\n    def upgrade(self):\n        op.create_hypertable('t', 'time')\n\nupgrade = A.upgrade\n",
        "def upgrade():\n    raise RuntimeError\n    op.create_hypertable('t', 'time')\n",
        "def upgrade():\n    [op.create_hypertable(t, 'time') for t in ()]\n",
    ],
)
def test_what_cannot_be_read_is_not_guessed(revision, text):
    script, module = revision(text)
    assert list(calls_of(script, module.upgrade)) == []
