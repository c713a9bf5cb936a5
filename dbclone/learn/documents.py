"""The structure of documents: which members, how often, of which kinds, how long. Of JSON, and of XML and hstore as
objects (see :class:`~dbclone.model.rules.JsonRule`).

A member's name is kept if at least five documents have it and it is no personal value itself; documents that use values
as names (maps) lose those members. Strings are kept only as labels that at least five documents share.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast
from xml.parsers import expat

import numpy as np

from dbclone.model.rules import JsonMember, JsonNode, PersonalKind
from dbclone.model.structures import Quantiles
from dbclone.schema.classify import CATEGORY_LENGTH, SHARED_BY, ColumnClass, ColumnFacts, classify
from dbclone.schema.model import Column
from dbclone.schema.patterns import pattern_of

SAMPLE = 2_000
MOST_MEMBERS = 60
DEEPEST = 8
_GRID = 41
_MOST_DECIMALS = 6


Item = TypeVar("Item")


def spread(items: Sequence[Item], most: int = SAMPLE) -> list[Item]:
    """Return at most so many of the items, evenly spread over them."""
    places = np.unique(np.linspace(0, max(len(items) - 1, 0), most).astype(np.int64))[: len(items)]
    return [items[place] for place in places]


def learn_documents(texts: Sequence[str]) -> JsonNode:
    """Return the structure of JSON documents; those that are no JSON are left out."""
    return _learn(texts, json.loads)


def learn_xml(texts: Sequence[str]) -> JsonNode:
    """Return the structure of XML documents; what has no single root element is left out."""
    return _learn(texts, _xml_object)


def learn_hstore(texts: Sequence[str]) -> JsonNode:
    """Return the structure of hstore values."""
    return _learn(texts, _hstore_object)


def _learn(texts: Sequence[str], read: Callable[[str], Any]) -> JsonNode:
    documents = []
    for text in spread(texts):
        try:
            documents.append(read(text))
        except (ValueError, RecursionError, expat.ExpatError):
            continue
    return _node(documents, name="", depth=0)


_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>(?:NULL|"((?:[^"\\]|\\.)*)")', re.DOTALL)


def _hstore_object(text: str) -> dict[str, Any]:
    """Return the pairs of an hstore value: ``"a"=>"1", "b"=>NULL`` → ``{"a": 1, "b": None}``."""
    found: dict[str, Any] = {}
    for match in _PAIR.finditer(text):
        key, value = (part if part is None else re.sub(r"\\(.)", r"\1", part) for part in match.groups())
        found[str(key)] = None if value is None else _scalar(value)
    return found


_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,15})")
_FRACTION = re.compile(r"-?(?:0|[1-9]\d{0,12})\.\d{1,6}")


def _scalar(text: str) -> Any:
    """Return text that is written as a number as one, other text as it is."""
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text


def _xml_object(text: str) -> dict[str, Any]:
    """Return a document: ``<a b="1"><c/>x</a>`` → ``{"a": {"@b": 1, "c": None, "#": "x"}}``.

    Names stay as they are written, prefix included. A namespace is a member by its whole declaration, since it is part
    of what the document is, not of what it says: ``@xmlns:x=http://…``. Raises ValueError for a document type, which
    might define entities.
    """
    root: dict[str, Any] = {}
    names: list[str] = []
    elements: list[dict[str, Any]] = [root]

    def start(name: str, attributes: Mapping[str, str]) -> None:
        names.append(name)
        elements.append({"#": ""})
        for key, value in attributes.items():
            is_namespace = key.partition(":")[0] == "xmlns"
            elements[-1][f"@{key}={value}" if is_namespace else f"@{key}"] = None if is_namespace else _scalar(value)

    def end(_: str) -> None:
        name, element, parent = names.pop(), elements.pop(), elements[-1]
        words = element.pop("#").strip()
        value: Any = {**element, **({"#": _scalar(words)} if words else {})} if element else _scalar(words) or None
        if name not in parent:
            parent[name] = value
        elif isinstance(parent[name], list):
            parent[name].append(value)
        else:
            parent[name] = [parent[name], value]

    def characters(data: str) -> None:
        elements[-1]["#"] += data

    def doctype(*_: object) -> None:
        raise ValueError("a document type is declared")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, doctype
    parser.Parse(text, True)
    return root


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
    found = _class_of(strings, name)
    labels = _labels(strings) if found.kind == "category" else ()
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
        personal=cast(PersonalKind, found.personal) if found.kind == "personal" else None,
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


def _class_of(strings: Sequence[str], name: str) -> ColumnClass:
    """Return what the strings at one path hold, as if they were a column."""
    counts = Counter(strings)
    shared = sum(count for count in counts.values() if count >= SHARED_BY)
    facts = ColumnFacts(
        rows=len(strings),
        nulls=0,
        distinct=len(counts),
        shared_share=shared / max(len(strings), 1),
        sample=tuple(spread(strings, 1_000)),
    )
    return classify(Column(name=name, type="text", kind="text"), facts, is_key=False)


def _labels(strings: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Return the strings that five share, with their shares."""
    common = [(text, count) for text, count in Counter(strings).most_common() if count >= SHARED_BY]
    total = sum(count for _, count in common)
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
