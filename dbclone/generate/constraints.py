"""Conditions on single rows: CHECK constraints, conditions of domains, and that a row belongs to a partition.

sqlglot translates each expression to DuckDB, which judges a whole Arrow batch at once. What DuckDB cannot judge (a
function of the source's own, an operator of an extension), or judges otherwise than the target does, is judged by what
the target said beforehand of values like these: its :class:`~dbclone.model.flow.Verdict`. Repairing what is broken is
:mod:`dbclone.generate.repair`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.model.flow import Verdict
from dbclone.schema.checks import to_duckdb
from dbclone.schema.model import Check, Table

Columns = Mapping[str, pa.Array]
Booleans = npt.NDArray[np.bool_]


def row_conditions(table: Table) -> tuple[Check, ...]:
    """Return every condition that each row of a table has to fulfil by itself."""
    return (*table.checks, *((table.routing,) if table.routing else ()))


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What the target said of values of one CHECK's columns: ``values`` are :func:`_spelled`, each once."""

    verdict: Verdict
    values: pa.Array
    passed: Booleans

    @property
    def always(self) -> bool:
        """Whether all values passed: values like them are then taken to pass, too."""
        return bool(self.passed.all())

    def violators(self, columns: Columns) -> Booleans:
        """Return True where the target refused these values, or never saw them while it refused others."""
        if self.always:
            return np.zeros(len(columns[self.verdict.rows.column_names[0]]), dtype=bool)
        spelled = _spelled([columns[name] for name in self.verdict.rows.column_names])
        place = pc.fill_null(pc.index_in(spelled, value_set=self.values), -1).to_numpy(zero_copy_only=False)
        broken: Booleans = (place < 0) | ~self.passed[np.maximum(place, 0)]
        return broken

    @cached_property
    def good(self) -> dict[str, pa.Array]:
        """The values that passed: what violators may take."""
        rows = self.verdict.rows.filter(pa.array(self.verdict.passed)).combine_chunks()
        return {name: rows[name].combine_chunks() for name in rows.column_names}


def _known(verdict: Verdict) -> Known:
    spelled = _spelled([verdict.rows[name].combine_chunks() for name in verdict.rows.column_names])
    values, first = np.unique(spelled.to_numpy(zero_copy_only=False).astype(str), return_index=True)
    return Known(verdict=verdict, values=pa.array(values, pa.string()), passed=verdict.passed[first])


def _spelled(columns: Sequence[pa.Array]) -> pa.Array:
    """Return one string per row, the same exactly for the same values."""
    texts = []
    for column in columns:
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        if pa.types.is_binary(plain.type):
            plain = pa.array([None if value is None else value.hex() for value in plain.to_pylist()], pa.string())
        text = plain.cast(pa.string())
        texts.append(pc.if_else(text.is_valid(), pc.binary_join_element_wise("=", pc.fill_null(text, ""), ""), "-"))
    return pc.binary_join_element_wise(*texts, "\x1f")


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The conditions of one table that can be judged here: by ``expressions`` in DuckDB's SQL, or by what is known.

    ``unjudged`` are left to the target.
    """

    table: Table
    dialect: str
    checks: tuple[Check, ...]
    expressions: tuple[str | None, ...]
    known: Mapping[str, Known]
    unjudged: tuple[Check, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that any of the conditions reads."""
        return tuple(dict.fromkeys(name for check in self.checks for name in check.columns))

    def violators(self, columns: Columns) -> Booleans:
        """Return checks × rows: True where the condition is false (NULL fulfils it)."""
        rows = len(next(iter(columns.values()))) if columns else 0
        broken = np.zeros((len(self.checks), rows), dtype=bool)
        if not rows:
            return broken
        asked = [number for number, expression in enumerate(self.expressions) if expression is not None]
        if asked:
            wanted = [f"COALESCE({self.expressions[number]}, TRUE)" for number in asked]
            for number, passed in zip(asked, evaluate(self.table, wanted, columns), strict=True):
                broken[number] = ~np.asarray(passed, dtype=bool)
        for number, check in enumerate(self.checks):
            if self.expressions[number] is None:
                broken[number] = self.known[check.name].violators(columns)
        return broken


def judge(table: Table, dialect: str, types: Mapping[str, pa.DataType], verdicts: Sequence[Verdict]) -> Judge | None:
    """Return the judge of a table's conditions; None without any. ``types`` are the Arrow types of its columns.

    Where the target was asked and DuckDB sees any of those rows otherwise, the target is believed.
    """
    conditions = row_conditions(table)
    if not conditions:
        return None
    judged: list[Check] = []
    expressions: list[str | None] = []
    unjudged: list[Check] = []
    known: dict[str, Known] = {}
    written = [to_duckdb(check.expression, dialect) for check in conditions]
    fitting = [
        text if check.columns and set(check.columns) <= set(types) else None
        for check, text in zip(conditions, written, strict=True)
    ]
    together = _runs(table, [text for text in fitting if text is not None], types)
    said = {verdict.check: verdict for verdict in verdicts if verdict.table == table.key}
    for check, expression in zip(conditions, fitting, strict=True):
        fits = bool(check.columns) and set(check.columns) <= set(types)
        if expression is not None and not together and not _runs(table, [expression], types):
            expression = None
        if fits and check.name in said and (expression is None or _differs(table, expression, said[check.name])):
            known[check.name], expression = _known(said[check.name]), None
        if fits and (expression is not None or check.name in known):
            judged.append(check)
            expressions.append(expression)
        else:
            unjudged.append(check)
    return Judge(
        table=table,
        dialect=dialect,
        checks=tuple(judged),
        expressions=tuple(expressions),
        known=known,
        unjudged=tuple(unjudged),
    )


def _differs(table: Table, expression: str, verdict: Verdict) -> bool:
    columns = {name: verdict.rows[name].combine_chunks() for name in verdict.rows.column_names}
    try:
        (passed,) = evaluate(table, [f"COALESCE({expression}, TRUE)"], columns)
    except duckdb.Error:
        return True
    return bool((np.asarray(passed, dtype=bool) != verdict.passed).any())


def _runs(table: Table, expressions: Sequence[str], types: Mapping[str, pa.DataType]) -> bool:
    try:
        empty = {name: pa.array([], type=kind) for name, kind in types.items()}
        if expressions:
            evaluate(table, [f"COALESCE({expression}, TRUE)" for expression in expressions], empty)
    except duckdb.Error:
        return False
    return True


def evaluate(table: Table, expressions: Sequence[str], columns: Columns) -> list[npt.NDArray[np.generic]]:
    """Return the value of each of DuckDB's expressions for every row; duckdb.Error if it cannot be computed."""
    with _batch(table, columns) as connection:
        numbered = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(expressions))
        found = connection.execute(f"SELECT {numbered} FROM batch").fetchnumpy()  # noqa: S608 - translated by sqlglot
    return [np.asarray(found[f"c{number}"]) for number in range(len(expressions))]


def compute(table: Table, expressions: Sequence[str], columns: Columns) -> pa.Table:
    """Return the values of DuckDB's expressions as Arrow columns ``c0``, ``c1`` …, in the order of the rows."""
    with _batch(table, columns) as connection:
        numbered = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(expressions))
        query = f"SELECT {numbered} FROM batch"  # noqa: S608 - translated by sqlglot
        return connection.sql(query).to_arrow_table()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return an empty database in memory; one thread keeps rows in order. A cursor costs a tenth of a connection."""
    database = duckdb.connect(config={"threads": 1})
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    return database


@contextmanager
def _batch(table: Table, columns: Columns) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection to DuckDB on which the rows are called ``batch``."""
    arrays = {name: _readable(table, name, array) for name, array in columns.items()}
    with _database().cursor() as connection:
        connection.register("batch", pa.table(arrays))
        yield connection


def _readable(table: Table, name: str, array: pa.Array) -> pa.Array:
    """Return a column as DuckDB compares it best: plain text, and decimals as numbers even where they came as text."""
    plain = array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array
    if table.column(name).kind == "decimal" and pa.types.is_string(plain.type):
        return plain.cast(pa.float64())
    return plain
