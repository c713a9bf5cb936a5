"""Rows told apart: of what a row's family may be combined with, no combination is used more often than allowed.

A *family* is all rows that agree in the columns of a key which stay as they are; a *cell* is what a row is combined
with (a row of another table, a label), by number. Rows that use a cell too often first exchange cells with rows of
other families, those alike first: that keeps how often each cell is used. What is left when families are nearly full,
as in a table that holds every combination, takes free cells of its own family, all families at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ROUNDS = 24
PROPOSALS = 4
"""Partners that are tried per row and round."""
DENSE_CELLS = 8
"""With no more combinations than so many a row, their counts are kept in an array: clearing a larger one takes longer
than all the rest."""
CHUNK_CELLS = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Which cells rows may use: from ``low`` to before ``high``, never ``avoid`` (−1: none), at most ``capacity``
    times.

    ``low``, ``high`` and ``avoid`` have one entry per row; rows of one family have the same. ``number`` counts all
    cells.
    """

    number: int
    low: Integers
    high: Integers
    avoid: Integers
    capacity: int = 1


def any_cells(number: int, rows: int, *, capacity: int = 1, avoid: Integers | None = None) -> Cells:
    """Return cells of which each row may use any."""
    return Cells(
        number=number,
        low=np.zeros(rows, dtype=np.int64),
        high=np.full(rows, number, dtype=np.int64),
        avoid=np.full(rows, -1, dtype=np.int64) if avoid is None else avoid,
        capacity=capacity,
    )


def spread(families: Integers, chosen: Integers, cells: Cells, scores: Floats, random: np.random.Generator) -> Integers:
    """Return ``chosen`` (cells; −1 for none) so that no family uses a cell more often than allowed.

    Rows of family −1 are free of the key. ``scores`` say which rows are alike. Raises ValueError if a family has more
    rows than its cells have room for.
    """
    out = chosen.copy()
    rows = np.flatnonzero((families >= 0) & (chosen >= 0))
    if not len(rows):
        return out
    number = np.unique(families[rows], return_inverse=True)[1].astype(np.int64)
    counts = _Counts(number, out[rows], cells.number)
    family = np.full(len(out), -1, dtype=np.int64)
    family[rows] = number
    left = _too_many(family[rows], out[rows], rows, cells, counts)
    if len(left):
        _exchange(family, out, cells, scores, counts, left, random)
        # Some are left that were in nobody's way any more: the row that they met has moved.
        left = _too_many(family[rows], out[rows], rows, cells, counts)
    if len(left):
        _filled(family, out, cells, counts, left, random)
    return out


class _Counts:
    """How often each family uses each cell; in an array where there is room for one, else by sorted codes."""

    def __init__(self, family: Integers, cell: Integers, cells: int) -> None:
        self.cells = max(cells, 1)
        families = int(family.max(initial=-1)) + 1
        self._dense = None
        if families * self.cells <= DENSE_CELLS * len(family):
            self._dense = np.bincount(family * self.cells + cell, minlength=families * self.cells).astype(np.int32)
        else:
            self._codes, self._counts = np.unique(family * self.cells + cell, return_counts=True)

    def of(self, family: Integers, cell: Integers) -> Integers:
        code = family * self.cells + cell
        if self._dense is not None:
            return np.asarray(self._dense[code], dtype=np.int64)
        place = np.minimum(np.searchsorted(self._codes, code), len(self._codes) - 1)
        return np.where(self._codes[place] == code, self._counts[place], 0)

    def move(self, family: Integers, old: Integers, new: Integers) -> None:
        """Count rows of these families in their new cells, no longer in the old ones."""
        before, after = family * self.cells + old, family * self.cells + new
        if self._dense is not None:
            np.subtract.at(self._dense, before, 1)
            np.add.at(self._dense, after, 1)
            return
        codes = np.concatenate([self._codes, before, after])
        counts = np.concatenate([self._counts, np.full(len(before), -1), np.ones(len(after), dtype=np.int64)])
        self._codes, inverse = np.unique(codes, return_inverse=True)
        self._counts = np.bincount(inverse, weights=counts).astype(np.int64)


def _too_many(family: Integers, cell: Integers, rows: Integers, cells: Cells, counts: _Counts) -> Integers:
    """Return the rows that are one too many for their cell, or in one that they must avoid."""
    bad = cell == cells.avoid[rows]
    suspect = np.flatnonzero((counts.of(family, cell) > cells.capacity) & ~bad)
    code = family[suspect] * counts.cells + cell[suspect]
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else order
    place = np.arange(len(ordered)) - np.repeat(begins, np.diff(np.r_[begins, len(ordered)]))
    bad[suspect[order[place >= cells.capacity]]] = True
    return np.asarray(rows[bad])


def _exchange(
    family: Integers,
    out: Integers,
    cells: Cells,
    scores: Floats,
    counts: _Counts,
    left: Integers,
    random: np.random.Generator,
) -> None:
    """Let rows exchange cells with rows of like score, in place, as far as they find any."""
    order = np.argsort(scores, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    stuck = np.zeros(len(out), dtype=bool)
    stuck[left] = True
    for number in range(ROUNDS):
        reach = min(16 << min(number, 24), len(out))
        mine = np.repeat(left, PROPOSALS)
        near = place[mine] + random.integers(-reach, reach + 1, len(mine))
        partner = order[np.clip(near, 0, len(order) - 1)]
        able = _fits(family, out, cells, counts, mine, partner) & ~stuck[partner]
        mine, partner = _each_once(mine[able], partner[able])
        # Two rows must not move into one cell of a family in the same round.
        code = np.concatenate([family[mine] * counts.cells + out[partner], family[partner] * counts.cells + out[mine]])
        _, inverse, times = np.unique(code, return_inverse=True, return_counts=True)
        alone = times[inverse] == 1
        both = alone[: len(mine)] & alone[len(mine) :]
        mine, partner = mine[both], partner[both]
        counts.move(np.concatenate([family[mine], family[partner]]),
                    np.concatenate([out[mine], out[partner]]), np.concatenate([out[partner], out[mine]]))  # fmt: skip
        out[mine], out[partner] = out[partner], out[mine]
        stuck[mine] = False
        before, left = len(left), left[stuck[left]]
        if not len(left) or (number > 4 and before - len(left) < 0.05 * before):
            break


def _fits(
    family: Integers, out: Integers, cells: Cells, counts: _Counts, mine: Integers, partner: Integers
) -> Booleans:
    """Whether each row and its partner can exchange cells."""
    fits = (family[partner] >= 0) & (out[partner] >= 0) & (family[partner] != family[mine])
    fits &= (out[partner] != cells.avoid[mine]) & (out[mine] != cells.avoid[partner])
    fits &= (out[partner] >= cells.low[mine]) & (out[partner] < cells.high[mine])
    fits &= (out[mine] >= cells.low[partner]) & (out[mine] < cells.high[partner])
    some = np.flatnonzero(fits)
    room = counts.of(family[mine[some]], out[partner[some]]) < cells.capacity
    room &= counts.of(family[partner[some]], out[mine[some]]) < cells.capacity
    fits[some] = room
    return np.asarray(fits)


def _each_once(mine: Integers, partner: Integers) -> tuple[Integers, Integers]:
    """Return pairs in which each row and each partner occurs once."""
    _, first = np.unique(mine, return_index=True)
    mine, partner = mine[first], partner[first]
    _, first = np.unique(partner, return_index=True)
    return mine[first], partner[first]


def _filled(
    family: Integers, out: Integers, cells: Cells, counts: _Counts, left: Integers, random: np.random.Generator
) -> None:
    """Give rows free cells of their own families, in place: cells that are used at all before others."""
    used = np.zeros(cells.number, dtype=bool)
    used[out[(family >= 0) & (out >= 0)]] = True
    left = left[np.argsort(family[left], kind="stable")]
    begins = np.flatnonzero(np.r_[True, family[left][1:] != family[left][:-1]])
    wanted = np.diff(np.r_[begins, len(left)])
    width = cells.high[left[begins]] - cells.low[left[begins]]
    part = np.cumsum(width) // CHUNK_CELLS
    for number in np.unique(part):
        mine = np.flatnonzero(part == number)
        first = left[begins[mine]]
        which = np.repeat(np.arange(len(mine)), width[mine])
        offset = np.arange(len(which)) - np.repeat(np.r_[0, np.cumsum(width[mine])[:-1]], width[mine])
        cell = cells.low[first][which] + offset
        room = cells.capacity - counts.of(family[first][which], cell)
        # The rows to be placed are still counted where they are: their cells are full, or to be avoided.
        free = (room > 0) & (cell != cells.avoid[first][which])
        copies = np.repeat(np.flatnonzero(free), room[free])
        order = copies[np.lexsort((random.random(len(copies)), ~used[cell[copies]], which[copies]))]
        starts = np.searchsorted(which[order], np.arange(len(mine)), side="left")
        enough = np.searchsorted(which[order], np.arange(len(mine)), side="right") - starts
        if (enough < wanted[mine]).any():
            short = int(np.maximum(wanted[mine] - enough, 0).sum())
            raise ValueError(f"a family has {short:,} more rows than there are rows or values to combine them with")
        rows = left[np.concatenate([np.arange(b, b + n) for b, n in zip(begins[mine], wanted[mine], strict=True)])]
        taken = np.repeat(starts - np.r_[0, np.cumsum(wanted[mine])[:-1]], wanted[mine]) + np.arange(len(rows))
        out[rows] = cell[order[taken]]
