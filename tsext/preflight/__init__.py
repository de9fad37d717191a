"""Before the first statement: is the server in a state in which the run can succeed?

Only connecting is at hand at once: the checks bring the safety rules, which a run that has nothing to do does not need.
"""

from tsext.preflight.connecting import ServerState, check, connect

__all__ = ["ServerState", "check", "connect"]
