"""The structure of JSON documents: which members, how often, of which kinds, how long.

A member's name is kept if at least five documents have it and it is no personal value itself; documents that use values
as names (maps) lose those members. Strings are kept only as labels that at least five documents share.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dbclone.model.rules import JsonMember, JsonNode, Quantiles
from dbclone.schema.classify import CATEGORY_COVERS, CATEGORY_LENGTH, SHARED_BY, pattern_of
from dbclone.schema.names import personal_name

SAMPLE = 2_000
MOST_MEMBERS = 60
DEEPEST = 8
_GRID = 41
_MOST_DECIMALS = 6


def learn_documents(texts: Iterable[str]) -> JsonNode:
    """Return the structure of documents given as text; those that are no JSON are left out."""
    documents = []
    for text, _ in zip(texts, range(SAMPLE), strict=False):
        try:
            documents.append(json.loads(text))
        except ValueError:
            continue
    return _node(documents, name="", depth=0)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"))
    return next((kind for of, kind in kinds if isinstance(value, of)), "object")


def _node(values: Sequence[Any], *, name: str, depth: int) -> JsonNode:
    """Return the node of the values found at one path; ``name`` is the member's, whose strings may be personal."""
    counts = Counter(_kind(value) for value in values)
    of = {kind: [value for value in values if _kind(value) == kind] for kind in counts}
    numbers = [float(value) for value in of.get("integer", []) + of.get("number", []) if abs(value) < 1e300]
    strings = of.get("string", [])
    labels = _labels(strings, name)
    elements = [item for found in of.get("array", []) for item in found][:SAMPLE]
    deeper = depth < DEEPEST
    return JsonNode(
        kinds=tuple((kind, count / len(values)) for kind, count in counts.most_common()),
        members=_members(of.get("object", []), depth) if deeper else (),
        lengths=_quantiles([len(found) for found in of.get("array", [])]),
        element=_node(elements, name=name, depth=depth + 1) if elements and deeper else None,
        numbers=_guarded(numbers),
        decimals=_decimals(of.get("number", [])),
        true_share=sum(of.get("boolean", [])) / max(counts["boolean"], 1),
        labels=labels,
        characters=() if labels else _quantiles([len(text) for text in strings]),
    )


def _members(objects: Sequence[dict[str, Any]], depth: int) -> tuple[JsonMember, ...]:
    counts = Counter(name for found in objects for name in found)
    kept = [
        name
        for name, count in counts.most_common(MOST_MEMBERS)
        if count >= SHARED_BY and pattern_of(name) is None and not name.isdigit()
    ]
    return tuple(
        JsonMember(
            name=name,
            share=counts[name] / len(objects),
            node=_node([found[name] for found in objects if name in found], name=name, depth=depth + 1),
        )
        for name in kept
    )


def _labels(strings: Sequence[str], name: str) -> tuple[tuple[str, float], ...]:
    """Return strings that are categories with their shares: shared by five, nearly all, short, not personal."""
    common = [(text, count) for text, count in Counter(strings).most_common() if count >= SHARED_BY]
    total = sum(count for _, count in common)
    if not total or total < CATEGORY_COVERS * len(strings) or personal_name(name) is not None:
        return ()
    if any(len(text) > CATEGORY_LENGTH or pattern_of(text) is not None for text, _ in common):
        return ()
    return tuple((text, count / total) for text, count in common)


def _guarded(numbers: Sequence[float]) -> Quantiles:
    """Return quantiles whose ends are means of the five most extreme numbers, so that none can be read off."""
    if not numbers:
        return ()
    ordered = np.sort(np.array(numbers))
    ends = min(SHARED_BY, len(ordered))
    inner = np.clip(np.quantile(ordered, np.linspace(0.0, 1.0, _GRID)), ordered[:ends].mean(), ordered[-ends:].mean())
    return tuple(float(value) for value in inner)


def _quantiles(lengths: Sequence[int]) -> Quantiles:
    if not lengths:
        return ()
    return tuple(float(value) for value in np.quantile(np.array(lengths), np.linspace(0.0, 1.0, _GRID)))


def _decimals(numbers: Sequence[float]) -> int:
    """Return the digits after the point that the numbers use."""
    used = (len(repr(value).partition(".")[2]) for value in numbers[:200] if "e" not in repr(value))
    return min(max(used, default=0), _MOST_DECIMALS)
