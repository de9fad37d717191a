"""Numbers, checksums and records of revisions, and the lock under which they are written."""

from tsext.history.contexts import NUMBERS_MAY_CLASH, quiet, version_table
from tsext.history.files import FileIndex, RevisionFiles, refuse_foreign
from tsext.history.loading import load
from tsext.history.lock import in_process, upgrade_lock
from tsext.history.place import ONE_PER_DATABASE, refuse_elsewhere
from tsext.history.recording import Recorder
from tsext.history.records import Entry, RevisionRecord, applied, fixed_numbers
from tsext.history.verification import Project, verify

__all__ = [
    "NUMBERS_MAY_CLASH",
    "ONE_PER_DATABASE",
    "Entry",
    "FileIndex",
    "Project",
    "Recorder",
    "RevisionFiles",
    "RevisionRecord",
    "applied",
    "fixed_numbers",
    "in_process",
    "load",
    "quiet",
    "refuse_elsewhere",
    "refuse_foreign",
    "upgrade_lock",
    "verify",
    "version_table",
]
