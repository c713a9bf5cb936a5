"""What all parts of a run of ``generate`` share: the model, the streams, the rows wanted, and every column's rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from dbclone.generate.keys import fit_to_rows
from dbclone.generate.streams import Streams
from dbclone.model.parts import LinkModel, Model
from dbclone.model.rules import (
    BinaryRule,
    CodeRule,
    LabelKey,
    Learned,
    NullRule,
    Numbered,
    Omitted,
    PersonalRule,
    PolymorphicKey,
    Referenced,
    Rule,
    SecretRule,
    SequenceKey,
    TextRule,
    UuidKey,
)
from dbclone.schema.checks import columns_of
from dbclone.schema.model import Table, TableKey
from dbclone.schema.plan import Plan
from dbclone.schema.roles import Place, origin, sources

Name = str


class Shared:
    """``rows`` are the rows to make per table, ``rules`` every table's rules, fitted to them."""

    def __init__(
        self, model: Model, seed: int, rows: Mapping[TableKey, int], next_keys: Mapping[TableKey, int]
    ) -> None:
        self.model, self.schema, self.plan = model, model.plan.schema, model.plan
        self.streams = Streams(seed)
        wanted = {plan.table: plan.rows for plan in model.plan.tables} | dict(rows)
        self.rows = {key: count if key in model else 0 for key, count in wanted.items()}
        self.links: Mapping[tuple[TableKey, str], LinkModel] = {(k.child, k.foreign_key): k for k in model.links}
        self._rules = {
            t.table: {rule.column: rule for rule in self._fitted(t.table, next_keys.get(t.table))} for t in model.tables
        }
        self._same = same_keys(self.plan)
        for (table, column), (other, like) in self._same.items():
            if table in self._rules and other in self._rules:
                self._rules[table][column] = dataclasses.replace(self._rules[other][like], column=column)

    def stream_name(self, table: TableKey, column: Name) -> tuple[TableKey, Name]:
        """Return the name of a column's random streams: another column's, where the keys of both must be the same."""
        return self._same.get((table, column), (table, column))

    def rule(self, table: TableKey, column: Name) -> Rule:
        """Return the rule of a column."""
        return self._rules[table][column]

    def score(self, table: TableKey, column: Name) -> int:
        """Return the position of a learned column among its table's own scores."""
        return self.model.table(table).scores.index(column)

    def _fitted(self, table: TableKey, start: int | None) -> tuple[Rule, ...]:
        """Return a table's rules, able to number all its rows; sequences begin at ``start``, if given."""
        described = self.schema.table(table)
        distinct, filled = demanded(described, self.schema.dialect)
        rules = []
        for rule in self.model.table(table).rules:
            texts = CodeRule | PersonalRule | TextRule | SecretRule | BinaryRule
            if rule.column in distinct and isinstance(rule, texts):
                rule = dataclasses.replace(rule, unique=True)
            if rule.column in filled and not isinstance(rule, Learned | Referenced | Numbered | Omitted | NullRule):
                rule = _never_null(rule)
            if start is not None and isinstance(rule, SequenceKey):
                rule = dataclasses.replace(rule, start=start)
            name = (table, rule.column)
            rules.append(fit_to_rows(rule, described.column(rule.column), rows=self.rows[table], name=name))
        return tuple(rules)


def demanded(table: Table, dialect: str) -> tuple[set[Name], set[Name]]:
    """Return the columns whose texts should all differ, and those that should not be NULL.

    A unique key of one expression or with a condition, such as ``lower(name)``, is kept by texts that all differ; one
    column in which NULL may be there but once, by none.
    """
    distinct: set[Name] = set()
    filled: set[Name] = set()
    for key in table.unique_keys:
        named = [columns_of(expression, table, dialect) or () for expression in key.expressions]
        over = {*key.columns, *(name for names in named for name in names)}
        if len(over) == 1:
            distinct |= set() if key.is_plain else over
            filled |= set() if key.nulls_distinct else over
    return distinct, filled


def _never_null(rule: Rule) -> Rule:
    fields: dict[str, Any] = {"null_share": 0.0} if hasattr(rule, "null_share") else {}
    return dataclasses.replace(rule, **fields)


def same_keys(plan: Plan) -> dict[Place, Place]:
    """Return, for keys that must be made alike, the one whose rule and streams the other takes.

    Where a column refers to two tables at once, its value has to be a key of both.
    """
    found = {table.table: table.references for table in plan.tables}
    onward = sources(found)
    same: dict[Place, Place] = {}
    for table, references in found.items():
        for reference in references:
            key = reference.foreign_key
            for mine, theirs in zip(key.columns, key.parent_columns, strict=True):
                first, second = origin(onward, (table, mine)), origin(onward, (key.parent, theirs))
                first, second = origin(same, first), origin(same, second)
                if mine in reference.shared and reference.role == "link" and not reference.sets and first != second:
                    same[second] = first
    return {place: origin(same, place) for place in same}


def is_computed(rule: Rule) -> bool:
    """Whether the value of any row follows from its position alone."""
    return not isinstance(rule, Learned | Referenced | Numbered | PolymorphicKey | Omitted)


def is_distinct(rule: Rule, *, folded: bool = False) -> bool:
    """Whether no two rows of a table get the same value from the rule; ``folded``: without case, too."""
    if folded and isinstance(rule, CodeRule):
        alphabets = {alphabet for mask in rule.masks for alphabet in mask.alphabets}
        if any(len({c.lower() for c in alphabet}) < len(alphabet) for alphabet in alphabets) or len(rule.masks) > 1:
            return False
    return isinstance(rule, SequenceKey | LabelKey | UuidKey) or bool(getattr(rule, "unique", False))
