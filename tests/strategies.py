"""Random databases: tables with keys of every shape, foreign keys in any direction, and rows that fulfil all of it.

What is drawn is the structure, which Hypothesis shrinks: fewer tables, fewer columns, plainer keys. The rows follow
from the structure and one drawn seed (:mod:`tests.building`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import get_args

from hypothesis import strategies as st

from tests.building import build
from tests.drawn import Circle, DataColumn, Edge, KeyShape, RandomDatabase, RandomTable, Rule
from tests.kinds import KINDS

_ROOTS: tuple[KeyShape, ...] = ("integer", "none", "text", "uuid", "pair")

KEY_COLUMNS = 6
"""No key is built on another that has more than half as many columns."""

_NAMES = ("order", "Line item", "a.b", 'quo"te', "100%", "user", "ключ", "select")


_rarely = st.sampled_from((False, False, False, True))


@st.composite
def databases(draw: st.DrawFn) -> RandomDatabase:
    """Draw a database of 2 to 12 tables."""
    tables: list[RandomTable] = []
    count = draw(st.integers(2, 12))
    for number in range(count):
        tables.append(draw(_tables(number, count, tables)))
    chance = random.Random(draw(st.integers(0, 2**16)))  # noqa: S311 - no secret depends on it
    return build(tables, chance)


@st.composite
def _tables(draw: st.DrawFn, number: int, count: int, before: Sequence[RandomTable]) -> RandomTable:
    # A key cannot be built on one that is not there.
    keyed = [index for index in range(len(before)) if 0 < _width(before, index) <= KEY_COLUMNS // 2]
    siblings = [
        (one, other)
        for one in keyed
        for other in keyed
        if one < other and before[one].shape == before[other].shape == "child"
        and before[one].builds_on == before[other].builds_on
    ]  # fmt: skip
    pairs = [(one, other) for one in keyed for other in keyed if one < other]
    bases: dict[KeyShape, list[tuple[int, ...]]] = {
        **{shape: [()] for shape in _ROOTS},
        "child": [(index,) for index in keyed],
        "same": [(index,) for index in keyed],
        "link": [*pairs],
        "overlap": [*siblings],
    }
    shape = draw(st.sampled_from([shape for shape, choices in bases.items() if choices]))
    builds_on = draw(st.sampled_from(bases[shape]))
    odd = draw(st.sampled_from(("", *_NAMES)))
    return RandomTable(
        name=f"{odd}{number}" if odd else f"t{number}",
        other_schema=draw(_rarely),
        split=draw(_rarely),
        identity=draw(st.sampled_from(("", "BY DEFAULT", "ALWAYS"))),
        generated=draw(_rarely),
        paired=draw(_rarely),
        shape=shape,
        builds_on=builds_on,
        coded=draw(st.booleans()),
        columns=tuple(draw(_columns(index)) for index in range(draw(st.integers(0, 4)))),
        edges=tuple(draw(_edges(index, number, count)) for index in range(draw(st.integers(0, 2)))),
        rows=draw(st.integers(0, 30)),
    )


def _width(tables: Sequence[RandomTable], index: int) -> int:
    """Return the number of columns of a table's key."""
    table = tables[index]
    below = sum(_width(tables, base) for base in table.builds_on)
    return {"none": 0, "pair": 2, "same": below, "link": below, "child": below + 1, "overlap": below}.get(
        table.shape, 1
    )


@st.composite
def _columns(draw: st.DrawFn, number: int) -> DataColumn:
    return DataColumn(
        name=draw(st.sampled_from((f"c{number}", f"Column %s {number}"))),
        kind=draw(st.sampled_from(tuple(KINDS))),
        nullable=draw(st.booleans()),
        rule=draw(st.sampled_from(("none", "none", "unique", "unique", "check", "check", *get_args(Rule)[3:]))),
        two_sided=draw(st.booleans()),
    )


@st.composite
def _edges(draw: st.DrawFn, number: int, table: int, count: int) -> Edge:
    return Edge(
        name=f"fk{number}",
        # One in four refers to its own table.
        parent=draw(st.one_of(*[st.integers(0, count - 1)] * 3, st.just(table))),
        to_unique=draw(st.booleans()),
        nullable=draw(st.sampled_from((True, True, False))),
        deferrable=draw(st.booleans()),
        unique=draw(_rarely),
        match_full=draw(_rarely),
        partly=draw(_rarely),
        tied=draw(_rarely),
        wide=draw(_rarely),
        elsewhere=draw(_rarely),
        circle=draw(st.sampled_from(get_args(Circle))),
    )
