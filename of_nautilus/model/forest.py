"""A trained forest as flat arrays, walked by compiled code: one row in microseconds.

It reads LightGBM's own text format and gives the same bits as LightGBM's predictions of raw scores,
so a live node needs neither that library nor its threads. Numerical splits only.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from of_nautilus.core.record import Floats, Ints

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_NAN = 0, 2


@njit(cache=True)
def _score(row, roots, feature, threshold, nan_left, nan_zero, left, right, leaf):  # type: ignore[no-untyped-def]
    """Return the sum of the leaves that a row reaches; a child below 0 is leaf -child - 1."""
    total = 0.0
    for root in roots:
        node = root
        while node >= 0:
            value = row[feature[node]]
            if value != value:
                if nan_zero[node]:
                    node = left[node] if threshold[node] >= 0.0 else right[node]
                else:
                    node = left[node] if nan_left[node] else right[node]
            else:
                node = left[node] if value <= threshold[node] else right[node]
        total += leaf[-node - 1]
    return total


@dataclass(frozen=True)
class Forest:
    """Trees one after another: each node's split and children, each tree's root, all leaves."""

    roots: Ints
    feature: Ints
    threshold: Floats
    nan_left: Ints
    nan_zero: Ints
    left: Ints
    right: Ints
    leaf: Floats

    def score(self, row: Floats) -> float:
        """Return the raw score of one vector."""
        return float(
            _score(
                row, self.roots, self.feature, self.threshold, self.nan_left, self.nan_zero,
                self.left, self.right, self.leaf,
            )
        )  # fmt: skip


def parse_forest(text: str) -> Forest:
    """Return the forest of a model in LightGBM's text format.

    Raises
    ------
    ValueError
        If the text is no such model, or has splits on categories or linear leaves.
    """
    parts = text.partition("end of trees")[0].split("\nTree=")[1:]
    if not text.startswith("tree\n") or "end of trees" not in text:
        raise ValueError("`text` must be a model in LightGBM's text format")
    roots: list[int] = []
    nodes: list[list[Floats]] = []
    leaves: list[Floats] = []
    n_nodes = n_leaves = 0
    for part in parts:
        fields = dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
        values = _numbers(fields["leaf_value"])
        if int(fields["num_leaves"]) == 1:
            roots.append(-n_leaves - 1)
        else:
            kind = _numbers(fields["decision_type"]).astype(np.int64)
            missing = kind >> 2 & 3
            if (kind & _CATEGORICAL).any() or fields.get("is_linear", "0") != "0":
                raise ValueError("`text` must have numerical splits and plain leaves alone")
            if not np.isin(missing, (_MISSING_NONE, _MISSING_NAN)).all():
                raise ValueError("`text` must not take zero as missing")
            children = [_numbers(fields[f"{side}_child"]) for side in ("left", "right")]
            moved = [np.where(c >= 0, c + n_nodes, c - n_leaves) for c in children]
            nodes.append(
                [
                    _numbers(fields["split_feature"]),
                    _numbers(fields["threshold"]),
                    (kind & _DEFAULT_LEFT > 0).astype(float),
                    (missing == _MISSING_NONE).astype(float),
                    *moved,
                ]
            )
            roots.append(n_nodes)
            n_nodes += len(kind)
        leaves.append(values)
        n_leaves += len(values)
    feature, threshold, nan_left, nan_zero, left, right = (
        np.concatenate([node[k] for node in nodes]) if nodes else np.zeros(0) for k in range(6)
    )
    whole = [column.astype(np.int64) for column in (feature, nan_left, nan_zero, left, right)]
    return Forest(
        np.array(roots, np.int64), whole[0], threshold, whole[1], whole[2], whole[3], whole[4],
        np.concatenate(leaves) if leaves else np.zeros(0),
    )  # fmt: skip


def _numbers(text: str) -> Floats:
    return np.array([float(word) for word in text.split()])
