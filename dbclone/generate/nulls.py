"""Foreign keys that are NULL where something else of the row says so: an open order has no closer, a file no folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dbclone.model.marginal import SCORE_LIMIT
from dbclone.model.normal import ndtr, ndtri
from dbclone.model.parts import NullPattern

if TYPE_CHECKING:
    from dbclone.generate.drafts import Draft

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def null_draws(pattern: NullPattern, draft: Draft, random: np.random.Generator) -> Booleans:
    """Return which rows of a draft refer to nothing."""
    if pattern.others:
        bits = np.zeros(len(draft.scores), dtype=np.int64)
        for number, name in enumerate(pattern.others):
            bits |= (draft.parent(name) < 0).astype(np.int64) << number
        known = pattern.shares >= 0
        share = np.where(known, pattern.shares, pattern.shares[known].mean())[bits]
    else:
        names = draft.shared.model.table(draft.table).scores
        share = pattern.shares[_piece(pattern, ndtr(draft.scores[:, names.index(pattern.column)]))]
    drawn: Booleans = random.random(len(share)) < share
    return drawn


def _piece(pattern: NullPattern, shares: Floats) -> npt.NDArray[np.int64]:
    found = np.searchsorted(pattern.edges, shares, side="right") - 1
    return np.clip(found, 0, len(pattern.shares) - 1).astype(np.int64)


def tilted(pattern: NullPattern, scores: Floats, *, null: bool) -> Floats:
    """Return the scores of the column that the NULLs go with, for rows of which it is known whether they refer to
    nothing.

    Ranks are kept: the scores are stretched over the pieces in which such rows are found.
    """
    weights = np.diff(pattern.edges) * (pattern.shares if null else 1.0 - pattern.shares)
    if weights.sum() <= 0:
        return scores
    ends = np.r_[0.0, np.cumsum(weights) / weights.sum()]
    # Pieces without such rows are steps: the jump is over them.
    kept = np.flatnonzero(np.diff(ends) > 0)
    known, wanted = [], []
    for piece in kept:
        known += [ends[piece], ends[piece + 1]]
        wanted += [pattern.edges[piece], pattern.edges[piece + 1]]
    share = _stretched(ndtr(scores), np.array(known), np.array(wanted))
    return np.asarray(np.clip(ndtri(np.clip(share, 1e-12, 1 - 1e-12)), -SCORE_LIMIT, SCORE_LIMIT))


def _stretched(shares: Floats, known: Floats, wanted: Floats) -> Floats:
    """Map shares piece by piece from [known, known] to [wanted, wanted]; both hold pairs of ends."""
    piece = np.clip(np.searchsorted(known[::2], shares, side="right") - 1, 0, len(known) // 2 - 1)
    low, high = known[2 * piece], known[2 * piece + 1]
    inside = np.clip((shares - low) / np.maximum(high - low, 1e-300), 1e-9, 1 - 1e-9)
    return np.asarray(wanted[2 * piece] + inside * (wanted[2 * piece + 1] - wanted[2 * piece]))
