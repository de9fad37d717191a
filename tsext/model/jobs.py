"""Jobs: what users let TimescaleDB run for them, again and again."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import timedelta

from sqlalchemy import MetaData

from tsext.errors import InvalidObject
from tsext.model.features import Feature, License
from tsext.model.objects import INFO_KEY, objects_in
from tsext.model.schedules import Schedule, text

JOB_NAMES = Feature("job_name", (2, 20), License.TIMESCALE, "leave job_name out: a job is then known by its procedure")


@dataclass(frozen=True)
class Job(Schedule):
    """A procedure or function that runs in the background.

    With ``metadata=`` it is declared there; ``metadata.info["timescaledb"] = [Job(…)]`` says the same.

    :param proc: the procedure or function, without its schema.
    :param schedule_interval: the time between two runs; needed.
    :param schema: of the procedure.
    :param job_name: by which it is known, from TimescaleDB 2.20 on; without, it is known by its procedure.
    :param check_config: a function, ``"schema.name"``, that refuses a wrong config.
    :raises InvalidObject: for what makes no sense.
    """

    kind = "job"
    of_metadata = True
    retry_period_given = timedelta(minutes=5)
    checks = {**Schedule.checks, "proc": text, "job_name": text, "check_config": text}

    proc: str
    schema: str | None = None
    job_name: str | None = None
    check_config: str | None = None
    metadata: InitVar[MetaData | None] = None

    def __post_init__(self, metadata: MetaData | None) -> None:
        super().__post_init__()
        self.checked("proc", self.proc)
        if self.schedule_interval is None:
            raise InvalidObject(
                f"job {self.proc} has no schedule_interval",
                hint="say how often it runs: schedule_interval=timedelta(hours=1)",
            )
        if metadata is not None:
            if self.schema is None:
                object.__setattr__(self, "schema", metadata.schema)
            metadata.info[INFO_KEY] = [*objects_in(metadata), self]

    @property
    def key(self) -> tuple[str | None, str]:
        """Schema and name of what it runs."""
        return self.schema, self.proc


def jobs_of(metadata: MetaData) -> list[Job]:
    """The jobs that a metadata declares, in order.

    :raises InvalidObject: if its info holds anything but objects, or two jobs that cannot be told apart.
    """
    jobs = [each for each in objects_in(metadata) if isinstance(each, Job)]
    identities = [(each.key, each.job_name, None if each.job_name else each.config) for each in jobs]
    for each, identity in zip(jobs, identities, strict=True):
        if identities.count(identity) > 1:
            raise InvalidObject(
                f"job {each.job_name or each.proc} is declared twice", hint="give each a job_name of its own"
            )
    return jobs
