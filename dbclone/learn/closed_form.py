"""HMA1's per-parent parameters as one group-by, and what makes them fit to be sampled.

For every parent row HMA1 learns a Gaussian copula of its child rows: their number, each column's mean and deviation,
and the correlations. With normal marginals all of these are sums over groups, so one pass over sorted rows gives what
SDV's loop over parents gives (``tests/unit/test_hma_equality.py``). Missing scores (NaN) are left out pair by pair.

Raw parameters of parents with few children are mostly noise: sampled as they are, they would put it into the clone a
second time. :func:`shrink` takes the noise out.
No SDV and no database here; numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dbclone.model.normal import ndtri

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

COPULAS_EPSILON = float(np.finfo(np.float32).eps)
"""copulas clips probabilities to [ε, 1 - ε]; the scores that correlations are computed of are clipped accordingly."""

PRIOR_ROWS = 3.0
"""Child rows that the pooled covariance counts for in each parent's own: as many as one needs to tell a direction."""


LEAST_RELIABILITY = 0.3
"""Scores that are more jitter than that are not corrected further: it would blow up the noise of few rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Extension:
    """Parameters of the children of ``g`` parents over ``k`` columns, ``p = k(k-1)/2`` pairs (or none, if not asked
    for).

    ``rows`` (g): children. ``mean`` and ``scale`` (g × k): NaN where no score is known; scale is the population
    deviation, NaN for a single child, as in SDV. ``seen`` (g × k): known scores. ``square`` (g × k): sums of squared
    deviations from the group's mean. ``correlation``, ``pair_seen``, ``pair_cross`` (g × p): the same for pairs, in the
    order of ``np.tril_indices(k, -1)``. ``within`` (k × k): the covariance of deviations pooled over all groups.
    """

    rows: Integers
    mean: Floats
    scale: Floats
    seen: Floats
    square: Floats
    correlation: Floats
    pair_seen: Floats
    pair_cross: Floats
    within: Floats


def extend(scores: Floats, parent: Integers, parents: int, *, pairs: bool = True) -> Extension:
    """Return the parameters of every parent's children.

    ``scores`` is rows × k, ``parent`` the parent's position of each row in [0, parents).
    """
    rows, k = scores.shape
    order = np.argsort(parent, kind="stable")
    group = parent[order]
    count = np.bincount(group, minlength=parents)
    filled = np.flatnonzero(count)
    start = np.cumsum(count[filled]) - count[filled]
    x = scores[order]
    present = ~np.isnan(x)
    known = present.astype(float)

    def sums(values: Floats) -> Floats:
        out = np.zeros((parents, values.shape[1]))
        if rows and values.shape[1]:
            out[filled] = np.add.reduceat(values, start, axis=0)
        return out

    mean, deviation, constant = _centre(x, present, group, filled, start, parents)
    seen, square = sums(known), sums(deviation**2)
    scale = np.where(constant, 0.0, np.sqrt(square / np.maximum(seen, 1.0)))
    left, right = np.tril_indices(k if pairs else 0, -1)
    clipped = _clip(deviation, scale[group])
    clipped -= (sums(clipped) / np.maximum(seen, 1.0))[group] * known
    spread = np.sqrt(sums(clipped**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = sums(clipped[:, left] * clipped[:, right]) / (spread[:, left] * spread[:, right])
    freedom = np.maximum(known.T @ known - (seen > 0).astype(float).T @ (seen > 0).astype(float), 1.0)
    return Extension(
        rows=count.astype(np.int64),
        mean=np.where(seen > 0, mean, np.nan),
        scale=np.where(seen > 1, scale, np.nan),
        seen=seen,
        square=square,
        correlation=np.where(constant[:, left] | constant[:, right], 0.0, np.clip(np.nan_to_num(r), -1.0, 1.0)),
        pair_seen=sums(known[:, left] * known[:, right]),
        pair_cross=sums(deviation[:, left] * deviation[:, right]),
        within=np.asarray(deviation.T @ deviation / freedom),
    )


def _centre(
    x: Floats, present: npt.NDArray[np.bool_], group: Integers, filled: Integers, start: Integers, parents: int
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return per-group means, rows' deviations (0 where missing), and which columns are constant in which group.

    The mean is corrected once by the mean of the deviations, which brings it within a unit in the last place of the
    exact one; a group of equal values has exactly that mean and no deviation.
    """
    k = x.shape[1]
    mean, constant = np.zeros((parents, k)), np.ones((parents, k), dtype=bool)
    deviation = np.zeros_like(x)
    for j in range(k if len(x) else 0):
        seen = np.maximum(np.add.reduceat(present[:, j].astype(float), start), 1.0)
        values = np.where(present[:, j], x[:, j], 0.0)
        low = np.minimum.reduceat(np.where(present[:, j], x[:, j], np.inf), start)
        high = np.maximum.reduceat(np.where(present[:, j], x[:, j], -np.inf), start)
        mean[filled, j] = np.add.reduceat(values, start) / seen
        first = np.where(present[:, j], values - mean[group, j], 0.0)
        mean[filled, j] += np.add.reduceat(first, start) / seen
        constant[filled, j] = low >= high
        mean[filled, j] = np.where(low == high, low, mean[filled, j])
        deviation[:, j] = np.where(present[:, j] & ~constant[group, j], values - mean[group, j], 0.0)
    return mean, deviation, constant


def _clip(deviation: Floats, scale: Floats) -> Floats:
    """Return deviations in units of the scale, clipped as copulas clips probabilities; 0 for constant columns."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.nan_to_num(deviation / scale)
    return np.clip(z, ndtri(COPULAS_EPSILON), ndtri(1 - COPULAS_EPSILON))


@dataclass(frozen=True, kw_only=True, eq=False)
class Shrunk:
    """Parameters with the sampling noise taken out.

    ``mean`` (g × k) varies between parents as much as the true means do; ``log_scale`` (g × k) and ``correlation``
    (g × p) are drawn toward the pooled ones. ``within`` (k × k) is the pooled covariance, ``between`` (k × k) that of
    the true means, and ``noise`` (k × k) what sampling added to it.
    """

    mean: Floats
    log_scale: Floats
    correlation: Floats
    within: Floats
    between: Floats
    noise: Floats


def shrink(raw: Extension, reliability: Floats | None = None) -> Shrunk:
    """Return the parameters that are sampled instead of the raw ones.

    Within: the pooled covariance counts as :data:`PRIOR_ROWS` more rows of every parent. Between: by analysis of
    variance, ``between = cov(means) - within × mean(1/n)``; means are drawn to the grand mean by the square root of
    their reliability ``between / (between + within/n)``, which keeps their variance at ``between`` (the constrained
    empirical Bayes of Ghosh, *J. Am. Stat. Assoc.* 87, 1992).

    ``reliability`` (k) is the share of each column's variance that is no error of measurement (1 if not given). Errors
    are independent from row to row, so all of them lie within groups: they are taken out there, and the rest scaled to
    unit variance (Spearman's correction for attenuation, *Am. J. Psychology* 15, 1904).
    """
    k = raw.mean.shape[1]
    known = raw.seen > 0
    own = np.maximum(raw.seen, 1.0)
    share = np.ones(k) if reliability is None else reliability
    stretch = 1.0 / np.sqrt(share)
    observed = raw.within * np.outer(stretch, stretch)
    within = observed.copy()
    np.fill_diagonal(within, np.clip(np.diag(observed) - (1.0 - share) / share, 0.05 * np.diag(observed), None))
    inverse = np.sqrt((known / own).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    noise = observed * np.outer(inverse, inverse)
    between = pairwise_covariance(raw.mean) * np.outer(stretch, stretch) - noise
    spread, pooled = np.clip(np.diag(between), 0.0, None), np.clip(np.diag(within), 1e-12, None)
    known_mean = spread / np.maximum(spread + np.clip(np.diag(observed), 1e-12, None) / own, 1e-12)
    grand = np.nan_to_num((np.nan_to_num(raw.mean)).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    variance = _with_prior(raw.square * pooled / np.clip(np.diag(raw.within), 1e-12, None), raw.seen, pooled)
    left, right = np.tril_indices(k, -1)
    if not raw.correlation.shape[1]:
        left = right = left[:0]
    cross = _with_prior(raw.pair_cross * (stretch[left] * stretch[right]), raw.pair_seen, within[left, right])
    return Shrunk(
        mean=grand + np.sqrt(known_mean) * stretch * (raw.mean - grand),
        log_scale=np.where(known, 0.5 * np.log(variance), np.nan),
        correlation=np.clip(cross / np.sqrt(variance[:, left] * variance[:, right]), -0.999, 0.999),
        within=within,
        between=between,
        noise=noise,
    )


def _with_prior(sums: Floats, seen: Floats, pooled: Floats) -> Floats:
    """Return variances or covariances of groups in which the pooled ones count as :data:`PRIOR_ROWS` rows."""
    return np.asarray((sums + PRIOR_ROWS * pooled) / (np.maximum(seen - 1.0, 0.0) + PRIOR_ROWS))


def pairwise_covariance(values: Floats) -> Floats:
    """Return the covariance of the columns, each pair over the rows in which both are known."""
    known = (~np.isnan(values)).astype(float)
    both = np.maximum(known.T @ known, 1.0)
    filled = np.nan_to_num(values)
    sums = filled.T @ known
    return np.asarray((filled.T @ filled) / both - sums * sums.T / both**2)


def correlation_of(values: Floats) -> Floats:
    """Return the correlation of the columns, each pair over the rows that know both; 0 for constant columns."""
    covariance = pairwise_covariance(values)
    known = ~np.isnan(values)
    spread = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    spread = np.where((spread < 1e-9) | (known.sum(axis=0) < 3), np.inf, spread)
    correlation: Floats = np.clip(covariance / np.outer(spread, spread), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def without_jitter(correlation: Floats, reliability: Floats) -> Floats:
    """Return the correlations that normal scores had before their atoms were spread by jitter.

    ``reliability`` (k) is each column's :attr:`~dbclone.model.marginal.Marginal.reliability`: jitter takes away that
    factor of a correlation for each side. Where both sides lose much the sine of what remains is exact for two columns
    of two even values (Sheppard, *Phil. Trans.* A 192, 1899).
    """
    share = np.clip(reliability, LEAST_RELIABILITY, 1.0)
    corrected = correlation / np.outer(share, share)
    both = np.minimum(share[:, None], 1.0) * np.ones_like(share) < 0.8
    coarse = both & both.T
    corrected = np.where(coarse, np.sin(np.clip(corrected, -np.pi / 2, np.pi / 2)), corrected)
    out: Floats = np.clip(corrected, -0.98, 0.98)
    np.fill_diagonal(out, 1.0)
    return out


def nearest_correlation(matrix: Floats, floor: float = 1e-6) -> Floats:
    """Return a positive definite correlation matrix near a symmetric one: eigenvalues clipped, diagonal restored."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if values.min(initial=1.0) >= floor:
        return np.asarray(matrix)
    fixed = (vectors * np.clip(values, floor, None)) @ vectors.T
    spread = np.sqrt(np.diag(fixed))
    return np.asarray(fixed / np.outer(spread, spread))
