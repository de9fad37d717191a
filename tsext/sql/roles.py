"""Statements that become another role, told from their text."""

from __future__ import annotations

import re

_BECOMES = re.compile(
    r"\bset\s+(?:local\s+|session\s+)?(?:role|session\s+authorization)\b"
    r"|\bset_config\s*\(\s*'(?:role|session_authorization)'",
    re.IGNORECASE,
)


def may_change_role(text: str) -> bool:
    """Whether a statement, or a script, may leave another role behind: ``SET ROLE``, ``SET SESSION AUTHORIZATION``.

    It is wrong now and then about an ``UPDATE … SET role = …``, and about functions that do so inside.
    """
    return _BECOMES.search(text) is not None
