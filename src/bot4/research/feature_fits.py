"""Models with parameters of their own, fitted to recorded data: GARCH, PIN, Stoikov's microprice."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from bot4.features.micro import microprice, pin
from bot4.features.micro.rows_nb import BOOK_WIDTH, X_ASK_PX, X_ASK_QTY, X_BID_PX, X_BID_QTY, X_TS
from bot4.features.pace import garch
from bot4.model.codes_nb import EV_BOOK_TICKER, EV_TRADE, FLAG_BUYER_MAKER
from bot4.model.errors import DataError
from bot4.storage.lake import Dataset

Array = np.ndarray[Any, Any]
Fitted = dict[str, Any]
PERCENT: Final = 100.0


def events_of(dataset: Dataset, symbol: str | None, kind: int) -> tuple[Array, int]:
    """Events of one kind of an instrument (the only one if None), and its index. DataError if none."""
    known = [i.symbol for i in dataset.instruments]
    if symbol is None and len(known) > 1:
        raise DataError(f"{dataset.folder} holds {', '.join(known)}: name one with --instrument")
    if symbol is not None and symbol not in known:
        raise DataError(f"{dataset.folder} has no {symbol!r}; it holds {', '.join(known)}")
    index = 0 if symbol is None else known.index(symbol)
    parts = [e[(e["kind"] == kind) & (e["instrument"] == index)] for e in dataset.iter_events()]
    found = np.concatenate(parts) if parts else None
    if found is None or not len(found):
        what = {EV_TRADE: "trades", EV_BOOK_TICKER: "best quotes (bookTicker)"}[kind]
        raise DataError(f"{dataset.folder}: no {what} of {known[index] if known else 'any instrument'}")
    return found, index


def fit_garch(close: Array) -> Fitted:
    """GARCH(1,1) of log returns in percent, which keeps the numbers near 1."""
    returns = PERCENT * np.diff(np.log(close))
    try:
        found = garch.fit(returns)
    except ValueError as error:
        raise DataError(f"GARCH: {error}") from error
    expected = garch.filtered(found.params, returns)[-1, 2]
    half_life = math.log(0.5) / math.log(found.persistence) if found.persistence > 0.0 else 0.0
    return {
        "model": "GARCH(1,1) of log returns in percent",
        "returns": len(returns),
        "mean": found.mean,
        "omega": found.omega,
        "alpha": found.alpha,
        "beta": found.beta,
        "persistence": found.persistence,
        "half_life_bars": half_life,
        "expected_deviation_percent": float(expected),
        "log_likelihood": found.log_likelihood,
    }


def fit_pin(dataset: Dataset, symbol: str | None, period_ns: int) -> Fitted:
    """PIN of buys and sells counted by period of venue time; the first and last period are left out."""
    trades, _ = events_of(dataset, symbol, EV_TRADE)
    number = trades["ts_venue"] // period_ns
    number -= number.min()
    sold = (trades["flags"] & FLAG_BUYER_MAKER) != 0
    size = int(number.max()) + 1
    buys = np.bincount(number[~sold], minlength=size)[1:-1]
    sells = np.bincount(number[sold], minlength=size)[1:-1]
    try:
        found = pin.fit(buys, sells)
    except ValueError as error:
        raise DataError(f"PIN: {error} (whole periods here: {len(buys)}; see --period)") from error
    return {
        "model": "PIN of trades a period",
        "periods": found.days,
        "pin": found.pin,
        "alpha": found.alpha,
        "delta": found.delta,
        "informed_a_period": found.mu,
        "buys_a_period": found.buys,
        "sells_a_period": found.sells,
        "at_edge": found.at_edge,
        "log_likelihood": found.log_likelihood,
    }


def quote_rows(dataset: Dataset, symbol: str | None) -> tuple[Array, float]:
    """Book rows (n, 43) of the recorded best quotes, deeper levels empty, and the tick."""
    quotes, index = events_of(dataset, symbol, EV_BOOK_TICKER)
    item = dataset.instruments[index]
    rows = np.zeros((len(quotes), BOOK_WIDTH))
    rows[:, X_TS] = quotes["ts_local"] / 1e9
    columns = ((X_BID_PX, "price", item.tick), (X_ASK_PX, "x", item.tick))
    for at, name, unit in (*columns, (X_BID_QTY, "qty", item.lot), (X_ASK_QTY, "y", item.lot)):
        rows[:, at] = quotes[name] * float(unit)
    return rows, float(item.tick)


def fit_microprice(dataset: Dataset, symbol: str | None) -> Fitted:
    """Stoikov's table on the first half of the quotes, and on the second half how well it foresees the mid.

    `error_mid` and `error_microprice`: root mean square, in ticks, of the mid after 100 quotes less each.
    """
    rows, tick = quote_rows(dataset, symbol)
    half = len(rows) // 2
    try:
        table = microprice.fit(rows[:half], tick)
    except ValueError as error:
        raise DataError(f"microprice: {error}") from error
    later = rows[half:]
    mid = (later[:, X_BID_PX] + later[:, X_ASK_PX]) / (2.0 * tick)
    ahead = min(100, len(later) - 1)
    miss = mid[ahead:] - mid[:-ahead]
    better = miss - microprice.applied(table, later)[:-ahead, 1]
    known = np.isfinite(better)
    return {
        "model": "Stoikov's microprice",
        "tick": tick,
        "moves": int(table.moves.sum()),
        "adjust_ticks": [[None if math.isnan(v) else v for v in row] for row in table.adjust.tolist()],
        "quotes_tested": int(known.sum()),
        "error_mid": float(np.sqrt((miss[known] ** 2).mean())) if known.any() else None,
        "error_microprice": float(np.sqrt((better[known] ** 2).mean())) if known.any() else None,
    }
