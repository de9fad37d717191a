"""A step that did its work, but could not be committed: it is run again, and the run goes on from there."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.history import Recorder
from tsext.sql.sending import said_first, sqlstate
from tsext.steps import Steps

log = logging.getLogger("alembic.tsext")

TRIES = 5
"""How often a step is run until its commit's failure is that of the revision."""

PAUSE = 0.2
"""Seconds to the next try, at most."""


@dataclass
class Committing:
    """The steps of one run. Alembic's loop over them ends with a commit that fails; another takes up where it ended."""

    recorder: Recorder
    left: Iterator[MigrationStep] | None = None
    """Steps that are yet to come; None until the first loop."""
    step: MigrationStep | None = None
    """The one that Alembic has, which is not known to be committed."""
    tries: int = 0
    """Of that step."""

    def following(self, steps_of: Steps) -> Steps:
        """The same steps; in a second loop, first the one that was not committed."""

        def followed(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
            if self.left is None:
                self.left = steps_of(heads, context)
            if self.step is not None:
                yield self.step
                self.step = None
            for step in self.left:
                self.step, self.tries = step, 0
                yield step
                self.step = None

        return followed

    def run(self, connection: Connection, run_steps: Callable[[], None]) -> None:
        """Run the steps.

        :param run_steps: Alembic's loop.
        """
        while True:
            try:
                return run_steps()
            except DBAPIError as error:
                if self.step is None or not self.recorder.worked:
                    raise
                self._again(connection, error, self.step)

    def _again(self, connection: Connection, error: DBAPIError, step: MigrationStep) -> None:
        from tsext.locks.acquiring import PASSING  # loaded by the step

        self.tries += 1
        self.recorder.step = step  # until it is committed, it is at work
        once = isinstance(step, RevisionStep) and getattr(step.revision.module, "run_once", False)
        if sqlstate(error) not in PASSING or once or self.recorder.committed or self.tries >= TRIES:
            raise error
        connection.rollback()
        log.info("running it again: it could not be committed: %s", said_first(error))
        time.sleep(PAUSE * random.random())
