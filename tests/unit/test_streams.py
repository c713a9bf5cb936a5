"""Streams and permutations are the same wherever they are asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dbclone.generate.streams import Streams


@given(size=st.integers(0, 5_000), seed=st.integers(0, 2**32))
def test_a_permutation_uses_every_position_once(size: int, seed: int) -> None:
    images = Streams(seed).permutation(size, "slots")(np.arange(size))
    assert np.array_equal(np.sort(images), np.arange(size))


@given(size=st.integers(1, 10**15), positions=st.lists(st.integers(0, 10**15), min_size=1, max_size=50))
def test_a_permutation_does_not_depend_on_what_is_asked_with_it(size: int, positions: list[int]) -> None:
    asked = np.array(positions) % size
    permutation = Streams(7).permutation(size, "slots")
    together = permutation(asked)
    assert ((together >= 0) & (together < size)).all()
    assert together.tolist() == [int(permutation(np.array([position]))[0]) for position in asked]


def test_streams_of_different_names_differ_and_of_equal_names_agree() -> None:
    first, again, other = (Streams(1).generator(*name).random(4) for name in (("a", 1), ("a", 1), ("a", 2)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, Streams(2).generator("a", 1).random(4))
