"""Says of a query whether it only reads what may be read: by what it contains, never by patterns.

The engine itself parses the query (`EXPLAIN AST`), and every node of what it understood must be on
a list: kinds of nodes, functions, tables. What the lists do not name is refused, so that a function
or a clause that a later engine adds is refused too. The connection that then runs the query is
read-only besides; either of the two alone would do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from neurorail.collector.sql.errors import ACCESS_DENIED, QueryError

NODES: Final = frozenset({
    "ArrayJoin", "Asterisk", "ColumnsExceptTransformer",
    "ColumnsListMatcher", "ColumnsRegexpMatcher", "ColumnsReplaceTransformer",
    "ColumnsReplaceTransformer::Replacement", "ColumnsTransformerList", "ExpressionList",
    "Function", "Identifier", "InterpolateElement", "Literal", "OrderByElement",
    "QualifiedAsterisk", "QualifiedColumnsListMatcher", "QualifiedColumnsRegexpMatcher",
    "SampleRatio", "SelectIntersectExceptQuery", "SelectQuery", "SelectWithUnionQuery",
    "Subquery", "TableExpression", "TableIdentifier", "TableJoin", "TablesInSelectQuery",
    "TablesInSelectQueryElement", "WindowDefinition", "WindowListElement", "WithElement",
})  # fmt: skip
"""Kinds of nodes of a query that only selects. `Set` (SETTINGS) is none of them, nor is what
stands for APPLY, whose function the tree does not show."""

TABLE_FUNCTIONS: Final = frozenset({"numbers"})
"""Table functions that read nothing; every other may be a way out of the store."""

SYSTEM_TABLES: Final = frozenset({
    "build_options", "columns", "contributors", "data_type_families", "databases", "formats",
    "functions", "numbers", "one", "settings", "table_functions", "tables", "time_zones",
})  # fmt: skip
"""Tables of `system` that tools read to show what there is."""

NAME_LENGTH_MAX: Final = 256
"""Of a function: none that there is has a longer name, however many combinators it has."""

_NODE: Final = re.compile(r"( *+)(\S++)(?: (.*))?", re.S)
_CHILDREN: Final = re.compile(r" \(children \d+\)$")
_STATEMENT: Final = re.compile(
    r"^\s*+(?:SHOW\s++(?:DATABASES|TABLES(?:\s++FROM\s++(?P<database>`?\w++`?))?+)"
    r"|(?:DESC|DESCRIBE)(?:\s++TABLE)?\s++(?P<described>[\w.`]++)"
    r"|EXISTS(?:\s++TABLE)?\s++(?P<asked>[\w.`]++))"
    r"(?:\s++FORMAT\s++\w++)?\s*+;?\s*+$",
    re.IGNORECASE,
)
_SELECTS: Final = re.compile(
    r"^(?:\s++|\(|--[^\n]*+\n|/\*(?>.*?\*/))*+(?:SELECT|WITH|FROM)\b", re.I | re.S
)
_COMBINATORS: Final = (
    "SimpleState", "OrDefault", "Distinct", "Resample", "ForEach", "ArgMax", "ArgMin", "OrNull",
    "Merge", "State", "Array", "Map", "If",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a query may name.

    Attributes:
        database: whose tables may all be read.
        databases: every database there is: the beginning of a name is one of them or a table.
        functions: scalar functions, in lower case.
        aggregates: aggregate functions, in lower case.
    """

    database: str
    databases: frozenset[str]
    functions: frozenset[str]
    aggregates: frozenset[str]


def check_text(query: str) -> None:
    """Refuses, before the engine sees it, the one clause that writes a file when a query is read.

    It also binds to the EXPLAIN that the check itself asks; so not even its name may occur.

    Raises:
        QueryError: the text names it, be it in a string.
    """
    if "outfile" in query.lower():
        raise _refused("a query with the word OUTFILE")


def check(query: str, syntax_tree: Callable[[str], str], allowed: Allowed) -> None:
    """Lets a query pass that only reads.

    Args:
        query: One statement; more are an error of the parser.
        syntax_tree: Gives what `EXPLAIN AST` says of a query. Raises QueryError on bad syntax.
        allowed: What it may name.

    Raises:
        QueryError: it is no reading statement, or names what is not allowed.
    """
    statement = _STATEMENT.match(query)
    if statement is not None:
        for table in (statement["described"], statement["asked"]):
            if table is not None:
                _check_table(table.replace("`", ""), allowed)
        database = statement["database"]
        if database is not None and database.strip("`") not in (allowed.database, "system"):
            raise _refused(f"the database {database}")
        return
    if not _SELECTS.match(query):
        raise _refused("a statement that is neither SELECT nor SHOW, DESCRIBE or EXISTS")
    # The parser counts everything behind EXPLAIN AST as part of the statement.
    for line in syntax_tree(query).splitlines():
        if line:
            _check_node(line, allowed)


def _check_node(line: str, allowed: Allowed) -> None:
    node = _NODE.fullmatch(_CHILDREN.sub("", line))
    if node is None or node[2] not in NODES:
        raise _refused(f"the clause {line.strip()[:60]!r}")
    depth, kind, name = len(node[1]), node[2], _without_alias(node[3] or "")
    if depth == 1 and kind not in ("ExpressionList", "Identifier"):
        raise _refused("INTO OUTFILE and SETTINGS")  # Beside the selects only FORMAT's name may be.
    match kind:
        case "Function":
            _check_function(name, allowed)
        case "TableIdentifier":
            _check_table(name, allowed)
        case "Identifier" if "." in name:
            # `x IN database.table` reads a table, and looks like a column.
            first, _, rest = name.partition(".")
            if first in allowed.databases:
                _check_table(f"{first}.{rest}", allowed)
        case _:
            pass


def _without_alias(text: str) -> str:
    """The name of a node. What is no alias for certain stays, and then no list has the name."""
    name, found, _ = text.rpartition(" (alias ")
    return name if found and text.endswith(")") else text


def _check_function(name: str, allowed: Allowed) -> None:
    if len(name) > NAME_LENGTH_MAX:
        raise _refused("a function whose name is that long")
    if name in TABLE_FUNCTIONS or name.lower() in allowed.functions:
        return
    while name.lower() not in allowed.aggregates:
        shorter = next((name.removesuffix(c) for c in _COMBINATORS if name.endswith(c)), "")
        if not shorter:
            raise _refused(f"the function {name}")
        name = shorter


def _check_table(name: str, allowed: Allowed) -> None:
    database, dot, table = name.rpartition(".")
    if not dot or database == allowed.database:
        return
    if database == "system" and table in SYSTEM_TABLES:
        return
    if database.lower() == "information_schema" and table.lower() in ("tables", "columns"):
        return
    raise _refused(f"the table {name}")


def _refused(what: str) -> QueryError:
    return QueryError(ACCESS_DENIED, f"reader: not enough privileges: {what} is not allowed here")
