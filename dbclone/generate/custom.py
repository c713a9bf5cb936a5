"""Values as somebody asked for them in ``dbclone.yaml``: of Faker, of a pattern, of an expression, of a function.

As everywhere in this package the value of a row follows from its index alone, or, of an expression, from the row.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from faker import Faker
from sqlglot import exp

from dbclone.errors import ConfigurationError
from dbclone.generate import arrays, constraints, patterns
from dbclone.generate.arrays import Name
from dbclone.generate.streams import Integers, Streams
from dbclone.model.flow import arrow_type
from dbclone.model.literals import text_of, typed
from dbclone.model.rules import ExpressionRule, FakerRule, FunctionRule, Mask
from dbclone.schema.checks import parse, to_duckdb
from dbclone.schema.model import Column, Table

POOL = 5_000
"""So many values are asked of Faker, which takes some 50 µs for each; rows draw from them."""
MOST_SHAPES = 64


def faker_values(rule: FakerRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return values of a provider of Faker, as text."""
    pool = _pool(rule.provider, rule.locale, streams.seed)
    drawn = arrays.take(pool, arrays.pick(index, arrays.stream_key(streams, *name), len(pool)))
    return arrays.with_nulls(arrays.truncated(drawn, rule.max_length), index, rule.null_share, streams, name)


@lru_cache(maxsize=32)
def _pool(provider: str, locale: str, seed: int) -> tuple[str, ...]:
    faker = Faker(locale)
    faker.seed_instance(seed)
    method = getattr(faker, provider)
    return tuple(str(method()) for _ in range(POOL))


def function_values(rule: FunctionRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return what the function makes of the rows' indexes and of as many random numbers, 0 to 1, as text.

    ``def codes(index, random): return [f"C{i}-{r:.3f}" for i, r in zip(index, random)]``. It is given NumPy arrays,
    and the same pair for the same row however the rows are cut. Raises ConfigurationError for what it cannot use.
    """
    function = load_function(rule.function)
    found = list(function(index, arrays.uniform(index, arrays.stream_key(streams, *name))))
    if len(found) != len(index):
        raise ConfigurationError(
            f"{'.'.join(name)}: {rule.function} made {len(found):,} values for {len(index):,} rows, not one for each"
        )
    values = pa.array([None if value is None else str(value) for value in found], pa.string())
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def load_function(function: str) -> Callable[..., Sequence[Any]]:
    """Return the function called ``module:name``. Raises ConfigurationError if there is none."""
    module, colon, name = function.partition(":")
    if not colon:
        raise ConfigurationError(f"{function}: write module:function, for instance shop.values:sku")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise ConfigurationError(f"{function}: the module {module} cannot be imported ({error.name})") from None
    if not callable(found):
        raise ConfigurationError(f"{function}: {module} has no function {name}")
    return found  # type: ignore[no-any-return]


def expression_values(rule: ExpressionRule, table: Table, columns: Mapping[str, pa.Array], dialect: str) -> pa.Array:
    """Return an expression's value for every row. Raises ConfigurationError if it cannot be computed."""
    column = table.column(rule.column)
    expression = readable_expression(rule.expression, dialect)
    if not columns:
        raise ConfigurationError(f"{table.key}.{rule.column}: the expression reads no column: use constant instead")
    try:
        (found,) = constraints.compute(table, [expression], columns).itercolumns()
    except duckdb.Error as error:
        kind = type(error).__name__
        raise ConfigurationError(
            f"{table.key}.{rule.column}: the expression cannot be computed ({kind}); write it in plain SQL over the "
            "columns of the row"
        ) from None
    return _as_column(found.combine_chunks(), column)


def readable_expression(expression: str, dialect: str) -> str:
    """Return the expression in DuckDB's SQL. Raises ConfigurationError if it is none over one row: it may read nothing
    else, no table and no file."""
    tree, translated = parse(expression, dialect), to_duckdb(expression, dialect)
    if tree is None or translated is None or tree.find(exp.Query, exp.Table, exp.Command) is not None:
        raise ConfigurationError(f"{expression!r} is no expression over the columns of a row")
    return translated


def _as_column(values: pa.Array, column: Column) -> pa.Array:
    to = arrow_type(column.kind)
    number = pa.types.is_floating(values.type) or pa.types.is_decimal(values.type)
    if column.kind == "integer" and number:
        return pc.round(values).cast(to)
    if column.kind == "decimal" and number and column.scale is not None:
        values = pc.round(values.cast(pa.float64()), column.scale)
    if values.type == to:
        return values
    return typed(column.kind, text_of(values))


def masks_of(pattern: str) -> tuple[Mask, ...]:
    """Return a regular expression as shapes of codes. Raises ConfigurationError for what is not made of characters.

    ``[A-Z]{2}-\\d{1,2}`` has two shapes, ``AA-0`` and ``AA-00``.
    """
    shapes = patterns.shapes(pattern, MOST_SHAPES)
    if not shapes:
        raise ConfigurationError(
            f"the pattern {pattern!r} cannot be read as at most {MOST_SHAPES} shapes: write characters, classes and "
            "counts, for instance [A-Z]{2}-[0-9]{4}"
        )
    return tuple(Mask(alphabets=shape, share=1.0 / len(shapes)) for shape in shapes)


def overlap(masks: Sequence[Mask]) -> bool:
    """Whether a code may fit two of the masks."""
    return any(
        len(one.alphabets) == len(other.alphabets)
        and all(set(a) & set(b) for a, b in zip(one.alphabets, other.alphabets, strict=True))
        for one, other in itertools.combinations(masks, 2)
    )
