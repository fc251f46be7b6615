"""For all tests: no deadlines (a first call compiles); `jit` tests only with compiled kernels."""

import pytest
from hypothesis import settings

from bot4.kernels.jit_nb import JIT_OFF

settings.register_profile("bot4", deadline=None)
settings.load_profile("bot4")


def pytest_collection_modifyitems(items):
    if JIT_OFF:
        left_out = pytest.mark.skip(reason="marked jit: too long without compiled kernels")
        for item in items:
            if "jit" in item.keywords:
                item.add_marker(left_out)
