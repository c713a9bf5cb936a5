"""How well columns are classified: precision and recall on headings with values that were labelled by hand.

``python -m tests.bench.classify`` prints them per kind, and every column that was missed. The data are in headings.txt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dbclone.learn.rules import column_facts
from dbclone.model.literals import typed
from dbclone.schema.classify import ColumnClass, classify
from dbclone.schema.model import Column, TypeKind

DATA = Path(__file__).with_name("headings.txt")
OPEN = frozenset({"category", "number", "time", "boolean"})
"""Kinds whose values are carried over, or learned as numbers: what must never happen to anything personal."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A column, its values, and what it holds."""

    column: Column
    values: tuple[str, ...]
    kind: str


@dataclass(frozen=True, kw_only=True)
class Score:
    """Precision and recall of one kind; NaN where it never occurs."""

    kind: str
    expected: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        """The share of columns found to be of the kind which are."""
        return self.right / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """The share of columns of the kind which were found to be."""
        return self.right / self.expected if self.expected else float("nan")


def labelled_columns() -> tuple[Labelled, ...]:
    """Return the labelled set."""
    pools: dict[str, tuple[str, ...]] = {}
    columns = []
    for line in DATA.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        parts = [part.strip() for part in line.split(" : ")]
        if len(parts) == 4:
            kind, of, pool, headings = parts
            name, _, times = pool.partition("*")
            columns += [_labelled(heading, of, pools[name] * int(times or 1), kind) for heading in headings.split()]
        else:
            name, _, values = line.partition("=")
            pools[name.strip()] = tuple(value.strip() for value in values.split(" | ") if value.strip())
    return tuple(columns)


def _labelled(heading: str, of: str, values: tuple[str, ...], kind: str) -> Labelled:
    types: dict[str, tuple[TypeKind, str]] = {
        "text": ("text", "text"),
        "integer": ("integer", "bigint"),
        "decimal": ("decimal", "numeric(10,2)"),
        "float": ("float", "double precision"),
        "date": ("date", "date"),
        "timestamp": ("timestamp", "timestamp without time zone"),
    }
    type_kind, text = types[of]
    return Labelled(column=Column(name=heading, type=text, kind=type_kind, bytes=8), values=values, kind=kind)


def found(labelled: Labelled) -> ColumnClass:
    """Return what the column is found to hold."""
    values = typed(labelled.column.kind, pa.array(labelled.values, pa.string()))
    return classify(labelled.column, column_facts(values), is_key=labelled.kind == "key")


def word(kind: ColumnClass) -> str:
    """Return the kind as the labels spell it: a birth date in a date column is one, whatever becomes of it."""
    return kind.personal or kind.called


def scores(results: Sequence[tuple[Labelled, ColumnClass]]) -> tuple[Score, ...]:
    """Return the scores per kind, and of all that must not be carried over as ``closed``."""
    expected, said = Counter(item.kind for item, _ in results), Counter(word(kind) for _, kind in results)
    right = Counter(item.kind for item, kind in results if item.kind == word(kind))
    made = [
        Score(kind=name, expected=expected[name], found=said[name], right=right[name])
        for name in sorted({*expected, *said})
    ]
    wanted = [item.kind not in OPEN for item, _ in results]
    closed = [kind.called not in OPEN or kind.personal is not None for _, kind in results]
    both = sum(a and b for a, b in zip(wanted, closed, strict=True))
    return (*made, Score(kind="closed", expected=sum(wanted), found=sum(closed), right=both))


def main() -> None:
    """Print the scores and what was missed."""
    results = [(item, found(item)) for item in labelled_columns()]
    print(f"{len(results)} columns\n{'kind':<15}{'columns':>8}{'precision':>11}{'recall':>8}")
    for score in scores(results):
        print(f"{score.kind:<15}{score.expected:>8}{score.precision:>11.3f}{score.recall:>8.3f}")
    right = sum(item.kind == word(kind) for item, kind in results)
    print(f"{'all':<15}{len(results):>8}{right / len(results):>11.3f}")
    for item, kind in results:
        if item.kind != word(kind):
            print(f"  {item.column.name}: {word(kind)}, not {item.kind} ({'; '.join(kind.evidence)})")


if __name__ == "__main__":
    main()
