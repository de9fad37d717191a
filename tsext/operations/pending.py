"""What pending revisions need of the server, told without running them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import FeatureNotSupported, Finding
from tsext.model import Feature
from tsext.operations import VERBS, load
from tsext.operations.calling import Call
from tsext.operations.operation import Operation, lacking
from tsext.operations.optional import is_left_out
from tsext.settings import Settings


def refuse(connection: Connection, calls: Collection[Call], settings: Settings) -> None:
    """Refuse a run of which a later revision needs what this server does not have; one query, or none.

    :param calls: what the pending revisions call.
    :raises FeatureNotSupported: naming every such revision, and what it needs.
    """
    needed = [(call.revision, what, feature) for call in calls for what, feature in needs(call)]
    if not needed or is_left_out(connection, settings):
        return
    found = catalog.expected_timescaledb(connection, _version(calls))
    if found is None:
        revision, what, _ = needed[0]
        raise FeatureNotSupported(
            f"revision {revision}: {what} needs TimescaleDB, which this server does not have",
            hint="use a server that has it; or, for tests, set timescaledb = optional",
        )
    if findings := list(_findings(needed, found)):
        first, *others = findings
        raise FeatureNotSupported(first.message, hint=first.hint, findings=others)


def needs(call: Call) -> Iterator[tuple[str, Feature]]:
    """What a call needs of the server, and what of it needs it."""
    if call.verb not in VERBS:
        return
    load(call.verb)
    operation = Operation.verbs.get(call.verb)  # none of a file's, which needs nothing
    if operation is None:
        return
    if operation.needs is not None:
        yield f"op.{call.verb}", operation.needs
    for name, feature in operation.arguments_need.items():
        if call.arguments.get(name):
            yield f"op.{call.verb} with {name}", feature


def _findings(needed: Iterable[tuple[str, str, Feature]], found: catalog.TimescaleInfo) -> Iterator[Finding]:
    seen = set()
    for revision, what, feature in needed:
        finding = lacking(feature, found, f"revision {revision}: {what}")
        if finding is not None and (revision, feature) not in seen:
            seen.add((revision, feature))
            yield finding


def _version(calls: Iterable[Call]) -> str | None:
    """The version that a pending ``op.create_extension`` asks for."""
    created = (each.arguments for each in calls if each.verb == "create_extension")
    return next((each.get("version") for each in created if each.get("") == "timescaledb"), None)
