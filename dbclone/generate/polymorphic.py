"""Polymorphic pairs, carried out: an id that belongs to the table which another column of the row names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

from dbclone.generate import arrays
from dbclone.model.rules import PolymorphicKey, PolymorphicTarget

if TYPE_CHECKING:
    from dbclone.generate.references import References

Integers = npt.NDArray[np.int64]


def referred_values(rule: PolymorphicKey, types: pa.Array, index: Integers, references: References) -> pa.Array:
    """Return, for rows whose type column has ``types``, keys of the tables that these name; NULL for other types."""
    labels = types.cast(types.type.value_type) if pa.types.is_dictionary(types.type) else types
    labels = labels.cast(pa.string())
    streams, name = references.shared.streams, (rule.column, *(target.table for target in rule.targets))
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "target"))
    parts: list[pa.Array] = []
    place = np.full(len(index), -1, dtype=np.int64)
    for target in rule.targets:
        mine = np.flatnonzero(pc.fill_null(pc.equal(labels, target.label), False).to_numpy(zero_copy_only=False))
        ends = np.cumsum(target_weights(target, references))
        if len(mine) and len(ends):
            chosen = np.searchsorted(ends, share[mine] * ends[-1], side="right")
            place[mine] = sum(len(part) for part in parts) + np.arange(len(mine))
            parts.append(references.key(target.table, target.column, np.minimum(chosen, len(ends) - 1)))
    if not parts:
        first = rule.targets[0]
        return pa.nulls(len(index), references.key(first.table, first.column, np.zeros(0, dtype=np.int64)).type)
    plain = [part.cast(parts[0].type) for part in parts]
    values = pa.concat_arrays(plain).take(pa.array(np.maximum(place, 0), mask=place < 0))
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def target_weights(target: PolymorphicTarget, references: References) -> npt.NDArray[np.float64]:
    """Return how many rows refer to each row of the target, about; at least one has some."""
    rows = references.shared.rows.get(target.table, 0)
    index = np.arange(rows, dtype=np.int64)
    key = arrays.stream_key(references.shared.streams, target.table, target.column, target.label, "fan-out")
    share = np.clip(arrays.uniform(index, key), 1e-12, 1 - 1e-12)
    weights = np.maximum(np.nan_to_num(target.fan_out.decode(ndtri(share))), 0.0)
    return weights if weights.sum() > 0 else np.ones(rows)
