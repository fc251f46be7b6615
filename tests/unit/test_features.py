"""Bar features against TA-Lib, plain oracles, themselves (stream = batch, plain = compiled) and bad bars."""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import pytest

from bot4.features.batch_nb import batch_nb, stream_nb
from bot4.features.layout_nb import GROUP_NAMES, GROUP_OF, N_GROUPS
from bot4.features.registry import FEATURES, by_name
from bot4.features.state import full_mask, mask_for, new_features
from bot4.features.update_nb import update_bar_nb
from bot4.model.feature_layout_nb import FEATURE_NAMES, N_FEATURES

talib = pytest.importorskip("talib", reason="TA-Lib is the oracle of these tests")

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("BOT4_SHARED", ROOT / "../shared")).resolve()
REAL = SHARED / "data" / "ohlcv" / "btc_perp_1m_202201.csv.gz"
JIT = not numba.config.DISABLE_JIT
N_SMALL = 3000 if JIT else 400
NS = 1_000_000_000


class Bars(NamedTuple):
    ts: np.ndarray
    o: np.ndarray
    h: np.ndarray
    lo: np.ndarray
    c: np.ndarray
    v: np.ndarray


def generated(n: int, seed: int = 7, scale: float = 100.0, tick: float = 0.01) -> Bars:
    """A random walk on a tick grid: ties, doji, quiet stretches and bars without volume occur."""
    rng = np.random.default_rng(seed)
    step = rng.normal(0.0, 1e-3, n) * rng.choice([0.0, 0.3, 1.0, 3.0], n)
    c = np.maximum(np.round(scale * np.exp(np.cumsum(step)) / tick), 1.0) * tick
    o = np.concatenate([c[:1], c[:-1]])
    h = np.maximum(o, c) + tick * rng.integers(0, 8, n)
    lo = np.maximum(np.minimum(o, c) - tick * rng.integers(0, 8, n), tick / 2)
    v = np.where(rng.random(n) < 0.02, 0.0, np.round(rng.lognormal(3.0, 1.0, n), 3))
    return Bars(1_640_991_660 * NS + np.arange(n) * 60 * NS, o, h, lo, c, v)


def real() -> Bars:
    if not REAL.exists():
        pytest.skip(f"recorded bars are absent: {REAL}")
    with gzip.open(REAL, "rt") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4, 5))
    table = table if JIT else table[:N_SMALL]
    columns = [np.ascontiguousarray(table[:, i]) for i in range(5)]
    return Bars(1_640_991_660 * NS + np.arange(len(table)) * 60 * NS, *columns)


def batch(bars: Bars, mask: np.ndarray | None = None) -> np.ndarray:
    out = np.empty((len(bars.c), N_FEATURES))
    batch_nb(*bars, out, full_mask() if mask is None else mask)
    return out


def oracle_talib(bars: Bars) -> dict[str, np.ndarray]:
    _, _, h, lo, c, v = bars
    upper, mid, lower = talib.BBANDS(c, 20, 2.0, 2.0)
    macd, signal, hist = talib.MACD(c, 12, 26, 9)
    aroon_down, aroon_up = talib.AROON(h, lo, 14)
    k, d = talib.STOCH(h, lo, c, 14, 3, 0, 3, 0)
    high, _, low = talib.DONCHIAN(h, lo, 20)
    keltner = talib.KC(h, lo, c, 20, 10, 2.0)
    trend, side = talib.SUPERTREND(h, lo, c, 10, 3.0)
    return {
        "sma_10": talib.SMA(c, 10),
        "sma_20": talib.SMA(c, 20),
        "sma_50": talib.SMA(c, 50),
        "ema_12": talib.EMA(c, 12),
        "ema_26": talib.EMA(c, 26),
        "ema_50": talib.EMA(c, 50),
        "wma_20": talib.WMA(c, 20),
        "linreg_slope_20": talib.LINEARREG_SLOPE(c, 20),
        "dema_20": talib.DEMA(c, 20),
        "kama_10": talib.KAMA(c, 10),
        "rsi_14": talib.RSI(c, 14),
        "cmo_14": talib.CMO(c, 14),
        "macd": macd,
        "macd_signal": signal,
        "macd_hist": hist,
        "bb_upper": upper,
        "bb_mid": mid,
        "bb_lower": lower,
        "stddev_20": talib.STDDEV(c, 20),
        "atr_14": talib.ATR(h, lo, c, 14),
        "natr_14": talib.NATR(h, lo, c, 14),
        "adx_14": talib.ADX(h, lo, c, 14),
        "plus_di_14": talib.PLUS_DI(h, lo, c, 14),
        "minus_di_14": talib.MINUS_DI(h, lo, c, 14),
        "aroon_up_14": aroon_up,
        "aroon_down_14": aroon_down,
        "stoch_k": k,
        "stoch_d": d,
        "willr_14": talib.WILLR(h, lo, c, 14),
        "donchian_high_20": high,
        "donchian_low_20": low,
        "cci_20": talib.CCI(h, lo, c, 20),
        "mfi_14": talib.MFI(h, lo, c, v, 14),
        "obv": talib.OBV(c, v),
        "roc_10": talib.ROC(c, 10),
        "mom_10": talib.MOM(c, 10),
        "trix_15": talib.TRIX(c, 15),
        "keltner_upper": keltner[0],
        "keltner_mid": keltner[1],
        "keltner_lower": keltner[2],
        "supertrend": trend,
        "supertrend_dir": np.where(np.isnan(trend), np.nan, side),
        "sar": talib.SAR(h, lo),
        "vwap_20": talib.VWMA((h + lo + c) / 3.0, v, 20),
    }


def _windows(x: np.ndarray, size: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(x, size)


def _late(x: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([np.full(n - len(x), np.nan), x])


def _z(x: np.ndarray, size: int) -> np.ndarray:
    w = _windows(x, size)
    deviation = w.std(axis=1)
    safe = np.where(deviation > 0.0, deviation, 1.0)
    return _late(np.where(deviation > 0.0, (x[size - 1 :] - w.mean(axis=1)) / safe, 0.0), len(x))


def oracle_plain(bars: Bars) -> dict[str, np.ndarray]:
    ts, o, h, lo, c, v = bars
    n = len(c)
    w = _windows(c, 20)
    mean, deviation = w.mean(axis=1), w.std(axis=1)
    safe = np.where(deviation > 0.0, deviation, 1.0)
    span = np.log(h / lo) ** 2
    body = np.log(c / o) ** 2
    returns = np.log(c[1:] / c[:-1])
    hour = (ts / NS / 3600.0) % 24.0 * (2.0 * np.pi / 24.0)
    return {
        "bb_pct": _late(np.where(deviation > 0.0, (c[19:] - mean + 2 * safe) / (4 * safe), 0.5), n),
        "bb_width": _late(4.0 * deviation / mean, n),
        "donchian_prior_high": _late(_windows(h, 20).max(axis=1)[:-1], n),
        "donchian_prior_low": _late(_windows(lo, 20).min(axis=1)[:-1], n),
        "parkinson_20": _late(np.sqrt(_windows(span, 20).mean(axis=1) / (4.0 * np.log(2.0))), n),
        "garman_klass_20": _late(
            np.sqrt(_windows(0.5 * span - (2.0 * np.log(2.0) - 1.0) * body, 20).mean(axis=1)), n
        ),
        "logret_1": _late(returns, n),
        "logret_5": _late(np.log(c[5:] / c[:-5]), n),
        "logret_15": _late(np.log(c[15:] / c[:-15]), n),
        "realised_vol_30": _late(np.sqrt((_windows(returns, 30) ** 2).mean(axis=1)), n),
        "volume_z_20": _z(v, 20),
        "close_z_50": _z(c, 50),
        "hour_sin": np.sin(hour),
        "hour_cos": np.cos(hour),
    }


def check(name: str, got: np.ndarray, want: np.ndarray, close: np.ndarray) -> None:
    """1e-9 relative; differences of prices are measured by the price, oscillators by their scale of 1."""
    assert np.array_equal(np.isnan(got), np.isnan(want)), f"{name}: warm-up differs"
    unit = by_name[name].unit
    scale = close if unit.startswith("price") else np.ones_like(close)
    if unit == "log":
        scale = np.full_like(close, 1e-3)
    ok = ~np.isnan(want)
    error = np.abs(got - want)[ok] / np.maximum(np.abs(want), scale)[ok]
    assert error.max(initial=0.0) < 1e-9, f"{name}: {error.max()}"


@pytest.mark.parametrize("source", ["real", "generated", "other seed"])
def test_every_feature_equals_its_oracle(source: str) -> None:
    bars = real() if source == "real" else generated(N_SMALL, 7 if source == "generated" else 8)
    out = batch(bars)
    talibs = oracle_talib(bars)
    plain = oracle_plain(bars)
    assert len(talibs) >= 30
    assert set(talibs) | set(plain) == set(FEATURE_NAMES)
    for name, want in (talibs | plain).items():
        check(name, out[:, by_name[name].index], want, bars.c)


def test_warm_up_is_what_the_registry_says() -> None:
    out = batch(generated(120))
    for feature in FEATURES:
        column = out[:, feature.index]
        assert np.isnan(column[: feature.warmup - 1]).all(), feature.name
        assert np.isfinite(column[feature.warmup - 1 :]).all(), feature.name


def test_values_stay_in_the_range_the_registry_states() -> None:
    out = batch(generated(N_SMALL, 9))
    for feature in FEATURES:
        column = out[~np.isnan(out[:, feature.index]), feature.index]
        low, high = feature.range
        slack = 1e-9 * max(1.0, abs(high)) if np.isfinite(high) else 1e-9
        assert column.min() >= low - slack, feature.name
        assert column.max() <= high + slack, feature.name


def test_stream_equals_batch_bit_for_bit_and_instruments_do_not_mix() -> None:
    a, b = generated(400, 1), generated(400, 2, 3e4, 0.5)
    fs = new_features(3)
    mask = full_mask()
    got = np.empty((2, 400, N_FEATURES))
    for i in range(400):
        for inst, bars in ((2, a), (0, b)):
            update_bar_nb(fs, inst, *(column[i] for column in bars), mask)
            got[0 if inst == 2 else 1, i] = fs.values[inst]
    assert np.array_equal(got[0], batch(a), equal_nan=True)
    assert np.array_equal(got[1], batch(b), equal_nan=True)
    assert np.isnan(fs.values[1]).all()


def test_a_state_warmed_from_history_goes_on_like_one_that_streamed() -> None:
    bars = generated(300, 3)
    mask = full_mask()
    fs = new_features(1)
    stream_nb(fs, 0, *(column[:200] for column in bars), mask)
    assert np.array_equal(fs.values[0], batch(bars)[199], equal_nan=True)
    stream_nb(fs, 0, *(column[200:] for column in bars), mask)
    assert np.array_equal(fs.values[0], batch(bars)[299], equal_nan=True)


def test_plain_python_equals_compiled(tmp_path: Path) -> None:
    bars = generated(300, 4)
    np.savez(tmp_path / "bars.npz", *bars)
    code = (
        "import sys, numpy as np\n"
        "from bot4.features.batch_nb import batch_nb\n"
        "from bot4.features.state import full_mask\n"
        "bars = np.load(sys.argv[1])\n"
        f"out = np.empty((300, {N_FEATURES}))\n"
        "batch_nb(*(bars[name] for name in bars.files), out, full_mask())\n"
        "np.save(sys.argv[2], out)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "bars.npz", tmp_path / "out.npy"],
        check=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )
    np.testing.assert_allclose(batch(bars), np.load(tmp_path / "out.npy"), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("cut", [5, 20, 63, 64, 65, 130, 199])
def test_no_feature_sees_past_its_bar(cut: int) -> None:
    bars = generated(200, 5)
    bad = Bars(*(column.copy() for column in bars))
    rng = np.random.default_rng(cut)
    factor = rng.uniform(0.2, 5.0, 199 - cut)
    for column in (bad.o, bad.h, bad.lo, bad.c):
        column[cut + 1 :] *= factor
    bad.v[cut + 1 :] = rng.uniform(0.0, 1e6, 199 - cut)
    bad.ts[cut + 1 :] += 12_345 * NS
    clean, dirty = batch(bars), batch(bad)
    for feature in FEATURES:
        assert np.array_equal(
            clean[: cut + 1, feature.index], dirty[: cut + 1, feature.index], equal_nan=True
        ), feature.name
    if cut < 150:  # and the corruption is one that every feature can see
        later = [
            f.name for f in FEATURES if np.array_equal(clean[cut + 1 :, f.index], dirty[cut + 1 :, f.index])
        ]
        assert later == []


@pytest.mark.parametrize("group", range(N_GROUPS))
def test_a_mask_computes_its_group_alone_and_alike(group: int) -> None:
    bars = generated(150, 6)
    mask = np.zeros(N_GROUPS, np.uint8)
    mask[group] = 1
    alone, full = batch(bars, mask), batch(bars)
    for feature in FEATURES:
        column = alone[:, feature.index]
        if GROUP_OF[feature.index] == group:
            assert np.array_equal(column, full[:, feature.index], equal_nan=True), feature.name
        else:
            assert np.isnan(column).all(), feature.name


def test_mask_for_names() -> None:
    assert mask_for("sma_20", "sma_50").sum() == 1
    assert {GROUP_NAMES[i] for i in np.flatnonzero(mask_for("rsi_14", "macd"))} == {"rsi", "macd"}
    with pytest.raises(ValueError, match="nosuch"):
        mask_for("nosuch")


def test_the_mask_of_the_first_bar_holds() -> None:
    bars = generated(60, 6)
    fs = new_features(1)
    for i in range(60):
        update_bar_nb(fs, 0, *(column[i] for column in bars), mask_for("sma_10") if i == 0 else full_mask())
    computed = {FEATURE_NAMES[j] for j in np.flatnonzero(~np.isnan(fs.values[0]))}
    assert computed == {"sma_10", "sma_20", "sma_50"}


def flat_bars(n: int, price: float, volume: float) -> Bars:
    p = np.full(n, price)
    return Bars(np.arange(n) * 60 * NS, p, p.copy(), p.copy(), p.copy(), np.full(n, volume))


@pytest.mark.parametrize("price", [1e-8, 0.1, 46_319.5, 1e12])
@pytest.mark.parametrize("volume", [0.0, 3.7])
def test_one_price_has_defined_values(price: float, volume: float) -> None:
    last = batch(flat_bars(200, price, volume))[-1]
    value = {f.name: last[f.index] for f in FEATURES}
    assert np.isfinite(last).all()
    for name in ("sma_10", "sma_20", "sma_50", "wma_20", "bb_mid", "bb_upper", "bb_lower"):
        assert value[name] == price, name
    zeros = (
        "rsi_14",
        "cmo_14",
        "bb_width",
        "stddev_20",
        "atr_14",
        "natr_14",
        "adx_14",
        "plus_di_14",
        "minus_di_14",
        "stoch_k",
        "stoch_d",
        "willr_14",
        "cci_20",
        "mfi_14",
        "roc_10",
        "mom_10",
        "linreg_slope_20",
        "parkinson_20",
        "garman_klass_20",
        "logret_1",
        "logret_5",
        "logret_15",
        "realised_vol_30",
        "volume_z_20",
        "close_z_50",
    )
    for name in zeros:
        assert value[name] == 0.0, name
    assert value["bb_pct"] == 0.5
    assert value["aroon_up_14"] == value["aroon_down_14"] == pytest.approx(100.0)
    for name in ("ema_12", "ema_50", "dema_20", "kama_10", "vwap_20", "sar", "keltner_mid", "supertrend"):
        assert value[name] == pytest.approx(price, rel=1e-12), name
    assert value["macd_hist"] == pytest.approx(0.0, abs=1e-9 * price)


@pytest.mark.parametrize("jump", [1e-6, 1e6])
def test_a_giant_leaves_no_residue(jump: float) -> None:
    """After a jump of six digits has left every window, the windowed features equal those never hit."""
    n, hit = 400, 100
    bars = generated(n, 11)
    bad = Bars(*(column.copy() for column in bars))
    for column in bad[1:]:
        column[hit] *= jump
    clean, dirty = batch(bars), batch(bad)
    windowed = (
        "sma_10",
        "sma_20",
        "sma_50",
        "wma_20",
        "linreg_slope_20",
        "bb_mid",
        "bb_upper",
        "bb_pct",
        "stddev_20",
        "stoch_k",
        "stoch_d",
        "willr_14",
        "aroon_up_14",
        "donchian_high_20",
        "donchian_low_20",
        "cci_20",
        "mfi_14",
        "roc_10",
        "vwap_20",
        "parkinson_20",
        "garman_klass_20",
        "realised_vol_30",
        "volume_z_20",
        "close_z_50",
    )
    for name in windowed:
        j = by_name[name].index
        np.testing.assert_allclose(
            dirty[hit + 51 :, j], clean[hit + 51 :, j], rtol=1e-8, atol=1e-8, err_msg=name
        )
    assert np.isfinite(dirty[60:]).all()


@pytest.mark.parametrize("scale", [2.0**-30, 2.0**-10, 2.0**30, 2.0**40])
def test_scale_of_prices_changes_nothing_but_the_scale(scale: float) -> None:
    base = generated(300, 12)  # powers of two scale without rounding, so that ties stay ties
    scaled = Bars(base.ts, *(column * scale for column in base[1:5]), base.v)
    a, b = batch(base), batch(scaled)
    assert np.array_equal(np.isnan(a), np.isnan(b))
    for feature in FEATURES:
        if feature.unit in ("percent", "ratio", "log", "1"):
            np.testing.assert_allclose(
                b[:, feature.index], a[:, feature.index], rtol=1e-9, atol=1e-9, err_msg=feature.name
            )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("field", range(1, 6))
def test_a_bar_that_is_not_finite_changes_nothing(bad: float, field: int) -> None:
    bars = generated(80, 13)
    mask = full_mask()
    fs, clean = new_features(1), new_features(1)
    for i in range(80):
        update_bar_nb(clean, 0, *(column[i] for column in bars), mask)
        update_bar_nb(fs, 0, *(column[i] for column in bars), mask)
        if i % 7 == 0:
            row = [column[i] for column in bars]
            row[field] = bad
            update_bar_nb(fs, 0, *row, mask)
            assert np.array_equal(fs.values, clean.values, equal_nan=True)
    assert fs.state.tobytes() == clean.state.tobytes()


def test_prices_of_zero_or_below_raise_nothing_and_pass() -> None:
    bars = generated(400, 14)
    bad = Bars(*(column.copy() for column in bars))
    for column in (bad.o, bad.h, bad.lo, bad.c):
        column[100] = 0.0
        column[110] = -5.0
    out = batch(bad)
    assert np.isfinite(out[60:]).all()
