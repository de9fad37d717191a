"""Where workers run: threads of this process, or what ``dask.distributed`` offers on other machines."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from tsext.errors import BackfillError

DASK = "dask://"

TIMEOUT = 10
"""Seconds in which a scheduler must have answered."""


@contextmanager
def executor(given: str) -> Iterator[Executor | None]:
    """An executor by its name; None for threads.

    :param given: ``threads``, or ``dask://host:port`` of a scheduler.
    :raises BackfillError: if there is no such, or it cannot be reached.
    """
    if given == "threads":
        yield None
        return
    if not given.startswith(DASK):
        raise BackfillError(f"there is no executor {given!r}", hint="use threads, or dask://host:port of a scheduler")
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise BackfillError(
            "dask.distributed is not installed", hint='install it here and on the workers: pip install "tsext[dask]"'
        ) from error
    address = f"tcp://{given.removeprefix(DASK)}"
    try:
        client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    except OSError as error:  # also its time-out
        raise BackfillError(f"no dask scheduler answers at {address}", hint="start one: dask scheduler") from error
    with client:
        # a worker that dies is replaced by another, which goes on with what the ledger says is left
        yield client.get_executor(pure=False, retries=10)
