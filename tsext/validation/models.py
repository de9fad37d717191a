"""Whether the schema equals the models, as ``alembic check`` compares them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from alembic.autogenerate.api import RevisionContext
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tsext.errors import Finding, Severity

log = logging.getLogger("alembic.tsext")

_AS_CHECK = {
    "message": None,
    "autogenerate": True,
    "sql": False,
    "head": "head",
    "splice": False,
    "branch_label": None,
    "version_path": None,
    "rev_id": None,
    "depends_on": None,
}
"""What ``alembic check`` asks a revision's context for."""

_SHOWN = 5

_WRITE = "write the difference as a revision: alembic revision --autogenerate"
_DECLARE = (
    "declare it in the models, as `tsext reflect` prints it; or, if it is to go, write a revision that drops it: "
    "alembic revision --autogenerate"
)


class Differences(NamedTuple):
    """What autogenerate would write."""

    missing: tuple[str, ...]
    """What the models have and the schema lacks, or has otherwise: an application would not find it."""
    surplus: tuple[str, ...]
    """What only the schema has, as between expanding and contracting it."""

    @property
    def findings(self) -> Iterator[Finding]:
        """One finding for each kind; what is surplus is only a warning."""
        kinds = (
            (self.missing, "lacks what the models have", _WRITE, Severity.ERROR),
            (self.surplus, "has what the models do not have", _DECLARE, Severity.WARNING),
        )
        for differences, fact, hint, severity in kinds:
            if differences:
                more = f", and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
                yield Finding(
                    "models-differ",
                    f"models and schema differ: the schema {fact}: {', '.join(differences[:_SHOWN])}{more}",
                    hint,
                    severity,
                )


def compared(context: MigrationContext, config: Config, script: ScriptDirectory) -> Differences:
    """The differences between the models of ``env.py`` and the schema; the database must be at the head.

    :param context: as ``env.py`` has configured it.
    """
    revision = RevisionContext(config, script, dict(_AS_CHECK))
    with _quiet():
        revision.run_autogenerate(context.get_current_heads(), context)
    operations = revision.generated_revisions[-1].upgrade_ops_list
    described = [_described(diff) for each in operations for diff in each.as_diffs()]
    surplus = [each for each in described if each.startswith(("remove_", "drop_"))]
    return Differences(tuple(each for each in described if each not in surplus), tuple(surplus))


def _described(diff: Any) -> str:
    """``add_column orders note``; changes of one column come as a list."""
    if isinstance(diff, list):
        return "; ".join(map(_described, diff))
    verb, *others = diff
    named = (getattr(each, "name", each) for each in others)
    return " ".join([verb, *(each for each in named if isinstance(each, str))])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Alembic's line for each difference: they are told together."""
    logger = logging.getLogger("alembic.autogenerate")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
