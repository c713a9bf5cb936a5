"""Unfolding: from the scores that were learned to ordinary ones, and to the values of columns that follow from others.

See :mod:`dbclone.model.folds`. What is computed here is exact: a country is its city's, an order is closed after it was
placed. Ordinary scores are what everything else of a row reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from dbclone.model.folds import Fold
from dbclone.model.grids import grid_unit
from dbclone.model.marginal import APART, SCORE_LIMIT
from dbclone.model.normal import ndtri
from dbclone.model.parts import TableModel
from dbclone.model.rules import Learned
from dbclone.schema.model import Table

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Axes = Mapping[str, Floats]
"""Values of columns that follow from others, on their axes (NaN is NULL)."""

OfParent = Callable[[str], Floats]
"""The values of a column of each row's primary parent."""


def evenly_spread(scores: Floats, random: np.random.Generator) -> Floats:
    """Return scores of the same order in each column, spread as evenly as a standard normal distribution has them.

    Systematic sampling: of a hundred rows, fifty are of a kind that half of all rows are of, not forty-three. The start
    is random, so that a single row may be anything.
    """
    rows, columns = scores.shape
    out = np.empty_like(scores)
    for n in range(columns):
        share = (np.arange(rows) + random.random()) / max(rows, 1)
        out[np.argsort(scores[:, n], kind="stable"), n] = ndtri(np.clip(share, 1e-9, 1 - 1e-9))
    return np.clip(out, -SCORE_LIMIT, SCORE_LIMIT)


def unfold(
    model: TableModel, described: Table, scores: Floats, random: np.random.Generator, of_parent: OfParent | None
) -> tuple[Floats, Axes]:
    """Return ordinary scores for folded ones, and the values of all columns that follow from others.

    Without ``of_parent`` the rows have no parent: a column anchored there is drawn on its own.
    """
    rules = {rule.column: rule for rule in model.rules if isinstance(rule, Learned)}
    out, axes = scores.copy(), dict[str, Floats]()

    def value(name: str) -> Floats:
        return axis_value(model, described, out, axes, name)

    def given(fold: Fold) -> Floats:
        if not fold.given:
            return np.zeros(len(out))
        if not fold.given_key:
            return value(fold.given)
        return np.full(len(out), np.inf) if of_parent is None else of_parent(fold.given)

    for fold in (fold for fold in model.folds if not fold.late):
        place = model.scores.index(fold.column)
        marginal = rules[fold.column].marginal
        anchor = None
        if fold.anchor:
            if fold.foreign_key and of_parent is None:
                alone = marginal.decode(out[:, place])
                axes[fold.column] = on_grid(alone, grid_unit(rules[fold.column], described.column(fold.column)))
                continue
            anchor = of_parent(fold.anchor) if fold.foreign_key and of_parent is not None else value(fold.anchor)
        piece = fold.piece(given(fold))
        values = fold.decode(out[:, place], piece, anchor)
        if anchor is not None:
            values = np.where(np.isnan(anchor), marginal.decode(out[:, place]), values)
        axes[fold.column] = values
        out[:, place] = marginal.encode(values, random.random(len(out)))
    return np.where(np.isnan(out), scores, out), axes


def axis_value(model: TableModel, described: Table, scores: Floats, axes: Axes, name: str) -> Floats:
    """Return the values of a learned column on its axis and grid: those in ``axes``, or what the scores say."""
    if name in axes:
        return axes[name]
    product = next((product for product in model.products if product.column == name), None)
    rule = next(rule for rule in model.rules if isinstance(rule, Learned) and rule.column == name)
    if product is None:
        values = rule.marginal.decode(scores[:, model.scores.index(name)])
    else:
        one, two = (axis_value(model, described, scores, axes, factor) for factor in product.factors)
        values = one * two
    return on_grid(values, grid_unit(rule, described.column(name)))


def on_grid(values: Floats, unit: float) -> Floats:
    """Return values rounded to a grid; what is no number stays."""
    if not unit:
        return values
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(np.abs(values) >= APART, values, np.rint(values / unit) * unit)
