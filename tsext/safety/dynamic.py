"""What runs SQL that is put together elsewhere: DO, EXECUTE."""

from __future__ import annotations

from typing import Any

from tsext.safety import rules
from tsext.safety.reading import READERS, Reading, reads
from tsext.sql import grammar


@reads("do_stmt")
def do(reading: Reading, node: Any) -> None:
    """``DO``: what its body says outright is read as if it stood alone; what it puts together is unknown."""
    arguments = {each.def_elem.defname: each.def_elem.arg.string.sval for each in node.args}
    language = arguments.get("language", "plpgsql")
    body = arguments.get("as", "")
    found = _body(body) if language == "plpgsql" else None
    if found is None:
        reading.report(rules.DYNAMIC_SQL, what=f"DO in {language}")
        return
    for kind, text in found:
        _run(reading, kind, text)


def _body(body: str) -> list[tuple[str, str]] | None:
    tag = "$tsext_body$"
    if tag in body:
        return None
    return grammar.statements_in_body(f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS {tag}{body}{tag}")


def _run(reading: Reading, kind: str, text: str) -> None:
    if kind in ("dynexecute", "dynfors"):
        literal = _literal(text)
        if literal is None:
            reading.report(rules.DYNAMIC_SQL, what="EXECUTE")
            return
        text = literal
    elif kind not in ("execsql", "perform", "fors", "call"):
        return
    read = grammar.tree(text)
    if read is None:
        reading.report(rules.DYNAMIC_SQL, what="a statement in DO")
    elif read[0] in READERS:
        READERS[read[0]](reading, read[1])


def _literal(expression: str) -> str | None:
    """The text of an expression that is one string."""
    read = grammar.tree(f"SELECT {expression}")
    targets: Any = read[1].target_list if read is not None and read[0] == "select_stmt" else ()
    if len(targets) != 1 or targets[0].res_target.val.WhichOneof("node") != "a_const":
        return None
    constant = targets[0].res_target.val.a_const
    return str(constant.sval.sval) if constant.WhichOneof("val") == "sval" else None


@reads("execute_stmt")
def execute(reading: Reading, node: Any) -> None:
    """``EXECUTE`` of a prepared statement."""
    reading.report(rules.DYNAMIC_SQL, what=f"EXECUTE {node.name}")


@reads("prepare_stmt")
def prepare(reading: Reading, node: Any) -> None:
    """``PREPARE``: read when it is prepared, as if it ran."""
    kind = node.query.WhichOneof("node")
    if kind in READERS:
        READERS[kind](reading, getattr(node.query, kind))
