"""What a column holds, decided from its declaration, its name and a sample of its values.

Fails closed: strings of the source are carried over only for a *category*, that is, a few labels, each shared by at
least five rows, together covering nearly all rows, which look personal neither by the column's name nor by their own
pattern. Patterns that have check digits are checked with them. Everything else is generated, and a column of which
nothing can be said is treated as a secret.

Pure. Leaves to :mod:`dbclone.learn.rules` what is learned of a column of each class.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dbclone.schema.lexicon import name_shares
from dbclone.schema.model import Column, TypeKind
from dbclone.schema.names import personal_name
from dbclone.schema.patterns import TRACES, entropy, is_json, pattern_shares

SHARED_BY = 5
"""A value is carried over only if at least so many rows have it."""
CATEGORY_COVERS = 0.9
"""The carried values of a category cover at least this share of the rows that are not NULL."""
CATEGORY_LENGTH = 100
"""Labels are shorter than this on average, in characters; longer repeated values are somebody's text."""
PATTERN_SHARE = 0.5
"""From this share of matching values on, a pattern says what the column is."""
TRACE_SHARE = 0.02
"""From this share of matching values on, a column is no category, whatever else it is."""
CODE_LENGTH = 64
CODE_SHAPES = 20

Kind = Literal[
    "number",
    "time",
    "category",
    "boolean",
    "key",
    "code",
    "text",
    "uuid",
    "json",
    "structured",
    "binary",
    "personal",
    "secret",
    "unclassified",
    "other",
]

Ending = Literal["category", "number", "time", "key", "generated", "free text", "secret", "unclassified"]
"""How a column ends: what becomes of its values. *Unclassified* is treated as secret."""

PERSONAL_KINDS = (
    "email", "phone", "first_name", "last_name", "name", "user_name", "street", "city", "region", "country", "postcode",
    "company", "iban", "account", "card", "ip", "mac", "url", "coordinates", "birth_date", "national_id",
    "licence_plate", "vin",
)  # fmt: skip
"""Personal values that are made anew as values of the same kind."""
SECRET_KINDS = ("password_hash", "token")


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """What was counted in a sample of a column.

    ``shared_share`` is the share of rows, NULLs left out, whose value at least :data:`SHARED_BY` rows have. ``sample``
    holds up to about 1,000 values as text, without NULL; it is kept out of ``repr`` so that no log can show it.
    """

    rows: int
    nulls: int
    distinct: int
    shared_share: float
    sample: tuple[str, ...] = field(default=(), repr=False)

    @property
    def present(self) -> int:
        """Rows that are not NULL."""
        return self.rows - self.nulls

    @property
    def distinct_share(self) -> float:
        """Different values per row that is not NULL; 0 when all are NULL."""
        return self.distinct / self.present if self.present else 0.0


@dataclass(frozen=True, kw_only=True)
class ColumnClass:
    """What a column was found to hold, and why, for people: ``evidence`` never shows a value.

    ``personal`` names the kind of personal value or secret (``email``, ``password_hash`` …), also for a time that is a
    birth date.
    """

    kind: Kind
    personal: str | None = None
    evidence: tuple[str, ...] = ()

    @property
    def ends_as(self) -> Ending:
        """What becomes of the values."""
        return _ENDINGS.get(self.kind, "generated")

    @property
    def called(self) -> str:
        """The word for it in ``dbclone.yaml``: the personal kind if there is one, else the kind."""
        return self.personal if self.personal and self.kind in ("personal", "secret") else self.kind


_ENDINGS: Mapping[Kind, Ending] = {
    "boolean": "category",
    "category": "category",
    "number": "number",
    "time": "time",
    "key": "key",
    "text": "free text",
    "secret": "secret",
    "unclassified": "unclassified",
    "other": "unclassified",
}

STRUCTURED: tuple[TypeKind, ...] = (
    "array", "range", "multirange", "composite", "bits", "geometry", "xml", "hstore", "search", "path", "vector",
)  # fmt: skip
"""Types whose values are made of parts."""

_BY_TYPE: Mapping[TypeKind, Kind] = {
    "boolean": "boolean",
    "enum": "category",
    "uuid": "uuid",
    "json": "json",
    "binary": "binary",
    "network": "personal",
    "other": "other",
    **dict.fromkeys(STRUCTURED, "structured"),
}
TIMES: tuple[TypeKind, ...] = ("date", "time", "timestamp", "timestamptz", "interval")
_SHARED_ANYWAY = ("city", "company", "postcode", "region", "country")
"""Many rows share such a value and it names no one: it may be a category when its values are few."""
NUMBERED = ("phone", "card", "account", "national_id", "postcode", *SECRET_KINDS)
"""Personal values and secrets that are found in columns of whole numbers, too."""
_CHECKSUM = re.compile(
    r"checksum|sha\d|md5|digest|etag|commit|fingerprint|revision|content_hash|file_hash", re.IGNORECASE
)
"""Names of columns whose random text is computed from what is not secret."""
_LONGEST_COMMENT = 120


def classify(column: Column, facts: ColumnFacts, *, is_key: bool) -> ColumnClass:
    """Return what ``column`` holds. ``is_key``: its values alone must tell the rows apart, and refer to no parent."""
    by_type = _BY_TYPE.get(column.kind)
    if by_type is not None:
        address = _personal_type(column) if column.kind == "network" else None
        return ColumnClass(kind=by_type, personal=address, evidence=(f"the type is {column.type}",))
    if column.kind == "text":
        return _classify_text(column, facts, is_key=is_key)
    if is_key and facts.distinct == facts.present:
        return ColumnClass(kind="key", evidence=("a key of its own",))
    named, evidence = _promised(column)
    typed = f"the type is {column.type}"
    if column.kind in TIMES:
        birth = named == "birth_date"
        evidence = (typed, *evidence) if birth else (typed,)
        return ColumnClass(kind="time", personal="birth_date" if birth else None, evidence=evidence)
    if column.kind == "integer":
        found = _personal_number(column, facts, named, evidence)
        if found is not None:
            return found
    place = named == "coordinates"
    return ColumnClass(
        kind="number", personal="coordinates" if place else None, evidence=(typed, *evidence) if place else (typed,)
    )


def _personal_number(
    column: Column, facts: ColumnFacts, named: str | None, evidence: tuple[str, ...]
) -> ColumnClass | None:
    """Return what whole numbers are that count nothing: telephone numbers, cards; None for any others."""
    different = "most values are different"
    if named in SECRET_KINDS and len({len(value) for value in facts.sample}) <= 2:
        return ColumnClass(kind="secret", personal=named, evidence=(*evidence, "the values have one length"))
    if named in NUMBERED and named not in SECRET_KINDS and facts.distinct_share > PATTERN_SHARE:
        return ColumnClass(kind="personal", personal=named, evidence=(*evidence, different))
    if facts.distinct_share <= PATTERN_SHARE or column.filled_by_sequence:
        return None
    found = {name: share for name, share in pattern_shares(facts.sample).items() if name in ("card", "national_id")}
    name, share = max(found.items(), key=lambda item: item[1], default=("", 0.0))
    if share < CATEGORY_COVERS:
        return None
    return ColumnClass(kind="personal", personal=name, evidence=(_look(share, name), different))


def is_padded(column: Column) -> bool:
    """Whether the database fills values up with blanks that mean nothing: ``char(8)``."""
    return re.fullmatch(r"(n|bp)?char(acter)?( *\(.*)?", column.type.lower()) is not None


def _promised(column: Column) -> tuple[str | None, tuple[str, ...]]:
    """Return what the column's name promises, or its comment if the name says nothing, and the evidence."""
    named = personal_name(column.name)
    if named is not None:
        return named, (f"the name says {_spelled(named)}",)
    if column.comment and len(column.comment) <= _LONGEST_COMMENT:
        said = personal_name(column.comment)
        if said is not None:
            return said, (f"the comment says {_spelled(said)}",)
    return None, ()


def _classify_text(column: Column, facts: ColumnFacts, *, is_key: bool) -> ColumnClass:
    if is_padded(column):
        facts = replace(facts, sample=tuple(value.rstrip(" ") for value in facts.sample))
    named, promise = _promised(column)
    if named in SECRET_KINDS:
        return ColumnClass(kind="secret", personal=named, evidence=promise)
    found = pattern_shares(facts.sample)
    pattern, share = max(found.items(), key=lambda item: item[1], default=("", 0.0))
    is_category = _is_category(facts)
    if share >= PATTERN_SHARE and pattern != "random" and not (is_category and pattern in _SHARED_ANYWAY):
        kind: Kind = "uuid" if pattern == "uuid" else "secret" if pattern in SECRET_KINDS else "personal"
        return ColumnClass(
            kind=kind, personal=None if kind == "uuid" else pattern, evidence=(_look(share, pattern), *promise)
        )
    if named is not None and named not in _SHARED_ANYWAY:
        return ColumnClass(kind="personal", personal=named, evidence=promise)
    if share >= PATTERN_SHARE and pattern == "random" and not is_key and not _CHECKSUM.search(column.name):
        bits = f"{entropy(facts.sample):.1f} bits per character"
        return ColumnClass(kind="secret", personal="token", evidence=(_look(share, "text at random"), bits))
    person, evidence = _named_people(facts, is_category)
    if person is not None and not (is_category and person in _SHARED_ANYWAY):
        return ColumnClass(kind="personal", personal=person, evidence=evidence)
    traces = {name: share for name, share in found.items() if name in TRACES}
    if is_category and max(traces.values(), default=0.0) < TRACE_SHARE:
        shared = f"{facts.shared_share:.0%} of the rows share their value with at least {SHARED_BY - 1} others"
        return ColumnClass(kind="category", evidence=(shared, *promise))
    reasons = (f"{facts.distinct_share:.0%} of the values are different", *([_look(share, pattern)] if share else []))
    if named is not None:
        return ColumnClass(kind="personal", personal=named, evidence=(*promise, *reasons))
    return _classify_unnamed(column, facts, reasons)


def _classify_unnamed(column: Column, facts: ColumnFacts, reasons: tuple[str, ...]) -> ColumnClass:
    """Return the class of text that is neither personal nor shared: documents, codes, words, or nothing known."""
    if facts.sample and all(is_json(value) for value in facts.sample):
        return ColumnClass(kind="json", evidence=("all values are JSON documents",))
    if looks_like_codes(facts.sample):
        return ColumnClass(kind="code", evidence=(*reasons, "the values have few shapes"))
    if facts.sample and sum(map(_is_prose, facts.sample)) >= PATTERN_SHARE * len(facts.sample):
        mean = sum(map(len, facts.sample)) / len(facts.sample)
        return ColumnClass(kind="text", evidence=(*reasons, f"words, {mean:.0f} characters on average"))
    limit = f" of at most {column.length} characters" if column.length else ""
    if not facts.sample:
        return ColumnClass(kind="unclassified", evidence=(f"text{limit} without a value",))
    bits = f"{entropy(facts.sample):.1f} bits per character"
    return ColumnClass(kind="unclassified", evidence=(*reasons, bits, f"text{limit} of no known kind"))


def _is_prose(value: str) -> bool:
    """Whether a value consists of words: mostly letters, none of them with a digit inside unless there are more."""
    dense = value.replace(" ", "")
    letters = sum(c.isalpha() for c in dense)
    return (
        bool(dense) and letters >= 0.6 * len(dense) and (" " in value.strip() or letters == len(dense) or "-" in dense)
    )


def _is_category(facts: ColumnFacts) -> bool:
    if not facts.sample or facts.shared_share < CATEGORY_COVERS:
        return False
    return sum(map(len, facts.sample)) / len(facts.sample) < CATEGORY_LENGTH


_FEWEST_NAMES = {"name": 3, "user_name": 5, "first_name": 8, "last_name": 10, "city": 3}
"""Fewer different values may be names by chance: colours are last names, months first names."""


def _named_people(facts: ColumnFacts, is_category: bool) -> tuple[str | None, tuple[str, ...]]:
    """Return what the values are of people or places whose heading says nothing, and the evidence."""
    distinct = sorted(set(facts.sample))
    found = name_shares(distinct)
    single = 0.8 if is_category else 0.6
    wanted = {"name": PATTERN_SHARE, "user_name": PATTERN_SHARE, "city": 0.6, "first_name": single, "last_name": single}
    fitting = {
        what: share
        for what, share in found.items()
        if share >= wanted[what] and share * len(distinct) >= _FEWEST_NAMES[what]
    }
    if not fitting:
        return None, ()
    what = max(fitting, key=lambda name: (fitting[name], list(wanted).index(name) * -1))
    return what, (_look(fitting[what], what),)


def _spelled(what: str) -> str:
    return what.replace("_", " ")


def _look(share: float, what: str) -> str:
    return f"{share:.0%} of the values look like {_a(what)}"


def _a(what: str) -> str:
    if what.startswith("text"):
        return what
    return f"{'an' if what[:1] in 'aei' else 'a'} {_spelled(what)}"


def _personal_type(column: Column) -> str | None:
    """Return what an address type is made for: addresses are personal data whatever the column is called."""
    base = column.type.split("(")[0].lower()
    return {"inet": "ip", "cidr": "ip", "macaddr": "mac", "macaddr8": "mac"}.get(base)


# ---- Codes ----------------------------------------------------------------------------------------------------------

SHAPE_LEVELS = (("9", "A", "a"), ("x", "A", "x"), ("X", "X", "a"), ("w", "w", "w"))
"""How fine a shape tells characters apart: the symbols for a digit, an upper-case letter, any other letter."""


def shape(value: str, level: int) -> str:
    """Return ``value`` with each letter or digit replaced by the symbol of its class; other characters stay.

    ``KX-20b`` → ``AA-99a`` at level 0, ``ww-www`` at level 3. Symbols of different classes never stand for the same
    character, so values of different shapes differ.
    """
    digit, upper, lower = SHAPE_LEVELS[level]
    return "".join(digit if c.isdigit() else upper if c.isupper() else lower if c.isalpha() else c for c in value)


def shape_level(values: Iterable[str], covers: float = CATEGORY_COVERS) -> int | None:
    """Return the finest level at which few shapes cover this share of the values; None if there is no such level."""
    distinct = list(values)
    for level in range(len(SHAPE_LEVELS)):
        common = Counter(shape(value, level) for value in distinct).most_common(CODE_SHAPES)
        seen = [count for _, count in common if count >= min(SHARED_BY, len(distinct) / 2)]
        if distinct and sum(seen) >= covers * len(distinct):
            return level
    return None


def looks_like_codes(values: Sequence[str]) -> bool:
    """Whether values are short, without spaces, of few shapes, and not words: with digits, or all in capitals."""
    distinct = {value for value in values if value}
    if not distinct or max(map(len, distinct)) > CODE_LENGTH:
        return False
    spaced = sum(any(c.isspace() for c in value) for value in distinct)
    marked = sum(any(c.isdigit() for c in value) or value.isupper() for value in distinct)
    if spaced > TRACE_SHARE * len(distinct) or marked < CATEGORY_COVERS * len(distinct):
        return False
    return shape_level(distinct) is not None
