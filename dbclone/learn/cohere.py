"""What the generated columns of a row have in common: one person, one place, one language; and across tables, too.

Columns are made one by one, each by its rule. Here the rules of a table are made to agree: its people have names of the
locales that the source's have, its cities lie in the countries that the row says, and where a column repeats what the
row's parent has, it is made by looking there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.learn.classes import Classes
from dbclone.model.flow import Sample
from dbclone.model.places import country_number, postcode_shapes
from dbclone.model.rules import Carried, CodeRule, Learned, PersonalRule, Rule
from dbclone.schema.lexicon import locale_shares
from dbclone.schema.model import TableKey
from dbclone.schema.plan import TablePlan

Integers = npt.NDArray[np.int64]
Locales = tuple[tuple[str, float], ...]

OF_PEOPLE = ("name", "first_name", "last_name", "user_name", "email")
OF_PLACES = ("city", "region", "postcode", "country")
SAMPLE = 1_000
FEWEST = 20
SAME = 0.9
"""From this share of equal rows on, a column repeats its parent's."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a table: its plan, its rules, and each row's parent by foreign key (−1: none)."""

    plan: TablePlan
    rules: tuple[Rule, ...]
    parents: Mapping[str, Integers]


def cohere(tables: Sequence[Known], sample: Sample, classes: Classes) -> dict[TableKey, tuple[Rule, ...]]:
    """Return the rules of all tables such that what belongs together agrees."""
    everywhere = locales_of(sample, classes, None)
    rules = {}
    for known in tables:
        key = known.plan.table
        locales = locales_of(sample, classes, key) or everywhere
        rules[key] = _placed(_spoken(known.rules, locales), classes, key, locales)
    return {known.plan.table: _carried(known, rules, sample) for known in tables}


def locales_of(sample: Sample, classes: Classes, table: TableKey | None) -> Locales:
    """Return the locales of the people in a table, or in all of them, with their shares; none if they are unknown."""
    found: list[str] = []
    for key, columns in classes.items():
        for name, kind in columns.items():
            if kind.personal in OF_PEOPLE and kind.kind == "personal" and table in (None, key):
                values = sample.tables[key].rows[name]
                found += values.drop_null().slice(0, SAMPLE).cast(pa.string()).to_pylist()
    return locale_shares(found)


def _spoken(rules: Sequence[Rule], locales: Locales) -> tuple[Rule, ...]:
    if not locales:
        return tuple(rules)
    more = locales if len(locales) > 1 else ()
    return tuple(replace(r, locale=locales[0][0], locales=more) if isinstance(r, PersonalRule) else r for r in rules)


# ---- Places ---------------------------------------------------------------------------------------------------------


def _placed(rules: tuple[Rule, ...], classes: Classes, key: TableKey, locales: Locales) -> tuple[Rule, ...]:
    """Return the rules such that those of an address are made from one place."""
    country = next((r.column for r in rules if isinstance(r, Learned) and _names_countries(r)), None)
    places = {
        rule.column: classes[key][rule.column].personal
        for rule in rules
        if isinstance(rule, PersonalRule | CodeRule) and not rule.unique and _is_place(classes, key, rule.column)
    }
    if len(places) + (country is not None) < 2:
        return rules
    shapes = postcode_shapes([locale for locale, _ in locales] or ["en_US"], everywhere=country is not None)
    return tuple(_of_place(rule, places.get(rule.column), country, locales, shapes) for rule in rules)


def _names_countries(rule: Learned) -> bool:
    known = sum(country_number(label) >= 0 for label in rule.categories)
    return bool(rule.categories) and known >= max(len(rule.categories) / 2, 1)


def _is_place(classes: Classes, key: TableKey, name: str) -> bool:
    kind = classes[key].get(name)
    return kind is not None and kind.kind == "personal" and kind.personal in OF_PLACES


def _of_place(rule: Rule, what: str | None, country: str | None, locales: Locales, shapes: frozenset[str]) -> Rule:
    if what is None:
        return rule
    by = country if what != "country" else None
    if isinstance(rule, PersonalRule):
        return replace(rule, place=True, country=by)
    if not isinstance(rule, CodeRule) or what != "postcode":
        return rule
    if not {"".join(map(_symbol, mask.alphabets)) for mask in rule.masks} & shapes:
        return rule
    return PersonalRule(
        column=rule.column,
        what="postcode",
        locale=locales[0][0] if locales else "en_US",
        locales=locales if len(locales) > 1 else (),
        unique=False,
        place=True,
        country=by,
        null_share=rule.null_share,
        max_length=rule.max_length,
    )


def _symbol(alphabet: str) -> str:
    return "#" if alphabet[0].isdigit() else "@" if alphabet[0].isalpha() else alphabet[0]


# ---- What a row repeats of its parent -------------------------------------------------------------------------------


def _carried(known: Known, rules: Mapping[TableKey, tuple[Rule, ...]], sample: Sample) -> tuple[Rule, ...]:
    """Return the rules of a table such that columns which repeat the parent's personal ones are the parent's."""
    return tuple(
        (_from_parent(rule, known, rules, sample) or rule)
        if isinstance(rule, PersonalRule) and not rule.unique
        else rule
        for rule in rules[known.plan.table]
    )


def _from_parent(
    rule: PersonalRule, known: Known, rules: Mapping[TableKey, tuple[Rule, ...]], sample: Sample
) -> Carried | None:
    mine, table = sample.tables[known.plan.table].rows, known.plan.table
    for reference in known.plan.references:
        key = reference.foreign_key
        if key.parent == table or key.parent not in rules or reference.role == "self" or key.parent in sample.copied:
            continue
        for theirs in rules[key.parent]:
            if not isinstance(theirs, PersonalRule) or theirs.what != rule.what or theirs.country is not None:
                continue
            there = sample.tables[key.parent].rows[theirs.column]
            if _repeats(mine[rule.column], there, known.parents[key.name]):
                return Carried(
                    column=rule.column,
                    foreign_key=key.name,
                    parent_column=theirs.column,
                    null_share=rule.null_share,
                    max_length=rule.max_length,
                )
    return None


def _repeats(values: pa.ChunkedArray, parents: pa.ChunkedArray, position: Integers) -> bool:
    """Whether nearly all rows with a parent and a value have the value of their parent."""
    known = pa.array(position >= 0)
    own = values.filter(known).combine_chunks().cast(pa.string())
    theirs = parents.take(pa.array(position[position >= 0])).combine_chunks().cast(pa.string())
    same = pc.equal(own, theirs).drop_null()
    return len(same) >= FEWEST and (pc.sum(same).as_py() or 0) >= SAME * len(same)
