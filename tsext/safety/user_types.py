"""Types, enums and domains."""

from __future__ import annotations

from typing import Any

from tsext.model.locks import LockMode, Work
from tsext.safety import rules
from tsext.safety.constraints import kind_of
from tsext.safety.names import Name
from tsext.safety.reading import Reading, reads


@reads("create_enum_stmt", "composite_type_stmt", "create_domain_stmt", "create_range_stmt")
def create_type(reading: Reading, node: Any) -> None:
    """``CREATE TYPE`` and ``CREATE DOMAIN``."""
    kind = node.DESCRIPTOR.name
    if kind == "CompositeTypeStmt":
        name = Name.of_range(node.typevar)
    else:
        name = Name.of_list(node.domainname if kind == "CreateDomainStmt" else node.type_name)
    if _is_there(reading, name.name):
        reading.report(rules.EXISTS_ALREADY, what="type", name=name)
    else:
        reading.script.types.add(name.name)
    labels = [each.string.sval for each in getattr(node, "vals", ())]
    if len(set(labels)) < len(labels):
        reading.report(rules.EXISTS_ALREADY, what="value of", name=name)
    reading.script.replace(name)
    constraints = {kind_of(each.constraint): each.constraint for each in getattr(node, "constraints", ())}
    if constraints.keys() & {"CONSTR_CHECK", "CONSTR_NOTNULL"}:
        reading.script.constrained.add(name.name)
    if "CONSTR_DEFAULT" in constraints:
        reading.script.domain_defaults[name.name] = constraints["CONSTR_DEFAULT"].raw_expr


def _is_there(reading: Reading, name: str) -> bool:
    """Whether there was such an enum or domain, and still is."""
    database = reading.facts.database
    if name in reading.script.dropped_types or database is None or reading.script.known_as(name) != name:
        return False
    return name in database.labels or name in database.domains


@reads("alter_enum_stmt")
def alter_enum(reading: Reading, node: Any) -> None:
    """``ALTER TYPE … ADD VALUE`` and ``RENAME VALUE``."""
    name = Name.of_list(node.type_name)
    if name.name in reading.script.types:
        return
    database = reading.facts.database
    known = reading.script.known_as(name.name)
    labels = database.labels.get(known) if database is not None and known is not None else None
    if labels is None and reading.facts.is_complete and not reading.script.blind:
        reading.report(rules.DOES_NOT_EXIST, what="type", name=name)
    neighbour = node.new_val_neighbor
    if neighbour and labels is not None and neighbour not in (*labels, *reading.script.enum_values):
        reading.report(rules.DOES_NOT_EXIST, what="value", name=f"{neighbour} of {name}")
    if node.old_val:
        if labels is not None and node.old_val not in labels:
            reading.report(rules.DOES_NOT_EXIST, what="value", name=f"{node.old_val} of {name}")
        if labels is not None and node.new_val in labels:
            reading.report(rules.EXISTS_ALREADY, what="value", name=f"{node.new_val} of {name}")
        reading.report(rules.RENAME_ENUM_VALUE, name=name)
        return
    if labels is not None and node.new_val in labels:
        if not node.skip_if_new_val_exists:
            reading.report(rules.EXISTS_ALREADY, what="value", name=f"{node.new_val} of {name}")
    elif reading.in_transaction:
        reading.script.enum_values[node.new_val] = name


@reads("alter_domain_stmt")
def alter_domain(reading: Reading, node: Any) -> None:
    """``ALTER DOMAIN``: a new constraint is checked against every table that has such a column.

    Seen with PostgreSQL 17.11 and 18.6: writes wait for VALIDATE CONSTRAINT, too.
    """
    name = Name.of_list(node.type_name)
    validates = node.subtype in ("O", "V") or (
        node.subtype == "C" and not getattr(node, "def").constraint.skip_validation
    )
    if validates and node.subtype != "V":
        reading.script.constrained.add(name.name)
    if not validates or name.name in reading.script.types:
        return
    known = reading.script.known_as(name.name)
    if reading.facts.is_complete and not reading.script.blind and reading.facts.domain_base(known or "") is None:
        reading.report(rules.DOES_NOT_EXIST, what="domain", name=name)
    users = [Name(each.schema, each.name) for each, _ in reading.facts.users_of_type(name.name)]
    for each in users:
        reading.lock(each, LockMode.SHARE, Work.SCAN)
    if users or not reading.facts.is_complete:
        reading.report(rules.VALIDATE_DOMAIN, *users, name=name)
