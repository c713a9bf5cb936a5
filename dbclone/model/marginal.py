"""Marginal distributions: between values and standard-normal scores.

A :class:`Marginal` cuts the unit interval into segments. A segment is an atom (one value, or NULL) or a straight piece
of the quantile function. Encoding maps a value to a normal score, decoding maps it back; because the scores of the
source are standard normal by construction, whatever the copula samples decodes to the source's distribution.

Categories are atoms whose values are codes 0, 1, …; the labels are kept by the column's rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dbclone.model.normal import ndtr, ndtri

Floats = npt.NDArray[np.float64]

APART = 1e304
"""Values so far from 0 are no numbers but stand for something else, infinity for example: always atoms of their own."""
INFINITE, NOT_A_NUMBER = 1e305, 2e305
"""What stands for infinity (and −1e305 for negative infinity), and for a NaN that is a value, not NULL."""
LARGEST = 1e300
"""No number is larger, so that neither differences nor means overflow."""

SCORE_LIMIT = 6.0
"""Scores are kept within ±6: a double still tells 1 - 1e-9 from 1 there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Marginal:
    """``edges`` (m + 1, from 0 to 1), and per segment the values at its two ends, ``low`` and ``high`` (m each).

    ``low == high`` is an atom; a NaN pair is NULL, which is always the first segment. Values rise with the segments.
    """

    edges: Floats
    low: Floats
    high: Floats

    @property
    def null_share(self) -> float:
        """Share of NULLs."""
        return float(self.edges[1]) if len(self.low) and np.isnan(self.low[0]) else 0.0

    @property
    def reliability(self) -> float:
        """Share of the scores' variance that the values tell; the rest is the jitter that spreads atoms.

        Within an atom's segment the score is unknown but for its mean, (φ(a) - φ(b)) / p.
        """
        with np.errstate(invalid="ignore"):
            ends = ndtri(self.edges)
            density = np.where(np.isfinite(ends), np.exp(-0.5 * ends**2) / np.sqrt(2 * np.pi), 0.0)
            moment = np.where(np.isfinite(ends), ends, 0.0) * density
        share = np.maximum(np.diff(self.edges), 1e-300)
        told = (density[:-1] - density[1:]) ** 2 / share
        whole = share + moment[:-1] - moment[1:]
        atom = (self.low == self.high) | np.isnan(self.low)
        return float(np.clip(np.where(atom, told, whole).sum(), 0.0, 1.0))

    def decode(self, scores: Floats) -> Floats:
        """Return the values at normal scores, any shape; NaN is NULL."""
        share = np.clip(ndtr(scores), 0.0, 1.0)
        segment = np.clip(np.searchsorted(self.edges, share, side="right") - 1, 0, len(self.low) - 1)
        start, low = self.edges[segment], self.low[segment]
        width = np.maximum(self.edges[segment + 1] - start, 1e-300)
        return np.asarray(low + np.minimum((share - start) / width, 1.0) * (self.high[segment] - low))

    def encode(self, values: Floats, jitter: Floats) -> Floats:
        """Return the normal scores of values; ``jitter``, uniform in [0, 1), spreads an atom over its segment.

        NaN (NULL) goes to the NULL segment, or becomes NaN if the marginal has none. A value between atoms goes to the
        nearer end of the gap.
        """
        first = 1 if self.null_share else 0
        low, high = self.low[first:], self.high[first:]
        edges = self.edges[first:]
        if not len(low):
            return np.asarray(ndtri(np.clip(jitter, 1e-9, 1 - 1e-9)))
        filled = np.where(np.isnan(values), low[0], values)
        at = np.searchsorted(high, filled, side="left").clip(0, len(low) - 1)
        span = high[at] - low[at]
        with np.errstate(invalid="ignore", divide="ignore"):
            inside = np.where(span > 0, (filled - low[at]) / np.where(span > 0, span, 1.0), jitter)
        share = edges[at] + np.clip(inside, 0.0, 1.0) * (edges[at + 1] - edges[at])
        share = np.where(np.isnan(values), jitter * edges[0] if first else np.nan, share)
        return np.asarray(np.clip(ndtri(np.clip(share, 1e-300, 1.0)), -SCORE_LIMIT, SCORE_LIMIT))


UNIFORM = Marginal(edges=np.array([0.0, 1.0]), low=np.array([0.0]), high=np.array([1.0]))
"""The marginal whose values are shares: of scores that are known already."""


def fit_marginal(values: Floats, *, at_least: int = 5, most_atoms: int = 512, pieces: int = 400) -> Marginal:
    """Return the marginal of a column's values (NaN is NULL).

    A value that makes up 0.5 % of the rows (and at least ``at_least`` rows) is an atom, as is every value of a column
    that has at most ``most_atoms`` of them, all but one in a thousand rows having one seen ``at_least`` times. Between
    atoms the quantile function runs in straight pieces. The ends are not the extreme rows but the means of the
    ``at_least`` most extreme ones, so that no single row can be read off.
    """
    present = np.sort(values[~np.isnan(values)])
    null_share = 1.0 - len(present) / max(len(values), 1)
    if not len(present):
        return Marginal(edges=np.array([0.0, 1.0]), low=np.array([np.nan]), high=np.array([np.nan]))
    found, counts = np.unique(present, return_counts=True)
    rare = counts < at_least
    if len(found) <= most_atoms and counts[rare].sum() <= 0.001 * len(present):
        found, counts = _merge_rare(found, counts, at_least)
        low = high = found.astype(float)
        shares = counts / counts.sum()
    else:
        low, high, shares = _pieces(present, found, counts, at_least, pieces)
    edges = np.concatenate([[0.0], null_share + (1.0 - null_share) * np.cumsum(shares)])
    edges[0], edges[-1] = null_share, 1.0
    if null_share:
        edges, low, high = np.r_[0.0, edges], np.r_[np.nan, low], np.r_[np.nan, high]
    return Marginal(edges=edges, low=low, high=high)


def _merge_rare(found: Floats, counts: npt.NDArray[np.int64], at_least: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Give the counts of values seen fewer than ``at_least`` times to the nearest value seen often enough."""
    kept = (counts >= at_least) | (np.abs(found) >= APART)
    if not kept.any():
        return np.array([np.median(np.repeat(found, counts))]), np.array([counts.sum()])
    near = np.abs(found[:, None] - found[kept][None, :]).argmin(axis=1)
    return found[kept], np.bincount(near, weights=counts, minlength=int(kept.sum())).astype(np.int64)


def _pieces(
    present: Floats, found: Floats, counts: npt.NDArray[np.int64], at_least: int, pieces: int
) -> tuple[Floats, Floats, Floats]:
    """Return (low, high, share) of atoms and of straight pieces between them, in order of value."""
    atoms = found[(counts >= max(at_least, 0.005 * len(present))) | (np.abs(found) >= APART)]
    below, above = np.searchsorted(present, atoms, "left"), np.searchsorted(present, atoms, "right")
    low, high, rows = [atoms], [atoms], [(above - below).astype(float)]
    for start, end in zip(np.r_[0, above], np.r_[below, len(present)], strict=True):
        if end > start:
            shares, knots = _quantiles(present[start:end], at_least, pieces)
            low.append(knots[:-1])
            high.append(knots[1:])
            rows.append(np.diff(shares) * (end - start))
    order = np.lexsort((np.concatenate(high), np.concatenate(low)))
    share = np.concatenate(rows)[order]
    return np.concatenate(low)[order], np.concatenate(high)[order], share / share.sum()


def _quantiles(between: Floats, at_least: int, pieces: int) -> tuple[Floats, Floats]:
    """Return shares from 0 to 1 and the quantiles there, closer together in the tails; ``at_least`` rows or more apart.

    A quarter of the rows is enough where there are few: otherwise a table of ten rows would lose its spread.
    """
    ends = max(1, min(at_least, len(between) // 4))
    shares = np.unique(np.r_[np.linspace(0, 1, pieces // 2), ndtr(np.linspace(-4, 4, pieces // 2))])
    step = max(1, -(-len(shares) * ends // len(between)))
    shares = np.r_[shares[:-1:step], 1.0]
    knots = np.quantile(between, shares, axis=0)
    return shares, np.clip(knots, between[:ends].mean(), between[-ends:].mean())
