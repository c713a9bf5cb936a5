"""What foreign keys have to do with each other and with the row: NULL together, to the same parent, never twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.learn.encode import Encoded
from dbclone.learn.keyrules import group_codes
from dbclone.model.flow import TableSample
from dbclone.model.marginal import Marginal
from dbclone.model.normal import ndtr
from dbclone.model.parts import NullPattern, Twin
from dbclone.schema.model import Table
from dbclone.schema.plan import Reference, TablePlan

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAST_GAIN = 0.1
"""Share of the uncertainty about NULL or not that must go away for it to be taken for a pattern."""
MOST_PIECES = 64
PIECES = 8
FEWEST = 20
"""Rows below which no pattern is seen."""
MOST_OTHERS = 6


def null_flags(reference: Reference, rows: pa.Table) -> tuple[Booleans, Booleans]:
    """Return which rows refer to nothing by the reference's own columns, and for which rows that is known.

    Not where a column that it shares is NULL: that is another reference's doing.
    """
    own = [rows[name].is_null().to_numpy().astype(bool) for name in reference.null]
    null = np.logical_and.reduce(own) if reference.foreign_key.match_full else np.logical_or.reduce(own)
    known = np.ones(rows.num_rows, dtype=bool)
    for name in reference.shared:
        known &= rows[name].is_valid().to_numpy().astype(bool)
    return null, known


def null_share(reference: Reference, sample: TableSample) -> float:
    """Return the share of rows that refer to nothing by the reference's own columns, of those that might refer."""
    if not reference.null:
        return 0.0
    null, known = null_flags(reference, sample.rows)
    known &= sample.base
    return float(null[known].mean()) if known.any() else 0.0


def null_patterns(plan: TablePlan, encoded: Encoded, sample: TableSample) -> tuple[NullPattern, ...]:
    """Return, per foreign key whose NULLs go with something else of the row, with what most."""
    found = []
    earlier: list[tuple[str, Booleans]] = []
    for reference in plan.references:
        if reference.role == "implied" or not reference.null:
            continue
        null, known = null_flags(reference, sample.rows)
        known &= sample.base
        name = reference.foreign_key.name
        if known.sum() >= FEWEST and reference.role != "self" and 0 < null[known].mean() < 1:
            able = encoded.unfolded if reference.role == "primary" else set(encoded.names) - encoded.late
            columns = [n for n, column in enumerate(encoded.names) if column in able]
            candidates = [_with_column(name, encoded, n, null, known) for n in columns]
            if earlier and reference.role != "primary":
                candidates.append(_with_others(name, earlier[:MOST_OTHERS], null, known))
            gain, pattern = max(candidates, key=lambda item: item[0], default=(0.0, None))
            if pattern is not None and gain >= LEAST_GAIN:
                found.append(pattern)
        earlier.append((name, null))
    return tuple(found)


def _with_column(
    name: str, encoded: Encoded, number: int, null: Booleans, known: Booleans
) -> tuple[float, NullPattern]:
    edges = _edges(encoded.marginals[number])
    share = ndtr(np.nan_to_num(encoded.scores[known, number]))
    piece = np.clip(np.searchsorted(edges, share, side="right") - 1, 0, len(edges) - 2)
    gain, shares = _gain(piece, len(edges) - 1, null[known])
    shares = np.where(shares < 0, null[known].mean(), shares)
    pattern = NullPattern(foreign_key=name, column=encoded.names[number], edges=edges, others=(), shares=shares)
    return gain, pattern


def _with_others(
    name: str, others: Sequence[tuple[str, Booleans]], null: Booleans, known: Booleans
) -> tuple[float, NullPattern]:
    bits = np.zeros(int(known.sum()), dtype=np.int64)
    for place, (_, flags) in enumerate(others):
        bits |= flags[known].astype(np.int64) << place
    gain, shares = _gain(bits, 1 << len(others), null[known])
    names = tuple(other for other, _ in others)
    return gain, NullPattern(foreign_key=name, column="", edges=np.zeros(0), others=names, shares=shares)


def _edges(marginal: Marginal) -> Floats:
    """Return the shares at which a column's values are cut: each of few values, else NULL and equal parts of others."""
    if len(marginal.low) <= MOST_PIECES and (np.isnan(marginal.low) | (marginal.low == marginal.high)).all():
        return marginal.edges
    start = marginal.null_share
    wanted = start + (1.0 - start) * np.linspace(0, 1, PIECES + 1)
    near = marginal.edges[np.abs(marginal.edges[:, None] - wanted).argmin(axis=0)]
    return np.unique(np.r_[0.0, start, near, 1.0])


def _gain(piece: Integers, pieces: int, null: Booleans) -> tuple[float, Floats]:
    """Return which share of the uncertainty about ``null`` the piece takes away, and the share of NULLs in each (−1:
    none).

    What chance alone would take away is not counted.
    """
    rows = np.bincount(piece, minlength=pieces).astype(float)
    nulls = np.bincount(piece, weights=null, minlength=pieces)
    shares = np.where(rows > 0, nulls / np.maximum(rows, 1), -1.0)
    total = _entropy(np.array([null.mean()]))[0] * len(null)
    left = float((rows * _entropy(np.clip(shares, 0, 1))).sum())
    chance = 0.5 * np.count_nonzero(rows)
    return (total - left - chance) / max(total, 1e-12), shares


def _entropy(share: Floats) -> Floats:
    """Return −Σ p ln p of yes and no."""
    p = np.clip(share, 1e-12, 1 - 1e-12)
    return np.asarray(-(p * np.log(p) + (1 - p) * np.log(1 - p)))


def observed_keys(table: Table, plan: TablePlan, rows: pa.Table, same: Sequence[Twin]) -> tuple[tuple[str, ...], ...]:
    """Return columns that no two rows share although nothing forbids it: parts of wider keys, pairs of foreign keys.

    Not of foreign keys that name the same row as another (``same``): they are unique where that one is.

    Only where chance would have made rows share them, and where the sample can show it: if it is the whole table, or
    holds all rows of a parent that the columns name.
    """
    uniques = [set(key) for key in table.uniques()]
    wanted = [tuple(name for name in key if name != left_out) for key in table.uniques() if len(key) > 2
              for left_out in key]  # fmt: skip
    like_others = {twin.foreign_key for twin in same if twin.share}
    ordered = [r for r in plan.references if r.role in ("primary", "link") and not r.shared]
    ordered = [r for r in ordered if r.foreign_key.name not in like_others]
    wanted += [(*one.sets, *two.sets) for n, one in enumerate(ordered) for two in ordered[:n]]
    whole = plan.sample_rows >= plan.source_rows
    family = set(plan.primary.sets) if plan.primary is not None else None
    found: list[tuple[str, ...]] = []
    for names in dict.fromkeys(wanted):
        shown = whole or (family is not None and family <= set(names))
        if not shown or not set(names) <= set(rows.column_names) or any(key <= set(names) for key in uniques):
            continue
        codes = group_codes([rows[name] for name in names])
        codes = codes[codes >= 0]
        distinct = [max(len(rows[name].unique()), 1) for name in names]
        chance = len(codes) ** 2 / 2 / float(np.prod([float(n) for n in distinct]))
        if chance >= FEWEST and len(np.unique(codes)) == len(codes):
            found.append(names)
    return tuple(found)


def twins(
    plan: TablePlan, parents: Mapping[str, Integers], base: Booleans, parent_rows: Mapping[str, int]
) -> tuple[Twin, ...]:
    """Return, per foreign key to a parent that an earlier one refers to as well, how often both name the same row.

    ``parent_rows`` has the sampled rows of each foreign key's parent. Left out where it is as often as chance has it.
    """
    found = []
    ordered = [r for r in plan.references if r.role in ("primary", "link") and not r.shared]
    for place, reference in enumerate(ordered):
        key = reference.foreign_key
        for other in ordered[:place]:
            same = (other.foreign_key.parent, other.foreign_key.parent_columns) == (key.parent, key.parent_columns)
            mine, theirs = parents[key.name], parents[other.foreign_key.name]
            both = base & (mine >= 0) & (theirs >= 0)
            if not same or both.sum() < FEWEST:
                continue
            rows = parent_rows.get(key.name, 1)
            first, second = (np.bincount(p[both], minlength=rows) / both.sum() for p in (mine, theirs))
            share, chance = float((mine == theirs)[both].mean()), float(first @ second)
            if share == 0 or share > 2 * chance + 0.02:
                found.append(Twin(foreign_key=key.name, other=other.foreign_key.name, share=share))
                break
    return tuple(found)
