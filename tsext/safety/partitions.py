"""Partitions that are attached and detached.

Source: ``ATExecAttachPartition`` and ``check_default_partition_contents`` in PostgreSQL's sources.
"""

from __future__ import annotations

from typing import Any

from tsext.catalog import RelationFacts
from tsext.model.locks import LockMode, Work
from tsext.safety import rules
from tsext.safety.constraints import is_proven
from tsext.safety.expressions import constants_in, constants_of
from tsext.safety.names import Name
from tsext.safety.reading import Reading


def attach(reading: Reading, table: Name, command: Any) -> None:
    """``ATTACH PARTITION``: a scan, unless a CHECK proves the bounds, and the indexes that it lacks."""
    partition = Name.of_range(getattr(command, "def").partition_cmd.name)
    reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
    reading.script.change(partition).partition_of = True
    if reading.is_missing(partition):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=partition)
        return
    bound = getattr(command, "def").partition_cmd.bound
    child, parent = reading.find(partition), reading.find(table)
    # what is empty is scanned in no time
    if parent is not None:
        _refuse_types(reading, table, partition, parent)
    if child is not None and parent is not None and parent.columns and child.whole:
        lonely = sorted(set(child.columns) - set(parent.columns) - set(reading.state(table).columns))
        if lonely and not reading.state(partition).lost:
            what = f"a partition with the column {lonely[0]}, which it lacks"
            reading.report(rules.REFUSED, table, what=what, cure="drop it there, or add it here")
    free = reading.is_new(partition) or (child is not None and child.has_rows is False)
    scans = not free and not _proves(reading, partition, parent, bound)
    builds = "" if free else ", ".join(_lacking_indexes(reading, partition, table))
    work = Work.BUILD if builds else Work.SCAN if scans else None
    reading.lock(partition, LockMode.ACCESS_EXCLUSIVE, work)
    if scans:
        reading.report(rules.ATTACH_PARTITION, partition)
    if builds:
        reading.report(rules.ATTACH_WITHOUT_INDEX, partition, names=builds)
    for other in reading.constraints(table):
        if other.references:
            reading.lock(Name(*other.references), LockMode.SHARE_ROW_EXCLUSIVE, Work.SCAN if scans else None)
    scan_default_partition(reading, table, bound)


def _refuse_types(reading: Reading, table: Name, partition: Name, parent: RelationFacts) -> None:
    """A partition has columns of the very types of the parent's."""
    for each in parent.columns:
        own, wanted = reading.type_of(partition, each), reading.type_of(table, each)
        if own is not None and wanted is not None and own != wanted:
            what = f"a partition whose {each} is a {own}, and not a {wanted}"
            reading.report(rules.REFUSED, table, what=what, cure=f"make it a {wanted}")


def _proves(reading: Reading, partition: Name, parent: RelationFacts | None, bound: Any) -> bool:
    """Whether a valid CHECK says of its rows that they are within bounds, or outside; told from the constants."""
    checked = list(reading.state(partition).checked)
    if parent is not None:
        if not all(is_proven(reading, partition, each) for each in parent.partition_key):
            return False
        valid = [each for each in reading.constraints(partition) if each.kind == "c" and each.validated]
        keyed = [each for each in valid if set(parent.partition_key) <= set(each.columns)]
        checked += [constants_of(each.definition) for each in keyed]
    wanted = constants_in(bound)
    return bool(wanted) and any(
        all(any(one.startswith(each) or each.startswith(one) for one in constants) for each in wanted)
        for constants in checked
    )


def _lacking_indexes(reading: Reading, child: Name, parent: Name) -> list[str]:
    """The parent's indexes that the new partition has no like of."""
    if not (reading.knows(child) and reading.knows(parent)):
        return []
    there = {(each.columns, each.unique, each.whole) for each in reading.indexes(child) if each.valid}
    return [each.name for each in reading.indexes(parent) if (each.columns, each.unique, each.whole) not in there]


def scan_default_partition(reading: Reading, table: Name, bound: Any) -> None:
    """Rows of the default partition might belong to a new one."""
    if bound.is_default:
        return
    parent = reading.find(table)
    if parent is None or not parent.default_partition:
        return
    default = Name(*parent.default_partition)
    if reading.state(default).independent or reading.script.is_gone(default):
        return
    proven = _proves(reading, default, parent, bound)
    reading.lock(default, LockMode.ACCESS_EXCLUSIVE, None if proven else Work.SCAN)
    if not proven:
        reading.report(rules.DEFAULT_PARTITION, default)


def _refuse_stranger(reading: Reading, table: Name, child: RelationFacts, parent: RelationFacts) -> None:
    if child.parent != (parent.schema, parent.name):
        what = f"to detach {child.name}, which is no partition of it"
        reading.report(rules.REFUSED, table, what=what, cure="correct its name")


def detach(reading: Reading, table: Name, command: Any) -> None:
    """``DETACH PARTITION [CONCURRENTLY]``."""
    partition = Name.of_range(getattr(command, "def").partition_cmd.name)
    child, parent = reading.find(partition), reading.find(table)
    if child is not None and child.whole and parent is not None and not reading.state(partition).partition_of:
        _refuse_stranger(reading, table, child, parent)
    if reading.is_missing(partition):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=partition)
    if getattr(command, "def").partition_cmd.concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
        reading.refuse_in_transaction("DETACH PARTITION CONCURRENTLY")
        found = reading.find(table)
        default = found.default_partition if found is not None else None
        if default is not None and not reading.state(Name(*default)).independent:
            what = "DETACH PARTITION CONCURRENTLY of what has a default partition"
            reading.report(rules.REFUSED, table, what=what, cure="DETACH PARTITION, which is instant")
        return
    reading.script.change(partition).independent = True
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    reading.lock(partition, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(table):
        reading.report(rules.DETACH_PARTITION, table)
