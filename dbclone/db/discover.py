"""Discover: references that no foreign key declares, found by name and by looking whether every value is there.

A column that is named like a table, or like its key, *may* refer to it: only people know, so it is offered, and used
when declared. A pair of columns of which one names tables and the other holds keys of them is taken for what it looks
like, when all the values that were looked at are keys of the table named.

A value is looked up by the database itself, in the whole table; some hundred values of a column are enough.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from dbclone.db.dialects.base import Dialect, Keys, RandomRows
from dbclone.schema.model import Column, LabelledTable, Polymorphic, Schema, Table, TableKey
from dbclone.schema.plan import Note

ROWS = 1_000
"""Rows of a table that are looked at."""
VALUES = 300
"""Different values of a column that are looked up."""
FEWEST = 5
"""Different values below which finding them all says nothing."""
MOST_LABELS = 50
MOST_PARENTS = 3
"""Tables in which the values of one column are looked up, those with the most similar name first."""
COVERS = 0.9
KINDS = ("integer", "uuid", "text")

_TYPE_WORDS = ("type", "kind", "class", "table", "model", "entity", "resource")
_ID_WORDS = ("id", "key", "uuid", "pk", "ref", "no", "code", "number")


def discover(
    connection: Connection, dialect: Dialect, schema: Schema, source_rows: Mapping[TableKey, int]
) -> tuple[Schema, tuple[Note, ...]]:
    """Return the schema with its polymorphic pairs, and notes that offer what looks like a reference."""
    search = _Search(connection, dialect, schema, source_rows)
    tables, notes = [], []
    for table in schema.tables:
        pairs = table.polymorphic or tuple(search.pairs(table))
        tables.append(dataclasses.replace(table, polymorphic=pairs) if pairs else table)
        notes += [_pair_note(table, pair) for pair in pairs]
        used = {name for pair in pairs for name in (pair.column, pair.type_column)}
        notes += search.offers(table, used)
    return dataclasses.replace(schema, tables=tuple(tables)), tuple(notes)


def _pair_note(table: Table, pair: Polymorphic) -> Note:
    tables = ", ".join(f"{target.table} for {target.label!r}" for target in pair.targets)
    return Note(table=table.key, message=f"({pair.type_column}, {pair.column}) is a polymorphic reference: {tables}")


class _Search:
    """One search: what it has read, and where it looks."""

    def __init__(
        self, connection: Connection, dialect: Dialect, schema: Schema, source_rows: Mapping[TableKey, int]
    ) -> None:
        self.connection, self.dialect, self.schema, self.source_rows = connection, dialect, schema, source_rows
        self._read: dict[TableKey, pa.Table] = {}
        self.keys = [
            (table, table.column(columns[0]))
            for table in schema.tables
            for columns in table.uniques()
            if len(columns) == 1 and table.column(columns[0]).kind in KINDS and source_rows[table.key]
        ]
        self.by_word: dict[str, list[tuple[Table, Column]]] = {}
        for table, column in self.keys:
            for word in {_singular(table.name), _singular(f"{table.name}{column.name}"), _singular(column.name)}:
                self.by_word.setdefault(word, []).append((table, column))

    def rows(self, table: Table) -> pa.Table:
        """Return some random rows of a table, read once."""
        if table.key not in self._read:
            total = self.source_rows[table.key]
            draw = RandomRows(wanted=min(ROWS, total), available=total, table_rows=total, seed=1)
            self._read[table.key] = self.dialect.read_random(self.connection, table, draw).slice(0, ROWS)
        return self._read[table.key]

    # ---- Offers ----------------------------------------------------------------------------------------------------

    def offers(self, table: Table, used: set[str]) -> Iterator[Note]:
        """Yield a note for each column that is named like another table's key and holds nothing but its values."""
        if not self.source_rows[table.key]:
            return
        referring = {name for key in table.foreign_keys for name in key.columns} | used
        own = {columns[0] for columns in table.uniques() if len(columns) == 1}
        for column in table.written_columns:
            if column.name in referring or column.kind not in KINDS:
                continue
            for parent, key in self._named_like(table, column, column.name in own):
                values = self.rows(table)[column.name].drop_null().unique()
                if len(values) >= FEWEST and self._all_there(column, values, parent, key):
                    reference = f"{table.key}.{column.name}={parent.key}.{key.name}"
                    yield Note(
                        table=table.key,
                        message=f"{column.name} looks like a reference: all {min(len(values), VALUES)} values that "
                        f"were looked up are in {parent.key}.{key.name}; declare it with --reference {reference}",
                    )
                    break

    def _named_like(self, table: Table, column: Column, is_own_key: bool) -> list[tuple[Table, Column]]:
        """Return the keys that a column's name speaks of: ``billing_customer_id`` of customer.id or .customer_id."""
        words = _words(column.name)
        if words and words[-1] in _ID_WORDS:
            words = words[:-1]
        elif is_own_key or len(words) == 0:
            words = []
        found: list[tuple[Table, Column]] = []
        named = "".join(_words(column.name))
        for start in range(len(words)):
            found += self.by_word.get(_singular("".join(words[start:])), [])
        if named not in _ID_WORDS and not is_own_key:
            found += self.by_word.get(_singular(named), [])
        fitting = [
            (parent, key)
            for parent, key in found
            if (parent.key, key.name) != (table.key, column.name) and key.kind == column.kind
        ]
        return list({(parent.key, key.name): (parent, key) for parent, key in fitting}.values())[:MOST_PARENTS]

    def _all_there(self, column: Column, values: pa.Array, parent: Table, key: Column) -> bool:
        wanted = Keys(columns=(column,), values=pa.table({column.name: values.slice(0, VALUES)}))
        return bool((self.dialect.count_matching(self.connection, parent, (key.name,), wanted) > 0).all())

    # ---- Polymorphic pairs ------------------------------------------------------------------------------------------

    def pairs(self, table: Table) -> Iterator[Polymorphic]:
        """Yield the polymorphic pairs of a table."""
        if not self.source_rows[table.key]:
            return
        for type_column, column in _candidates(table):
            rows = self.rows(table)
            labels = rows[type_column.name].cast(pa.string())
            counts = {item["values"]: item["counts"] for item in labels.drop_null().value_counts().to_pylist()}
            if not 0 < len(counts) <= MOST_LABELS:
                continue
            found = {}
            for label in sorted(counts):
                values = rows[column.name].filter(pc.equal(labels, label)).drop_null().unique()
                target = self._target(table, column, label, values)
                if target is not None:
                    found[label] = target
            if found and sum(counts[label] for label in found) >= COVERS * sum(counts.values()):
                targets = (LabelledTable(label=k, table=t.key, column=c.name) for k, (t, c) in found.items())
                yield Polymorphic(column=column.name, type_column=type_column.name, targets=tuple(targets))

    def _target(self, table: Table, column: Column, label: str, values: pa.Array) -> tuple[Table, Column] | None:
        """Return the key whose table the label names; if none is named, the only one that holds all values."""
        if not len(values):
            return None
        fitting = [
            (t, c) for t, c in self.keys if c.kind == column.kind and (t.key != table.key or c.name != column.name)
        ]
        named = [(t, c) for t, c in fitting if _singular(t.name) == _singular(_last_name(label))]
        for parent, key in named:
            if self._all_there(column, values, parent, key):
                return parent, key
        if named or len(values) < FEWEST:
            return None
        holding = [(t, c) for t, c in fitting if self._all_there(column, values, t, c)]
        return holding[0] if len(holding) == 1 else None


def _candidates(table: Table) -> Iterator[tuple[Column, Column]]:
    """Yield columns that may name a table with the columns that may hold its keys: ``subject_type``, ``subject_id``."""
    taken = {name for key in table.foreign_keys for name in key.columns}
    taken |= {columns[0] for columns in table.uniques() if len(columns) == 1}
    free = [column for column in table.written_columns if column.name not in taken]
    types = [c for c in free if c.kind in ("text", "enum", "integer") and _split(c.name, _TYPE_WORDS) is not None]
    for type_column in types:
        stem = _split(type_column.name, _TYPE_WORDS)
        for column in free:
            if column.kind in KINDS and column is not type_column and _split(column.name, _ID_WORDS) == stem:
                yield type_column, column


def _split(name: str, endings: Sequence[str]) -> str | None:
    """Return what stands before one of the endings: ``subject_type`` → ``subject``; None without such an ending."""
    words = _words(name)
    return "".join(words[:-1]) if words and words[-1] in endings else None


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case: ``BillingCustomerID``, ``billing_customer-id`` → three words."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return [word for word in re.split(r"[^0-9a-z]+", spaced.lower()) if word]


def _last_name(label: str) -> str:
    """Return the class or table of a longer name: ``App\\Models\\Post``, ``blog.post`` → the last word."""
    return re.split(r"[\\./:]+", label)[-1]


def _singular(name: str) -> str:
    """Return a name without separators, case and plural, for comparison: ``Order_Lines`` → ``orderline``."""
    plain = "".join(_words(name))
    for ending, singular in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("s", "")):
        if plain.endswith(ending) and len(plain) > len(ending) + 1 and not plain.endswith("ss"):
            return plain[: -len(ending)] + singular
    return plain
