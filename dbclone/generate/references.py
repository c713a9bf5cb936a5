"""References: which parent row each row refers to, and the key values that say so.

Owns the choice of parents within a batch and the keys of any row of any table. Keys that follow from the row's position
are computed; others (composite keys made of references) are made once, whole, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.errors import PlanError
from dbclone.generate import links
from dbclone.generate.layout import Layouts
from dbclone.generate.shared import Name, Shared, is_computed
from dbclone.generate.values import values_at
from dbclone.model.parts import LinkModel
from dbclone.model.rules import Referenced
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Reference

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Parents = Mapping[str, Integers]

CACHED_BLOCKS = 4


class References:
    """The references of all tables. ``finished`` makes all columns of a batch."""

    def __init__(
        self,
        shared: Shared,
        layouts: Callable[[], Layouts],
        finished: Callable[[TableKey, int], Mapping[Name, pa.Array]],
    ) -> None:
        self.shared, self._layouts, self._finished = shared, layouts, finished
        self._indexes: dict[tuple[TableKey, str], Any] = {}
        self._stored: dict[tuple[TableKey, Name], pa.Array] = {}
        self._storing: list[tuple[TableKey, Name]] = []
        self.parents = lru_cache(maxsize=CACHED_BLOCKS)(self._choose_parents)

    def _batches(self, table: TableKey) -> int:
        return self._layouts().of(table).blocks if self.shared.rows.get(table) else 0

    def key(self, table: TableKey, column: Name, positions: Integers) -> pa.Array:
        """Return the values of a key column at row positions; NULL where the position is −1."""
        rule = self.shared.rule(table, column)
        described = self.shared.schema.table(table).column(column)
        if is_computed(rule):
            name = (table, column)
            values = values_at(rule, described, index=np.maximum(positions, 0), streams=self.shared.streams, name=name)
        else:
            stored = self._column(table, column)
            if not len(stored):
                return pa.nulls(len(positions), stored.type)
            values = stored.take(pa.array(np.maximum(positions, 0)))
        missing = positions < 0
        return values if not missing.any() else _nulled(values, missing)

    def _column(self, table: TableKey, column: Name) -> pa.Array:
        """Return a whole column: for keys that are not a function of the row's index alone."""
        at = (table, column)
        if at not in self._stored:
            if at in self._storing:
                raise PlanError(f"{table}.{column}: its values depend on themselves through foreign keys; declare the "
                                f"cycle's parent with --exclude {table}")  # fmt: skip
            self._storing.append(at)
            blocks = [self._finished(table, n)[column] for n in range(self._batches(table))]
            self._storing.pop()
            self._stored[at] = _joined(blocks) if blocks else pa.nulls(0, pa.string())
        return self._stored[at]

    def _choose_parents(self, table: TableKey, number: int) -> Parents:
        """Return, per foreign key, each row's parent (−1: none), before keys are made unique."""
        layout = self._layouts().of(table)
        scores, primary = layout.scores(number)
        first = layout.first_row(number)
        rows = np.arange(first, first + len(scores))
        found: dict[str, Integers] = {}
        for reference in self.shared.plan.table(table).references:
            name = reference.foreign_key.name
            if reference.role == "primary":
                found[name] = primary
            elif reference.role != "implied":
                found[name] = self._choose(table, number, reference, rows, scores, found)
        return found

    def _choose(
        self, table: TableKey, number: int, reference: Reference, rows: Integers, scores: Floats, found: Parents
    ) -> Integers:
        key = reference.foreign_key
        link = self.shared.links.get((table, key.name))
        if link is None or not self.shared.rows.get(key.parent):
            return np.full(len(rows), -1, dtype=np.int64)
        random = self.shared.streams.generator("link", table, key.name, number)
        if reference.role == "self":
            chosen = links.choose_earlier(self._parent_side(link)[0], rows, random)
            nulls = random.random(len(rows)) < link.null_share
            return np.where((nulls | (rows == 0)) if reference.nullable else False, -1, chosen)
        rank = links.child_side(link, scores, random)
        if reference.shared:
            nulls = random.random(len(rows)) < link.null_share
            columns = [self.values(table, name, found, len(rows)) for name in reference.shared]
            return self.groups(link, reference).choose(columns, rank, nulls)
        return self._link_index(link, reference).choose(rows, rank)

    def _parent_side(self, link: LinkModel) -> tuple[Floats, Floats]:
        layout = self._layouts().of(link.parent)
        random = self.shared.streams.generator("fan-out", link.child, link.foreign_key)
        return links.parent_side(link, [layout.scores(n)[0] for n in range(layout.blocks)], random)

    def _link_index(self, link: LinkModel, reference: Reference) -> links.LinkIndex:
        at = (link.child, link.foreign_key)
        if at not in self._indexes:
            counts, scores = self._parent_side(link)
            rows = self.shared.rows[link.child]
            linked = rows - round(rows * link.null_share) if reference.nullable else rows
            linked = min(linked, len(counts)) if reference.unique else linked
            self._indexes[at] = links.index_link(
                counts, scores, rows=rows, linked=linked, unique=reference.unique,
                permutation=self.shared.streams.permutation(rows, "slots", *at),
                random=self.shared.streams.generator("slots", *at),
            )  # fmt: skip
        index: links.LinkIndex = self._indexes[at]
        return index

    def groups(self, link: LinkModel, reference: Reference) -> links.Groups:
        at = (link.child, link.foreign_key)
        if at not in self._indexes:
            counts, scores = self._parent_side(link)
            image = dict(zip(reference.foreign_key.columns, reference.foreign_key.parent_columns, strict=True))
            rows = np.arange(self.shared.rows[link.parent])
            columns = [self.key(link.parent, image[name], rows) for name in reference.shared]
            self._indexes[at] = links.Groups(columns, scores, counts)
        groups: links.Groups = self._indexes[at]
        return groups

    def values(self, table: TableKey, column: Name, parents: Parents, rows: int) -> pa.Array:
        """Return the values of a referencing column, by the first foreign key that sets it."""
        rule = self.shared.rule(table, column)
        assert isinstance(rule, Referenced), f"{table}.{column} is not part of a foreign key"
        key = next(k for k in self.shared.schema.table(table).foreign_keys if k.name == rule.foreign_key)
        if key.parent not in self.shared.model:
            return pa.nulls(rows, pa.int64())
        image = dict(zip(key.columns, key.parent_columns, strict=True))
        return self.key(key.parent, image[column], parents[key.name])

    def most_children(self, child: TableKey) -> npt.NDArray[np.int64] | None:
        """Return how many children each row of the primary parent may have; None without a limit.

        One where the foreign key is unique; none where a further parent must agree with it on shared columns, and no row
        of that parent does.
        """
        plan = self.shared.plan.table(child)
        primary = plan.primary
        assert primary is not None
        parent = primary.foreign_key.parent
        rows = np.arange(self.shared.rows[parent])
        limit = np.full(len(rows), 1 if primary.unique else np.iinfo(np.int64).max // max(len(rows), 1), dtype=np.int64)
        image = dict(zip(primary.foreign_key.columns, primary.foreign_key.parent_columns, strict=True))
        limited = primary.unique
        for reference in plan.links:
            link = self.shared.links.get((child, reference.foreign_key.name))
            bound = reference.shared and set(reference.shared) <= set(image)
            if link is not None and bound and not reference.nullable:
                columns = [self.key(parent, image[name], rows) for name in reference.shared]
                first, last = self.groups(link, reference).find(columns)
                limit = np.where(last > first, limit, 0)
                limited = True
        return limit if limited else None


def _nulled(values: pa.Array, missing: npt.NDArray[np.bool_]) -> pa.Array:
    index = np.arange(len(values))
    return values.take(pa.array(index, mask=missing))


def _joined(arrays: Sequence[pa.Array]) -> pa.Array:
    if pa.types.is_dictionary(arrays[0].type):
        return pa.chunked_array(arrays).unify_dictionaries().combine_chunks()
    return pa.concat_arrays(arrays)
