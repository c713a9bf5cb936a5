"""What the report draws: source and clone side by side, as shares, one value object per picture.

Owns how rows become shares: bins, buckets and labels. All of them are the clone's own (its range, its categories), so
that no picture holds a value of the source that the clone does not hold: what only the source has is counted at the
ends, or as *other*. Distances are those of :mod:`dbclone.report.fidelity`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.model.flow import FanOut, Sample
from dbclone.model.literals import text_of
from dbclone.report.distances import CATEGORIES, ks_distance, series_pair
from dbclone.report.fidelity import Associations, Columns, Fidelity, Figure, compare_associations, measure_fidelity
from dbclone.schema.model import Column, Schema, TableKey, TypeKind

Floats = npt.NDArray[np.float64]

BINS = 32
LABELS = 10
"""So many categories are drawn, the clone's most frequent; the others are one."""
LABEL_LENGTH = 24
MINUTES = 16
"""So many characters of a time are shown: ``2024-02-29 12:00``."""
FEWEST_PARENTS = 10
"""The numbers of children of fewer parents are no distribution: they are drawn, and no distance is told."""
_TIMES: tuple[TypeKind, ...] = ("date", "timestamp", "timestamptz")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_US = 86_400_000_000
_BUCKETS = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 9), (10, 19), (20, 49), (50, 99), (100, 999))

Of = Literal["values", "labels", "weekday", "hour", "children"]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One distribution, in source and clone: shares of the rows, NULLs apart, at each of ``labels``.

    ``values``: bins over the clone's range, of which the first and last label are its ends; the others are categories,
    weekdays, hours, numbers of children. ``nulls`` are the shares of NULL on both sides.
    """

    table: TableKey
    name: str
    of: Of
    labels: tuple[str, ...]
    source: tuple[float, ...]
    clone: tuple[float, ...]
    distance: float
    nulls: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Everything that a report says about quality.

    ``ceiling`` compares two halves of the source's sample in the properties of single rows: what another sample of the
    same database would score.
    """

    fidelity: Fidelity
    ceiling: Fidelity
    associations: tuple[Associations, ...]
    pictures: tuple[Picture, ...]
    source_rows: int
    clone_rows: int

    @property
    def worst(self) -> tuple[Figure, ...]:
        """The ten figures that are farthest from the source."""
        return tuple(sorted(self.fidelity.figures, key=lambda figure: -figure.distance)[:10])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data: every figure and every picture."""
        properties = dict.fromkeys(figure.property for figure in self.fidelity.figures)
        return {
            "source_rows": self.source_rows,
            "clone_rows": self.clone_rows,
            "mean_distance": {name: self.fidelity.mean(name) for name in properties},
            "ceiling": {name: self.ceiling.mean(name) for name in properties},
            "figures": [dataclasses.asdict(figure) for figure in self.fidelity.figures],
            "pictures": [dataclasses.asdict(picture) for picture in self.pictures],
            "associations": [
                {"table": a.table, "columns": a.columns, "source": _matrix(a.source), "clone": _matrix(a.clone)}
                for a in self.associations
            ],
        }

    def pictured(self, *of: Of) -> tuple[Picture, ...]:
        """Return the pictures of a kind, the farthest first."""
        return tuple(sorted((p for p in self.pictures if p.of in of), key=lambda p: (-p.distance, p.table, p.name)))


def _matrix(values: Floats) -> list[list[float | None]]:
    return [[round(float(value), 4) if np.isfinite(value) else None for value in row] for row in values]


def compare_samples(schema: Schema, source: Sample, clone: Sample, columns: Columns) -> Comparison:
    """Return how a clone differs from its source, of a sample of each; ``columns`` are those that were learned."""
    ours = {key: sample.rows for key, sample in source.tables.items()}
    theirs = {key: sample.rows for key, sample in clone.tables.items()}
    figures = measure_fidelity(schema, ours, theirs, columns).figures
    children = tuple(_children(source.fan_outs, clone.fan_outs))
    few = {(f.child, f.foreign_key) for f in source.fan_outs if len(f.counts) < FEWEST_PARENTS}
    counted = [picture for picture in children if (picture.table, picture.name) not in few]
    halves = [{key: rows.take(_half(rows.num_rows, n)) for key, rows in ours.items()} for n in (0, 1)]
    alone = dataclasses.replace(
        schema, tables=tuple(dataclasses.replace(table, foreign_keys=()) for table in schema.tables)
    )
    return Comparison(
        fidelity=Fidelity(figures=(*(f for f in figures if f.property != "fan-out"), *map(_figure, counted))),
        ceiling=measure_fidelity(alone, halves[0], halves[1], columns),
        associations=compare_associations(schema, ours, theirs, columns),
        pictures=(*_columns(schema, ours, theirs, columns, figures), *children),
        source_rows=sum(rows.num_rows for rows in ours.values()),
        clone_rows=sum(rows.num_rows for rows in theirs.values()),
    )


def _half(rows: int, which: int) -> npt.NDArray[np.int64]:
    """Return the positions of one half of the rows: a random one, always the same."""
    order = np.random.default_rng(0).permutation(rows)
    return np.sort(order[which * (rows // 2) : (which + 1) * (rows // 2)])


def _figure(picture: Picture) -> Figure:
    return Figure(property="fan-out", table=picture.table, name=picture.name, distance=picture.distance)


# ---- Columns --------------------------------------------------------------------------------------------------------


def _columns(
    schema: Schema,
    source: Mapping[TableKey, pa.Table],
    clone: Mapping[TableKey, pa.Table],
    columns: Columns,
    figures: Iterable[Figure],
) -> Iterator[Picture]:
    distances: dict[tuple[str, TableKey, str], float] = {(f.property, f.table, f.name): f.distance for f in figures}
    for table, names in columns.items():
        for name in names:
            distance = distances.get(("shape", table, name))
            if distance is None:
                continue
            column = schema.table(table).column(name)
            sides = (source[table][name], clone[table][name])
            picture = (_labels if column.kind in CATEGORIES else _values)(table, column, sides, distance)
            if picture is not None:
                yield picture
            if column.kind in _TIMES:
                yield from _profiles(table, column, sides, distances)


def _values(
    table: TableKey, column: Column, sides: tuple[pa.ChunkedArray, pa.ChunkedArray], distance: float
) -> Picture | None:
    """Return a column of numbers or times in bins over the range of nearly all of the clone's values."""
    one, two = series_pair(column.kind, *sides)
    known = two.known[np.isfinite(two.known)]
    if not len(known):
        return None
    low, high = np.quantile(known, (0.005, 0.995), method="nearest")
    edges = np.linspace(low, high, BINS + 1)[1:-1] if high > low else np.array([])
    shares = [_shares(np.searchsorted(edges, series.known, side="right"), len(edges) + 1) for series in (one, two)]
    texts = text_of(_plain(sides[1]))
    ends = [texts[int(np.flatnonzero(two.values == end)[0])].as_py() for end in (low, high)]
    if column.kind in _TIMES:
        ends = [end[:MINUTES] for end in ends]
    return Picture(
        table=table,
        name=column.name,
        of="values",
        labels=tuple(_short(end) for end in ends),
        source=shares[0],
        clone=shares[1],
        distance=distance,
        nulls=_nulls(sides),
    )


def _labels(
    table: TableKey, column: Column, sides: tuple[pa.ChunkedArray, pa.ChunkedArray], distance: float
) -> Picture | None:
    """Return a column of categories: the clone's most frequent, and all others as one."""
    texts = [_plain(side).cast(pa.string()).drop_null() for side in sides]
    if not len(texts[1]):
        return None
    counted = sorted(pc.value_counts(texts[1]).to_pylist(), key=lambda item: (-item["counts"], item["values"]))
    labels = pa.array([item["values"] for item in counted[:LABELS]], pa.string())
    shares = []
    for side in texts:
        place = pc.fill_null(pc.index_in(side, value_set=labels), len(labels)).to_numpy(zero_copy_only=False)
        shares.append(_shares(place, len(labels) + 1))
    return Picture(
        table=table,
        name=column.name,
        of="labels",
        labels=(*(_short(label) for label in labels.to_pylist()), "other"),
        source=shares[0],
        clone=shares[1],
        distance=distance,
        nulls=_nulls(sides),
    )


def _profiles(
    table: TableKey,
    column: Column,
    sides: tuple[pa.ChunkedArray, pa.ChunkedArray],
    distances: Mapping[tuple[str, TableKey, str], float],
) -> Iterator[Picture]:
    """Yield the weekdays and, of what has them, the hours of a column of times."""
    day = 1 if column.kind == "date" else _DAY_US
    series = series_pair(column.kind, *sides)
    numbered: tuple[tuple[Of, tuple[str, ...], list[Floats]], ...] = (
        ("weekday", _DAYS, [(np.floor(item.known / day) + 3) % 7 for item in series]),
        ("hour", tuple(map(str, range(24))), [np.floor(item.known / (day / 24)) % 24 for item in series]),
    )
    for of, labels, numbers in numbered:
        distance = distances.get((of, table, column.name))
        if distance is not None:
            shares = [_shares(values.astype(np.int64), len(labels)) for values in numbers]
            yield Picture(
                table=table,
                name=column.name,
                of=of,
                labels=labels,
                source=shares[0],
                clone=shares[1],
                distance=distance,
            )


# ---- Fan-outs -------------------------------------------------------------------------------------------------------


def _children(source: Sequence[FanOut], clone: Sequence[FanOut]) -> Iterator[Picture]:
    """Yield how many children parents have, as both databases counted them."""
    theirs = {(item.child, item.foreign_key): item.counts for item in clone}
    for item in source:
        counts = [item.counts[item.counts >= 0], theirs.get((item.child, item.foreign_key), np.array([], np.int64))]
        counts[1] = counts[1][counts[1] >= 0]
        if min(map(len, counts)):
            starts = [low for low, _ in _BUCKETS] + [_BUCKETS[-1][1] + 1]
            shares = [_shares(np.searchsorted(starts, side, side="right") - 1, len(starts)) for side in counts]
            most = max(n for side in shares for n, share in enumerate(side) if share) + 1
            labels = [str(low) if low == high else f"{low}–{high}" for low, high in _BUCKETS] + ["1000+"]
            yield Picture(
                table=item.child,
                name=item.foreign_key,
                of="children",
                labels=tuple(labels[:most]),
                source=shares[0][:most],
                clone=shares[1][:most],
                distance=ks_distance(counts[0].astype(float), counts[1].astype(float)),
            )


# ---- Small things ---------------------------------------------------------------------------------------------------


def _shares(places: npt.NDArray[np.int64], size: int) -> tuple[float, ...]:
    counts = np.bincount(places, minlength=size)
    return tuple(float(count) for count in counts / max(counts.sum(), 1))


def _nulls(sides: tuple[pa.ChunkedArray, pa.ChunkedArray]) -> tuple[float, float]:
    one, two = (side.null_count / max(len(side), 1) for side in sides)
    return one, two


def _plain(values: pa.ChunkedArray) -> pa.Array:
    flat = values.combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = flat.chunk(0) if flat.num_chunks else pa.array([], flat.type)
    return flat.cast(flat.type.value_type) if pa.types.is_dictionary(flat.type) else flat


def _short(text: str) -> str:
    return text if len(text) <= LABEL_LENGTH else f"{text[: LABEL_LENGTH - 1]}…"
