"""Declared features without a counterpart in TA-Lib against their formulas, written here with pandas and numpy.

Nothing here calls a kernel for the expected value. Every registered bar feature of these groups has an
oracle here or in the table of TA-Lib calls: the last test holds that.
"""

import math

import numpy as np
import pandas as pd
import pytest

from bot4.features.batch_nb import batch_nb
from bot4.features.library import column, declarations, get
from bot4.features.plan import run_feature
from bot4.features.registry import FEATURES as ENGINE
from bot4.features.state import full_mask
from helpers.feature_rows import bars
from helpers.talib_oracle import CALLS

ROWS = bars(1200, 5)
OPEN, H, L, C, V, TS = (pd.Series(ROWS[:, i]) for i in range(6))
R = np.log(C / C.shift())
ORACLES = {}


def oracle(*names):
    def keep(make):
        for k, name in enumerate(names):
            ORACLES[name] = (make, k if len(names) > 1 else None)
        return make

    return keep


def smooth(x, alpha, seed):
    """Recursive average from a seed value, plain."""
    out = [seed]
    for value in x:
        out.append(out[-1] + alpha * (value - out[-1]))
    return out


def ema(x, n):
    x = pd.Series(np.asarray(x))
    first = x.first_valid_index()
    tail = x.iloc[first:]
    out = np.full(len(x), np.nan)
    out[first + n - 1 :] = smooth(tail.iloc[n:], 2 / (n + 1), tail.iloc[:n].mean())
    return pd.Series(out)


def wilder(x, n):
    x = pd.Series(np.asarray(x))
    first = x.first_valid_index()
    tail = x.iloc[first:]
    out = np.full(len(x), np.nan)
    out[first + n - 1 :] = smooth(tail.iloc[n:], 1 / n, tail.iloc[:n].mean())
    return pd.Series(out)


def line_end(y):
    slope, start = np.polyfit(np.arange(len(y)), y, 1)
    return start + slope * (len(y) - 1)


TR = (
    pd.concat([H - L, (H - C.shift()).abs(), (L - C.shift()).abs()], axis=1)
    .max(axis=1)
    .where(C.shift().notna())
)


@oracle("alma_9_0.85_6")
def _alma():
    i = np.arange(9)
    w = np.exp(-((i - 0.85 * 8) ** 2) / (2 * (9 / 6) ** 2))
    return C.rolling(9).apply(lambda y: (y * w).sum() / w.sum(), raw=True)


@oracle("frama_16")
def _frama():
    out = np.full(len(C), np.nan)
    price = (H + L) / 2
    value, dimension = price[14], 0.0
    for t in range(15, len(C)):
        hi, lo = H.values[t - 15 : t + 1], L.values[t - 15 : t + 1]
        n1 = (hi[8:].max() - lo[8:].min()) / 8
        n2 = (hi[:8].max() - lo[:8].min()) / 8
        n3 = (hi.max() - lo.min()) / 16
        if n1 + n2 > 0 and n3 > 0:
            dimension = math.log2((n1 + n2) / n3)
        alpha = min(max(math.exp(-4.6 * (dimension - 1)), 0.01), 1)
        value = alpha * price[t] + (1 - alpha) * value
        out[t] = value
    return out


@oracle("vidya_14")
def _vidya():
    up = C.diff().clip(lower=0).rolling(14).sum()
    down = (-C.diff()).clip(lower=0).rolling(14).sum()
    k = ((up - down).abs() / (up + down)) * 2 / 15
    out = np.full(len(C), np.nan)
    value = C[14]
    for t in range(14, len(C)):
        value = k[t] * C[t] + (1 - k[t]) * value
        out[t] = value
    return out


@oracle("mcginley_14")
def _mcginley():
    out = np.full(len(C), np.nan)
    value = C[:14].mean()
    out[13] = value
    for t in range(14, len(C)):
        value += (C[t] - value) / max(14 * (C[t] / value) ** 4, 1)
        out[t] = value
    return out


@oracle("alligator_jaw", "alligator_teeth", "alligator_lips", "alligator_gator", "alligator_gator_low")
def _alligator():
    price = (H + L) / 2
    jaw, teeth, lips = (wilder(price, n).shift(k) for n, k in ((13, 8), (8, 5), (5, 3)))
    return jaw, teeth, lips, (jaw - teeth).abs(), -(teeth - lips).abs()


@oracle("bb_pct_20_2", "bb_width_20_2")
def _bb():
    mid, deviation = C.rolling(20).mean(), C.rolling(20).std(ddof=0)
    return (C - mid + 2 * deviation) / (4 * deviation), 4 * deviation / mid


@oracle("super_smoother_10")
def _smoother():
    a = math.exp(-math.sqrt(2) * math.pi / 10)
    b = 2 * a * math.cos(math.sqrt(2) * math.pi / 10)
    price = ((H + L) / 2).values
    out = [price[0], price[0]]
    last = price[0]
    for x in price:
        out.append((1 - b + a * a) * (x + last) / 2 + b * out[-1] - a * a * out[-2])
        last = x
    return np.array(out[2:])


@oracle("envelope_upper_20_2.5", "envelope_lower_20_2.5")
def _envelope():
    return 1.025 * C.rolling(20).mean(), 0.975 * C.rolling(20).mean()


@oracle("kst_9", "kst_signal_9")
def _kst():
    parts = ((10, 10), (15, 10), (20, 10), (30, 15))
    value = sum(w * (100 * C.pct_change(lag)).rolling(n).mean() for w, (lag, n) in enumerate(parts, 1))
    return value, value.rolling(9).mean()


@oracle("stc_23_50_10_0.5")
def _stc():
    def swing(x):
        low, high = x.rolling(10, min_periods=1).min(), x.rolling(10, min_periods=1).max()
        raw = (100 * (x - low) / (high - low)).where(high > low).ffill().fillna(0.0)
        return pd.Series(smooth(raw.iloc[1:], 0.5, raw.iloc[0]), index=x.index)

    return swing(swing((ema(C, 23) - ema(C, 50)).dropna())).reindex(C.index)


@oracle("fisher_9", "fisher_signal_9")
def _fisher():
    price = (H + L) / 2
    low, high = price.rolling(9).min(), price.rolling(9).max()
    out = np.full(len(C), np.nan)
    value = fish = 0.0
    for t in range(8, len(C)):
        value = 0.66 * ((price[t] - low[t]) / (high[t] - low[t]) - 0.5) + 0.67 * value
        value = min(max(value, -0.999), 0.999)
        fish = math.atanh(value) + 0.5 * fish
        out[t] = fish
    return pd.Series(out), pd.Series(out).shift()


def triangle(x):
    return (x + 2 * x.shift(1) + 2 * x.shift(2) + x.shift(3)) / 6


@oracle("rvgi_10", "rvgi_signal_10")
def _rvgi():
    value = triangle(C - OPEN).rolling(10).sum() / triangle(H - L).rolling(10).sum()
    return value, triangle(value)


@oracle("crsi_3_2_100")
def _crsi():
    def rsi(x, n):
        up, down = wilder(x.clip(lower=0), n), wilder((-x).clip(lower=0), n)
        return (100 * up / (up + down)).fillna(0.0)

    streak, run = [], 0
    for move in C.diff().fillna(0):
        run = (max(run, 0) + 1) if move > 0 else (min(run, 0) - 1) if move < 0 else 0
        streak.append(run)
    change = C.pct_change()
    rank = change.rolling(101).apply(lambda y: (y[:-1] < y[-1]).sum(), raw=True)
    return (rsi(C.diff(), 3) + rsi(pd.Series(streak).diff(), 2) + rank) / 3


@oracle("logret_5")
def _logret():
    return np.log(C / C.shift(5))


@oracle("ppo_signal_12_26_9")
def _ppo():
    return ema(100 * (ema(C, 12) - ema(C, 26)) / ema(C, 26), 9)


@oracle("donchian_prior_high_20", "donchian_prior_low_20", "donchian_width_20")
def _donchian():
    high, low = H.rolling(20).max(), L.rolling(20).min()
    return high.shift(), low.shift(), 2 * (high - low) / (high + low)


@oracle("hour_sin", "hour_cos")
def _hour():
    angle = 2 * np.pi * (TS % 86400) / 86400
    return np.sin(angle), np.cos(angle)


@oracle("fractal_high_2", "fractal_low_2")
def _fractal():
    def swings(x):
        around = [x.shift(k) for k in (0, 1, 3, 4)]
        ok = np.logical_and.reduce([x.shift(2) > other for other in around])
        return x.shift(2).where(ok).ffill()

    return swings(H), -swings(-L)


@oracle("atr_bands_upper_14_2", "atr_bands_lower_14_2")
def _bands():
    return C + 2 * wilder(TR, 14), C - 2 * wilder(TR, 14)


@oracle("chandelier_long_22_3", "chandelier_short_22_3")
def _chandelier():
    atr = wilder(TR, 22)
    return H.rolling(22).max() - 3 * atr, L.rolling(22).min() + 3 * atr


@oracle("inertia_14_10_20")
def _inertia():
    deviation = C.rolling(10).std(ddof=0)
    up = wilder(deviation.where(C.diff() > 0, 0.0).iloc[9:], 14)
    down = wilder(deviation.where(C.diff() < 0, 0.0).iloc[9:], 14)
    value = pd.Series(np.concatenate((np.full(9, np.nan), 100 * up / (up + down))))
    return value.rolling(20).apply(line_end, raw=True)


@oracle("parkinson_20")
def _parkinson():
    return np.sqrt((np.log(H / L) ** 2).rolling(20).mean() / (4 * math.log(2)))


@oracle("garman_klass_20")
def _garman_klass():
    term = 0.5 * np.log(H / L) ** 2 - (2 * math.log(2) - 1) * np.log(C / OPEN) ** 2
    return np.sqrt(term.rolling(20).mean())


RS = np.log(H / C) * np.log(H / OPEN) + np.log(L / C) * np.log(L / OPEN)


@oracle("rogers_satchell_20")
def _rogers_satchell():
    return np.sqrt(RS.rolling(20).mean())


@oracle("yang_zhang_20")
def _yang_zhang():
    k = 0.34 / (1.34 + 21 / 19)
    night, day = np.log(OPEN / C.shift()).rolling(20).var(), np.log(C / OPEN).rolling(20).var()
    return np.sqrt(night + k * day + (1 - k) * RS.rolling(20).mean())


@oracle("realised_vol_30", "hist_vol_20")
def _returns():
    return np.sqrt((R**2).rolling(30).mean()), R.rolling(20).std()


@oracle("ulcer_14")
def _ulcer():
    top = C.rolling(14).max()
    return np.sqrt(((100 * (C - top) / top) ** 2).rolling(14).mean())


@oracle("choppiness_14")
def _choppiness():
    path = TR.rolling(14).sum()
    return 100 * np.log10(path / (H.rolling(14).max() - L.rolling(14).min())) / math.log10(14)


@oracle("squeeze_on_20_2_1.5", "squeeze_momentum_20_2_1.5")
def _squeeze():
    middle = ((H.rolling(20).max() + L.rolling(20).min()) / 2 + C.rolling(20).mean()) / 2
    way = TR.fillna(0).rolling(20).mean()
    on = (2 * C.rolling(20).std(ddof=0) < 1.5 * way).astype(float)
    momentum = (C - middle).rolling(20).apply(line_end, raw=True)
    return on.where(momentum.notna()), momentum


@oracle("twap_20")
def _twap():
    return ((OPEN + H + L + C) / 4).rolling(20).mean()


@oracle("close_z_50", "volume_z_20")
def _z():
    def z(x, n):
        return (x - x.rolling(n).mean()) / x.rolling(n).std(ddof=0)

    return z(C, 50), z(V, 20)


@oracle("eom_14")
def _eom():
    move = ((H + L) / 2).diff() * (H - L)
    return (move / V).where(V > 0, 0.0).where(move.notna()).rolling(14).mean()


def _since(group):
    price = (H + L + C) / 3 - 100.0  # near 0, so that the squares keep their digits
    volume = V.groupby(group).cumsum()
    mean = ((price * V).groupby(group).cumsum() / volume).where(volume > 0, price)
    square = (price**2 * V).groupby(group).cumsum() / volume
    deviation = np.sqrt((square - mean**2).clip(lower=0)).fillna(0.0)
    return mean + 100, mean + 100 + 2 * deviation, mean + 100 - 2 * deviation


@oracle("session_vwap_3600_2", "session_vwap_upper_3600_2", "session_vwap_lower_3600_2")
def _session():
    return _since(np.ceil(TS / 3600))


@oracle("anchored_vwap_upper_0_2", "anchored_vwap_lower_0_2")
def _anchored():
    return _since(TS * 0)[1:]


@oracle("klinger_34_55_13", "klinger_signal_34_55_13")
def _klinger():
    total, span = H + L + C, H - L
    force, side, path = [], 0.0, 0.0
    for t in range(1, len(C)):
        now = 1.0 if total[t] > total[t - 1] else -1.0
        path = path + span[t] if now == side else span[t - 1] + span[t]
        side = now
        force.append(V[t] * abs(2 * (span[t] / path - 1)) * now * 100 if path else 0.0)
    force = pd.Series([np.nan, *force])
    value = ema(force, 34) - ema(force, 55)
    return value, ema(value, 13)


@oracle("extreme_high_age_30", "extreme_low_age_30")
def _age():
    return (
        C.rolling(30).apply(lambda y: np.argmax(y[::-1]), raw=True),
        C.rolling(30).apply(lambda y: np.argmin(y[::-1]), raw=True),
    )


@oracle("percentile_30_33")
def _percentile():
    return C.rolling(30).apply(lambda y: np.percentile(y, 33), raw=True)


@oracle("shape_skew_100", "shape_kurt_100")
def _shape():
    from scipy import stats

    return R.rolling(100).apply(stats.skew, raw=True), R.rolling(100).apply(stats.kurtosis, raw=True)


@oracle("autocorr_50_2")
def _autocorr():
    return R.rolling(50).corr(R.shift(2))


@oracle("hurst_200_10")
def _hurst():
    many = np.log(C / C.shift(10)).rolling(200).std(ddof=0)
    one = R.where(many.index >= 10).rolling(200).std(ddof=0)
    return np.log(many / one) / math.log(10)


@oracle("entropy_50")
def _entropy():
    order = pd.Series(
        [
            np.nan,
            np.nan,
            *(
                int("".join(map(str, np.argsort(C.values[t : t + 3], kind="stable"))))
                for t in range(len(C) - 2)
            ),
        ]
    )

    def bits(y):
        share = np.unique(y, return_counts=True)[1] / len(y)
        return -(share * np.log(share)).sum() / math.log(6)

    return order.rolling(50).apply(bits, raw=True)


def _last(seconds):
    period = np.ceil(TS / seconds)
    days = (
        pd.DataFrame({"o": OPEN, "h": H, "l": L, "c": C})
        .groupby(period)
        .agg({"o": "first", "h": "max", "l": "min", "c": "last"})
    )
    return days.shift().reindex(period).reset_index(drop=True), days.o.reindex(period).reset_index(drop=True)


def _floor(d, p):
    span = d.h - d.l
    return p, 2 * p - d.l, p + span, d.h + 2 * (p - d.l), 2 * p - d.h, p - span, d.l - 2 * (d.h - p)


SEVEN = ("p", "r1", "r2", "r3", "s1", "s2", "s3")


@oracle(*(f"pivot_{k}_3600" for k in SEVEN))
def _pivot():
    d, _ = _last(3600)
    return _floor(d, (d.h + d.l + d.c) / 3)


@oracle(*(f"pivot_woodie_{k}_3600" for k in SEVEN))
def _woodie():
    d, start = _last(3600)
    return _floor(d, (d.h + d.l + 2 * start) / 4)


@oracle(*(f"pivot_fibonacci_{k}_3600" for k in SEVEN))
def _fibonacci():
    d, _ = _last(3600)
    p, span = (d.h + d.l + d.c) / 3, d.h - d.l
    return p, *(p + k * span for k in (0.382, 0.618, 1)), *(p - k * span for k in (0.382, 0.618, 1))


@oracle(*(f"pivot_camarilla_{k}_3600" for k in ("r1", "r2", "r3", "r4", "s1", "s2", "s3", "s4")))
def _camarilla():
    d, _ = _last(3600)
    parts = [1.1 * (d.h - d.l) / k for k in (12, 6, 4, 2)]
    return *(d.c + p for p in parts), *(d.c - p for p in parts)


@oracle(*(f"pivot_demark_{k}_3600" for k in ("p", "r1", "s1")))
def _demark():
    d, _ = _last(3600)
    x = d.h + d.l + np.where(d.c < d.o, d.l + d.c, np.where(d.c > d.o, d.h + d.c, 2 * d.c))
    return x / 4, x / 2 - d.l, x / 2 - d.h


@oracle(*(f"fib_{k}_50" for k in ("a236", "a382", "a500", "a618", "a786")))
def _fib():
    high, low = H.rolling(50).max(), L.rolling(50).min()
    new_high = H.rolling(50).apply(lambda y: np.argmax(y[::-1]), raw=True)
    new_low = L.rolling(50).apply(lambda y: np.argmin(y[::-1]), raw=True)
    start, end = high.where(new_high <= new_low, low), low.where(new_high <= new_low, high)
    return tuple(start + k * (end - start) for k in (0.236, 0.382, 0.5, 0.618, 0.786))


@pytest.mark.parametrize("name", ORACLES)
def test_a_feature_equals_its_formula(name):
    make, k = ORACLES[name]
    made = make()
    want = np.array(made if k is None else made[k], dtype=float)
    at = column(name)
    got = run_feature(at.feature, ROWS)[:, at.output]
    want[: at.feature.warmup - 1] = np.nan  # outputs of one feature warm together
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    scale = (
        np.nanmedian(np.abs(want))
        if not at.feature.declaration.outputs[at.output].unit.startswith("price")
        else 100.0
    )
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9 * scale)


def test_the_side_of_the_parabolic_stop():
    out = run_feature(get("sar"), ROWS)
    stop, side = out[2:, 0], out[2:, 1]
    same = side[1:] == side[:-1]
    assert ((stop[1:] < C.values[3:]) == (side[1:] > 0))[same].all()
    assert (~same).any()


@pytest.mark.parametrize("feature", ENGINE, ids=lambda f: f.name)
def test_a_registered_feature_equals_the_engines_column(feature):
    """To 1e-12 of the price or value, not to the bit: the engine adds sums afresh every 64 bars, a window at each turn."""
    values = np.empty((len(ROWS), len(ENGINE)))
    ts = (ROWS[:, 5] * 1e9).astype(np.int64)
    batch_nb(ts, *(np.ascontiguousarray(ROWS[:, i]) for i in range(5)), values, full_mask())
    want = values[:, feature.index]
    at = column(feature.name)
    got = run_feature(at.feature, ROWS)[:, at.output]
    assert at.feature.warmup == feature.warmup
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    wide = feature.unit.startswith(("price", "percent", "volume")) or feature.name == "cci_20"
    scale = 100.0 if wide else 1.0
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12 * scale)


def test_every_output_of_these_groups_has_an_oracle():
    named = [*ORACLES, *(n for call in CALLS for n in call.outputs if n)]
    have = {(at.feature.declaration.name, at.output) for at in map(column, named)}
    # one kernel each with an output that is checked
    have |= {("sar", 1), ("pvo", 1), ("pvo", 2), ("ppo", 2), ("keltner", 3)}
    lacking = [
        (d.name, o.name)
        for d in declarations().values()
        for k, o in enumerate(d.outputs)
        if d.step.__module__.removeprefix("bot4.features.catalogue.") in OWN and (d.name, k) not in have
    ]
    assert not lacking


OWN = {
    f"{m}_nb"
    for m in (
        "averages",
        "momentum",
        "oscillators",
        "trend",
        "volatility",
        "volume",
        "statistics",
        "cycles",
        "levels",
    )
}
