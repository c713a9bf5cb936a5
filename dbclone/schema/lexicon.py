"""Names of people and of cities, by which columns are known whose heading says nothing.

First and last names are those of Faker's providers of many countries, so a column can be told to be of names, and of
which country's (the locale in which others are made in their place). Pure; what it finds it never shows.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

LOCALES = (
    "en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pt_BR", "pl_PL", "sv_SE", "da_DK", "no_NO", "fi_FI", "cs_CZ",
    "hu_HU", "tr_TR", "ro_RO", "ru_RU", "ja_JP", "zh_CN", "en_IN",
)  # fmt: skip
"""Locales whose names are known; values are made in the one that fits the source's best."""

MOST_LOCALES = 3
FEWEST_KNOWN = 0.2
"""Of so small a share of known names no locale is told."""

_TITLE = re.compile(
    r"^(?:(?:mr|mrs|ms|miss|dr|prof|sir|herr|frau|m|mme|mlle|monsieur|madame|sr|sra|srta|don|dona|sig|sig\.ra|dhr|mevr"
    r"|dipl|ing|mag|phd|jr|ii|iii)\.? +)+",
    re.IGNORECASE,
)
_PARTICLES = frozenset(
    ("van", "von", "der", "den", "de", "la", "le", "du", "da", "do", "dos", "das", "di", "del", "della", "el", "al",
     "bin", "ben", "af", "av", "zu", "zum", "y", "e")
)  # fmt: skip

_CITIES = frozenset(
    """
    london paris berlin madrid rome roma milan milano vienna wien zurich geneva munich muenchen munchen hamburg
    koeln koln cologne frankfurt stuttgart dusseldorf leipzig dresden nuremberg hannover bremen bern basel lyon
    marseille toulouse nice nantes strasbourg bordeaux lille rennes montpellier barcelona valencia sevilla seville
    bilbao malaga zaragoza lisbon lisboa porto coimbra naples napoli turin torino florence firenze venice venezia
    bologna genoa palermo amsterdam rotterdam utrecht eindhoven brussels bruxelles antwerp ghent copenhagen
    kobenhavn aarhus odense oslo bergen trondheim stockholm goteborg gothenburg malmo uppsala helsinki espoo
    tampere turku warsaw warszawa krakow gdansk wroclaw poznan lodz prague praha brno budapest bucharest cluj
    sofia athens istanbul ankara izmir moscow kyiv kiev dublin cork galway belfast edinburgh glasgow cardiff
    manchester birmingham leeds liverpool bristol sheffield newcastle nottingham leicester oxford cambridge york
    bath brighton new_york los_angeles chicago houston phoenix philadelphia san_antonio
    san_diego dallas san_jose austin columbus charlotte san_francisco indianapolis seattle denver
    boston nashville portland las_vegas detroit memphis baltimore milwaukee albuquerque tucson sacramento
    atlanta miami minneapolis oakland cleveland tampa orlando pittsburgh cincinnati toronto montreal vancouver
    calgary ottawa edmonton quebec winnipeg mexico_city guadalajara monterrey bogota lima santiago
    buenos_aires montevideo caracas sao_paulo rio_de_janeiro brasilia salvador fortaleza
    curitiba recife tokyo osaka kyoto yokohama nagoya beijing shanghai shenzhen guangzhou hong_kong taipei
    seoul busan singapore bangkok hanoi jakarta manila mumbai delhi bangalore bengaluru chennai kolkata hyderabad
    pune karachi lahore dhaka dubai abu_dhabi riyadh tel_aviv cairo lagos nairobi johannesburg
    cape_town durban casablanca accra sydney melbourne brisbane perth adelaide auckland wellington
    christchurch reykjavik riga vilnius tallinn zagreb ljubljana belgrade bratislava luxembourg
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, kw_only=True)
class Names:
    """First and last names in :func:`plain` form, and both as they are spelled, in small letters."""

    first: frozenset[str]
    last: frozenset[str]
    spelled: frozenset[str] = frozenset()


def plain(text: str) -> str:
    """Return letters in lower case without accents: ``Müller`` → ``muller``; other scripts stay as they are."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ł", "l").replace("ø", "o"))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).lower().strip()


def _strings(provider: Any, *attributes: str) -> Iterable[str]:
    for attribute in attributes:
        found = getattr(provider, attribute, ())
        for item in found if not callable(found) else ():
            # Japanese names come as (written, kana, romanised).
            yield from (item,) if isinstance(item, str) else (part for part in item if isinstance(part, str))


@cache
def names_of(locale: str) -> Names:
    """Return the names of a locale."""
    # Lazily: Faker takes a third of a second, and most databases are told by their headings.
    provider = import_module(f"faker.providers.person.{locale}").Provider
    first = [*_strings(provider, "first_names", "first_names_male", "first_names_female", "first_name_pairs")]
    last = _strings(
        provider, "last_names", "last_names_male", "last_names_female", "last_name_pairs", "unisex_last_names"
    )
    return Names(
        first=frozenset(n for n in map(plain, first) if len(n) > 1 or not n.isascii()),
        last=frozenset(n for n in map(plain, last) if len(n) > 1 or not n.isascii()),
        spelled=frozenset(name.lower() for name in (*first, *last)),
    )


@cache
def _all_names() -> Names:
    found = [names_of(locale) for locale in LOCALES]
    return Names(first=frozenset().union(*(n.first for n in found)), last=frozenset().union(*(n.last for n in found)))


@cache
def _cities() -> frozenset[str]:
    known = {city.replace("_", " ") for city in _CITIES}
    for locale in ("de_DE", "nl_NL", "sv_SE", "da_DK", "fi_FI", "cs_CZ", "pl_PL", "it_IT"):
        provider = import_module(f"faker.providers.address.{locale}").Provider
        known.update(plain(city) for city in _strings(provider, "cities"))
    return frozenset(known)


def _words(value: str) -> list[str]:
    text = _TITLE.sub("", value.strip())
    if "," in text:
        last, _, first = text.partition(",")
        text = f"{first.strip()} {last.strip()}"
    return [word for word in re.split(r"[ \u00a0]+", text) if word]


def _is_person(value: str, names: Names) -> bool:
    """Whether a value is a first and a last name: two to five words with capitals, at least one of them known."""
    words = _words(value)
    if len(words) == 1 and not value.isascii() and 2 <= len(value) <= 6:  # 山田太郎: no space between the names
        return any(value[:n] in names.last and value[n:] in names.first for n in range(1, len(value)))
    if not 2 <= len(words) <= 5 or any(c.isdigit() for c in value):
        return False
    if not all(word[:1].isupper() or word.lower() in _PARTICLES or not word.isascii() for word in words):
        return False
    parts = [plain(word).strip(".") for word in words]
    firsts = {part for word in parts for part in (word, *word.split("-"))}
    return (parts[0] in names.first or parts[0].split("-")[0] in names.first or parts[-1] in names.first) and bool(
        firsts & names.last or len(parts[-1]) > 1
    )


def _is_single(value: str, known: frozenset[str]) -> bool:
    text = value.strip()
    return text[:1].isupper() and " " not in text and (plain(text) in known or plain(text.split("-")[0]) in known)


def _is_user(value: str, names: Names) -> bool:
    parts = [part.rstrip("0123456789") for part in re.split(r"[._]", value)]
    return (
        len(parts) == 2
        and value == value.lower()
        and all(parts)
        and (parts[0] in names.first or parts[1] in names.last)
    )


def name_shares(values: Sequence[str]) -> dict[str, float]:
    """Return the share of values that are a person's name, one part of it, a user name made of one, or a city."""
    if not values:
        return {}
    names, cities = _all_names(), _cities()
    counts = Counter[str]()
    for value, count in Counter(values).items():
        if len(value) > 60:
            continue
        if _is_person(value, names):
            counts["name"] += count
        elif _is_user(value, names):
            counts["user_name"] += count
        else:
            for what, known in (("first_name", names.first), ("last_name", names.last)):
                if _is_single(value, known):
                    counts[what] += count
        if plain(value) in cities:
            counts["city"] += count
    return {what: count / len(values) for what, count in counts.items()}


def locale_shares(values: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Return the locales that people with these names are of, with their shares, most frequent first.

    A value is of the locale that knows most of its words, as they are spelled before without accents; among several of
    the one that most other values are of. None where hardly any is known.
    """
    fits = [_fitting(value) for value in values]
    alone = Counter(found[0] for found in fits if len(found) == 1)
    often = Counter(locale for found in fits for locale in found)
    mine = Counter(
        max(found, key=lambda locale: (alone[locale], often[locale], -LOCALES.index(locale))) for found in fits if found
    )
    if sum(mine.values()) < max(FEWEST_KNOWN * len(values), 1):
        return ()
    common = [(locale, count) for locale, count in mine.most_common(MOST_LOCALES) if count >= 0.1 * sum(mine.values())]
    total = sum(count for _, count in common)
    return tuple((locale, count / total) for locale, count in common)


def _fitting(value: str) -> list[str]:
    """Return the locales that know most of the words of a value."""
    words = [word for word in re.split(r"[ .@_,]+", value)[:3] if len(word) > 1]
    scores = {}
    for locale in LOCALES:
        names = names_of(locale)
        scores[locale] = sum(
            2 if word.lower() in names.spelled else int(plain(word) in names.first or plain(word) in names.last)
            for word in words
        )
    best = max(scores.values(), default=0)
    return [locale for locale, score in scores.items() if score == best] if best else []
