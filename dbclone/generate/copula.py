"""Sampling a star: extensions of parent rows given their own scores, and children given extensions. All rows at once.

In a Gaussian copula "the children's parameters given this row's own scores" is a closed form, so a row made as a child
in one star is the parent in the next. The children of all parents are one stacked Cholesky product.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from dbclone.model.marginal import SCORE_LIMIT
from dbclone.model.parts import BranchModel, StarModel

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

RIDGE = 1e-6


class StarSampler:
    """A star, ready to be conditioned on its parent's ``own`` scores."""

    def __init__(self, star: StarModel, own: int) -> None:
        self.star = star
        self.branches = tuple(BranchSampler(branch) for branch in star.branches)
        r = star.correlation
        known, wanted = slice(0, own), slice(own, len(r))
        self._weights = np.linalg.solve(r[known, known] + RIDGE * np.eye(own), r[known, wanted])
        rest = r[wanted, wanted] - r[wanted, known] @ self._weights
        values, vectors = np.linalg.eigh((rest + rest.T) / 2)
        self._root = vectors * np.sqrt(np.clip(values, RIDGE, None))

    def extensions(self, own_scores: Floats, random: np.random.Generator) -> tuple[Floats, ...]:
        """Return, per branch, the parameters of every parent row's children (rows × parameters)."""
        noise = random.standard_normal((len(own_scores), len(self._root)))
        scores = own_scores @ self._weights + noise @ self._root.T
        out, start = [], 0
        for branch in self.branches:
            width = len(branch.model.extension)
            out.append(branch.decode(scores[:, start : start + width]))
            start += width
        return tuple(out)


class BranchSampler:
    """The children of one table within a star."""

    def __init__(self, model: BranchModel) -> None:
        self.model = model
        self.columns = len(model.calibration)

    @cached_property
    def _pooled(self) -> tuple[Floats, Floats]:
        """The pooled deviations (k) and the Cholesky factor of the pooled correlation (k × k)."""
        deviation = np.sqrt(np.clip(np.diag(self.model.pooled), 1e-12, None))
        correlation = self.model.pooled / np.outer(deviation, deviation)
        np.fill_diagonal(correlation, 1.0)
        return deviation, np.asarray(
            np.linalg.cholesky(positive_definite(correlation)) if self.columns else correlation
        )

    def decode(self, scores: Floats) -> Floats:
        """Return parameters at normal scores: number of rows, means, deviations, correlations, as far as learned."""
        k = self.columns
        out = np.column_stack([m.decode(scores[:, n]) for n, m in enumerate(self.model.extension)])
        if self.model.detail != "means":
            out[:, 1 + k : 1 + 2 * k] = np.exp(out[:, 1 + k : 1 + 2 * k])
        if self.model.detail == "correlations":
            out[:, 1 + 2 * k :] = np.tanh(out[:, 1 + 2 * k :])
        return out

    def children(self, parameters: Floats, counts: Integers, random: np.random.Generator) -> tuple[Integers, Floats]:
        """Return each child row's parent (its position in ``parameters``) and its own scores (rows × k), calibrated."""
        k = self.columns
        parent = np.repeat(np.arange(len(counts)), counts)
        noise = random.standard_normal((len(parent), k))
        deviation, pooled = self._pooled
        scale = np.broadcast_to(deviation, (len(counts), k))
        if self.model.detail != "means":
            scale = parameters[:, 1 + k : 1 + 2 * k]
        if self.model.detail == "correlations" and k > 1:
            noise = self._correlate(parameters[:, 1 + 2 * k :], parent, noise)
        elif k:
            noise = noise @ pooled.T
        scores = parameters[parent, 1 : 1 + k] + scale[parent] * noise
        for n in range(k):
            scores[:, n] = np.interp(scores[:, n], self.model.grid, self.model.calibration[n])
        return parent, np.clip(scores, -SCORE_LIMIT, SCORE_LIMIT)

    def _correlate(self, lower: Floats, parent: Integers, noise: Floats) -> Floats:
        """Return independent noise correlated by each row's parent's matrix."""
        k = self.columns
        matrices = np.tile(np.eye(k), (len(lower), 1, 1))
        left, right = np.tril_indices(k, -1)
        matrices[:, left, right] = matrices[:, right, left] = lower
        roots = stacked_cholesky(matrices, self._pooled[1])
        out = np.zeros_like(noise)
        for i in range(k):
            for j in range(i + 1):
                out[:, i] += roots[parent, i, j] * noise[:, j]
        return out


def positive_definite(matrix: Floats) -> Floats:
    """Return a correlation matrix drawn to the identity just so far that it is positive definite."""
    least = float(np.linalg.eigvalsh(matrix).min(initial=1.0))
    if least >= RIDGE:
        return matrix
    share = (RIDGE - least) / (1.0 - least + RIDGE)
    return np.asarray((1 - share) * matrix + share * np.eye(len(matrix)))


def stacked_cholesky(matrices: Floats, fallback: Floats) -> Floats:
    """Return the Cholesky factors (g × k × k) of correlation matrices.

    A matrix that is not positive definite (sampled correlations need not be) is drawn halfway to the pooled one, whose
    factor is ``fallback``; one that still is not takes the pooled one's. Column by column over the stack: repairing
    each by eigenvalues costs 40 µs a parent and would dominate.
    """
    roots, good = _cholesky(matrices)
    bad = np.flatnonzero(~good)
    if len(bad):
        again, mended = _cholesky((matrices[bad] + fallback @ fallback.T) / 2)
        again[~mended] = fallback
        roots[bad] = again
    return roots


def _cholesky(matrices: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    g, k, _ = matrices.shape
    roots, good = np.zeros_like(matrices), np.ones(g, dtype=bool)
    for j in range(k):
        pivot = matrices[:, j, j] - np.einsum("gi,gi->g", roots[:, j, :j], roots[:, j, :j])
        good &= pivot > 1e-4
        roots[:, j, j] = np.sqrt(np.maximum(pivot, 1e-4))
        for i in range(j + 1, k):
            dot = np.einsum("gi,gi->g", roots[:, i, :j], roots[:, j, :j])
            # Nothing of a matrix that is given up is carried on: its numbers would grow from column to column.
            roots[:, i, j] = np.where(good, matrices[:, i, j] - dot, 0.0) / roots[:, j, j]
    return roots, good
