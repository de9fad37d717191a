"""Many databases, one project: where each stands, and how all of them get its revisions."""

from tsext.fleet.limits import Limits
from tsext.fleet.project import Where
from tsext.fleet.report import Lines
from tsext.fleet.rollout import Report, Rollout, Told
from tsext.fleet.standing import Position, Standing, look
from tsext.fleet.targets import Fleet, Target, Wanted, read
from tsext.fleet.upgrading import Outcome, State
from tsext.fleet.waves import Plan, Wave, planned

__all__ = [
    "Fleet",
    "Limits",
    "Lines",
    "Outcome",
    "Plan",
    "Position",
    "Report",
    "Rollout",
    "Standing",
    "State",
    "Target",
    "Told",
    "Wanted",
    "Wave",
    "Where",
    "look",
    "planned",
    "read",
]
