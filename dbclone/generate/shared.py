"""What all parts of a run of ``generate`` share: the model, the streams, the rows wanted, and every column's rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from dbclone.generate.keys import fit_to_rows
from dbclone.generate.streams import Streams
from dbclone.model.parts import LinkModel, Model
from dbclone.model.rules import Learned, Numbered, Omitted, Referenced, Rule, SequenceKey, UuidKey
from dbclone.schema.model import TableKey

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

    def rule(self, table: TableKey, column: Name) -> Rule:
        """Return the rule of a column."""
        return self._rules[table][column]

    def score(self, table: TableKey, column: Name) -> int:
        """Return the position of a learned column among its table's own scores."""
        return self.model.table(table).scores.index(column)

    def _fitted(self, table: TableKey, start: int | None) -> tuple[Rule, ...]:
        """Return a table's rules, able to number all its rows; sequences begin at ``start``, if given."""
        described = self.schema.table(table)
        rules = []
        for rule in self.model.table(table).rules:
            if start is not None and isinstance(rule, SequenceKey):
                rule = dataclasses.replace(rule, start=start)
            name = (table, rule.column)
            rules.append(fit_to_rows(rule, described.column(rule.column), rows=self.rows[table], name=name))
        return tuple(rules)


def is_computed(rule: Rule) -> bool:
    """Whether the value of any row follows from its position alone."""
    return not isinstance(rule, Learned | Referenced | Numbered | Omitted)


def is_distinct(rule: Rule) -> bool:
    """Whether no two rows of a table get the same value from the rule."""
    return isinstance(rule, SequenceKey | UuidKey) or bool(getattr(rule, "unique", False))
