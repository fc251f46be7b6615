"""The hot path allocates nothing: counted by numba's runtime and by tracemalloc around the compiled loop (S7)."""

import tracemalloc

import numpy as np
import pytest
from numba.core.runtime import _nrt_python as nrt
from numba.core.runtime import rtsys

from bot4.engine import driver as drivers
from bot4.engine import loop_nb
from bot4.kernels.jit_nb import kernel_with_heap
from helpers import markets as m

pytestmark = pytest.mark.jit


@pytest.fixture(autouse=True)
def counters():
    """numba counts allocations only when told to."""
    nrt.memsys_enable_stats()
    yield
    nrt.memsys_disable_stats()


@kernel_with_heap
def hungry(n):
    """Allocates, so that the counter is known to count."""
    return np.zeros(n).sum()


def test_the_counter_counts():
    hungry(10)
    before = rtsys.get_allocation_stats().alloc
    hungry(10)
    assert rtsys.get_allocation_stats().alloc > before


def test_the_loop_allocates_nothing_from_frames_to_orders(tmp_path, monkeypatch):
    data = m.frame_data(tmp_path / "d", seconds=120)
    spent = []

    def counted(*arguments):
        tracemalloc.start()
        heap = rtsys.get_allocation_stats().alloc
        before = tracemalloc.take_snapshot()
        why = loop_nb.run_nb(*arguments)
        after = tracemalloc.take_snapshot()
        tracemalloc.stop()
        kept = sum(
            s.size_diff
            for s in after.compare_to(before, "filename")
            if "tracemalloc" not in s.traceback[0].filename and "bot4" in s.traceback[0].filename
        )
        spent.append((rtsys.get_allocation_stats().alloc - heap, kept))
        return why

    m.run_task(data, "quoter")  # compiles
    plain = loop_nb.run_nb

    class Loop:
        """The module as the driver sees it, with the loop counted."""

        def __getattr__(self, name):
            return counted if name == "run_nb" else getattr(loop_nb, name)

    monkeypatch.setattr(drivers, "loop", Loop())
    results, _ = m.run_task(data, "quoter")
    assert plain is loop_nb.run_nb
    assert results["market_events"] > 1000
    assert results["orders"] > 10
    assert len(spent) > 0
    assert all(heap == 0 for heap, _ in spent)
    assert all(kept < 512 for _, kept in spent)  # the wrapper's own locals; not a byte an event
