"""What tsext tells its users: findings, and the errors that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from alembic.util import CommandError


class Severity(StrEnum):
    """How much a finding matters; ordered from harmless to stopping."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One observation: a fact (``message``), and what to do about it (``hint``)."""

    rule: str
    """Stable name of the check that made it, for example ``"checksum-mismatch"``."""
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class TsextError(CommandError):
    """Any refusal of tsext; Alembic's command line prints it as ``FAILED: <fact>``, then the cure.

    :param message: the fact.
    :param hint: what to do about it.
    :param findings: the findings that led to it, if it was more than one fact.
    """

    def __init__(self, message: str, *, hint: str = "", findings: Sequence[Finding] = ()) -> None:
        self.message = message
        self.hint = hint
        self.findings = tuple(findings)
        details = [str(finding) for finding in self.findings]
        super().__init__("\n".join([str(Finding("", message, hint)), *details]))


class SettingsError(TsextError):
    """A setting has a value tsext cannot use."""


class InvalidObject(TsextError, ValueError):
    """A declared object (a hypertable, a dimension …) or an operation's argument makes no sense."""


class WaiverRefused(InvalidObject):
    """A waiver of a safety rule names no rule, no reason or no date."""


class SqlFileError(TsextError):
    """A ``.sql`` file cannot be read, split or executed; the message shows file, line and a caret."""


class RevisionFailed(TsextError):
    """A revision raised; the message tells what of it remains in the database."""


class RevisionRefused(TsextError):
    """The environment does not let a revision run now; those before it are applied."""


class RevisionStopped(TsextError):
    """The watchdog stopped a revision, because others waited too long for it, or a guard rail was crossed."""


class IrreversibleOperation(TsextError):
    """A downgrade would have to restore what is gone, so it refuses."""


class ConnectionRefused(TsextError):
    """The database cannot be reached, or does not let us in."""


class PreflightFailed(TsextError):
    """The server is not in a state in which the run could succeed."""


class FeatureNotSupported(PreflightFailed):
    """The server's version or licence of TimescaleDB lacks what is asked of it."""


class LockNotAvailable(TsextError):
    """A statement could not get its locks in time; the findings tell who was in the way."""


class BackfillError(TsextError):
    """Chunk-wise work is not there, is other work than was asked for, or did not come to its end."""


class LoadError(TsextError):
    """A file cannot be loaded, or is not the one that was begun to be loaded."""


class UpgradeLocked(TsextError):
    """Another process or thread is migrating this database."""


class HistoryError(TsextError):
    """Revisions, files, ``alembic_version`` and ``migration_history`` do not agree."""


class ModelsMissing(TsextError):
    """Models are to be compared with the schema, but ``env.py`` gives none."""


class ValidationFailed(TsextError):
    """The database is not what the revisions and the models say it should be."""


class TargetsError(TsextError):
    """The file of a fleet's targets cannot be used; the message names file and line."""


class LocalServerError(TsextError):
    """The local development server cannot be made, started or stopped."""
