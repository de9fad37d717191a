"""Who records: whoever began, also where a revision has left another role behind, which may not."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from tsext.history import bookkeeping
from tsext.sql.roles import may_change_role


class Who(NamedTuple):
    """Who is at work on a connection."""

    session_user: str
    role: str
    """As ``SET ROLE`` takes it; ``none``, if it was never called."""

    def becomes(self, connection: Connection, *, local: bool) -> None:
        """Be at work again, whoever is now.

        :param local: until the transaction ends, or else from now on.
        """
        connection.exec_driver_sql(bookkeeping.query("become"), {**self._asdict(), "local": local})


class Printed:
    """The steps of a script, with who runs it kept before the first that may leave another role behind."""

    def __init__(self) -> None:
        self.kept = False
        """Whether one of them may have done so."""

    def keeping(self, work: Callable[..., Any], context: MigrationContext) -> Callable[..., Any]:
        """The work of a step, whose statements are looked at before they are printed."""

        @wraps(work, assigned=["__name__"], updated=())  # which Alembic logs
        def printed(**kw: Any) -> Any:
            script, context.impl.output_buffer = context.impl.output_buffer, io.StringIO()
            try:
                return work(**kw)
            finally:
                text, context.impl.output_buffer = context.impl.output_buffer.getvalue(), script
                assert script is not None
                if not self.kept and may_change_role(text):
                    self.kept = True
                    script.write(f"{bookkeeping.query('keep').strip()};\n\n")
                script.write(text)

        return printed
