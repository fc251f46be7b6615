"""What the processor offers and what the kernels use; lower targets give the same numbers and share no code."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bot4.app import processor

ROOT = Path(__file__).parents[2]
RUN = """
import sys
import numpy as np
from bot4.features.catalogue.statistics_nb import correlation_nb
from bot4.features.window_nb import ema_nb
from bot4.kernels.fixed_nb import mul_div_floor, rate_of
import numba
from bot4.risk.state_nb import part_floor_nb


@numba.njit(error_model="numpy")
def all_nb(a, b, n, m, out, money):
    ema = 0.0
    for k in range(len(a)):
        ema = ema_nb(ema, a[k], float(k), 20.0)
        out[k, 0] = ema
        out[k, 1] = correlation_nb(abs(a[k]) + 1.0, abs(b[k]) + 2.0, a[k] * b[k])
        out[k, 2] = a[k] * b[k] + a[k] / (1.0 + abs(b[k])) - b[k]
        money[k, 0] = rate_of(n[k], m[k])
        money[k, 1] = mul_div_floor(abs(n[k]), abs(m[k]), 100_000_000)
        money[k, 2] = part_floor_nb(abs(n[k]), abs(b[k]))


rng = np.random.default_rng(7)
size = 100_000
a, b = rng.normal(0, 100, size), rng.normal(0, 1, size)
n, m = rng.integers(-(10**15), 10**15, size), rng.integers(-(10**8), 10**8, size)
out, money = np.empty((size, 3)), np.empty((size, 3), np.int64)
all_nb(a, b, n, m, out, money)
from bot4.app.processor import target
np.savez(sys.argv[1], out=out, money=money, level=target().level, forced=target().forced)
stats = rate_of.stats if hasattr(rate_of, "stats") else None
print("missed" if stats and stats.cache_misses else "found")
"""


def run(folder, result, **env):
    """The kernels on 1e5 random inputs in a process of its own, with its own cache."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(result)],
        env={**clean, "XDG_CACHE_HOME": str(folder), "PYTHONPATH": str(ROOT / "src"), **env},
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip(), np.load(result)


LOWEST = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """(cache folder, result) of the target of this machine."""
    folder = tmp_path_factory.mktemp("native")
    return folder, run(folder, folder / "a.npz")[1]


@pytest.mark.jit
def test_every_target_gives_the_same_numbers_and_none_takes_anothers_code(native):
    """Relative 1e-12 on 1e5 random inputs, money to the last unit; two targets in one cache folder."""
    tmp_path, native = native
    _, plain = run(tmp_path, tmp_path / "b.npz", **LOWEST)
    again, _ = run(tmp_path, tmp_path / "c.npz", **LOWEST)
    assert again == "found"
    assert str(plain["forced"]) == "NUMBA_CPU_NAME" and str(native["forced"]) == ""
    assert str(plain["level"]) in ("SSE2", "scalar")
    assert np.isfinite(native["out"]).all() and np.ptp(native["out"], axis=0).min() > 0
    np.testing.assert_allclose(plain["out"], native["out"], rtol=1e-12, atol=0)
    np.testing.assert_array_equal(plain["money"], native["money"])
    indexes = list(tmp_path.rglob("fixed_nb.rate_of-*.nbi"))
    code = list(tmp_path.rglob("fixed_nb.rate_of-*.nbc"))
    assert len(indexes) == 1
    assert len(code) == (2 if str(native["level"]) != str(plain["level"]) else len(code))


@pytest.mark.jit
def test_plain_python_gives_the_same_numbers(native):
    folder, native = native
    _, plain = run(folder, folder / "d.npz", NUMBA_DISABLE_JIT="1")
    assert str(plain["level"]) == "scalar"
    np.testing.assert_allclose(plain["out"], native["out"], rtol=1e-12, atol=0)
    np.testing.assert_array_equal(plain["money"], native["money"])


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("fpu sse2 sse4_2 avx2 avx512f", "AVX-512"),
        ("fpu sse2 sse4_2 avx avx2", "AVX2"),
        ("fpu sse2 sse4_2 avx", "SSE4.2"),
        ("fpu sse2", "SSE2"),
        ("fpu", "scalar"),
    ],
)
def test_the_highest_step_is_named(tmp_path, flags, level):
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor\t: 0\nflags\t\t: {flags}\nprocessor\t: 1\nflags\t\t: none\n")
    assert processor.level_of(processor.offered(told)) == level


def test_a_system_that_does_not_tell_offers_nothing_known(tmp_path):
    assert processor.offered(tmp_path / "none") == set()


def test_the_cache_is_counted_by_package(tmp_path):
    root, base = tmp_path / "bot4", tmp_path / "cache"
    for name in ("market/a_nb.py", "market/b_nb.py", "risk/c_nb.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("X = 1\n")
    folder = processor.folder_of(root / "market/a_nb.py", base, root)
    folder.mkdir(parents=True)
    (folder / "f.1.nbc").write_bytes(b"12345")
    (folder / "f.nbi").write_bytes(b"1")
    market, risk = processor.cached(base, root)
    assert (market.package, market.modules, market.compiled_modules, market.kernels, market.size) == (
        "market", 2, 1, 1, 5,
    )  # fmt: skip
    assert (risk.kernels, risk.size) == (0, 0)
