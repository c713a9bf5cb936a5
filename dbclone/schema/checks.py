"""CHECK constraints and other expressions over a row: parsed by sqlglot, whatever the source's dialect.

Pure. Judging rows by them is :mod:`dbclone.generate.constraints`' business; here is what can be read off them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from dbclone.schema.model import Check, Table

_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql"}
"""sqlglot's names for SQLAlchemy's dialects, where they differ."""

_TEXTS = (exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR)
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison that every row must fulfil, with a plain column on its left: ``column operator other``.

    ``other`` is DuckDB SQL; ``other_column`` is set if it is a plain column as well.
    """

    column: str
    equal: bool
    other: str
    other_column: str | None


def parse(expression: str, dialect: str) -> exp.Expr | None:
    """Return an expression of the source's SQL as a tree; None if sqlglot cannot read it."""
    try:
        return sqlglot.parse_one(expression, read=_DIALECTS.get(dialect, dialect))
    except (sqlglot.errors.SqlglotError, RecursionError):  # the latter for what is nested dozens of levels deep
        return None


def parse_check(check: Check, dialect: str) -> exp.Expr | None:
    """Return the expression of a CHECK as a tree; None if sqlglot cannot read it."""
    return parse(check.expression, dialect)


def to_duckdb(expression: str, dialect: str) -> str | None:
    """Return the expression in DuckDB's SQL, every name quoted; None if sqlglot cannot read it."""
    tree = parse(expression, dialect)
    return None if tree is None else _written(tree)


def columns_of(expression: str, table: Table, dialect: str) -> tuple[str, ...] | None:
    """Return the columns of ``table`` that an expression names, in table order; None if it cannot be read."""
    return columns_named(expression, [column.name for column in table.columns], dialect)


def columns_named(expression: str, names: Sequence[str], dialect: str) -> tuple[str, ...] | None:
    """Return those of ``names`` that an expression has as columns, in their order; None if it cannot be read."""
    tree = parse(expression, dialect)
    if tree is None:
        return None
    named = {column.name for column in tree.find_all(exp.Column)}
    return tuple(name for name in names if name in named)


def comparisons(check: Check, dialect: str) -> tuple[Comparison, ...]:
    """Return the comparisons that a row must fulfil to fulfil the CHECK, both ways round where both sides are columns.

    ``(a <= b AND total = a + b)`` → ``a … b``, ``b … a``, ``total = a + b``.
    """
    tree = parse_check(check, dialect)
    return () if tree is None else tuple(_comparisons(tree))


def _comparisons(tree: exp.Expr) -> Iterator[Comparison]:
    node = tree.unnest()
    if isinstance(node, exp.And):
        yield from _comparisons(node.this)
        yield from _comparisons(node.expression)
    elif isinstance(node, exp.Or):
        # a <= b OR a IS NULL: what is not a question of NULL decides.
        sides = [side for side in node.flatten() if not isinstance(side.unnest(), exp.Is)]
        if len(sides) == 1:
            yield from _comparisons(sides[0])
    elif isinstance(node, _COMPARISONS):
        for one, other in ((node.this, node.expression), (node.expression, node.this)):
            left, right = _bare(one), _bare(other)
            if isinstance(left, exp.Column) and not isinstance(right, exp.Any | exp.All | exp.Array):
                yield Comparison(
                    column=left.name,
                    equal=isinstance(node, exp.EQ | exp.NullSafeEQ),
                    other=_written(other),
                    other_column=right.name if isinstance(right, exp.Column) else None,
                )


def _bare(tree: exp.Expr) -> exp.Expr:
    """Return the expression without parentheses and casts around it."""
    tree = tree.unnest()
    while isinstance(tree, exp.Cast):
        tree = tree.this.unnest()
    return tree


def literals(check: Check, dialect: str) -> Mapping[str, tuple[str, ...]]:
    """Return, per column, the literals that the CHECK compares it with: part of the schema, no secret of the rows."""
    tree = parse_check(check, dialect)
    found: dict[str, list[str]] = {}
    for node in () if tree is None else tree.find_all(*_COMPARISONS, exp.In, exp.Between):
        columns = {column.name for column in node.find_all(exp.Column)}
        if len(columns) == 1:
            found.setdefault(columns.pop(), []).extend(_number_or_text(item) for item in node.find_all(exp.Literal))
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items()}


def _number_or_text(literal: exp.Literal) -> str:
    return f"-{literal.this}" if isinstance(literal.parent, exp.Neg) else str(literal.this)


def patterns(check: Check, dialect: str) -> Mapping[str, tuple[str, ...]]:
    """Return, per column, the regular expressions that the CHECK matches it with; LIKE is written as one.

    ``code LIKE 'A\\_%'`` → ``{"code": (r"^A_.*$",)}``.
    """
    tree = parse_check(check, dialect)
    found: dict[str, list[str]] = {}
    for node in () if tree is None else tree.find_all(exp.RegexpLike, exp.RegexpILike, exp.Like, exp.ILike):
        column, pattern = _bare(node.this), _bare(node.expression)
        if isinstance(column, exp.Column) and isinstance(pattern, exp.Literal):
            like = isinstance(node, exp.Like | exp.ILike)
            found.setdefault(column.name, []).append(_as_regex(str(pattern.this)) if like else str(pattern.this))
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items()}


def _as_regex(like: str) -> str:
    out, position = "", 0
    while position < len(like):
        character = like[position]
        if character == "\\" and position + 1 < len(like):
            position += 1
            character = like[position]
            out += character if character.isalnum() else f"\\{character}"
        elif character in "%_":
            out += ".*" if character == "%" else "."
        else:
            out += character if character.isalnum() or character == " " else f"\\{character}"
        position += 1
    return f"^{out}$"


def _written(tree: exp.Expr) -> str:
    """Return the tree in DuckDB's SQL, every name quoted; what DuckDB has no function for is spelled out."""
    tree = tree.copy().transform(_spelled_out)
    for node in tree.find_all(exp.Identifier):
        node.set("quoted", True)
    return str(tree.sql(dialect="duckdb"))


def _spelled_out(node: exp.Expr) -> exp.Expr:
    """``num_nonnulls(a, b)`` → ``(CASE WHEN a IS NULL THEN 0 ELSE 1 END + …)``, ``'year'::text`` → ``'year'``."""
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.to.is_type(*_TEXTS):
        # DuckDB wants some arguments to be constants, which a cast is not.
        return node.this if node.this.is_string else node
    if isinstance(node, exp.Anonymous) and node.name.lower() in ("num_nonnulls", "num_nulls"):
        null, value = ("0", "1") if node.name.lower() == "num_nonnulls" else ("1", "0")
        terms = [f"CASE WHEN {item.sql(dialect='postgres')} IS NULL THEN {null} ELSE {value} END"
                 for item in node.expressions]  # fmt: skip
        return sqlglot.parse_one("(" + " + ".join(terms) + ")", read="postgres")
    return node


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


_SAME_EVERYWHERE = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Is,
    exp.In, exp.Tuple, exp.Between, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Neg, exp.Add, exp.Sub,
    exp.Mul, exp.Length, exp.Lower, exp.Upper, exp.Coalesce, exp.Abs,
)  # fmt: skip
"""What means the same in every SQL; / and || and LIKE do not."""


def translated(expression: str, source: str, target: str) -> str | None:
    r"""Return an expression in the SQL of another kind of database; None unless all of it means the same there.

    ``status = ANY (ARRAY['a'::text])`` → ``\`status\` IN ('a')``. Columns are named without their table.
    """
    tree = parse(expression, source)
    if tree is None:
        return None
    tree = tree.copy().transform(_plainer)
    if not all(isinstance(node, _SAME_EVERYWHERE) for node in tree.walk()):
        return None
    for column in tree.find_all(exp.Column):
        column.set("table", None)
    for node in tree.find_all(exp.Identifier):
        node.set("quoted", True)
    return str(tree.sql(dialect=_DIALECTS.get(target, target)))


def _plainer(node: exp.Expr) -> exp.Expr:
    """Return a node without casts of literals and to texts, PostgreSQL's lists as lists."""
    if isinstance(node, exp.Cast):
        bare = node.this.unnest()
        if isinstance(bare, exp.Literal | exp.Neg) or node.to.is_type(*_TEXTS, exp.DataType.Type.BPCHAR):
            return _plainer(bare)
    if isinstance(node, exp.EQ) and isinstance(node.expression, exp.Any):
        array = node.expression.this.unnest()
        while isinstance(array, exp.Cast):
            array = array.this.unnest()
        if isinstance(array, exp.Array):
            # What stands in place of a node is not looked at again.
            items = [item.transform(_plainer) for item in array.expressions]
            return exp.In(this=node.this.transform(_plainer), expressions=items)
    return node


def translated_default(default: str, source: str, target: str) -> str | None:
    """Return a column's default in the SQL of another kind of database: a literal, or the moment; else None."""
    tree = parse(default, source)
    if tree is None:
        return None
    while isinstance(tree, exp.Cast | exp.Paren):
        tree = tree.this
    value = tree.this if isinstance(tree, exp.Neg) else tree
    if isinstance(tree, exp.CurrentTimestamp):
        return "CURRENT_TIMESTAMP"
    if not isinstance(value, exp.Literal | exp.Boolean | exp.Null):
        return None
    return str(tree.sql(dialect=_DIALECTS.get(target, target)))
