"""Whether earlier attempts have left indexes and constraints half done."""

from __future__ import annotations

from dataclasses import replace

from tsext import leftovers
from tsext.preflight.situation import Observation, Situation


def indexes(situation: Situation) -> Observation:
    """Whether there are INVALID indexes."""
    found = leftovers.invalid_indexes(situation.connection)
    return Observation("none INVALID", tuple(replace(each, rule="indexes") for each in found))


def constraints(situation: Situation) -> Observation:
    """Whether there are constraints that were never validated."""
    found = leftovers.unvalidated_constraints(situation.connection)
    return Observation("none NOT VALID", tuple(replace(each, rule="constraints") for each in found))
