"""Texts that match a regular expression, as a CHECK may demand.

Covers what databases' and Python's expressions have in common; whoever uses a text judges it by the condition anyway.
"""

from __future__ import annotations

import importlib
import re
import sys
from functools import lru_cache
from typing import Any

import numpy as np

_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

_MOST_REPEATS = 8
"""``+``, ``*`` and ``{n,}`` repeat at most so often more than they have to."""
_PRINTABLE = "abcdefghijklmnopqrstuvwxyz"
_CATEGORIES = {
    "CATEGORY_DIGIT": "0123456789",
    "CATEGORY_WORD": "abcdefghijklmnopqrstuvwxyz0123456789_",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": _PRINTABLE,
    "CATEGORY_NOT_WORD": "-. ",
    "CATEGORY_NOT_SPACE": _PRINTABLE,
}
_POSIX = {
    "[:digit:]": "0-9",
    "[:alpha:]": "a-zA-Z",
    "[:alnum:]": "a-zA-Z0-9",
    "[:upper:]": "A-Z",
    "[:lower:]": "a-z",
    "[:space:]": r"\s",
    "[:punct:]": r".,;:!?\-",
    "[:xdigit:]": "0-9a-f",
    "[:word:]": r"\w",
}


def matching(pattern: str, count: int, random: np.random.Generator) -> list[str]:
    """Return ``count`` random texts that match; none for an expression that cannot be read."""
    tree = _parsed(pattern)
    return [] if tree is None else [_text(tree, random) for _ in range(count)]


@lru_cache(maxsize=64)
def _parsed(pattern: str) -> Any:
    for name, characters in _POSIX.items():
        pattern = pattern.replace(name, characters)
    pattern = re.sub(r"\\[mM<>yY]", "", pattern)  # PostgreSQL's beginnings and ends of words
    try:
        return _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        return None


def _text(tree: Any, random: np.random.Generator) -> str:
    return "".join(_part(str(kind), argument, random) for kind, argument in tree)


def _part(kind: str, argument: Any, random: np.random.Generator) -> str:
    """Return a text for one node of the parsed expression; assertions and back-references add none."""
    if kind == "LITERAL":
        return chr(argument)
    if kind in ("ANY", "NOT_LITERAL"):
        allowed = [c for c in _PRINTABLE if kind == "ANY" or ord(c) != argument]
        return str(random.choice(allowed))
    if kind == "IN":
        return str(random.choice(_members(argument)))
    if kind == "BRANCH":
        return _text(argument[1][random.integers(len(argument[1]))], random)
    if kind == "SUBPATTERN":
        return _text(argument[-1], random)
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, inner = int(argument[0]), int(argument[1]), argument[2]
        times = random.integers(low, min(high, low + _MOST_REPEATS) + 1)
        return "".join(_text(inner, random) for _ in range(times))
    return ""


def _members(items: Any) -> list[str]:
    """Return the characters of a class such as ``[a-z_]``; of a negated one, common characters that are not in it."""
    found: list[str] = []
    negated = False
    for kind, argument in items:
        if str(kind) == "NEGATE":
            negated = True
        elif str(kind) == "LITERAL":
            found.append(chr(argument))
        elif str(kind) == "RANGE":
            found += [chr(code) for code in range(argument[0], min(argument[1], argument[0] + 255) + 1)]
        elif str(kind) == "CATEGORY":
            found += _CATEGORIES[str(argument)]
    if not negated:
        return found
    return [c for c in _PRINTABLE + "0123456789" if c not in found] or ["~"]


def shapes(pattern: str, most: int) -> list[tuple[str, ...]]:
    """Return the shapes of the texts that match: per position, the characters that may stand there.

    None for an expression that cannot be read, or has more than ``most`` shapes. ``a[bc]?`` → ``a``, ``a`` ``bc``.
    """
    tree = _parsed(pattern)
    found = _shapes(tree, most) if tree is not None else None
    return found if found and all(found) else []


def _shapes(tree: Any, most: int) -> list[tuple[str, ...]] | None:
    found: list[tuple[str, ...]] = [()]
    for kind, argument in tree:
        parts = _node_shapes(str(kind), argument, most)
        if parts is None or len(found) * len(parts) > most:
            return None
        found = [head + tail for head in found for tail in parts]
    return list(dict.fromkeys(found))


def _node_shapes(kind: str, argument: Any, most: int) -> list[tuple[str, ...]] | None:
    if kind == "LITERAL":
        return [(chr(argument),)]
    if kind == "IN":
        return [("".join(dict.fromkeys(_members(argument))),)]
    if kind == "ANY":
        return [(_PRINTABLE,)]
    if kind == "AT":
        return [()]
    if kind == "SUBPATTERN":
        return _shapes(argument[-1], most)
    if kind == "BRANCH":
        branches = [_shapes(branch, most) for branch in argument[1]]
        return None if None in branches else [shape for branch in branches for shape in branch or ()]
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, inner = int(argument[0]), int(argument[1]), _shapes(argument[2], most)
        high = min(high, low + _MOST_REPEATS)
        if inner is None or sum(len(inner) ** times for times in range(low, high + 1)) > most:
            return None
        found: list[tuple[str, ...]] = []
        for times in range(low, high + 1):
            repeated: list[tuple[str, ...]] = [()]
            for _ in range(times):
                repeated = [head + tail for head in repeated for tail in inner]
            found += repeated
        return found
    return None
