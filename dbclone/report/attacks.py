"""Attacks on a twin, each measured against what the same attack achieves on people who are not in it.

Rows are compared as :class:`Rows`: ordered columns as ranks in [0, 1], categories as codes. ``members`` are rows that
the model was learned from, ``strangers`` rows of the same table that it was not, ``twins`` rows that were made.

Sources: the distance is Gower's (*Biometrics* 27, 1971). Singling out and linkability are those of the Article 29
Working Party's opinion 05/2014, measured as in Giomi, Boenisch, Wehmeyer and Tasnádi, *A Unified Framework for
Quantifying Privacy Risk in Synthetic Data* (PoPETs 2023): the success of an attack on members beyond its success on
strangers, ``(members − strangers) / (1 − strangers)``. Membership inference by the distance to the nearest row that was
made is that of Chen, Yu, Zhang and Fritz, *GAN-Leaks* (CCS 2020), without a reference model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_BLOCK = 256
PREDICATES = 500
PREDICATE_COLUMNS = 3
MOST_COMBINED = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows of one table. ``ordered`` (rows × columns) are ranks, NaN for NULL; ``labels`` are codes, −1 for NULL."""

    ordered: Floats
    labels: Integers

    def __len__(self) -> int:
        return len(self.ordered)

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return int(self.ordered.shape[1] + self.labels.shape[1])

    def take(self, positions: Integers) -> Rows:
        """Return the rows at these positions."""
        return Rows(ordered=self.ordered[positions], labels=self.labels[positions])

    def keep(self, columns: Integers) -> Rows:
        """Return some of the columns, counted over the ordered ones first."""
        many = self.ordered.shape[1]
        return Rows(
            ordered=self.ordered[:, columns[columns < many]], labels=self.labels[:, columns[columns >= many] - many]
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A number, what it is compared with, and how sure it is: the half width of its 95 % interval."""

    value: float
    reference: float
    margin: float
    tried: int


def nearest(rows: Rows, among: Rows, *, skip_self: bool = False) -> tuple[Floats, Integers]:
    """Return, per row, Gower's distance to the nearest row of ``among``, in [0, 1], and which one that is."""
    distance, position = np.ones(len(rows)), np.full(len(rows), -1, dtype=np.int64)
    if not len(among) or not rows.columns:
        return distance, position
    for start in range(0, len(rows), _BLOCK):
        stop = min(start + _BLOCK, len(rows))
        total = np.zeros((stop - start, len(among)))
        for column in range(rows.ordered.shape[1]):
            mine, theirs = rows.ordered[start:stop, column, None], among.ordered[None, :, column]
            gap = np.abs(mine - theirs)
            total += np.where(np.isnan(gap), (np.isnan(mine) != np.isnan(theirs)).astype(float), gap)
        for column in range(rows.labels.shape[1]):
            total += rows.labels[start:stop, column, None] != among.labels[None, :, column]
        if skip_self:
            total[np.arange(stop - start), np.arange(start, stop)] = np.inf
        position[start:stop] = total.argmin(axis=1)
        distance[start:stop] = total[np.arange(stop - start), position[start:stop]] / rows.columns
    return distance, position


def identical_share(rows: Rows, among: Rows) -> float:
    """Return the share of rows that are equal to one of ``among`` in every column."""
    known = set(_keys(among))
    return sum(key in known for key in _keys(rows)) / max(len(rows), 1)


def _keys(rows: Rows) -> list[bytes]:
    both = np.concatenate([np.nan_to_num(rows.ordered, nan=-1.0), rows.labels.astype(np.float64)], axis=1)
    return [row.tobytes() for row in np.ascontiguousarray(both)]


def identical_rows(twins: Rows, members: Rows, strangers: Rows) -> Measured:
    """Return the share of twins that equal a member, against the share of strangers that do."""
    size = min(len(twins), len(strangers))
    value = identical_share(twins, members)
    return Measured(
        value=value, reference=identical_share(strangers, members), margin=_margin(value, size), tried=len(twins)
    )


def closest_record(twins: Rows, members: Rows, strangers: Rows) -> Measured:
    """Return the mean distance of twins to their closest member, as a multiple of the strangers'."""
    made, real = nearest(twins, members)[0], nearest(strangers, members)[0]
    if not real.mean():
        return Measured(value=1.0, reference=0.0, margin=0.0, tried=len(twins))
    error = np.hypot(made.std() / np.sqrt(len(made)), real.std() / np.sqrt(len(real)))
    return Measured(
        value=float(made.mean() / real.mean()),
        reference=float(real.mean()),
        margin=float(1.96 * error / real.mean()),
        tried=len(twins),
    )


def membership(twins: Rows, members: Rows, strangers: Rows) -> Measured:
    """Return the area under the curve of telling members from strangers by their distance to the nearest twin.

    The standard error is Hanley and McNeil's (*Radiology* 143, 1982).
    """
    inside, outside = nearest(members, twins)[0], nearest(strangers, twins)[0]
    together = np.concatenate([inside, outside])
    order = np.sort(together)
    rank = (np.searchsorted(order, together, "left") + np.searchsorted(order, together, "right") + 1) / 2
    m, n = len(inside), len(outside)
    area = 1.0 - (rank[:m].sum() - m * (m + 1) / 2) / (m * n)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (m * n)
    return Measured(value=float(area), reference=0.5, margin=1.96 * float(np.sqrt(max(variance, 0.0))), tried=m)


# ---- Singling out and linkability -----------------------------------------------------------------------------------


def singling_out(twins: Rows, members: Rows, strangers: Rows, random: np.random.Generator) -> Measured:
    """Return the risk that a description taken from a twin fits exactly one member.

    A description takes up to three columns of a random twin: *this label*, *at least this* where the twin is above the
    median, *at most this* where it is below. Only descriptions are tried that fit no other twin.
    """
    size = min(len(members), len(strangers))
    inside, outside = members.take(np.arange(size)), strangers.take(np.arange(size))
    median = np.nanmedian(twins.ordered, axis=0) if twins.ordered.shape[1] else np.zeros(0)
    count = min(PREDICATE_COLUMNS, twins.columns)
    hits, tried = np.zeros(2), 0
    for _ in range(10 * PREDICATES):
        if tried == PREDICATES:
            break
        row = int(random.integers(len(twins)))
        columns = random.choice(twins.columns, count, replace=False)
        if _fitting(twins, twins, row, columns, median).sum() != 1:
            continue
        tried += 1
        for place, rows in enumerate((inside, outside)):
            hits[place] += int(_fitting(rows, twins, row, columns, median).sum() == 1)
    return _risk(hits, tried)


def _fitting(rows: Rows, twins: Rows, row: int, columns: Integers, median: Floats) -> npt.NDArray[np.bool_]:
    many = twins.ordered.shape[1]
    fits = np.ones(len(rows), dtype=bool)
    for column in columns:
        if column >= many:
            fits &= rows.labels[:, column - many] == twins.labels[row, column - many]
            continue
        value, mine = twins.ordered[row, column], rows.ordered[:, column]
        if np.isnan(value):
            fits &= np.isnan(mine)
        else:
            fits &= mine >= value if value >= median[column] else mine <= value
    return fits


def linkability(twins: Rows, members: Rows, strangers: Rows, random: np.random.Generator) -> Measured:
    """Return the risk that two halves of one member's columns are linked by being nearest to the same twin."""
    size = min(len(members), len(strangers))
    order = random.permutation(twins.columns)
    halves = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    hits = np.zeros(2)
    for place, rows in enumerate((members, strangers)):
        some = rows.take(np.arange(size))
        first, second = (nearest(some.keep(half), twins.keep(half))[1] for half in halves)
        hits[place] = (first == second).sum()
    return _risk(hits, size)


def _risk(hits: Floats, tried: int) -> Measured:
    """Return the success on members beyond that on strangers, with Wilson's centres and intervals."""
    z = 1.96
    rate = (hits + z * z / 2) / (tried + z * z)
    half = z * np.sqrt(rate * (1 - rate) / (tried + z * z))
    value = (rate[0] - rate[1]) / (1 - rate[1])
    return Measured(
        value=float(value), reference=float(rate[1]), margin=float(np.hypot(*half) / (1 - rate[1])), tried=tried
    )


# ---- Rare combinations ----------------------------------------------------------------------------------------------


def rare_combinations(twins: Rows, members: Rows, strangers: Rows) -> Measured:
    """Return the share of twins that have a combination of labels which exactly one member has, against strangers'."""
    size = min(len(twins), len(strangers))
    pairs = list(combinations(range(min(twins.labels.shape[1], MOST_COMBINED)), 2))
    unique = {pair: _once(members.labels[:, pair]) for pair in pairs}

    def share(rows: Rows) -> float:
        found = np.zeros(size, dtype=bool)
        for pair in pairs:
            found |= np.fromiter(
                (tuple(row) in unique[pair] for row in rows.labels[:size][:, pair].tolist()), bool, size
            )
        return float(found.mean()) if size else 0.0

    value = share(twins)
    return Measured(value=value, reference=share(strangers), margin=_margin(value, size), tried=size)


def _once(labels: Integers) -> frozenset[tuple[int, ...]]:
    return frozenset(pair for pair, count in Counter(map(tuple, labels.tolist())).items() if count == 1)


def _margin(share: float, rows: int) -> float:
    return float(1.96 * np.sqrt(max(share * (1 - share), 1 / max(rows, 1)) / max(rows, 1)))


Attack = Callable[[Rows, Rows, Rows], Measured]


def encode(
    ordered: Sequence[tuple[Floats, ...]], labels: Sequence[tuple[Sequence[str | None], ...]]
) -> tuple[Rows, ...]:
    """Return several samples of one table as :class:`Rows` on common axes: those of the first sample.

    ``ordered`` and ``labels`` have, per column, its values in each sample.
    """
    samples = len(ordered[0]) if ordered else len(labels[0])
    ranks, codes = [], []
    for column in ordered:
        grid = np.sort(column[0][~np.isnan(column[0])])
        ranks.append([_ranked(values, grid) for values in column])
    for names in labels:
        known = {label: code for code, label in enumerate(sorted({v for vs in names for v in vs if v is not None}))}
        codes.append([np.array([known.get(v, -1) if v is not None else -1 for v in vs], np.int64) for vs in names])
    sizes = [len((ordered[0] if ordered else labels[0])[n]) for n in range(samples)]
    return tuple(
        Rows(
            ordered=np.column_stack([c[n] for c in ranks]) if ranks else np.zeros((sizes[n], 0)),
            labels=np.column_stack([c[n] for c in codes]) if codes else np.zeros((sizes[n], 0), np.int64),
        )
        for n in range(samples)
    )


def _ranked(values: Floats, grid: Floats) -> Floats:
    out = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    if len(grid):
        left, right = np.searchsorted(grid, values[known], "left"), np.searchsorted(grid, values[known], "right")
        out[known] = (left + right) / (2 * len(grid))
    return out
