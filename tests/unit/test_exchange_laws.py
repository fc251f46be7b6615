"""The laws of chance of the exchange, against scipy; their calibration, against known parameters."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bot4.engine.feed import Feed
from bot4.engine.intake import import_frames
from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.storage.lake import Dataset
from bot4.venues.simulator import laws_nb
from bot4.venues.simulator.calibrate import calibrate
from bot4.venues.simulator.generative import seed_words
from bot4.venues.simulator.latency_nb import latency_nb

N = 10_000
CRITICAL = 0.0163  # Kolmogorov and Smirnov at 1 % for 10,000 samples


def draws(law, *parameters, seed=11):
    state = seed_words(seed)
    return np.array([law(state, *parameters) for _ in range(N)])


def distance(samples, law):
    """D of Kolmogorov and Smirnov; for a discrete law the largest gap at its steps."""
    values, counts = np.unique(samples, return_counts=True)
    if len(values) == len(samples):
        return stats.kstest(samples, law.cdf).statistic
    return np.abs(np.cumsum(counts) / len(samples) - law.cdf(values)).max()


@pytest.mark.jit
@pytest.mark.parametrize("mean", [0.3, 4.0, 16.0, 90.0])
def test_poisson_counts(mean):
    assert distance(draws(laws_nb.poisson, mean), stats.poisson(mean)) < CRITICAL


@pytest.mark.jit
@pytest.mark.parametrize(("a", "b"), [(2.0, 1.0), (0.4, 0.7), (5.0, 30.0)])
def test_beta_shares(a, b):
    assert distance(draws(laws_nb.beta, a, b), stats.beta(a, b)) < CRITICAL


@pytest.mark.jit
@pytest.mark.parametrize(("median", "sigma"), [(8e6, 0.35), (1e3, 1.2)])
def test_lognormal_times(median, sigma):
    assert distance(draws(laws_nb.lognormal, median, sigma), stats.lognorm(sigma, scale=median)) < CRITICAL


@pytest.mark.jit
def test_lognormal_latency_of_the_matching_core():
    samples = np.array([latency_nb(8_000_000, 0.35, 5, i) for i in range(N)])
    assert distance(samples + np.arange(N) * 1e-6, stats.lognorm(0.35, scale=8e6)) < CRITICAL


def test_the_distance_would_see_a_wrong_law():
    samples = stats.beta(2, 1).rvs(N, random_state=1)
    assert distance(samples, stats.beta(2, 1.1)) > CRITICAL
    assert distance(stats.poisson(4).rvs(N, random_state=1), stats.poisson(4.2)) > CRITICAL


def test_laws_at_their_edges():
    state = seed_words(1)
    assert laws_nb.poisson(state, 0.0) == laws_nb.poisson(state, -1.0) == 0
    assert laws_nb.lognormal(state, 5.0, 0.0) == 5.0


@pytest.mark.parametrize(
    ("law", "parameters"), [("poisson", (20.0,)), ("beta", (0.5, 3.0)), ("lognormal", (9.0, 0.4))]
)
def test_compiled_laws_are_their_plain_python(law, parameters):
    kernel = getattr(laws_nb, law)
    one, two = seed_words(3), seed_words(3)
    for _ in range(50):
        assert kernel(one, *parameters) == getattr(kernel, "py_func", kernel)(two, *parameters)
    assert (one == two).all()


# --- calibration -------------------------------------------------------------------------------------------


def synthetic(n=20_000, rate=8.0, a=2.0, b=3.0, median=2e6, sigma=0.5):
    """A ticker of 100,000 lots before each trade, arrivals at `rate` a second over both sides."""
    rng = np.random.default_rng(2)
    events = np.zeros(2 * n, EVENT_DTYPE)
    times = np.cumsum(rng.exponential(1e9 / rate, n)).astype(np.int64) + 10**18
    tickers, trades = events[::2], events[1::2]
    tickers["kind"], trades["kind"] = c.EV_BOOK_TICKER, c.EV_TRADE
    tickers["ts_venue"] = tickers["ts_local"] = times - 1
    tickers["qty"] = tickers["y"] = 100_000
    trades["ts_venue"] = times
    trades["ts_local"] = times + (median * np.exp(sigma * rng.standard_normal(n))).astype(np.int64)
    trades["qty"] = np.maximum(1, 100_000 * rng.beta(a, b, n))
    trades["flags"] = np.where(rng.random(n) < 0.5, c.FLAG_BUYER_MAKER, 0)
    return events


def test_calibration_finds_the_parameters():
    found = calibrate(synthetic())
    assert found.fill_rate == pytest.approx(4.0, rel=0.03)
    assert found.dispersion == pytest.approx(1.0, abs=0.1)
    assert (found.fill_a, found.fill_b) == pytest.approx((2.0, 3.0), rel=0.05)
    assert found.latency_ns == pytest.approx(2e6, rel=0.02)
    assert found.latency_sigma == pytest.approx(0.5, rel=0.03)
    assert found.whole < 0.001


def test_one_aggressor_is_one_arrival():
    events = synthetic(2_000)
    doubled = np.repeat(events, np.where(events["kind"] == c.EV_TRADE, 2, 1))
    found = calibrate(doubled)
    assert (found.trades, found.arrivals) == (4_000, 2_000)


def test_calibration_says_what_is_missing():
    events = synthetic(200)
    with pytest.raises(ValueError, match="0 best bids and asks"):
        calibrate(events[events["kind"] == c.EV_TRADE])
    early = events.copy()
    early["ts_local"] -= 10**9
    with pytest.raises(ValueError, match="clock was not corrected"):
        calibrate(early)
    flat = events.copy()
    flat["qty"] = 1
    flat["y"] = 1
    with pytest.raises(ValueError, match="no Beta law"):
        calibrate(flat)


SHARED = Path(os.environ.get("BOT4_SHARED", Path(__file__).parents[3] / "shared"))
FRAMES = SHARED / "data/market_ws/usdm_btcusdt_20240808.gz"


@pytest.mark.jit
@pytest.mark.skipif(not FRAMES.exists(), reason="the recorded Binance frames are not here")
def test_calibration_on_recorded_frames(tmp_path):
    """The values of the table in docs/exchange-model.md."""
    import_frames([FRAMES], "binance-usdm", tmp_path / "data")
    data = Dataset.open(tmp_path / "data")
    found = calibrate(np.concatenate(list(Feed(data, 8 * 3600 * 10**9, 10_000))))
    assert (found.trades, found.arrivals) == (21_313, 5_436)
    assert found.fill_rate == pytest.approx(7.92, abs=0.01)
    assert found.dispersion == pytest.approx(25.6, abs=0.1)
    assert (found.fill_a, found.fill_b) == pytest.approx((0.067, 0.226), abs=0.001)
    assert (found.latency_ns, found.latency_sigma) == pytest.approx((4_981_697, 0.709), rel=0.01)
