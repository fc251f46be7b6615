"""Portfolio heat and open risk.

Heat is sum |w_i| sigma_i sqrt(D_i): w_i the position's share of equity, sigma_i its volatility a year, D_i
the days to leave it at a tenth of the daily volume, at least 1. D_i is taken as 1: positions are held to so
small a part of equity that each can be left within a day.
Open risk is sum |qty| x |mark - stop| / equity; a position without a stop counts whole.
"""

from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.risk.state_nb import RiskState, held_risk_nb


@kernel
def refresh_nb(
    risk: RiskState, spec: np.ndarray[Any, Any], positions: np.ndarray[Any, Any], equity: int
) -> None:
    """Store each instrument's exposure and open risk, and the account's heat and open risk.

    `positions`: rows with `qty` (lots) and `mark` (ticks), one per instrument; `equity` money units. Call it
    after fills and marks, before sizing. Heat and open risk are NaN while unknown (equity not
    positive, or volatility of a held instrument missing).
    """
    instr = risk.instr
    heat = 0.0
    total = 0
    for i in range(instr.shape[0]):
        row = instr[i]
        qty = abs(positions[i]["qty"])
        if qty == 0:
            row["exposure"] = 0
            row["open_risk"] = 0
            continue
        mark = positions[i]["mark"]
        mult = spec[i]["money_mult"]
        exposure = qty * mark * mult
        row["exposure"] = exposure
        row["open_risk"] = held_risk_nb(row["stop"], qty, mark, mult)
        total += row["open_risk"]
        sigma = row["sigma_year"]
        heat += float(exposure) * (sigma if sigma > 0.0 else np.nan)
    state = risk.state[0]
    if equity > 0:
        state["heat"] = heat / float(equity)
        state["open_risk"] = float(total) / float(equity)
    else:
        state["heat"] = np.nan
        state["open_risk"] = np.nan


@kernel
def heat_nb(risk: RiskState, equity: int) -> float:
    """Heat of all positions and pending orders from the stored rows; NaN when it cannot be known."""
    if equity <= 0:
        return np.nan
    total = 0.0
    instr = risk.instr
    for i in range(instr.shape[0]):
        row = instr[i]
        exposure = row["exposure"] + row["pending_exposure"]
        if exposure != 0:
            sigma = row["sigma_year"]
            total += float(exposure) * (sigma if sigma > 0.0 else np.nan)
    return total / float(equity)


@kernel
def open_risk_nb(risk: RiskState, equity: int) -> float:
    """Open risk of all positions, a fraction of equity; NaN if equity is not positive."""
    if equity <= 0:
        return np.nan
    total = 0
    instr = risk.instr
    for i in range(instr.shape[0]):
        total += instr[i]["open_risk"]
    return float(total) / float(equity)
