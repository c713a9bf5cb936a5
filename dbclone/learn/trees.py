"""Self-references, learned: how deep their trees are, how many children the rows of each depth have, or that they
pair.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dbclone.learn.closed_form import correlation_of
from dbclone.learn.stars import rank_scores
from dbclone.model.marginal import Marginal, fit_marginal
from dbclone.model.parts import TreeModel
from dbclone.schema.plan import Reference

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEVELS = 8
"""Depths whose fan-outs are learned on their own."""
FEWEST = 5
CIRCLING = 0.01
"""With more rows than this in circles, a self-reference makes no trees."""
PAIRED = 0.5


def learn_tree(
    reference: Reference, position: Integers, scores: Floats, counts: Floats, base: Booleans
) -> TreeModel | None:
    """Return the shape that a self-reference makes of its table's rows; None if it is neither trees nor pairs.

    ``position`` of each sampled row's parent (−1: none), ``scores`` (rows × own), ``counts`` of its children (NaN
    where not counted), ``base``: the rows that stand for the table.
    """
    key = reference.foreign_key
    image = dict(zip(key.columns, key.parent_columns, strict=True))
    if any(image[name] != name for name in reference.shared):
        return None
    rows = np.arange(len(position))
    alone = position == rows
    linked = (position >= 0) & ~alone
    paired = linked & (position[np.maximum(position, 0)] == rows)
    depth = depths(position)
    pairs = bool(linked.any()) and paired[linked].mean() >= PAIRED
    if not base.any() or (not pairs and (depth[base] < 0).mean() > CIRCLING):
        return None
    roots = base & (depth == 0)
    deep = np.where(depth[base] < 0, 0, depth[base]).astype(float)
    weights, residual = _regressed(np.nan_to_num(scores[base]), deep)
    return TreeModel(
        depth=fit_marginal(deep, at_least=1),
        depth_weights=weights,
        depth_residual=residual,
        fan_outs=_fan_outs(depth, counts, base),
        self_share=float(alone[roots].mean()) if roots.any() else 0.0,
        pairs=pairs,
    )


def depths(position: Integers) -> Integers:
    """Return the number of rows above each row; −1 for those that go in circles. Roots refer to none or themselves."""
    rows = np.arange(len(position))
    above = np.where((position < 0) | (position == rows), rows, position)
    distance = (above != rows).astype(np.int64)
    for _ in range(max(len(rows), 1).bit_length() + 1):
        distance = distance + distance[above]
        above = above[above]
    root = (position < 0) | (position == rows)
    return np.where(root[above], distance, -1) if len(rows) else distance


def _fan_outs(depth: Integers, counts: Floats, base: Booleans) -> tuple[Marginal, ...]:
    """Return the marginals of the number of children by depth; the deepest rows, few as they are, together."""
    counted = base & ~np.isnan(counts) & (depth >= 0)
    found = []
    for level in range(LEVELS):
        deeper = counts[counted & (depth > level)]
        mine = counts[counted & (depth == level)]
        if len(deeper) < FEWEST or level + 1 == LEVELS:
            found.append(fit_marginal(np.concatenate([mine, deeper]) if len(mine) + len(deeper) else np.ones(1)))
            break
        found.append(fit_marginal(mine if len(mine) else np.ones(1)))
    return tuple(found)


def _regressed(scores: Floats, depth: Floats) -> tuple[Floats, float]:
    """Return the weights of the depth's normal score on a row's own scores, and the deviation of the rest."""
    own = scores.shape[1]
    if not own or depth.min() == depth.max():
        return np.zeros(own), 1.0
    joint = correlation_of(np.column_stack([scores, rank_scores(depth)]))
    weights = np.linalg.solve(joint[:own, :own] + 1e-2 * np.eye(own), joint[:own, own])
    explained = min(float(weights @ joint[:own, own]), 0.95)
    return weights.astype(np.float64), float(np.sqrt(1.0 - max(explained, 0.0)))
