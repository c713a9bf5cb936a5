"""What single values look like: addresses, numbers with check digits, secrets, text at random.

A value is looked at whole, alone and without its column; :mod:`dbclone.schema.classify` decides about columns. Pure.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from dbclone.schema.checkdigits import digit_ids, iban_valid, is_national_id, luhn_valid, vin_valid

FEWEST_DIGIT_IDS = 8
"""Fewer different strings of digits may pass a check digit by chance."""
RANDOM_LENGTH = 20
RANDOM_BITS = 3.0
"""Text without spaces of that length and of so many bits of entropy per character was made by a machine."""


def _matches(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern).fullmatch
    return lambda value: found(value) is not None


_CARD, _IBAN = re.compile(r"[2-6]\d{12,18}"), re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_ADDRESS = re.compile(r"[\dA-Fa-f.:]*[.:][\dA-Fa-f.:]*[.:][\dA-Fa-f.:/]+")


def _is_card(value: str) -> bool:
    digits = re.sub(r"[ -]", "", value)
    return _CARD.fullmatch(digits) is not None and luhn_valid(digits)


def _is_iban(value: str) -> bool:
    text = value.replace(" ", "").upper()
    return _IBAN.fullmatch(text) is not None and iban_valid(text)


def _is_ip(value: str) -> bool:
    if not _ADDRESS.fullmatch(value):
        return False
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return False
    # 12:30:00 is no address, 1.2.3.4 may be a version but is treated as an address.
    return "." in value or value.count(":") >= 3 or "::" in value


_SOCIAL_SECURITY = re.compile(r"\d{3}-\d{2}-\d{4}|[12] \d{2} \d{2} \d{2} \d{3} \d{3} \d{2}|\d{3}\.\d{3}\.\d{3}-\d{2}")


def _is_national_id(value: str) -> bool:
    if _SOCIAL_SECURITY.fullmatch(value):
        return True
    return len(value) <= 24 and is_national_id(re.sub(r"[ .]|(?<=\d)-(?=[A-Z]$)", "", value.upper()))


def _is_phone(value: str) -> bool:
    return _PHONE.fullmatch(value) is not None and 7 <= sum(c.isdigit() for c in value) <= 16


_PHONE = re.compile(
    r"(?:tel:)?(?:\+|00)[1-9][\d ().\-/]{6,18}\d(?: ?(?:x|ext\.?) ?\d+)?"
    r"|\(\d{1,5}\)[ \d.\-/]{5,14}\d(?: ?(?:x|ext\.?) ?\d+)?"
    r"|(?:1[-. ])?\d{3}[-. ]\d{3}[-. ]\d{4}(?: ?(?:x|ext\.?) ?\d+)?"
    r"|0\d(?:[ .]\d\d){4}|0\d{2,4}[ /]\d{3,4}(?:[ -]?\d{2,5}){1,2}"
)


def is_random(value: str) -> bool:
    """Whether text was made by a machine: long, without spaces, of many different characters in no order.

    Shannon's entropy of the characters, and how often digits, lower and upper case follow each other: numbers and words
    with a separator between them change seldom.
    """
    if len(value) < RANDOM_LENGTH or not re.fullmatch(r"[\w+/=.\-]+", value, re.ASCII):
        return False
    counts = Counter(value).values()
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
    classes = [1 if c.isdigit() else 2 if c.isupper() else 3 if c.islower() else 0 for c in value]
    changes = sum(a != b for a, b in pairwise(classes))
    return bits >= RANDOM_BITS and changes >= len(value) / 4 and value.count("-") + value.count(".") <= 2


PATTERNS: Mapping[str, Callable[[str], bool]] = {
    "email": _matches(r"\s*(?:mailto:)?[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;.]{2,}\s*"),
    "password_hash": _matches(
        r"\$(?:2[abxy]?|argon2\w*|[156y]|scrypt|s0)\$.{8,}|(?:pbkdf2_|bcrypt|scrypt|md5\$|sha1\$).{16,}"
        r"|\{(?:S?SHA|SSHA512|CRYPT|BLF-CRYPT)\}.{12,}|SCRAM-SHA-256\$.{16,}"
    ),
    "token": _matches(
        r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?:sk|pk|rk|whsec)_(?:(?:live|test)_)?\w{16,}|gh[pousr]_\w{20,}"
        r"|xox[abprs]-[\w-]{8,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|glpat-[\w-]{16,}"
        r"|(?:Bearer|Basic) [\w+/=.-]{12,}|ssh-(?:rsa|ed25519) \S+.*|otpauth://\S+|-----BEGIN [A-Z ]+-----[\s\S]*"
    ),
    "uuid": _matches(r"\{?[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\}?"),
    "url": _matches(r"(?i:https?://|ftp://|www\.)\S+"),
    "iban": _is_iban,
    "card": _is_card,
    "ip": _is_ip,
    "mac": _matches(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"),
    "national_id": _is_national_id,
    "vin": vin_valid,
    "coordinates": _matches(
        r"[-+]?\d{1,2}\.\d{3,}\s*[,; ]\s*[-+]?\d{1,3}\.\d{3,}|(?i:POINT ?Z?)\s*\([-\d. ]+\)"
        r"|\d{1,2}°.{4,14}[NS][, ]+\d{1,3}°.{4,14}[EWO]"
    ),
    "licence_plate": _matches(
        r"[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} ?\d{1,4}[EH]?|[A-Z]{2}-\d{3}-[A-Z]{2}|[A-Z]{2}\d{2} [A-Z]{3}"
        r"|\d{4} [BCDFGHJ-NPR-TV-Z]{3}"
    ),
    "phone": _is_phone,
    "street": _matches(
        r"(?i:\d{1,6}[a-z]?,? .{2,40} (?:st|street|ave|avenue|rd|road|blvd|boulevard|dr|drive|ln|lane|way|court|ct"
        r"|place|square|terrace|close|crescent|hwy)\b\.?.*"
        r"|\d{1,4}(?: ?bis)?,? (?:rue|avenue|av\.|boulevard|bd|place|chemin|quai|allée|impasse|cours|route) .+"
        r"|\D{2,40}(?:str(?:aße|asse|\.)|weg|platz|allee|gasse|straat|laan|plein|gatan|vägen|gata|vej|gade|katu|tie|ring"
        r"|damm|ufer)\.? \d{1,4} ?[a-z]?(?:[ ,].*)?"
        r"|(?:via|viale|piazza|corso|calle|c/|avda\.?|avenida|paseo|plaza|rua|travessa|praça|ul\.|al\.|ulica|ulice|utca"
        r"|rambla|carrer|largo|strada|bulevardul) .{2,50}\d{1,5}.*)"
    ),
    "company": _matches(
        r".{2,60}[ ,](?:Inc|Ltd|LLC|LLP|PLC|Corp|Corporation|GmbH|AG|KG|OHG|e\. ?K|UG|SA|SAS|SARL|S\.A|S\.L|SL|SRL"
        r"|S\.r\.l|S\.p\.A|SpA|BV|B\.V|NV|AB|Oy|Oyj|A/S|ApS|AS|Sp\. z o\.o|s\.r\.o|Lda|Ltda|Kft|Pty)\.?"
    ),
}  # fmt: skip

TRACES = frozenset(PATTERNS) - {"street", "company", "licence_plate", "vin", "coordinates"}
"""Patterns that a value hardly has by chance: a few such values among others are told by them."""


def pattern_of(value: str) -> str | None:
    """Return the first personal pattern that the whole value matches, if any."""
    return next((name for name, matches in PATTERNS.items() if matches(value)), None)


def pattern_shares(values: Sequence[str]) -> dict[str, float]:
    """Return the share of values that match each personal pattern, those without a match left out.

    Identity numbers that are all digits and text at random are looked for where nothing else is: nearly all values must
    be one and the same kind.
    """
    rows = Counter(values)
    counts: Counter[str] = Counter()
    for value, count in rows.items():
        name = pattern_of(value)
        if name is not None:
            counts[name] += count
    found = {name: count / len(values) for name, count in counts.items()}
    if sum(share for name, share in found.items() if name != "phone") < 0.5 and values:
        found |= _digit_shares(tuple(rows))
    if sum(found.values()) < 0.5 and values:
        machine_made = sum(count for value, count in rows.items() if is_random(value))
        found |= {"random": machine_made / len(values)} if machine_made else {}
    return found


def _digit_shares(distinct: Sequence[str]) -> dict[str, float]:
    plain = [re.sub(r"[ ./-]", "", value) for value in distinct]
    digits = [value for value in plain if value.isascii() and value.isdigit()]
    if len(digits) < max(FEWEST_DIGIT_IDS, 0.9 * len(plain)):
        return {}
    names = Counter(name for value in digits for name in digit_ids(value))
    return {"national_id": 1.0} if names and names.most_common(1)[0][1] >= 0.9 * len(plain) else {}


def is_json(value: str) -> bool:
    """Whether a value is a JSON object or array."""
    if value[:1] not in "{[" or not value:
        return False
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def entropy(values: Sequence[str]) -> float:
    """Return Shannon's entropy of the characters of all values together, in bits per character."""
    counts = Counter(c for value in values for c in value)
    total = sum(counts.values())
    return -sum(count / total * math.log2(count / total) for count in counts.values()) if total else 0.0
