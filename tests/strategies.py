"""Random databases: tables with keys of every shape, foreign keys in any direction, and rows that fulfil all of it.

What is drawn is the structure, which Hypothesis shrinks: fewer tables, fewer columns, plainer keys. The rows follow
from the structure and one drawn seed. Tables are made without constraints, filled, and constrained afterwards, so that
cycles need no order; a table whose NOT NULL foreign key can find no parent has no rows.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from hypothesis import strategies as st

KeyShape = Literal["integer", "none", "text", "uuid", "pair", "child", "same", "link", "overlap"]
"""How a table is keyed. ``child``: the parent's key and a number; ``same``: the parent's key itself; ``link``: the keys
of two tables; ``overlap``: those of two children of one parent, whose key is in it once, so that two foreign keys share
its columns. These build on earlier tables, so a key is never defined by itself."""

_ROOTS: tuple[KeyShape, ...] = ("integer", "none", "text", "uuid", "pair")

KEY_COLUMNS = 6
"""No key is built on another that has more than half as many columns."""

Rule = Literal["none", "unique", "check"]
Row = dict[str, str | None]


@dataclass(frozen=True)
class Kind:
    """A type of data column: its SQL, the n-th value (different for different n below 500), and a CHECK of it."""

    sql: str
    value: Callable[[int], str]
    check: str


KINDS: Mapping[str, Kind] = {
    "integer": Kind("integer", lambda n: str(n * 7 - 50), "{0} BETWEEN -1000 AND 9000"),
    "text": Kind("text", lambda n: f"word {n % 7} of {n}", "length({0}) > 5"),
    "code": Kind("varchar(8)", lambda n: f"C-{n:04d}", "{0} ~ '^[A-Z]-[0-9]+$'"),
    "padded": Kind("char(5)", lambda n: f"{n:x}", "{0} <> 'never'"),
    "small": Kind("smallint", str, "{0} >= 0"),
    "big": Kind("bigint", lambda n: str(2**62 + n), "{0} > 0"),
    "decimal": Kind("numeric(9, 2)", lambda n: f"{n}.{n % 100:02d}", "{0} >= 0 AND {0} < 5000"),
    "float": Kind("double precision", lambda n: repr(n / 3), "{0} < 1e6"),
    "boolean": Kind("boolean", lambda n: "tf"[n % 2], "{0} IN (true, false)"),
    "date": Kind("date", lambda n: f"{1990 + n % 30}-{1 + n // 30 % 12:02d}-{1 + n % 28:02d}", "{0} > '1980-01-01'"),
    "timestamp": Kind("timestamp", lambda n: f"2020-01-01 00:{n % 60:02d}:00.{n:06d}", "{0} < '2100-01-01'"),
    "timestamptz": Kind("timestamptz", lambda n: f"20{n % 90 + 10}-01-01 12:00:00.{n:03d}+02", "{0} < '2200-01-01'"),
    "time": Kind("time", lambda n: f"{n % 24:02d}:{n // 24 % 60:02d}", "{0} < '24:00'"),
    "interval": Kind("interval", lambda n: f"{n} hours", "{0} >= '0 hours'"),
    "uuid": Kind("uuid", lambda n: str(UUID(int=n * 2**64, version=4)), "{0} IS NOT NULL OR true"),
    "json": Kind("jsonb", lambda n: f'{{"a": {n}, "b": [true, null]}}', "jsonb_typeof({0}) = 'object'"),
    "bytes": Kind("bytea", lambda n: f"\\x{n:06x}", "octet_length({0}) < 100"),
    "array": Kind("integer[]", lambda n: f"{{{n},NULL,{n % 3}}}", "cardinality({0}) < 9"),
}


@dataclass(frozen=True)
class DataColumn:
    """A column that is no key. ``two_sided`` adds a second one with a CHECK that compares the two."""

    name: str
    kind: str
    nullable: bool
    rule: Rule
    two_sided: bool


@dataclass(frozen=True)
class Edge:
    """A foreign key with columns of its own, to the key or, where it has one, the other unique of any table."""

    name: str
    parent: int
    to_unique: bool
    nullable: bool
    deferrable: bool
    unique: bool


@dataclass(frozen=True)
class RandomTable:
    """A table as drawn. ``builds_on`` are the earlier tables that its key consists of."""

    name: str
    shape: KeyShape
    builds_on: tuple[int, ...]
    coded: bool
    columns: tuple[DataColumn, ...]
    edges: tuple[Edge, ...]
    rows: int


@dataclass(frozen=True)
class RandomDatabase:
    """Statements that make and fill the tables, in order; ``tables`` is what they were made from."""

    tables: tuple[RandomTable, ...] = field(repr=False)
    create: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Row, ...]], ...] = field(repr=False)
    constrain: tuple[str, ...]


_NAMES = ("order", "Line item", "a.b", 'quo"te', "100%", "user", "ключ", "select")


@st.composite
def databases(draw: st.DrawFn) -> RandomDatabase:
    """Draw a database of 2 to 12 tables."""
    tables: list[RandomTable] = []
    count = draw(st.integers(2, 12))
    for number in range(count):
        tables.append(draw(_tables(number, count, tables)))
    chance = random.Random(draw(st.integers(0, 2**16)))  # noqa: S311 - no secret depends on it
    return _build(tables, chance)


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
        shape=shape,
        builds_on=builds_on,
        coded=draw(st.booleans()),
        columns=tuple(draw(_columns(index)) for index in range(draw(st.integers(0, 4)))),
        edges=tuple(draw(_edges(index, count)) for index in range(draw(st.integers(0, 2)))),
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
        rule=draw(st.sampled_from(("none", "unique", "check"))),
        two_sided=draw(st.booleans()),
    )


@st.composite
def _edges(draw: st.DrawFn, number: int, count: int) -> Edge:
    return Edge(
        name=f"fk{number}",
        parent=draw(st.integers(0, count - 1)),
        to_unique=draw(st.booleans()),
        nullable=draw(st.sampled_from((True, True, False))),
        deferrable=draw(st.booleans()),
        unique=draw(st.sampled_from((False, False, False, True))),
    )


# ---- From what was drawn to SQL and rows ----------------------------------------------------------------------------


@dataclass
class _Made:
    """A table in the making: columns with their SQL types, NOT NULL ones, its key's columns, rows, constraints."""

    types: dict[str, str] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    key: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)

    def target(self, table: RandomTable, edge: Edge) -> list[str]:
        """Return the columns that a foreign key to this table refers to; none if it has no key."""
        return ["code"] if table.coded and (edge.to_unique or not self.key) else self.key


def _build(tables: Sequence[RandomTable], chance: random.Random) -> RandomDatabase:
    made: list[_Made] = []
    for table in tables:
        made.append(_keys(table, tables, made, chance))
    for table, own in zip(tables, made, strict=True):
        _data(table, own, chance)
    _drop_childless(tables, made)
    for table, own in zip(tables, made, strict=True):
        for edge in table.edges:
            _refer(own, edge, tables[edge.parent], made[edge.parent], chance)
    # Keys first: a foreign key needs the key that it refers to.
    ordered = [
        f"ALTER TABLE {quote(table.name)} ADD {constraint}"
        for foreign in (False, True)
        for table, own in zip(tables, made, strict=True)
        for constraint in own.constraints
        if constraint.startswith("FOREIGN KEY") == foreign
    ]
    return RandomDatabase(
        tables=tuple(tables),
        create=tuple(_create(table, own) for table, own in zip(tables, made, strict=True)),
        rows=tuple((table.name, tuple(own.rows)) for table, own in zip(tables, made, strict=True)),
        constrain=tuple(ordered),
    )


def quote(name: str) -> str:
    """Return a name as SQL spells it."""
    return '"' + name.replace('"', '""') + '"'


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(quote, names))


def _create(table: RandomTable, own: _Made) -> str:
    columns = (f"{quote(name)} {kind}{' NOT NULL' if name in own.required else ''}" for name, kind in own.types.items())
    return f"CREATE TABLE {quote(table.name)} ({', '.join(columns)})"


def _keys(table: RandomTable, tables: Sequence[RandomTable], made: Sequence[_Made], chance: random.Random) -> _Made:
    """Return the table with its key columns and one row per key."""
    own = _Made()
    parents = [made[index] for index in table.builds_on]
    copied = [[f"ref{number}_{place}" for place in range(len(parent.key))] for number, parent in enumerate(parents)]
    if table.shape == "overlap":
        # All but the line is the key of the parent that both have.
        copied[1][:-1] = copied[0][:-1]
    for names, parent in zip(copied, parents, strict=True):
        own.types |= {name: parent.types[theirs] for name, theirs in zip(names, parent.key, strict=True)}
    rows: list[Row] = [
        {
            name: value
            for names, values in zip(copied, chosen, strict=True)
            for name, value in zip(names, values, strict=True)
        }
        for chosen in _chosen(table, parents, chance)
    ]
    roots: dict[str, dict[str, str]] = {
        "integer": {"id": "integer"},
        "text": {"id": "varchar(12)"},
        "uuid": {"id": "uuid"},
        "pair": {"left": "integer", "right": "smallint"},
        "child": {"line": "smallint"},
    }
    own.types |= roots.get(table.shape, {})
    own.key = [] if table.shape == "none" else list(own.types)
    lines: dict[tuple[str | None, ...], int] = {}
    for number, row in enumerate(rows):
        group = tuple(row.values())
        lines[group] = lines.get(group, 0) + 1
        row |= {
            "integer": {"id": str(number * 3 + 1)},
            "text": {"id": f"KEY{number:05d}"},
            "uuid": {"id": str(UUID(int=chance.getrandbits(128), version=4))},
            "pair": {"left": str(number // 3), "right": str(number % 3)},
            "child": {"line": str(lines[group])},
        }.get(table.shape, {})
    if table.shape == "none":
        own.types["keyless"] = "integer"
        for row in rows:
            row["keyless"] = str(chance.randrange(5))
    if table.coded:
        own.types["code"] = "varchar(10)"
        own.constraints.append(f"UNIQUE ({quote('code')})")
        for number, row in enumerate(rows):
            row["code"] = f"X{number:04d}"
    own.required |= {*own.key, *(["code"] if table.coded else [])}
    own.rows = rows
    if own.key:
        own.constraints.insert(0, f"PRIMARY KEY ({_list(own.key)})")
    for index, names, parent in zip(table.builds_on, copied, parents, strict=True):
        referenced = f"{quote(tables[index].name)} ({_list(parent.key)})"
        own.constraints.append(f"FOREIGN KEY ({_list(names)}) REFERENCES {referenced}")
    return own


def _chosen(
    table: RandomTable, parents: Sequence[_Made], chance: random.Random
) -> Sequence[tuple[tuple[str | None, ...], ...]]:
    """Return per row and parent the values that its key takes; as many rows as were drawn, or as there can be."""
    values = [[tuple(row[name] for name in parent.key) for row in parent.rows] for parent in parents]
    if table.shape == "child":
        return [(chance.choice(values[0]),) for _ in range(table.rows)] if values[0] else []
    if not parents:
        return [()] * table.rows
    combinations = [
        chosen for chosen in itertools.product(*values) if table.shape != "overlap" or chosen[0][:-1] == chosen[1][:-1]
    ]
    return chance.sample(combinations, min(table.rows, len(combinations)))


def _data(table: RandomTable, own: _Made, chance: random.Random) -> None:
    for index, column in enumerate(table.columns):
        kind, name = KINDS[column.kind], f"{column.name}_{index}"
        # Two values cannot be different in more than two rows.
        unique = column.rule == "unique" and column.kind != "boolean"
        own.types[name] = kind.sql
        for number, row in enumerate(own.rows):
            is_null = column.nullable and chance.random() < 0.3
            row[name] = None if is_null else kind.value(number if unique else chance.randrange(40))
        if not column.nullable:
            own.required.add(name)
        if unique:
            own.constraints.append(f"UNIQUE ({quote(name)})")
        elif column.rule == "check":
            own.constraints.append(f"CHECK ({kind.check.format(quote(name))})")
        if column.two_sided and column.kind in ("integer", "decimal", "date"):
            other = f"{name} until"
            own.types[other] = kind.sql
            for row in own.rows:
                row[other] = row[name]
            own.constraints.append(f"CHECK ({quote(name)} <= {quote(other)})")


def _drop_childless(tables: Sequence[RandomTable], made: Sequence[_Made]) -> None:
    """Empty every table with a NOT NULL foreign key to an empty one, until there is none left."""
    changed = True
    while changed:
        changed = False
        for table, own in zip(tables, made, strict=True):
            needed = [(edge.parent, edge) for edge in table.edges if not edge.nullable]
            lacking = any(not made[p].rows and made[p].target(tables[p], edge) for p, edge in needed)
            lacking |= any(not made[index].rows for index in table.builds_on)
            if own.rows and lacking:
                own.rows.clear()
                changed = True


def _refer(own: _Made, edge: Edge, parent: RandomTable, theirs: _Made, chance: random.Random) -> None:
    """Add a foreign key with its columns and values."""
    referenced = theirs.target(parent, edge)
    if not referenced:
        return
    names = [f"{edge.name}_{place}" for place in range(len(referenced))]
    own.types |= {name: theirs.types[there] for name, there in zip(names, referenced, strict=True)}
    choices = [tuple(row[name] for name in referenced) for row in theirs.rows]
    # One child per parent only where there are parents enough.
    unique = edge.unique and len(choices) >= len(own.rows)
    taken = chance.sample(choices, len(own.rows)) if unique else []
    for number, row in enumerate(own.rows):
        given = choices and not (edge.nullable and chance.random() < 0.4)
        values = (taken[number] if unique else chance.choice(choices)) if given else (None,) * len(names)
        row |= dict(zip(names, values, strict=True))
    if not edge.nullable:
        own.required |= set(names)
    if unique:
        own.constraints.append(f"UNIQUE ({_list(names)})")
    own.constraints.append(
        f"FOREIGN KEY ({_list(names)}) REFERENCES {quote(parent.name)} ({_list(referenced)})"
        + (" DEFERRABLE INITIALLY DEFERRED" if edge.deferrable else "")
    )
