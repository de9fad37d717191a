"""The verbs of tsext as functions of an Alembic ``Config``, beside ``alembic.command``; safe to call from threads.

Names are loaded when first used: most commands are one verb.
"""

from typing import TYPE_CHECKING

from tsext.deferred import deferred

if TYPE_CHECKING:
    from tsext.command.inspecting import preflight, receipt, refuse, status, validate
    from tsext.command.linting import lint
    from tsext.command.recording import adopt, repair
    from tsext.command.reflecting import reflect
    from tsext.command.seeding import seed
    from tsext.command.statuses import RevisionStatus
    from tsext.command.upgrading import downgrade, migrate, rollback, upgrade
    from tsext.command.writing import merge, renumber, revision
else:
    __getattr__ = deferred(__name__, __file__)

__all__ = [
    "RevisionStatus",
    "adopt",
    "downgrade",
    "lint",
    "merge",
    "migrate",
    "preflight",
    "receipt",
    "reflect",
    "refuse",
    "renumber",
    "repair",
    "revision",
    "rollback",
    "seed",
    "status",
    "upgrade",
    "validate",
]
