"""Who the rows are about: the entity, five of which must share a label before it is carried over.

A row's entity is the row of the highest table that it descends from by primary parents: all orders of a customer are
one customer's, so that a label which one customer has five times is still one customer's. A table of few rows above is
a shop or a region, not a person, and the search ends below it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dbclone.model.flow import Sample
from dbclone.model.matching import parent_positions
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Plan

Integers = npt.NDArray[np.int64]

FEWEST = 100
"""Rows that a table has at least whose rows may be people."""


def entities_of(sample: Sample, plan: Plan) -> Mapping[TableKey, Integers]:
    """Return the number of each sampled row's entity, by table: equal for rows of the same one."""
    found: dict[TableKey, Integers] = {}

    def of(key: TableKey) -> Integers:
        if key not in found:
            found[key] = _entities(key)
        return found[key]

    def _entities(key: TableKey) -> Integers:
        rows, primary = sample.tables[key].rows, plan.table(key).primary
        own = np.arange(rows.num_rows, dtype=np.int64)
        if primary is None:
            return own
        reference = primary.foreign_key
        if reference.parent not in sample.tables or plan.table(reference.parent).source_rows < FEWEST:
            return own
        parents = sample.tables[reference.parent].rows
        if not set(reference.columns) <= set(rows.column_names):
            return own
        position = parent_positions(rows, parents, reference.columns, reference.parent_columns)
        above = of(reference.parent)
        # Rows without a parent are their own entities, numbered after all others.
        return np.where(position >= 0, above[np.maximum(position, 0)], own + int(above.max(initial=-1)) + 1)

    for table in plan.tables:
        if table.table in sample.tables:
            of(table.table)
    return found
