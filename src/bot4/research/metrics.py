"""Figures of merit of a run, from its equity curve and its round trips.

Pure functions of numpy arrays. Times are int64 ns UTC in rising order; equity is any one unit of
money. A figure that is not defined (no variance, no losses, too short a span) is None, never
inf and never NaN, so that it cannot be mistaken for a good one.

The year has 365 days: the market never closes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from bot4.research.record import RunRecord

Array = np.ndarray[Any, Any]

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
YEAR_NS = 365 * DAY_NS
MIN_CAGR_NS = 30 * DAY_NS
"""Below 30 days a rate per year is an extrapolation more than twelvefold, and is not given."""


def finite(value: float | None) -> float | None:
    """`value` as float, or None where it is None, NaN or infinite."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def resample_step(ts: Array) -> int:
    """Step of the return series: a day from 30 days of span on, an hour from two days on, else a minute.

    Never finer than the samples' median spacing: repeating a sample adds no information,
    but would feign a larger sample.
    """
    if len(ts) < 2:
        return MINUTE_NS
    span = int(ts[-1] - ts[0])
    step = DAY_NS if span >= 30 * DAY_NS else HOUR_NS if span >= 2 * DAY_NS else MINUTE_NS
    return max(step, int(np.median(np.diff(ts))))


def resample(ts: Array, values: Array, step: int) -> tuple[Array, float]:
    """`values` at regular instants from the first sample to the last, and the step used, ns.

    The span is cut into round(span / step) equal parts, so that nothing at its end is left out and
    the returns compound to the total; from 30 steps on the step used is within 2 % of the one
    asked for. Each value is the last sample at or before its instant. One value for one sample.
    """
    v = np.asarray(values, np.float64)
    span = int(ts[-1] - ts[0]) if len(ts) else 0
    if span == 0:
        return v[-1:], float(step)
    parts = max(1, round(span / step))
    grid = np.rint(np.arange(parts + 1) * (span / parts)).astype(np.int64) + int(ts[0])
    grid[-1] = ts[-1]
    return v[np.searchsorted(ts, grid, side="right") - 1], span / parts


def returns_of(equity: Array) -> Array:
    """Simple returns e[i+1] / e[i] - 1, up to and including the first fall to zero or below.

    After ruin there is nothing to earn a return on. Samples that are not finite end the series too.
    """
    e = np.asarray(equity, np.float64)
    bad = np.flatnonzero(~np.isfinite(e) | (e <= 0.0))
    if len(bad):
        first = int(bad[0])
        e = e[: first + 1 if np.isfinite(e[first]) else first]
    return e[1:] / e[:-1] - 1.0 if len(e) > 1 else np.zeros(0)


def total_return(equity: Array) -> float | None:
    """Last over first equity, less one; None without samples or a positive start."""
    if len(equity) == 0 or not float(equity[0]) > 0.0:
        return None
    return finite(float(equity[-1]) / float(equity[0]) - 1.0)


def cagr(ts: Array, equity: Array) -> float | None:
    """Compound annual growth rate, (last / first) ** (year / span) - 1.

    None below 30 days of span, or where first or last equity is not positive.
    """
    if len(ts) < 2:
        return None
    span = int(ts[-1] - ts[0])
    first, last = float(equity[0]), float(equity[-1])
    if span < MIN_CAGR_NS or not first > 0.0 or not last > 0.0:
        return None
    exponent = math.log(last / first) * (YEAR_NS / span)
    return finite(math.expm1(exponent)) if exponent < 700.0 else None


def _varies(returns: Array) -> bool:
    """Whether the spread of the returns is more than rounding."""
    if len(returns) < 2 or not np.all(np.isfinite(returns)):
        return False
    return float(np.std(returns)) > 1e-15 + 1e-12 * float(np.max(np.abs(returns)))


def volatility(returns: Array, per_year: float) -> float | None:
    """Standard deviation (n - 1) of the returns, times sqrt(per_year); None below two returns."""
    if len(returns) < 2:
        return None
    return finite(float(np.std(returns, ddof=1)) * math.sqrt(per_year))


def sharpe(returns: Array, per_year: float) -> float | None:
    """Mean over standard deviation (n - 1), times sqrt(per_year); the riskless rate is taken as nil.

    Sharpe, "The Sharpe Ratio", J. Portfolio Management 21 (1994). None where returns do not vary.
    """
    if not _varies(returns):
        return None
    return finite(float(np.mean(returns) / np.std(returns, ddof=1)) * math.sqrt(per_year))


def sortino(returns: Array, per_year: float) -> float | None:
    """Mean over downside deviation sqrt(mean(min(r, 0)^2)), times sqrt(per_year).

    Sortino and Price, "Performance Measurement in a Downside Risk Framework", J. Investing 3 (1994),
    with a minimal acceptable return of nil. None without a losing return.
    """
    if len(returns) < 2 or not np.all(np.isfinite(returns)):
        return None
    down = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return finite(float(np.mean(returns)) / down * math.sqrt(per_year)) if down > 1e-15 else None


def _moments(returns: Array) -> tuple[float, float, float]:
    """(Sharpe per period, skewness, kurtosis with the normal at 3) of returns that vary."""
    centred = returns - np.mean(returns)
    s = float(np.std(returns))
    z = centred / s
    return (
        float(np.mean(returns) / np.std(returns, ddof=1)),
        float(np.mean(z**3)),
        float(np.mean(z**4)),
    )


def _sharpe_spread(returns: Array) -> float | None:
    """sqrt(1 - skew SR + (kurt - 1) / 4 SR^2): the spread of a Sharpe estimate times sqrt(n - 1)."""
    if len(returns) < 3 or not _varies(returns):
        return None
    sr, skew, kurt = _moments(returns)
    inside = 1.0 - skew * sr + (kurt - 1.0) / 4.0 * sr * sr
    return math.sqrt(inside) if inside > 0.0 else None


def sharpe_error(returns: Array, per_year: float) -> float | None:
    """Standard error of the annualised Sharpe ratio, with skewness and fat tails.

    Mertens (2002); Lo, "The Statistics of Sharpe Ratios", FAJ 58 (2002) for the normal case.
    """
    spread = _sharpe_spread(returns)
    return None if spread is None else finite(spread * math.sqrt(per_year / (len(returns) - 1)))


def probabilistic_sharpe(returns: Array, per_year: float, benchmark: float = 0.0) -> float | None:
    """Probability that the true Sharpe ratio is above `benchmark` (annualised), in [0, 1].

    PSR = Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - skew SR + (kurt - 1) / 4 SR^2)), SR per period.
    Bailey and Lopez de Prado, "The Sharpe Ratio Efficient Frontier", J. Risk 15 (2012).
    It does not know how many variants were tried before this one. None below three returns.
    """
    spread = _sharpe_spread(returns)
    if spread is None:
        return None
    excess = _moments(returns)[0] - benchmark / math.sqrt(per_year)
    z = excess * math.sqrt(len(returns) - 1) / spread
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def drawdowns(equity: Array) -> Array:
    """Fraction below the running peak, >= 0 at each sample; above 1 only where equity is negative."""
    e = np.asarray(equity, np.float64)
    if len(e) == 0:
        return np.zeros(0)
    peak = np.maximum.accumulate(e)
    return np.where(peak > 0.0, 1.0 - e / np.where(peak > 0.0, peak, 1.0), 0.0)


class Drawdown(NamedTuple):
    """The deepest fall (fraction, where from, where to) and the longest time under a peak, ns."""

    depth: float
    peak: int
    trough: int
    longest_ns: int


def max_drawdown(ts: Array, equity: Array) -> Drawdown | None:
    """The deepest drawdown and the longest time from a peak to its recovery, or to the end.

    `peak` and `trough` are sample indices. None without samples.
    """
    if len(ts) == 0:
        return None
    below = drawdowns(equity)
    trough = int(np.argmax(below))
    peak = int(np.argmax(np.asarray(equity, np.float64)[: trough + 1]))
    at_peak = np.flatnonzero(below <= 0.0)
    ends = np.append(at_peak[1:], len(ts) - 1)
    under = np.maximum.reduceat(below, at_peak) > 0.0  # each peak up to the next; index 0 is one
    spans = (ts[ends] - ts[at_peak])[under]
    return Drawdown(float(below[trough]), peak, trough, int(spans.max()) if len(spans) else 0)


def calmar(growth: float | None, depth: float | None) -> float | None:
    """CAGR over maximum drawdown; None where either is unknown or there was no drawdown.

    Young, "Calmar Ratio: A Smoother Tool", Futures 20 (1991).
    """
    if growth is None or depth is None or depth <= 0.0:
        return None
    return finite(growth / depth)


def time_mean(ts: Array, values: Array) -> float | None:
    """Mean over time: each value holds until the next sample; the plain mean where time stands still."""
    if len(ts) == 0:
        return None
    v = np.asarray(values, np.float64)
    held = np.diff(ts).astype(np.float64)
    if held.sum() <= 0.0:
        return finite(float(np.mean(v)))
    return finite(float(np.sum(v[:-1] * held) / held.sum()))


def profit_factor(pnl: Array) -> float | None:
    """Sum of gains over sum of losses; None where nothing was lost."""
    lost = -float(np.sum(np.minimum(pnl, 0.0)))
    return finite(float(np.sum(np.maximum(pnl, 0.0))) / lost) if lost > 0.0 else None


def win_rate(pnl: Array) -> float | None:
    """Share of round trips that gained after fees, in [0, 1]; a result of nil is no win. None without any."""
    return float(np.mean(np.asarray(pnl) > 0)) if len(pnl) else None


def expectancy(pnl: Array) -> float | None:
    """Mean result of a round trip, in the unit of `pnl`; None without any."""
    return finite(float(np.mean(pnl))) if len(pnl) else None


class MonthReturn(NamedTuple):
    """Return of one calendar month (UTC); the first and last may be parts of a month."""

    year: int
    month: int
    value: float | None


def monthly_returns(ts: Array, equity: Array) -> list[MonthReturn]:
    """Return of each calendar month (UTC) from the first sample to the last, quiet months included.

    From the last equity of the month before (the first sample at the start) to the last of the month;
    they compound to the total return.
    """
    if len(ts) == 0:
        return []
    months = np.asarray(ts, np.int64).astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    out: list[MonthReturn] = []
    before = float(equity[0])
    for month in range(int(months[0]), int(months[-1]) + 1):
        last = float(equity[np.searchsorted(months, month, side="right") - 1])
        out.append(
            MonthReturn(
                1970 + month // 12, month % 12 + 1, finite(last / before - 1.0) if before > 0.0 else None
            )
        )
        before = last
    return out


def _step_text(step: int) -> str:
    for size, word in ((DAY_NS, "daily"), (HOUR_NS, "hourly"), (MINUTE_NS, "minutely")):
        if step == size:
            return word
    return f"every {step / MINUTE_NS:.4g} minutes"


def _curve_figures(ts: Array, equity: Array) -> dict[str, Any]:
    asked = resample_step(ts)
    values, step = resample(ts, equity, asked)
    returns = returns_of(values)
    per_year = YEAR_NS / step
    fall = max_drawdown(ts, equity)
    growth = cagr(ts, equity)
    if len(ts) < 2 or ts[-1] - ts[0] < DAY_NS:
        returns = returns[:0]  # less than a day, stretched to a year, says nothing
    return {
        "total_return": total_return(equity),
        "cagr": growth,
        "volatility": volatility(returns, per_year),
        "sharpe": sharpe(returns, per_year),
        "sharpe_error": sharpe_error(returns, per_year),
        "sharpe_probability": probabilistic_sharpe(returns, per_year),
        "sortino": sortino(returns, per_year),
        "calmar": calmar(growth, fall.depth if fall else None),
        "max_drawdown": fall.depth if fall else None,
        "drawdown_days": fall.longest_ns / DAY_NS if fall else None,
        "returns_step": _step_text(asked),
        "returns_count": len(returns),
    }


def _trade_figures(record: RunRecord) -> dict[str, Any]:
    trades = record.trades
    pnl = trades["pnl"].astype(np.float64) * 10.0**-record.money_exp
    held = (trades["exit_ts"] - trades["entry_ts"]).astype(np.float64)
    return {
        "trades": len(trades),
        "open_positions": len(record.round_trips.open),
        "wins": int((pnl > 0.0).sum()),
        "win_rate": win_rate(pnl),
        "profit_factor": profit_factor(pnl),
        "expectancy": expectancy(pnl),
        "best_trade": float(pnl.max()) if len(pnl) else None,
        "worst_trade": float(pnl.min()) if len(pnl) else None,
        "mean_hold_hours": float(held.mean()) / HOUR_NS if len(pnl) else None,
    }


def summary_metrics(record: RunRecord) -> dict[str, Any]:
    """All figures of a run, ready for JSON: None for what is not defined, never NaN or inf.

    Fractions are fractions (0.031 is 3.1 %). Money is in whole currency as float, for display; the
    exact amounts stay in the record. `costs`: `fees` and `funding` were paid on top (positive: paid) and
    are inside `pnl_net`; `slippage` and `gap_loss` stand inside the prices.
    """
    ts, equity = record.equity["ts"], record.equity["equity"]
    scale = 10.0**-record.money_exp
    net = int(equity[-1]) - int(equity[0]) if len(equity) else None
    slip = record.slippage()
    traded = record.turnover() * scale
    mean_equity = time_mean(ts, equity)
    span = int(ts[-1] - ts[0]) if len(ts) else 0
    turns = traded / (mean_equity * scale) if mean_equity and mean_equity > 0 else None
    fees, funding = record.fees(), record.funding()
    exposed = time_mean(ts, record.equity["exposure"] > 0)
    leverage = None
    if mean_equity and mean_equity > 0:
        leverage = (time_mean(ts, record.equity["exposure"]) or 0.0) / mean_equity
    return {
        "span_days": span / DAY_NS,
        "start_equity": float(equity[0]) * scale if len(equity) else None,
        "end_equity": float(equity[-1]) * scale if len(equity) else None,
        "pnl_net": None if net is None else net * scale,
        "pnl_gross": None if net is None else (net + fees + funding) * scale,
        **_curve_figures(ts, equity),
        **_trade_figures(record),
        "exposure_share": exposed,
        "mean_leverage": finite(leverage),
        "turnover": traded,
        "turnover_times": finite(turns),
        "turnover_times_year": finite(turns * YEAR_NS / span) if turns is not None and span else None,
        "fills": len(record.matched[0]) + record.round_trips.unmatched,
        "maker_share": record.maker_share(),
        "orders": len(record.orders),
        "decisions": len(record.decisions),
        "refused": int(sum(record.refusals.values())),
        "costs": {
            "fees": fees * scale,
            "funding": funding * scale,
            "slippage": None if slip is None else slip * scale,
            "gap_loss": record.gap_loss() * scale,
        },
        "gap_fills": record.gap_fills(),
        "ambiguous_fills": record.ambiguous_fills(),
    }
