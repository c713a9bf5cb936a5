"""What all parts of a run of ``generate`` share: the model, the streams, the rows wanted, and every column's rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from dbclone.errors import PlanError
from dbclone.generate.constraints import judge
from dbclone.generate.keys import fit_to_rows
from dbclone.generate.streams import Integers, Streams
from dbclone.generate.values import values_at
from dbclone.model.parts import LinkModel, Model
from dbclone.model.rules import (
    BinaryRule,
    Carried,
    CodeRule,
    ExpressionRule,
    JsonRule,
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
    without_nulls,
)
from dbclone.schema.checks import columns_of, literals
from dbclone.schema.model import Table, TableKey
from dbclone.schema.plan import Plan
from dbclone.schema.roles import Place, origin, sources

Name = str

SpelledRule = CodeRule | PersonalRule | TextRule | SecretRule | BinaryRule | JsonRule
"""Rules that can be told to make values that all differ, by their index."""

ENDS = 1_000
"""Rows at either end of a sequence that are judged by a CHECK."""


class Shared:
    """``rows`` are the rows to make per table, ``rules`` every table's rules, fitted to them."""

    def __init__(
        self,
        model: Model,
        seed: int,
        rows: Mapping[TableKey, int],
        next_keys: Mapping[TableKey, int],
        *,
        next_values: Mapping[tuple[TableKey, Name], int],
        rows_before: Mapping[TableKey, int],
    ) -> None:
        self.model, self.schema, self.plan = model, model.plan.schema, model.plan
        self.streams = Streams(seed)
        wanted = {plan.table: plan.rows for plan in model.plan.tables} | dict(rows)
        self.rows = {key: count if key in model else 0 for key, count in wanted.items()}
        self._rows_before = rows_before
        self.links: Mapping[tuple[TableKey, str], LinkModel] = {(k.child, k.foreign_key): k for k in model.links}
        self._rules = {
            t.table: {rule.column: rule for rule in self._fitted(t.table, next_keys.get(t.table), next_values)}
            for t in model.tables
        }
        self._same = same_keys(self.plan)
        for (table, column), (other, like) in self._same.items():
            if table in self._rules and other in self._rules:
                self._rules[table][column] = dataclasses.replace(self._rules[other][like], column=column)

    def stream_name(self, table: TableKey, column: Name) -> tuple[TableKey, Name]:
        """Return the name of a column's random streams: another column's, where the keys of both must be the same."""
        return self._same.get((table, column), (table, column))

    def index_of(self, table: TableKey, column: Name, positions: Integers) -> Integers:
        """Return the indexes by which a column's values are made: after those of the rows that are there already."""
        before = self._rows_before.get(self.stream_name(table, column)[0], 0)
        own = SequenceKey | LabelKey | PolymorphicKey
        return positions if isinstance(self.rule(table, column), own) else positions + before

    def rule(self, table: TableKey, column: Name) -> Rule:
        """Return the rule of a column."""
        return self._rules[table][column]

    def score(self, table: TableKey, column: Name) -> int:
        """Return the position of a learned column among its table's own scores."""
        return self.model.table(table).scores.index(column)

    def _fitted(
        self, table: TableKey, first: int | None, next_values: Mapping[tuple[TableKey, Name], int]
    ) -> tuple[Rule, ...]:
        """Return a table's rules, able to number all its rows; sequences begin at ``first``, if given."""
        described = self.schema.table(table)
        distinct, filled = demanded(described, self.schema.dialect)
        rules = []
        for rule in self.model.table(table).rules:
            start = next_values.get((table, rule.column), first)
            if rule.column in distinct and isinstance(rule, SpelledRule):
                rule = all_different(rule)
            if rule.column in filled and not isinstance(rule, Learned | Referenced | Numbered | Omitted | NullRule):
                rule = without_nulls(rule)
            name, before = (table, rule.column), self._rows_before.get(table, 0)
            if isinstance(rule, SequenceKey):
                after = rule.start + rule.step * before
                rule = dataclasses.replace(rule, start=after if start is None else start)
            before = 0 if isinstance(rule, SequenceKey | LabelKey) else before
            rule = fit_to_rows(rule, described.column(rule.column), rows=self.rows[table] + before, name=name)
            if start is not None and isinstance(rule, SequenceKey) and rule.start != start:
                raise PlanError(
                    f"{table}.{rule.column}: after the rows that are there, {described.column(rule.column).type} has "
                    f"not {self.rows[table]:,} keys left; make fewer rows with --rows {table}=N"
                )
            rules.append(self._allowed(table, rule) if isinstance(rule, SequenceKey) and start is None else rule)
        return tuple(rules)

    def _allowed(self, table: TableKey, rule: SequenceKey) -> SequenceKey:
        """Return the sequence, begun elsewhere if a CHECK on its column alone allows that but not what was learned."""
        described, dialect = self.schema.table(table), self.schema.dialect
        checks = tuple(check for check in described.checks if check.columns == (rule.column,))
        rows, column = self.rows[table], described.column(rule.column)
        if not checks or not rows:
            return rule
        index = np.unique(np.r_[np.arange(min(rows, ENDS)), np.arange(max(rows - ENDS, 0), rows)])
        alone = dataclasses.replace(described, checks=checks, routing=None)
        named = [text for check in checks for texts in literals(check, dialect).values() for text in texts]
        numbers = [int(text) + offset for text in named if text.lstrip("-").isdigit() for offset in (0, 1, -1)]
        nearby = [(rule.start + rule.step * offset, rule.step) for offset in (0, 1, 2, 10, 100)]
        for start, step in [*nearby, *((number, step) for number in numbers for step in (rule.step, 1, -1))]:
            moved = dataclasses.replace(rule, start=start, step=step)
            if fit_to_rows(moved, column, rows=rows, name=(table, rule.column)) != moved:
                continue
            values = values_at(moved, column, index=index, streams=self.streams, name=(table, rule.column))
            found = judge(alone, dialect, {rule.column: values.type}, ())
            if found is None or not found.violators({rule.column: values}).any():
                return moved
        return rule


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


def all_different(rule: SpelledRule) -> Rule:
    """Return the rule of texts such that no two rows get the same."""
    if isinstance(rule, CodeRule):
        return dataclasses.replace(rule, unique=True, pool=None)
    return dataclasses.replace(rule, unique=True)


def is_computed(rule: Rule) -> bool:
    """Whether the value of any row follows from its position alone."""
    if isinstance(rule, PersonalRule) and rule.country is not None:
        return False
    return not isinstance(rule, Learned | Referenced | Carried | Numbered | PolymorphicKey | Omitted | ExpressionRule)


def is_distinct(rule: Rule, *, folded: bool = False) -> bool:
    """Whether no two rows of a table get the same value from the rule; ``folded``: without case, too."""
    if folded and isinstance(rule, CodeRule):
        alphabets = {alphabet for mask in rule.masks for alphabet in mask.alphabets}
        if any(len({c.lower() for c in alphabet}) < len(alphabet) for alphabet in alphabets) or len(rule.masks) > 1:
            return False
    return isinstance(rule, SequenceKey | LabelKey | UuidKey) or bool(getattr(rule, "unique", False))
