"""``timescaledb-parallel-copy`` in place of our own workers: one task of the ledger, by whoever is asked for it.

That one knows a batch by the number of its first row. With another batch size, or another file, under the same import
id it loads rows twice and reports success; so both are part of the id, and pinned as all of a load is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from sqlalchemy import URL

from tsext.catalog import Relation
from tsext.errors import LoadError
from tsext.loading.spec import Spec
from tsext.sql.quoting import literal

NAME = "timescaledb-parallel-copy"

STEP = "program"
"""Of a task that it does."""

_BATCH_BYTES = 20 * 2**20
"""A batch ends here too, so it must not depend on the default of a version."""


def refuse_missing(spec: Spec) -> None:
    """Refuse what it cannot do, or all if it is not installed.

    :raises LoadError: with what to do.
    """
    if shutil.which(NAME) is None:
        raise LoadError(
            f"{NAME} is not installed", hint="put it into a folder of PATH; or leave out --tool, which needs no program"
        )
    if spec.kind != "csv":
        raise LoadError(f"{NAME} reads CSV files only", hint="leave out --tool")
    if odd := [each for each in spec.columns if not re.fullmatch(r"[a-z_][a-z0-9_]*", each)]:
        raise LoadError(f"{NAME} cannot be given the column {odd[0]}, which needs quotes", hint="leave out --tool")


def command(spec: Spec, name: str, table: Relation, url: URL) -> list[str]:
    """How it is called.

    :param url: of the database; the password is left out, since others see what is called.
    """
    given = spec.format
    options = [f"CSV NULL {literal(given['null'])} ENCODING {literal(given['encoding'])}"]
    settings = {"TimeZone": spec.reading["time_zone"], "DateStyle": spec.reading["date_style"]}
    there = url.set(drivername="postgresql", password=None).update_query_dict(settings)
    flags = {
        "connection": there.render_as_string(hide_password=False),
        "schema": table.schema,
        "table": table.name,
        "file": spec.path,
        "columns": ",".join(spec.columns),
        "split": "\\t" if given["delimiter"] == "\t" else given["delimiter"],
        "quote": given["quote"],
        "escape": given["escape"],
        "copy-options": " ".join(options),
        "workers": str(spec.workers),
        "batch-size": str(spec.batch_size),
        "batch-byte-size": str(_BATCH_BYTES),
        "import-id": f"{name}-{spec.sha256}-{spec.batch_size}",
    }
    switches = {"skip-header": bool(spec.header), "on-conflict-do-nothing": spec.on_conflict_do_nothing}
    return [
        NAME,
        *(f"-{flag}={value}" for flag, value in flags.items()),
        *(f"-{switch}" for switch, on in switches.items() if on),
    ]


def run(spec: Spec, name: str, table: Relation, url: URL) -> int:
    """Let it load, or go on loading; gives the rows that it has loaded now.

    :raises LoadError: if it fails, with what it says.
    """
    refuse_missing(spec)
    environment = dict(os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {}))
    done = subprocess.run(command(spec, name, table, url), env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"^COPY (\d+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None:
        output = (done.stderr.strip() or done.stdout.strip() or f"it ended with {done.returncode}").splitlines()[-1]
        raise LoadError(
            f"{NAME} has failed: {output}",
            hint="when the cause is gone, the same command goes on; without --tool, and under another --load-name, "
            "records that are refused are put aside",
        )
    return int(found[1])
