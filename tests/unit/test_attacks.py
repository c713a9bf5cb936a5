"""Each attack succeeds on a twin that remembers, and on one that was drawn from the same distribution it does not."""

from __future__ import annotations

import numpy as np
import pytest

from dbclone.report.attacks import (
    Rows,
    closest_record,
    encode,
    identical_rows,
    linkability,
    membership,
    nearest,
    rare_combinations,
    singling_out,
)
from dbclone.report.gates import Limits
from dbclone.report.privacy import table_findings
from dbclone.schema.model import TableKey

RANDOM = np.random.default_rng(0)
SIZE = 400


def people(rows: int) -> Rows:
    """Rows of four numbers that move together and three labels, one of them with many values."""
    level = RANDOM.normal(size=rows)
    ordered = np.column_stack([level + RANDOM.normal(size=rows) for _ in range(4)])
    labels = np.column_stack([(level > 0).astype(int), RANDOM.integers(0, 40, rows), RANDOM.integers(0, 60, rows)])
    return Rows(ordered=(np.tanh(ordered) + 1) / 2, labels=labels.astype(np.int64))


MEMBERS, STRANGERS, FRESH = people(SIZE), people(SIZE), people(SIZE)
COPIES = Rows(ordered=MEMBERS.ordered + RANDOM.normal(0, 1e-3, MEMBERS.ordered.shape), labels=MEMBERS.labels)


def test_the_nearest_row_is_found_by_gowers_distance() -> None:
    among = Rows(ordered=np.array([[0.0], [0.5], [np.nan]]), labels=np.array([[0], [1], [0]]))
    rows = Rows(ordered=np.array([[0.4], [np.nan]]), labels=np.array([[1], [0]]))
    distance, position = nearest(rows, among)
    assert position.tolist() == [1, 2]
    assert distance.tolist() == pytest.approx([0.05, 0.0])


def test_equal_rows_are_counted() -> None:
    assert identical_rows(MEMBERS, MEMBERS, STRANGERS).value == 1.0
    assert identical_rows(FRESH, MEMBERS, STRANGERS).value == 0.0


def test_copies_are_closer_than_strangers() -> None:
    assert closest_record(COPIES, MEMBERS, STRANGERS).value < 0.1
    assert 0.9 < closest_record(FRESH, MEMBERS, STRANGERS).value < 1.1


def test_members_of_a_twin_of_copies_are_told_from_strangers() -> None:
    assert membership(COPIES, MEMBERS, STRANGERS).value > 0.95
    found = membership(FRESH, MEMBERS, STRANGERS)
    assert abs(found.value - 0.5) < 2 * found.margin


def test_copies_single_out_and_link() -> None:
    random = np.random.default_rng(1)
    assert singling_out(COPIES, MEMBERS, STRANGERS, random).value > 0.15
    assert abs(singling_out(FRESH, MEMBERS, STRANGERS, random).value) < 0.1
    assert linkability(COPIES, MEMBERS, STRANGERS, random).value > 0.5
    assert abs(linkability(FRESH, MEMBERS, STRANGERS, random).value) < 0.1


def test_pairs_that_one_member_has_are_counted() -> None:
    assert rare_combinations(COPIES, MEMBERS, STRANGERS).value > 0.8
    found = rare_combinations(FRESH, MEMBERS, STRANGERS)
    assert abs(found.value - found.reference) < 0.1


def test_samples_are_encoded_on_the_axes_of_the_first() -> None:
    ordered = [(np.array([1.0, 2.0, np.nan]), np.array([2.0, 9.0]))]
    labels = [(["a", None, "b"], ["c", "a"])]
    first, second = encode(ordered, labels)
    assert first.ordered[:, 0].tolist() == pytest.approx([0.25, 0.75, np.nan], nan_ok=True)
    assert second.ordered[:, 0].tolist() == [0.75, 1.0]
    assert first.labels[:, 0].tolist() == [0, -1, 1]
    assert second.labels[:, 0].tolist() == [2, 0]


def test_gates_fail_for_copies_and_pass_for_a_fresh_twin() -> None:
    def failed(twins: Rows) -> set[str]:
        found = table_findings(TableKey("t"), twins, MEMBERS, STRANGERS, Limits(), known=True, seed=0)
        return {finding.measure for finding in found if not finding.passed}

    assert failed(FRESH) == set()
    assert failed(COPIES) == {
        "closest record", "membership inference", "singling out", "linkability", "rare combinations",
    }  # fmt: skip
    assert failed(MEMBERS) == failed(COPIES) | {"identical rows"}
