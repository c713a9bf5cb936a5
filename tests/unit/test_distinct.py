"""Rows are told apart without more change than needed, however full their families are."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbclone.generate import distinct
from dbclone.generate.distinct import Cells, any_cells, spread


def most_used(families: np.ndarray, chosen: np.ndarray, cells: int) -> int:
    return int(np.bincount(families * cells + chosen).max(initial=0))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.booleans())
def test_no_family_uses_a_cell_too_often_and_the_cells_keep_their_use(seed: int, capacity: int, dense: bool) -> None:
    random = np.random.default_rng(seed)
    families, chosen = np.repeat(np.arange(100), 6), random.integers(0, 60, 600)
    cells = dataclasses.replace(any_cells(60, 600), capacity=capacity)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "DENSE_CELLS", 10**6 if dense else 0)
        found = spread(families, chosen, cells, random.normal(size=600), random)
    assert most_used(families, found, 60) <= capacity
    moved = np.abs(np.bincount(found, minlength=60) - np.bincount(chosen, minlength=60)).sum()
    assert moved <= 0.02 * 600


@settings(deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_saturated_families_within_their_groups_get_every_cell_once(seed: int, sizes: list[int]) -> None:
    random = np.random.default_rng(seed)
    starts = np.cumsum([0, *sizes])
    families = np.repeat(np.arange(2 * len(sizes)), np.repeat(sizes, 2))
    low, high = starts[families // 2], starts[families // 2 + 1]
    chosen = low + (random.random(len(low)) * (high - low)).astype(np.int64)
    cells = Cells(number=int(starts[-1]), low=low, high=high, avoid=np.full(len(low), -1))
    found = spread(families, chosen, cells, np.zeros(len(low)), random)
    assert most_used(families, found, int(starts[-1])) == 1
    assert ((found >= low) & (found < high)).all()


def test_what_a_row_must_avoid_is_never_chosen() -> None:
    families = np.repeat(np.arange(8), 7)
    found = spread(families, families.copy(), any_cells(8, 56, avoid=families), np.zeros(56), np.random.default_rng(0))
    assert (found != families).all()
    assert most_used(families, found, 8) == 1


def test_rows_without_a_family_or_a_cell_are_left_alone() -> None:
    families, chosen = np.array([-1, -1, 0, 0]), np.array([3, 3, -1, 3])
    found = spread(families, chosen, any_cells(4, 4), np.zeros(4), np.random.default_rng(0))
    assert found.tolist() == [3, 3, -1, 3]


def test_unused_cells_are_the_last_that_are_taken() -> None:
    found = spread(np.zeros(4, dtype=np.int64), np.array([0, 0, 7, 9]), any_cells(100, 4), np.zeros(4),
                   np.random.default_rng(0))  # fmt: skip
    assert len(set(found.tolist())) == 4
    assert {0, 7, 9} < set(found.tolist())


def test_more_rows_than_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="1 more rows than there are"):
        spread(np.zeros(8, dtype=np.int64), np.zeros(8, dtype=np.int64), any_cells(7, 8), np.zeros(8),
               np.random.default_rng(0))  # fmt: skip


def test_nearly_full_families_take_no_longer_than_others() -> None:
    random = np.random.default_rng(1)
    families = np.repeat(np.arange(20_000), 13)
    chosen = random.integers(0, 14, len(families))
    begun = time.perf_counter()
    found = spread(families, chosen, any_cells(14, len(families)), random.normal(size=len(families)), random)
    assert most_used(families, found, 14) == 1
    assert time.perf_counter() - begun < 10
