"""Self-references, carried out: trees of learned depths, or pairs, over all rows of a table.

Every row is given a depth by rank, so that the source's shares come out exactly; then the rows of one depth are shared
out among the rows of the depth above, in order of their link scores and in proportion to the fan-outs drawn for them.
Where columns of the foreign key are set already, each group of rows that agree on them is a forest of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dbclone.model.normal import ndtri
from dbclone.model.parts import TreeModel

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def grow(
    tree: TreeModel,
    *,
    own_scores: Floats,
    child_scores: Floats,
    parent_scores: Floats,
    fan_out_scores: Floats,
    groups: Integers,
    unique: bool,
    random: np.random.Generator,
) -> Integers:
    """Return each row's parent; −1 for roots.

    ``own_scores`` (rows × own), ``child_scores`` and ``parent_scores`` say which rows belong together,
    ``fan_out_scores`` which have many children. ``groups`` are numbers of the rows that may refer to each other, −1 for
    rows that may not refer at all. ``unique``: a row has at most one child.
    """
    rows = len(groups)
    rank = own_scores @ tree.depth_weights + tree.depth_residual * random.standard_normal(rows)
    depth = _depths(tree, rank, groups, narrowing=unique)
    out = np.full(rows, -1, dtype=np.int64)
    weights = np.zeros(rows)
    for level, marginal in enumerate(tree.fan_outs):
        mine = depth == level if level + 1 < len(tree.fan_outs) else depth >= level
        weights[mine] = np.maximum(np.nan_to_num(marginal.decode(fan_out_scores[mine])), 0.0)
    if unique:
        weights[:] = 1.0
    # One block per (group, depth): the children of a block are the rows of the next one.
    block = (groups + 1) * (int(depth.max(initial=0)) + 2) + depth
    parents = np.lexsort((parent_scores, block))
    children = np.lexsort((child_scores, block))
    children = children[(depth[children] > 0) & (groups[children] >= 0)]
    ends = np.cumsum(weights[parents] + 1e-9)
    blocks = block[parents]
    first = np.searchsorted(blocks, block[children] - 1, side="left")
    last = np.searchsorted(blocks, block[children] - 1, side="right")
    place, size = _place_within(block[children])
    low = np.where(first > 0, ends[np.maximum(first - 1, 0)], 0.0)
    high = ends[np.maximum(last - 1, 0)]
    share = (place + 0.5) / np.maximum(size, 1)
    at = np.clip(np.searchsorted(ends, low + share * (high - low), side="right"), first, np.maximum(last - 1, first))
    fits = (last > first) & ((size <= last - first) if unique else True)
    if unique:
        at = first + place
    out[children[fits]] = parents[at[fits]]
    return out


def _place_within(blocks: Integers) -> tuple[Integers, Integers]:
    """Return the place of each element among those of the same block, which stand together, and the block's size."""
    if not len(blocks):
        return blocks, blocks
    begins = np.flatnonzero(np.r_[True, blocks[1:] != blocks[:-1]])
    sizes = np.diff(np.r_[begins, len(blocks)])
    return np.arange(len(blocks)) - np.repeat(begins, sizes), np.repeat(sizes, sizes)


def _depths(tree: TreeModel, rank: Floats, groups: Integers, *, narrowing: bool) -> Integers:
    """Return each row's depth: by rank within its group, no depth left out; ``narrowing``: none wider than the last."""
    order = np.lexsort((rank, groups))
    place, size = _place_within(groups[order])
    wanted = np.rint(np.nan_to_num(tree.depth.decode(ndtri((place + 0.5) / np.maximum(size, 1))))).astype(np.int64)
    begins = place == 0
    wanted[begins] = 0
    # Depths that no row of the group has are closed up: 0, 0, 2, 3 → 0, 0, 1, 2.
    step = np.r_[0, (wanted[1:] > wanted[:-1]).astype(np.int64)] if len(wanted) else wanted
    step[begins] = 0
    total = np.cumsum(step)
    dense = (
        total - np.repeat(total[begins], np.diff(np.r_[np.flatnonzero(begins), len(begins)])) if len(total) else total
    )
    if narrowing and len(dense):
        dense = _narrowed(groups[order], dense)
    out = np.empty(len(rank), dtype=np.int64)
    out[order] = dense
    return out


def _narrowed(groups: Integers, depths: Integers) -> Integers:
    """Return depths of which none has more rows than the one before, in each group: its levels sorted by size."""
    code = groups * (int(depths.max()) + 2) + depths
    _, inverse, count = np.unique(code, return_inverse=True, return_counts=True)
    width = count[inverse]
    order = np.lexsort((depths, -width, groups))
    begins = np.r_[True, (code[order][1:] != code[order][:-1])]
    new = np.r_[True, groups[order][1:] != groups[order][:-1]]
    number = np.cumsum(begins)
    dense = number - np.repeat(number[new], np.diff(np.r_[np.flatnonzero(new), len(new)]))
    out = np.empty(len(depths), dtype=np.int64)
    out[order] = dense
    return out


def at_home(out: Integers, alone: Booleans, groups: Integers, *, unique: bool, needed: bool) -> Integers:
    """Return the parents of :func:`grow` or :func:`pair_up` with rows that refer to themselves: those of ``alone``.

    A row that must refer to some row (``needed``) but not to itself refers to the next one of its group. Where a row
    has at most one child (``unique``), a row that another refers to cannot refer to itself; then it closes a chain:
    there are as many rows without a parent as without a child.
    """
    rows = np.arange(len(out))
    childless = np.ones(len(out), dtype=bool)
    if unique:
        childless[out[out >= 0]] = False
    closed = np.where(alone & childless & (out < 0), rows, out)
    able = np.flatnonzero(groups >= 0)
    open_ends = able[closed[able] < 0]
    if not needed or not len(open_ends):
        return closed
    if unique:
        free = np.ones(len(out), dtype=bool)
        free[closed[closed >= 0]] = False
        last = able[free[able]]
        closed[open_ends[np.argsort(groups[open_ends], kind="stable")]] = last[np.argsort(groups[last], kind="stable")]
    else:
        order = able[np.argsort(groups[able], kind="stable")]
        place, size = _place_within(groups[order])
        after = np.empty(len(out), dtype=np.int64)
        after[order] = order[np.arange(len(order)) - place + (place + 1) % size]
        closed[open_ends] = after[open_ends]
    return closed


def pair_up(rank: Floats, groups: Integers, linked: int, random: np.random.Generator) -> Integers:
    """Return partners: of the rows of each group, two by two in order of ``rank``, about ``linked`` rows; −1 for
    others.
    """
    out = np.full(len(rank), -1, dtype=np.int64)
    able = np.flatnonzero(groups >= 0)
    chosen = np.sort(random.permutation(able)[: linked + linked % 2])
    order = chosen[np.lexsort((rank[chosen], groups[chosen]))]
    place, size = _place_within(groups[order])
    left = np.flatnonzero((place % 2 == 0) & (place + 1 < size))
    out[order[left]], out[order[left + 1]] = order[left + 1], order[left]
    return out
