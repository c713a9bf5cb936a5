"""Marginals map values to normal scores and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp

from dbclone.model.marginal import SCORE_LIMIT, fit_marginal

Floats = npt.NDArray[np.float64]


def zero_inflated(random: np.random.Generator, rows: int) -> Floats:
    return np.where(random.random(rows) < 0.4, 0.0, np.round(random.lognormal(1, 1, rows), 2))


def small_integers(random: np.random.Generator, rows: int) -> Floats:
    return random.poisson(2, rows).astype(float)


def with_nulls(random: np.random.Generator, rows: int) -> Floats:
    return np.where(random.random(rows) < 0.2, np.nan, random.normal(size=rows))


@pytest.mark.parametrize("draw", [zero_inflated, small_integers, with_nulls])
def test_encoded_values_are_standard_normal_and_decode_to_the_same_distribution(draw: object) -> None:
    random = np.random.default_rng(1)
    values = draw(random, 20_000)  # type: ignore[operator]
    marginal = fit_marginal(values)
    scores = marginal.encode(values, random.random(len(values)))
    assert abs(scores.mean()) < 0.02
    assert abs(scores.std() - 1) < 0.02
    decoded = marginal.decode(random.standard_normal(20_000))
    assert abs(np.isnan(decoded).mean() - np.isnan(values).mean()) < 0.01
    assert ks_2samp(values[~np.isnan(values)], decoded[~np.isnan(decoded)]).statistic < 0.02


@given(values=arrays(float, st.integers(0, 300), elements=st.one_of(st.floats(-1e9, 1e9), st.just(np.nan))))
def test_decoding_never_leaves_the_range_of_the_values(values: Floats) -> None:
    marginal = fit_marginal(values)
    scores = marginal.encode(values, np.full(len(values), 0.5))
    assert (np.abs(scores) <= SCORE_LIMIT).all()
    decoded = marginal.decode(np.linspace(-8, 8, 101))
    present = values[~np.isnan(values)]
    if len(present):
        assert np.nanmin(decoded, initial=np.inf) >= present.min() - 1e-6 * abs(present.min())
        assert np.nanmax(decoded, initial=-np.inf) <= present.max() + 1e-6 * abs(present.max())
    else:
        assert np.isnan(decoded).all()
    assert np.isnan(values).any() or not len(values) or not np.isnan(decoded).any()


def test_no_single_extreme_row_is_kept() -> None:
    values = np.r_[np.random.default_rng(0).normal(size=5_000), 1e6]
    assert fit_marginal(values).high.max() < 1e6
