"""Writes the pages that list what the code has, so that they cannot drift: run by ``make docs``."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from alembic.operations import Operations

from tsext.model import License
from tsext.operations import load_all
from tsext.operations.operation import Operation
from tsext.safety import RULES
from tsext.settings import documented

DOCS = Path(__file__).parent


def operations() -> str:
    """The page of all verbs, by module."""
    load_all()
    lines = [
        "# Operations",
        "",
        "Every verb that tsext adds to `op`. All of them print their SQL with `--sql`, and look before they act: what",
        "the server would refuse, or its version or licence lacks, is refused first.",
    ]
    for module, verbs in _by_module():
        lines += ["", f"## {module}", ""]
        lines += "\n\n".join("\n".join(_described(verb)) for verb in verbs).split("\n")
    return "\n".join(lines).rstrip() + "\n"


def _by_module() -> Iterator[tuple[str, list[type[Operation]]]]:
    found: dict[str, list[type[Operation]]] = {}
    for verb in sorted(Operation.verbs.values(), key=lambda each: (each.__module__, each.verb)):
        found.setdefault(verb.__module__.rpartition(".")[2].replace("_", " ").capitalize(), []).append(verb)
    yield from found.items()


def _described(verb: type[Operation]) -> list[str]:
    text = inspect.cleandoc(getattr(Operations, verb.verb).__doc__)
    summary, _, details = text.partition("\n\n")
    facts = [f"- `{name}`: {meaning}" for name, meaning in _fields(details, "param")]
    facts += [f"- raises `{name}` {meaning}" for name, meaning in _fields(details, "raises")]
    prose = [details.partition(":param")[0].partition(":raises")[0].strip()]
    return [
        f"### `op.{verb.verb}`",
        "",
        f"    op.{verb.verb}({_parameters(verb)})",
        "",
        summary.replace("``", "`"),
        *(["", prose[0].replace("``", "`")] if prose[0] else []),
        "",
        *facts,
        f"- {_needs(verb)}",
    ]


def _parameters(verb: type[Operation]) -> str:
    """As in the call, without types, which the parameters' descriptions give."""
    signature = inspect.signature(verb.invoke)  # type: ignore[attr-defined]
    _, *parameters = signature.parameters.values()
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]
    return str(inspect.Signature(plain))[1:-1]


def _fields(text: str, kind: str) -> Iterator[tuple[str, str]]:
    for name, meaning in re.findall(rf":{kind} (\w+): (.*?)(?=\n:|\Z)", text, re.DOTALL):
        yield name, " ".join(meaning.split()).replace("``", "`")


def _needs(verb: type[Operation]) -> str:
    if verb.needs is None:
        return "works on any PostgreSQL"
    licence = " under the Timescale licence" if verb.needs.license is License.TIMESCALE else ", any licence"
    return f"needs TimescaleDB {'.'.join(map(str, verb.needs.since))} or newer{licence}"


def settings() -> str:
    """The page of settings, with its table written anew."""
    rows = [f"| `{each.name}` | {each.takes} | {each.default} | {each.meaning} |" for each in documented()]
    page = (DOCS / "settings.md").read_text("utf-8")
    return re.sub(r"(?ms)^\| `sql_location`.*?(?=^\n(?!\|))", lambda _: "\n".join(rows) + "\n", page)


def rules() -> str:
    """The page of safety rules, with its table written anew."""
    rows = [
        f"| `{rule.id}` | {rule.axis.value} | {rule.severity.value} | {_cell(rule.message)} | {_cell(rule.hint)} |"
        for rule in sorted(RULES.values(), key=lambda rule: (rule.axis.value, rule.id))
    ]
    page = (DOCS / "safety.md").read_text("utf-8")
    table = "| rule | axis | severity | why | the safe way |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    return re.sub(r"(?ms)^\| rule \|.*?(?=^\n|\Z)", lambda _: table, page)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES = {"operations.md": operations, "settings.md": settings, "safety.md": rules}


def main() -> None:
    """Write the pages; with ``--check`` only tell whether one is out of date."""
    pages = {DOCS / name: page() for name, page in PAGES.items()}
    if sys.argv[1:] == ["--check"]:
        stale = [path.name for path, text in pages.items() if path.read_text("utf-8") != text]
        sys.exit(f"run `make docs`: {', '.join(stale)}" if stale else 0)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
