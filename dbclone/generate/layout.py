"""Where each table's rows are: blocks, fan-outs and own scores, computed from the parents down.

A block of a child table holds the children of a range of parent rows. How many each parent has is drawn for all of them
first (eight bytes a parent), so any block knows its first row without the blocks before it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from dbclone.errors import PlanError
from dbclone.generate.copula import BranchSampler, StarSampler, positive_definite
from dbclone.generate.counts import fit_counts
from dbclone.generate.nulls import tilted
from dbclone.generate.streams import Streams
from dbclone.generate.unfold import Axes, OfParent, axis_value, evenly_spread, unfold
from dbclone.model.parts import Model
from dbclone.schema.model import TableKey

if TYPE_CHECKING:
    from dbclone.generate.room import Room

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Made = TypeVar("Made")

BLOCK_ROWS = 65_536
"""Rows of a batch, about: large enough for array operations to dominate, small enough for a hundred megabytes."""
WHOLE_ROWS = 4_000_000
"""A table that must be one batch (see ``Generator``) may have so many rows."""
KEPT_BLOCKS = 6


class Layouts:
    """The layouts of all tables of a model."""

    def __init__(
        self,
        model: Model,
        streams: Streams,
        rows: Mapping[TableKey, int],
        *,
        room: Room,
        whole: Callable[[TableKey], bool],
    ) -> None:
        self.model, self.streams, self.rows = model, streams, rows
        self.room, self.whole = room, whole
        self._made: dict[TableKey, Layout] = {}
        self.samplers: dict[int, StarSampler] = {}
        self.branch_of: dict[TableKey, tuple[int, int]] = {}
        for number, star in enumerate(model.stars):
            self.samplers[number] = StarSampler(star, len(model.table(star.parent).scores))
            for place, branch in enumerate(star.branches):
                self.branch_of[branch.child] = number, place

    def of(self, table: TableKey) -> Layout:
        """Return the layout of a table."""
        if table not in self._made:
            self._made[table] = Layout(self, table)
        return self._made[table]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """A block's own scores (rows × own), each row's primary parent (−1: none), and values that follow from others."""

    scores: Floats
    parents: Integers
    axes: Axes


class Layout:
    """The blocks of one table."""

    def __init__(self, layouts: Layouts, table: TableKey) -> None:
        self.layouts, self.table = layouts, table
        self.model = layouts.model.table(table)
        self.rows = layouts.rows[table]
        self._kept: OrderedDict[tuple[str, int, int], Any] = OrderedDict()
        if self._is_whole and self.rows > WHOLE_ROWS:
            raise PlanError(
                f"{table}: a unique key that is neither a number nor within one parent can be kept for at most "
                f"{WHOLE_ROWS:,} rows; lower --rows {table}"
            )

    @cached_property
    def _branch(self) -> tuple[Layout, int, int, BranchSampler] | None:
        """The parent's layout, the star, the place in it and the branch of a child table; None for a root."""
        primary = self.layouts.model.plan.table(self.table).primary
        if primary is None or self.table not in self.layouts.branch_of:
            return None
        star, place = self.layouts.branch_of[self.table]
        return self.layouts.of(primary.foreign_key.parent), star, place, self.layouts.samplers[star].branches[place]

    @property
    def _family(self) -> tuple[Layout, int, int, BranchSampler]:
        if self._branch is None:
            raise LookupError(f"{self.table} is no child of any table")
        return self._branch

    @cached_property
    def parentless(self) -> int:
        """Rows without a primary parent; they come last."""
        if self._branch is None:
            return self.rows
        parent, _, _, sampler = self._branch
        return round(self.rows * sampler.model.null_share) if parent.rows else self.rows

    @cached_property
    def counts(self) -> Integers:
        """Children of each row of the primary parent (int64, one per parent row)."""
        parent, star, place, sampler = self._family
        wanted = [parent.extensions(star, n)[place][:, 0] for n in range(parent.blocks)]
        limit = self.layouts.room.most_children(self.table)
        least = self.layouts.room.least_children(self.table)
        total = self.rows - self.parentless
        random = self.layouts.streams.generator("counts", self.table)
        most: Integers | int = total if limit is None else np.minimum(limit, total)
        clipped = np.minimum(np.concatenate(wanted) if wanted else np.zeros(0), sampler.model.most_rows)
        if limit is not None:
            clipped = np.minimum(clipped, limit)
        try:
            counts = fit_counts(clipped, total, most, random, least=least)
        except ValueError as error:
            raise PlanError(f"{self.table}: {error} under its parent; lower --rows {self.table}") from error
        return self.layouts.room.crossed(self.table, counts, limit)

    @cached_property
    def parents(self) -> Integers:
        """Each row's primary parent (int64, one per row; −1: none)."""
        without = np.full(self.parentless, -1, dtype=np.int64)
        return without if self._branch is None else np.r_[np.repeat(np.arange(len(self.counts)), self.counts), without]

    @cached_property
    def _cuts(self) -> tuple[Integers, Integers]:
        """First parent row and first row of each block that has parents, with the end appended."""
        if self._branch is None or not self.rows - self.parentless:
            return np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        ends = np.cumsum(self.counts)
        if self._is_whole:
            return np.array([0, len(ends)]), np.array([0, ends[-1]])
        parents = [0]
        while parents[-1] < len(ends):
            begin = int(ends[parents[-1] - 1]) if parents[-1] else 0
            stop = int(np.searchsorted(ends, begin + BLOCK_ROWS, side="right"))
            parents.append(min(max(stop, parents[-1] + 1), parents[-1] + BLOCK_ROWS, len(ends)))
        cut = np.array(parents)
        return cut, np.where(cut > 0, ends[np.maximum(cut - 1, 0)], 0)

    @property
    def _is_whole(self) -> bool:
        return self.layouts.whole(self.table)

    @property
    def _free_rows(self) -> int:
        return max(self.rows, 1) if self._is_whole else BLOCK_ROWS

    @cached_property
    def _parts(self) -> int:
        """Families of children first, then rows without a parent: each part is a block, unless the table is one."""
        return len(self._cuts[0]) - 1 + -(-self.parentless // self._free_rows)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return min(self._parts, 1) if self._is_whole else self._parts

    def first_row(self, block: int) -> int:
        """Return the position in the table of a block's first row."""
        if self._is_whole:
            return self.rows if block else 0
        family = len(self._cuts[0]) - 1
        if block <= family:
            return int(self._cuts[1][block])
        return int(self._cuts[1][-1]) + (block - family) * self._free_rows

    def scores(self, block: int) -> tuple[Floats, Integers]:
        """Return the own scores of a block's rows (rows × own) and each row's primary parent (−1: none)."""
        made = self._block(block)
        return made.scores, made.parents

    def axes(self, block: int) -> Axes:
        """Return the values of the columns of a block's rows that follow from others, on their axes."""
        return self._block(block).axes

    def _block(self, block: int) -> _Block:
        return self._keep(("scores", 0, block), lambda: self._make_block(block))

    def values(self, block: int, column: str) -> Floats:
        """Return the values of a learned column of a block's rows, on its axis and grid; NULL is NaN."""
        made = self._block(block)
        described = self.layouts.model.plan.schema.table(self.table)
        return axis_value(self.model, described, made.scores, made.axes, column)

    def _make_block(self, block: int) -> _Block:
        if not self._is_whole:
            return self._part(block)
        parts = [self._part(number) for number in range(self._parts)]
        return _Block(
            scores=np.concatenate([part.scores for part in parts]),
            parents=np.concatenate([part.parents for part in parts]),
            axes={name: np.concatenate([part.axes[name] for part in parts]) for name in parts[0].axes},
        )

    def extensions(self, star: int, block: int) -> tuple[Floats, ...]:
        """Return the extension parameters of a block's rows in one star, per branch."""

        def make() -> tuple[Floats, ...]:
            random = self.layouts.streams.generator("extensions", self.table, star, block)
            return self.layouts.samplers[star].extensions(self.scores(block)[0], random)

        return self._keep(("extensions", star, block), make)

    def _keep(self, at: tuple[str, int, int], make: Callable[[], Made]) -> Made:
        """Return what ``make`` makes, kept for the next few blocks."""
        if at not in self._kept:
            self._kept[at] = make()
            while len(self._kept) > KEPT_BLOCKS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(at)
        made: Made = self._kept[at]
        return made

    def _part(self, block: int) -> _Block:
        family = len(self._cuts[0]) - 1
        random = self.layouts.streams.generator("rows", self.table, block)
        if block >= family:
            begin = (block - family) * self._free_rows
            rows = min(self._free_rows, self.parentless - begin)
            root = np.linalg.cholesky(positive_definite(self.model.correlation)) if len(self.model.scores) else None
            noise = random.standard_normal((rows, len(self.model.scores)))
            scores = noise if root is None else noise @ root.T
            return self._finished(scores, np.full(rows, -1, dtype=np.int64), random, None)
        parent, star, place, sampler = self._family
        begin, end = (int(n) for n in self._cuts[0][block : block + 2])
        parts, above = [], []
        for other in range(parent.blocks):
            low, high = parent.first_row(other), parent.first_row(other + 1)
            if low < end and high > begin:
                some = slice(max(begin - low, 0), end - low)
                parts.append(parent.extensions(star, other)[place][some])
                above.append((other, some))
        at, scores = sampler.children(np.concatenate(parts), self.counts[begin:end], random)

        def of_parent(column: str) -> Floats:
            return np.concatenate([parent.values(other, column)[some] for other, some in above])[at]

        return self._finished(scores, at + begin, random, of_parent)

    def _finished(
        self, scores: Floats, parents: Integers, random: np.random.Generator, of_parent: OfParent | None
    ) -> _Block:
        spread = self._tilted(evenly_spread(scores, random), null=of_parent is None)
        described = self.layouts.model.plan.schema.table(self.table)
        ordinary, axes = unfold(self.model, described, spread, random, of_parent)
        return _Block(scores=ordinary, parents=parents, axes=axes)

    def _tilted(self, scores: Floats, *, null: bool) -> Floats:
        """Return the scores with that column fitted that says which rows have a primary parent and which have none."""
        primary = self.layouts.model.plan.table(self.table).primary
        pattern = None if primary is None else self.model.null_pattern(primary.foreign_key.name)
        if pattern is None or pattern.others or not 0 < self.parentless < self.rows:
            return scores
        out, place = scores.copy(), self.model.scores.index(pattern.column)
        out[:, place] = tilted(pattern, out[:, place], null=null)
        return out
