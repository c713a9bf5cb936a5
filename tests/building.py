"""From random databases as drawn to SQL and rows.

Tables are made without constraints, filled, and constrained afterwards, so that cycles need no order; a table whose
NOT NULL foreign key can find no parent has no rows. What the rows cannot fulfil is left out.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.drawn import DataColumn, Edge, RandomDatabase, RandomTable, Row, quote
from tests.kinds import KINDS, TYPES


@dataclass
class _Made:
    """A table in the making: columns with their SQL types, NOT NULL ones, its key's columns, rows, constraints.

    ``data`` are the data columns by name. A constraint that is no statement of its own is added to the table.
    """

    types: dict[str, str] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    key: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    data: dict[str, DataColumn] = field(default_factory=dict)
    generated: str | None = None

    def target(self, table: RandomTable, edge: Edge) -> list[str]:
        """Return the columns that a foreign key to this table refers to; none if it has no key."""
        return ["code"] if table.coded and (edge.to_unique or not self.key) else self.key

    def differ(self, names: Sequence[str]) -> bool:
        """Whether no two rows have the same values in these columns; rows with a NULL in them do not count."""
        values = [value for row in self.rows if None not in (value := tuple(row[name] for name in names))]
        return len(set(values)) == len(values)


def build(tables: Sequence[RandomTable], chance: random.Random) -> RandomDatabase:
    """Return the statements that make and fill these tables."""
    made: list[_Made] = []
    for table in tables:
        made.append(_keys(table, tables, made, chance))
    for table, own in zip(tables, made, strict=True):
        _data(table, own, chance)
    _drop_childless(tables, made)
    for table, own in zip(tables, made, strict=True):
        for edge in table.edges:
            _refer(table, own, edge, tables[edge.parent], made[edge.parent], chance)
    # Keys first: a foreign key needs the key that it refers to.
    ordered = [
        constraint if constraint.startswith("CREATE") else f"ALTER TABLE {table.quoted} ADD {constraint}"
        for foreign in (False, True)
        for table, own in zip(tables, made, strict=True)
        for constraint in own.constraints
        if constraint.startswith("FOREIGN KEY") == foreign
    ]
    created = [statement for table, own in zip(tables, made, strict=True) for statement in _create(table, own)]
    return RandomDatabase(
        tables=tuple(tables),
        create=(*TYPES, "CREATE SCHEMA other", *created),
        rows=tuple((table.quoted, tuple(own.rows)) for table, own in zip(tables, made, strict=True)),
        constrain=tuple(ordered),
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(quote, names))


def _create(table: RandomTable, own: _Made) -> list[str]:
    """Return what makes a table, and its partitions."""
    columns = [f"{quote(name)} {kind}{' NOT NULL' if name in own.required else ''}" for name, kind in own.types.items()]
    if table.is_numbered:
        columns[0] += f" GENERATED {table.identity} AS IDENTITY"
    if own.generated:
        columns.append(f'"made" text GENERATED ALWAYS AS ({own.generated}) STORED')
    statement = f"CREATE TABLE {table.quoted} ({', '.join(columns)})"
    if not table.is_split:
        return [statement]
    schema = "other" if table.other_schema else "public"
    part = f"CREATE TABLE {schema}.{{}} PARTITION OF {table.quoted} FOR VALUES {{}}"
    names = [quote(f"{table.name} {number}") for number in (1, 2)]
    if table.shape == "none":
        # No partition takes other values, nor NULL.
        bounds = ["IN ('0', '1')", "IN ('2', '3', '4')"]
        return [f"{statement} PARTITION BY LIST (keyless)", *map(part.format, names, bounds)]
    if table.shape in ("integer", "pair"):
        bounds = ["FROM (MINVALUE) TO (4)", "FROM (4) TO (1000)"]
        return [f"{statement} PARTITION BY RANGE ({quote(own.key[0])})", *map(part.format, names, bounds)]
    bounds = [f"WITH (MODULUS 2, REMAINDER {number})" for number in (0, 1)]
    return [f"{statement} PARTITION BY HASH ({quote(own.key[0])})", *map(part.format, names, bounds)]


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
        referenced = f"{tables[index].quoted} ({_list(parent.key)})"
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


# ---- Data columns ---------------------------------------------------------------------------------------------------


def _data(table: RandomTable, own: _Made, chance: random.Random) -> None:
    for index, column in enumerate(table.columns):
        kind, name = KINDS[column.kind], f"{column.name}_{index}"
        own.types[name], own.data[name] = kind.sql, column
        # Two values cannot be different in more than two rows, and partitions keep no unique key but their own.
        can_differ = len(own.rows) <= kind.distinct and not table.is_split
        differ = can_differ and column.rule not in ("none", "check", "partial")
        # Multiranges that are spelled otherwise may be the same: dbclone tells them apart in keys of all rows only.
        some = can_differ and column.rule == "partial" and column.kind != "multirange"
        for number, row in enumerate(own.rows):
            is_null = column.nullable and chance.random() < 0.3
            row[name] = None if is_null else kind.value(number if differ else chance.randrange(40))
            if some:
                row[f"{name} live"] = chance.choice("tf")
                row[name] = kind.value(number) if row[f"{name} live"] == "t" else row[name]
        if not column.nullable:
            own.required.add(name)
        if some:
            own.types[f"{name} live"] = "boolean"
            own.constraints.append(_index(table, quote(name), f" WHERE {quote(name + ' live')}"))
        if differ:
            own.constraints.append(_unique(table, own, name))
        elif column.rule == "check":
            own.constraints.append(f"CHECK ({kind.check.format(quote(name))})")
        if column.two_sided and column.kind in ("integer", "decimal", "date"):
            other = f"{name} until"
            own.types[other] = kind.sql
            for row in own.rows:
                row[other] = row[name]
            own.constraints.append(f"CHECK ({quote(name)} <= {quote(other)})")
        if table.generated and column.kind in ("text", "code", "integer"):
            own.generated = f"upper({quote(name)}{'' if column.kind != 'integer' else '::text'})"
    pair = list(own.data)[:2]
    if table.paired and len(pair) == 2 and not table.is_split and own.differ(pair):
        own.constraints.append(f"UNIQUE ({_list(pair)})")


def _unique(table: RandomTable, own: _Made, name: str) -> str:
    """Return the constraint that values of a column, which all differ, do so; in the way that its rule says."""
    column = own.data[name]
    kind = KINDS[column.kind]
    if column.rule == "nulls":
        null = [row for row in own.rows if row[name] is None]
        for number, row in enumerate(null[1:], len(own.rows)):
            row[name] = kind.value(number)
        if own.differ([name]):
            return f"UNIQUE NULLS NOT DISTINCT ({quote(name)})"
        for row in null[1:]:
            row[name] = None
    if column.rule == "expression" and kind.key:
        return _index(table, f"({kind.key.format(quote(name))})")
    if column.rule == "exclude" and kind.excludes:
        return f"EXCLUDE USING gist ({quote(name)} WITH &&)"
    return f"UNIQUE ({quote(name)})"


def _index(table: RandomTable, keys: str, condition: str = "") -> str:
    return f"CREATE UNIQUE INDEX ON {table.quoted} ({keys}){condition}"


# ---- Foreign keys ---------------------------------------------------------------------------------------------------


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


def _refer(
    table: RandomTable, own: _Made, edge: Edge, parent: RandomTable, theirs: _Made, chance: random.Random
) -> None:
    """Add a foreign key with its columns and values."""
    referenced = theirs.target(parent, edge)
    if not referenced:
        return
    names = [f"{edge.name}_{place}" for place in range(len(referenced))]
    own.types |= {name: theirs.types[there] for name, there in zip(names, referenced, strict=True)}
    choices = [tuple(row[name] for name in referenced) for row in theirs.rows]
    # One child per parent only where there are parents enough.
    unique = edge.unique and len(choices) >= len(own.rows) and not table.is_split
    taken = chance.sample(range(len(choices)), len(own.rows)) if unique else []
    for number, row in enumerate(own.rows):
        place = taken[number] if unique else _place(edge, number, len(choices), own is theirs, chance)
        given = place is not None and not (edge.nullable and chance.random() < 0.4)
        values = choices[place] if given and place is not None else (None,) * len(names)
        row |= dict(zip(names, values, strict=True))
        if edge.partly and edge.nullable and len(names) > 1 and chance.random() < 0.2:
            row[chance.choice(names)] = None
    if not edge.nullable:
        own.required |= set(names)
    _tie(table, own, edge, names)
    if unique:
        own.constraints.append(f"UNIQUE ({_list(names)})")
    if edge.elsewhere and own is theirs:
        pairs = list(zip(names, referenced, strict=True))
        differs = " OR ".join(f"{quote(mine)} <> {quote(there)}" for mine, there in pairs)
        if not any(all(row[mine] == row[there] for mine, there in pairs) for row in own.rows):
            own.constraints.append(f"CHECK ({differs})")
    full = edge.match_full and not (edge.partly and edge.nullable)
    own.constraints.append(
        f"FOREIGN KEY ({_list(names)}) REFERENCES {parent.quoted} ({_list(referenced)})"
        + (" MATCH FULL" if full else "")
        + (" DEFERRABLE INITIALLY DEFERRED" if edge.deferrable else "")
    )


def _place(edge: Edge, number: int, rows: int, is_self: bool, chance: random.Random) -> int | None:
    """Return which row a row refers to; None if it cannot refer to any."""
    if not rows:
        return None
    if is_self and edge.circle == "tree":
        # The first row is a root, which refers to itself if it must refer to some row.
        return chance.randrange(number) if number else None if edge.nullable else 0
    if is_self and edge.circle == "pairs":
        return number ^ 1 if number ^ 1 < rows else None if edge.nullable else number
    return chance.randrange(rows)


def _tie(table: RandomTable, own: _Made, edge: Edge, names: Sequence[str]) -> None:
    """Tie the first data column to a foreign key, by a CHECK or a unique key of both."""
    if not own.data:
        return
    name, column = next(iter(own.data.items()))
    if edge.tied and edge.nullable and column.nullable and column.rule in ("none", "unique") and not column.two_sided:
        own.constraints.append(f"CHECK ({quote(names[0])} IS NOT NULL OR {quote(name)} IS NULL)")
        for row in own.rows:
            row[name] = None if row[names[0]] is None else row[name]
    if edge.wide and not table.is_split and own.differ([*names, name]):
        own.constraints.append(f"UNIQUE ({_list([*names, name])})")
