"""What the verbs of constraints print, and how they stand in a revision."""

import pytest
from alembic.autogenerate import render_python_code
from alembic.operations.ops import UpgradeOps

from tsext.model.constraints import Check, ForeignKey, NotNull, Unique
from tsext.operations.constraints import AddCheck, AddForeignKey, AddUnique, SetNotNull


def test_a_script_takes_each_step_outside_the_transaction(op):
    op.add_check("ck", "t", "a > 0", schema="app")
    op.add_foreign_key(
        "fk", "t", "u", ["a", "B"], ["x", "y"], ondelete="set null", onupdate="CASCADE", initially_deferred=True,
        deferrable=True, referent_schema="app",
    )  # fmt: skip
    op.set_not_null("t", "Käse")
    op.add_unique("uq", "t", ["a", "B"])

    assert [each for each in op.emitted() if each not in ("COMMIT", "BEGIN")] == [
        "ALTER TABLE app.t ADD CONSTRAINT ck CHECK (a > 0) NOT VALID",
        "ALTER TABLE app.t VALIDATE CONSTRAINT ck",
        'ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (a, "B") REFERENCES app.u (x, y) ON UPDATE CASCADE '
        "ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT fk",
        'ALTER TABLE t ADD CONSTRAINT "tsext_t_Käse_not_null" CHECK ("Käse" IS NOT NULL) NOT VALID',
        'ALTER TABLE t VALIDATE CONSTRAINT "tsext_t_Käse_not_null"',
        'ALTER TABLE t ALTER COLUMN "Käse" SET NOT NULL',
        'ALTER TABLE t DROP CONSTRAINT "tsext_t_Käse_not_null"',
        'CREATE UNIQUE INDEX CONCURRENTLY uq ON t (a, "B")',
        "ALTER TABLE t ADD CONSTRAINT uq UNIQUE USING INDEX uq",
    ]


@pytest.mark.parametrize(
    ("operation", "there", "back"),
    [
        (
            AddCheck(Check("ck", "t", "a > 0", "app")),
            'op.add_check("ck", "t", "a > 0", schema="app")',
            "op.drop_constraint('ck', 't', schema='app', type_='check')",
        ),
        (
            AddForeignKey(ForeignKey("fk", "t", "u", ("a",), ("b",), ondelete="CASCADE")),
            'op.add_foreign_key("fk", "t", "u", ["a"], ["b"], ondelete="CASCADE")',
            "op.drop_constraint('fk', 't', type_='foreignkey')",
        ),
        (SetNotNull(NotNull("t", "a")), 'op.set_not_null("t", "a")', "op.alter_column('t', 'a',"),
        (
            AddUnique(Unique("uq", "t", ("a", "b"))),
            'op.add_unique("uq", "t", ["a", "b"])',
            "op.drop_constraint('uq', 't', type_='unique')",
        ),
    ],
)
def test_they_are_rendered_with_their_way_back(operation, there, back):
    assert there in render_python_code(UpgradeOps([operation]))
    assert back in render_python_code(UpgradeOps([operation.reverse()]))


def test_the_name_of_the_proof_fits():
    assert len(SetNotNull(NotNull("t" * 60, "ä" * 30)).proof.encode()) <= 63
