"""Sizes and fresh states of the features."""

import numpy as np

from bot4.features.book_nb import BOOK_DTYPE, BookFeatures
from bot4.features.layout_nb import GROUP_OF, N_GROUPS, STATE_DTYPE, FeatureState
from bot4.model.feature_layout_nb import FEATURE_NAMES, N_BOOK, N_FEATURES


def new_features(n_instruments: int) -> FeatureState:
    """Return a fresh state of the bar features: nothing seen, every value NaN."""
    return FeatureState(
        state=np.zeros(n_instruments, STATE_DTYPE),
        values=np.full((n_instruments, N_FEATURES), np.nan),
    )


def new_book_features(n_instruments: int) -> BookFeatures:
    """Return a fresh state of the book features: nothing seen, every value NaN."""
    return BookFeatures(
        state=np.zeros(n_instruments, BOOK_DTYPE),
        values=np.full((n_instruments, N_BOOK), np.nan),
    )


def full_mask() -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """Return the mask that computes every group."""
    return np.ones(N_GROUPS, np.uint8)


def mask_for(*names: str) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """Return the smallest mask that computes the named features.

    Raises ValueError for a name that is not in FEATURE_NAMES.
    """
    from_name = {name: index for index, name in enumerate(FEATURE_NAMES)}
    mask = np.zeros(N_GROUPS, np.uint8)
    for name in names:
        if name not in from_name:
            raise ValueError(f"no feature is called {name!r}")
        mask[GROUP_OF[from_name[name]]] = 1
    return mask
