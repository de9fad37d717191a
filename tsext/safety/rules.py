"""The rules: each states once what a statement does to others, why, and the safe way."""

from __future__ import annotations

from dataclasses import dataclass

from tsext.errors import Severity
from tsext.safety.hazards import Axis


@dataclass(frozen=True)
class Rule:
    """One way in which a statement may hurt.

    Words in braces, as ``{table}``, are filled in for each finding.
    """

    id: str
    axis: Axis
    message: str
    hint: str
    severity: Severity = Severity.ERROR


RULES: dict[str, Rule] = {}
"""All rules, by id."""


def _rule(id: str, axis: Axis, message: str, hint: str, severity: Severity = Severity.ERROR) -> Rule:
    RULES[id] = Rule(id, axis, message, hint, severity)
    return RULES[id]


# --- LOCK: others wait while something is scanned, rewritten or built

CREATE_INDEX = _rule(
    "create-index",
    Axis.LOCK,
    "CREATE INDEX blocks writes to {table} until the index is built",
    "op.create_index_concurrently({arguments})",
)
TRANSACTION_PER_CHUNK = _rule(
    "create-index-per-chunk",
    Axis.LOCK,
    "transaction_per_chunk blocks writes to each chunk of {table} while its index is built",
    "op.create_index_concurrently({arguments})",
)
DROP_INDEX = _rule(
    "drop-index",
    Axis.LOCK,
    "DROP INDEX needs an ACCESS EXCLUSIVE lock on the table of {name}, if only for an instant",
    "op.drop_index_concurrently({arguments})",
    Severity.INFO,
)
REINDEX = _rule(
    "reindex",
    Axis.LOCK,
    "REINDEX blocks writes to {table}, and reads that use the index, until it is rebuilt",
    "{cure}",
)
ADD_CHECK = _rule(
    "add-check",
    Axis.LOCK,
    "a new CHECK of {table} is checked against every row while nobody can read or write it",
    "op.add_check({arguments}), which adds it NOT VALID and validates it afterwards",
)
ADD_CHECK_TO_COLUMNSTORE = _rule(
    "add-check-to-columnstore",
    Axis.LOCK,
    "a new CHECK of {table} is checked against every chunk in the columnstore while nobody can read or write it, NOT "
    "VALID or not",
    "add it in a maintenance window, or check it in a trigger",
)
ADD_FOREIGN_KEY = _rule(
    "add-foreign-key",
    Axis.LOCK,
    "a new foreign key of {table} is checked against every row while writes to {table} and {referenced} wait",
    "op.add_foreign_key({arguments}), which adds it NOT VALID and validates it afterwards",
)
ADD_UNIQUE = _rule(
    "add-unique",
    Axis.LOCK,
    "the index of a new unique constraint of {table} is built while nobody can read or write it",
    "op.add_unique({arguments}), which builds the index concurrently and then adopts it",
)
ADD_PRIMARY_KEY = _rule(
    "add-primary-key",
    Axis.LOCK,
    "the index of a new primary key of {table} is built while nobody can read or write it",
    "create a unique index concurrently, set its columns NOT NULL with op.set_not_null, then ALTER TABLE {table} ADD "
    "CONSTRAINT {name} PRIMARY KEY USING INDEX …",
)
ADD_KEY_TO_HYPERTABLE = _rule(
    "add-key-to-hypertable",
    Axis.LOCK,
    "the index of a new unique constraint or primary key of {table} is built on all its chunks while nobody can read "
    "or write it; the constraint of a hypertable cannot adopt an index that is there",
    "op.create_index_concurrently({arguments}, unique=True), chunk by chunk: a unique index does the same, ON CONFLICT "
    "included; or add it in a maintenance window",
)
MAYBE_NULLABLE_KEY = _rule(
    "primary-key-maybe",
    Axis.LOCK,
    "a new primary key of {table} scans it for nulls while nobody can read or write it, unless its columns are NOT "
    "NULL",
    "op.set_not_null for its columns first; the database knows whether they are: tsext lint --database",
    Severity.WARNING,
)
ADD_EXCLUSION = _rule(
    "add-exclusion",
    Axis.LOCK,
    "the index of a new exclusion constraint of {table} is built while nobody can read or write it; it cannot be "
    "built concurrently",
    "add it when the table is created, or in a maintenance window",
)
SET_NOT_NULL = _rule(
    "set-not-null",
    Axis.LOCK,
    "SET NOT NULL scans {table} for nulls in {column} while nobody can read or write it",
    "op.set_not_null({arguments}), which lets a validated CHECK prove it first",
)
ADD_COLUMN_REWRITE = _rule(
    "add-column-rewrite",
    Axis.LOCK,
    "the new column {column} rewrites {table} while nobody can read or write it: {why}",
    "{cure}",
)
ALTER_COLUMN_TYPE = _rule(
    "alter-column-type",
    Axis.LOCK,
    "the new type of {table}.{column} {work} while nobody can read or write it",
    'op.expand_column_type({target}, "{column}", …), and op.contract_column_type in a later revision',
)
MAYBE_REWRITE = _rule(
    "alter-column-type-maybe",
    Axis.LOCK,
    "the new type of {table}.{column} rewrites the table while nobody can read or write it, unless the column has a "
    "narrower one of the same kind",
    "ask the database, which knows: tsext lint --database",
    Severity.WARNING,
)
REWRITE_TABLE = _rule(
    "rewrite-table",
    Axis.LOCK,
    "{what} rewrites {table} while nobody can read or write it",
    "{cure}",
)
ATTACH_PARTITION = _rule(
    "attach-partition",
    Axis.LOCK,
    "ATTACH PARTITION scans {table} under an ACCESS EXCLUSIVE lock, unless a valid CHECK proves its bounds",
    "add a CHECK that says the same as the bounds (op.add_check), attach, then drop the CHECK",
)
ATTACH_WITHOUT_INDEX = _rule(
    "attach-without-index",
    Axis.LOCK,
    "ATTACH PARTITION builds indexes of {table} as its parent has them, under an ACCESS EXCLUSIVE lock: {names}",
    "create them concurrently before it is attached",
)
DEFAULT_PARTITION = _rule(
    "default-partition",
    Axis.LOCK,
    "the default partition {table} is scanned while nobody can read or write it",
    "add a CHECK to the default partition that excludes the new bounds (op.add_check) first",
)
DETACH_PARTITION = _rule(
    "detach-partition",
    Axis.LOCK,
    "DETACH PARTITION needs an ACCESS EXCLUSIVE lock on {table}, if only for an instant",
    "ALTER TABLE {table} DETACH PARTITION … CONCURRENTLY, outside a transaction",
    Severity.INFO,
)
REFRESH_MATERIALIZED_VIEW = _rule(
    "refresh-materialized-view",
    Axis.LOCK,
    "nobody can read {table} until it is refreshed",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY {table}; it needs a unique index",
)
VALIDATE_DOMAIN = _rule(
    "alter-domain",
    Axis.LOCK,
    "the constraint of domain {name} is checked against every table that uses it, while writes to them wait",
    "ALTER DOMAIN {name} ADD CONSTRAINT … NOT VALID, which holds for new values; VALIDATE CONSTRAINT is no lighter, "
    "leave it for a maintenance window, or give each table a CHECK of its own by op.add_check",
)
LOCK_TABLE = _rule(
    "lock-table",
    Axis.LOCK,
    "LOCK TABLE {table} IN {mode} MODE makes others wait until the end of the transaction",
    "leave it out: each statement takes the lock it needs",
)
MASS_UPDATE = _rule(
    "mass-update",
    Axis.LOCK,
    "{verb} on every row of {table} keeps all of them locked until it is committed, and doubles them on disk",
    "{cure}",
)
WIDE_UPDATE = _rule(
    "wide-update",
    Axis.LOCK,
    "{verb} locks the rows of {table} that it finds until it is committed, and those may be many",
    "{cure}",
    Severity.WARNING,
)
LARGE_UPDATE = _rule(
    "large-update",
    Axis.LOCK,
    "{verb} may find any number of the rows of {table}, which has {size}, and keeps them locked until it is committed",
    "{cure}",
)
MASS_INSERT = _rule(
    "mass-insert",
    Axis.LOCK,
    "INSERT adds {rows} to {table} in one transaction: nobody waits for rows that nobody sees, but meanwhile VACUUM "
    "removes nothing anywhere, and replicas get all of it at once",
    "insert into {table} in batches, by ranges of a key, each committed in an autocommit block",
    Severity.WARNING,
)
WORK_UNDER_LOCK = _rule(
    "work-under-lock",
    Axis.LOCK,
    "{what} runs while the transaction holds {mode} on {table}, taken by an earlier statement",
    "put it in a revision of its own, or in an autocommit block",
)
VACUUM_FULL = _rule(
    "vacuum-full",
    Axis.LOCK,
    "{what} rewrites {table} while nobody can read or write it",
    "plain VACUUM gives the space back for reuse; pg_repack or pg_squeeze shrink a table online",
)
MIGRATE_DATA = _rule(
    "migrate-data",
    Axis.LOCK,
    "create_hypertable with migrate_data moves every row of {table} while nobody can read or write it",
    "create a hypertable beside it and copy in batches, or use a maintenance window",
)
CHUNK_REWRITE = _rule(
    "chunk-rewrite",
    Axis.LOCK,
    "{what} rewrites chunks, each of which is locked meanwhile",
    "one chunk in a transaction, as the policies do: op.convert_to_columnstore or op.convert_to_rowstore",
    Severity.WARNING,
)

CHUNKS_REWRITE = _rule(
    "chunks-rewrite",
    Axis.LOCK,
    "{what} rewrites many chunks of {table} in one transaction, and all of them remain locked until its end",
    "one chunk in a transaction, as the policies do: op.convert_to_columnstore or op.convert_to_rowstore",
)

# --- COMPATIBILITY: the application that is running breaks

DROP_TABLE = _rule(
    "drop-table",
    Axis.COMPATIBILITY,
    "whoever still uses {what} {name} fails",
    "drop it in a contract revision, after the application that uses it is gone",
)
DROP_COLUMN = _rule(
    "drop-column",
    Axis.COMPATIBILITY,
    "whoever still selects or writes {table}.{column} fails",
    "remove it from the models and deploy that first; then drop it in a contract revision",
)
DROP_OTHER = _rule(
    "drop-object",
    Axis.COMPATIBILITY,
    "whoever still uses {what} {name} fails",
    "drop it in a contract revision, after the application that uses it is gone",
)
DROP_CASCADE = _rule(
    "drop-cascade",
    Axis.COMPATIBILITY,
    "CASCADE also drops what depends on {name}, without telling",
    "name what is to go, each with a DROP of its own",
)
DROP_CONSTRAINT = _rule(
    "drop-constraint",
    Axis.COMPATIBILITY,
    "without {name}, rows that it would have refused are let into {table}, and ON CONFLICT may fail",
    "make sure that nothing counts on it",
    Severity.INFO,
)
DROP_PRIMARY_KEY = _rule(
    "drop-primary-key",
    Axis.COMPATIBILITY,
    "without its primary key, ON CONFLICT, logical replication and foreign keys to {table} fail",
    "put another in its place at once: ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT … PRIMARY KEY USING "
    "INDEX …",
)
RENAME_TABLE = _rule(
    "rename-table",
    Axis.COMPATIBILITY,
    "whoever still uses the old name of {what} {name} fails",
    "rename it and, in the same transaction, create a view of the old name; drop the view in a contract revision",
)
RENAME_COLUMN = _rule(
    "rename-column",
    Axis.COMPATIBILITY,
    "whoever still uses {table}.{column} fails",
    'op.expand_column_rename({target}, "{column}", …), and op.contract_column_rename in a later revision',
)
RENAME_OTHER = _rule(
    "rename-object",
    Axis.COMPATIBILITY,
    "whoever still uses the old name of {what} {name} fails",
    "create the new one beside the old, and drop the old in a contract revision",
)
SET_SCHEMA = _rule(
    "set-schema",
    Axis.COMPATIBILITY,
    "whoever looks for {what} {name} in its old schema fails",
    "leave a view behind in the old schema, or deploy a search_path that has both first",
)
NEW_TYPE = _rule(
    "incompatible-type",
    Axis.COMPATIBILITY,
    "{table}.{column} becomes {new}, which the application that is running may not expect",
    "check what reads and writes it, or go through expand and contract",
    Severity.WARNING,
)
NOT_NULL_WITHOUT_DEFAULT = _rule(
    "not-null-without-default",
    Axis.COMPATIBILITY,
    "the application that is running inserts no {column} into {table}, and its INSERTs fail; so does the statement, if "
    "the table has rows",
    "add the column with a DEFAULT, or nullable, and op.set_not_null in a later revision",
)
DROP_DEFAULT_OF_NEW = _rule(
    "drop-default-of-new",
    Axis.COMPATIBILITY,
    "the application that is running inserts no {column} into {table}, and without the DEFAULT its INSERTs fail",
    "drop the DEFAULT in a contract revision, after the application that does not know the column is gone",
)
DROP_DEFAULT = _rule(
    "drop-default",
    Axis.COMPATIBILITY,
    "{table}.{column} is NOT NULL: INSERTs that leave it out fail without its DEFAULT",
    "make sure that all of them give it a value, and deploy that first",
    Severity.WARNING,
)
DROP_IDENTITY = _rule(
    "drop-identity",
    Axis.COMPATIBILITY,
    "{table}.{column} is NOT NULL: INSERTs that leave it out fail, now that nothing numbers it",
    "number it otherwise in the same transaction: ALTER COLUMN {column} SET DEFAULT nextval(…)",
)
JSON_COLUMN = _rule(
    "json-column",
    Axis.COMPATIBILITY,
    "json has no equality: SELECT DISTINCT and UNION over {table} fail with the column {column}",
    "use jsonb",
)
JSON_COLUMN_OF_NEW_TABLE = _rule(
    "json-column-of-new-table",
    Axis.COMPATIBILITY,
    "json has no equality: SELECT DISTINCT and UNION over {table} will fail with the column {column}",
    "use jsonb",
    Severity.WARNING,
)
NO_REPLICA_IDENTITY = _rule(
    "no-replica-identity",
    Axis.COMPATIBILITY,
    "UPDATE and DELETE of {table} fail once it is published: nothing tells its rows apart",
    "give it a primary key, or ALTER TABLE {table} REPLICA IDENTITY …, first",
)
RENAME_ENUM_VALUE = _rule(
    "rename-enum-value",
    Axis.COMPATIBILITY,
    "whoever still uses the old value of {name} fails",
    "add the new value, move the rows in batches, and stop using the old one",
)
ENABLE_ROW_SECURITY = _rule(
    "row-security",
    Axis.COMPATIBILITY,
    "rows of {table} disappear from whoever no policy lets see them",
    "create the policies in the same transaction, before it is enabled",
    Severity.WARNING,
)
REVOKE = _rule(
    "revoke",
    Axis.COMPATIBILITY,
    "whoever still needs the privilege fails",
    "revoke it in a contract revision",
    Severity.WARNING,
)
DISABLE_TRIGGER = _rule(
    "disable-trigger",
    Axis.COMPATIBILITY,
    "what triggers of {table} do, foreign keys included, is not done for rows written meanwhile",
    "enable them in the same transaction, and check the rows",
    Severity.WARNING,
)

# --- DATA LOSS: what a downgrade cannot bring back

LOST_TABLE = _rule(
    "lost-table",
    Axis.DATA_LOSS,
    "the rows of {name} are gone; a downgrade creates it empty",
    "keep a backup, or rename it and drop it later",
    Severity.WARNING,
)
LOST_COLUMN = _rule(
    "lost-column",
    Axis.DATA_LOSS,
    "the values of {table}.{column} are gone; a downgrade adds it empty",
    "keep a backup, or stop using it and drop it later",
    Severity.WARNING,
)
TRUNCATE = _rule(
    "truncate",
    Axis.DATA_LOSS,
    "TRUNCATE removes every row of {table}, while nobody can read or write it",
    "DELETE in batches if some are to stay; keep a backup otherwise",
)
DELETE_ALL = _rule(
    "delete-all",
    Axis.DATA_LOSS,
    "DELETE without WHERE removes every row of {table}",
    "say which rows are to go",
)
DELETE_SOME = _rule(
    "delete-rows",
    Axis.DATA_LOSS,
    "the rows that DELETE removes from {table} do not come back with a downgrade",
    "keep a copy of them, if the downgrade is to be honest",
    Severity.INFO,
)
DROP_DATABASE = _rule(
    "drop-database",
    Axis.DATA_LOSS,
    "{what} removes everything in it",
    "do it by hand, never in a migration",
)
DROP_CHUNKS = _rule(
    "drop-chunks",
    Axis.DATA_LOSS,
    "{what} drops the rows of chunks for good",
    "keep a backup; op.drop_chunks and op.add_retention_policy want allow_data_loss with the reason",
    Severity.WARNING,
)
NARROWER_TYPE = _rule(
    "narrower-type",
    Axis.DATA_LOSS,
    "{old} does not fit into {new}: values of {table}.{column} are cut, rounded or refused",
    "check the values first, and keep the old column until then",
    Severity.WARNING,
)

# --- WILL FAIL: the server refuses it

NOT_IN_TRANSACTION = _rule(
    "not-in-transaction",
    Axis.WILL_FAIL,
    "{what} cannot run inside a transaction block",
    "use an autocommit block, or write `-- tsext: no-transaction` on the first line of the SQL file",
)
DOES_NOT_EXIST = _rule(
    "does-not-exist",
    Axis.WILL_FAIL,
    "there is no {what} {name}",
    "correct its name, or write IF EXISTS",
)
EXISTS_ALREADY = _rule(
    "exists-already",
    Axis.WILL_FAIL,
    "there is a {what} {name} already",
    "choose another name, or write IF NOT EXISTS",
)
ENUM_VALUE_USED = _rule(
    "enum-value-used",
    Axis.WILL_FAIL,
    "the new value {value} of {name} cannot be used in the transaction that added it",
    "use it in a revision of its own",
)
DEPENDENTS = _rule(
    "has-dependents",
    Axis.WILL_FAIL,
    "{name} cannot be dropped or changed: {dependents} depend on it",
    "drop them first, and create them again afterwards",
)
INVALID_INDEX = _rule(
    "invalid-index",
    Axis.WILL_FAIL,
    "the index {name} of {table} is there, but INVALID, so that IF NOT EXISTS leaves it as it is",
    "op.create_index_concurrently, which builds such an index anew",
)
REFUSED = _rule(
    "refused",
    Axis.WILL_FAIL,
    "{table}: PostgreSQL refuses {what}",
    "{cure}",
)
MOVED_ROWS = _rule(
    "moved-rows",
    Axis.WILL_FAIL,
    "hypertable {table}: an UPDATE of {column} fails where the row would belong to another chunk",
    "DELETE and INSERT such rows",
    Severity.WARNING,
)
CONCURRENTLY_UNSUPPORTED = _rule(
    "concurrently-unsupported",
    Axis.WILL_FAIL,
    "{what} is refused: {table} is a {kind}",
    "{cure}",
)
HYPERTABLE_REFUSES = _rule(
    "hypertable-refuses",
    Axis.WILL_FAIL,
    "hypertable {table}: TimescaleDB refuses {what}",
    "{cure}",
)
COLUMNSTORE_REFUSES = _rule(
    "columnstore-refuses",
    Axis.WILL_FAIL,
    "hypertable {table} has the columnstore: TimescaleDB {version} refuses {what}",
    "{cure}",
)
COLUMNSTORE_CORRUPTS = _rule(
    "columnstore-corrupts",
    Axis.DATA_LOSS,
    "hypertable {table} has the columnstore: {what} is accepted, and what is compressed reads back as NULL",
    "add the column without it, and fill it in batches",
)
LICENSE = _rule(
    "license",
    Axis.WILL_FAIL,
    "{what} needs TimescaleDB under the Timescale licence; this server has the Apache edition",
    "use a server that has it, or leave it out",
)
VERSION = _rule(
    "version",
    Axis.WILL_FAIL,
    "{what} needs {needed}; this server has {found}",
    "{cure}",
)
NOT_EMPTY = _rule(
    "not-empty",
    Axis.WILL_FAIL,
    "{what} is refused: {table} has rows",
    "{cure}",
)
NULLS = _rule(
    "has-nulls",
    Axis.WILL_FAIL,
    "{table} has rows, and {column} would be NULL in them",
    "give the column a DEFAULT, or add it nullable and fill it first",
)

CERTAIN = frozenset(
    each.id
    for each in (
        NOT_IN_TRANSACTION,
        CONCURRENTLY_UNSUPPORTED,
        HYPERTABLE_REFUSES,
        COLUMNSTORE_REFUSES,
        LICENSE,
        VERSION,
        ENUM_VALUE_USED,
    )
)
"""Rules that do not hang on what is there, as ``refused`` and ``has-dependents`` do: statements that nobody can read
beforehand may have made or dropped it. Nor on whether a table has rows, which its size does not tell for sure."""

# --- UNKNOWN: it cannot be told before it runs

DYNAMIC_SQL = _rule(
    "dynamic-sql",
    Axis.UNKNOWN,
    "{what} may do anything: it is put together when it runs",
    'write the statements out, or say what you know: with safety.assured("dynamic-sql", because=…)',
)
USER_FUNCTION = _rule(
    "user-function",
    Axis.UNKNOWN,
    "{name} may do anything",
    'say what you know of it: with safety.assured("user-function", because=…)',
    Severity.WARNING,
)
UNREADABLE = _rule(
    "unreadable",
    Axis.UNKNOWN,
    "the statement cannot be read: {why}",
    'correct it; if the server takes it, say what it does: with safety.assured("unreadable", because=…)',
)
UNREADABLE_REVISION = _rule(
    "unreadable-revision",
    Axis.UNKNOWN,
    "what {name} does from here on cannot be told without running it: {why}",
    "let it run SQL that does not depend on what it finds in the database; or answer for it: with "
    'safety.assured("unreadable-revision", because=…)',
)
UNKNOWN_STATEMENT = _rule(
    "unknown-statement",
    Axis.UNKNOWN,
    "{what} is not known to any rule",
    'look up its lock in PostgreSQL\'s documentation, and waive this: with safety.assured("unknown-statement", …)',
    Severity.WARNING,
)
