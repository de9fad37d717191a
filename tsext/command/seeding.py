"""Loading the seeds."""

from __future__ import annotations

from alembic.config import Config

from tsext import environment, seeds
from tsext.command.reaching import Database, look_at
from tsext.preflight import check


def seed(config: Config, names: list[str] | None = None) -> list[str]:
    """Load the seeds; returns their file names."""

    def load(at: Database) -> list[str]:
        state = check(at.connection)
        with environment.locks_of(at.connection, at.settings, state) as held:
            return seeds.load(at.connection, at.settings, names, asking=held.again)

    return look_at(config, load)
