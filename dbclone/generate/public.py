"""The strings that generated values are made of without any source: lists of names, common words, test secrets.

A twin has them whatever it was made from, so finding one of them in a source says nothing about anybody there. Whole
names of people, put together from such lists, are found in both by chance, and no oftener than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from dbclone.generate.personal import FAKER_METHODS, faker_pool, people_of
from dbclone.generate.text import WORDS
from dbclone.generate.values import TEST_HASHES
from dbclone.model.places import COUNTRIES


def public_strings(locales: Sequence[str]) -> Iterator[str]:
    """Yield the strings of the lists themselves, the words in them, and pairs of these."""
    yield from TEST_HASHES.values()
    for word in WORDS:
        yield word
        yield word.capitalize()
    for country in COUNTRIES:
        yield country.name
        for place in country.places:
            yield from (place.city, place.region)
    for locale in locales:
        for methods in FAKER_METHODS.values():
            for value in faker_pool(methods, locale):
                words = value.replace(",", "").split(" ")
                yield from (value, *words, *map(" ".join, pairwise(words)))
        people = people_of(locale)
        yield from (*people.first, *people.last)


def public_people(locales: Sequence[str]) -> Iterator[str]:
    """Yield each first name with each last name, as a name and as a user name."""
    for locale in locales:
        people = people_of(locale)
        for first, first_letters in zip(people.first, people.first_letters, strict=True):
            for last, last_letters in zip(people.last, people.last_letters, strict=True):
                yield f"{first} {last}"
                yield f"{first_letters}.{last_letters}"
