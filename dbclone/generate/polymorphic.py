"""Polymorphic pairs, carried out: an id that belongs to the table which another column of the row names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate import arrays
from dbclone.model.normal import ndtri
from dbclone.model.rules import PolymorphicKey, PolymorphicTarget

if TYPE_CHECKING:
    from dbclone.generate.references import References

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Referred:
    """What rows refer to: a *cell* is a row of one of the targets, those of all targets numbered one after the other.

    ``chosen`` is each row's cell (−1: none), ``low`` to before ``high`` are those of the target that its type names.
    """

    chosen: Integers
    low: Integers
    high: Integers


def referred(rule: PolymorphicKey, types: pa.Array, index: Integers, references: References) -> Referred:
    """Return, for rows whose type column has ``types``, rows of the tables that these name; none for other types."""
    labels = types.cast(types.type.value_type) if pa.types.is_dictionary(types.type) else types
    labels = labels.cast(pa.string())
    streams, name = references.shared.streams, (rule.column, *(target.table for target in rule.targets))
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "target"))
    chosen, low, high = (np.full(len(index), -1, dtype=np.int64) for _ in range(3))
    for target, first in zip(rule.targets, _firsts(rule, references), strict=True):
        mine = np.flatnonzero(pc.fill_null(pc.equal(labels, target.label), False).to_numpy(zero_copy_only=False))
        ends = np.cumsum(target_weights(target, references))
        if len(mine) and len(ends):
            place = np.searchsorted(ends, share[mine] * ends[-1], side="right")
            chosen[mine] = first + np.minimum(place, len(ends) - 1)
            low[mine], high[mine] = first, first + len(ends)
    return Referred(chosen=chosen, low=low, high=high)


def referred_values(rule: PolymorphicKey, chosen: Integers, index: Integers, references: References) -> pa.Array:
    """Return the keys of the rows that are referred to, by their cells."""
    parts: list[pa.Array] = []
    place = np.full(len(chosen), -1, dtype=np.int64)
    for target, first in zip(rule.targets, _firsts(rule, references), strict=True):
        rows = references.shared.rows.get(target.table, 0)
        mine = np.flatnonzero((chosen >= first) & (chosen < first + rows))
        place[mine] = sum(len(part) for part in parts) + np.arange(len(mine))
        parts.append(references.key(target.table, target.column, chosen[mine] - first))
    values = pa.concat_arrays([part.cast(parts[0].type) for part in parts])
    values = values.take(pa.array(np.maximum(place, 0), mask=place < 0))
    streams, name = references.shared.streams, (rule.column, *(target.table for target in rule.targets))
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def cells(rule: PolymorphicKey, references: References) -> int:
    """Return the number of cells."""
    return sum(references.shared.rows.get(target.table, 0) for target in rule.targets)


def _firsts(rule: PolymorphicKey, references: References) -> list[int]:
    """Return the first cell of each target."""
    sizes = [references.shared.rows.get(target.table, 0) for target in rule.targets]
    return [0, *np.cumsum(sizes).tolist()[:-1]]


def target_weights(target: PolymorphicTarget, references: References) -> npt.NDArray[np.float64]:
    """Return how many rows refer to each row of the target, about; at least one has some."""
    rows = references.shared.rows.get(target.table, 0)
    index = np.arange(rows, dtype=np.int64)
    key = arrays.stream_key(references.shared.streams, target.table, target.column, target.label, "fan-out")
    share = np.clip(arrays.uniform(index, key), 1e-12, 1 - 1e-12)
    weights = np.maximum(np.nan_to_num(target.fan_out.decode(ndtri(share))), 0.0)
    return weights if weights.sum() > 0 else np.ones(rows)
