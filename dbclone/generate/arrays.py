"""Small vector operations that all generated values are built from: draws by row index, and Arrow arrays of text.

Every draw here is a hash of the row's index under a key, so a value does not depend on how rows are cut into blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.errors import PlanError
from dbclone.generate.streams import Integers, Streams, hashes
from dbclone.model.structures import Quantiles

Floats = npt.NDArray[np.float64]
Name = tuple[str, ...]
"""Names a column's streams and, in messages, the column: table key, then column name."""

INTEGER_LIMITS = {1: 2**7 - 1, 2: 2**15 - 1, 3: 2**23 - 1, 4: 2**31 - 1, 8: 2**63 - 1}


def stream_key(streams: Streams, *name: str) -> bytes:
    """Return the key under which :func:`uniform` and :func:`pick` draw the stream of this name."""
    return streams.permutation(1, *name).key


def uniform(index: Integers, key: bytes) -> Floats:
    """Return a number in [0, 1) per row."""
    return (hashes(index, key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def pick(index: Integers, key: bytes, size: int) -> Integers:
    """Return a number in [0, size) per row, each as likely as the others; ``size`` at most 2**53."""
    return (uniform(index, key) * size).astype(np.int64)


def draw(quantiles: Quantiles, share: Floats) -> Integers:
    """Return the whole numbers that a quantile function has at these shares."""
    grid = np.linspace(0.0, 1.0, len(quantiles))
    return np.rint(np.interp(share, grid, quantiles)).astype(np.int64)


def with_nulls(values: pa.Array, index: Integers, null_share: float, streams: Streams, name: Name) -> pa.Array:
    """Return ``values`` with NULL in a random ``null_share`` of the rows."""
    if null_share <= 0:
        return values
    null = uniform(index, stream_key(streams, *name, "null")) < null_share
    return pc.if_else(pa.array(null), pa.scalar(None, values.type), values)


def decimals(units: Integers, null: npt.NDArray[np.bool_] | None, precision: int, scale: int) -> pa.Array:
    """Return ``units · 10**-scale`` as decimal128.

    Built from its two 64-bit words, since Arrow's cast from integer multiplies each value: 20 times slower.
    """
    words = np.empty((len(units), 2), dtype=np.int64)
    words[:, 0] = units
    words[:, 1] = units >> 63
    validity = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(pa.decimal128(precision, scale), len(units), [validity, pa.py_buffer(words)])


def digits_of(numbers: Integers, count: int) -> npt.NDArray[np.uint8]:
    """Return the last ``count`` decimal digits of each number as ASCII: one row per number."""
    out = np.empty((len(numbers), count), dtype=np.uint8)
    rest = numbers
    for place in reversed(range(count)):
        rest, digit = np.divmod(rest, 10)
        out[:, place] = digit + 48
    return out


def text_from_ascii(characters: npt.NDArray[np.uint8]) -> pa.Array:
    """Return one string per row of a matrix of ASCII codes."""
    rows, width = characters.shape
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters))]
    return pa.Array.from_buffers(pa.large_string(), rows, buffers).cast(pa.string())


def text_from_codes(codes: npt.NDArray[np.uint8 | np.uint32]) -> pa.Array:
    """Return one string per row of a matrix of Unicode code points; of ASCII codes if they are bytes."""
    rows, width = codes.shape
    if not rows or not width:
        return pa.repeat(pa.scalar(""), rows)
    if codes.dtype == np.uint8:
        return text_from_ascii(codes.astype(np.uint8, copy=False))
    return pa.array(np.ascontiguousarray(codes).view(f"<U{width}").ravel(), pa.string())


def slices(corpus: npt.NDArray[np.uint8], starts: Integers, lengths: Integers) -> pa.Array:
    """Return ``corpus[start : start + length]`` per row, as binary.

    The corpus is at least 12 bytes longer than any slice reaches. Made as Arrow string views, which may overlap and
    are then copied by Arrow itself: six times faster than gathering the bytes with numpy.
    """
    views = np.zeros((len(starts), 4), dtype=np.int32)
    views[:, 0] = lengths
    windows = np.lib.stride_tricks.sliding_window_view(corpus, 12)
    long = lengths > 12
    views[:, 1] = windows[starts, :4].copy().view(np.int32)[:, 0]
    views[:, 3] = starts
    short = ~long
    inline = np.where(np.arange(12) < lengths[short][:, None], windows[starts[short]], 0).astype(np.uint8)
    views[short, 1:] = inline.view(np.int32)
    buffers = [None, pa.py_buffer(views), pa.py_buffer(corpus)]
    return pa.Array.from_buffers(pa.binary_view(), len(starts), buffers).cast(pa.binary())


_BASE36 = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", dtype=np.uint8)
_TOKEN_WIDTH = 4


def tokens(index: Integers, streams: Streams, name: Name, max_length: int | None = None) -> pa.Array:
    """Return a different short string of digits and letters per row.

    Four characters for the first 1.7 million rows, eight for those after; where fewer fit, as many as fit.
    """
    width = min(_TOKEN_WIDTH, max_length or _TOKEN_WIDTH)
    short = 36**width
    first = _base36(streams.permutation(short, *name, "token")(index % short), width)
    if not len(index) or index.max() < short:
        return first
    wide = min(2 * _TOKEN_WIDTH, max_length or 2 * _TOKEN_WIDTH)
    if wide == width or index.max() >= 36**wide:
        raise too_few(name, 36**wide, f"with at most {max_length} characters there")
    more = _base36(streams.permutation(36**wide, *name, "token")(index), wide)
    return pc.if_else(pa.array(index < short), first, more)


def _base36(numbers: Integers, width: int) -> pa.Array:
    out = np.empty((len(numbers), width), dtype=np.uint8)
    rest = numbers
    for place in reversed(range(width)):
        rest, digit = np.divmod(rest, 36)
        out[:, place] = _BASE36[digit]
    return text_from_ascii(out)


def with_tokens(values: pa.Array, index: Integers, streams: Streams, name: Name, max_length: int | None) -> pa.Array:
    """Return ``values``, cut where necessary, each made different by a token after it: ``oak`` → ``oak 7k2f``."""
    token = tokens(index, streams, name, max_length)
    if max_length is not None:
        room = max_length - 2 * _TOKEN_WIDTH - 1
        if room < 1:
            return token
        values = pc.utf8_slice_codeunits(values, 0, room)
    return pc.binary_join_element_wise(values, token, " ")


def join(*parts: pa.Array | str) -> pa.Array:
    """Return the parts joined row by row: ``join(first, ".", last)``."""
    return pc.binary_join_element_wise(*parts, "")


def truncated(values: pa.Array, max_length: int | None) -> pa.Array:
    """Return the values cut to at most ``max_length`` characters."""
    return values if max_length is None else pc.utf8_slice_codeunits(values, 0, max_length)


def too_few(name: Name, possible: int, why: str) -> PlanError:
    """Return the error for a column that cannot have so many different values."""
    where = ".".join(name)
    return PlanError(f"{where}: {why} are only {possible:,} different values; make fewer rows with --rows {name[0]}=N")


@lru_cache(maxsize=64)
def pooled(values: tuple[str, ...]) -> pa.Array:
    """Return a pool of strings as an Arrow array."""
    return pa.array(values, pa.string())


def take(pool: Sequence[str], positions: Integers) -> pa.Array:
    """Return the strings of a pool at these positions."""
    return pooled(tuple(pool)).take(pa.array(positions))
