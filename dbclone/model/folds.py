"""Folds: what one column says about another of the same row, taken out of it before learning and put back afterwards.

A Gaussian copula joins columns by correlations of their scores. It cannot hold that each city has one country, that an
open order has no closing time, or that an order is closed after it was placed. A :class:`Fold` says how a column
follows from others, so that what is left of it has nothing of that, and its own distribution for each of the other's
values: Rosenblatt's transformation (*Ann. Math. Stat.* 23, 1952) along the strongest relations.

Folded scores are what is learned and sampled; unfolding makes a row's ordinary scores of them again, and the values
themselves, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dbclone.model.marginal import APART, Marginal

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

HOURS = 168
"""Hours of a week: parts of a :attr:`Fold.week`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """How ``column`` follows from others.

    Its value is ``anchor``'s, of the row itself or of the row that ``foreign_key`` refers to, plus something; without
    an anchor it is that something. The something is distributed by ``marginals``: one, or one for each of the values
    ``pieces`` of the column ``given``, and a last one for all other values. ``pieces`` rise; a NaN, NULL, comes first.
    The column given is the row's own, or that of the row that ``given_key`` refers to; ``late``: which one that is is
    chosen once the rows are there, so such a column is decoded last, and nothing follows from it but products.

    ``week`` (none, or :data:`HOURS` + 1 numbers from 0 to 1) is the share of times before each hour of a week, from
    Monday on, in whole weeks of ``week_length`` on the column's axis. Times are learned as if they came evenly.
    ``at_least``: no value is below its anchor. Values lie on a grid of ``unit``.
    """

    column: str
    marginals: tuple[Marginal, ...]
    anchor: str = ""
    foreign_key: str = ""
    given: str = ""
    given_key: str = ""
    late: bool = False
    pieces: Floats
    week: Floats
    week_length: float = 0.0
    unit: float = 0.0
    at_least: bool = False

    def piece(self, given: Floats) -> Integers:
        """Return the number of the marginal for each value of the column given; NULL is NaN."""
        return piece_of(self.pieces, given) if self.given else np.zeros(len(given), dtype=np.int64)

    def decode(self, scores: Floats, piece: Integers, anchor: Floats | None) -> Floats:
        """Return the column's values at folded scores; NaN is NULL."""
        values = np.empty(len(scores))
        for number in np.unique(piece):
            at = piece == number
            values[at] = self.marginals[number].decode(scores[at])
        if anchor is not None:
            values = values + anchor
        if len(self.week):
            values = warped(values, self.week, self.week_length)
        if self.unit:
            whole = np.floor(values / self.unit) if len(self.week) else np.rint(values / self.unit)
            values = np.where(np.abs(values) >= APART, values, whole * self.unit)
        if self.at_least and anchor is not None:
            values = np.where(values < anchor, anchor, values)
        return values


@dataclass(frozen=True, kw_only=True)
class Product:
    """``column`` is the product of two others, rounded to its own grid, wherever all three are known."""

    column: str
    factors: tuple[str, str]


def piece_of(pieces: Floats, values: Floats) -> Integers:
    """Return the place of each value in ``pieces``; their number for a value that is not among them."""
    first = int(len(pieces) > 0 and np.isnan(pieces[0]))
    known = pieces[first:]
    out = np.full(len(values), len(pieces), dtype=np.int64)
    if len(known):
        at = np.clip(np.searchsorted(known, np.nan_to_num(values)), 0, len(known) - 1)
        out = np.where(known[at] == values, at + first, out)
    return np.where(np.isnan(values) & bool(first), 0, out)


def evened(values: Floats, week: Floats, length: float) -> Floats:
    """Return times moved within their week, in order, such that they come evenly; see :func:`warped`."""
    return _moved(values, np.linspace(0.0, 1.0, len(week)), week, length)


def warped(values: Floats, week: Floats, length: float) -> Floats:
    """Return evenly spread times moved within their week, in order, such that they have its profile."""
    return _moved(values, week, np.linspace(0.0, 1.0, len(week)), length)


def _moved(values: Floats, old: Floats, new: Floats, length: float) -> Floats:
    start, inside = week_of(values, length)
    return np.where(np.abs(values) >= APART, values, start + np.interp(inside, old, new) * length)


def week_of(values: Floats, length: float) -> tuple[Floats, Floats]:
    """Return the Monday of each time, and which share of its week is over."""
    # Days are counted from 1 January 1970, a Thursday.
    shift = 3.0 / 7.0 * length
    with np.errstate(invalid="ignore"):
        whole = np.floor((values + shift) / length)
        return whole * length - shift, (values + shift) / length - whole
