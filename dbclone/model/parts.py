"""What was learned: a :class:`Model`, as data. Nothing in it is code, and nothing in it is a source row.

Scores are standard normal. A table's *own scores* are one per learned column and then its latents: summaries of what its
children are like, by which grandchildren still move with grandparents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dbclone.model.flow import Ddl
from dbclone.model.marginal import Marginal
from dbclone.model.rules import Rule
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Detail, Plan

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class TableModel:
    """How one table's rows are made.

    ``rules`` has one rule per column, in table order. ``scores`` names the own scores; ``correlation`` is theirs over
    all rows: a root's rows, and rows without a primary parent, are drawn from it.
    """

    table: TableKey
    rules: tuple[Rule, ...]
    scores: tuple[str, ...]
    correlation: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class BranchModel:
    """The children of one table within a star, given each parent row's extension parameters.

    ``extension`` holds the marginals of the parameters, in this order: number of rows; k means; k log scales (from detail
    ``scales`` on); k(k-1)/2 Fisher-z correlations (detail ``correlations``). ``pooled`` (k × k) is the covariance within
    parents, used for what the detail leaves out. ``calibration`` (k × grid) maps a child's score, which is a mixture over
    parents, back to a standard-normal one: its value at each point of ``grid``. ``null_share`` of the rows have no parent.
    """

    child: TableKey
    detail: Detail
    extension: tuple[Marginal, ...]
    pooled: Floats
    grid: Floats
    calibration: Floats
    most_rows: int
    null_share: float


@dataclass(frozen=True, kw_only=True, eq=False)
class StarModel:
    """One HMA1 model: the correlation of the parent's own scores and the extensions of all branches, in that order."""

    parent: TableKey
    correlation: Floats
    branches: tuple[BranchModel, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkModel:
    """How the parent of a link is chosen.

    Every parent row has a fan-out and a link score, every child row a link score; both sides meet in rank order.
    ``child_weights`` (k) regress the child's link score on its own scores, ``child_residual`` is the deviation of the
    rest. ``parent_weights`` (2 × own scores) regress the parent's fan-out score and link score on its own scores, with
    ``parent_residual`` (2 × 2), the Cholesky factor of the rest. ``fan_out`` is the marginal of the fan-out.
    """

    child: TableKey
    foreign_key: str
    parent: TableKey
    child_weights: Floats
    child_residual: float
    parent_weights: Floats
    parent_residual: Floats
    fan_out: Marginal
    null_share: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Everything that ``generate`` needs: the plan, the DDL to build a target, and what was learned.

    ``versions`` names the software that learned it; ``seed`` is that of sampling and learning.
    """

    plan: Plan
    ddl: Ddl | None
    tables: tuple[TableModel, ...]
    stars: tuple[StarModel, ...]
    links: tuple[LinkModel, ...]
    seed: int
    versions: Mapping[str, str]

    @cached_property
    def _by_key(self) -> Mapping[TableKey, TableModel]:
        return {table.table: table for table in self.tables}

    def table(self, key: TableKey) -> TableModel:
        """Return the model of one table; KeyError if the table has no rows to learn from."""
        return self._by_key[key]

    def __contains__(self, key: object) -> bool:
        return key in self._by_key
