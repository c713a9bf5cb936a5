"""What a column holds, decided from its declaration, its name and a sample of its values.

Fails closed: strings of the source are carried over only for a *category*, that is, a few labels, each shared by at
least five rows, together covering nearly all rows, which look personal neither by the column's name nor by their own
pattern. Patterns that have check digits are checked with them. Everything else is generated.

Pure. Leaves to :mod:`dbclone.learn.rules` what is learned of a column of each class.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dbclone.schema.model import Column, TypeKind
from dbclone.schema.names import personal_name

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
    "other",
]


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


_BY_TYPE: Mapping[TypeKind, Kind] = {
    "boolean": "boolean",
    "enum": "category",
    "uuid": "uuid",
    "json": "json",
    "binary": "binary",
    "network": "personal",
    "other": "other",
    **dict.fromkeys(
        ("array", "range", "multirange", "composite", "bits", "geometry", "xml", "hstore", "search", "path", "vector"),
        "structured",
    ),
}
_TIMES = ("date", "time", "timestamp", "timestamptz", "interval")
_SECRETS = ("password_hash", "token")
_SHARED_ANYWAY = ("city", "company", "postcode")
"""Many rows share such a value and it names no one: it may be a category when its values are few."""
_NUMBERED = ("phone", "card", "account", "national_id", "postcode")
"""Personal values that are found in columns of whole numbers, too."""


def classify(column: Column, facts: ColumnFacts, *, is_key: bool) -> ColumnClass:
    """Return what ``column`` holds. ``is_key``: its values alone must tell the rows apart, and refer to no parent."""
    by_type = _BY_TYPE.get(column.kind)
    if by_type is not None:
        address = _personal_type(column) if column.kind == "network" else None
        return ColumnClass(kind=by_type, personal=address, evidence=(f"the type is {column.type}",))
    if column.kind == "text":
        return _classify_text(column, facts)
    unique = facts.distinct == facts.present
    named = personal_name(column.name)
    if is_key and unique:
        return ColumnClass(kind="key", evidence=("a key of its own",))
    if column.kind in _TIMES:
        return ColumnClass(
            kind="time",
            personal="birth_date" if named == "birth_date" else None,
            evidence=(f"the type is {column.type}",),
        )
    if named in _NUMBERED and column.kind == "integer" and facts.distinct_share > PATTERN_SHARE:
        return ColumnClass(kind="personal", personal=named, evidence=(_named(named), "most values are different"))
    return ColumnClass(kind="number", evidence=(f"the type is {column.type}",))


def is_padded(column: Column) -> bool:
    """Whether the database fills values up with blanks that mean nothing: ``char(8)``."""
    return re.fullmatch(r"(n|bp)?char(acter)?( *\(.*)?", column.type.lower()) is not None


def _classify_text(column: Column, facts: ColumnFacts) -> ColumnClass:
    if is_padded(column):
        facts = replace(facts, sample=tuple(value.rstrip(" ") for value in facts.sample))
    named = personal_name(column.name)
    if named in _SECRETS:
        return ColumnClass(kind="secret", personal=named, evidence=(_named(named),))
    found = pattern_shares(facts.sample)
    pattern, share = max(found.items(), key=lambda item: item[1], default=("", 0.0))
    evidence = f"{share:.0%} of the values look like {_a(pattern)}" if share else ""
    if share >= PATTERN_SHARE:
        kind: Kind = "uuid" if pattern == "uuid" else "secret" if pattern in _SECRETS else "personal"
        return ColumnClass(kind=kind, personal=None if kind == "uuid" else pattern, evidence=(evidence,))
    if named is not None and named not in _SHARED_ANYWAY:
        return ColumnClass(kind="personal", personal=named, evidence=(_named(named),))
    if share < TRACE_SHARE and _is_category(facts):
        return ColumnClass(
            kind="category",
            evidence=(f"{facts.shared_share:.0%} of the rows share their value with at least {SHARED_BY - 1} others",),
        )
    reasons = (f"{facts.distinct_share:.0%} of the values are different", *([evidence] if evidence else []))
    if named is not None:
        return ColumnClass(kind="personal", personal=named, evidence=(_named(named), *reasons))
    if facts.sample and all(_is_json(value) for value in facts.sample):
        return ColumnClass(kind="json", evidence=("all values are JSON documents",))
    if looks_like_codes(facts.sample):
        return ColumnClass(kind="code", evidence=(*reasons, "the values have few shapes"))
    return ColumnClass(kind="text", evidence=reasons)


def _is_category(facts: ColumnFacts) -> bool:
    if not facts.sample or facts.shared_share < CATEGORY_COVERS:
        return False
    return sum(map(len, facts.sample)) / len(facts.sample) < CATEGORY_LENGTH


def _named(what: str) -> str:
    return f"the name says {what.replace('_', ' ')}"


def _a(what: str) -> str:
    return f"{'an' if what[:1] in 'aei' else 'a'} {what.replace('_', ' ')}"


def _personal_type(column: Column) -> str | None:
    """Return what an address type is made for: addresses are personal data whatever the column is called."""
    base = column.type.split("(")[0].lower()
    return {"inet": "ip", "cidr": "ip", "macaddr": "mac", "macaddr8": "mac"}.get(base)


# ---- Patterns of values ---------------------------------------------------------------------------------------------


def luhn_valid(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1)."""
    doubled = (int(c) * 2 if place % 2 else int(c) for place, c in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def iban_valid(text: str) -> bool:
    """Whether an IBAN's remainder is right: first four characters to the end, letters as 10 … 35, 1 mod 97."""
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _is_card(value: str) -> bool:
    digits = re.sub(r"[ -]", "", value)
    return bool(re.fullmatch(r"[2-6]\d{12,18}", digits)) and luhn_valid(digits)


def _is_iban(value: str) -> bool:
    text = value.replace(" ", "").upper()
    return bool(re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", text)) and iban_valid(text)


def _is_ip(value: str) -> bool:
    if not re.fullmatch(r"[\dA-Fa-f.:]*[.:][\dA-Fa-f.:]*[.:][\dA-Fa-f.:/]+", value):
        return False
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return False
    # 12:30:00 is no address, 1.2.3.4 may be a version but is treated as an address.
    return "." in value or value.count(":") >= 3 or "::" in value


def _is_json(value: str) -> bool:
    if value[:1] not in "{[" or not value:
        return False
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _matches(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern).fullmatch
    return lambda value: found(value) is not None


_PATTERNS: Mapping[str, Callable[[str], bool]] = {
    "email": _matches(r"\s*(?:mailto:)?[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;.]{2,}\s*"),
    "password_hash": _matches(
        r"\$(?:2[abxy]?|argon2\w*|[156y]|scrypt|s0)\$.{8,}|(?:pbkdf2_|bcrypt|scrypt|md5\$|sha1\$).{16,}"
    ),
    "token": _matches(
        r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?:sk|pk|rk)_(?:live|test)_\w{8,}|gh[pousr]_\w{20,}|xox[abprs]-[\w-]{8,}"
        r"|AKIA[A-Z0-9]{12,}|-----BEGIN [A-Z ]+-----[\s\S]*"
    ),
    "uuid": _matches(r"\{?[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\}?"),
    "url": _matches(r"(?i:https?://|ftp://|www\.)\S+"),
    "iban": _is_iban,
    "card": _is_card,
    "ip": _is_ip,
    "mac": _matches(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"),
    "national_id": _matches(r"\d{3}-\d{2}-\d{4}"),
    "phone": _matches(
        r"(?:\+|00)[1-9][\d ().\-/]{6,18}\d|\(\d{1,5}\)[ \d.\-/]{5,14}\d(?: ?x\d+)?"
        r"|\d{3}[-. ]\d{3}[-. ]\d{4}(?: ?x\d+)?"
    ),
}


def pattern_shares(values: Sequence[str]) -> dict[str, float]:
    """Return the share of values that match each personal pattern, those without a match left out."""
    counts = Counter(pattern_of(value) for value in values)
    return {name: count / len(values) for name, count in counts.items() if name is not None}


def pattern_of(value: str) -> str | None:
    """Return the first personal pattern that the whole value matches, if any."""
    return next((name for name, matches in _PATTERNS.items() if matches(value)), None)


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
