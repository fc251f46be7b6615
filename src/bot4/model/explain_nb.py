"""Slots of the explain record: one float per step of a decision, NaN where it does not apply.

The engine keeps one record an instrument (float64, N_EXPLAIN) and each stage writes its part;
`bot4 why` reads it. The order is the order of the computation.
"""

from typing import Final

NAMES: Final = (
    "price",  # decision price, quote currency
    "position",  # base currency, signed, before the decision
    "equity",  # quote currency
    "drawdown",  # fraction of peak
    "day_pnl",  # fraction of the day's first equity
    "mode",
    "s_ta",
    "c_ta",
    "s_ml",
    "c_ml",
    "score",  # 0.5 s_ta c_ta + 0.5 s_ml c_ml
    "threshold",
    "atr",  # quote currency
    "sigma",  # volatility a year, fraction
    "stop",  # quote currency
    "target",
    "p_win",
    "win",  # fraction of price gained at the target
    "loss",  # fraction of price lost at the stop
    "cost",  # round trip, fraction of notional
    "edge",  # p win - q loss - cost, fraction of notional
    "edge_r",  # edge / loss
    "kelly_full",  # at-risk form, after the edge haircut
    "kelly_quarter",
    "factor_confidence",
    "factor_volatility",
    "factor_drawdown",
    "notional_kelly",  # what Kelly asks for, quote currency
    "cap_order",
    "cap_position",
    "cap_asset",
    "cap_heat",
    "cap_open_risk",
    "cap_cash",
    "notional",  # after the caps
    "qty",  # base currency, after rounding down to lots
    "heat",  # after the order
    "open_risk",  # after the order
    "failed",  # checks that refused the last order, a bit each (`safety.failed_nb`); 0: approved
)

N_EXPLAIN = len(NAMES)

(
    EX_PRICE,
    EX_POSITION,
    EX_EQUITY,
    EX_DRAWDOWN,
    EX_DAY_PNL,
    EX_MODE,
    EX_S_TA,
    EX_C_TA,
    EX_S_ML,
    EX_C_ML,
    EX_SCORE,
    EX_THRESHOLD,
    EX_ATR,
    EX_SIGMA,
    EX_STOP,
    EX_TARGET,
    EX_P_WIN,
    EX_WIN,
    EX_LOSS,
    EX_COST,
    EX_EDGE,
    EX_EDGE_R,
    EX_KELLY_FULL,
    EX_KELLY_QUARTER,
    EX_F_CONFIDENCE,
    EX_F_VOLATILITY,
    EX_F_DRAWDOWN,
    EX_NOTIONAL_KELLY,
    EX_CAP_ORDER,
    EX_CAP_POSITION,
    EX_CAP_ASSET,
    EX_CAP_HEAT,
    EX_CAP_OPEN_RISK,
    EX_CAP_CASH,
    EX_NOTIONAL,
    EX_QTY,
    EX_HEAT,
    EX_OPEN_RISK,
    EX_FAILED,
) = range(N_EXPLAIN)
