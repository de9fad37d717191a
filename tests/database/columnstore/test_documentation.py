"""What the documentation says of the columnstore."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from .declaring import columnstore

PAGE = Path(__file__).parents[3] / "docs" / "columnstore.md"


def test_the_documentation_says_what_is_generated(licensed):
    declaration, generated, *_ = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names = {"__name__": "models"}
    exec(compile(declaration, PAGE, "exec", dont_inherit=True), names)
    metadata = names["metadata"]
    licensed.migrate(metadata)
    assert licensed.autogenerate(metadata).is_empty
    info = metadata.tables["ticks"].info
    hypertable, declared = info["timescaledb"]
    info["timescaledb"] = [hypertable, replace(declared, segmentby=["venue"])]
    revision = licensed.migrate(metadata)
    bodies = [part.partition(":\n")[2].rstrip() for part in generated.split("def ")[1:]]
    for body, text in zip(bodies, (revision.upgrade, revision.downgrade), strict=True):
        assert body in text
    licensed.run(revision.downgrade)
    assert columnstore(licensed).segmentby == ("instrument_id",)
