"""What flows between the stages and holds rows or counts: Sample, Verdict, Batch, Ddl, Loaded, Check.

Rows are always a :class:`pyarrow.Table`, handed over and never edited. The Arrow type follows from the column's kind:

=============  ==========================================================================
boolean        bool
integer        int64
decimal        string in the sample (no float in between); string or decimal128 in a batch
float          float64
text, enum     string (a batch may be dictionary-encoded); also all kinds that are not named here
date, time     date32, time64[us]
timestamp(tz)  timestamp[us], timestamp[us, UTC]
interval       month_day_nano_interval
binary         binary
=============  ==========================================================================

An infinite date, timestamp or interval is the largest or the smallest number that the type has, as in
:mod:`dbclone.model.literals`, which says how values are spelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.schema.model import TableKey, TypeKind

ARROW_TYPES: Mapping[TypeKind, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "decimal": pa.string(),
    "float": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "interval": pa.month_day_nano_interval(),
    "binary": pa.binary(),
}


def arrow_type(kind: TypeKind) -> pa.DataType:
    """Return the Arrow type of a column of this kind."""
    return ARROW_TYPES.get(kind, pa.string())


@dataclass(frozen=True, kw_only=True, eq=False)
class TableSample:
    """Sampled rows of one table.

    ``rows`` has the table's written columns whose kind is not ``other``. ``base`` (bool, one per row) marks the rows
    that were drawn at random, and so stand for the table; the others are there because a child row refers to them.
    """

    rows: pa.Table
    base: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class FanOut:
    """How many rows of ``child`` refer to each sampled row of the parent, through one foreign key.

    ``counts`` (int64) is counted by the source over the whole child table, zero included; −1 where it was not counted.
    ``complete`` (bool) marks the parent rows whose children are in the child's sample: all of them, or, where there
    are more than ``cap``, a random ``cap`` of them. Both have one entry per row of the parent's sample, in its order.
    """

    child: TableKey
    foreign_key: str
    counts: npt.NDArray[np.int64]
    complete: npt.NDArray[np.bool_]
    cap: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A referentially closed sample: every row that a sampled row refers to is in it, too.

    ``source_rows`` are exact counts in the same snapshot. ``null_references`` counts, per (table, foreign key), the
    rows that refer to no parent. ``fan_outs`` has an entry for each foreign key between two tables with rows.
    ``copied`` has the tables that the plan copies: all their rows, every value as text.
    """

    tables: Mapping[TableKey, TableSample]
    source_rows: Mapping[TableKey, int]
    null_references: Mapping[tuple[TableKey, str], int]
    fan_outs: tuple[FanOut, ...]
    copied: Mapping[TableKey, pa.Table] = field(default_factory=dict)

    def fan_out(self, child: TableKey, foreign_key: str) -> FanOut:
        """Return the fan-out of one foreign key; KeyError if it was not counted."""
        for item in self.fan_outs:
            if (item.child, item.foreign_key) == (child, foreign_key):
                return item
        raise KeyError((child, foreign_key))


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """What the target said of generated rows under one CHECK.

    ``rows`` has the columns of the CHECK, ``passed`` (bool) one entry per row: False where the condition is false, or
    fails with an error.
    """

    table: TableKey
    check: str
    rows: pa.Table
    passed: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Rows of one table, ready to be written. Batches of a table come in order of ``number``, from 0."""

    table: TableKey
    number: int
    first_row: int
    rows: pa.Table


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One piece of DDL: what it makes (``TABLE``, ``INDEX``, ``FK CONSTRAINT`` …), its name and its SQL."""

    kind: str
    name: str
    sql: str
    table: TableKey | None = None


@dataclass(frozen=True, kw_only=True)
class Ddl:
    """How to build a target: ``before`` the rows (schemas, types, tables) and ``after`` them (keys, indexes, triggers).

    ``method`` says where it comes from; ``lost`` lists what it could not carry over, for people.
    """

    dialect: str
    method: Literal["native", "portable"]
    before: tuple[Statement, ...]
    after: tuple[Statement, ...]
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was written: rows per table, seconds per part of the load, and what people should know of the result."""

    rows: Mapping[TableKey, int]
    seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding of ``verify``. ``kind`` is rows, orphans, unique, not null, check, sequence, schema or distance."""

    kind: str
    table: TableKey
    name: str
    passed: bool
    found: float
    expected: float | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs: ``missing`` at the target, ``extra`` there, or ``different``.

    ``kind`` and ``name`` are those of the object, or of a column or check of a table.
    """

    kind: str
    name: str
    change: Literal["missing", "extra", "different"]
    table: TableKey | None = None
    source: str = ""
    target: str = ""

    def __str__(self) -> str:
        """For people: ``view public.spent is missing``."""
        said = {"missing": "is missing", "extra": "is only at the target", "different": "differs"}[self.change]
        return f"{self.kind.lower()} {self.name} {said}"
