"""Personal values of nobody: names from pools, addresses at reserved domains, numbers from fictional and test ranges.

A value is a function of the row's index. Columns of one table that are about a person draw the same person for the same
row, so that first name, last name, e-mail and user name agree. Names, streets, cities and companies are from pools that
Faker fills once per locale; numbers are computed digit by digit.

Where the ranges come from: domains, RFC 2606; telephone numbers 555-01xx, and area codes that begin with 0 or 1, the
North American Numbering Plan; cards 4000 00…, the test range of payment providers; addresses 198.18.0.0/15, RFC 2544,
and 10.0.0.0/8, RFC 1918; 2001:db8::/32, RFC 3849; MAC addresses with the *locally administered* bit, IEEE 802; IBANs of
a bank code that is not one (``TEST``), with valid check digits; social security numbers that begin with 9 are never
issued.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate import arrays
from dbclone.generate.arrays import Name, digits_of, join, take
from dbclone.generate.streams import Integers, Streams
from dbclone.generate.text import WORDS
from dbclone.model.places import COUNTRIES, country_of_locale
from dbclone.model.rules import PersonalKind, PersonalRule
from dbclone.schema.lexicon import plain

Bytes = npt.NDArray[np.uint8]

_POOL = 3_000
_DOMAINS = ("example.com", "example.org", "example.net")
_LONGEST_NAME, _LONGEST_LETTERS = 20, 14
"""Longer names are left out of the pools, so that names, user names and addresses have a known greatest length."""
_FULL_NAME = 2 * _LONGEST_NAME + 6
_FULL_USER = 2 * _LONGEST_LETTERS + 6
_FULL_EMAIL = _FULL_USER + 12
_FULL_NUMBER = 12


def personal_values(
    rule: PersonalRule, *, index: Integers, streams: Streams, name: Name, countries: Integers | None = None
) -> pa.Array:
    """Return text for the rows at ``index``. Raises PlanError if a unique rule has not so many different values.

    ``countries`` has, for a rule that asks for it, each row's position in :data:`COUNTRIES`; −1: by its locale.
    """
    if rule.place:
        values = _of_places(rule, index, streams, name, countries)
    elif len(rule.locales) > 1:
        values = _of_locales(rule, index, streams, name)
    else:
        values = _MAKERS[rule.what](rule, index, streams, name)
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def _locale_numbers(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> Integers:
    """Return the position in the rule's locales that each row is of: the same in all columns of a table."""
    ends = np.cumsum([share for _, share in rule.locales])
    share = arrays.uniform(index, arrays.stream_key(streams, *name[:-1], "locale")) * ends[-1]
    numbers: Integers = np.minimum(np.searchsorted(ends, share, side="right"), len(ends) - 1).astype(np.int64)
    return numbers


def _scattered(groups: Integers, make: Callable[[int, Integers], pa.Array]) -> pa.Array:
    """Return values in row order that are made group by group: ``make(group, positions)``."""
    if not len(groups):
        return pa.array([], pa.string())
    parts, places = [], []
    for group in np.unique(groups).tolist():
        places.append(np.flatnonzero(groups == group))
        parts.append(make(group, places[-1]))
    back = np.empty(len(groups), dtype=np.int64)
    back[np.concatenate(places)] = np.arange(len(groups))
    return pa.concat_arrays(parts).take(pa.array(back))


def _of_locales(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    def make(number: int, at: Integers) -> pa.Array:
        one = replace(rule, locale=rule.locales[number][0], locales=(), apart=rule.unique and number > 0)
        return _MAKERS[rule.what](one, index[at], streams, name)

    return _scattered(_locale_numbers(rule, index, streams, name), make)


def _of_places(
    rule: PersonalRule, index: Integers, streams: Streams, name: Name, countries: Integers | None
) -> pa.Array:
    """Return what the rows' places have: city, region, postcode or country."""
    if rule.locales:
        own = np.array([country_of_locale(locale) for locale, _ in rule.locales])
        numbers = own[_locale_numbers(rule, index, streams, name)]
    else:
        numbers = np.full(len(index), country_of_locale(rule.locale))
    if countries is not None:
        numbers = np.where(countries >= 0, countries, numbers)
    place_key, code_key = (arrays.stream_key(streams, *name[:-1], what) for what in ("place", "postcode"))

    def make(number: int, at: Integers) -> pa.Array:
        country = COUNTRIES[number]
        if rule.what == "country":
            called = {"AA": country.code, "AAA": country.code3}.get(rule.template, country.name)
            return pa.repeat(pa.scalar(called), len(at))
        chosen = arrays.pick(index[at], place_key, len(country.places))
        if rule.what != "postcode":
            return take([getattr(place, rule.what) for place in country.places], chosen)
        digits = arrays.pick(index[at], code_key, 10**9)
        return _scattered(chosen, lambda place, some: _postcodes(country.places[place].postcode, digits[some]))

    values = _scattered(numbers, make)
    if rule.unique:
        return arrays.with_tokens(values, index, streams, name, rule.max_length)
    return arrays.truncated(values, rule.max_length)


_POSTCODE_LETTERS = np.frombuffer(b"ABDEFGHJLN", dtype=np.uint8)
"""Letters that postcodes of all countries use."""


def _postcodes(shape: str, numbers: Integers) -> pa.Array:
    """Return postcodes of a shape, whose places take the digits of a number, one after the other."""
    out = np.empty((len(numbers), len(shape)), dtype=np.uint8)
    rest = numbers
    for place, symbol in enumerate(shape):
        if symbol not in "#@":
            out[:, place] = ord(symbol)
            continue
        rest, digit = np.divmod(rest, 10)
        out[:, place] = digit + 48 if symbol == "#" else _POSTCODE_LETTERS[digit]
    return arrays.text_from_ascii(out)


# ---- People ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _People:
    """First and last names of a locale, all different, and the same in the letters a … z."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    first_letters: tuple[str, ...]
    last_letters: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many people there are: each first name with each last name."""
        return len(self.first) * len(self.last)


@lru_cache(maxsize=64)
def faker_pool(methods: tuple[str, ...], locale: str, count: int = _POOL) -> tuple[str, ...]:
    """Return different values of the first of a Faker provider's methods that it has, the same in every process."""
    # Imported here: Faker takes 0.3 s, and most tables hold no person.
    from faker import Faker

    faker = Faker(locale)
    faker.seed_instance(1)
    method = next(method for method in methods if hasattr(faker, method))
    return tuple(dict.fromkeys(str(getattr(faker, method)()).replace("\n", ", ") for _ in range(count)))


@lru_cache(maxsize=8)
def people_of(locale: str) -> _People:
    first, last = _by_letters(faker_pool(("first_name",), locale)), _by_letters(faker_pool(("last_name",), locale))
    return _People(
        first=tuple(first.values()),
        last=tuple(last.values()),
        first_letters=tuple(first),
        last_letters=tuple(last),
    )


def _by_letters(names: tuple[str, ...]) -> dict[str, str]:
    """Return names by their letters a … z: ``Müller`` → ``{"muller": "Müller"}``; ``n`` and letters where none are."""
    found: dict[str, str] = {}
    for number, name in enumerate(names):
        letters = "".join(c for c in plain(name) if "a" <= c <= "z")
        if len(letters) <= _LONGEST_LETTERS and len(name) <= _LONGEST_NAME:
            found.setdefault(letters or "n" + "".join(chr(97 + int(digit)) for digit in str(number)), name)
    return found


def _person(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> tuple[_People, Integers, Integers]:
    """Return the people, and which first and which last name each row has: the same in all columns of a table.

    As many rows as there are people, about half a million, have different ones.
    """
    people = people_of(rule.locale)
    number = streams.permutation(people.count, *name[:-1], "person")(index % people.count)
    first, last = np.divmod(number, len(people.last))
    return people, first, last


def _numbered(
    values: pa.Array, index: Integers, cycle: int, separator: str, apart: tuple[str, str] | None = None
) -> pa.Array:
    """Return values made different where the index has come round: a number from 2 on after each that was used.

    With ``apart``, the row's number between these two texts after each: no value of the other form looks like that.
    """
    if apart is not None:
        return join(values, apart[0], pa.array(index + 1).cast(pa.string()), apart[1])
    turn = index // cycle
    if not turn.any():
        return values
    suffix = join(separator, pa.array(turn + 1).cast(pa.string()))
    return join(values, pc.if_else(pa.array(turn > 0), suffix, ""))


def _single_name(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    people, first, last = _person(rule, index, streams, name)
    values = take(people.first, first) if rule.what == "first_name" else take(people.last, last)
    if rule.unique:
        return arrays.with_tokens(values, index, streams, name, rule.max_length)
    return arrays.truncated(values, rule.max_length)


def _full_name(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    people, first, last = _person(rule, index, streams, name)
    values = join(take(people.first, first), " ", take(people.last, last))
    if not rule.unique:
        return arrays.truncated(values, rule.max_length)
    if rule.max_length is None or rule.max_length >= _FULL_NAME + _FULL_NUMBER * rule.apart:
        return _numbered(values, index, people.count, " ", (" (", ")") if rule.apart else None)
    return arrays.with_tokens(values, index, streams, name, rule.max_length)


def _user_name(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    if rule.max_length is None or rule.max_length >= _FULL_USER + _FULL_NUMBER * rule.apart:
        return _local_part(rule, index, streams, name)
    if rule.max_length >= 12:
        return join("user", pa.array(index + 1).cast(pa.string()))
    return arrays.tokens(index, streams, name, rule.max_length)


def _email(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    if rule.max_length is None or rule.max_length >= _FULL_EMAIL + _FULL_NUMBER * rule.apart:
        domain = arrays.pick(index, arrays.stream_key(streams, *name, "domain"), len(_DOMAINS))
        return join(_local_part(rule, index, streams, name), "@", take(_DOMAINS, domain))
    number = pa.array(index + 1).cast(pa.string())
    if rule.max_length >= 25:
        return join("user", number, "@example.com")
    if rule.max_length >= 16:
        return join("u", number, "@a.test")
    return arrays.tokens(index, streams, name, rule.max_length)


def _local_part(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    people, first, last = _person(rule, index, streams, name)
    values = join(take(people.first_letters, first), ".", take(people.last_letters, last))
    return _numbered(values, index, people.count, "", (".", "") if rule.apart else None)


# ---- Pools ----------------------------------------------------------------------------------------------------------

FAKER_METHODS = {
    "street": ("street_address",),
    "city": ("city",),
    "company": ("company",),
    "postcode": ("postcode",),
    "region": ("administrative_unit", "state", "region", "province", "county", "city"),
    "country": ("country",),
}
"""Where a locale's provider lacks the first method, it has one of the others."""


def _pooled(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    pool = faker_pool(FAKER_METHODS[rule.what], rule.locale)
    if rule.template in ("AA", "AAA") and rule.what == "country":
        pool = faker_pool(("country_code",), rule.locale)
    fitting = tuple(value for value in pool if rule.max_length is None or len(value) <= rule.max_length) or pool
    values = take(fitting, arrays.pick(index, arrays.stream_key(streams, *name), len(fitting)))
    if rule.unique:
        return arrays.with_tokens(values, index, streams, name, rule.max_length)
    return arrays.truncated(values, rule.max_length)


def _url(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    number = pa.array(index + 1).cast(pa.string())
    if rule.max_length is None or rule.max_length >= 48:
        word = take(WORDS, arrays.pick(index, arrays.stream_key(streams, *name), len(WORDS)))
        return join("https://example.com/", word, "/", number)
    if rule.max_length >= 26:
        return join("https://a.test/", number)
    return arrays.tokens(index, streams, name, rule.max_length)


# ---- Numbers --------------------------------------------------------------------------------------------------------


def _counted(rule: PersonalRule, index: Integers, streams: Streams, name: Name, possible: int) -> Integers:
    """Return the number of each row, below ``possible``; different ones as long as there are any."""
    if rule.unique and index.max(initial=0) >= possible:
        raise arrays.too_few(name, possible, f"for {rule.what.replace('_', ' ')} of this form there")
    return streams.permutation(possible, *name)(index % possible)


def _formatted(template: str, symbols: Bytes, rule: PersonalRule) -> pa.Array:
    """Return text with the symbols, one row of ASCII codes per value, at the ``#`` and ``A`` of a template."""
    out = np.empty((len(symbols), len(template)), dtype=np.uint8)
    places = [place for place, c in enumerate(template) if c in "#A"]
    out[:] = [ord(c) for c in template]
    out[:, places] = symbols
    return arrays.truncated(arrays.text_from_codes(out), rule.max_length)


def _template(rule: PersonalRule, default: str, digits: int | None = None) -> str:
    """Return the rule's template if it has a place for each digit and fits the column, else the default's digits."""
    template = rule.template
    if not template or (digits is not None and (template.count("#") != digits or "A" in template)):
        template = default
    if rule.max_length is not None and len(template) > rule.max_length:
        template = "".join(c for c in template if c in "#A")
    return template


def _phone(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    template = _template(rule, "###-###-####").replace("A", "#")[: rule.max_length]
    digits = template.count("#")
    if digits < 7 or (digits < 10 and rule.unique):
        return _formatted(template, digits_of(_counted(rule, index, streams, name, 10**digits), digits), rule)
    if digits < 10:
        line = _counted(rule, index, streams, name, 100)
        return _formatted(template, digits_of(5_550_100 + line, digits), rule)
    # The 80,000 numbers (800 area codes) 555-01xx first, then the area codes that no one has.
    reserved = streams.permutation(80_000, *name, "reserved")(index % 80_000)
    national = (200 + reserved // 100) * 10_000_000 + 5_550_100 + reserved % 100
    if index.max(initial=0) >= 80_000 and rule.unique:
        further = np.maximum(index - 80_000, 0)
        unassigned = _counted(rule, further, streams, name, 2_000_000_000)
        national = np.where(index < 80_000, national, unassigned)
    symbols = digits_of(national, digits)
    if digits == 11:
        symbols[:, 0] = ord("1")
    return _formatted(template, symbols, rule)


def _card(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    if rule.max_length is not None and rule.max_length < 16:
        return _plain_digits(rule, index, streams, name)
    number = 400_000 * 10**9 + _counted(rule, index, streams, name, 10**9)
    symbols = np.concatenate([digits_of(number, 15), np.zeros((len(index), 1), dtype=np.uint8)], axis=1)
    doubled = (symbols[:, 0:15:2].astype(np.int64) - 48) * 2
    total = (doubled - 9 * (doubled > 9)).sum(axis=1) + (symbols[:, 1:15:2].astype(np.int64) - 48).sum(axis=1)
    symbols[:, 15] = 48 + (-total) % 10
    return _formatted(_template(rule, "#" * 16, 16), symbols, rule)


def _iban(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    if rule.max_length is not None and rule.max_length < 22:
        return _plain_digits(rule, index, streams, name)
    account = _counted(rule, index, streams, name, 10**14)
    # ISO 7064, 97-10: bank and account, then GB and 00 as digits; T is 29, E is 14, S is 28, G is 16, B is 11.
    bank = (29_142_829 * 10**6) % 97
    check = 98 - ((bank * 10**8 + account) % 97 * 10**6 + 161_100) % 97
    return join(
        "GB", arrays.text_from_ascii(digits_of(check, 2)), "TEST", arrays.text_from_ascii(digits_of(account, 14))
    )


def _national_id(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    template = _template(rule, "#########")[: rule.max_length]
    kinds = [c for c in template if c in "#A"]
    digits, letters = kinds.count("#"), kinds.count("A")
    free = max(digits - 1, 0) if digits > 1 else digits
    possible = min(10**free * 26**letters, 2**60)
    rest = _counted(rule, index, streams, name, possible)
    symbols = np.empty((len(index), len(kinds)), dtype=np.uint8)
    nines = digits - free
    for place, kind in enumerate(kinds):
        if kind == "#" and nines:
            symbols[:, place] = ord("9")
            nines -= 1
        else:
            rest, digit = np.divmod(rest, 10 if kind == "#" else 26)
            symbols[:, place] = digit + (48 if kind == "#" else 65)
    return _formatted(template, symbols, rule)


def _plain_digits(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    digits = min(rule.max_length or 12, 18)
    return arrays.text_from_ascii(digits_of(_counted(rule, index, streams, name, 10**digits), digits))


def _ip(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    if ":" in rule.template:
        words = _hexadecimal(_counted(rule, index, streams, name, 2**32), 8)
        return join("2001:db8::", pc.utf8_slice_codeunits(words, 0, 4), ":", pc.utf8_slice_codeunits(words, 4, 8))
    number = _counted(rule, index, streams, name, 2**24 + 2**17)
    number = np.where(number < 2**24, (10 << 24) + number, (198 << 24) + (18 << 16) + number - 2**24)
    parts = [pa.array(number >> shift & 255).cast(pa.string()) for shift in (24, 16, 8, 0)]
    return pc.binary_join_element_wise(*parts, ".")


def _mac(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    words = _hexadecimal(_counted(rule, index, streams, name, 2**40), 10)
    pairs = [pc.utf8_slice_codeunits(words, start, start + 2) for start in range(0, 10, 2)]
    return pc.binary_join_element_wise("02", *pairs, "-" if "-" in rule.template else ":")


def _hexadecimal(numbers: Integers, count: int) -> pa.Array:
    places = np.arange(4 * (count - 1), -1, -4)
    return arrays.text_from_ascii(np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[numbers[:, None] >> places & 15])


def _birth_date(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return dates from 1940 to 2005 in the template's form; days up to 12, so that no order of day and month fails."""
    number = _counted(rule, index, streams, name, 66 * 12 * 12)
    year, rest = np.divmod(number, 144)
    month, day = np.divmod(rest, 12)
    template = _template(rule, "####-##-##", 8)
    parts = [digits_of(1940 + year, 4), digits_of(month + 1, 2), digits_of(day + 1, 2)]
    year_first = template.startswith("####")
    return _formatted(template, np.concatenate(parts if year_first else parts[::-1], axis=1), rule)


def _coordinates(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return a latitude and a longitude in the template's form, anywhere: ``48.8566, 2.3522``."""
    decimals = max((len(part) for part in re.findall(r"\.(#+)", rule.template)), default=5)
    place = _counted(rule, index, streams, name, 2**52)
    latitude, longitude = (place >> 26) / 2**26 * 120 - 60, (place & (2**26 - 1)) / 2**26 * 360 - 180
    texts = [pa.array(np.char.mod(f"%.{min(decimals, 9)}f", values), pa.string()) for values in (latitude, longitude)]
    if rule.template.upper().startswith("AAAAA"):
        return arrays.truncated(join("POINT(", texts[1], " ", texts[0], ")"), rule.max_length)
    return arrays.truncated(join(texts[0], ", " if ", " in rule.template else ",", texts[1]), rule.max_length)


_VIN_CODES = np.frombuffer(b"0123456789ABCDEFGHJKLMNPRSTUVWXYZ", dtype=np.uint8)
_VIN_NUMBERS = np.array([*range(10), 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9])
_VIN_WEIGHTS = np.array((8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2))


def _vin(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return vehicle identification numbers with a valid check digit, of a maker (``000``) that nobody is."""
    if rule.max_length is not None and rule.max_length < 17:
        return arrays.tokens(index, streams, name, rule.max_length)
    rest = _counted(rule, index, streams, name, 33**10)
    places = np.zeros((len(index), 17), dtype=np.int64)
    for place in (16, 15, 14, 13, 12, 11, 10, 7, 6, 5):
        rest, places[:, place] = np.divmod(rest, 33)
    check = (_VIN_NUMBERS[places] * _VIN_WEIGHTS).sum(axis=1) % 11
    symbols = _VIN_CODES[places]
    symbols[:, 8] = np.where(check == 10, ord("X"), 48 + check)
    return arrays.text_from_ascii(symbols)


def _plate(rule: PersonalRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return licence plates of the template's shape that begin with the letters ``ZZ`` or the digit 0."""
    template = _template(rule, "AA-####")[: rule.max_length]
    kinds = [c for c in template if c in "#A"]
    fixed = min(2, max(len(kinds) - 4, 0)) if kinds[:1] == ["A"] else int(len(kinds) > 4)
    fixed = min(fixed, next((n for n, kind in enumerate(kinds) if kind != kinds[0]), len(kinds)))
    rest = _counted(rule, index, streams, name, min(_possible(kinds[fixed:]), 2**60))
    symbols = np.empty((len(index), len(kinds)), dtype=np.uint8)
    for place in reversed(range(len(kinds))):
        if place < fixed:
            symbols[:, place] = ord("Z" if kinds[place] == "A" else "0")
            continue
        rest, symbol = np.divmod(rest, 10 if kinds[place] == "#" else 26)
        symbols[:, place] = symbol + (48 if kinds[place] == "#" else 65)
    return _formatted(template, symbols, rule)


def _possible(kinds: Sequence[str]) -> int:
    return int(math.prod(10 if kind == "#" else 26 for kind in kinds))


_MAKERS: Mapping[PersonalKind, Callable[[PersonalRule, Integers, Streams, Name], pa.Array]] = {
    "email": _email,
    "phone": _phone,
    "first_name": _single_name,
    "last_name": _single_name,
    "name": _full_name,
    "user_name": _user_name,
    "street": _pooled,
    "city": _pooled,
    "postcode": _pooled,
    "company": _pooled,
    "iban": _iban,
    "account": _national_id,
    "card": _card,
    "ip": _ip,
    "mac": _mac,
    "url": _url,
    "birth_date": _birth_date,
    "national_id": _national_id,
    "region": _pooled,
    "country": _pooled,
    "coordinates": _coordinates,
    "licence_plate": _plate,
    "vin": _vin,
}
