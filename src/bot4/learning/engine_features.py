"""The engine's own features over a history: the one source of columns for training."""

from __future__ import annotations

from typing import Any

import numpy as np

from bot4.features.batch_nb import batch_nb
from bot4.features.state import mask_for
from bot4.learning.dataset import MODEL_FEATURES
from bot4.model.feature_layout_nb import FEATURE_NAMES, N_FEATURES

Array = np.ndarray[Any, Any]

__all__ = ["FEATURE_NAMES", "engine_features"]


def engine_features(ts: Array, o: Array, h: Array, l: Array, c: Array, v: Array) -> Array:  # noqa: E741
    """All features of a history by the streaming kernel, f8 (bars, N_FEATURES).

    Only the groups of MODEL_FEATURES are computed, the rest is NaN. `ts` is the open time of a bar, as in
    the engine.
    """
    out = np.empty((len(c), N_FEATURES))
    batch_nb(ts, o, h, l, c, v, out, mask_for(*MODEL_FEATURES))
    return out
