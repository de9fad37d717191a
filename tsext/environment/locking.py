"""How the statements of a run acquire their locks: by the policy of the settings, and the safety rules' reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from tsext.locks import Locks
from tsext.preflight import ServerState
from tsext.settings import Settings

if TYPE_CHECKING:
    from tsext.locks.holds import Tell
    from tsext.model.locks import LockMode
    from tsext.safety import Facts


def locks_of(connection: Connection, settings: Settings, state: ServerState, tell: Tell | None = None) -> Locks:
    """The locks of one run; where the server takes one client at a time, all statements are sent as they are.

    :param tell: what a statement locks, as far as more is known than its text; None: :func:`locked_by`.
    """
    return Locks(connection, settings, tell or locked_by, off=state.single_client)


def locked_by(statement: str, facts: Facts | None = None) -> dict[str, LockMode]:
    """What a statement locks, as the safety rules read it."""
    from tsext import safety  # brings the grammar; asked only once somebody is in the way

    return {each.relation: each.mode for each in safety.footprint(statement, facts)}
