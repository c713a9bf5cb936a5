"""Links: how a second parent is chosen, learned from moments.

In the source, child rows of one parent resemble each other. The *link score* of a parent row is its effect along the
one direction of the child's columns in which parents differ most. It is never estimated row by row (most parents of a
sample have one or two children there, whose noise would be taken for effect): its correlations with the child's
columns, with the parent's columns and with the fan-out follow from sums over rows, in which the noise averages out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dbclone.learn.closed_form import correlation_of, extend, nearest_correlation, pairwise_covariance, shrink
from dbclone.learn.stars import fit_parameter, rank_scores
from dbclone.model.parts import LinkModel, TreeModel
from dbclone.schema.model import TableKey

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAST_EFFECT = 1e-3
"""Share of variance between parents below which no association is claimed."""


def learn_link(
    *,
    child: TableKey,
    foreign_key: str,
    parent: TableKey,
    child_scores: Floats,
    position: Integers,
    parent_scores: Floats,
    counts: Floats,
    base: npt.NDArray[np.bool_],
    null_share: float,
    tree: TreeModel | None = None,
) -> LinkModel:
    """Return the link of one foreign key.

    ``child_scores`` (child rows × k) and ``position`` of each row's parent (−1: none); ``parent_scores`` (parent rows ×
    own), ``counts`` (their fan-out, NaN where not counted), ``base``: the parent rows that stand for the table.
    """
    linked = position >= 0
    z, at = np.nan_to_num(child_scores[linked]), position[linked]
    x = np.nan_to_num(parent_scores)
    counted = base & ~np.isnan(counts)
    fan_out = np.full(len(counts), np.nan)
    fan_out[counted] = rank_scores(counts[counted])
    direction, with_child = _effect(z, at)
    weights, residual = _regression(correlation_of(z), with_child)
    own = x.shape[1]
    joint = np.eye(own + 2)
    joint[: own + 1, : own + 1] = correlation_of(np.column_stack([x, fan_out])[base])
    if direction is not None:
        effect = z @ direction[0] / direction[1]
        rows = np.column_stack([x, fan_out])[at]
        scale = np.sqrt(np.clip(np.diag(pairwise_covariance(rows)), 1e-9, None))
        known = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
        centred = np.nan_to_num(rows - np.nan_to_num(rows).sum(axis=0) / known)
        with_parent = np.clip((centred / scale).T @ (effect - effect.mean()) / max(len(effect), 1), -0.95, 0.95)
        joint[own + 1, : own + 1] = joint[: own + 1, own + 1] = with_parent
    joint = nearest_correlation(joint, floor=1e-4)
    solved = np.linalg.solve(joint[:own, :own], joint[:own, own:]) if own else np.zeros((0, 2))
    rest = joint[own:, own:] - joint[own:, :own] @ solved
    return LinkModel(
        child=child,
        foreign_key=foreign_key,
        parent=parent,
        child_weights=weights,
        child_residual=residual,
        parent_weights=np.asarray(solved.T),
        parent_residual=np.asarray(np.linalg.cholesky(nearest_covariance(rest))),
        fan_out=fit_parameter(counts[counted]),
        null_share=null_share,
        tree=tree,
    )


def nearest_covariance(matrix: Floats) -> Floats:
    """Return a positive definite covariance near a symmetric one."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.clip(values, 1e-6, None)) @ vectors.T)


def _effect(z: Floats, at: Integers) -> tuple[tuple[Floats, float] | None, Floats]:
    """Return the direction in which parents differ most with its standard deviation, and its correlation with each
    column.

    The leading eigenvector of the covariance between parents, noise taken out; None when they do not differ.
    """
    k = z.shape[1]
    present, codes = np.unique(at, return_inverse=True)
    if not k or len(present) < 3 or len(present) == len(at):
        return None, np.zeros(k)
    between = shrink(extend(z, codes.astype(np.int64), len(present), pairs=False)).between
    values, vectors = np.linalg.eigh((between + between.T) / 2)
    if values[-1] < LEAST_EFFECT:
        return None, np.zeros(k)
    spread = float(np.sqrt(values[-1]))
    direction: Floats = vectors[:, -1].astype(np.float64)
    return (direction, spread), np.clip(direction * spread, -0.95, 0.95)


def _regression(correlation: Floats, target: Floats) -> tuple[Floats, float]:
    """Return the weights of a unit-variance score on columns it correlates with, and the deviation of the rest."""
    if not len(target):
        return target, 1.0
    weights: Floats = np.linalg.solve(nearest_correlation(correlation, floor=1e-3), target).astype(np.float64)
    explained = float(weights @ target)
    if explained > 0.9:
        weights, explained = weights * np.sqrt(0.9 / explained), 0.9
    return weights, float(np.sqrt(1.0 - explained))
