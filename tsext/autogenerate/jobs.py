"""Jobs of users; they are compared only where models declare any, because many are made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from alembic.operations import ops

from tsext import catalog
from tsext.autogenerate.comparison import Comparison
from tsext.autogenerate.schedules import can_be_altered, changed
from tsext.model import Job, jobs_of
from tsext.operations.jobs import AddJob, AlterJob, DeleteJob


def compare(comparison: Comparison) -> None:
    """Delete what is not declared, add and change what is; nothing, if no job is declared."""
    default = comparison.connection.dialect.default_schema_name
    declared = [each for metadata in comparison.metadata for each in jobs_of(metadata)]
    wanted = [replace(each, schema=None) if each.schema == default else each for each in declared]
    if not wanted or comparison.leaves_out:
        return
    found = catalog.jobs(comparison.connection)
    alike = {each.key for each in found if len([other for other in found if other.key == each.key]) > 1}
    alike |= {each.key for each in wanted if len([other for other in wanted if other.key == each.key]) > 1}
    gone: list[ops.MigrateOperation] = []
    for before, after in matched(found, wanted):
        if _passes(comparison, before, after):
            job = before or after
            removed, added = steps(before, after, alike=job is not None and job.key in alike)
            gone += removed
            comparison.after += added
    comparison.before[:0] = gone


def matched(found: Sequence[Job], wanted: Sequence[Job]) -> Iterator[tuple[Job | None, Job | None]]:
    """Which is which: by name, then by config, then the only one that runs the same."""
    pairs: dict[int, Job] = {}
    rest = list(found)
    for alike in (_same_name, _same_config, _only_one):
        for place, job in enumerate(wanted):
            others = [each for each in rest if each.key == job.key]
            same = next((each for each in others if place not in pairs and alike(job, each, others)), None)
            if same is not None:
                pairs[place] = same
                rest.remove(same)
    for place, job in enumerate(wanted):
        yield pairs.get(place), job
    for job in rest:
        yield job, None


def _same_name(wanted: Job, found: Job, _: Sequence[Job]) -> bool:
    return wanted.job_name is not None and wanted.job_name == found.job_name


def _same_config(wanted: Job, found: Job, _: Sequence[Job]) -> bool:
    return wanted.job_name is None and wanted.config is not None and wanted.config == found.config


def _only_one(wanted: Job, _: Job, others: Sequence[Job]) -> bool:
    return wanted.job_name is None and len(others) == 1


def _passes(comparison: Comparison, found: Job | None, wanted: Job | None) -> bool:
    """Whether the project's own filter lets it pass, as it is asked about tables."""
    job = wanted or found
    assert job is not None
    there = found if wanted is not None else None
    filters: Any = comparison.context.run_object_filters
    return bool(filters(job, job.job_name or job.proc, "job", wanted is None, there))


def steps(
    found: Job | None, wanted: Job | None, *, alike: bool
) -> tuple[list[ops.MigrateOperation], list[ops.MigrateOperation]]:
    """What goes first, and what comes last.

    :param alike: whether several jobs run the same, so that one without a name is told by its config.
    """
    if wanted is None:
        return ([] if found is None else [_deletion(found, alike)]), []
    if found is None:
        return [], [AddJob(wanted, by_config=_by_config(wanted, alike))]
    changes = changed(found, wanted)
    if wanted.config is not None and wanted.config != found.config:
        changes |= {"config": wanted.config, "old_config": found.config}
    if not changes:
        return [], []
    if not can_be_altered(found, changes, more=("config",)):
        return [_deletion(found, alike)], [AddJob(wanted, by_config=_by_config(wanted, alike))]
    with_config = found.config if _by_config(found, alike) else None
    which = {"schema": wanted.schema, "job_name": found.job_name, "with_config": with_config}
    return [], [AlterJob(wanted.proc, changes, **which)]


def _deletion(found: Job, alike: bool) -> DeleteJob:
    with_config = found.config if _by_config(found, alike) else None
    return DeleteJob(
        found.proc, schema=found.schema, job_name=found.job_name, with_config=with_config, removed=found.essential()
    )


def _by_config(job: Job, alike: bool) -> bool:
    return alike and job.job_name is None
