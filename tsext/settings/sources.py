"""Where settings come from: environment variables, ``-x``, ``alembic.ini`` and ``pyproject.toml``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

from tsext.errors import SettingsError
from tsext.settings import values
from tsext.settings.urls import normalise_url

if TYPE_CHECKING:
    from alembic.config import Config

ENVIRONMENTS = ("development", "staging", "production")


def database_url(config: Config) -> URL | None:
    """``TSEXT_DATABASE_URL``, else ``sqlalchemy.url``; None if neither is set.

    :raises SettingsError: if it is no URL of a PostgreSQL database; or if the variable is empty, as of a secret that is
        missing, and nothing else is set: then the local server would be migrated.
    """
    given = os.environ.get("TSEXT_DATABASE_URL")
    url = (given or "").strip() or config.get_main_option("sqlalchemy.url")
    if given is not None and not url:
        raise SettingsError(
            "TSEXT_DATABASE_URL is empty",
            hint="set it to the URL of the database; or unset it, for the local development server",
        )
    return normalise_url(url) if url else None


def environment_of(x_arguments: Mapping[str, str], url: URL | None) -> str:
    """``-x env=``, else ``TSEXT_ENV``; else development on the local server and production anywhere else.

    :raises SettingsError: if there is no such environment.
    """
    if not (name := x_arguments.get("env") or os.environ.get("TSEXT_ENV")):
        return "development" if url is None or _is_local(url) else "production"
    return str(values.choice(*ENVIRONMENTS)("environment (-x env= or TSEXT_ENV)", name))


def _is_local(url: URL) -> bool:
    """Whether it is the URL that ``tsext localdb url`` prints, or another database of that server."""
    if url.host not in ("127.0.0.1", "localhost"):
        return False
    from tsext import localdb  # few databases are here

    return localdb.serves(url.port or 5432)


def x_argument(x_arguments: Mapping[str, str], name: str, example: str) -> str:
    """What was given with ``-x``; empty if nothing was.

    :param example: what it might be, for the message.
    :raises SettingsError: if it was given, but is empty.
    """
    value = x_arguments.get(name)
    if value is not None and not value.strip():
        raise SettingsError(f"-x {name} is empty", hint=f'give it a value: -x {name}="{example}"')
    return (value or "").strip()


def sections(config: Config, environment: str) -> dict[str, str]:
    """Names and texts of ``[tsext:ENVIRONMENT]``, or of ``[tsext]`` if that is empty; ``alembic.ini`` wins."""
    toml: Any = _pyproject(config)
    if environment:
        toml = toml.get(environment, {})
    ini = config.get_section(f"tsext:{environment}" if environment else "tsext", {}) or {}
    inherited = config.file_config.defaults()
    given = {name: _as_text(value) for name, value in toml.items() if not isinstance(value, dict)}
    return {**given, **{name: text for name, text in ini.items() if name not in inherited}}


def _as_text(value: Any) -> str:
    """A value of TOML as it would stand in an ini file, where a list has one item a line."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _pyproject(config: Config) -> Mapping[str, Any]:
    path = Path(config.toml_file_name) if config.toml_file_name else None
    if path is None or not path.is_file():
        return {}
    import tomllib  # only projects configured by pyproject.toml need it

    table: Mapping[str, Any] = tomllib.loads(path.read_text("utf-8")).get("tool", {}).get("tsext", {})
    return table


def beside_scripts(config: Config) -> Path:
    """The folder of SQL files where no setting names one: ``migrations_sql`` beside the script location."""
    location = config.get_alembic_option("script_location") or "alembic"
    return Path(location).absolute().parent / "migrations_sql"
