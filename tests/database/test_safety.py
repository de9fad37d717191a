"""Whether what is predicted of statements is what the server does: locks, scans, rewrites, refusals."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from tsext import safety
from tsext.model.locks import LockMode
from tsext.safety.types import of_text
from tsext.sql.sending import send

STATEMENTS = Path(__file__).parent / "statements"
"""Files with one statement on each line, or all of a revision, and what has to be there for them."""

RELATIONS = """
SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, coalesce(i.inhparent, c.oid) AS root,
    c.relkind
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'm', 'v') AND n.nspname !~ '^(pg_|information|tsext|_timescaledb_ca|_timescaledb_co)'
    AND (n.nspname <> '_timescaledb_internal' OR c.relname ~ '^_hyper_')
"""
FIRST_OWN = 16384
"""What has a lower oid is PostgreSQL's own."""

INDEXES = f"SELECT indexrelid, indrelid FROM pg_index WHERE indexrelid >= {FIRST_OWN}"
FILES = f"SELECT oid, pg_relation_filenode(oid) FROM pg_class WHERE relkind IN ('r', 'm', 'i') AND oid >= {FIRST_OWN}"
SCANS = "SELECT relid, seq_scan FROM pg_stat_xact_user_tables WHERE seq_scan > 0"
LOCKS = """
SELECT relation, mode FROM pg_locks WHERE coalesce(pid, 0) = pg_backend_pid() AND locktype = 'relation' AND granted
"""
"""The WebAssembly build has no processes."""

UNLIKE = {
    "TRUNCATE": "a new file, but an empty one",
    "CREATE INDEX x ON ONLY": "a new index, but an empty one",
    "CREATE UNIQUE INDEX x ON ONLY": "the same",
    "ALTER TABLE c ADD CONSTRAINT x CHECK (v > 0) NOT VALID": "the scan of what is compressed is not counted",
    "ALTER TABLE c ADD CONSTRAINT x FOREIGN KEY": "looks up one key after the other",
    "SELECT decompress_chunk": "fills the file that is there",
    "CREATE INDEX x ON daily": "indexes what the aggregate is kept in",
    "INSERT INTO h4": "makes a chunk",
    "DO $$ BEGIN ALTER TABLE t ADD COLUMN a integer; EXCEPTION": "takes back its lock with the error",
    "UPDATE h SET v = 1 WHERE time =": "has an index, and a table too small to use it",
    "REINDEX TABLE h": "locks the chunks, and of the root only what it needs to find them",
    "ALTER TABLE t ADD CONSTRAINT x EXCLUDE": "checks by the index it builds",
}
"""Where what is seen is not what is meant."""


WORST = ["", "scan", "build", "rewrite"]


@dataclass
class Seen:
    """What a statement did in a transaction that was rolled back."""

    error: str | None
    locks: dict[str, LockMode]
    work: dict[str, str]
    names: dict[str, int]
    """What the relations are called afterwards."""


class Watched:
    """A connection on which statements are tried."""

    def __init__(self, connection):
        self.connection = connection
        rows = connection.exec_driver_sql(RELATIONS).all()
        self.names = {row.oid: row.name for row in rows}
        self.roots = {row.oid: row.root for row in rows}
        self.views = {row.name for row in rows if row.relkind == "m"}
        self.files, self.indexes = self.pairs(FILES), self.pairs(INDEXES)
        connection.rollback()

    def pairs(self, query):
        return dict(map(tuple, self.connection.exec_driver_sql(query)))

    def root(self, oid):
        """The name of the table that a relation, a chunk or a partition belongs to."""
        return self.names.get(self.roots.get(oid))

    def root_of(self, name, names):
        """The same of a name, before or afterwards; None if it is not among the tables and views."""
        oid = next((oid for oid, each in self.names.items() if each == name), names.get(name))
        return self.root(oid)

    def try_out(self, statement):
        scans = self.pairs(SCANS)  # in the same transaction: between two, the server may forget them
        try:
            send(self.connection, statement)
        except DBAPIError as error:
            self.connection.rollback()
            return Seen(str(error.orig), {}, {}, {})
        names = {row.name: row.oid for row in self.connection.exec_driver_sql(RELATIONS)}
        seen = Seen(None, self.locks(), self.work(scans), names)
        self.connection.rollback()
        return seen

    def locks(self):
        strongest = {}
        for oid, mode in self.connection.exec_driver_sql(LOCKS):
            name, mode = self.root(oid), LockMode(mode)
            if name and (name not in strongest or mode.strength > strongest[name].strength):
                strongest[name] = mode
        return strongest

    def work(self, scans):
        work = {self.root(oid): "scan" for oid, count in self.pairs(SCANS).items() if count > scans.get(oid, 0)}
        indexes, files = self.indexes | self.pairs(INDEXES), self.pairs(FILES)
        for oid, file in files.items():
            if oid in indexes and file not in self.files.values() and indexes[oid] in self.files:
                work[self.root(indexes[oid])] = "build"
        for oid, file in files.items():
            if oid in self.roots and self.files.get(oid, file) != file:
                work[self.root(oid)] = "rewrite"
        return work


def qualified(name):
    return name if "." in name else f"public.{name}"


def predicted(watched, verdicts, names):
    locks, work = {}, {}
    taken = [lock for each in verdicts for lock in each.locks]
    for lock in sorted(taken, key=lambda each: (each.mode.strength, each.work is not None)):
        name = watched.root_of(qualified(lock.relation), names)
        if name and lock.mode.strength >= LockMode.ROW_EXCLUSIVE.strength:
            locks[name] = lock.mode
            if lock.work is not None:
                work[name] = max(work.get(name, ""), lock.work.value, key=WORST.index)
    return locks, work


def differences(watched, facts, statement):
    verdicts = safety.verdicts([safety.Statement(statement, in_transaction=True)], facts)
    seen = watched.try_out(statement)
    hazards = [hazard for each in verdicts for hazard in each.hazards if hazard.severity == "error"]
    refused = any(each.axis == "will-fail" for each in hazards)
    if (seen.error is not None) != refused:
        return [f"{statement}\n   the server says {seen.error}, predicted {[each.rule for each in hazards]}"]
    if refused or any(statement.startswith(each) for each in UNLIKE):
        return []
    locks, work = predicted(watched, verdicts, seen.names)
    strong = {name: mode for name, mode in seen.locks.items() if mode.strength >= LockMode.ROW_EXCLUSIVE.strength}
    worked = {name: each for name, each in seen.work.items() if name in strong}
    found = []
    if strong != locks:
        found.append(f"{statement}\n   locks {strong}\n   predicted {locks}")
    if worked != work:
        found.append(f"{statement}\n   does {worked}\n   predicted {work}")
    # nobody writes to a materialized view; an UPDATE makes those wait who write to the same rows
    blocks = any(strong[name].blocks_reads if name in watched.views else strong[name].blocks_writes for name in worked)
    reported = [
        each for each in hazards if each.axis == "lock" and each.work is not None and each.rule != "mass-update"
    ]
    if blocks != bool(reported):
        found.append(f"{statement}\n   makes others wait: {blocks}\n   reported {[each.rule for each in hazards]}")
    return found


def unpredicted(watched, subject):
    facts = safety.facts(watched.connection)
    watched.connection.rollback()
    statements = STATEMENTS.joinpath(f"{subject}.sql").read_text("utf-8").splitlines()
    return [line for each in statements for line in differences(watched, facts, each.removesuffix(";"))]


def misjudged(engine, facts):
    """Statements outside a transaction that the server refuses, or takes, against what was predicted."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for each in STATEMENTS.joinpath("autocommit.sql").read_text("utf-8").splitlines():
            hazards = safety.classify([safety.Statement(each, in_transaction=False)], facts)
            refused = [hazard.rule for hazard in hazards if hazard.axis == "will-fail"]
            try:
                connection.exec_driver_sql(each).close()
            except DBAPIError as error:
                if not refused:
                    yield f"{each}\n   the server says {error.orig}"
            else:
                if refused:
                    yield f"{each}\n   predicted {refused}"


def as_told(relation):
    """What statements tell of a relation, and the catalog does."""
    columns = {each.name: replace(each, type=of_text(each.type), base=of_text(each.base), collation=None)
               for each in relation.columns.values()}  # fmt: skip
    keys = {name: (each.kind, each.validated, {*each.columns}, each.references, each.index, {*each.referenced})
            for name, each in relation.constraints.items() if each.kind not in "nt"}  # fmt: skip
    indexes = {name: (each.unique, each.whole, each.columns, {*each.reads}, each.has_expressions)
               for name, each in relation.indexes.items()}  # fmt: skip
    dependents = {each for each in relation.dependents if each.kind != "function"}
    triggers = {name: runs for name, runs in relation.triggers.items() if name != "ts_insert_blocker"}
    others = (relation.kind, relation.parent, relation.partition_key, relation.default_partition, triggers)
    return columns, keys, indexes, dependents, others, relation.policies, relation.hypertable is not None


def mistold(facts, setups):
    """Tables of which files tell otherwise than the catalog does."""
    told = safety.after(safety.Facts(), [safety.Statement(each) for each in setups]).database
    found = {name: each for name, each in facts.database.relations.items() if each.kind in "rp"}
    assert {name for name, each in told.relations.items() if each.kind in "rp"} == set(found)
    for name, each in found.items():
        if told.relations[name].whole and as_told(told.relations[name]) != as_told(each):
            yield f"{name}\n   is told as {as_told(told.relations[name])}\n   and is {as_told(each)}"


def test_what_is_predicted_is_what_happens(timescaledb):
    name = timescaledb.scalar("SELECT quote_ident(current_database())")
    setups = [STATEMENTS / f"{each}_setup.sql" for each in ("tables", "hypertables")]
    texts = [each.read_text("utf-8") for each in setups]
    timescaledb.execute(f"ALTER DATABASE {name} SET timezone = 'UTC'", *texts)

    with timescaledb.engine.connect() as connection:
        found = list(mistold(safety.facts(connection), texts))
        connection.rollback()
        watched = Watched(connection)
        found += [line for each in ("tables", "revisions", "hypertables") for line in unpredicted(watched, each)]
        facts = safety.facts(connection)
    found += misjudged(timescaledb.engine, facts)
    (key,) = safety.classify([safety.Statement("ALTER TABLE h ADD CONSTRAINT x UNIQUE (time, v)")], facts)
    assert 'op.create_index_concurrently("x", "h", ["time", "v"], unique=True)' in key.hint, "op.add_unique refuses it"

    assert found == [], "\n".join(found)


def test_what_is_refused_is_foreseen(timescaledb):
    setup = STATEMENTS.joinpath("refused_setup.sql").read_text("utf-8")
    timescaledb.execute(setup)
    told, foreseen = safety.after(safety.Facts(), [safety.Statement(setup)]), 0

    with timescaledb.engine.connect() as connection:
        watched = Watched(connection)
        found = unpredicted(watched, "refused")
        for each in STATEMENTS.joinpath("refused.sql").read_text("utf-8").splitlines():
            hazards = safety.classify([safety.Statement(each, in_transaction=True)], told)
            refused = [hazard.rule for hazard in hazards if hazard.axis == "will-fail"]
            foreseen += bool(refused)
            if refused and watched.try_out(each).error is None:
                found.append(f"{each}\n   is taken, and files tell {refused}")

    assert found == [], "\n".join(found)
    assert foreseen > 150, "without a database"


@pytest.mark.licensed
def test_what_is_predicted_is_what_happens_with_a_columnstore(licensed):
    licensed.execute(
        "SET timezone = 'UTC'", *STATEMENTS.joinpath("columnstore_setup.sql").read_text("utf-8").splitlines()
    )

    with licensed.engine.connect() as connection:
        found = unpredicted(Watched(connection), "columnstore")

    assert found == [], "\n".join(found)
