"""Thirty indicators, one bar at a time: bot4 against TA-Lib's stream handles and talipp.

    python benchmarks/indicators.py [--bars FILE] [--limit N] [--repeats R] [--json]

First every indicator must equal TA-Lib on the bars (1e-9); if one does not, nothing is timed.
Then the thirty are fed bar by bar: by bot4 inside its compiled plane (the streaming kernel over the
history), by bot4 called from Python for each bar, by TA-Lib 0.8 stream handles and by talipp. Time is CPU
time, the best of R repeats, in nanoseconds a bar for the whole set. Peers come from the current
environment; a missing one is named and left out. Only the indicators that a peer has are timed
for it, and the ratio is taken against bot4 computing every group.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bot4.features.batch_nb import stream_nb
from bot4.features.layout_nb import GROUP_NAMES, GROUP_OF
from bot4.features.registry import by_name
from bot4.features.state import full_mask, mask_for, new_features
from bot4.features.update_nb import update_bar_nb
from common import BARS as DEFAULT
from common import finish

WARM = 200
Columns = dict[str, np.ndarray]

# name -> (TA-Lib function, inputs, arguments, our feature for each output it gives; None: not ours)
INDICATORS: dict[str, tuple[str, str, dict[str, float], tuple[str | None, ...]]] = {
    "SMA 10": ("SMA", "c", {"timeperiod": 10}, ("sma_10",)),
    "SMA 20": ("SMA", "c", {"timeperiod": 20}, ("sma_20",)),
    "SMA 50": ("SMA", "c", {"timeperiod": 50}, ("sma_50",)),
    "EMA 12": ("EMA", "c", {"timeperiod": 12}, ("ema_12",)),
    "EMA 26": ("EMA", "c", {"timeperiod": 26}, ("ema_26",)),
    "WMA 20": ("WMA", "c", {"timeperiod": 20}, ("wma_20",)),
    "DEMA 20": ("DEMA", "c", {"timeperiod": 20}, ("dema_20",)),
    "KAMA 10": ("KAMA", "c", {"timeperiod": 10}, ("kama_10",)),
    "RSI 14": ("RSI", "c", {"timeperiod": 14}, ("rsi_14",)),
    "CMO 14": ("CMO", "c", {"timeperiod": 14}, ("cmo_14",)),
    "MACD": (
        "MACD",
        "c",
        {"fastperiod": 12, "slowperiod": 26, "signalperiod": 9},
        ("macd", "macd_signal", "macd_hist"),
    ),
    "Bollinger 20": (
        "BBANDS",
        "c",
        {"timeperiod": 20, "nbdevup": 2.0, "nbdevdn": 2.0},
        ("bb_upper", "bb_mid", "bb_lower"),
    ),
    "StdDev 20": ("STDDEV", "c", {"timeperiod": 20}, ("stddev_20",)),
    "Slope 20": ("LINEARREG_SLOPE", "c", {"timeperiod": 20}, ("linreg_slope_20",)),
    "ROC 10": ("ROC", "c", {"timeperiod": 10}, ("roc_10",)),
    "MOM 10": ("MOM", "c", {"timeperiod": 10}, ("mom_10",)),
    "TRIX 15": ("TRIX", "c", {"timeperiod": 15}, ("trix_15",)),
    "ATR 14": ("ATR", "hlc", {"timeperiod": 14}, ("atr_14",)),
    "NATR 14": ("NATR", "hlc", {"timeperiod": 14}, ("natr_14",)),
    "ADX 14": ("ADX", "hlc", {"timeperiod": 14}, ("adx_14",)),
    "+DI 14": ("PLUS_DI", "hlc", {"timeperiod": 14}, ("plus_di_14",)),
    "-DI 14": ("MINUS_DI", "hlc", {"timeperiod": 14}, ("minus_di_14",)),
    "Aroon 14": ("AROON", "hl", {"timeperiod": 14}, ("aroon_down_14", "aroon_up_14")),
    "Stochastic": (
        "STOCH",
        "hlc",
        {"fastk_period": 14, "slowk_period": 3, "slowd_period": 3},
        ("stoch_k", "stoch_d"),
    ),
    "Williams %R": ("WILLR", "hlc", {"timeperiod": 14}, ("willr_14",)),
    "CCI 20": ("CCI", "hlc", {"timeperiod": 20}, ("cci_20",)),
    "MFI 14": ("MFI", "hlcv", {"timeperiod": 14}, ("mfi_14",)),
    "OBV": ("OBV", "cv", {}, ("obv",)),
    "Parabolic SAR": ("SAR", "hl", {"acceleration": 0.02, "maximum": 0.2}, ("sar",)),
    "Donchian 20": (
        "DONCHIAN",
        "hl",
        {"timeperiod": 20},
        ("donchian_high_20", None, "donchian_low_20"),
    ),
    "Keltner": (
        "KC",
        "hlc",
        {"timeperiod": 20, "atrperiod": 10, "nbdev": 2.0},
        ("keltner_upper", "keltner_mid", "keltner_lower"),
    ),
    "SuperTrend": ("SUPERTREND", "hlc", {"timeperiod": 10, "multiplier": 3.0}, ("supertrend", None)),
}


def read_bars(path: Path, limit: int) -> Columns:
    table = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4, 5), max_rows=limit)
    bars = {name: np.ascontiguousarray(table[:, i]) for i, name in enumerate("ohlcv")}
    bars["ts"] = 1_640_991_660_000_000_000 + np.arange(len(table)) * 60_000_000_000
    return bars


def outputs(result: object) -> tuple[np.ndarray, ...]:
    return tuple(result) if isinstance(result, tuple) else (result,)  # type: ignore[return-value]


def parity(talib: object, bars: Columns, values: np.ndarray) -> list[str]:
    """Names of the outputs that differ from TA-Lib by more than 1e-9, prices measured by the price."""
    wrong = []
    for function, inputs, arguments, names in INDICATORS.values():
        result = outputs(getattr(talib, function)(*(bars[i] for i in inputs), **arguments))
        for name, want in zip(names, result, strict=True):
            if name is None:
                continue
            got = values[:, by_name[name].index]
            scale = bars["c"] if by_name[name].unit.startswith("price") else np.ones(len(got))
            ok = ~np.isnan(want)
            error = np.abs(got - want)[ok] / np.maximum(np.abs(want), scale)[ok]
            if not np.array_equal(np.isnan(got), ~ok) or error.max() > 1e-9:
                wrong.append(name)
    return wrong


def cpu_ns(prepare: Callable[[], Callable[[], object]], bars: int, repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        run = prepare()
        start = time.process_time_ns()
        run()
        best = min(best, time.process_time_ns() - start)
    return best / bars


def in_plane(bars: Columns, mask: np.ndarray) -> Callable[[], Callable[[], object]]:
    columns = [bars[name] for name in ("ts", "o", "h", "l", "c", "v")]

    def prepare() -> Callable[[], object]:
        fs = new_features(1)
        stream_nb(fs, 0, *(column[:WARM] for column in columns), mask)
        return lambda: stream_nb(fs, 0, *(column[WARM:] for column in columns), mask)

    return prepare


def from_python(bars: Columns, mask: np.ndarray, count: int) -> Callable[[], Callable[[], object]]:
    columns = [bars[name] for name in ("ts", "o", "h", "l", "c", "v")]
    rows = list(zip(*(column[WARM : WARM + count].tolist() for column in columns), strict=True))

    def prepare() -> Callable[[], object]:
        fs = new_features(1)
        stream_nb(fs, 0, *(column[:WARM] for column in columns), mask)

        def run() -> None:
            for row in rows:
                update_bar_nb(fs, 0, *row, mask)

        return run

    return prepare


def by_talib(bars: Columns, count: int) -> Callable[[], Callable[[], object]]:
    from talib import stream

    def prepare() -> Callable[[], object]:
        feeds = []
        for function, inputs, arguments, _ in INDICATORS.values():
            handle = getattr(stream, function)(*(bars[i][:WARM] for i in inputs), **arguments)
            rows = list(zip(*(bars[i][WARM : WARM + count].tolist() for i in inputs), strict=True))
            feeds.append((handle.update, rows))

        def run() -> None:
            for update, rows in feeds:
                for row in rows:
                    update(*row)

        return run

    return prepare


def by_talipp(bars: Columns, count: int) -> tuple[Callable[[], Callable[[], object]], list[str]]:
    from talipp import indicators as peer
    from talipp.ohlcv import OHLCV

    close = bars["c"][: WARM + count].tolist()
    whole = [OHLCV(*row) for row in zip(*(bars[i][: WARM + count].tolist() for i in "ohlcv"), strict=True)]
    makers: dict[str, tuple[Callable[[], object], list[object]]] = {
        "SMA 10": (lambda: peer.SMA(10), close),
        "SMA 20": (lambda: peer.SMA(20), close),
        "SMA 50": (lambda: peer.SMA(50), close),
        "EMA 12": (lambda: peer.EMA(12), close),
        "EMA 26": (lambda: peer.EMA(26), close),
        "WMA 20": (lambda: peer.WMA(20), close),
        "DEMA 20": (lambda: peer.DEMA(20), close),
        "KAMA 10": (lambda: peer.KAMA(10, 2, 30), close),
        "RSI 14": (lambda: peer.RSI(14), close),
        "MACD": (lambda: peer.MACD(12, 26, 9), close),
        "Bollinger 20": (lambda: peer.BB(20, 2.0), close),
        "StdDev 20": (lambda: peer.StdDev(20), close),
        "ROC 10": (lambda: peer.ROC(10), close),
        "TRIX 15": (lambda: peer.TRIX(15), close),
        "ATR 14": (lambda: peer.ATR(14), whole),
        "NATR 14": (lambda: peer.NATR(14), whole),
        "ADX 14": (lambda: peer.ADX(14, 14), whole),  # gives both DI as well
        "Aroon 14": (lambda: peer.Aroon(14), whole),
        "Stochastic": (lambda: peer.Stoch(14, 3), whole),
        "Williams %R": (lambda: peer.Williams(14), whole),
        "CCI 20": (lambda: peer.CCI(20), whole),
        "OBV": (lambda: peer.OBV(), whole),
        "Parabolic SAR": (lambda: peer.ParabolicSAR(0.02, 0.02, 0.2), whole),
        "Donchian 20": (lambda: peer.DonchianChannels(20), whole),
        "Keltner": (lambda: peer.KeltnerChannels(20, 10, 2, 2), whole),
        "SuperTrend": (lambda: peer.SuperTrend(10, 3), whole),
    }

    def prepare() -> Callable[[], object]:
        feeds = []
        for make, source in makers.values():
            indicator = make()
            for x in source[:WARM]:
                indicator.add(x)  # type: ignore[attr-defined]
            feeds.append((indicator.add, source[WARM:]))  # type: ignore[attr-defined]

        def run() -> None:
            for add, rest in feeds:
                for x in rest:
                    add(x)

        return run

    return prepare, [name for name in INDICATORS if name not in makers and name not in ("+DI 14", "-DI 14")]


def shared_mask() -> np.ndarray:
    """Groups that hold the compared indicators (a group may hold a few more)."""
    names = [name for *_, ours in INDICATORS.values() for name in ours if name is not None]
    return mask_for(*names)


def measure(bars: Columns, repeats: int) -> dict[str, dict[str, object]]:
    n = len(bars["c"]) - WARM
    some = min(n, 3000)
    mask = shared_mask()
    rows: dict[str, dict[str, object]] = {
        "bot4, in the plane": {"ns": cpu_ns(in_plane(bars, mask), n, repeats)},
        "bot4, called from Python": {"ns": cpu_ns(from_python(bars, mask, some), some, repeats)},
        "TA-Lib stream handles": {"ns": cpu_ns(by_talib(bars, some), some, repeats)},
        "bot4, every group": {"ns": cpu_ns(in_plane(bars, full_mask()), n, repeats)},
        "bot4, SMA alone": {"ns": cpu_ns(in_plane(bars, mask_for("sma_20")), n, repeats)},
    }
    try:
        prepare, lacking = by_talipp(bars, min(n, 1000))
    except ImportError:
        rows["talipp"] = {"ns": None, "missing": "not installed in this environment"}
    else:
        rows["talipp"] = {"ns": cpu_ns(prepare, min(n, 1000), min(repeats, 3)), "missing": ", ".join(lacking)}
    base = rows["bot4, in the plane"]["ns"]
    for row in rows.values():
        row["ratio"] = None if row["ns"] is None else row["ns"] / base  # type: ignore[operator]
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=Path, default=DEFAULT, help="CSV of one-minute bars, .gz or plain")
    parser.add_argument("--limit", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/indicators.json")
    options = parser.parse_args()
    try:
        import talib
    except ImportError:
        print("TA-Lib is the yardstick of this benchmark and is not installed: pip install TA-Lib")
        return 2
    from bot4.features.batch_nb import batch_nb

    bars = read_bars(options.bars, options.limit)
    values = np.empty((len(bars["c"]), len(GROUP_OF)))
    columns = [bars[name] for name in ("ts", "o", "h", "l", "c", "v")]
    start = time.perf_counter()
    batch_nb(*(column[:1] for column in columns), values[:1], full_mask())
    ready = time.perf_counter() - start
    batch_nb(*columns, values, full_mask())
    wrong = parity(talib, bars, values)
    if wrong:
        print(f"differs from TA-Lib, nothing was timed: {', '.join(wrong)}")
        return 1
    rows = measure(bars, options.repeats)
    if options.save:
        document = {"title": f"(d) {len(INDICATORS)} streaming indicators, per bar", "rows": rows}
        return finish("indicators", {**document, "bars": len(bars["c"]), "parity": {"ok": True}}, save=True)
    if options.json:
        print(
            json.dumps(
                {"bars": len(bars["c"]), "indicators": len(INDICATORS), "ready_s": ready, "rows": rows}
            )
        )
        return 0
    print(f"{len(INDICATORS)} indicators ({len(GROUP_NAMES)} groups) equal TA-Lib on {len(bars['c'])} bars")
    print(f"kernels ready after {ready:.2f} s\n")
    print(f"{'':28}{'ns a bar':>12}{'ratio':>10}")
    for name, row in rows.items():
        if row["ns"] is None:
            print(f"{name:28}{'-':>12}{'-':>10}  {row['missing']}")
        else:
            lacking = f"  without {row['missing']}" if row.get("missing") else ""
            print(f"{name:28}{row['ns']:>12.0f}{row['ratio']:>10.2f}{lacking}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
