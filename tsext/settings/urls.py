"""The URL of the database, with its driver spelled out."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from tsext.errors import SettingsError


def normalise_url(url: str | URL) -> URL:
    """The URL with its driver spelled out: a bare ``postgresql://`` means another driver in SQLAlchemy 2.1.

    ``postgres://``, which hosting providers hand out, is understood as well; and so are ``postgresql+asyncpg://`` and
    ``postgresql+psycopg_async://``, which an asynchronous application shares with its migrations: tsext connects to the
    same place synchronously.

    :raises SettingsError: if it is no URL of a PostgreSQL database.
    """
    try:
        parsed = make_url(str(url).replace("postgres://", "postgresql://", 1)) if isinstance(url, str) else url
    except ArgumentError as error:
        raise SettingsError(
            "the database URL cannot be read",
            hint="write postgresql+psycopg2://user:password@host:port/database; special characters in the "
            "password must be percent-encoded",
        ) from error
    if parsed.get_backend_name() != "postgresql":
        raise SettingsError(
            f"the database URL names {parsed.get_backend_name()!r}; tsext migrates PostgreSQL only",
            hint="write postgresql+psycopg2://user:password@host:port/database, or delete sqlalchemy.url, where "
            "`alembic init` leaves a placeholder: without a URL, tsext uses a local development server",
        )
    if parsed.drivername == "postgresql+psycopg_async":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "postgresql+asyncpg":
        options = {"sslmode" if name == "ssl" else name: value for name, value in parsed.query.items()}
        options.pop("prepared_statement_cache_size", None)
        return parsed.set(drivername=_driver(), query=options)
    return parsed.set(drivername=_driver()) if parsed.drivername == "postgresql" else parsed


def _driver() -> str:
    try:
        import psycopg2  # noqa: F401  (whether it can be)
    except ImportError:
        return "postgresql+psycopg"
    return "postgresql+psycopg2"
