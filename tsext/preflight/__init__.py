"""Before the first statement: is the server in a state in which the run can succeed?"""

from tsext.preflight.checking import CHECKS, examine, refuse
from tsext.preflight.connecting import ServerState, check, connect
from tsext.preflight.situation import Pending, Result, State, Touch
from tsext.preflight.touching import touches

__all__ = [
    "CHECKS",
    "Pending",
    "Result",
    "ServerState",
    "State",
    "Touch",
    "check",
    "connect",
    "examine",
    "refuse",
    "touches",
]
