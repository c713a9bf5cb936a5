"""Distances between distributions, and measures of association: from columns of any kind to numbers in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.schema.model import TypeKind

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CATEGORIES = ("text", "enum", "boolean")


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """A column as floats: numbers, days, microseconds, or codes of categories. NULL is NaN."""

    values: Floats
    is_category: bool

    @cached_property
    def known(self) -> Floats:
        """The values that are not NULL."""
        return self.values[~np.isnan(self.values)]

    def some(self, rows: Integers) -> Series:
        """Return the values at these rows."""
        return Series(values=self.values[rows], is_category=self.is_category)


def series_pair(kind: TypeKind, one: pa.ChunkedArray, two: pa.ChunkedArray) -> tuple[Series, Series]:
    """Return a column of two sets of rows as floats; equal categories have equal codes."""
    flat = [_flat(one), _flat(two)]
    if kind in CATEGORIES:
        texts = [values.cast(pa.string()) for values in flat]
        labels = pa.concat_arrays(texts).unique()
        found = [_floats(pc.index_in(values, value_set=labels.drop_null())) for values in texts]
    else:
        found = [_numbers(kind, values) for values in flat]
    is_category = kind in CATEGORIES
    return Series(values=found[0], is_category=is_category), Series(values=found[1], is_category=is_category)


def _flat(values: pa.ChunkedArray) -> pa.Array:
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(flat, pa.ChunkedArray):
        flat = flat.chunk(0) if flat.num_chunks else pa.array([], flat.type)
    return flat.cast(flat.type.value_type) if pa.types.is_dictionary(flat.type) else flat


def _numbers(kind: TypeKind, values: pa.Array) -> Floats:
    if kind == "date" and not pa.types.is_string(values.type):
        return _floats(values.cast(pa.int32()))
    if kind == "interval":
        parts = [item if item is None else item.months * 30 + item.days + item.nanoseconds / 864e11
                 for item in values.to_pylist()]  # fmt: skip
        return np.array([np.nan if part is None else part for part in parts], dtype=np.float64)
    if kind in ("time", "timestamp", "timestamptz"):
        return _floats(values.cast(pa.int64()))
    return _floats(values)


def _floats(values: pa.Array) -> Floats:
    out: Floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    return out


def ks_distance(one: Floats, two: Floats) -> float:
    """Return the largest difference of the two distribution functions; NULL stands below all numbers."""
    if not len(one) or not len(two):
        return float(len(one) != len(two))
    low, high = (np.sort(np.where(np.isnan(values), -np.inf, values)) for values in (one, two))
    points = np.concatenate([low, high])
    shares = [np.searchsorted(values, points, side="right") / len(values) for values in (low, high)]
    return float(np.abs(shares[0] - shares[1]).max())


def total_variation(one: Floats, two: Floats) -> float:
    """Return half the sum of differences of all categories' shares; NULL is a category of its own."""
    if not len(one) or not len(two):
        return float(len(one) != len(two))
    codes = np.unique(np.nan_to_num(np.concatenate([one, two]), nan=-1.0), return_inverse=True)[1]
    size = int(codes.max()) + 1
    shares = [np.bincount(part, minlength=size) / len(part) for part in (codes[: len(one)], codes[len(one) :])]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def association(one: Series, two: Series) -> float:
    """Return how strongly two columns go together over the rows that know both: 0 not at all, 1 wholly.

    Numbers by the absolute rank correlation (Spearman), a category and a number by the correlation ratio of its ranks,
    two categories by Cramér's V; the last two without what chance alone makes of many categories (Bergsma, *J. Korean
    Stat. Soc.* 42, 2013).
    """
    known = ~np.isnan(one.values) & ~np.isnan(two.values)
    x, y = one.values[known], two.values[known]
    if len(x) < 3:
        return 0.0
    if one.is_category and two.is_category:
        return _cramer(x, y)
    if one.is_category or two.is_category:
        category, number = (x, y) if one.is_category else (y, x)
        return _ratio(category, number)
    a, b = ranks(x), ranks(y)
    spread = float(a.std() * b.std())
    return abs(float(((a - a.mean()) * (b - b.mean())).mean())) / spread if spread > 0 else 0.0


def association_matrix(columns: Sequence[Series]) -> Floats:
    """Return the association of every pair of columns; 1 on the diagonal."""
    out = np.eye(len(columns))
    for n, one in enumerate(columns):
        for m in range(n):
            out[n, m] = out[m, n] = association(one, columns[m])
    return out


def ranks(values: Floats) -> Floats:
    """Return ranks from 0, equal values their mean."""
    _, code, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[code].astype(np.float64)


def _cramer(x: Floats, y: Floats) -> float:
    left, right = (np.unique(values, return_inverse=True)[1] for values in (x, y))
    r, c, n = int(left.max()) + 1, int(right.max()) + 1, len(x)
    if min(r, c) < 2 or r * c > 4_000_000:
        return 0.0
    seen = np.bincount(left * c + right, minlength=r * c).reshape(r, c) / n
    expected = np.outer(seen.sum(axis=1), seen.sum(axis=0))
    phi = float(((seen - expected) ** 2 / expected).sum())
    phi = max(0.0, phi - (r - 1) * (c - 1) / (n - 1))
    width = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(min(np.sqrt(phi / width), 1.0)) if width > 0 else 0.0


def _ratio(category: Floats, number: Floats) -> float:
    y = ranks(number)
    _, code = np.unique(category, return_inverse=True)
    k, n = int(code.max()) + 1, len(y)
    total = float(((y - y.mean()) ** 2).sum())
    if k < 2 or n <= k or total <= 0:
        return 0.0
    means = np.bincount(code, y) / np.bincount(code)
    within = float(((y - means[code]) ** 2).sum())
    return float(np.sqrt(max(0.0, 1.0 - (within / total) * (n - 1) / (n - k))))


def intraclass_correlation(series: Series, parent: Integers) -> float:
    """Return the share of a column's variance, by rank, that lies between parents: ICC(1), by analysis of variance.

    Source: Donner, *Int. Stat. Rev.* 54, 1986. Between 0 and 1: what chance makes negative is 0.
    """
    known = (parent >= 0) & ~np.isnan(series.values)
    y = ranks(series.values[known])
    _, code, count = np.unique(parent[known], return_inverse=True, return_counts=True)
    groups, n = len(count), len(y)
    if groups < 2 or n <= groups:
        return 0.0
    means = np.bincount(code, y) / count
    between = float((count * (means - y.mean()) ** 2).sum()) / (groups - 1)
    within = float(((y - means[code]) ** 2).sum()) / (n - groups)
    size = (n - float((count.astype(float) ** 2).sum()) / n) / (groups - 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0.0, 1.0)) if total > 0 else 0.0
