"""What every column of a sample holds: classified one by one, then by the company its values keep.

A column whose values are found in a column of e-mail addresses holds e-mail addresses, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dbclone.errors import ConfigurationError
from dbclone.learn.entities import entities_of
from dbclone.learn.rules import column_facts
from dbclone.model.flow import Sample
from dbclone.schema.classify import PATTERN_SHARE, ColumnClass, ColumnFacts, classify
from dbclone.schema.kinds import declared_class
from dbclone.schema.model import Table, TableKey
from dbclone.schema.plan import Plan

Classes = Mapping[TableKey, Mapping[str, ColumnClass]]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What people say that columns hold, by table and column, in the words of :func:`declared_class`.

    With ``only``, no string is carried over from a column of which nothing is said.
    """

    kinds: Mapping[tuple[TableKey, str], str] = field(default_factory=dict)
    only: bool = False


FEWEST_IN_COMMON = 5
"""Fewer values may be in another column by chance."""
_OPEN = ("text", "code", "category", "unclassified")


def classify_sample(sample: Sample, plan: Plan, said: Said | None = None) -> Classes:
    """Return the class of every column that was sampled and refers to no parent.

    Raises ConfigurationError for a declared column that is not there or cannot hold what is said.
    """
    said = said or Said()
    facts: dict[tuple[TableKey, str], ColumnFacts] = {}
    entities = entities_of(sample, plan)
    found: dict[tuple[TableKey, str], ColumnClass] = {}
    for item in plan.tables:
        if item.table not in sample.tables:
            continue
        table, rows = plan.schema.table(item.table), sample.tables[item.table].rows
        referring = {name for reference in item.references for name in reference.sets}
        keys = {unique[0] for unique in table.uniques() if len(unique) == 1}
        for column in table.written_columns:
            if column.name in rows.column_names and column.name not in referring:
                place = (item.table, column.name)
                facts[place] = column_facts(rows[column.name], entities[item.table])
                found[place] = classify(column, facts[place], is_key=column.name in keys)
    for place, word in said.kinds.items():
        if place[0] in plan.schema and plan.table(place[0]).copied:
            continue
        found[place] = _declared(plan, place, word, found.get(place))
    found |= _by_company(found, facts, set(said.kinds))
    if said.only:
        new = {place: kind for place, kind in found.items() if place not in said.kinds and kind.kind == "category"}
        evidence = ("the configuration does not list it",)
        found |= {place: ColumnClass(kind="unclassified", evidence=evidence) for place in new if _is_text(plan, place)}
    classes: dict[TableKey, dict[str, ColumnClass]] = {key: {} for key in sample.tables}
    for (key, name), kind in found.items():
        classes[key][name] = kind
    return classes


def _is_text(plan: Plan, place: tuple[TableKey, str]) -> bool:
    return plan.schema.table(place[0]).column(place[1]).kind == "text"


def _declared(plan: Plan, place: tuple[TableKey, str], word: str, found: ColumnClass | None) -> ColumnClass:
    key, name = place
    table: Table | None = plan.schema.table(key) if key in plan.schema else None
    column = next((c for c in table.columns if c.name == name), None) if table else None
    if column is None:
        raise ConfigurationError(f"{key}.{name}: a kind is declared for it, and there is no such column")
    if found is None:
        raise ConfigurationError(f"{key}.{name}: a kind is declared for it, and it is a reference or not written")
    try:
        return found if word == found.called else declared_class(column, word)
    except ConfigurationError as error:
        raise ConfigurationError(f"{key}.{error}") from error


def _by_company(
    found: Mapping[tuple[TableKey, str], ColumnClass],
    facts: Mapping[tuple[TableKey, str], ColumnFacts],
    settled: set[tuple[TableKey, str]],
) -> dict[tuple[TableKey, str], ColumnClass]:
    """Return new classes of columns that hold what a personal or secret column of any table holds."""
    owners: dict[str, tuple[TableKey, str]] = {}
    for place, kind in found.items():
        if kind.kind in ("personal", "secret") and place in facts:
            owners.update(dict.fromkeys((v for v in facts[place].sample if len(v) > 3), place))
    changed = {}
    for place, kind in found.items():
        if kind.kind not in _OPEN or place in settled:
            continue
        distinct = set(facts[place].sample)
        common = [owners[value] for value in distinct if value in owners]
        if len(common) < max(FEWEST_IN_COMMON, PATTERN_SHARE * len(distinct)):
            continue
        owner = max(set(common), key=lambda place: (common.count(place), place))
        what = found[owner]
        evidence = f"{len(common) / len(distinct):.0%} of the values are in {owner[0]}.{owner[1]}, too"
        changed[place] = replace(what, evidence=(evidence, *kind.evidence))
    return changed
