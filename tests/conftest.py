"""For all tests: no deadlines (a first call compiles); `jit` tests only with compiled kernels.

Whole runs (tests/acceptance, tests/chaos) count as `jit`: in plain Python they would take hours.
"""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from bot4.kernels.jit_nb import JIT_OFF

WHOLE_RUNS = {"acceptance", "chaos"}

settings.register_profile("bot4", deadline=None)
settings.load_profile("bot4")


@pytest.fixture(scope="session", autouse=True)
def _own_state_folder():
    """What a kill leaves on an account stays with the tests, and in processes that they start."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("BOT4_STATE_DIR")
        os.environ["BOT4_STATE_DIR"] = folder
        yield
        if before is None:
            del os.environ["BOT4_STATE_DIR"]
        else:
            os.environ["BOT4_STATE_DIR"] = before


def pytest_collection_modifyitems(items):
    left_out = pytest.mark.skip(reason="marked jit: too long without compiled kernels")
    for item in items:
        if WHOLE_RUNS & set(Path(item.path).relative_to(Path(__file__).parent).parts):
            item.add_marker(pytest.mark.jit)
        if JIT_OFF and "jit" in item.keywords:
            item.add_marker(left_out)
