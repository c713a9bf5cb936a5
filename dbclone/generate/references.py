"""References: which parent row each row refers to, and the key values that say so.

Owns what is known of whole tables: the keys of any row, the parent side of links, trees, and how many children rows may
have. Keys that follow from the row's position are computed; others (composite keys made of references) are made once,
whole, and kept. What is chosen within one batch is in :mod:`dbclone.generate.drafts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.errors import PlanError
from dbclone.generate import arrays, links, trees
from dbclone.generate.clusters import Clusters
from dbclone.generate.drafts import Draft
from dbclone.generate.layout import Layouts
from dbclone.generate.room import Room
from dbclone.generate.shared import Name, Shared
from dbclone.generate.unique import tuple_codes
from dbclone.generate.values import values_at
from dbclone.model.parts import LinkModel
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Reference

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CACHED_DRAFTS = 8


class References:
    """The references of all tables. ``finished`` makes a column of a batch as it will be, everything kept."""

    def __init__(
        self,
        shared: Shared,
        layouts: Callable[[], Layouts],
        *,
        finished: Callable[[TableKey, int, Name], pa.Array],
    ) -> None:
        self.shared, self._layouts, self.finished = shared, layouts, finished
        self.clusters = Clusters(shared)
        self._indexes: dict[tuple[TableKey, str], Any] = {}
        self._stored: dict[tuple[TableKey, Name], pa.Array] = {}
        self._axes: dict[tuple[TableKey, Name], Floats] = {}
        self._storing: list[tuple[TableKey, Name]] = []
        self.draft = lru_cache(maxsize=CACHED_DRAFTS)(self._draft)
        self.able = lru_cache(maxsize=None)(self._able)
        self.room = Room(self, layouts)

    def _draft(self, table: TableKey, number: int) -> Draft:
        return Draft(self, self._layouts().of(table), number)

    def _batches(self, table: TableKey) -> int:
        return self._layouts().of(table).blocks if self.shared.rows.get(table) else 0

    # ---- Keys ------------------------------------------------------------------------------------------------------

    def key(self, table: TableKey, column: Name, positions: Integers) -> pa.Array:
        """Return the values of a key column at row positions; NULL where the position is −1."""
        rule = self.shared.rule(table, column)
        described = self.shared.schema.table(table).column(column)
        if self.clusters.is_computed(table, column):
            name = self.shared.stream_name(table, column)
            index = self.shared.index_of(table, column, np.maximum(positions, 0))
            values = values_at(rule, described, index=index, streams=self.shared.streams, name=name)
        else:
            stored = self.whole(table, column)
            if not len(stored):
                return pa.nulls(len(positions), stored.type)
            values = stored.take(pa.array(np.maximum(positions, 0)))
        missing = positions < 0
        return values if not missing.any() else _nulled(values, missing)

    def whole(self, table: TableKey, column: Name) -> pa.Array:
        """Return a whole column: for keys that are not a function of the row's index alone."""
        at = (table, column)
        if at not in self._stored:
            if self.clusters.is_drafted(table, column):
                blocks = [self.draft(table, n).column(column) for n in range(self._batches(table))]
            else:
                blocks = self._made_blocks(at)
            self._stored[at] = _joined(blocks) if blocks else pa.nulls(0, pa.string())
        return self._stored[at]

    def _made_blocks(self, at: tuple[TableKey, Name]) -> list[pa.Array]:
        """Return the blocks of a column that uniqueness may change, or even a condition."""
        table, column = at
        if at in self._storing:
            circle = ", ".join(dict.fromkeys(key for key, _ in self._storing))
            raise PlanError(
                f"{table}.{column}: its values depend on themselves through foreign keys of {circle}; leave one of "
                f"these tables out, for instance with --exclude {table}"
            )
        self._storing.append(at)
        blocks = [self.finished(table, n, column) for n in range(self._batches(table))]
        self._storing.pop()
        return blocks

    def _able(self, table: TableKey, columns: tuple[Name, ...]) -> Booleans | None:
        """Return which rows of a table can be referred to by these columns: those without a NULL; None: all."""
        described = self.shared.schema.table(table)
        nullable = [name for name in columns if described.column(name).nullable]
        if not nullable or table not in self.shared.model:
            return None
        rows = np.arange(self.shared.rows[table])
        valid = [self.key(table, name, rows).is_valid().to_numpy(zero_copy_only=False) for name in nullable]
        able = np.logical_and.reduce(valid).astype(bool)
        return None if able.all() else able

    def anyone(self, reference: Reference, table: TableKey, index: Integers, parents: Integers) -> Integers:
        """Return ``parents`` with any row in the place of none: for columns that take no NULL though others do."""
        key = reference.foreign_key
        able = self.able(key.parent, key.parent_columns)
        rows = np.arange(self.shared.rows[key.parent]) if able is None else np.flatnonzero(able)
        if not len(rows):
            return parents
        stream = arrays.stream_key(self.shared.streams, table, key.name, "anyone")
        return np.where(parents < 0, rows[arrays.pick(index, stream, len(rows))], parents)

    def axis(self, table: TableKey, column: Name) -> Floats:
        """Return a whole learned column on its axis, as it was drafted; NULL is NaN."""
        at = (table, column)
        if at not in self._axes:
            layout = self._layouts().of(table)
            blocks = [layout.values(number, column) for number in range(self._batches(table))]
            self._axes[at] = np.concatenate(blocks) if blocks else np.zeros(0)
        return self._axes[at]

    # ---- The parent side of links ----------------------------------------------------------------------------------

    def own_scores(self, table: TableKey) -> list[Floats]:
        """Return the own scores of all rows, block by block."""
        layout = self._layouts().of(table)
        return [layout.scores(n)[0] for n in range(layout.blocks)]

    def _parent_side(self, link: LinkModel) -> tuple[Floats, Floats]:
        random = self.shared.streams.generator("fan-out", link.child, link.foreign_key)
        counts, scores = links.parent_side(link, self.own_scores(link.parent), random)
        folds = self.shared.model.table(link.child).folds
        fold = next((fold for fold in folds if fold.late and fold.given_key == link.foreign_key), None)
        if fold is not None and len(scores):
            # What the rows' values owe to this column of the row referred to, they get by the fold: not twice.
            scores = links.within(scores, fold.piece(self.axis(link.parent, fold.given)))
        return counts, scores

    def link_index(self, link: LinkModel, reference: Reference) -> links.LinkIndex:
        """Return the index of a link that shares no column with others."""
        at = (link.child, link.foreign_key)
        if at not in self._indexes:
            counts, scores = self._parent_side(link)
            rows = self.shared.rows[link.child]
            linked = rows - round(rows * link.null_share) if reference.null else rows
            most = self.room.of_link(link.child, reference)
            linked = min(linked, int(np.minimum(most, rows).sum())) if reference.null else linked
            try:
                self._indexes[at] = links.index_link(
                    counts, scores, rows=rows, linked=linked, most=most, unique=reference.unique,
                    permutation=self.shared.streams.permutation(rows, "slots", *at),
                    random=self.shared.streams.generator("slots", *at),
                )  # fmt: skip
            except ValueError as error:
                raise PlanError(
                    f"{link.child}: {error} under {link.foreign_key}; lower --rows {link.child}, or raise --rows "
                    f"{link.parent}"
                ) from error
        index: links.LinkIndex = self._indexes[at]
        return index

    def groups(self, link: LinkModel, reference: Reference) -> links.Groups:
        """Return the rows of a parent by those columns of a foreign key that are set already."""
        at = (link.child, link.foreign_key)
        if at not in self._indexes:
            counts, scores = self._parent_side(link)
            key = reference.foreign_key
            image = dict(zip(key.columns, key.parent_columns, strict=True))
            rows = np.arange(self.shared.rows[link.parent])
            columns = [self.key(link.parent, image[name], rows) for name in reference.shared]
            able = self.room.agreeing(link.child, reference, self.able(key.parent, key.parent_columns))
            self._indexes[at] = links.Groups(columns, scores, counts, able)
        groups: links.Groups = self._indexes[at]
        return groups

    def tree(self, link: LinkModel, reference: Reference) -> Integers:
        """Return every row's parent in the trees, or pairs, that a self-reference makes."""
        at = (link.child, link.foreign_key)
        if at not in self._indexes:
            self._indexes[at] = self._grown(link, reference)
        found: Integers = self._indexes[at]
        return found

    def _grown(self, link: LinkModel, reference: Reference) -> Integers:
        tree, table = link.tree, link.child
        if tree is None:
            raise LookupError(f"{link.foreign_key} of {table} makes no trees")
        random = self.shared.streams.generator("tree", table, link.foreign_key)
        own = np.concatenate(self.own_scores(table))
        rows = len(own)
        both = own @ link.parent_weights.T + random.standard_normal((rows, 2)) @ link.parent_residual.T
        groups = np.zeros(rows, dtype=np.int64)
        if reference.shared:
            groups = tuple_codes([self.whole_or_key(table, name) for name in reference.shared], rows)
        able = self.able(table, reference.foreign_key.parent_columns)
        if able is not None:
            groups = np.where(able, groups, -1)
        rank = links.child_side(link, own, random)
        if tree.pairs:
            linked = rows - round(rows * link.null_share) if reference.null else rows
            out = trees.pair_up(rank, groups, linked, random)
        else:
            out = trees.grow(
                tree, own_scores=own, child_scores=rank, parent_scores=both[:, 1], fan_out_scores=both[:, 0],
                groups=groups, unique=reference.unique, random=random,
            )  # fmt: skip
        alone = random.random(rows) < tree.self_share
        return trees.at_home(out, alone, groups, unique=reference.unique, needed=not reference.null)

    def whole_or_key(self, table: TableKey, column: Name) -> pa.Array:
        """Return a whole column, computed or kept."""
        return self.key(table, column, np.arange(self.shared.rows[table]))


def _nulled(values: pa.Array, missing: Booleans) -> pa.Array:
    index = np.arange(len(values))
    return values.take(pa.array(index, mask=missing))


def _joined(blocks: Sequence[pa.Array]) -> pa.Array:
    if pa.types.is_dictionary(blocks[0].type):
        return pa.chunked_array(blocks).unify_dictionaries().combine_chunks()
    return pa.concat_arrays(blocks)
