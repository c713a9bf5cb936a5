"""CHECK constraints: find the rows of a batch that violate them, and repair them from rows that do not.

sqlglot translates each expression to DuckDB, which judges a whole Arrow batch at once. A violator takes the columns of the
broken constraint from a random row that fulfils all of them, so that a repaired row is as plausible as a drawn one. A
constraint that DuckDB cannot judge (a function of the source's own) is left to the target, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlglot import exp

from dbclone.errors import PlanError
from dbclone.schema.checks import parse_check
from dbclone.schema.model import Check, Table

ROUNDS = 8
Columns = Mapping[str, pa.Array]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The constraints of one table that can be judged here. ``expressions`` are DuckDB SQL, one per check."""

    table: Table
    checks: tuple[Check, ...]
    expressions: tuple[str, ...]
    unjudged: tuple[Check, ...]

    @property
    def columns(self) -> frozenset[str]:
        """Columns that any of the constraints reads."""
        return frozenset(name for check in self.checks for name in check.columns)

    def violators(self, columns: Columns) -> npt.NDArray[np.bool_]:
        """Return checks × rows: True where the expression is false (NULL fulfils a CHECK)."""
        used = {name: array for name, array in columns.items() if name in self.columns}
        batch = pa.table(used)  # noqa: F841 - DuckDB finds it by name
        select = ", ".join(f"COALESCE({expression}, TRUE)" for expression in self.expressions)
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT {select} FROM batch").fetchnumpy()  # noqa: S608 - translated by sqlglot
        return ~np.array([np.asarray(item, dtype=bool) for item in found.values()])


def judge(table: Table, dialect: str, types: Mapping[str, pa.DataType]) -> Judge | None:
    """Return the judge of a table's CHECKs, ``types`` being the Arrow types of its written columns; None without any."""
    judged, expressions, unjudged = [], [], []
    for check in table.checks:
        expression = _translate(check, dialect)
        if expression is not None and set(check.columns) <= set(types) and check.columns and _runs(expression, types):
            judged.append(check)
            expressions.append(expression)
        else:
            unjudged.append(check)
    if not table.checks:
        return None
    return Judge(table=table, checks=tuple(judged), expressions=tuple(expressions), unjudged=tuple(unjudged))


def _translate(check: Check, dialect: str) -> str | None:
    tree = parse_check(check, dialect)
    if tree is None:
        return None
    for node in tree.find_all(exp.Identifier):
        node.set("quoted", True)
    return str(tree.sql(dialect="duckdb"))


def _runs(expression: str, types: Mapping[str, pa.DataType]) -> bool:
    batch = pa.table({name: pa.array([], type=kind) for name, kind in types.items()})  # noqa: F841 - found by name
    with duckdb.connect() as connection:
        try:
            connection.execute(f"SELECT COALESCE({expression}, TRUE) FROM batch")  # noqa: S608 - translated by sqlglot
        except duckdb.Error:
            return False
    return True


def repair(
    judge: Judge,
    columns: Columns,
    fixed: frozenset[str],
    random: np.random.Generator,
    donors: Callable[[], Columns],
) -> dict[str, pa.Array]:
    """Return the columns with violators repaired; those in ``fixed`` (keys) are never changed.

    ``donors`` makes further rows of the same table, asked for when the batch has no row to take from. Raises PlanError,
    naming the constraint, if none fulfils it.
    """
    out = dict(columns)
    rows = len(next(iter(out.values()))) if out else 0
    if not judge.checks or not rows:
        return out
    for _ in range(ROUNDS):
        broken = judge.violators(out)
        if not broken.any():
            return out
        source, good = out, np.flatnonzero(~broken.any(axis=0))
        if not len(good):
            source = dict(donors())
            good = np.flatnonzero(~judge.violators(source).any(axis=0))
        if not len(good):
            break
        for number, check in enumerate(judge.checks):
            bad = np.flatnonzero(broken[number])
            if len(bad):
                _take_over(
                    out, source, [c for c in check.columns if c not in fixed], bad, random.choice(good, len(bad))
                )
    broken = judge.violators(out)
    if broken.any():
        check = judge.checks[int(broken.any(axis=1).argmax())]
        raise PlanError(
            f"{judge.table.key}: no generated row fulfils {check.name} ({int(broken.any(axis=0).sum())} of {rows} rows "
            f"of a batch violate it); leave the table out with --exclude {judge.table.key}"
        )
    return out


def _take_over(
    columns: dict[str, pa.Array],
    source: Columns,
    names: Sequence[str],
    rows: npt.NDArray[np.int64],
    donors: npt.NDArray[np.int64],
) -> None:
    """Overwrite ``rows`` of the named columns with those of ``donors`` in ``source``."""
    for name in names:
        mine, theirs = columns[name], source[name]
        index = np.arange(len(mine))
        index[rows] = len(mine) + donors
        columns[name] = pa.chunked_array([mine, theirs]).unify_dictionaries().combine_chunks().take(pa.array(index)) \
            if pa.types.is_dictionary(mine.type) else pa.concat_arrays([mine, theirs]).take(pa.array(index))  # fmt: skip
