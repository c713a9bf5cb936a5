"""Random databases as they are drawn: tables, keys, columns and foreign keys, before there are any rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

KeyShape = Literal["integer", "none", "text", "uuid", "pair", "child", "same", "link", "overlap"]
"""How a table is keyed. ``child``: the parent's key and a number; ``same``: the parent's key itself; ``link``: the keys
of two tables; ``overlap``: those of two children of one parent, whose key is in it once, so that two foreign keys share
its columns. These build on earlier tables, so a key is never defined by itself."""

Rule = Literal["none", "unique", "check", "nulls", "partial", "expression", "exclude"]
"""What holds for a column, where its kind and its rows allow it: unique, unique with NULL as a value, unique in some
rows, unique by an expression."""
Circle = Literal["any", "tree", "pairs"]
"""Which rows of its own table a row refers to: any; an earlier one; one that refers back."""
Row = dict[str, str | None]


@dataclass(frozen=True)
class DataColumn:
    """A column that is no key. ``two_sided`` adds a second one with a CHECK that compares the two."""

    name: str
    kind: str
    nullable: bool
    rule: Rule
    two_sided: bool


@dataclass(frozen=True)
class Edge:
    """A foreign key with columns of its own, to the key or, where it has one, the other unique of any table.

    ``partly``: some rows have a NULL in but one of its columns; otherwise it may be ``match_full``. ``tied``: a CHECK
    says that the first data column is NULL where it is. ``wide``: it is unique together with that column.
    ``elsewhere``: no row refers to itself, by a CHECK.
    """

    name: str
    parent: int
    to_unique: bool
    nullable: bool
    deferrable: bool
    unique: bool
    match_full: bool
    partly: bool
    tied: bool
    wide: bool
    elsewhere: bool
    circle: Circle


@dataclass(frozen=True)
class RandomTable:
    """A table as drawn. ``builds_on`` are the earlier tables that its key consists of.

    ``other_schema``: it is not in ``public``. ``split``: it is partitioned. ``identity``: a key of one integer is
    numbered by the database, ``always`` if it may not be given. ``generated``: it has a column that the database
    computes. ``paired``: its first two data columns are unique together, where they are.
    """

    name: str
    other_schema: bool
    split: bool
    identity: Literal["", "BY DEFAULT", "ALWAYS"]
    generated: bool
    paired: bool
    shape: KeyShape
    builds_on: tuple[int, ...]
    coded: bool
    columns: tuple[DataColumn, ...]
    edges: tuple[Edge, ...]
    rows: int

    @property
    def quoted(self) -> str:
        """The table's name as SQL spells it."""
        return f"{'other' if self.other_schema else 'public'}.{quote(self.name)}"

    @property
    def is_split(self) -> bool:
        """Whether it is partitioned: no unique key may leave the partition key out."""
        return self.split and self.shape in ("integer", "none", "uuid", "pair") and not self.coded

    @property
    def is_numbered(self) -> bool:
        """Whether the database numbers its rows."""
        return bool(self.identity) and self.shape == "integer"


@dataclass(frozen=True)
class RandomDatabase:
    """Statements that make and fill the tables, in order; ``tables`` is what they were made from."""

    tables: tuple[RandomTable, ...] = field(repr=False)
    create: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Row, ...]], ...] = field(repr=False)
    constrain: tuple[str, ...]


def quote(name: str) -> str:
    """Return a name as SQL spells it."""
    return '"' + name.replace('"', '""') + '"'
