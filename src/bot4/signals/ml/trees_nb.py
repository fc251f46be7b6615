"""Boosted decision trees, evaluated in the hot plane.

The trees are walked without a branch that depends on data. Siblings stand side by side, so that a step is
`left + (not x <= threshold)`; a leaf points at itself, so that every tree takes the same number of steps;
eight trees are walked at once, because each walk is a chain of dependent loads and the processor can
overlap eight of them. NaN costs nothing extra: the inputs are first copied twice, raw and with NaN
replaced by minus infinity, and a node reads the copy that sends a missing value its way.

The leaf values are added in the order of the trees, starting at the baseline, as scikit-learn does; the raw
score is therefore equal to the library's bit for bit.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel

NODE_DTYPE = np.dtype([("threshold", "<f8"), ("slot", "<u4"), ("left", "<u4")])
"""A node, 16 bytes. `slot` = 2 x column + 1 if a missing value goes right, else 2 x column;
`left` is the left child, left + 1 the right one; in a leaf `left` is the node itself. Unsigned, so that the
compiler need not ask whether an index counts from the end (a quarter of the time)."""

# places in TreeModel.scalars
SC_BASELINE = 0  # raw score before the first tree
SC_P_LO = 1  # below: down
SC_P_HI = 2  # above: up
SC_SCALE = 3  # |p - 0.5| at which confidence reaches 1
N_SCALARS = 4


class TreeModel(NamedTuple):
    """A binary classifier ready for the hot plane; made by `signals.ml.artifact`.

    `scratch` is written by every prediction: one TreeModel serves one thread.
    """

    nodes: np.ndarray[Any, Any]  # NODE_DTYPE (n,)
    value: np.ndarray[Any, Any]  # f8 (n,), raw score of a leaf
    roots: np.ndarray[Any, Any]  # u4 (trees,)
    columns: np.ndarray[Any, Any]  # i4 (columns,), place of a model column in the engine's features
    scratch: np.ndarray[Any, Any]  # f8 (2 x max(columns, 1),)
    scalars: np.ndarray[Any, Any]  # f8 (N_SCALARS,)
    depth: int  # steps from a root to its deepest leaf


def empty_model() -> TreeModel:
    """No model: every probability is NaN and every signal abstains."""
    return TreeModel(
        nodes=np.zeros(0, NODE_DTYPE),
        value=np.zeros(0, np.float64),
        roots=np.zeros(0, np.uint32),
        columns=np.zeros(0, np.int32),
        scratch=np.zeros(2, np.float64),
        scalars=np.array([0.0, 0.5, 0.5, 0.5]),
        depth=0,
    )


@kernel
def _next_nb(nodes: np.ndarray[Any, Any], n: np.int64, x: np.ndarray[Any, Any]) -> np.int64:
    """One step down a tree. `not <=` rather than `>`: NaN in the raw copy goes right."""
    node = nodes[n]
    return np.int64(node["left"]) + np.int64(not (x[node["slot"]] <= node["threshold"]))


@kernel
def _gather_nb(m: TreeModel, f: np.ndarray[Any, Any]) -> None:
    x = m.scratch
    for c in range(m.columns.shape[0]):
        v = f[m.columns[c]]
        x[2 * c + 1] = v
        x[2 * c] = v if v == v else -np.inf


@kernel
def predict_raw_nb(m: TreeModel, f: np.ndarray[Any, Any]) -> float:
    """Raw score (log odds of a rise) of one feature vector.

    `f`: f8, the engine's features; `m.columns` says which are read. A NaN feature goes the way that was
    learnt for missing values. Without trees: NaN. Equals scikit-learn's `decision_function` bit for bit.
    """
    roots, nodes, value, x = m.roots, m.nodes, m.value, m.scratch
    trees = roots.shape[0]
    if trees == 0:
        return np.nan
    _gather_nb(m, f)
    s: float = m.scalars[SC_BASELINE]
    t = 0
    while t + 8 <= trees:
        a, b = np.int64(roots[t]), np.int64(roots[t + 1])
        c, d = np.int64(roots[t + 2]), np.int64(roots[t + 3])
        e, g = np.int64(roots[t + 4]), np.int64(roots[t + 5])
        h, i = np.int64(roots[t + 6]), np.int64(roots[t + 7])
        for _ in range(m.depth):
            a = _next_nb(nodes, a, x)
            b = _next_nb(nodes, b, x)
            c = _next_nb(nodes, c, x)
            d = _next_nb(nodes, d, x)
            e = _next_nb(nodes, e, x)
            g = _next_nb(nodes, g, x)
            h = _next_nb(nodes, h, x)
            i = _next_nb(nodes, i, x)
        s = s + value[a] + value[b] + value[c] + value[d] + value[e] + value[g] + value[h] + value[i]
        t += 8
    while t < trees:
        a = np.int64(roots[t])
        for _ in range(m.depth):
            a = _next_nb(nodes, a, x)
        s += value[a]
        t += 1
    return s


@kernel
def predict_proba_nb(m: TreeModel, f: np.ndarray[Any, Any]) -> float:
    """Probability of a rise: 1 / (1 + exp(-raw)); NaN without trees (abstain)."""
    p: float = 1.0 / (1.0 + np.exp(-predict_raw_nb(m, f)))
    return p


@kernel
def ml_signal_nb(p: float, p_lo: float, p_hi: float, scale: float, out: np.ndarray[Any, Any]) -> None:
    """Direction and confidence of a probability: out[0] in {-1, 0, 1}, out[1] in [0, 1].

    Up above `p_hi`, down below `p_lo` (p_lo <= 0.5 <= p_hi; both 0.5 by default), else nothing.
    Confidence is min(1, |p - 0.5| / scale). Abstains (0, 0) where p is NaN or outside [0, 1], or the
    scale not positive.
    """
    out[0] = 0.0
    out[1] = 0.0
    if not (0.0 <= p <= 1.0 and scale > 0.0):
        return
    if p > p_hi and p > 0.5:
        out[0] = 1.0
    elif p < p_lo and p < 0.5:
        out[0] = -1.0
    else:
        return
    out[1] = min(1.0, abs(p - 0.5) / scale)


@kernel
def ml_step_nb(m: TreeModel, f: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> float:
    """Features to signal in one call: writes `out` as `ml_signal_nb` does, returns the probability."""
    p = predict_proba_nb(m, f)
    s = m.scalars
    ml_signal_nb(p, s[SC_P_LO], s[SC_P_HI], s[SC_SCALE], out)
    return p
