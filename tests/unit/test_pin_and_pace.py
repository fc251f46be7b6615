"""PIN by maximum likelihood, volatility trackers against arch, regimes, adaptive sampling, queues and spoofing."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from bot4.features.library import get
from bot4.features.micro import pin
from bot4.features.micro.queue_nb import fill_chance_nb
from bot4.features.micro.rows_nb import LEVELS
from bot4.features.pace import garch
from bot4.features.pace.sampling_nb import interval_nb
from bot4.features.plan import run_feature
from helpers.feature_rows import bars


def days(rng, n, alpha, delta, mu, eb, es):
    news = rng.random(n) < alpha
    bad = rng.random(n) < delta
    return (
        rng.poisson(eb + mu * (news & ~bad)),
        rng.poisson(es + mu * (news & bad)),
    )


# --- PIN ------------------------------------------------------------------------------------


def plain_likelihood(theta, b, s):
    alpha, delta, mu, eb, es = theta
    p = stats.poisson
    mixed = (
        (1 - alpha) * p.pmf(b, eb) * p.pmf(s, es)
        + alpha * delta * p.pmf(b, eb) * p.pmf(s, es + mu)
        + alpha * (1 - delta) * p.pmf(b, eb + mu) * p.pmf(s, es)
    )
    return np.log(mixed).sum()


def test_the_factored_likelihood_equals_the_plain_one_and_never_overflows():
    rng = np.random.default_rng(1)
    theta = (0.4, 0.3, 40.0, 50.0, 55.0)
    b, s = days(rng, 80, *theta)
    assert pin.log_likelihood(theta, b, s) == pytest.approx(plain_likelihood(theta, b, s), rel=1e-10)
    huge = pin.log_likelihood((0.4, 0.3, 4e5, 5e6, 5e6), b * 100_000, s * 100_000)
    assert math.isfinite(huge)


def test_the_gradient_is_that_of_the_value():
    rng = np.random.default_rng(2)
    b, s = (x.astype(float) for x in days(rng, 90, 0.3, 0.6, 30.0, 40.0, 45.0))
    z = pin._free(np.array([0.35, 0.5, 25.0, 42.0, 44.0]))
    _, gradient = pin._value(z, b, s)
    for k in range(5):
        step = np.zeros(5)
        step[k] = 1e-6
        slope = (pin._value(z + step, b, s)[0] - pin._value(z - step, b, s)[0]) / 2e-6
        assert gradient[k] == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("scale", [1, 2_000])
def test_pin_is_recovered_from_250_days(scale):
    """A tenth is asked for; the estimates' deviation from 250 days is 5 % (docs/microstructure.md)."""
    rng = np.random.default_rng(3)
    b, s = days(rng, 250, 0.4, 0.5, 40.0 * scale, 50.0 * scale, 50.0 * scale)
    got = pin.fit(b, s)
    assert got.pin == pytest.approx(16 / 116, rel=0.10)
    assert got.mu == pytest.approx(40 * scale, rel=0.10)
    assert (got.buys, got.sells) == pytest.approx((50 * scale, 50 * scale), rel=0.05)
    assert got.alpha == pytest.approx(0.4, rel=0.2) and not got.at_edge
    assert got.log_likelihood >= pin.log_likelihood((0.4, 0.5, 40 * scale, 50 * scale, 50 * scale), b, s)


def test_the_worked_example_of_pin():
    assert pin.Pin(0.4, 0.5, 40, 50, 50, 0, 1, False).pin == pytest.approx(0.138, abs=5e-4)


@pytest.mark.parametrize(
    ("b", "s", "words"),
    [
        (np.ones(10), np.ones(10), "at least 60"),
        (np.ones(70), np.ones(69), "at least 60"),
        (-np.ones(70), np.ones(70), "not negative"),
        (np.full(70, np.nan), np.ones(70), "finite"),
        (np.zeros(70), np.ones(70), "never traded"),
    ],
)
def test_counts_that_say_nothing_are_refused(b, s, words):
    with pytest.raises(ValueError, match=words):
        pin.fit(b, s)


# --- volatility -----------------------------------------------------------------------------


def simulated(n, seed, omega=0.05, alpha=0.08, beta=0.9):
    rng = np.random.default_rng(seed)
    r, v = np.empty(n), omega / (1 - alpha - beta)
    for i in range(n):
        r[i] = math.sqrt(v) * rng.normal()
        v = omega + alpha * r[i] ** 2 + beta * v
    return r


@pytest.mark.jit
def test_garch_equals_arch():
    """Two searches of one likelihood stop 1e-5 apart; the parameters' standard errors are above 0.01."""
    arch = pytest.importorskip("arch")
    r = simulated(3000, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = arch.arch_model(r, mean="Constant", vol="GARCH", p=1, q=1, rescale=False).fit(disp="off")
    got = garch.fit(r)
    assert got.log_likelihood >= want.loglikelihood - 1e-4
    assert [got.mean, got.omega, got.alpha, got.beta] == pytest.approx(list(want.params), abs=1e-4)
    assert got.persistence == pytest.approx(want.params.iloc[2] + want.params.iloc[3], abs=1e-4)
    _, omega, alpha, beta = want.params
    params = np.array([*want.params, omega + (alpha + beta) * garch.mean_of_first_squares(r)])
    filtered = garch.filtered(params, r)
    np.testing.assert_allclose(filtered[:, 0], want.conditional_volatility, rtol=1e-9)
    forecast = want.forecast(horizon=1).variance.to_numpy()[-1, 0]
    assert filtered[-1, 2] == pytest.approx(math.sqrt(forecast), rel=1e-9)


def test_the_filter_passes_over_what_is_not_finite():
    r = simulated(50, 2)
    params = np.array([0.0, 0.05, 0.08, 0.9, 1.0])
    clean = garch.filtered(params, r)
    holed = garch.filtered(params, np.insert(r, 20, np.nan))
    assert np.isnan(holed[20]).all()
    np.testing.assert_array_equal(np.delete(holed, 20, axis=0), clean)


@pytest.mark.parametrize("bad", [np.zeros(200), np.ones(50), np.full(200, np.nan)])
def test_a_fit_needs_returns_that_vary(bad):
    with pytest.raises(ValueError, match="at least 100"):
        garch.fit(bad)


def test_ewma_equals_explicit_weights_and_garch_its_recursion():
    rows = bars(200, 3)
    r = np.diff(np.log(rows[:, 3]))
    got = run_feature(get("ewma_vol_0.94_20"), rows)[:, 0]
    for i in (20, 100, 199):
        w = 0.94 ** np.arange(i)[::-1]
        assert got[i] == pytest.approx(math.sqrt((w * r[:i] ** 2).sum() / w.sum()), rel=1e-10)
    out = run_feature(get("garch_0.1_0.8_50_5"), rows)
    expected = None
    for i in range(1, 200):
        w = (1 - 1 / 50) ** np.arange(i)[::-1]
        long_run = (w * r[:i] ** 2).sum() / w.sum()
        expected = long_run if expected is None else expected
        z = r[i - 1] / math.sqrt(expected)
        expected = 0.1 * long_run + 0.1 * r[i - 1] ** 2 + 0.8 * expected
        if i >= 5:
            want = [math.sqrt(expected), z, math.sqrt(expected / long_run)]
            assert out[i] == pytest.approx(want, rel=1e-9)


def test_regimes_follow_a_planted_change_and_do_not_flicker():
    rng = np.random.default_rng(5)
    size = np.concatenate([np.full(1500, 1e-3), np.full(300, 5e-3), np.full(1500, 1e-3)])
    drift = np.concatenate([np.zeros(2300), np.full(300, 1e-3), np.zeros(700)])
    close = 100 * np.exp(np.cumsum(rng.normal(0, size) + drift))
    rows = np.column_stack([close] * 4 + [np.ones(3300), np.arange(3300.0), np.ones(3300), np.ones(3300)])
    got = run_feature(get("regime_30_480_1.5_2"), rows)
    assert (got[1560:1700, 0] == 2).mean() > 0.9
    assert (got[700:1500, 0] == 2).mean() < 0.1
    assert (got[2350:2600, 1] == 1).mean() > 0.8
    changes = (np.diff(got[480:, 0]) != 0).sum()
    ratio = got[480:, 4]
    raw = np.where(ratio > 1.5, 2, np.where(ratio < 1 / 1.5, 0, 1))
    assert changes < (np.diff(raw) != 0).sum()  # hysteresis
    ages = got[481:, 2]
    assert set(np.unique(np.diff(ages))) <= {1.0, *(1 - ages)}


# --- sampling -------------------------------------------------------------------------------


def test_four_times_the_volatility_halves_the_interval():
    assert interval_nb(1.0, 4.0, 0.1, 10.0) == 0.5
    assert interval_nb(1.0, 0.0, 0.1, 10.0) == 10.0
    rng = np.random.default_rng(6)
    n = 60_000
    size = np.where(np.arange(n) < n // 2, 1e-4, 4e-4)
    rows = np.zeros((n, 6))
    rows[:, 0] = np.arange(n) * 0.1
    rows[:, 1] = 100 * np.exp(np.cumsum(rng.normal(0, size)))
    rows[:, 2:4] = 1.0
    got = run_feature(get("sampler_1_0.01_100_300_1000000"), rows)
    usual = got[n // 2 - 20_000 : n // 2, 0].mean()
    fast = got[n // 2 + 12_000 : n // 2 + 20_000]
    # the usual volatility has moved on meanwhile: set beside what it was
    ratio = fast[:, 2] / got[n // 2 - 20_000 : n // 2, 2].mean()
    assert np.allclose(fast[:, 0] / 1.0, 1.0 / np.sqrt(fast[:, 2]), rtol=1e-12)
    assert 1.0 / math.sqrt(4.0) == pytest.approx(0.5) and ratio.mean() < 4.5
    assert usual == pytest.approx(1.0, rel=0.1)
    due = got[:, 1] == 1
    gaps = np.diff(rows[due, 0])
    assert gaps.min() >= 0.01 and due[1]


# --- queues, spoofing -----------------------------------------------------------------------


def test_the_chance_of_a_fill_is_within_five_points_of_a_simulation():
    rng = np.random.default_rng(7)
    for ahead, rate, size, horizon in [
        (10, 2.0, 1.0, 6),
        (30, 4.0, 2.0, 8),
        (5, 1.0, 0.5, 4),
        (50, 5.0, 3.0, 8),
    ]:
        counts = rng.poisson(rate * horizon / size, 20_000)
        gone = counts * size
        want = (gone >= ahead).mean()
        assert fill_chance_nb(ahead, rate, size, horizon) == pytest.approx(want, abs=0.05)
        lumps = rng.exponential(size / 2, (20_000, counts.max() * 2 + 30))
        n = rng.poisson(rate * horizon / (size / 2), 20_000)
        gone = np.where(np.arange(lumps.shape[1]) < n[:, None], lumps, 0).sum(1)
        # exponential lumps of mean m weigh, by size, 2 m
        assert fill_chance_nb(ahead, rate, size, horizon) == pytest.approx((gone >= ahead).mean(), abs=0.03)
    assert fill_chance_nb(5.0, 0.0, 1.0, 10.0) == 0.0


def still(n):
    rows = np.zeros((n, 3 + 4 * LEVELS))
    rows[:, 0] = 1e9 + np.arange(n)
    step = np.arange(LEVELS)
    rows[:, 1 : 1 + LEVELS] = 100.0 - 0.01 * step
    rows[:, 1 + 2 * LEVELS : 1 + 3 * LEVELS] = 100.01 + 0.01 * step
    rows[:, 1 + LEVELS : 1 + 2 * LEVELS] = 10.0
    rows[:, 1 + 3 * LEVELS : 1 + 4 * LEVELS] = 10.0
    return rows


def test_an_order_moves_up_by_trades_and_by_its_share_of_cancellations():
    rows = still(4)
    rows[1, 1 + LEVELS], rows[1, 1 + 4 * LEVELS] = 6.0, 4.0  # 4 traded at the bid: 6 ahead of 6
    rows[2, 1 + LEVELS] = 9.0  # 3 join behind: 6 of 9
    rows[3, 1 + LEVELS] = 6.0  # 3 cancelled pro rata: 2 ahead, 1 behind: 4 of 6
    got = run_feature(get("queue"), rows)
    assert got[1:, 0] == pytest.approx([1.0, 6 / 9, 4 / 6])
    assert got[1:, 1] == pytest.approx([1.0, 1.0, 1.0])
    rows[3, 1] = 100.005  # a better bid: a new queue, all of it ahead
    assert run_feature(get("queue"), rows)[3, 0] == 1.0


def spoof_oracle(rows, tau, soon, reach):
    """The bid's share of size cancelled soon, with dictionaries of levels."""
    books = [
        {p: q for p, q in zip(r[1 : 1 + LEVELS], r[1 + LEVELS : 1 + 2 * LEVELS], strict=True) if q > 0}
        for r in rows
    ]
    recent = placed = quick = 0.0
    for old, new, a, r in zip(books[:-1], books[1:], rows[:-1], rows[1:], strict=True):
        dt = r[0] - a[0]
        mid = (r[1] + r[1 + 2 * LEVELS]) / 2
        floor = max(min(old), min(new), mid * (1 - reach))
        prices = [p for p in {*old, *new} if p >= floor]
        up = sum(max(new.get(p, 0) - old.get(p, 0), 0) for p in prices)
        down = sum(max(old.get(p, 0) - new.get(p, 0), 0) for p in prices)
        recent *= math.exp(-dt / soon)
        taken = min(max(down - r[1 + 4 * LEVELS], 0), recent)
        recent += up - taken
        placed = placed * math.exp(-dt / tau) + up
        quick = quick * math.exp(-dt / tau) + taken
    return quick / placed


def test_spoofing_equals_dictionaries_of_levels():
    from helpers import micro_rows

    rows = micro_rows.books(80, 21)
    got = run_feature(get("spoofing_1000_1_60_3"), rows)
    for i in (5, 30, 79):
        assert got[i, 0] == pytest.approx(spoof_oracle(rows[: i + 1], 60, 1, 0.1), rel=1e-9)


def test_a_planted_spoof_scores_and_an_honest_book_does_not():
    rows = still(60)
    honest = run_feature(get("spoofing"), rows)[-1]
    assert honest[:4] == pytest.approx([0, 0, 0, 0])
    rows[:, 0] = 1e9 + 0.2 * np.arange(60)
    rows[1::2, 1 + LEVELS + 2] = 200.0  # a wall of bids that comes and goes
    rows[1::2, 1 + 4 * LEVELS + 1] = 1.0  # while asks fill
    got = run_feature(get("spoofing"), rows)[-2]
    assert got[0] > 0.8 and got[2] > 0.8
    assert got[3] == 0.0
    wall = run_feature(get("spoofing"), rows)[-1]
    assert (wall[4], wall[5]) == (0.1, 0.0)
