"""From bars to a table for learning: features, labels and the time each label looks at.

The features come from the same streaming kernel that the hot plane runs, over the whole history in one call;
so training sees bit for bit what the engine will see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from bot4.learning.labels import Labels, fixed_horizon
from bot4.model.errors import DataError

Array = np.ndarray[Any, Any]
FeatureFunction = Callable[[Array, Array, Array, Array, Array, Array], Array]

MODEL_FEATURES: Final = (
    "rsi_14",
    "cmo_14",
    "bb_pct",
    "bb_width",
    "natr_14",
    "adx_14",
    "plus_di_14",
    "minus_di_14",
    "aroon_up_14",
    "aroon_down_14",
    "stoch_k",
    "stoch_d",
    "willr_14",
    "cci_20",
    "mfi_14",
    "roc_10",
    "trix_15",
    "supertrend_dir",
    "parkinson_20",
    "garman_klass_20",
    "logret_1",
    "logret_5",
    "logret_15",
    "realised_vol_30",
    "volume_z_20",
    "close_z_50",
    "hour_sin",
    "hour_cos",
)
"""Engine features without the scale of price or volume: what was learnt at 10 000 holds at 100 000."""


class Bars(NamedTuple):
    """A history: open times i8 ns UTC, then open, high, low, close, volume as f8 of the same length."""

    ts: Array
    o: Array
    h: Array
    l: Array  # noqa: E741  (the field's letter)
    c: Array
    v: Array


class Dataset(NamedTuple):
    """Rows ready for learning, ascending in time."""

    X: Array  # f8 (rows, columns); NaN where a feature is undefined
    y: Array  # i1, 1 rise, 0 not
    ret: Array  # f8, return that the label looks at
    t0: Array  # i8 ns, decision
    t1: Array  # i8 ns, the label is known
    names: tuple[str, ...]  # the columns
    stride: int  # every stride-th labelled bar was taken
    overlap: int  # rows within one label's horizon
    notes: tuple[str, ...]  # what was left out and why


def make_bars(ts: Array, o: Array, h: Array, l: Array, c: Array, v: Array) -> Bars:  # noqa: E741
    """Bars as contiguous arrays; DataError for unequal lengths or times that do not ascend."""
    floats = [np.ascontiguousarray(a, np.float64) for a in (o, h, l, c, v)]
    bars = Bars(np.ascontiguousarray(ts, np.int64), *floats)
    if len({len(a) for a in bars}) != 1:
        raise DataError(f"bars of unequal length: {[len(a) for a in bars]}")
    if np.any(np.diff(bars.ts) <= 0):
        at = int(np.flatnonzero(np.diff(bars.ts) <= 0)[0]) + 1
        raise DataError(f"bar {at}: its time does not come after the bar before")
    return bars


def data_hash(bars: Bars) -> str:
    """sha256 over the little-endian bytes of every column: names the history a model was trained on."""
    digest = hashlib.sha256()
    for array in bars:
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def build(
    bars: Bars,
    features: FeatureFunction,
    names: Sequence[str],
    *,
    timeframe_ns: int,
    horizon_bars: int,
    max_rows: int,
) -> Dataset:
    """The table of `bars`: columns MODEL_FEATURES, label a higher close `horizon_bars` later.

    `features(ts, o, h, l, c, v)` gives f8 (bars, len(names)) with the engine's warm-up NaNs. Left out,
    and told in `notes`: bars before every column has had a value, columns that never have one, rows that
    hold an infinity, and, above `max_rows`, all but every stride-th row. DataError if nothing is left.
    """
    labels = fixed_horizon(bars.ts, bars.c, timeframe_ns=timeframe_ns, horizon_bars=horizon_bars)
    if not len(labels.row):
        raise DataError(
            f"no bar has a label: {len(bars.ts)} bars, horizon {horizon_bars}, or every horizon has a gap"
        )
    matrix = features(*bars)
    chosen, notes = _columns(matrix, names)
    X = matrix[:, [names.index(name) for name in chosen]]
    return _rows(X, labels, (tuple(chosen), horizon_bars), notes, max_rows)


def _columns(matrix: Array, names: Sequence[str]) -> tuple[list[str], list[str]]:
    missing = [name for name in MODEL_FEATURES if name not in names]
    if missing:
        raise DataError(f"the engine does not compute {', '.join(missing)}")
    empty = [name for name in MODEL_FEATURES if not np.isfinite(matrix[:, names.index(name)]).any()]
    notes = [f"columns without any value left out: {', '.join(empty)}"] if empty else []
    return [name for name in MODEL_FEATURES if name not in empty], notes


def _rows(
    X: Array, labels: Labels, what: tuple[tuple[str, ...], int], notes: list[str], max_rows: int
) -> Dataset:
    chosen, horizon = what
    finite = np.isfinite(X)
    warm = int(finite.argmax(axis=0).max()) if X.size else 0
    keep = labels.row >= warm
    if warm:
        notes.append(f"first {warm} bars left out: features warm up")
    infinite = np.isinf(X[labels.row]).any(axis=1) & keep
    if infinite.any():
        notes.append(f"{int(infinite.sum())} rows with an infinite feature left out")
    at = np.flatnonzero(keep & ~infinite)
    stride = max(1, -(-len(at) // max_rows))
    if stride > 1:
        notes.append(f"1 row in {stride} of {len(at)} taken, to stay within {max_rows}")
    at = at[::stride]
    if not len(at):
        raise DataError("no row is left for learning: the history is shorter than the features' warm-up")
    rows = X[labels.row[at]]
    return Dataset(
        X=rows,
        y=labels.y[at],
        ret=labels.ret[at],
        t0=labels.t0[at],
        t1=labels.t1[at],
        names=chosen,
        stride=stride,
        overlap=-(-horizon // stride),
        notes=tuple(notes),
    )
