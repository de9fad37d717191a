"""What a statement does to those who use the database while it runs, and to the application afterwards."""

from tsext.safety.classify import Verdict, classify, classify_in_turn, footprint, verdicts, with_functions
from tsext.safety.facts import Facts, facts
from tsext.safety.hazards import Axis, Category, Hazard, Lock, Statement, category
from tsext.safety.replay import after
from tsext.safety.rules import CERTAIN, RULES, Rule
from tsext.safety.waivers import Waiver, assured

__all__ = [
    "CERTAIN",
    "RULES",
    "Axis",
    "Category",
    "Facts",
    "Hazard",
    "Lock",
    "Rule",
    "Statement",
    "Verdict",
    "Waiver",
    "after",
    "assured",
    "category",
    "classify",
    "classify_in_turn",
    "facts",
    "footprint",
    "verdicts",
    "with_functions",
]
