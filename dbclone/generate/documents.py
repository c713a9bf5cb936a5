"""Documents of learned structure: JSON, XML, hstore.

A pool of documents is made once per column and seed, and rows pick from it: documents are made one at a time in Python,
50 µs each, which would be a minute for a million rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow as pa

from dbclone.generate import arrays
from dbclone.generate.arrays import Name
from dbclone.generate.personal import personal_values
from dbclone.generate.streams import Integers, Streams
from dbclone.generate.text import WORDS
from dbclone.model.rules import JsonNode, JsonRule, PersonalKind, PersonalRule
from dbclone.model.structures import Quantiles

_POOL = 1024


def json_values(rule: JsonRule, *, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return documents as compact text for the rows at ``index``, in the form that the rule says."""
    if rule.unique:
        return arrays.with_nulls(_numbered_values(rule, index, streams, name), index, rule.null_share, streams, name)
    pool = _pool(rule.root, rule.form, streams, name)
    if rule.max_length is not None:
        pool = tuple(document for document in pool if len(document) <= rule.max_length) or (_EMPTY[rule.form],)
    values = arrays.take(pool, arrays.pick(index, arrays.stream_key(streams, *name), len(pool)))
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def _documents(root: JsonNode, streams: Streams, name: Name) -> list[Any]:
    random, personal = streams.generator(*name, "documents"), _Personal(streams=streams, name=name)
    return [_document(root, random, personal.of(number)) for number in range(_POOL)] if root.kinds else []


@lru_cache(maxsize=64)
def _pool(root: JsonNode, form: str, streams: Streams, name: Name) -> tuple[str, ...]:
    return tuple(_WRITERS[form](document) for document in _documents(root, streams, name)) or (_EMPTY[form],)


@lru_cache(maxsize=64)
def _marked_pool(root: JsonNode, form: str, streams: Streams, name: Name) -> tuple[tuple[str, str, str], ...]:
    found = _documents(root, streams, name) or [{}]
    return tuple(_WRITERS[form](_marked(document)).partition(_MARK) for document in found)


def _numbered_values(rule: JsonRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return documents that all differ: the first number or text of each has the row's number in it."""
    parts = [(before, after) for before, _, after in _marked_pool(rule.root, rule.form, streams, name)]
    if rule.max_length is not None:
        room = rule.max_length - len(str(int(index.max(initial=0)) + 1))
        parts = [(before, after) for before, after in parts if len(before) + len(after) <= room] or [("", "")]
    chosen = arrays.pick(index, arrays.stream_key(streams, *name), len(parts))
    before, after = ([part[side] for part in parts] for side in (0, 1))
    return arrays.join(arrays.take(before, chosen), pa.array(index + 1).cast(pa.string()), arrays.take(after, chosen))


_MARK = "1000000000000000000000000000001"
"""Stands for the row's number while a document is written: no number or text of a document has it."""


def _marked(document: Any) -> Any:
    """Return a document with the mark in it: as a number, or at the end of a text.

    ``{"a": true, "b": "x"}`` → ``{"a": true, "b": "x 1000…"}``; a member more if it has neither number nor text.
    """
    if isinstance(document, dict):
        plain = [name for name, value in document.items() if _is_plain(value)]
        name = plain[0] if plain else "number"
        return {**document, name: _marked(document.get(name))}
    if isinstance(document, list):
        return [*document, int(_MARK)]
    return f"{document} {_MARK}" if isinstance(document, str) else int(_MARK)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


PersonalText = Callable[[PersonalKind], str]


@dataclass(frozen=True, kw_only=True)
class _Personal:
    """The personal values in the documents of one column: those in one document are of the same person."""

    streams: Streams
    name: Name
    made: dict[PersonalKind, list[str]] = field(default_factory=dict)

    def of(self, number: int) -> PersonalText:
        """Return the function that makes the values of one document."""

        def text(what: PersonalKind) -> str:
            if what not in self.made:
                rule = PersonalRule(column="", what=what, locale="en_US", unique=False)
                index = np.arange(_POOL, dtype=np.int64)
                found = personal_values(rule, index=index, streams=self.streams, name=(*self.name, what))
                self.made[what] = found.to_pylist()
            return self.made[what][number]

        return text


# ---- How documents are written --------------------------------------------------------------------------------------

_EMPTY = {"json": "{}", "xml": "<document/>", "hstore": ""}


def _json(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


def _hstore(document: Any) -> str:
    """Return ``"a"=>"1","b"=>NULL``."""
    return ",".join(f"{_quoted(key)}=>{'NULL' if value is None else _quoted(value)}" for key, value in document.items())


def _quoted(value: Any) -> str:
    return '"' + _text(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _xml(document: Any) -> str:
    for name, content in document.items():
        return _element(name, content)
    return _EMPTY["xml"]


def _element(name: str, content: Any) -> str:
    """Return an element; see :class:`~dbclone.model.rules.JsonRule` for how it is kept."""
    if isinstance(content, list):
        return "".join(_element(name, item) for item in content)
    members = content if isinstance(content, dict) else {"#": content}
    attributes, inside = "", ""
    for key, value in members.items():
        if key.startswith("@xmlns"):
            declared, _, namespace = key[1:].partition("=")
            attributes += f" {declared}={quoteattr(namespace)}"
        elif key.startswith("@"):
            attributes += f" {key[1:]}={quoteattr(_text(value))}"
        elif key == "#":
            inside += escape(_text(value))
        else:
            inside += _element(key, value)
    return f"<{name}{attributes}>{inside}</{name}>" if inside else f"<{name}{attributes}/>"


_WRITERS: Mapping[str, Callable[[Any], str]] = {"json": _json, "xml": _xml, "hstore": _hstore}


# ---- Documents ------------------------------------------------------------------------------------------------------


def _document(node: JsonNode, random: np.random.Generator, personal: PersonalText) -> Any:
    """Return one value for a node, of one of its kinds."""
    kind = _choice(node.kinds, random)
    if kind == "object":
        return {m.name: _document(m.node, random, personal) for m in node.members if random.random() < m.share}
    if kind == "array":
        element = node.element
        count = _length(node.lengths, random) if element is not None else 0
        return [_document(element, random, personal) for _ in range(count) if element is not None]
    if kind == "string":
        if node.personal is not None:
            return personal(node.personal)
        return _choice(node.labels, random) if node.labels else _words(_length(node.characters, random), random)
    if kind == "integer":
        return round(_quantile(node.numbers, random))
    if kind == "number":
        return round(_quantile(node.numbers, random), node.decimals)
    return bool(random.random() < node.true_share) if kind == "boolean" else None


def _choice(shares: tuple[tuple[str, float], ...], random: np.random.Generator) -> str:
    total = np.cumsum([share for _, share in shares])
    return shares[min(int(np.searchsorted(total, random.random() * total[-1], side="right")), len(shares) - 1)][0]


def _quantile(quantiles: Quantiles, random: np.random.Generator) -> float:
    if not quantiles:
        return 0.0
    return float(np.interp(random.random(), np.linspace(0.0, 1.0, len(quantiles)), quantiles))


def _length(lengths: Quantiles, random: np.random.Generator) -> int:
    return max(round(_quantile(lengths, random)), 0)


def _words(length: int, random: np.random.Generator) -> str:
    """Return common words, cut to ``length`` characters."""
    text = " ".join(WORDS[number] for number in random.integers(0, len(WORDS), length // 4 + 1))
    return text[:length].rstrip()
