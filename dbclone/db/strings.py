"""The strings in a column, as salted hashes: what is compared between two databases without a value leaving either.

A hash is the first 64 bits of SHA-256 over the salt and the string, as a signed number. The salt is drawn anew for each
comparison and never stored. A database that can hash does so itself (see its dialect); for others, the values are
hashed here while they are read. Both give the same numbers: a test compares them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dbclone.model.literals import elements_of
from dbclone.schema.model import Column, TypeKind

Hashes = npt.NDArray[np.int64]

SHORTEST = 6
"""Shorter strings are anybody's: they would be found in any database."""
TRIMMED = ".,;:!?()[]{}<>\"'"
"""What stands around a word and is no part of it."""
RESERVED = r"@([a-z0-9-]+\.)*(example\.(com|org|net|edu)|test|example|invalid|localhost)$"
"""Mail domains that are nobody's (RFC 2606): what is found at them is fictional in the source, too."""
IDENTIFYING = r"@|^(?=.*[0-9]).{8,}$"
"""Words of a text that may name somebody by themselves: addresses, and long ones with a digit."""

HOLDING_TEXT: tuple[TypeKind, ...] = (
    "text", "json", "array", "hstore", "xml", "composite", "search", "network", "path", "uuid",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Strings:
    """Which strings of a column are asked for.

    ``parts``: the values alone, with the identifying words in them, or with all words and pairs of words in them. Of
    documents and arrays, the strings inside are the values. ``rarer_than`` leaves out strings that at least so many
    rows have, ``shared_by`` those that fewer have. ``salt`` is not shown.
    """

    salt: str
    parts: Literal["whole", "identifying", "words"]
    rarer_than: int | None = None
    shared_by: int | None = None

    def __repr__(self) -> str:
        return f"Strings(parts={self.parts!r}, rarer_than={self.rarer_than}, shared_by={self.shared_by})"


def hash_of(text: str, salt: str) -> int:
    """Return the hash of one string."""
    return int.from_bytes(hashlib.sha256((salt + text).encode()).digest()[:8], "big", signed=True)


def hashes_of(values: Iterable[str], column: Column, wanted: Strings) -> Hashes:
    """Return the different hashes of the strings in some values, as the database prints them; without NULL."""
    counts = Counter(text.strip(" ") for value in values for text in strings_in(value, column.kind))
    few, many = wanted.rarer_than, wanted.shared_by
    found = {
        hash_of(part, wanted.salt)
        for text, count in counts.items()
        if (few is None or count < few) and (many is None or count >= many)
        for part in parts_of(text, wanted.parts)
        if len(part) >= SHORTEST and not re.search(RESERVED, part, re.IGNORECASE)
    }
    return np.array(sorted(found), dtype=np.int64)


def strings_in(value: str, kind: TypeKind) -> Iterator[str]:
    """Yield the strings that a value holds: those in a document, with its names, the elements of an array."""
    if kind == "json":
        yield from _in_document(json.loads(value))
    elif kind == "array":
        yield from (element for element in elements_of(value)[0] if element is not None)
    else:
        yield value


def _in_document(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, list):
        for item in document:
            yield from _in_document(item)
    elif isinstance(document, dict):
        for name, item in document.items():
            yield name
            yield from _in_document(item)


def parts_of(text: str, parts: Literal["whole", "identifying", "words"]) -> Iterator[str]:
    """Yield a string and, if asked for, what is in it: identifying words, or all words and pairs of words."""
    yield text
    if parts == "whole":
        return
    words = [word.strip(TRIMMED) for word in re.split(r"[ \t\n\r\f\v]+", text)]
    if parts == "identifying":
        yield from (word for word in words if re.search(IDENTIFYING, word))
        return
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))
