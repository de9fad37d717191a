"""The project whose revisions the fleet gets, as any process can read it again: coordinator, thread, other machine."""

from __future__ import annotations

import os
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory

from tsext import history
from tsext.history import Project, version_table
from tsext.settings import Settings


@dataclass(frozen=True)
class Where:
    """How the project is found, and what the command line gave for ``env.py``."""

    ini: str | None
    toml: str | None
    section: str = "alembic"
    x: tuple[str, ...] = ()
    occasion: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Another each time, so that a process that lives on reads the files anew."""

    @classmethod
    def of(cls, config: Config) -> Where:
        """That of a command."""
        x = tuple(getattr(config.cmd_opts, "x", None) or ())
        return cls(_absolute(config.config_file_name), _absolute(config.toml_file_name), config.config_ini_section, x)

    @property
    def arguments(self) -> list[str]:
        """Those of ``alembic`` before the name of the command."""
        files = [part for file in (self.ini, self.toml) if file for part in ("-c", file)]
        return [*files, "-n", self.section, *(part for each in self.x for part in ("-x", each))]


def _absolute(name: str | os.PathLike[str] | None) -> str | None:
    """Where a file is, if there is one, whatever the folder of the process that reads it."""
    return str(Path(name).absolute()) if name is not None and Path(name).is_file() else None


@dataclass(frozen=True)
class Read:
    """The project as it was read."""

    project: Project
    version_table: dict[str, Any]
    """The options of ``context.configure`` that name it."""

    def wanted(self, revision: str) -> frozenset[str]:
        """All revisions that an upgrade to this one applies.

        :raises CommandError: if there is no such revision, or ``head`` means several.
        """
        found = self.project.script.get_revisions(revision)
        return frozenset(each.revision for each in self.project.behind([each.revision for each in found if each]))


_read: dict[Where, Read] = {}
_reading = threading.Lock()


def read(where: Where) -> Read:
    """The project, read once for each occasion in each process."""
    with _reading:
        if where not in _read:
            _read.clear()
            _read[where] = _afresh(where)
        return _read[where]


def _afresh(where: Where) -> Read:
    config = Config(where.ini, toml_file=where.toml, ini_section=where.section)
    x = dict(each.partition("=")[::2] for each in where.x)
    settings, script = Settings.read(config, x), ScriptDirectory.from_config(config)
    history.load(config, script, settings)
    return Read(Project.read(script, settings.sql_location), version_table(config, script))
