"""What people say that a column holds: the words of ``tables.<name>.columns.<name>.kind`` in ``dbclone.yaml``. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from dbclone.errors import ConfigurationError
from dbclone.schema.classify import NUMBERED, PERSONAL_KINDS, SECRET_KINDS, STRUCTURED, TIMES, ColumnClass, Kind
from dbclone.schema.model import Column, TypeKind

_TEXT: tuple[TypeKind, ...] = ("text",)
_TEXT_OR_WHOLE: tuple[TypeKind, ...] = ("text", "integer")

_SAID_OF: Mapping[str, tuple[TypeKind, ...]] = {
    "category": ("text", "enum"),
    "boolean": ("boolean",),
    "number": ("integer", "decimal", "float"),
    "time": TIMES,
    "text": _TEXT,
    "code": _TEXT,
    "uuid": ("text", "uuid"),
    "json": ("text", "json"),
    "key": ("integer", "decimal", "float", *TIMES),
    "binary": ("binary",),
    "structured": STRUCTURED,
    "secret": _TEXT_OR_WHOLE,
    "unclassified": _TEXT,
    **dict.fromkeys((*PERSONAL_KINDS, *SECRET_KINDS), _TEXT),
    **dict.fromkeys(NUMBERED, _TEXT_OR_WHOLE),
    "birth_date": ("text", "date", "timestamp", "timestamptz"),
    "coordinates": ("text", "decimal", "float"),
    "ip": ("text", "network"),
    "mac": ("text", "network"),
}
"""The words, and the kinds of types whose values each can be said of."""

_KINDS: Mapping[str, Kind] = {
    "category": "category",
    "boolean": "boolean",
    "number": "number",
    "time": "time",
    "text": "text",
    "code": "code",
    "uuid": "uuid",
    "json": "json",
    "key": "key",
    "binary": "binary",
    "structured": "structured",
    "unclassified": "unclassified",
}


def declared_class(column: Column, kind: str) -> ColumnClass:
    """Return the class of a column of which somebody said what it holds.

    Raises ConfigurationError for a word that is none, or that values of this type cannot be.
    """
    if kind not in _SAID_OF:
        raise ConfigurationError(f"{column.name}: no kind is called {kind!r}; there are {', '.join(sorted(_SAID_OF))}")
    if column.kind not in _SAID_OF[kind]:
        fitting = ", ".join(name for name, kinds in _SAID_OF.items() if column.kind in kinds)
        raise ConfigurationError(
            f"{column.name}: values of type {column.type} cannot be {kind}; "
            + (f"they can be {fitting}" if fitting else "a column of this type needs no kind: leave it out")
        )
    evidence = ("declared",)
    if kind in SECRET_KINDS or kind == "secret":
        return ColumnClass(kind="secret", personal="token" if kind == "secret" else kind, evidence=evidence)
    if kind == "birth_date" and column.kind != "text":
        return ColumnClass(kind="time", personal=kind, evidence=evidence)
    if kind == "coordinates" and column.kind != "text":
        return ColumnClass(kind="number", personal=kind, evidence=evidence)
    if kind in PERSONAL_KINDS:
        return ColumnClass(kind="personal", personal=kind, evidence=evidence)
    return ColumnClass(kind=_KINDS[kind], evidence=evidence)
