"""Stars: from what HMA1 learned of one parent and its children to a model that can be sampled and joined to others.

Stars are joined by *latents*: a table that is a child in one star and the parent in another hands up the number of its
children and the leading principal components of their parameters, as further scores of its own. They are learned,
sampled and conditioned on like columns, so what a household is like reaches its baskets' lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dbclone.learn.closed_form import LEAST_RELIABILITY, Shrunk, correlation_of, nearest_correlation, shrink
from dbclone.learn.hma import LearnedStar
from dbclone.model.marginal import SCORE_LIMIT, Marginal, fit_marginal
from dbclone.model.normal import ndtr, ndtri
from dbclone.model.parts import BranchModel
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Detail

Floats = npt.NDArray[np.float64]

GRID = np.linspace(-SCORE_LIMIT, SCORE_LIMIT, 193)
SIMULATED_PARENTS = 3_000
MOST_CORRECTION = 2.0
"""Attenuation is corrected at most twofold: beyond that the reliability itself is a guess."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredBranch:
    """A branch whose parameters are scored: ``scores`` (parents × parameters, NaN where not known)."""

    child: TableKey
    detail: Detail
    columns: int
    marginals: tuple[Marginal, ...]
    scores: Floats
    correction: Floats
    shrunk: Shrunk
    pooled: Floats
    most_rows: int
    null_share: float


def effective_detail(planned: Detail, rows_per_parent: float) -> Detail:
    """Return the detail that so many children per parent can teach; the plan's at most.

    Fewer than two tell no deviation, fewer than five no correlation: the pooled ones are the better estimate then.
    """
    if planned == "means" or rows_per_parent < 2:
        return "means"
    return "scales" if planned == "scales" or rows_per_parent < 5 else "correlations"


def score_branch(
    learned: LearnedStar,
    number: int,
    *,
    child: TableKey,
    detail: Detail,
    counts: Floats,
    null_share: float,
    jitter: np.random.Generator,
    reliability: Floats | None = None,
) -> ScoredBranch:
    """Return the branch with its parameters as normal scores.

    ``counts`` (parents) is NaN where not counted; ``reliability`` (columns) as in :func:`shrink`.
    """
    raw = learned.extensions[number]
    k = raw.mean.shape[1]
    filled = raw.rows > 0
    detail = effective_detail(detail, float(raw.rows[filled].mean()) if filled.any() else 0.0)
    shrunk = shrink(raw, reliability)
    parts = [counts[:, None], shrunk.mean]
    if detail != "means":
        parts.append(shrunk.log_scale)
    if detail == "correlations":
        parts.append(np.arctanh(np.where(filled[:, None], shrunk.correlation, np.nan)))
    values = np.concatenate(parts, axis=1)
    marginals = tuple(fit_parameter(values[:, n]) for n in range(values.shape[1]))
    scores = np.column_stack([m.encode(values[:, n], jitter.random(len(values))) for n, m in enumerate(marginals)])
    correction = np.ones(values.shape[1])
    spread, noise = np.clip(np.diag(shrunk.between), 0, None), np.diag(shrunk.noise)
    # A column that nothing is known of has neither spread nor noise: there is nothing to give back then.
    attenuation = np.sqrt((spread + noise) / np.maximum(spread, 1e-12))
    correction[1 : 1 + k] = np.clip(attenuation, 1.0, MOST_CORRECTION)
    most = counts[~np.isnan(counts)].max(initial=0.0)
    return ScoredBranch(
        child=child,
        detail=detail,
        columns=k,
        marginals=marginals,
        scores=scores,
        correction=correction,
        shrunk=shrunk,
        pooled=shrunk.within,
        most_rows=int(most),
        null_share=null_share,
    )


def fit_parameter(values: Floats) -> Marginal:
    """Return the marginal of a parameter over the parents it is known for; a constant 0 if for none."""
    known = values[~np.isnan(values)]
    return fit_marginal(known if len(known) else np.zeros(1), pieces=100)


def latent_scores(branches: Sequence[ScoredBranch], latents: int) -> tuple[Floats, Floats]:
    """Return the latents (parents × at most ``latents``) of a parent's children: counts, then principal components.

    NaN for parents whose children were not sampled. Each latent is a normal score by rank. The second value is each
    latent's reliability: the share of its variance that is not the sampling noise of children's means.
    """
    counts = [branch.scores[:, 0] for branch in branches][:latents]
    rest = np.concatenate([branch.scores[:, 1:] for branch in branches], axis=1)
    known = ~np.isnan(rest).all(axis=1)
    room = min(latents - len(counts), rest.shape[1])
    columns, reliability = list(counts), [1.0] * len(counts)
    noise = np.concatenate([1.0 - 1.0 / branch.correction[1:] ** 2 for branch in branches])
    if room > 0 and known.sum() > room:
        filled = np.nan_to_num(rest[known])
        centred = filled - filled.mean(axis=0)
        left, size, right = np.linalg.svd(centred, full_matrices=False)
        for n in range(min(room, len(size))):
            if size[n] > 1e-6 * max(size[0], 1e-12):
                column = np.full(len(rest), np.nan)
                column[known] = left[:, n]
                columns.append(column)
                erroneous = float(right[n] ** 2 @ (noise * centred.var(axis=0))) * len(centred) / size[n] ** 2
                reliability.append(max(1.0 - erroneous, 1.0 / MOST_CORRECTION**2))
    return np.column_stack([rank_scores(column) for column in columns]), np.array(reliability)


def rank_scores(values: Floats) -> Floats:
    """Return normal scores by rank, ties in order of appearance; NaN stays NaN."""
    known = np.flatnonzero(~np.isnan(values))
    out = np.full(len(values), np.nan)
    out[known[np.argsort(values[known], kind="stable")]] = ndtri((np.arange(len(known)) + 0.5) / max(len(known), 1))
    return out


def star_correlation(
    own: Floats, latents: Floats, branches: Sequence[ScoredBranch], reliability: Floats | None = None
) -> Floats:
    """Return the correlation of the parent's own scores, its latents and all branches' parameters.

    Pairs are taken over the parents that know both. What sampling noise took from correlations with children's means is
    given back, except to latents, which hold the same noise; means among each other correlate as the true means do.
    ``reliability`` is that of the own scores (1 if not given), whose jitter takes from correlations with the others.
    """
    correlation = correlation_of(np.concatenate([own, latents, *(branch.scores for branch in branches)], axis=1))
    at = own.shape[1] + latents.shape[1]
    share = np.ones(own.shape[1]) if reliability is None else np.clip(reliability, LEAST_RELIABILITY, 1.0)
    latent = slice(own.shape[1], at)
    correction = np.concatenate([1.0 / share, np.ones(latents.shape[1]), *(b.correction for b in branches)])
    factor = np.outer(correction, correction)
    factor[latent, at:] = factor[at:, latent] = 1.0
    # Given their own scores, jitter and all, rows are not more alike than they are: only the others are without it.
    factor[: own.shape[1], : own.shape[1]] = 1.0
    diagonal = np.eye(len(correction), dtype=bool)
    correlation = np.where(diagonal, 1.0, np.clip(correlation * factor, -0.98, 0.98))
    for branch in branches:
        means = slice(at + 1, at + 1 + branch.columns)
        spread = np.sqrt(np.clip(np.diag(branch.shrunk.between), 1e-12, None))
        true = np.clip(branch.shrunk.between / np.outer(spread, spread), -0.98, 0.98)
        known = np.diag(branch.shrunk.between) > 1e-9
        block = np.where(np.outer(known, known), true, 0.0)
        np.fill_diagonal(block, 1.0)
        correlation[means, means] = block
        at += branch.scores.shape[1]
    return nearest_correlation(correlation)


def branch_model(branch: ScoredBranch, start: int, correlation: Floats, random: np.random.Generator) -> BranchModel:
    """Return the branch as it is sampled, calibrated by simulating parents of the star.

    ``start`` is the position of the branch's first parameter in ``correlation``.
    """
    k = branch.columns
    width = len(branch.marginals)
    block = correlation[start : start + width, start : start + width]
    root = np.linalg.cholesky(nearest_correlation(block))
    drawn = random.standard_normal((SIMULATED_PARENTS, width)) @ root.T
    count = np.maximum(np.nan_to_num(branch.marginals[0].decode(drawn[:, 0])), 0.0)
    calibration = np.tile(GRID, (k, 1))
    deviation = np.sqrt(np.clip(np.diag(branch.pooled), 1e-12, None))
    for n in range(k):
        mean = branch.marginals[1 + n].decode(drawn[:, 1 + n])
        scale = np.full(SIMULATED_PARENTS, deviation[n])
        if branch.detail != "means":
            scale = np.exp(branch.marginals[1 + k + n].decode(drawn[:, 1 + k + n]))
        if count.sum():
            shares = ndtr((GRID[:, None] - mean) / np.maximum(scale, 1e-6)) @ count / count.sum()
            calibration[n] = np.clip(ndtri(np.clip(shares, 1e-12, 1 - 1e-12)), -SCORE_LIMIT, SCORE_LIMIT)
    return BranchModel(
        child=branch.child,
        detail=branch.detail,
        extension=branch.marginals,
        pooled=branch.pooled,
        grid=GRID,
        calibration=calibration,
        most_rows=branch.most_rows,
        null_share=branch.null_share,
    )
