"""Stars: the tables cut into pieces that HMA1 accepts, and which columns take part in each.

A star is a parent and up to four of its primary children: five tables, two levels, which is what SDV's
``HMASynthesizer`` accepts. A fifth child opens another star of the same parent.

How many columns a star will model is known before anything is learned, from HMA1's closed form. Where that is more than
:data:`~dbclone.schema.plan.STAR_COLUMNS`, children are learned in less detail first; where that is not enough, the
widest tables of the star keep only their most telling columns, and the others are drawn on their own.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence

from dbclone.schema.model import Column, Schema, Table, TableKey
from dbclone.schema.plan import (
    STAR_CHILDREN,
    STAR_COLUMNS,
    Branch,
    Detail,
    Star,
    TablePlan,
    extension_width,
    is_modelled,
)

_TELLING = ("enum", "boolean", "integer", "decimal", "float", "date", "timestamp", "timestamptz", "time", "interval")


def cut_into_stars(
    schema: Schema, tables: Sequence[TablePlan], latents: int
) -> tuple[tuple[TablePlan, ...], tuple[Star, ...]]:
    """Return the plans with the columns that no star has room for, and the stars, parents in load order.

    Every table with rows that are learned is in at least one star, as parent or child.
    """
    children: dict[TableKey, list[TableKey]] = defaultdict(list)
    for plan in tables:
        if plan.primary is not None and plan.source_rows:
            children[plan.primary.foreign_key.parent].append(plan.table)
    groups = [
        (plan.table, children[plan.table][start : start + STAR_CHILDREN])
        for plan in tables
        if plan.source_rows
        and (not plan.copied or children[plan.table])
        and (plan.primary is None or children[plan.table])
        for start in range(0, max(len(children[plan.table]), 1), STAR_CHILDREN)
    ]
    extra = {plan.table: latents if children[plan.table] and plan.primary is not None else 0 for plan in tables}
    columns = {plan.table: _modelled(schema.table(plan.table), plan) for plan in tables}
    room = {key: len(names) for key, names in columns.items()}
    for parent, group in groups:
        _fit(room, extra, parent, group)
    stars = tuple(
        Star(
            parent=parent,
            columns=room[parent] + extra[parent],
            branches=_branches(
                [(child, room[child] + extra[child]) for child in group], STAR_COLUMNS - room[parent] - extra[parent]
            ),
        )
        for parent, group in groups
    )
    plans = (dataclasses.replace(plan, apart=tuple(columns[plan.table][room[plan.table] :])) for plan in tables)
    return tuple(plans), stars


def _modelled(table: Table, plan: TablePlan) -> list[str]:
    """Return the columns that can be modelled, the most telling first.

    Labels and switches, numbers and times, then text, which may turn out to be free text; in table order otherwise.
    """
    keys = {name for r in plan.references for name in r.foreign_key.columns}.union(table.primary_key)

    def rank(column: Column) -> tuple[bool, int]:
        return column.kind not in _TELLING, 0 if column.kind in ("enum", "boolean") else 1

    return [c.name for c in sorted(table.columns, key=rank) if is_modelled(c) and c.name not in keys]


def _fit(room: dict[TableKey, int], extra: Mapping[TableKey, int], parent: TableKey, group: Sequence[TableKey]) -> None:
    """Lower the columns of a star's widest tables until it fits with its children in least detail."""
    fixed = extra[parent] + sum(1 + extra[child] for child in group)
    members = [parent, *group]
    most = max(room[key] for key in members)
    while fixed + sum(min(room[key], most) for key in members) > STAR_COLUMNS and most:
        most -= 1
    for key in members:
        room[key] = min(room[key], most)


def _branches(children: Sequence[tuple[TableKey, int]], room: int) -> tuple[Branch, ...]:
    """Give each child the finest detail such that all extensions together fit into ``room`` columns."""
    details: dict[TableKey, Detail] = {key: "correlations" for key, _ in children}
    coarser: dict[Detail, Detail] = {"correlations": "scales", "scales": "means"}
    size = dict(children)
    while sum(extension_width(size[key], detail) for key, detail in details.items()) > room:
        candidates = [key for key in details if details[key] != "means"]
        if not candidates:
            break
        widest = max(candidates, key=lambda key: extension_width(size[key], details[key]))
        details[widest] = coarser[details[widest]]
    return tuple(Branch(child=key, columns=size[key], detail=details[key]) for key, _ in children)
