"""Ids and numbers of revisions."""

from __future__ import annotations

import pytest

from tsext.errors import HistoryError
from tsext.history import numbers


@pytest.mark.parametrize(
    ("number", "message", "revision"),
    [
        (1, "Initial schema", "001_initial_schema"),
        (42, "Größe: 100 % / mehr", "042_größe_100_mehr"),
        (1234, "add_indexes", "1234_add_indexes"),
        (5, None, "005_revision"),
        (6, "!!!", "006_revision"),
        (7, "x" * 50, "007_" + "x" * 28),
        (8, "words that do not all fit in here", "008_words_that_do_not_all_fit_in"),
    ],
)
def test_revision_id(number, message, revision):
    assert numbers.revision_id(number, message) == revision
    assert numbers.number_in(revision) == number
    assert len(revision) <= numbers.MAX_ID


@pytest.mark.parametrize("revision", ["ae1027a6acf", "0001_initial", "20240101_x", "003", "x_003"])
def test_ids_that_hold_no_number(revision):
    assert numbers.number_in(revision) is None
    assert numbers.key_of(revision) == revision


def test_given_ids_are_checked():
    assert numbers.checked("012_good") == "012_good"
    for bad in ("good", "12_good", "012_" + "x" * 40):
        with pytest.raises(HistoryError, match="NNN_slug"):
            numbers.checked(bad)
