"""The phases of a change during which old and new versions of the application run: expand, migrate, contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from alembic.script import Script

from tsext.errors import InvalidObject

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

PHASES = ("expand", "migrate", "contract")


class Phase(NamedTuple):
    """The phase of a revision: what its variables ``phase`` and ``requires_application`` say."""

    name: str | None = None
    """One of :data:`PHASES`."""
    requires_application: str | None = None
    """What every running version of the application must satisfy, as pip writes it, for example ``>=2.4``."""

    @classmethod
    def of(cls, script: Script) -> Phase:
        """The phase of a revision.

        :raises InvalidObject: if it names another phase, or versions that cannot be read.
        """
        phase = cls(getattr(script.module, "phase", None), getattr(script.module, "requires_application", None))
        if phase.name is not None and phase.name not in PHASES:
            from difflib import get_close_matches  # few are mistaken

            meant = get_close_matches(str(phase.name), PHASES, n=1)
            raise InvalidObject(
                f"revision {script.revision} says phase = {phase.name!r}",
                hint=f"did you mean {meant[0]!r}?" if meant else f"there is: {', '.join(PHASES)}",
            )
        if phase.requires_application is not None:
            _specifiers(script.revision, phase.requires_application)
        return phase

    def __str__(self) -> str:
        gate = f"application {self.requires_application}" if self.requires_application else ""
        return " ".join(filter(None, (self.name, gate)))


def refused_versions(script: Script, phase: Phase, running: Iterable[Version]) -> list[Version]:
    """The running versions of the application that a revision would break, lowest first."""
    if phase.requires_application is None:
        return []
    required = _specifiers(script.revision, phase.requires_application)
    return sorted(version for version in running if not required.contains(version, prereleases=True))


def versions(text: str, source: str) -> list[Version]:
    """The versions that a text names, with commas between them.

    :param source: where it comes from, for the message.
    :raises InvalidObject: if one of them is no version.
    """
    from packaging.version import InvalidVersion, Version  # few revisions ask for it

    try:
        return [Version(each.strip()) for each in text.split(",") if each.strip()]
    except InvalidVersion as error:
        raise InvalidObject(f"{source}: {error}", hint="write versions as 2.4 or 2.4.1, with commas between") from error


def _specifiers(revision: str, text: str) -> SpecifierSet:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # few revisions ask for it

    try:
        return SpecifierSet(text)
    except (InvalidSpecifier, AttributeError, TypeError) as error:
        raise InvalidObject(
            f"revision {revision} says requires_application = {text!r}, which cannot be read",
            hint='write it as pip does: ">=2.4" or ">=2.4,<3"',
        ) from error
