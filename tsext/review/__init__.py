"""What pending revisions would do, read without running them, and what the safety rules say of it."""

from tsext.review.choosing import Wanted, files, revisions
from tsext.review.judging import Verdict, Waived, judge, located, place
from tsext.review.reading import Reading, Sent, Stop, read, read_file

__all__ = [
    "Reading",
    "Sent",
    "Stop",
    "Verdict",
    "Waived",
    "Wanted",
    "files",
    "judge",
    "located",
    "place",
    "read",
    "read_file",
    "revisions",
]
