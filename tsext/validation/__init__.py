"""Afterwards: is the database what the revisions and the models say it should be?"""

from tsext.validation.models import Differences, compared
from tsext.validation.records import at_head, checks_belong, history_intact
from tsext.validation.relations import constraints, indexes
from tsext.validation.revisions import counted, of_revision

__all__ = [
    "Differences",
    "at_head",
    "checks_belong",
    "compared",
    "constraints",
    "counted",
    "history_intact",
    "indexes",
    "of_revision",
]
