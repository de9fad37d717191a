"""What only psql understands, and what to write instead."""

from __future__ import annotations

import re

from tsext.sql.grammar import GrammarError, statements_before
from tsext.sql.refusals import COPY_FROM_STDIN, LOAD, Refusal, is_copy_from_stdin

_OUTPUT = "remove it: it only concerns what psql prints"
_OTHER = "remove it: backslash commands are psql's, and no SQL"
_CURES = {
    ("i", "ir", "include", "include_relative"): "call op.execute_file once per file",
    ("copy",): LOAD,
    (".",): f"it ends the data of COPY in psql: {LOAD}",
    ("set", "unset", "gset", "prompt", "getenv", "setenv"): "write the value where it is used",
    ("c", "connect"): "remove it: a revision runs on one connection; give another database a run of its own",
    ("gexec",): "write the statements out, or run them with EXECUTE format(…) in a DO block",
    ("if", "elif", "else", "endif"): "decide in the revision: `if …: op.execute_file(…)`",
    ("g", "gx", "gdesc", ";"): "end the statement with a semicolon",
    ("echo", "qecho", "warn"): "remove it, or use RAISE NOTICE in a DO block",
    ("restrict", "unrestrict"): "remove it: pg_dump writes it for psql only",
    ("q", "quit"): "remove it and what follows",
    ("!",): "run the program from the revision, or before it",
    ("timing", "pset", "x", "a", "t", "f", "H", "o", "out", "w", "p", "r", "errverbose", "encoding"): _OUTPUT,
}
_CURE_OF = {command: cure for commands, cure in _CURES.items() for command in commands}

_COMMAND = re.compile(r"\\([A-Za-z_]+|\S?)")
_VARIABLE = re.compile(r""":(\w+|'[^'\n]*'|"[^"\n]*"|\{\?\w+\})""")


def only_psql(error: GrammarError) -> tuple[int, Refusal] | None:
    """Where and why the text that the grammar refused is one for psql; None if it is not."""
    text, position = error.text, error.position
    if position is None:
        return None
    if not error.message.startswith("syntax error"):  # but a token that cannot be read, such as an open quote
        return _copy_data(error)
    return _copy_data(error) or _meta_command(text, position) or _variable(text, position)


def _copy_data(error: GrammarError) -> tuple[int, Refusal] | None:
    for start, end in statements_before(error):
        if is_copy_from_stdin(error.text[start:end]):
            return start, COPY_FROM_STDIN
    return None


def _meta_command(text: str, position: int) -> tuple[int, Refusal] | None:
    found = _COMMAND.match(text, position)
    if not found:
        return None
    return position, Refusal(f"{found[0]} is a command of psql", _CURE_OF.get(found[1], _OTHER))


def _variable(text: str, position: int) -> tuple[int, Refusal] | None:
    found = _VARIABLE.match(text, position)
    if not found:
        return None
    return position, Refusal(f"{found[0]} is a variable of psql", "write the value itself")
