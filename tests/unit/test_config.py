"""Settings: right values are taken, wrong ones are named with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbclone.config_file import make_settings, parse_rows
from dbclone.errors import ConfigurationError


def test_none_means_the_default() -> None:
    settings = make_settings(scale=None, seed=3)
    assert (settings.scale, settings.seed, settings.on_existing) == (1.0, 3, "refuse")


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scale_must_be_a_positive_number(scale: float) -> None:
    with pytest.raises(ConfigurationError, match="--scale"):
        make_settings(scale=scale)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_settings(scale=0, sample_rows=0, on_existing="drop")
    assert [line.split(":")[0] for line in caught.value.details] == ["--scale", "--sample-rows", "--on-existing"]


def test_a_file_in_no_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--report: there is no folder"):
        make_settings(report=tmp_path / "missing" / "report.html")


def test_rows_are_read_per_table() -> None:
    assert parse_rows(["store=10", "sales.order=1_000", '"a=b"=2']) == {"store": 10, "sales.order": 1000, '"a=b"': 2}


@pytest.mark.parametrize("text", ["store", "store=", "=3", "store=many", "store=1.5"])
def test_rows_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="TABLE=N"):
        parse_rows([text])


def test_negative_rows_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--rows store"):
        make_settings(rows={"store": -1})
