"""Which TA-Lib call each declared feature must equal: the oracle of the tests, the yardstick of the benchmark.

A row is feature, function, inputs (o, h, l, c, v and t, the typical price), its arguments, and our output for
each result (None: not ours). The table is data, so nothing of bot4's formulas can leak into it.
"""

from typing import Any, NamedTuple

import numpy as np


class Call(NamedTuple):
    """One TA-Lib call and the feature whose outputs it checks."""

    feature: str
    function: str
    inputs: str
    arguments: dict[str, float]
    outputs: tuple[str | None, ...]


def _n(n: int) -> dict[str, float]:
    return {"timeperiod": n}


def _one(feature: str, function: str, inputs: str, arguments: dict[str, float], *outputs: str | None) -> Call:
    return Call(feature, function, inputs, arguments, outputs or (feature,))


_PAIR = {"fastperiod": 12, "slowperiod": 26, "matype": 1}

CALLS = (
    _one("sma_20", "SMA", "c", _n(20)),
    _one("ema_20", "EMA", "c", _n(20)),
    _one("rma_14", "RMA", "c", _n(14)),
    _one("wma_20", "WMA", "c", _n(20)),
    _one("dema_20", "DEMA", "c", _n(20)),
    _one("tema_20", "TEMA", "c", _n(20)),
    _one("t3_5_0.7", "T3", "c", {"timeperiod": 5, "vfactor": 0.7}),
    _one("trima_20", "TRIMA", "c", _n(20)),
    _one("trima_7", "TRIMA", "c", _n(7)),
    _one("hma_20", "HMA", "c", _n(20)),
    _one("kama_10", "KAMA", "c", _n(10)),
    _one("zlema_20", "ZLEMA", "c", _n(20)),
    _one("vwma_20", "VWMA", "cv", _n(20)),
    _one("linreg_14", "LINEARREG", "c", _n(14)),
    _one("linreg_14", "TSF", "c", _n(14), "linreg_next_14"),
    _one("linreg_14", "LINEARREG_INTERCEPT", "c", _n(14), "linreg_start_14"),
    _one("linreg_14", "LINEARREG_SLOPE", "c", _n(14), "linreg_slope_14"),
    _one("linreg_14", "LINEARREG_ANGLE", "c", _n(14), "linreg_angle_14"),
    _one("midpoint_14", "MIDPOINT", "c", _n(14)),
    _one("midprice_14", "MIDPRICE", "hl", _n(14)),
    _one("envelope_20", "SMA", "c", _n(20), "envelope_mid_20"),
    _one("accbands_20", "ACCBANDS", "hlc", _n(20), "accbands_upper", "accbands_mid", "accbands_lower"),
    _one(
        "bb_20_2",
        "BBANDS",
        "c",
        {"timeperiod": 20, "nbdevup": 2.0, "nbdevdn": 2.0},
        "bb_upper",
        "bb_mid",
        "bb_lower",
    ),
    _one("ht_trendline", "HT_TRENDLINE", "c", {}),
    _one("mama", "MAMA", "c", {"fastlimit": 0.5, "slowlimit": 0.05}, "mama", "mama_fama"),
    _one("sar_0.02_0.2", "SAR", "hl", {"acceleration": 0.02, "maximum": 0.2}),
    _one(
        "supertrend_10_3",
        "SUPERTREND",
        "hlc",
        {"timeperiod": 10, "multiplier": 3.0},
        "supertrend",
        "supertrend_dir",
    ),
    _one("rsi_14", "RSI", "c", _n(14)),
    _one("cmo_14", "CMO", "c", _n(14)),
    _one("cmo_14", "CMOU", "c", _n(14), "cmo_plain_14"),
    _one(
        "macd",
        "MACD",
        "c",
        {"fastperiod": 12, "slowperiod": 26, "signalperiod": 9},
        "macd",
        "macd_signal",
        "macd_hist",
    ),
    _one("apo", "APO", "c", _PAIR),
    _one("ppo", "PPO", "c", _PAIR),
    _one("pvo", "PVO", "v", _PAIR),
    _one("mom_10", "MOM", "c", _n(10)),
    _one("roc_10", "ROC", "c", _n(10)),
    _one("roc_10", "ROCP", "c", _n(10), "roc_fraction_10"),
    _one("roc_10", "ROCR", "c", _n(10), "roc_ratio_10"),
    _one(
        "stoch_14_3_3",
        "STOCH",
        "hlc",
        {"fastk_period": 14, "slowk_period": 3, "slowk_matype": 0, "slowd_period": 3, "slowd_matype": 0},
        "stoch_k",
        "stoch_d",
    ),
    _one(
        "stochf_14_3",
        "STOCHF",
        "hlc",
        {"fastk_period": 14, "fastd_period": 3, "fastd_matype": 0},
        "stochf_k",
        "stochf_d",
    ),
    _one(
        "stochrsi_14_14_3",
        "STOCHRSI",
        "c",
        {"timeperiod": 14, "fastk_period": 14, "fastd_period": 3, "fastd_matype": 0},
        "stochrsi_k",
        "stochrsi_d",
    ),
    _one("kdj", "KDJ", "hlc", {}, "kdj_k", "kdj_d", "kdj_j"),
    _one("willr_14", "WILLR", "hlc", _n(14)),
    _one("cci_20", "CCI", "hlc", _n(20)),
    _one("ultosc", "ULTOSC", "hlc", {}),
    _one("tsi", "TSI", "c", {}),
    _one("trix_15", "TRIX", "c", _n(15)),
    _one("dpo_20", "DPO", "c", _n(20)),
    _one("coppock", "COPPOCK", "c", {}),
    _one("ao", "AO", "hl", {}),
    _one("ao", "AC", "hl", {}, "ao_accel"),
    _one("eri", "ERI", "hlc", {}, "eri_bull", "eri_bear"),
    _one("qstick_10", "QSTICK", "oc", _n(10)),
    _one("bop", "BOP", "ohlc", {}),
    _one("smi", "SMI", "hlc", {}, "smi", "smi_signal"),
    _one("imi_14", "IMI", "oc", _n(14)),
    _one("er_10", "ER", "c", _n(10)),
    _one("fosc_5", "FOSC", "c", _n(5)),
    _one("vhf_28", "VHF", "c", _n(28)),
    _one("adx_14", "ADX", "hlc", _n(14)),
    _one("adxr_14", "ADXR", "hlc", _n(14)),
    _one("dx_14", "DX", "hlc", _n(14)),
    _one("plus_di_14", "PLUS_DI", "hlc", _n(14)),
    _one("minus_di_14", "MINUS_DI", "hlc", _n(14)),
    _one("dm_14", "PLUS_DM", "hl", _n(14), "dm_plus_14"),
    _one("dm_14", "MINUS_DM", "hl", _n(14), "dm_minus_14"),
    _one("aroon_14", "AROON", "hl", _n(14), "aroon_down_14", "aroon_up_14"),
    _one("aroon_14", "AROONOSC", "hl", _n(14), "aroon_osc_14"),
    _one("vortex_14", "VORTEX", "hlc", _n(14), "vortex_plus_14", "vortex_minus_14"),
    _one("donchian_20", "DONCHIAN", "hl", _n(20), "donchian_high_20", "donchian_mid_20", "donchian_low_20"),
    _one(
        "keltner",
        "KC",
        "hlc",
        {"timeperiod": 20, "atrperiod": 10, "nbdev": 2.0},
        "keltner_upper",
        "keltner_mid",
        "keltner_lower",
    ),
    _one(
        "keltner_10_20_1.5",
        "KC",
        "hlc",
        {"timeperiod": 10, "atrperiod": 20, "nbdev": 1.5},
        "keltner_upper_10_20_1.5",
        "keltner_mid_10_20_1.5",
        "keltner_lower_10_20_1.5",
    ),
    _one("trange", "TRANGE", "hlc", {}),
    _one("atr_14", "ATR", "hlc", _n(14)),
    _one("natr_14", "NATR", "hlc", _n(14)),
    _one("stddev_20", "STDDEV", "c", {"timeperiod": 20, "nbdev": 1.0}),
    _one("var_20", "VAR", "c", {"timeperiod": 20, "nbdev": 1.0}),
    _one("avgdev_14", "AVGDEV", "c", _n(14)),
    _one("cvi_10_10", "CVI", "hl", {"timeperiod": 10, "rocperiod": 10}),
    _one("mass", "MASSI", "hl", {"fastperiod": 9, "slowperiod": 25}),
    _one("rvi", "RVI", "c", {"timeperiod": 14, "stddevperiod": 10}),
    _one("adr_14", "ADR", "hl", _n(14)),
    _one("heikin_ashi", "HA", "ohlc", {}, *(f"heikin_ashi_{p}" for p in ("open", "high", "low", "close"))),
    _one("price", "TYPPRICE", "hlc", {}, "price_typical"),
    _one("price", "WCLPRICE", "hlc", {}, "price_weighted"),
    _one("price", "MEDPRICE", "hl", {}, "price_median"),
    _one("price", "AVGPRICE", "ohlc", {}, "price_average"),
    _one("obv", "OBV", "cv", {}),
    _one("ad", "AD", "hlcv", {}),
    _one("adosc", "ADOSC", "hlcv", {"fastperiod": 3, "slowperiod": 10}),
    _one("cmf_20", "CMF", "hlcv", _n(20)),
    _one("efi_13", "EFI", "cv", _n(13)),
    _one("mfi_14", "MFI", "hlcv", _n(14)),
    _one("vwap_20", "VWMA", "tv", _n(20)),
    _one("anchored_vwap", "VWAP", "hlcv", {}),
    _one("vi", "NVI", "cv", {}, "vi_negative"),
    _one("vi", "PVI", "cv", {}, "vi_positive"),
    _one("pvt", "PVT", "cv", {}),
    _one("wad", "WAD", "hlc", {}),
    _one("vroc_14", "ROC", "v", _n(14)),
    _one("rvol_20", "RVOL", "v", _n(20)),
    _one("volume_mean_20", "SMA", "v", _n(20)),
    _one("market_fi", "MARKETFI", "hlv", {}),
    _one("extreme_30", "MAX", "c", _n(30), "extreme_high_30"),
    _one("extreme_30", "MIN", "c", _n(30), "extreme_low_30"),
    _one("percentrank_100", "PERCENTRANK", "c", _n(100)),
    _one("correl_30", "CORREL", "cv", _n(30)),
    _one("beta_18", "BETA", "hl", _n(18)),
    _one("ht_period", "HT_DCPERIOD", "c", {}),
    _one("ht_period", "HT_PHASOR", "c", {}, "ht_period_inphase", "ht_period_quadrature"),
    _one("ht_phase", "HT_DCPHASE", "c", {}),
    _one("ht_phase", "HT_SINE", "c", {}, "ht_phase_sine", "ht_phase_lead"),
    _one("ht_trend", "HT_TRENDMODE", "c", {}),
)

LATER = {
    "ppo": "TA-Lib's line warms before its signal; ours warm together, as MACD's do",
    "pvo": "TA-Lib's line warms before its signal; ours warm together, as MACD's do",
    "ao": "TA-Lib's AO warms before its AC; ours warm together",
    "supertrend_dir": "TA-Lib gives 0 before it is warm",
    "ht_trend": "TA-Lib gives 0 before it is warm",
}
"""Outputs that warm later than TA-Lib's, and why."""


def columns(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Input vectors by letter."""
    found = {name: np.ascontiguousarray(rows[:, i]) for i, name in enumerate("ohlcv")}
    found["t"] = (found["h"] + found["l"] + found["c"]) / 3.0
    return found


def results(call: Call, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What TA-Lib gives for each output of ours."""
    import talib

    raw: Any = getattr(talib, call.function)(*(inputs[i] for i in call.inputs), **call.arguments)
    given = raw if isinstance(raw, tuple) else (raw,)
    return {
        name: np.asarray(value, dtype=np.float64)
        for name, value in zip(call.outputs, given, strict=True)
        if name is not None
    }
