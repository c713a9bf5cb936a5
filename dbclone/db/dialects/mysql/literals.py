r"""Rows as the literals of a multi-row INSERT, made by Arrow without a Python object per value.

``[1, "it's", NULL]`` → ``(1,'it\'s',NULL)``. Source of the escapes: MySQL manual, section 9.1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.db.dialects.generic.writing import in_calendar
from dbclone.model.literals import joined, text_of
from dbclone.schema.model import Column

ZERO_DATE = "0000-00-00"
_INFINITE = {"-infinity": ZERO_DATE, "infinity": "9999-12-31"}


def spelled(column: Column, values: pa.Array) -> pa.Array:
    """Return values as text that the server reads."""
    texts = text_of(values)
    if column.kind in ("date", "timestamp", "timestamptz"):
        texts = in_calendar(texts)
        for infinite, day in _INFINITE.items():
            texts = pc.if_else(pc.equal(texts, infinite), day, texts)
        # The session's time zone is UTC.
        texts = pc.replace_substring_regex(texts, r"(?:Z|\+00(?::?00)?)$", "")
    return texts


def statements(start: str, rows: pa.Table, columns: Sequence[Column], most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield INSERTs of at most about ``most_bytes`` and the number of rows in each; ``start`` ends with VALUES."""
    parts = [literal(column, values.combine_chunks()) for column, values in zip(columns, rows.columns, strict=True)]
    if parts:
        texts = pc.binary_join_element_wise("(", pc.binary_join_element_wise(*parts, ","), ")", "")
    else:
        texts = pa.array(["()"] * rows.num_rows, pa.string())
    ends = np.cumsum(np.asarray(pc.binary_length(texts)) + 1)
    begin = 0
    while begin < len(texts):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + most_bytes, side="right")))
        yield end - begin, (start + joined(texts[begin:end], ",")).encode()
        begin = end


def literal(column: Column, values: pa.Array) -> pa.Array:
    """Return values as literals, text or large text; NULL is a literal like another."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    kind = values.type
    if pa.types.is_dictionary(kind):
        # Each label is spelled once.
        return pc.fill_null(literal(column, values.dictionary).take(values.indices), "NULL")
    if pa.types.is_boolean(kind):
        return pc.fill_null(values.cast(pa.int8()).cast(pa.string()), "NULL")
    if pa.types.is_floating(kind):
        finite = pc.if_else(pc.is_finite(values), values, pa.scalar(None, kind))
        return pc.fill_null(finite.cast(pa.string()), "NULL")
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return pc.fill_null(values.cast(pa.string()), "NULL")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        texts = pc.utf8_slice_codeunits(text_of(values), 2)
        return pc.fill_null(pc.binary_join_element_wise("X'", texts, "'", ""), "NULL")
    texts = spelled(column, values)
    if column.kind == "bits":
        return pc.fill_null(pc.binary_join_element_wise("b'", texts, "'", ""), "NULL")
    for sign, instead in (("\\", "\\\\"), ("'", "\\'"), ("\0", "\\0")):
        texts = pc.replace_substring(texts, sign, instead)
    return pc.fill_null(pc.binary_join_element_wise("'", texts, "'", ""), "NULL")
