"""What runs SQL that is put together elsewhere: DO, EXECUTE."""

from __future__ import annotations

from typing import Any

from tsext.safety import holding, rules
from tsext.safety.expressions import reads_everything
from tsext.safety.looping import Looping
from tsext.safety.names import Name
from tsext.safety.reading import Reading, reads
from tsext.sql import bodies, grammar
from tsext.sql.bodies import Body, Kind, Part


@reads("do_stmt")
def do(reading: Reading, node: Any) -> None:
    """``DO``: what its body says outright is read as if it stood alone; what it puts together is unknown."""
    arguments = {each.def_elem.defname: each.def_elem.arg.string.sval for each in node.args}
    language = arguments.get("language", "plpgsql").lower()
    body = bodies.of_block(arguments.get("as", "")) if language == "plpgsql" else None
    if body is None:
        reading.report(rules.DYNAMIC_SQL, what=f"DO in {language}")
    else:
        run(reading, body)


def run(reading: Reading, body: Body) -> None:
    """What a body runs, in the order in which it is written."""
    outside: list[Looping] = []
    for place, part in enumerate(body):
        if part.kind is Kind.END_OF_LOOP:
            reading.script.looping = outside.pop()
        elif part.ends_transaction:
            reading.refuse_in_transaction(f"{part.kind.upper()} in DO, or in a procedure,")
            reading.script.end_transaction()
        elif part.kind is not Kind.UNTIL:
            _read(reading, part)
        if part.kind in (Kind.LOOP, Kind.UNTIL):
            outside.append(reading.script.looping)
            commits = any(each.ends_transaction for each in _loop(body[place + 1 :]))
            rows = _rows_of(reading, part.text) if part.kind is Kind.LOOP else Looping.REST
            reading.script.looping = Looping.NONE if commits else max(outside[-1], rows)


def _loop(body: Body) -> Body:
    """What is inside a loop."""
    depth = 1
    for place, part in enumerate(body):
        depth += {Kind.LOOP: 1, Kind.UNTIL: 1, Kind.END_OF_LOOP: -1}.get(part.kind, 0)
        if depth == 0:
            return body[:place]
    return body


def _rows_of(reading: Reading, query: str) -> Looping:
    """Which rows of tables that are in use a query gives."""
    read = grammar.tree(query)
    if read is None or read[0] != "select_stmt":
        return Looping.NONE
    named = [Name.of_range(each) for each in grammar.find(read[1], "RangeVar")]
    if not any(not reading.is_new(each) and not each.is_system for each in named):
        return Looping.NONE
    if reads_everything(read[1]):
        return Looping.ALL
    return Looping.NONE if read[1].HasField("limit_count") else Looping.SOME


def _read(reading: Reading, part: Part) -> None:
    text = literal(part.text) if part.kind is Kind.DYNAMIC else part.text
    if text is None:
        reading.report(rules.DYNAMIC_SQL, what="EXECUTE")
        return
    try:
        statements = grammar.parse(text)
    except grammar.GrammarError:
        reading.report(rules.DYNAMIC_SQL, what="a statement in DO")
        return
    for start, end in statements.statements:
        source = statements.text[start:end]
        read = grammar.tree(source)
        if read is None:
            reading.report(rules.DYNAMIC_SQL, what="a statement in DO")
        else:
            holding.read_inside(reading, source, *read)


def literal(expression: str) -> str | None:
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
    holding.read(reading, reading.source, kind, getattr(node.query, kind))
