"""What a statement does to those who use the database while it runs, and to the application afterwards."""

from tsext.safety.classify import Verdict, classify, footprint, verdicts
from tsext.safety.facts import Facts, facts
from tsext.safety.hazards import Axis, Category, Hazard, Lock, Statement, Work, category
from tsext.safety.rules import RULES, Rule

__all__ = [
    "RULES",
    "Axis",
    "Category",
    "Facts",
    "Hazard",
    "Lock",
    "Rule",
    "Statement",
    "Verdict",
    "Work",
    "category",
    "classify",
    "facts",
    "footprint",
    "verdicts",
]
