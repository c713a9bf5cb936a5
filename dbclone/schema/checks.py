"""CHECK constraints as expressions: parsed by sqlglot, whatever the source's dialect.

Pure. Judging rows by them is :mod:`dbclone.generate.constraints`' business; here is what can be read off them.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from dbclone.schema.model import Check, Table

_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql"}
"""sqlglot's names for SQLAlchemy's dialects, where they differ."""


def parse_check(check: Check, dialect: str) -> exp.Expr | None:
    """Return the expression of a CHECK as a tree; None if sqlglot cannot read it."""
    try:
        return sqlglot.parse_one(check.expression, read=_DIALECTS.get(dialect, dialect))
    except sqlglot.errors.SqlglotError:
        return None


def declared_values(table: Table, dialect: str) -> Mapping[str, tuple[str, ...]]:
    """Return, per text column, the values that a CHECK allows: they are part of the schema, so no secret of the rows.

    ``status IN ('open', 'paid')`` → ``{"status": ("open", "paid")}``; PostgreSQL's ``= ANY (ARRAY[…])`` likewise.
    """
    found: dict[str, tuple[str, ...]] = {}
    for check in table.checks:
        tree = parse_check(check, dialect) if len(check.columns) == 1 else None
        values = None if tree is None else _listed(tree)
        if values and table.column(check.columns[0]).kind == "text":
            found[check.columns[0]] = values
    return found


def _listed(tree: exp.Expr) -> tuple[str, ...]:
    """Return the strings of the only list that an expression is made of; none if it is anything else."""
    tree = tree.unnest()
    if isinstance(tree, exp.In) and not tree.args.get("query"):
        items = list(tree.expressions)
    elif isinstance(tree, exp.EQ) and isinstance(tree.expression, exp.Any):
        array = tree.expression.this.unnest()
        while isinstance(array, exp.Cast):
            array = array.this.unnest()
        items = list(array.expressions) if isinstance(array, exp.Array) else []
    else:
        return ()
    plain = [item.this if isinstance(item, exp.Cast) else item for item in items]
    if not all(isinstance(item, exp.Literal) and item.is_string for item in plain):
        return ()
    return tuple(str(item.this) for item in plain)
