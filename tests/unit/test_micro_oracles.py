"""Microstructure features (spread_nb, impact_nb, flow_nb, book_shape_nb, queue_nb) against independent oracles.

numpy and scipy over the whole history, formulas worked by hand.
"""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from bot4.features.library import get
from bot4.features.micro.rows_nb import LEVELS
from bot4.features.plan import run_feature
from helpers import micro_rows
from helpers.feature_rows import bars


def values(name, rows):
    return run_feature(get(name), rows)


def signed(rows):
    """Sides after the rule of Lee and Ready, written again."""
    out, last_price, last = [], 0.0, 0.0
    for _, price, _, side, bid, ask in rows:
        mid = (bid + ask) / 2
        if side == 0:
            if price != mid and not math.isnan(mid):
                side = math.copysign(1, price - mid)
            else:
                side = math.copysign(1, price - last_price) if last_price and price != last_price else last
        last_price, last = price, side
        out.append(side)
    return np.array(out)


# --- spreads --------------------------------------------------------------------------------


def test_roll_equals_the_covariance_of_changes_and_the_worked_number():
    rows = bars(300, 4)
    got = values("roll_40", rows)
    change = np.diff(rows[:, 3])
    for i in range(41, 300):
        a, b = change[i - 41 : i - 1], change[i - 40 : i]
        cov = np.mean(a * b) - a.mean() * b.mean()
        want = 2 * math.sqrt(-cov) if cov < 0 else 0.0
        assert got[i, 0] == pytest.approx(want, rel=1e-9, abs=1e-6)
    # a price that jumps between 1 and 2: changes +1, -1, ..., covariance -1, spread 2
    steps = np.tile([1.0, 2.0], 40)
    flat = np.column_stack([steps] * 4 + [np.ones(80), np.arange(80.0), np.ones(80), np.ones(80)])
    assert values("roll_40", flat)[-1, 0] == pytest.approx(2.0, rel=1e-12)


def corwin_schultz(high, low):
    beta = np.log(high[0] / low[0]) ** 2 + np.log(high[1] / low[1]) ** 2
    gamma = np.log(max(high) / min(low)) ** 2
    k = 3 - 2 * math.sqrt(2)
    alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k)
    return 2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha))


def test_corwin_schultz_by_hand_and_by_the_formula():
    two = np.tile([100.0, 101.0, 99.0, 100.0, 1.0, 0.0, 1.0, 1.0], (3, 1))
    assert values("corwin_schultz_1", two)[-1, 0] == pytest.approx(0.0200, abs=5e-5)
    rows = bars(200, 5)
    got = values("corwin_schultz_20_0", rows)
    raw = [max(corwin_schultz(rows[i - 1 : i + 1, 1], rows[i - 1 : i + 1, 2]), 0) for i in range(1, 200)]
    for i in range(20, 200):
        assert got[i, 0] == pytest.approx(np.mean(raw[i - 20 : i]), rel=1e-9, abs=1e-12)
        assert got[i, 1] == pytest.approx(raw[i - 1], rel=1e-9, abs=1e-12)
    sign = [corwin_schultz(rows[i - 1 : i + 1, 1], rows[i - 1 : i + 1, 2]) for i in range(1, 200)]
    mean = max(np.mean(sign[-150:]), 0)
    assert values("corwin_schultz_150_0_0", rows)[-1, 0] == pytest.approx(mean, rel=1e-9, abs=1e-12)


def test_a_gap_between_bars_is_no_spread():
    gap = np.array([[100.0, 101, 99, 100, 1, 0, 1, 1], [120.0, 121, 119, 120, 1, 60, 1, 1]])
    moved = gap.copy()
    moved[1, 1:3] -= 19.0  # its low to the close before
    assert values("corwin_schultz_1_1", gap)[-1, 0] == pytest.approx(
        max(corwin_schultz(moved[:, 1], moved[:, 2]), 0), rel=1e-9
    )


def test_trade_cost_finds_the_later_mid():
    rows = micro_rows.trades(400, 6)
    n, horizon = 30, 5.0
    got = values("trade_cost_30_5_4000", rows)
    side = signed(rows)
    mid = (rows[:, 4] + rows[:, 5]) / 2
    cost = []  # (matured at, effective, realised)
    for i in range(400):
        later = [j for j in range(i + 1, 400) if rows[j, 0] >= rows[i, 0] + horizon and mid[j] == mid[j]]
        if later and mid[i] == mid[i]:
            effective = 2 * side[i] * (rows[i, 1] - mid[i]) / mid[i]
            realised = 2 * side[i] * (rows[i, 1] - mid[later[0]]) / mid[i]
            cost.append((later[0], i, effective, realised))
    cost.sort()
    for i in range(400):
        done = [c for c in cost if c[0] <= i][-n:]
        if len(done) < n:
            assert math.isnan(got[i, 0])
            continue
        effective, realised = np.mean([c[2] for c in done]), np.mean([c[3] for c in done])
        assert got[i] == pytest.approx(
            [effective, realised, effective - realised, realised / effective], rel=1e-8, abs=1e-13
        )


def test_a_trade_waits_no_longer_than_there_is_room():
    rows = micro_rows.trades(300, 6)
    rows[:, 0] = 1e9 + np.arange(300) * 1e-3  # nothing matures within the horizon
    assert np.isnan(values("trade_cost_10_5_16", rows)).all()


def test_the_quoted_spread_is_weighted_by_the_time_it_stood():
    rows = micro_rows.books(120, 7)
    got = values("quoted_spread_20", rows)
    bid, ask = rows[:, 1], rows[:, 1 + 2 * LEVELS]
    spread = (ask - bid) / ((ask + bid) / 2)
    mean = spread[0]
    for i in range(1, 120):
        keep = math.exp(-(rows[i, 0] - rows[i - 1, 0]) / 20)
        mean = mean * keep + spread[i - 1] * (1 - keep)
        assert got[i] == pytest.approx([spread[i], mean], rel=1e-12)


# --- impact ---------------------------------------------------------------------------------


def test_amihud_leaves_out_bars_without_volume():
    rows = bars(200, 8)
    rows[[50, 190], 4] = rows[[50, 190], 6] = 0.0
    got = values("amihud_20", rows)[:, 0]
    r = np.abs(rows[1:, 3] / rows[:-1, 3] - 1)
    value = (rows[:, 3] * rows[:, 4])[1:]
    part = [1e6 * a / b for a, b in zip(r, value) if b > 0]
    assert got[-1] == pytest.approx(np.mean(part[-20:]), rel=1e-9)


@pytest.mark.parametrize("seed", [1, 2])
def test_kyle_equals_a_regression(seed):
    rows = bars(260, seed)
    got = values("kyle_lambda_60_40", rows)
    flow = (2 * rows[:, 6] - rows[:, 4])[1:]
    move = np.diff(rows[:, 3])
    for i in (40, 75, 120, 259):
        x, y = flow[max(i - 60, 0) : i], move[max(i - 60, 0) : i]
        fit = stats.linregress(x, y)
        t = fit.slope / fit.stderr
        depth = 1 / fit.slope if fit.slope > 0 else 0.0
        assert got[i] == pytest.approx([fit.slope, fit.rvalue**2, t, depth], rel=1e-8)
    v = flow * rows[1:, 3]
    root = stats.linregress((np.sign(v) * np.sqrt(np.abs(v)))[-60:], np.diff(np.log(rows[:, 3]))[-60:])
    assert values("root_impact_60_40", rows)[-1] == pytest.approx([root.slope, root.rvalue**2], rel=1e-8)
    u, s = flow[-60:].std() / math.sqrt(2), math.sqrt(2) * move[-60:].std()
    assert values("kyle_model_60_40", rows)[-1] == pytest.approx([s / (2 * u), u, s, u * s / 2], rel=1e-9)


def test_without_buy_volume_impact_is_not_known():
    rows = bars(100, 1)
    rows[:, 6] = np.nan
    for name in ("kyle_lambda_20_10", "root_impact_20_10", "kyle_model_20_10", "vpin_bars_2_5_10_0"):
        assert np.isnan(values(name, rows)).all()
    assert not np.isnan(values("vpin_bars_2_5_10_1", rows)).all()


# --- flow -----------------------------------------------------------------------------------


def poured(volumes, sides, size, buckets):
    """VPIN after each trade by pouring volume drop by drop into buckets."""
    done, filled, imbalance, out = [], 0.0, 0.0, []
    for volume, side in zip(volumes, sides):
        left = volume
        while filled + left >= size * (1 - 1e-12):
            take = size - filled
            done.append(abs(imbalance + side * take) / size)
            left -= take
            filled = imbalance = 0.0
        filled += max(left, 0.0)
        imbalance += side * max(left, 0.0)
        out.append(np.mean(done[-buckets:]) if len(done) >= buckets else math.nan)
    return np.array(out)


@pytest.mark.parametrize("size", [0.05, 1.0, 7.0])
def test_vpin_equals_pouring(size):
    rows = micro_rows.trades(500, 9)
    got = values(f"vpin_{size}_10", rows)[:, 0]
    want = poured(rows[:, 2], signed(rows), size, 10)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, equal_nan=True)


def test_vpin_of_bars_equals_pouring_with_the_usual_volume():
    rows = bars(300, 10)
    got = values("vpin_bars_3_8_20_0", rows)[:, 0]
    done, size, filled, imbalance = [], 0.0, 0.0, 0.0
    for i in range(20, 300):
        usual = 3 * rows[i - 19 : i + 1, 4].mean()
        v = rows[i, 4]
        sign = 2 * rows[i, 6] / v - 1 if v else 0.0
        while v > 0 or size == 0:
            size = size or usual
            if filled + v < size * (1 - 1e-12):
                break
            take = size - filled
            done.append((abs(imbalance + sign * take), size))
            v -= take
            size = filled = imbalance = 0.0
        filled += v
        imbalance += sign * v
        if len(done) >= 8:
            a, b = np.array(done[-8:]).sum(axis=0)
            assert got[i] == pytest.approx(a / b, rel=1e-8, abs=1e-9)


def test_vpin_is_high_in_a_planted_burst_and_low_in_balance():
    rng = np.random.default_rng(3)
    n = 20_000
    rows = np.column_stack(
        (
            np.arange(n) * 1.0,
            np.full(n, 100.0),
            np.full(n, 1.0),
            np.where(rng.random(n) < 0.5, 1.0, -1.0),
            np.full(n, 99.9),
            np.full(n, 100.1),
        )
    )
    rows[10_000:12_000, 3] = 1.0
    got = values("vpin_40_50", rows)[:, 0]
    assert np.nanmin(got) >= 0 and np.nanmax(got) <= 1
    assert got[9_999] < 0.2
    assert got[11_999] > 0.4


def test_sign_autocorrelation_equals_numpy():
    rows = micro_rows.trades(300, 11)
    side = signed(rows)
    got = values("trade_sign_80_3", rows)
    for i in (82, 150, 299):
        b = side[i - 79 : i + 1]
        a = side[i - 82 : i - 2]
        assert got[i] == pytest.approx([np.corrcoef(a, b)[0, 1], b.mean()], rel=1e-9, abs=1e-12)


def test_size_classes_equal_exact_faded_sums():
    rows = micro_rows.trades(150, 12)
    got = values("trade_sizes_20_2000_8000_30000", rows)
    value = rows[:, 1] * rows[:, 2]
    kind = np.digitize(value, [2000, 8000, 30000])
    weight = value * np.exp((rows[:, 0] - rows[-1, 0]) / 20)
    want = [weight[kind == k].sum() for k in range(4)] + [(weight * signed(rows))[kind == 3].sum()]
    assert got[-1] == pytest.approx(np.array(want) / weight.sum(), rel=1e-9, abs=1e-12)


def test_clustering_equals_exact_rates():
    rows = micro_rows.trades(160, 13)
    got = values("trade_clustering_5_60_50", rows)[-1]
    age = rows[-1, 0] - rows[:, 0]
    fast, slow = np.exp(-age / 5).sum() / 5, np.exp(-age / 60).sum() / 60
    gaps = np.diff(rows[:, 0])[-50:]
    burst = (gaps.std() - gaps.mean()) / (gaps.std() + gaps.mean())
    assert got == pytest.approx([fast, fast / slow, burst], rel=1e-6)


def test_counts_of_a_period_equal_numpy_and_the_first_part_is_never_given():
    rows = micro_rows.trades(900, 14)
    rows[500:, 0] += 200.0  # periods without a trade
    got = values("pin_counts_60", rows)
    side = signed(rows)
    number = np.floor(rows[:, 0] / 60).astype(int)
    first = number[0]
    for i in range(900):
        last = number[i] - 1
        if last <= first:
            assert np.isnan(got[i]).all()
            continue
        inside = number == last
        assert got[i] == pytest.approx([(side[inside] > 0).sum(), (side[inside] < 0).sum(), last])


# --- the book -------------------------------------------------------------------------------


def test_weighted_mids_by_hand_and_by_formula():
    row = np.zeros((1, 3 + 4 * LEVELS))
    row[0, 1], row[0, 1 + LEVELS] = 100.0, 1.0
    row[0, 1 + 2 * LEVELS], row[0, 1 + 3 * LEVELS] = 101.0, 3.0
    got = values("book_price_0.5", row)[0]
    assert 100.5 * (1 + got[0]) == pytest.approx(100.25)  # the worked example
    assert got[2] == pytest.approx(-0.5)
    rows = micro_rows.books(50, 15)
    bid, bq, ask, aq = (rows[:, 1 + k * LEVELS : 1 + (k + 1) * LEVELS] for k in range(4))
    mid = (bid[:, 0] + ask[:, 0]) / 2
    w = np.exp(-0.5 * np.arange(5))
    b, a = (bq[:, :5] * w).sum(1), (aq[:, :5] * w).sum(1)
    pb, pa = (bq[:, :5] * w * bid[:, :5]).sum(1) / b, (aq[:, :5] * w * ask[:, :5]).sum(1) / a
    got = values("book_price_0.5", rows)
    np.testing.assert_allclose(mid * (1 + got[:, 1]), (pb * a + pa * b) / (a + b), rtol=1e-12)
    for k, n in ((2, 1), (3, 5), (4, 10)):
        x, y = bq[:, :n].sum(1), aq[:, :n].sum(1)
        np.testing.assert_allclose(got[:, k], (x - y) / (x + y), rtol=1e-12)


def level_flow(px, qty, old_px, old_qty, side):
    """Cont, Kukanov and Stoikov's e for one side, written from the paper's cases."""
    if side * px > side * old_px:
        return qty
    if px == old_px:
        return qty - old_qty
    return -old_qty


def test_order_flow_equals_exact_faded_sums():
    rows = micro_rows.books(120, 16)
    got = values("order_flow_15", rows)
    flows = []
    for old, new in itertools.pairwise(rows):
        e = []
        for i in range(5):
            side = []
            for k, sign in ((0, 1), (2, -1)):
                px, q = new[1 + k * LEVELS + i], new[1 + (k + 1) * LEVELS + i]
                o, p = old[1 + k * LEVELS + i], old[1 + (k + 1) * LEVELS + i]
                side.append(level_flow(px, q, o, p, sign))
            e.append(side[0] - side[1])
        flows.append((e[0], sum(e)))
    flows = np.array(flows)
    for i in (1, 40, 119):
        fade = np.exp((rows[1 : i + 1, 0] - rows[i, 0]) / 15)
        sums = (flows[:i] * fade[:, None]).sum(0)
        sizes = (np.abs(flows[:i]) * fade[:, None]).sum(0)
        assert got[i, :2] == pytest.approx(sums, rel=1e-9, abs=1e-9)
        assert got[i, 2:4] == pytest.approx(sums / sizes, rel=1e-9, abs=1e-9)


def test_a_sweep_equals_a_walk_of_the_book():
    rows = micro_rows.books(40, 17)
    for value in (1_000.0, 60_000.0, 1e9):
        got = values(f"sweep_{value:.0f}", rows)
        for row, (buy, sell, filled) in zip(rows, got):
            mid = (row[1] + row[1 + 2 * LEVELS]) / 2
            want, costs, parts = value / mid, [], []
            for k in (2, 0):
                left, paid, far = want, 0.0, 0.0
                for px, q in zip(row[1 + k * LEVELS :][:LEVELS], row[1 + (k + 1) * LEVELS :][:LEVELS]):
                    if q > 0:
                        take = min(left, q)
                        far = abs(px - mid) / mid
                        paid += take * far
                        left -= take
                costs.append((paid + left * far) / want)
                parts.append(1 - left / want)
            assert (buy, sell, filled) == pytest.approx((*costs, min(parts)), rel=1e-9, abs=1e-12)


def test_liquidity_is_half_when_as_usual_and_falls_when_thin():
    row = micro_rows.books(1, 18)[0]
    rows = np.tile(row, (50, 1))
    rows[:, 0] += np.arange(50)
    got = values("liquidity_1000_30", rows)
    assert got[-1, 5] == pytest.approx(0.5)
    mid = (row[1] + row[1 + 2 * LEVELS]) / 2
    assert got[-1, 0] == pytest.approx(row[1 + LEVELS : 1 + 2 * LEVELS].sum() * mid)
    rows[-1, 1 + LEVELS : 1 + 2 * LEVELS] *= 0.1
    rows[-1, 1 + 3 * LEVELS : 1 + 4 * LEVELS] *= 0.1
    assert values("liquidity_1000_30", rows)[-1, 5] < 0.35


@pytest.mark.parametrize("broken", ["crossed", "empty", "nan"])
def test_a_book_that_is_not_whole_is_not_known(broken):
    rows = micro_rows.books(30, 19)
    if broken == "crossed":
        rows[10, 1] = rows[10, 1 + 2 * LEVELS]
    elif broken == "empty":
        rows[10, 1 + LEVELS] = 0.0
    else:
        rows[10, 1] = np.nan
    for name in ("quoted_spread", "book_price", "order_flow", "liquidity", "sweep", "queue", "spoofing"):
        got = values(name, rows)
        assert np.isnan(got[10]).all(), name
        assert not np.isnan(got[12]).any(), name


@pytest.mark.parametrize("bad", [(1, np.nan), (1, -5.0), (2, 0.0), (2, np.inf), (0, np.nan)])
def test_a_trade_that_is_not_whole_changes_nothing(bad):
    rows = micro_rows.trades(260, 20)
    column, value = bad
    worse = np.insert(rows, 130, rows[130], axis=0)
    worse[130, column] = value
    for name in (
        "vpin_0.5_5",
        "trade_sign_50",
        "trade_sizes",
        "trade_clustering_5_60_20",
        "belief",
        "rivalry",
    ):
        clean, seen = values(name, rows), values(name, worse)
        assert np.isnan(seen[130]).all(), name
        np.testing.assert_array_equal(np.delete(seen, 130, axis=0), clean)
