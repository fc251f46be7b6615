"""Tests marked `jit` need compiled kernels; they are left out when NUMBA_DISABLE_JIT=1."""

import pytest

from bot4.kernels.jit_nb import JIT_OFF


def pytest_collection_modifyitems(items):
    if JIT_OFF:
        left_out = pytest.mark.skip(reason="marked jit: too long without compiled kernels")
        for item in items:
            if "jit" in item.keywords:
                item.add_marker(left_out)
