"""Fan-outs made exact: whole numbers that add up to the rows a table shall have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def fit_counts(
    wanted: npt.NDArray[np.float64],
    total: int,
    most: npt.NDArray[np.int64] | int,
    random: np.random.Generator,
    *,
    least: npt.NDArray[np.int64] | None = None,
) -> Integers:
    """Return non-negative whole counts near ``wanted`` that sum to ``total``, none above ``most`` or below ``least``.

    Parents without children are kept childless as long as the others can take the rows. Raises ValueError if ``most``
    does not allow the total. Where ``least`` asks for more than the total, its first ones are granted.
    """
    if least is not None:
        granted = np.minimum(least, np.broadcast_to(np.asarray(most, dtype=np.int64), wanted.shape))
        granted = np.where(np.cumsum(granted) <= total, granted, 0)
        rest = np.clip(np.nan_to_num(wanted) - granted, 0.0, None)
        return granted + fit_counts(rest, total - int(granted.sum()), np.asarray(most) - granted, random)
    limit = np.broadcast_to(np.asarray(most, dtype=np.int64), wanted.shape)
    if int(limit.sum()) < total:
        raise ValueError(f"{total:,} rows do not fit: at most {int(limit.sum()):,}")
    wanted = np.clip(np.nan_to_num(wanted), 0.0, None)
    sum_wanted = float(np.minimum(np.rint(wanted), limit).sum())
    scaled = _reshaped(wanted, total, sum_wanted) if sum_wanted else wanted
    base = np.floor(scaled)
    counts = np.minimum((base + (random.random(len(wanted)) < scaled - base)).astype(np.int64), limit)
    while (missing := total - int(counts.sum())) != 0:
        if missing > 0:
            able = np.flatnonzero((counts < limit) & (counts > 0))
            if not len(able):
                able = np.flatnonzero(counts < limit)
            step = 1
        else:
            able = np.flatnonzero(counts > 1)
            if not len(able):
                able = np.flatnonzero(counts > 0)
            step = -1
        some = random.permutation(able)[: abs(missing)]
        counts[some] += step
    return counts


def _reshaped(wanted: npt.NDArray[np.float64], total: int, found: float) -> npt.NDArray[np.float64]:
    """Return counts whose sum is about ``total``.

    A sum that is off by up to half comes from the tail, of which a sample sees little: counts are raised to a common
    power, which moves the tail and leaves zeros and ones. Beyond that, more or fewer rows were asked for: all are
    scaled.
    """
    factor = total / found
    if abs(factor - 1.0) < 0.01:
        return wanted
    if not 2 / 3 < factor < 3 / 2 or wanted.max() <= 1:
        return wanted * factor
    low, high = 0.5, 1.5
    for _ in range(40):
        power = (low + high) / 2
        low, high = (power, high) if float((wanted**power).sum()) < total else (low, power)
    return np.asarray(wanted**power)
