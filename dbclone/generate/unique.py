"""Uniqueness within a batch: rows that repeat a key exchange the row they refer to, or draw a value again.

Batches hold whole families (all children of a parent), so a key that names the parent cannot be repeated in another
batch. Exchanging keeps every fan-out as it is; rows exchange with rows of similar score first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ROUNDS = 60


def tuple_codes(columns: Sequence[pa.Array | pa.ChunkedArray], rows: int) -> Integers:
    """Return one code per row, equal exactly where all columns are equal; −1 where a column is NULL."""
    codes = np.zeros(rows, dtype=np.int64)
    missing = np.zeros(rows, dtype=bool)
    for column in columns:
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        missing |= index < 0
        codes = np.unique(codes * (len(encoded.dictionary) + 1) + index + 1, return_inverse=True)[1].astype(np.int64)
    return np.where(missing, -1, codes)


def repeats(codes: Integers) -> Integers:
    """Return the positions of all but the first row of each code; negative codes (NULL) repeat nothing."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    return np.asarray(order[1:][(ordered[1:] == ordered[:-1]) & (ordered[1:] >= 0)])


def exchange(fixed: Integers, chosen: Integers, parents: int, scores: Floats, random: np.random.Generator) -> Integers:
    """Return ``chosen`` (positions of linked rows, −1 for none) so that no pair (fixed, chosen) repeats.

    ``fixed`` are codes of the key's other columns, ``parents`` the number of rows that can be linked, ``scores`` say
    which rows are alike. Raises ValueError if a parent is asked for more different links than there are.
    """
    out = chosen.copy()
    order = np.argsort(scores, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))

    def pairs(left: Integers, right: Integers) -> Integers:
        return np.where((left < 0) | (right < 0), -1, left * max(parents, 1) + right)

    for number in range(ROUNDS):
        codes = pairs(fixed, out)
        mine = repeats(codes)
        if not len(mine):
            return out
        reach = min(16 << min(number, 20), len(out))
        partner = order[np.clip(place[mine] + random.integers(-reach, reach + 1, len(mine)), 0, len(order) - 1)]
        _, first = np.unique(partner, return_index=True)
        mine, partner = mine[first], partner[first]
        able = ~np.isin(partner, mine) & (out[partner] >= 0) & (fixed[partner] >= 0)
        mine, partner = mine[able], partner[able]
        new = np.concatenate([pairs(fixed[mine], out[partner]), pairs(fixed[partner], out[mine])])
        _, inverse, count = np.unique(new, return_inverse=True, return_counts=True)
        good = ~np.isin(new, codes) & (count[inverse] == 1)
        both = good[: len(mine)] & good[len(mine) :]
        mine, partner = mine[both], partner[both]
        out[mine], out[partner] = out[partner], out[mine]
    return _place_rest(fixed, out, parents, random, repeats(pairs(fixed, out)))


def _place_rest(
    fixed: Integers, chosen: Integers, parents: int, random: np.random.Generator, rest: Integers
) -> Integers:
    """Give the last repeated rows any link their family does not have yet; fan-outs move by as many."""
    out = chosen.copy()
    for family in np.unique(fixed[rest]):
        rows = rest[fixed[rest] == family]
        taken = out[np.setdiff1d(np.flatnonzero(fixed == family), rows)]
        free = np.setdiff1d(np.arange(parents), taken)
        if len(free) < len(rows):
            raise ValueError(f"a row has {len(rows) - len(free)} more children than there are rows to link them to")
        out[rows] = random.permutation(free)[: len(rows)]
    return out


def redraw(codes_of: Callable[[Integers | None], Integers]) -> bool:
    """Draw the values of repeated rows again until none repeats; return whether that succeeded.

    ``codes_of(rows)`` draws the values of these rows again (None: of no row) and returns the codes of all rows.
    """
    codes = codes_of(None)
    for _ in range(4 * ROUNDS):
        rows = repeats(codes)
        if not len(rows):
            return True
        codes = codes_of(rows)
    return not len(repeats(codes))
