"""What each foreign key of a table is used for, and which columns a table makes itself.

**The primary parent.** Among a table's foreign keys to other tables, the first by this order that keeps the primary
parents free of cycles: in the primary key, then in another unique key, before in none; NOT NULL before nullable; one
that fulfils others by the way before one that does not; the deeper layer before the shallower (a line belongs to its
basket, not to its product); the parent with more rows before fewer (more, smaller groups teach more); then constraint
order.

**Columns that would refer to themselves.** Each referencing column takes the value of the column it refers to, which
may itself refer to another. Where that goes in a circle (a customer's id names its last order's customer, which is that
customer's id), one of these columns is made by its table like any other key, and the foreign key chooses among the
parents that agree with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from dbclone.schema.model import ForeignKey, Schema, Table, TableKey
from dbclone.schema.plan import Reference, ReferenceRole

Place = tuple[TableKey, str]
"""A column of a table."""


def primary_parents(
    schema: Schema, layer: Mapping[TableKey, int], source_rows: Mapping[TableKey, int]
) -> dict[TableKey, ForeignKey]:
    """Return the primary foreign key of every table that has one; see the module's rule."""
    candidates = []
    for table in schema.tables:
        keyed = {name for key in table.uniques() for name in key}
        for number, key in enumerate(table.foreign_keys):
            if key.parent != table.key:
                implied = sum(other is not key and _implies(schema, key, other) for other in table.foreign_keys)
                preference = (
                    not set(table.primary_key).issuperset(key.columns),
                    not keyed.issuperset(key.columns),
                    table.nullable(key),
                    -implied,
                    -layer[key.parent],
                    -source_rows[key.parent],
                )
                candidates.append(((*preference, layer[table.key], table.key, number), table.key, key))
    chosen: dict[TableKey, ForeignKey] = {}

    def reaches(start: TableKey, goal: TableKey) -> bool:
        while start != goal and start in chosen:
            start = chosen[start].parent
        return start == goal

    for _, child, key in sorted(candidates, key=lambda item: item[0]):
        if child not in chosen and not (layer[key.parent] == layer[child] and reaches(key.parent, child)):
            chosen[child] = key
    return chosen


def references(schema: Schema, primary: Mapping[TableKey, ForeignKey]) -> dict[TableKey, tuple[Reference, ...]]:
    """Return the references of every table, in the order in which they are chosen: the primary one first."""
    own: set[Place] = set()
    found = {table.key: _references(schema, table, primary.get(table.key), own) for table in schema.tables}
    while circles := _circles(found):
        for circle in circles:
            own.add(min(circle, key=lambda place: _ownership(schema, found, place)))
        for key in {table for table, _ in own}:
            found[key] = _references(schema, schema.table(key), primary.get(key), own)
    return found


def _references(schema: Schema, table: Table, primary: ForeignKey | None, own: set[Place]) -> tuple[Reference, ...]:
    """Return the references of a table, primary first, those to the table itself last.

    Between them those that always refer to a row, the wide ones first, before those that may be NULL: they decide
    columns that take no NULL.
    """
    others = [key for key in table.foreign_keys if key is not primary]
    others.sort(key=lambda key: (key.parent == table.key, table.nullable(key), -len(key.columns)))
    ordered: list[Reference] = []
    done = {column for key, column in own if key == table.key}
    for key in ([primary] if primary else []) + others:
        is_self = key.parent == table.key
        if (is_self and key.columns == key.parent_columns) or any(
            _implies(schema, earlier.foreign_key, key) for earlier in ordered
        ):
            role: ReferenceRole = "implied"
        elif key is primary:
            role = "primary"
        else:
            role = "self" if is_self else "link"
        shared = tuple(name for name in key.columns if name in done)
        ordered.append(
            Reference(
                foreign_key=key,
                role=role,
                nullable=table.nullable(key),
                shared=shared,
                null=_null_columns(table, key, shared),
                unique=any(set(unique) <= set(key.columns) for unique in table.uniques()),
            )
        )
        if role != "implied" or not is_self:
            done.update(key.columns)
    return tuple(ordered)


def _null_columns(table: Table, key: ForeignKey, shared: tuple[str, ...]) -> tuple[str, ...]:
    if key.match_full:
        return key.columns if table.nullable(key) and not shared else ()
    return tuple(name for name in key.columns if name not in shared and table.column(name).nullable)


def _implies(schema: Schema, earlier: ForeignKey, key: ForeignKey) -> bool:
    """Whether a row that fulfils ``earlier`` always fulfils ``key``."""
    if not set(key.columns) <= set(earlier.columns):
        return False
    image = dict(zip(earlier.columns, earlier.parent_columns, strict=True))
    wanted = {(image[c], p) for c, p in zip(key.columns, key.parent_columns, strict=True)}
    if earlier.parent == key.parent and all(mine == theirs for mine, theirs in wanted):
        return True
    return any(
        onward.parent == key.parent
        and set(zip(onward.columns, onward.parent_columns, strict=True)) == wanted
        and not schema.table(earlier.parent).nullable(onward)
        for onward in schema.table(earlier.parent).foreign_keys
    )


# ---- Where values come from ---------------------------------------------------------------------------------------


def sources(found: Mapping[TableKey, tuple[Reference, ...]]) -> dict[Place, Place]:
    """Return, for each column that a reference sets, the column of the parent whose value it takes."""
    onward: dict[Place, Place] = {}
    for table, items in found.items():
        for reference in items:
            key = reference.foreign_key
            for mine, theirs in zip(key.columns, key.parent_columns, strict=True):
                if mine not in reference.shared:
                    onward.setdefault((table, mine), (key.parent, theirs))
    return onward


def origin(onward: Mapping[Place, Place], place: Place) -> Place:
    """Return the column that a column's value comes from in the end: one that refers to nothing, or itself."""
    while place in onward:
        place = onward[place]
    return place


def _circles(found: Mapping[TableKey, tuple[Reference, ...]]) -> list[list[Place]]:
    """Return the circles of columns that take their values from each other."""
    onward = sources(found)
    finished: set[Place] = set()
    circles = []
    for start in onward:
        path: dict[Place, int] = {}
        place = start
        while place in onward and place not in finished and place not in path:
            path[place] = len(path)
            place = onward[place]
        if place in path:
            circles.append(list(path)[path[place] :])
        finished.update(path)
    return circles


def _ownership(schema: Schema, found: Mapping[TableKey, tuple[Reference, ...]], place: Place) -> tuple[object, ...]:
    """Return how little speaks for a column to be made by its table, for ``min``: what identifies its rows first."""
    key, column = place
    table = schema.table(key)
    reference = next(r for r in found[key] if column in r.sets)
    return (
        reference.role == "primary",
        table.primary_key != (column,),
        column not in table.primary_key,
        table.column(column).nullable,
        place,
    )
