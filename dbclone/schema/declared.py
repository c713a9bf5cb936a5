"""References that a user declares, because the database does not: ``--reference order.customer_id=customer.id``.

Pure. A declared reference is a foreign key that the target will not have: rows follow it, no constraint says so.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Sequence

from dbclone.errors import ConfigurationError
from dbclone.schema.model import Column, ForeignKey, LabelledTable, Polymorphic, Schema, Table, TableKey

_LABEL = re.compile(r"(?P<column>[^\[\]]+)\[(?P<type>[^\[\]=]+)=(?P<label>[^\[\]]*)\]")


def declare(schema: Schema, texts: Sequence[str]) -> Schema:
    """Return the schema with the references that the texts declare.

    ``order.customer_id=customer.id``; several columns are ``line.order_id,number=order.id,number``; of a polymorphic
    pair, one table at a time: ``note.subject_id[subject_type=Order]=order.id``. Raises ConfigurationError, naming the
    text and what is wrong with it.
    """
    tables = {table.key: table for table in schema.tables}
    for text in texts:
        left, right = _sides(text)
        child, mine = _place(text, left, tables)
        parent, theirs = _place(text, right, tables)
        label = _LABEL.fullmatch(mine)
        if label is None:
            tables[child] = _with_key(text, tables[child], mine.split(","), tables[parent], theirs.split(","))
        else:
            tables[child] = _with_label(text, tables[child], label, tables[parent], theirs)
    return dataclasses.replace(schema, tables=tuple(tables[table.key] for table in schema.tables))


def _sides(text: str) -> tuple[str, str]:
    """Return what stands on both sides of the equals sign that is in no bracket."""
    left, bracket, rest = text.partition("[")
    if bracket and "]=" in rest:
        inside, _, right = rest.partition("]=")
        return f"{left}[{inside}]", right
    left, equals, right = text.partition("=")
    if not equals or not left or not right:
        raise _wrong(text, "write child.column=parent.column, for instance --reference order.customer_id=customer.id")
    return left.strip(), right.strip()


def _place(text: str, side: str, tables: dict[TableKey, Table]) -> tuple[TableKey, str]:
    """Return the table and the columns that one side names: the longest table name that it begins with."""
    found = [key for key in tables if side.startswith(f"{key}.") and len(side) > len(key) + 1]
    if not found:
        near = difflib.get_close_matches(side.rpartition(".")[0], list(tables), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise _wrong(text, f"{side} names no table and column{hint}")
    key = max(found, key=len)
    return key, side[len(key) + 1 :]


def _column(text: str, table: Table, name: str) -> Column:
    column = next((column for column in table.columns if column.name == name.strip()), None)
    if column is None:
        near = difflib.get_close_matches(name.strip(), [column.name for column in table.columns], n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise _wrong(text, f"{table.key} has no column {name.strip()}{hint}")
    return column


def _with_key(text: str, child: Table, mine: Sequence[str], parent: Table, theirs: Sequence[str]) -> Table:
    columns = [_column(text, child, name) for name in mine]
    referenced = [_column(text, parent, name) for name in theirs]
    if len(columns) != len(referenced):
        raise _wrong(text, f"{len(columns)} columns cannot refer to {len(referenced)}")
    for column, other in zip(columns, referenced, strict=True):
        _refuse_other_kind(text, column, other)
    names = tuple(column.name for column in referenced)
    if not any(set(names) == set(unique) for unique in parent.uniques()):
        raise _wrong(text, f"({', '.join(names)}) of {parent.key} is no primary key and no unique key")
    key = ForeignKey(
        name=f"declared {child.name}({', '.join(column.name for column in columns)})",
        columns=tuple(column.name for column in columns),
        parent=parent.key,
        parent_columns=names,
        validated=False,
        declared=True,
    )
    same = [
        k for k in child.foreign_keys if (k.columns, k.parent, k.parent_columns) == (key.columns, key.parent, names)
    ]
    return child if same else dataclasses.replace(child, foreign_keys=(*child.foreign_keys, key))


def _with_label(text: str, child: Table, label: re.Match[str], parent: Table, theirs: str) -> Table:
    column, key = _column(text, child, label["column"]), _column(text, parent, theirs)
    type_column = _column(text, child, label["type"])
    _refuse_other_kind(text, column, key)
    if not any((key.name,) == unique for unique in parent.uniques()):
        raise _wrong(text, f"{key.name} of {parent.key} is no primary key and no unique key")
    if any(column.name in k.columns for k in child.foreign_keys):
        raise _wrong(text, f"{column.name} of {child.key} is part of a foreign key")
    target = LabelledTable(label=label["label"], table=parent.key, column=key.name)
    pairs = {(pair.column, pair.type_column): pair for pair in child.polymorphic}
    known = pairs.get((column.name, type_column.name))
    pairs[column.name, type_column.name] = Polymorphic(
        column=column.name,
        type_column=type_column.name,
        targets=(*(t for t in (known.targets if known else ()) if t.label != target.label), target),
    )
    return dataclasses.replace(child, polymorphic=tuple(pairs.values()))


def _refuse_other_kind(text: str, column: Column, key: Column) -> None:
    if column.kind != key.kind:
        raise _wrong(text, f"{column.name} is {column.type}, {key.name} is {key.type}")


def _wrong(text: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"--reference {text}: {why}")
