"""What the environment makes of unsafe revisions: they run, are told of, wait for a maintenance window, or never run.

Nothing here asks the database: the verdicts say what is unsafe, the settings what follows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from tsext import review
from tsext.errors import PreflightFailed, RevisionRefused
from tsext.review import Verdict
from tsext.settings import Settings

log = logging.getLogger("alembic.tsext")


def refuse_what_fails(verdicts: Sequence[Verdict]) -> None:
    """Refuse what the server surely would; of what is not there, or there already, it will tell itself.

    Whoever rolls back must not be held by a false alarm: the server may have the last word.

    :raises PreflightFailed: before anything has been run.
    """
    failing = [verdict for verdict in verdicts if verdict.will_fail and not verdict.reading.downgrade]
    if failing:
        raise PreflightFailed(
            f"revision {failing[0].reading.name} would fail; nothing has been run",
            hint="mend it; if it would not fail after all, waive the rule: with safety.assured(…)",
            findings=[finding for verdict in failing for finding in review.located(verdict.will_fail)],
        )


def tell(verdict: Verdict, settings: Settings) -> None:
    """Log what is unsafe, as far as the environment wants to know, and which waivers have expired."""
    for waived in verdict.expired:
        log.warning("%s: a waiver has expired: %s", review.place(waived.hazard), waived.waiver)
    if not verdict.is_unsafe:
        return
    if settings.unsafe_revisions == "warn":
        for finding in verdict.findings:
            log.warning("revision %s is unsafe: %s", verdict.reading.name, finding)
    elif settings.unsafe_revisions == "allow":
        rules = ", ".join(_rules(verdict))
        log.info("revision %s is unsafe (%s): `tsext lint` tells more", verdict.reading.name, rules)


def admit(verdict: Verdict, settings: Settings) -> dict[str, Any]:
    """Let a revision run; what its event then tells of its review, and of why it may run although it is unsafe.

    :raises RevisionRefused: if it may not run now.
    """
    noted: dict[str, Any] = {}
    if verdict.waived:
        noted["waivers"] = [waived.details for waived in verdict.waived]
    if not verdict.is_unsafe:
        return noted
    noted["unsafe"] = _rules(verdict)
    return noted | (_why_back(verdict, settings) if verdict.reading.downgrade else _why_now(verdict, settings))


def _why_back(verdict: Verdict, settings: Settings) -> dict[str, str]:
    """Why an unsafe downgrade may run: whoever rolls back has a reason, and no time to wait."""
    if settings.unsafe_revisions in ("window", "refuse"):
        rules = ", ".join(_rules(verdict))
        log.warning("the downgrade of revision %s is unsafe: %s", verdict.reading.name, rules)
    return _reason(settings)


def _why_now(verdict: Verdict, settings: Settings) -> dict[str, str]:
    """Why an unsafe upgrade may run."""
    if settings.unsafe_revisions == "refuse":
        raise _refusal(verdict, f"{settings.environment} refuses unsafe revisions", "make it safe")
    if settings.maintenance_reason or settings.unsafe_revisions != "window":
        return _reason(settings)
    from tsext.environment import windows  # brings the reading of cron's times

    window = windows.open_now(settings)
    if window is None:
        what = f"no maintenance window of {settings.environment} is open"
        raise _refusal(verdict, what, windows.when_to_run(settings))
    return {"maintenance_window": str(window)}


def _reason(settings: Settings) -> dict[str, str]:
    return {"maintenance_reason": settings.maintenance_reason} if settings.maintenance_reason else {}


def _refusal(verdict: Verdict, what: str, cure: str) -> RevisionRefused:
    return RevisionRefused(
        f"revision {verdict.reading.name} is unsafe, and {what}; revisions before it are applied",
        hint=cure,
        findings=verdict.findings,
    )


def _rules(verdict: Verdict) -> list[str]:
    return sorted({hazard.rule for hazard in verdict.hazards})
