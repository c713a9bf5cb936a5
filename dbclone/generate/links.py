"""Links, carried out: which row of a second parent each child row refers to.

Every parent row owns as many *slots* as it has children; slots are sorted by the parents' link scores. A permutation by
index gives each child row one slot, so every slot is used exactly once over the whole table, whichever worker asks.
Within a batch, the rows and the batch's slots meet in rank order: the fan-out is exact, and what belongs together
comes together.

When columns of the foreign key are already set (overlapping composite keys), candidates are the parent rows that agree
on them, and one is drawn by its weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate.counts import fit_counts
from dbclone.generate.streams import Permutation
from dbclone.model.normal import ndtr, ndtri
from dbclone.model.parts import LinkModel

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkIndex:
    """The parent side of a link: rows in order of their link scores, and the number of slots up to each.

    ``order`` (parents): row positions by rising score; ``ends`` (parents): cumulative slots in that order. ``unique``:
    no slot may be used twice.
    """

    order: Integers
    ends: Integers
    permutation: Permutation
    unique: bool = False

    @cached_property
    def in_use(self) -> Integers:
        """The positions of the parent rows that have a slot."""
        return np.sort(self.order[np.diff(self.ends, prepend=0) > 0])

    def choose(self, rows: Integers, scores: Floats, null: Booleans | None = None) -> Integers:
        """Return the parent of each row; −1 for the rows that refer to none.

        These are the rows whose slot is beyond the last or, where ``null`` says so row by row, those: slots then go
        from rows that want none to rows that want one, and only what does not come out even is left out or used twice.
        """
        slots = self.permutation(rows)
        total = int(self.ends[-1]) if len(self.ends) else 0
        linked = slots < total
        out = np.full(len(rows), -1, dtype=np.int64)
        if null is not None and total:
            given = slots[linked]
            short = int((~null).sum()) - len(given)
            if short > 0 and not self.unique:
                given = np.concatenate([given, slots[~linked][:short] % total])
            linked = ~null & (np.cumsum(~null) <= len(given))
            slots = given[np.linspace(0, len(given) - 1, int(linked.sum())).astype(np.int64)]
        else:
            slots = slots[linked]
        wanted = np.flatnonzero(linked)
        ranked = wanted[np.argsort(scores[wanted], kind="stable")]
        out[ranked] = self.order[np.searchsorted(self.ends, np.sort(slots), side="right")]
        return out


def parent_side(link: LinkModel, own_scores: Sequence[Floats], random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the fan-outs and the link scores of all rows of the parent; ``own_scores`` come block by block.

    The fan-outs are decoded from ranks, not from the scores themselves: of 457 rows of which 6 are referred to, 6 are
    again, not as many as chance has it.
    """
    drawn = [
        block @ link.parent_weights.T + random.standard_normal((len(block), 2)) @ link.parent_residual.T
        for block in own_scores
    ]
    both = np.concatenate(drawn) if drawn else np.zeros((0, 2))
    share = np.empty(len(both))
    share[np.argsort(both[:, 0], kind="stable")] = (np.arange(len(both)) + 0.5) / max(len(both), 1)
    return link.fan_out.decode(ndtri(share)), both[:, 1]


def within(scores: Floats, group: Integers) -> Floats:
    """Return normal scores by rank within each group: the groups no longer differ in them."""
    order = np.lexsort((scores, group))
    _, first, count = np.unique(group[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(first, count)
    out = np.empty(len(scores))
    out[order] = ndtri((place + 0.5) / np.repeat(count, count))
    return out


def index_link(
    counts: Floats, scores: Floats, *, rows: int, linked: int, most: Integers | int, permutation: Permutation,
    random: np.random.Generator, unique: bool = False,
) -> LinkIndex:  # fmt: skip
    """Return the index of a link from ``rows`` child rows, of which ``linked`` refer to a parent.

    ``most`` says how many children a parent row may have at most. Raises ValueError if that is too few.
    """
    slots = fit_counts(counts, linked, np.minimum(most, max(rows, 1)), random)
    order = np.argsort(scores, kind="stable")
    return LinkIndex(order=order, ends=np.cumsum(slots[order]), permutation=permutation, unique=unique)


def child_side(link: LinkModel, own_scores: Floats, random: np.random.Generator) -> Floats:
    """Return the link scores of child rows."""
    return own_scores @ link.child_weights + link.child_residual * random.standard_normal(len(own_scores))


class Groups:
    """Parent rows by the values of the columns that a child row already has.

    ``columns`` are the parent's columns, whole; ``scores`` and ``counts`` its link scores and fan-outs; ``able`` the
    rows that may be chosen. ``order`` are these rows, those of a group together.
    """

    def __init__(
        self, columns: Sequence[pa.Array], scores: Floats, counts: Floats, able: Booleans | None = None
    ) -> None:
        encoded = [column.dictionary_encode() for column in columns]
        self._values = [item.dictionary for item in encoded]
        codes = self._combine([item.indices.to_numpy(zero_copy_only=False) for item in encoded])
        order = np.lexsort((scores, codes))
        self.order = order if able is None else order[able[order]]
        self._codes = codes[self.order]
        self._ends = np.cumsum(np.nan_to_num(counts)[self.order] + 1e-2)

    def _combine(self, indices: Sequence[npt.NDArray[np.generic]]) -> Integers:
        codes = np.zeros(len(indices[0]), dtype=np.int64)
        missing = np.zeros(len(indices[0]), dtype=bool)
        for index, values in zip(indices, self._values, strict=True):
            filled = np.nan_to_num(index.astype(float), nan=-1.0).astype(np.int64)
            missing |= filled < 0
            codes = codes * max(len(values), 1) + np.maximum(filled, 0)
        return np.where(missing, -1, codes)

    def find(self, columns: Sequence[pa.Array]) -> tuple[Integers, Integers]:
        """Return the range [first, last) of candidates in ``order`` for each row; empty where no parent agrees."""
        indices = [
            pc.fill_null(pc.index_in(column.cast(values.type), value_set=values), -1).to_numpy(zero_copy_only=False)
            for column, values in zip(columns, self._values, strict=True)
        ]
        codes = self._combine(indices)
        first = np.searchsorted(self._codes, codes, side="left")
        last = np.searchsorted(self._codes, codes, side="right")
        return first, np.where(codes < 0, first, last)

    def choose(self, columns: Sequence[pa.Array], scores: Floats, nulls: Booleans) -> Integers:
        """Return the parent of each row: the candidate at its rank; −1 where there is none or ``nulls`` says so."""
        first, last = self.find(columns)
        some = (last > first) & ~nulls
        out = np.full(len(scores), -1, dtype=np.int64)
        low = np.where(first > 0, self._ends[np.maximum(first - 1, 0)], 0.0)[some]
        high = self._ends[np.maximum(last - 1, 0)][some]
        at = np.searchsorted(self._ends, low + ndtr(scores[some]) * (high - low), side="right")
        out[some] = self.order[np.clip(at, first[some], last[some] - 1)]
        return out
