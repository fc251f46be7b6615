"""The records of risk: parameters, state, a row per instrument, and their defaults.

Money in integer money units, prices in integer ticks, times in integer ns UTC; fractions are
floats, taken to 1e-8 where they limit money.
"""

from typing import Any

import numpy as np

from bot4.model.errors import ConfigError
from bot4.risk.state_nb import RING_SLOTS, RiskState

RISK_PARAMS_DTYPE = np.dtype(
    [
        ("kelly_fraction", "<f8"),
        ("edge_haircut", "<f8"),  # the share of the edge that is believed
        ("min_edge_r", "<f8"),  # least edge after costs, in units of the loss at the stop
        ("prob_base", "<f8"),  # p = prob_base + prob_slope x |score|
        ("prob_slope", "<f8"),
        ("max_order", "<f8"),
        ("max_position", "<f8"),
        ("max_asset", "<f8"),
        ("max_heat", "<f8"),
        ("max_open_risk", "<f8"),
        ("dd_soft", "<f8"),
        ("dd_soft_factor", "<f8"),
        ("dd_hard", "<f8"),
        ("dd_day", "<f8"),  # drop within 24 hours
        ("daily_loss", "<f8"),  # loss since the start of the UTC day
        ("vol_target", "<f8"),  # a year
        ("max_leverage", "<f8"),
        ("stop_atr", "<f8"),
        ("target_r", "<f8"),
        ("emergency_stop", "<f8"),  # widest stop, fraction of the entry price
        ("recovery_per_day", "<f8"),
        ("min_notional_money", "<i8"),
        ("min_distance", "<f8"),  # to the liquidation price, a share of the mark
        ("leverage", "<f8"),  # of isolated positions
        ("isolated", "<f8"),  # 1: positions have margins of their own; 0: cross
    ]
)

_BOUNDS: dict[str, tuple[float, float, float]] = {  # name: default, least, greatest
    "kelly_fraction": (0.25, 0.0, 1.0),
    "edge_haircut": (0.5, 0.0, 1.0),
    "min_edge_r": (0.02, 0.0, 10.0),
    "prob_base": (0.5, 0.0, 1.0),
    "prob_slope": (0.2, 0.0, 0.5),
    "max_order": (0.02, 0.0, 1.0),
    "max_position": (0.02, 0.0, 1.0),
    "max_asset": (0.05, 0.0, 1.0),
    "max_heat": (0.25, 0.0, 10.0),
    "max_open_risk": (0.25, 0.0, 1.0),
    "dd_soft": (0.15, 0.0001, 1.0),
    "dd_soft_factor": (0.5, 0.0, 1.0),
    "dd_hard": (0.20, 0.0001, 1.0),
    "dd_day": (0.10, 0.0001, 1.0),
    "daily_loss": (0.03, 0.0001, 1.0),
    "vol_target": (0.15, 0.0, 10.0),
    "max_leverage": (1.0, 0.0, 20.0),
    "stop_atr": (2.0, 0.01, 100.0),
    "target_r": (1.5, 0.01, 100.0),
    "emergency_stop": (0.05, 0.0001, 0.5),
    "recovery_per_day": (0.01, 0.0, 1.0),
    "min_distance": (0.10, 0.0, 1.0),
    "leverage": (1.0, 1.0, 125.0),
    "isolated": (0.0, 0.0, 1.0),
}

RISK_STATE_DTYPE = np.dtype(
    [
        ("peak", "<i8"),
        ("equity", "<i8"),
        ("day", "<i8"),  # UTC day number; -1 before the first equity
        ("day_open", "<i8"),  # ts of the day's first update
        ("day_start_equity", "<i8"),  # the last equity known before the day began
        ("day_halted", "<i8"),  # the UTC day whose loss limit was hit, else -1
        ("hour", "<i8"),  # UTC hour number; -1 before the first equity
        ("high_before", "<i8"),  # greatest equity of the 24 hours before this one
        ("high_hour", "<i8"),  # greatest equity of this hour
        ("drawdown", "<f8"),  # fraction of the peak
        ("day_drop", "<f8"),  # fraction lost from the greatest equity of 24 hours
        ("dd_factor", "<f8"),  # what sizes are multiplied by
        ("factor_base", "<f8"),  # dd_factor at recovered_ts, where recovery counts from
        ("recovered_ts", "<i8"),
        ("last_ts", "<i8"),
        ("halted", "<i8"),  # R_DRAWDOWN_HARD or R_EQUITY: latched until resume_nb; 0: not halted
        ("mode", "<i8"),  # MODE_* as last asked for
        ("reason", "<i8"),  # why
        ("vol_scale", "<f8"),  # as last used by size_nb
        ("heat", "<f8"),  # as last computed by refresh_nb
        ("open_risk", "<f8"),
        ("last_reason", "<i8"),  # why size_nb gave what it gave; R_OK: an order
    ]
)

INSTR_RISK_DTYPE = np.dtype(
    [
        ("sigma_year", "<f8"),  # fraction a year
        ("stop", "<i8"),  # ticks; 0: none
        ("target", "<i8"),
        ("exposure", "<i8"),  # |qty| x mark, money units (refresh_nb)
        ("pending_exposure", "<i8"),  # orders that may still fill and add risk, money units (the caller)
        ("open_risk", "<i8"),  # |qty| x |mark - stop|, money units (refresh_nb)
        ("asset", "<i8"),  # instruments with the same number share max_asset
    ]
)

HOUR_DTYPE = np.dtype([("hour", "<i8"), ("high", "<i8")])


def default_params(**changes: float) -> np.ndarray[Any, Any]:
    """One row of RISK_PARAMS_DTYPE: the defaults, changed by name; ConfigError if out of bounds."""
    params = np.zeros(1, RISK_PARAMS_DTYPE)
    for name, (value, _, _) in _BOUNDS.items():
        params[name] = value
    for name, value in changes.items():
        if name == "min_notional_money":
            if value < 0:
                raise ConfigError(f"risk.{name}: {value} is negative")
        elif name not in _BOUNDS:
            raise ConfigError(
                f"risk.{name} is not a setting; there are {', '.join(RISK_PARAMS_DTYPE.names or ())}"
            )
        else:
            least, greatest = _BOUNDS[name][1:]
            if not least <= value <= greatest:
                raise ConfigError(
                    f"risk.{name}: {value} is not in [{least}, {greatest}] (fractions, not per cent)"
                )
        params[name] = value
    if params["dd_hard"][0] < params["dd_soft"][0]:
        raise ConfigError(f"risk.dd_hard {params['dd_hard'][0]} is below risk.dd_soft {params['dd_soft'][0]}")
    return params


def new_risk(n_instruments: int, params: np.ndarray[Any, Any], initial_equity: int) -> RiskState:
    """Risk state before the first equity; ValueError if `initial_equity` (money units) is not positive."""
    if not 0 < initial_equity < 2**62:
        raise ValueError(f"initial equity of {initial_equity} money units is not in (0, 2**62)")
    if n_instruments < 1:
        raise ValueError(f"risk needs at least one instrument, got {n_instruments}")
    state = np.zeros(1, RISK_STATE_DTYPE)
    for name in ("peak", "equity", "day_start_equity", "high_before", "high_hour"):
        state[name] = initial_equity
    for name in ("day", "day_halted", "hour"):
        state[name] = -1
    state["dd_factor"] = state["factor_base"] = state["vol_scale"] = 1.0
    instr = np.zeros(n_instruments, INSTR_RISK_DTYPE)
    instr["sigma_year"] = np.nan
    instr["asset"] = np.arange(n_instruments)
    ring = np.zeros(RING_SLOTS, HOUR_DTYPE)
    ring["hour"] = -(10**9)
    return RiskState(params.copy(), state, instr, ring)
