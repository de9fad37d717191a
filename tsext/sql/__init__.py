"""SQL as text: quoting names and values, reading and splitting files."""

from tsext.sql.files import SqlFile, Statement, explain, locate, read
from tsext.sql.quoting import NULL, Raw, call, identifier, interval, literal, qualified, regclass

__all__ = [
    "NULL",
    "Raw",
    "SqlFile",
    "Statement",
    "call",
    "explain",
    "identifier",
    "interval",
    "literal",
    "locate",
    "qualified",
    "read",
    "regclass",
]
