"""What a review says: for people, for programs, and for GitHub."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tsext import durations
from tsext.review.judging import Verdict, Waived, place, relative
from tsext.safety import Category, Hazard


def as_text(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Lines for a terminal, in rich's markup."""
    from rich.markup import escape

    for verdict in verdicts:
        colour = "green" if verdict.category is Category.SAFE else "red"
        phase = f"  [dim]{escape(str(verdict.phase))}[/]" if str(verdict.phase) else ""
        yield f"[bold]{escape(verdict.reading.name)}[/]  [{colour}]{verdict.category}[/]{phase}"
        for hazard in verdict.hazards:
            yield f"  [bold]{escape(place(hazard))}[/]  [{colour}]{hazard.rule}[/]  {hazard.axis}{_held(hazard)}"
            yield from (f"    {escape(line)}" for line in _body(hazard))
        for hazard in verdict.gated:
            gate = f"waits for application {verdict.phase.requires_application}"
            yield f"  {escape(place(hazard))}  {hazard.rule}  [dim]{escape(gate)}[/]"
        for waived in verdict.expired:
            yield f"  {escape(place(waived.hazard))}  [yellow]waiver expired[/]: {escape(str(waived.waiver))}"
        for waived in verdict.waived:
            yield f"  {escape(place(waived.hazard))}  [dim]waived: {escape(str(waived.waiver))}[/]"
    yield _summary(verdicts)


def as_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The same as one object; times are in seconds."""
    return {
        "category": str(_worst(verdicts)),
        "revisions": [
            {
                "name": verdict.reading.name,
                "category": str(verdict.category),
                "phase": verdict.phase.name,
                "requires_application": verdict.phase.requires_application,
                "findings": [_as_json(each) for each in verdict.hazards],
                "gated": [_as_json(each) for each in verdict.gated],
                "waived": [_waived_as_json(each) for each in verdict.waived],
                "expired": [_waived_as_json(each) for each in verdict.expired],
            }
            for verdict in verdicts
        ],
    }


def as_github(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Workflow commands that GitHub shows beside the lines they are about."""
    for verdict in verdicts:
        level = "warning" if verdict.category is Category.SAFE else "error"
        for hazard in verdict.hazards:
            text = f"{hazard.message}\n{hazard.hint}" if hazard.hint else hazard.message
            yield _annotation(level, hazard, f"{hazard.rule} ({hazard.axis})", text)
        for waived in verdict.expired:
            yield _annotation("warning", waived.hazard, "waiver expired", str(waived.waiver))
        for waived in verdict.waived:
            yield _annotation("notice", waived.hazard, f"{waived.hazard.rule} waived", str(waived.waiver))


def _annotation(level: str, hazard: Hazard, title: str, message: str) -> str:
    statement = hazard.statement
    properties = {"title": title}
    if statement.path is not None:
        root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
        properties = {"file": relative(statement.path, root), "line": str(statement.line), **properties}
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {given}::{_data(message)}"


def _data(value: str) -> str:
    """As the toolkit of GitHub Actions escapes it (packages/core/src/command.ts)."""
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def _body(hazard: Hazard) -> Iterator[str]:
    first, *more = hazard.statement.text.strip().split("\n")
    if first:
        yield f"{first}{' …' if more else ''}"
    yield from hazard.message.split("\n")
    yield from f"hint: {hazard.hint}".split("\n") if hazard.hint else ()


def _held(hazard: Hazard) -> str:
    facts = [hazard.mode, hazard.work and str(hazard.work), hazard.estimate and _about(hazard.estimate)]
    text = ", ".join(str(each) for each in facts if each)
    on = f" on {', '.join(hazard.relations)}" if hazard.relations else ""
    return f": {text}{on}" if text else ""


def _about(estimate: timedelta) -> str:
    """One digit: it is told from sizes."""
    seconds = estimate.total_seconds()
    if seconds < 0.1:
        return "less than 0.1 s"
    return f"about {seconds:.1g} s" if seconds < 10 else f"about {durations.measured(seconds)}"


def _as_json(hazard: Hazard) -> dict[str, Any]:
    return {
        "rule": hazard.rule,
        "axis": str(hazard.axis),
        "severity": str(hazard.severity),
        "message": hazard.message,
        "hint": hazard.hint,
        "path": relative(hazard.statement.path, Path.cwd()) if hazard.statement.path else None,
        "line": hazard.statement.line,
        "statement": hazard.statement.text,
        "mode": hazard.mode,
        "work": str(hazard.work) if hazard.work else None,
        "relations": list(hazard.relations),
        "estimate": hazard.estimate.total_seconds() if hazard.estimate is not None else None,
    }


def _waived_as_json(waived: Waived) -> dict[str, Any]:
    waiver = waived.waiver
    until = waiver.until.isoformat() if waiver.until else None
    return {**_as_json(waived.hazard), "because": waiver.because, "until": until}


def _worst(verdicts: Sequence[Verdict]) -> Category:
    unsafe = any(each.category is Category.UNSAFE for each in verdicts)
    return Category.UNSAFE if unsafe else Category.SAFE


def _summary(verdicts: Sequence[Verdict]) -> str:
    unsafe = sum(each.category is Category.UNSAFE for each in verdicts)
    findings = sum(len(each.hazards) for each in verdicts)
    waived = sum(len(each.waived) for each in verdicts)
    told = f"{len(verdicts) - unsafe} safe, {unsafe} unsafe; {findings} finding{'' if findings == 1 else 's'}"
    return f"{told}, {waived} waived" if waived else told
