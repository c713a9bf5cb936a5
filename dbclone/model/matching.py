"""Rows and the rows that they refer to, matched by the values of their keys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Integers = npt.NDArray[np.int64]


def parent_positions(child: pa.Table, parent: pa.Table, columns: Sequence[str], referenced: Sequence[str]) -> Integers:
    """Return, per child row, the position of the parent row with the same key; −1 where a column is NULL or none has
    it.
    """
    rows, found = child.num_rows, parent.num_rows
    codes = np.zeros(rows + found, dtype=np.int64)
    missing = np.zeros(rows, dtype=bool)
    for mine, theirs in zip(columns, referenced, strict=True):
        both = pa.chunked_array(child[mine].chunks + parent[theirs].cast(child[mine].type).chunks)
        encoded = both.combine_chunks().dictionary_encode()
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        missing |= child[mine].is_null().to_numpy(zero_copy_only=False).astype(bool)
        index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        codes = np.unique(codes * (len(encoded.dictionary) + 1) + index + 1, return_inverse=True)[1].astype(np.int64)
    position = np.full(int(codes.max(initial=0)) + 1, -1, dtype=np.int64)
    position[codes[rows:]] = np.arange(found)
    return np.where(missing, -1, position[codes[:rows]])
