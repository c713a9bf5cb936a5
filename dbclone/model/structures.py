"""Value rules of values with a structure: arrays, ranges, composite values, addresses, bits, shapes, paths, vectors.

As all rules (see :mod:`dbclone.model.rules`) they are data. What values are made of has a rule of its own, which draws
each element, bound or field independently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbclone.model.marginal import Marginal

if TYPE_CHECKING:
    from dbclone.model.rules import Rule

Quantiles = tuple[float, ...]
"""Values of a quantile function at evenly spaced shares from 0 to 1; empty when there was no value."""


@dataclass(frozen=True, kw_only=True)
class ArrayRule:
    """Arrays whose elements, described by the column's only part, the ``element`` rule makes.

    ``shapes`` are those of arrays of several dimensions, with their shares of all arrays; the others have ``lengths``.
    """

    column: str
    element: Rule
    lengths: Quantiles
    shapes: tuple[tuple[tuple[int, ...], float], ...] = ()
    unique: bool = False
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RangeRule:
    """Ranges: a bound, and how far the other one is from it.

    ``bound`` makes the lower bound (the upper one where there is no lower), ``widths`` are differences on its axis;
    without them both bounds are the same. ``forms`` are the brackets with their shares, ``-`` for a side without bound:
    ``[)``, ``-]``, ``--``; and ``empty``.
    """

    column: str
    bound: Rule
    widths: Marginal | None
    forms: tuple[tuple[str, float], ...]
    unique: bool = False
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class MultirangeRule:
    """Multiranges of ``lengths`` ranges."""

    column: str
    element: Rule
    lengths: Quantiles
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CompositeRule:
    """Values of a composite type: one rule for each of the column's parts."""

    column: str
    fields: tuple[Rule, ...]
    unique: bool = False
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class NetworkRule:
    """Addresses of test networks. ``prefixes`` are (4 or 6, bits of the prefix, share); MAC addresses have none."""

    column: str
    prefixes: tuple[tuple[int, int, float], ...]
    unique: bool
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BitRule:
    """Strings of bits; ``ones`` is the share of ones at each of the first places, ``rest`` at those after them."""

    column: str
    lengths: Quantiles
    ones: tuple[float, ...]
    rest: float
    unique: bool
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class GeometryRule:
    """Shapes in a plane, within the box that the source's are in.

    ``x`` and ``y`` are quantiles of a shape's first point, ``sizes`` of what it measures from there (a radius, a
    distance to a further point), ``points`` of the number of points of paths and polygons. ``open_share`` of the paths
    are open. For lines, which are ``Ax + By + C = 0``, x is A, y is B and the size C.
    """

    column: str
    x: Quantiles
    y: Quantiles
    sizes: Quantiles
    points: Quantiles
    decimals: int | None
    open_share: float = 0.0
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SearchRule:
    """Documents or queries of a text search, of common words. ``positions`` is the share of words with a position."""

    column: str
    words: Quantiles
    positions: float = 0.0
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PathRule:
    """Paths of labels from a tree's root down.

    ``levels`` are the labels that many rows share with their shares, for the first levels that are made of such; below
    them labels are common words.
    """

    column: str
    depths: Quantiles
    levels: tuple[tuple[tuple[str, float], ...], ...]
    unique: bool
    null_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class VectorRule:
    """Vectors of ``dimensions`` normal numbers; scaled to length 1 if ``unit``."""

    column: str
    dimensions: int
    mean: float
    deviation: float
    unit: bool
    null_share: float = 0.0
