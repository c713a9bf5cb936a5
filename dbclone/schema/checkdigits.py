"""Numbers that say themselves whether they are right: cards, accounts, vehicles, and the identity numbers of countries.

Each function takes the text without blanks and separators, in upper case. Pure arithmetic; what a column is follows in
:mod:`dbclone.schema.patterns`. Sources: ISO/IEC 7812-1 (Luhn), ISO 7064 (mod 97-10, mod 11-2, mod 11,10), ISO 3779 and
49 CFR 565 (VIN), and the authority that issues each number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

_VERHOEFF_PRODUCT = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_TURN = ("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415",
                  "7046913258")  # fmt: skip
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_ODD = {**dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True)),
        **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                   (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
                   strict=True))}  # fmt: skip
_VIN_VALUES = {**{str(n): n for n in range(10)},
               **dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ",
                          (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
                          strict=True))}  # fmt: skip
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def luhn_valid(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1)."""
    doubled = (int(c) * 2 if place % 2 else int(c) for place, c in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def iban_valid(text: str) -> bool:
    """Whether an IBAN's remainder is right: first four characters to the end, letters as 10 … 35, 1 mod 97."""
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def vin_valid(text: str) -> bool:
    """Whether the ninth of a vehicle's seventeen characters is the check digit of the others (49 CFR 565.15)."""
    if not re.fullmatch(r"[A-HJ-NPR-Z0-9]{17}", text):
        return False
    total = sum(_VIN_VALUES[c] * weight for c, weight in zip(text, _VIN_WEIGHTS, strict=True))
    return text[8] == ("X" if total % 11 == 10 else str(total % 11))


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(c) * weight for c, weight in zip(digits, weights, strict=False))


def _cpf(text: str) -> bool:
    """Brazil: two check digits mod 11; eleven equal digits are none."""
    if len(set(text)) == 1:
        return False
    for length in (9, 10):
        rest = _weighted(text, range(length + 1, 1, -1)) * 10 % 11 % 10
        if rest != int(text[length]):
            return False
    return True


def _steuer_id(text: str) -> bool:
    """Germany: ISO 7064 mod 11,10; the first ten digits have one or two digits more than once."""
    product = 10
    for c in text[:10]:
        total = (int(c) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(text[10]) and text[0] != "0" and len(set(text[:10])) in (8, 9)


def _ric(text: str) -> bool:
    """China: ISO 7064 mod 11-2, with a date of birth inside."""
    total = sum((10 if c == "X" else int(c)) * (2 ** (17 - place) % 11) for place, c in enumerate(text))
    return total % 11 == 1 and _is_day(text[10:12], text[12:14])


def _is_day(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _verhoeff(text: str) -> bool:
    check = 0
    for place, c in enumerate(reversed(text)):
        check = int(_VERHOEFF_PRODUCT[check][int(_VERHOEFF_TURN[place % 8][int(c)])])
    return check == 0


def _fiscal_code(text: str) -> bool:
    total = sum(_ODD[c] for c in text[:15:2]) + sum(int(c) if c.isdigit() else ord(c) - 65 for c in text[1:15:2])
    return chr(65 + total % 26) == text[15]


def _pesel(text: str) -> bool:
    return (
        _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
        and 1 <= int(text[2:4]) % 20 <= 12
        and _is_day("01", text[4:6])
    )


NATIONAL_IDS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "DNI": (r"\d{8}[A-Z]", lambda t: _DNI[int(t[:8]) % 23] == t[8]),
    "NIE": (r"[XYZ]\d{7}[A-Z]", lambda t: _DNI[int(str("XYZ".index(t[0])) + t[1:8]) % 23] == t[8]),
    "codice fiscale": (r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", _fiscal_code),
    "NINO": (r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", lambda _: True),
    "HETU": (
        r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]",
        lambda t: _is_day(t[2:4], t[:2]) and _HETU[int(t[:6] + t[7:10]) % 31] == t[10],
    ),
    "NIR": (r"[12]\d{14}", lambda t: 97 - int(t[:13]) % 97 == int(t[13:])),
    "resident identity number": (r"[1-9]\d{16}[\dX]", _ric),
    "PAN": (r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]", lambda _: True),
    "CURP": (r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d", lambda t: _is_day(t[6:8], t[8:10])),
}
"""Identity numbers that hardly anything else looks like: their form, and their check."""

DIGIT_IDS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "CPF": (r"\d{11}", _cpf),
    "Steuer-ID": (r"\d{11}", _steuer_id),
    "PESEL": (r"\d{11}", _pesel),
    "BSN": (r"\d{9}", lambda t: _weighted(t, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and int(t) > 0),
    "personnummer": (r"(?:\d{2})?\d{10}", lambda t: luhn_valid(t[-10:]) and _is_day(t[-8:-6], t[-6:-4])),
    "rijksregisternummer": (
        r"\d{11}",
        lambda t: int(t[9:]) in (97 - int(t[:9]) % 97, 97 - int("2" + t[:9]) % 97),
    ),
    "Aadhaar": (r"[2-9]\d{11}", _verhoeff),
    "NHS number": (r"\d{10}", lambda t: _weighted(t, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0),
    "IMEI": (r"\d{15}", luhn_valid),
}
"""Identity numbers of digits only: one in ten or so of any digits pass the check, so nearly all must."""


def is_national_id(text: str) -> bool:
    """Whether text, without separators and in upper case, is an identity number that nothing else looks like."""
    return any(re.fullmatch(form, text) is not None and check(text) for form, check in NATIONAL_IDS.values())


def digit_ids(text: str) -> frozenset[str]:
    """Return the names of the identity numbers that a string of digits could be."""
    return frozenset(
        name for name, (form, check) in DIGIT_IDS.items() if re.fullmatch(form, text) is not None and check(text)
    )
