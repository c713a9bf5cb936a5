"""Free text: common words, cut from one long stream of them, with the lengths that the source's text has.

The stream is built once. A row's text starts at a word drawn by the row's index and ends at the word end that is
nearest to the length drawn for it, so the length profile is kept to a few characters; short and single-word text is cut
exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate import arrays
from dbclone.generate.arrays import Floats, Name
from dbclone.generate.streams import Integers, Streams
from dbclone.model.rules import TextRule
from dbclone.model.structures import Quantiles

WORDS = tuple(
    """
    the of and to in for is on that by this with you it not or be are from at as your all have new more an was we will
    home can us about if page my has search free but our one other do no information time they site he up may what
    which their news out use any there see only so his when contact here business who web also now help get view
    online first am been would how were services some these click its like service than find price date back top
    people had list name just over state year day into two health world next used go work last most products music buy
    data make them should product system post her city add policy number such please available copyright support
    message after best software then good video well where info rights public books high school through each links she
    review years order very privacy book items company read group need many user said set under general research
    university january mail full map reviews program life know games way days management part could great united hotel
    real item international center must store travel comments made development report off member details line terms
    before hotels did send right type because local those using results office education national car design take
    posted internet address community within states area want phone shipping reserved subject between forum family
    long based code show even black check special prices website index being women much sign file link open today
    technology south case project same pages version section own found sports house related security both county
    american photo game members power while care network down computer systems three total place end following
    download him without per access think north resources current media law control water history pictures size art
    personal since including guide shop directory board location change white text small rating rate government
    children during return students shopping account times sites level digital profile previous form events love old
    main call hours image department title description insurance another why shall property class still money quality
    every listing content country private little visit save tools low reply customer compare movies include college
    value article york man card jobs provide food source author different press learn
    """.split()  # noqa: SIM905
)
"""Words that anybody uses: the beginning of a list of the commonest ones in English."""

_STREAM_WORDS = 60_000
_LONGEST = 200_000
_EXACT = 8
"""Text of at most so many characters is cut exactly: a whole word more or less would change its length too much."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Stream:
    """Words one after the other, as ASCII; where each begins, and where each ends."""

    characters: npt.NDArray[np.uint8]
    starts: Integers
    ends: Integers


@lru_cache(maxsize=2)
def _stream(separator: str) -> _Stream:
    """Return the stream of words; the same in every process."""
    order = np.random.Generator(np.random.Philox(key=1)).integers(0, len(WORDS), _STREAM_WORDS)
    words = [WORDS[number] for number in order]
    lengths = np.array([len(word) for word in words])
    starts = np.concatenate([[0], np.cumsum(lengths + len(separator))[:-1]])
    characters = np.frombuffer(separator.join(words).encode() + b"x" * 12, dtype=np.uint8)
    return _Stream(characters=characters, starts=starts, ends=starts + lengths)


def text_values(rule: TextRule, *, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return text for the rows at ``index``."""
    if not rule.characters:
        return pa.nulls(len(index), pa.string())
    values = words_of_length(rule.characters, rule.words, index, streams, name, rule.max_length)
    if rule.empty_share and not rule.unique:
        empty = arrays.uniform(index, arrays.stream_key(streams, *name, "empty")) < rule.empty_share
        values = pc.if_else(pa.array(empty), "", values)
    if rule.unique:
        values = arrays.with_tokens(values, index, streams, name, rule.max_length)
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def words_of_length(
    characters: Quantiles, words: Quantiles, index: Integers, streams: Streams, name: Name, max_length: int | None
) -> pa.Array:
    """Return text with these lengths; a row that is long among the rows by characters is so by words."""
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "length"))
    lengths = np.clip(arrays.draw(characters, share), 1, min(max_length or _LONGEST, _LONGEST))
    start = arrays.uniform(index, arrays.stream_key(streams, *name, "start"))
    if not words:
        return _cut(_stream(" "), lengths, start, max_length)
    single = arrays.draw(words, share) <= 1
    if single.all() or not single.any():
        return _cut(_stream("" if single.all() else " "), lengths, start, max_length)
    glued, spaced = np.flatnonzero(single), np.flatnonzero(~single)
    parts = [
        _cut(_stream(""), lengths[glued], start[glued], max_length),
        _cut(_stream(" "), lengths[spaced], start[spaced], max_length),
    ]
    back = np.empty(len(index), dtype=np.int64)
    back[np.concatenate([glued, spaced])] = np.arange(len(index))
    return pa.concat_arrays(parts).take(pa.array(back))


def _cut(stream: _Stream, lengths: Integers, start: Floats, max_length: int | None) -> pa.Array:
    """Return a slice of the stream per row, its first letter in upper case; ``start`` in [0, 1) says from where."""
    room = np.searchsorted(stream.starts, len(stream.characters) - 24 - lengths, side="right")
    begin = stream.starts[(start * np.maximum(room, 1)).astype(np.int64)]
    if stream.ends[0] != stream.starts[1]:
        wanted = begin + lengths
        after = np.searchsorted(stream.ends, wanted, side="left").clip(1, len(stream.ends) - 1)
        below, above = stream.ends[after - 1], stream.ends[after]
        nearest = np.where((above - wanted < wanted - below) | (below <= begin), above, below)
        if max_length is not None:
            nearest = np.where(nearest - begin > max_length, below, nearest)
        exact = (lengths <= _EXACT) | (nearest <= begin)
        lengths = np.where(exact, lengths, nearest - begin)
    cut = arrays.slices(stream.characters, begin, lengths).cast(pa.string())
    return pc.ascii_capitalize(pc.ascii_rtrim(cut, " "))
