"""Self-references: depths are learned, trees have them again, and nothing goes in circles."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dbclone.generate.trees import at_home, grow, pair_up
from dbclone.learn.trees import depths, learn_tree
from dbclone.model.parts import TreeModel
from dbclone.schema.model import ForeignKey, TableKey
from dbclone.schema.plan import Reference

SELF = Reference(
    foreign_key=ForeignKey(name="f", columns=("p",), parent=TableKey("t"), parent_columns=("id",)),
    role="self",
    null=("p",),
)


def learned(position: np.ndarray) -> TreeModel | None:
    rows = len(position)
    counts = np.bincount(position[(position >= 0) & (position != np.arange(rows))], minlength=rows).astype(float)
    return learn_tree(SELF, position, np.zeros((rows, 0)), counts, np.ones(rows, dtype=bool))


def grown(tree: TreeModel, rows: int, groups: np.ndarray | None = None, *, unique: bool = False) -> np.ndarray:
    random = np.random.default_rng(2)
    found: np.ndarray = grow(
        tree,
        own_scores=np.zeros((rows, 0)),
        child_scores=random.normal(size=rows),
        parent_scores=random.normal(size=rows),
        fan_out_scores=random.normal(size=rows),
        groups=np.zeros(rows, dtype=np.int64) if groups is None else groups,
        unique=unique,
        random=random,
    )
    return found


def test_depth_is_the_number_of_rows_above() -> None:
    assert depths(np.array([-1, 0, 1, 2, 4, 4])).tolist() == [0, 1, 2, 3, 0, 1]


def test_rows_in_circles_have_no_depth() -> None:
    assert depths(np.array([1, 0, 1, -1])).tolist() == [-1, -1, -1, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(30, 400), st.integers(1, 40))
def test_trees_are_grown_as_they_were_learned(seed: int, rows: int, roots: int) -> None:
    random = np.random.default_rng(seed)
    position = np.array([-1 if n < roots else random.integers(0, n) for n in range(rows)])
    tree = learned(position)
    assert tree is not None
    found = depths(grown(tree, rows))
    assert (found >= 0).all()
    wanted = np.bincount(depths(position), minlength=rows)
    assert np.abs(np.bincount(found, minlength=rows) - wanted).sum() <= 0.02 * rows + 2


def test_trees_stay_in_their_groups_and_every_group_has_a_root() -> None:
    tree = learned(np.array([-1] + [n // 3 for n in range(1, 200)]))
    assert tree is not None
    groups = np.repeat(np.arange(20), 15)
    found = grown(tree, 300, groups)
    linked = found >= 0
    assert (groups[found[linked]] == groups[linked]).all()
    assert set(groups[~linked]) == set(range(20))
    assert depths(found).min() == 0


def test_chains_have_one_child_each() -> None:
    tree = learned(np.array([n - 1 if n % 10 else -1 for n in range(200)]))
    assert tree is not None
    found = grown(tree, 200, unique=True)
    assert np.bincount(found[found >= 0]).max() == 1
    assert depths(found).max() == 9


def test_circles_are_no_trees() -> None:
    assert learned((np.arange(60) + 1) % 60) is None


def test_pairs_are_seen_and_made() -> None:
    tree = learned(np.arange(40) ^ 1)
    assert tree is not None
    assert tree.pairs
    found = pair_up(np.zeros(41), np.zeros(41, dtype=np.int64), 40, np.random.default_rng(0))
    linked = np.flatnonzero(found >= 0)
    assert len(linked) == 40
    assert (found[found[linked]] == linked).all()


def test_where_each_row_has_one_child_a_root_refers_to_itself_only_if_nobody_refers_to_it() -> None:
    chain = np.array([-1, 0, 1, -1])
    every, one_group = np.ones(4, dtype=bool), np.zeros(4, dtype=np.int64)
    assert at_home(chain, every, one_group, unique=False, needed=True).tolist() == [0, 0, 1, 3]
    assert at_home(chain, every, one_group, unique=True, needed=False).tolist() == [-1, 0, 1, 3]
    # A row that must refer to some row closes its chain.
    assert at_home(chain, every, one_group, unique=True, needed=True).tolist() == [2, 0, 1, 3]


def test_chains_are_closed_within_their_groups() -> None:
    chains = np.array([-1, 0, -1, 2])
    found = at_home(chains, np.ones(4, dtype=bool), np.array([0, 0, 1, 1]), unique=True, needed=True)
    assert found.tolist() == [1, 0, 3, 2]


def test_a_row_that_must_refer_to_another_than_itself_refers_to_the_next_of_its_group() -> None:
    pairs = np.array([1, 0, -1, -1])
    found = at_home(pairs, np.zeros(4, dtype=bool), np.array([0, 0, 0, 1]), unique=False, needed=True)
    assert found.tolist() == [1, 0, 0, 3], "but for a row that is its only one"
