"""Who is in the way, told to people: a fact for each, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

from tsext import durations
from tsext.catalog import Holder
from tsext.errors import Finding
from tsext.sql.excerpt import shortened


def findings(holders: Iterable[Holder]) -> list[Finding]:
    """One for each, the oldest first."""
    return [Finding("lock-blocker", described(each), _cure(each)) for each in sorted(holders, key=_oldest_first)]


def described(holder: Holder) -> str:
    """Who it is, what it holds, and since when."""
    return f"{_who(holder)}{_has(holder)}{_at(holder)}"


def _oldest_first(holder: Holder) -> float:
    return -(holder.age or 0.0)


def _who(holder: Holder) -> str:
    if holder.gid is not None:
        return f"the prepared transaction {holder.gid!r} of role {holder.role}"
    if holder.backend_type == "autovacuum worker":
        return f"pid {holder.pid} (autovacuum)"
    named = ", ".join([*([repr(holder.application)] if holder.application else []), *_role(holder)])
    return f"pid {holder.pid} ({named})" if named else f"pid {holder.pid}"


def _role(holder: Holder) -> list[str]:
    return [f"role {holder.role}"] if holder.role else []


def _has(holder: Holder) -> str:
    age = "" if holder.age is None else f"a transaction {durations.measured(holder.age)} old"
    if not holder.mode:
        return f" has {age}"
    does = "holds" if holder.granted else "waits for"
    return f" {does} {holder.mode} on {holder.relation}{age and f', in {age}'}"


def _at(holder: Holder) -> str:
    if holder.pid is None or not holder.query:
        return ""
    if holder.state.startswith("idle in transaction"):
        return f"; {holder.state}, its last statement: {shortened(holder.query)}"
    return f"; it runs: {shortened(holder.query)}"


def _cure(holder: Holder) -> str:
    if holder.gid is not None:
        name = holder.gid.replace("'", "''")
        return f"if its transaction manager has forgotten it: COMMIT PREPARED '{name}', or ROLLBACK PREPARED '{name}'"
    if holder.prevents_wraparound:
        return "let it finish, it must not be ended; how far it is: SELECT * FROM pg_stat_progress_vacuum"
    return f"wait for it, or end it: SELECT pg_terminate_backend({holder.pid})"
