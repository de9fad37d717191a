"""What offline mode prints for indexes: a script in which psql asks what the table is, since nobody knows it before."""

from __future__ import annotations

from tsext.sql.quoting import LONGEST_NAME, identifier, literal, qualified

_KIND = r"""
SELECT to_regclass('_timescaledb_catalog.hypertable') IS NOT NULL AS tsext_timescaledb,
    (SELECT count(*) FROM pg_class WHERE oid = {table} AND relkind = 'p') > 0 AS tsext_partitioned,
    false AS tsext_hypertable, false AS tsext_unfit
\gset
\if :tsext_timescaledb
SELECT count(*) > 0 AS tsext_hypertable FROM _timescaledb_catalog.hypertable
WHERE to_regclass(format('%I.%I', schema_name, table_name)) = {table}
\gset
SELECT split_part(extversion, '.', 1)::int = 2 AND split_part(extversion, '.', 2)::int < 28 AS tsext_unfit
FROM pg_extension WHERE extname = 'timescaledb'
\gset
\endif
"""

_CREATE = r"""\if :tsext_hypertable
{refusal}CREATE {unique}INDEX {name} ON ONLY {table} {what};
{parts}
\elif :tsext_partitioned
{parts}
CREATE {unique}INDEX {name} ON {table} {what};
\else
CREATE {unique}INDEX CONCURRENTLY {name} ON {table} {what};
\endif
"""

_REFUSAL = r"""\if :tsext_unfit
DO $$BEGIN RAISE 'unique index {name} of a hypertable cannot be built by a script below TimescaleDB 2.28'
    USING HINT = 'run alembic upgrade without --sql'; END$$;
\endif
"""

_PARTS = r"""SELECT format({statement}, {name}, c.oid::regclass)
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relkind = 'r'
WHERE i.inhparent IN (SELECT to_regclass({table}) UNION SELECT relid FROM pg_partition_tree(to_regclass({table})))
    AND to_regclass(format('%I.%I', c.relnamespace::regnamespace::text, {name})) IS NULL
\gexec"""

_LIKE = r"""SELECT format({statement}, x.indexrelid::regclass)
FROM pg_index AS r JOIN pg_inherits AS i ON i.inhparent = r.indrelid JOIN pg_index AS x ON x.indrelid = i.inhrelid
WHERE r.indexrelid = to_regclass({index}) AND x.indisunique = r.indisunique
    AND substr(pg_get_indexdef(x.indexrelid), position(' USING ' IN pg_get_indexdef(x.indexrelid)))
      = substr(pg_get_indexdef(r.indexrelid), position(' USING ' IN pg_get_indexdef(r.indexrelid)))
\gexec"""

_DROP = r"""\if :tsext_hypertable
{chunks}
DROP INDEX {exists}{index};
\elif :tsext_partitioned
DROP INDEX {exists}{index};
\else
DROP INDEX CONCURRENTLY {exists}{index};
\endif
"""

_REINDEX = r"""\if :tsext_hypertable
{chunks}
\else
REINDEX INDEX CONCURRENTLY {index};
\endif
"""


def create(name: str, table: tuple[str, str | None], what: str, *, unique: bool) -> str:
    """A script that builds an index.

    :param table: its name and schema.
    :param what: what follows the table in the statement.
    """
    kind = "UNIQUE " if unique else ""
    shown = qualified(*table)
    statement = f"CREATE {kind}INDEX CONCURRENTLY %I ON %s {what.replace('%', '%%')}"
    # as TimescaleDB names it, so that a chunk that came after the root's index is left alone
    of_part = f"left(c.relname || {literal('_' + name)}, {LONGEST_NAME})"
    parts = _PARTS.format(statement=literal(statement), name=of_part, table=literal(shown))
    refusal = _REFUSAL.format(name=identifier(name).replace("'", "''").replace("%", "%%")) if unique else ""
    words = {"name": identifier(name), "table": shown, "what": what, "unique": kind, "parts": parts}
    return _kind(f"to_regclass({literal(shown)})") + _CREATE.format(refusal=refusal, **words)


def drop(name: str, schema: str | None, *, if_exists: bool) -> str:
    """A script that drops an index."""
    exists = "IF EXISTS " if if_exists else ""
    chunks = _like("DROP INDEX CONCURRENTLY %s", name, schema)
    return _kind_of_index(name, schema) + _DROP.format(chunks=chunks, exists=exists, index=qualified(name, schema))


def reindex(name: str, schema: str | None) -> str:
    """A script that rebuilds an index."""
    chunks = _like("REINDEX INDEX CONCURRENTLY %s", name, schema)
    return _kind_of_index(name, schema) + _REINDEX.format(chunks=chunks, index=qualified(name, schema))


def _like(statement: str, name: str, schema: str | None) -> str:
    return _LIKE.format(statement=literal(statement), index=literal(qualified(name, schema)))


def _kind_of_index(name: str, schema: str | None) -> str:
    index = literal(qualified(name, schema))
    return _kind(f"(SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass({index}))")


def _kind(table: str) -> str:
    return _KIND.format(table=table).lstrip()
