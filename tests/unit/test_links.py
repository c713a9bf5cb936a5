"""Links keep the fan-out exact, rank by rank, and keys unique."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbclone.generate.counts import fit_counts
from dbclone.generate.links import Groups, index_link
from dbclone.generate.streams import Streams


@settings(deadline=None)
@given(
    wanted=st.lists(st.floats(0, 50), min_size=1, max_size=60),
    total=st.integers(0, 2_000),
    most=st.integers(1, 60),
)
def test_counts_reach_the_total_within_the_limit(wanted: list[float], total: int, most: int) -> None:
    total = min(total, most * len(wanted))
    counts = fit_counts(np.array(wanted), total, most, np.random.default_rng(0))
    assert counts.sum() == total
    assert counts.min() >= 0
    assert counts.max() <= most


def test_counts_that_cannot_be_reached_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        fit_counts(np.ones(3), 4, 1, np.random.default_rng(0))


def test_childless_parents_stay_childless() -> None:
    counts = fit_counts(np.array([0.0, 0, 5, 5]), 14, 100, np.random.default_rng(0))
    assert counts[:2].tolist() == [0, 0]


@settings(deadline=None)
@given(batch=st.integers(1, 300), linked=st.integers(0, 300))
def test_every_slot_is_used_once_whatever_the_batches(batch: int, linked: int) -> None:
    random = np.random.default_rng(3)
    wanted = random.poisson(4, 50).astype(float)
    index = index_link(
        wanted, random.normal(size=50), rows=300, linked=linked, most=300,
        permutation=Streams(5).permutation(300, "slots"), random=random,
    )  # fmt: skip
    chosen = np.concatenate(
        [index.choose(np.arange(n, min(n + batch, 300)), random.normal(size=min(batch, 300 - n)))
         for n in range(0, 300, batch)]
    )  # fmt: skip
    assert (chosen >= 0).sum() == linked
    slots = np.diff(index.ends, prepend=0)
    assert np.array_equal(np.bincount(chosen[chosen >= 0], minlength=50)[index.order], slots)


def test_rows_and_parents_of_like_rank_meet() -> None:
    random = np.random.default_rng(3)
    scores, mine = random.normal(size=200), random.normal(size=1_000)
    index = index_link(
        np.full(200, 5.0), scores, rows=1_000, linked=1_000, most=1_000,
        permutation=Streams(5).permutation(1_000, "slots"), random=random,
    )  # fmt: skip
    chosen = index.choose(np.arange(1_000), mine)
    assert np.corrcoef(mine, scores[chosen])[0, 1] > 0.98


def test_groups_choose_only_parents_that_agree() -> None:
    groups = Groups([pa.array(["a", "a", "b"]), pa.array([1, 2, 1])], np.zeros(3), np.ones(3))
    columns = [pa.array(["a", "b", "b", None]), pa.array([2, 1, 2, 1])]
    assert groups.choose(columns, np.zeros(4), np.zeros(4, dtype=bool)).tolist() == [1, 2, -1, -1]
