"""From a score to a number of lots: fractional Kelly with every brake, each applied once.

    p      = prob_base + prob_slope x |score|
    W, L   = distance to target and to stop over price, each made worse by the round-trip cost c: W - c, L + c
    b      = W / L;  break-even p0 = 1 / (1 + b)
    p'     = p0 + edge_haircut x (p - p0)                 (half of the edge is believed)
    f*     = p' - q' / b                                  (capital at risk; Kelly 1956, Thorp 2006)
    f      = f* x kelly_fraction x confidence x min(1, vol_target / sigma) x drawdown factor
    order  = capital x f / L, then caps, rounded down to lots

p x W - q x L with the net W and L is the edge after costs (it equals p x W - q x L - c of the gross ones);
it must reach `min_edge_r` x the gross L before anything is sized.
"""

from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    R_EDGE,
    R_HEAT,
    R_LEVERAGE,
    R_MAX_ASSET,
    R_MAX_ORDER,
    R_MAX_POSITION,
    R_MIN_NOTIONAL,
    R_MIN_QTY,
    R_OK,
    R_OPEN_RISK,
    R_SHORT_SPOT,
    R_UNCHECKED,
    R_ZERO_SIZE,
)
from bot4.model.explain_nb import (
    EX_ATR,
    EX_CAP_ASSET,
    EX_CAP_CASH,
    EX_CAP_HEAT,
    EX_CAP_OPEN_RISK,
    EX_CAP_ORDER,
    EX_CAP_POSITION,
    EX_COST,
    EX_DRAWDOWN,
    EX_EDGE,
    EX_EDGE_R,
    EX_EQUITY,
    EX_F_CONFIDENCE,
    EX_F_DRAWDOWN,
    EX_F_VOLATILITY,
    EX_HEAT,
    EX_KELLY_FULL,
    EX_KELLY_QUARTER,
    EX_LOSS,
    EX_NOTIONAL,
    EX_NOTIONAL_KELLY,
    EX_OPEN_RISK,
    EX_P_WIN,
    EX_POSITION,
    EX_PRICE,
    EX_QTY,
    EX_SIGMA,
    EX_STOP,
    EX_TARGET,
    EX_WIN,
)
from bot4.risk.state_nb import (
    MONEY_LIMIT,
    Others,
    RiskState,
    held_risk_nb,
    others_nb,
    part_ceil_nb,
    part_floor_nb,
    positive_nb,
    product_fits_nb,
)

_SPOT = 0


@kernel
def bracket_nb(params: Any, direction: int, entry: int, atr_ticks: float) -> tuple[int, int]:
    """Stop and target in ticks for an entry at `entry` ticks; (0, 0) if they cannot be placed.

    The stop stands `stop_atr` ATR away, but not beyond `emergency_stop` x entry, and at least one tick (also
    where the emergency distance is below a tick); the target `target_r` times as far on the other side, at
    least one tick. `params` is the row of RISK_PARAMS_DTYPE.
    """
    if (direction != 1 and direction != -1) or entry <= 1 or entry > 1 << 52 or not positive_nb(atr_ticks):
        return 0, 0
    widest = part_floor_nb(entry, params["emergency_stop"])
    wish = params["stop_atr"] * atr_ticks + 0.5
    distance = widest if wish >= float(widest) else int(wish)
    distance = max(distance, 1)
    stop = entry - direction * distance
    target = entry + direction * max(1, int(params["target_r"] * float(distance) + 0.5))
    return stop, max(target, 1)


@kernel
def stops_nb(
    spec: np.ndarray[Any, Any],
    inst: int,
    direction: int,
    entry_ticks: int,
    atr_ticks: float,
    params: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> int:
    """Write stop and target ticks for an entry into `out` (int64, 2); R_OK, or R_UNCHECKED and zeros.

    `params` one row of RISK_PARAMS_DTYPE. See `bracket_nb`.
    """
    stop, target = bracket_nb(params[0], direction, entry_ticks, atr_ticks)
    if spec[inst]["money_mult"] <= 0:
        stop = 0
        target = 0
    out[0] = stop
    out[1] = target
    return R_OK if stop > 0 else R_UNCHECKED


@kernel
def _kelly_nb(
    params: Any,
    state: Any,
    win: float,
    loss: float,
    distance: float,
    score_abs: float,
    sigma: float,
    x: np.ndarray[Any, Any],
) -> float:
    """Fraction of capital to put at risk, >= 0; -1: the edge is too small.

    `win` and `loss` are net of costs; `distance` to the stop over price is the unit of `min_edge_r`.
    """
    confidence = min(score_abs, 1.0)
    p = min(params["prob_base"] + params["prob_slope"] * confidence, 1.0)
    edge = p * win - (1.0 - p) * loss
    x[EX_P_WIN] = p
    x[EX_EDGE] = edge
    x[EX_EDGE_R] = edge / distance
    if edge <= 0.0 or edge < params["min_edge_r"] * distance or win <= 0.0:
        return -1.0
    b = win / loss
    even = 1.0 / (1.0 + b)
    believed = even + params["edge_haircut"] * (p - even)
    full = believed - (1.0 - believed) / b
    volatility = min(1.0, params["vol_target"] / sigma)
    state["vol_scale"] = volatility
    x[EX_KELLY_FULL] = full
    x[EX_KELLY_QUARTER] = full * params["kelly_fraction"]
    x[EX_F_CONFIDENCE] = confidence
    x[EX_F_VOLATILITY] = volatility
    x[EX_F_DRAWDOWN] = state["dd_factor"]
    return float(max(full * params["kelly_fraction"] * confidence * volatility * state["dd_factor"], 0.0))


@kernel
def _room_nb(amount: float) -> int:
    """A float room as an integer: rounded down, not below 0, not above what fits."""
    if not amount > 0.0:
        return 0
    return int(min(amount, MONEY_LIMIT))


@kernel
def _caps_nb(
    params: Any,
    row: Any,
    rest: Others,
    equity: int,
    held: int,
    held_risk: int,
    same_side: bool,
    loss: float,
    cost: float,
    unit: float,
    x: np.ndarray[Any, Any],
) -> tuple[int, int]:
    """The least room of all caps in money units (>= 0), and the reason that belongs to it.

    `held` money units of the present position (unsigned), `held_risk` its open risk, `loss` stop
    distance over price; `unit` is one money unit in quote currency.
    """
    pending = row["pending_exposure"]
    sigma = row["sigma_year"]
    mine = pending + (held if same_side else 0)
    order = part_floor_nb(equity, params["max_order"])
    position = max(part_floor_nb(equity, params["max_position"]) - mine, 0)
    asset = max(part_floor_nb(equity, params["max_asset"]) - mine - rest.asset, 0)
    heat = _room_nb((params["max_heat"] * float(equity) - rest.heat) / sigma - float(pending + held))
    if not rest.known:
        heat = 0
    at_risk = rest.open_risk + held_risk + part_ceil_nb(pending, params["emergency_stop"])
    open_risk = _room_nb(float(part_floor_nb(equity, params["max_open_risk"]) - at_risk) / loss)
    free = part_floor_nb(equity, params["max_leverage"]) - rest.bound - pending - held
    cash = _room_nb(float(free) / (1.0 + cost))
    x[EX_CAP_ORDER] = float(order) * unit
    x[EX_CAP_POSITION] = float(position) * unit
    x[EX_CAP_ASSET] = float(asset) * unit
    x[EX_CAP_HEAT] = float(heat) * unit
    x[EX_CAP_OPEN_RISK] = float(open_risk) * unit
    x[EX_CAP_CASH] = float(cash) * unit
    room, why = order, R_MAX_ORDER
    if position < room:
        room, why = position, R_MAX_POSITION
    if asset < room:
        room, why = asset, R_MAX_ASSET
    if heat < room:
        room, why = heat, R_HEAT if rest.known else R_UNCHECKED
    if open_risk < room:
        room, why = open_risk, R_OPEN_RISK
    if cash < room:
        room, why = cash, R_LEVERAGE
    return room, why


@kernel
def _round_nb(spec_row: Any, params: Any, money: int, per_lot: int) -> tuple[int, int]:
    """Lots for `money`, rounded down and held to the instrument's rules; (0, reason) if nothing is left."""
    qty = money // per_lot
    if spec_row["max_qty"] > 0:
        qty = min(qty, spec_row["max_qty"])
    if qty <= 0:
        return 0, R_ZERO_SIZE
    if qty < spec_row["min_qty"]:
        return 0, R_MIN_QTY
    if qty * per_lot < max(spec_row["min_notional"], params["min_notional_money"]):
        return 0, R_MIN_NOTIONAL
    return qty, R_OK


@kernel
def _note_nb(
    state: Any,
    row: Any,
    rules: Any,
    equity: int,
    pos_qty: int,
    price: int,
    atr_ticks: float,
    stop: int,
    target: int,
    x: np.ndarray[Any, Any],
) -> None:
    """Write what the decision starts from, in quote and base currency."""
    tick = rules["tick_size"]
    lot = rules["lot_size"]
    x[EX_PRICE] = float(price) * tick
    x[EX_POSITION] = float(pos_qty) * lot
    x[EX_EQUITY] = float(equity) * tick * lot / float(rules["money_mult"])
    x[EX_DRAWDOWN] = state["drawdown"]
    x[EX_ATR] = atr_ticks * tick
    x[EX_SIGMA] = row["sigma_year"]
    x[EX_STOP] = float(stop) * tick
    x[EX_TARGET] = float(target) * tick


@kernel
def _decide_nb(
    params: Any,
    state: Any,
    row: Any,
    rules: Any,
    rest: Others,
    equity: int,
    pos_qty: int,
    direction: int,
    score_abs: float,
    price: int,
    atr_ticks: float,
    cost: float,
    x: np.ndarray[Any, Any],
) -> tuple[int, int]:
    """Lots and reason; the inputs are known to be usable. Volatility is already in the instrument's row."""
    mult = rules["money_mult"]
    unit = rules["tick_size"] * rules["lot_size"] / float(mult)
    stop, target = bracket_nb(params, direction, price, atr_ticks)
    if stop <= 0:
        return 0, R_UNCHECKED
    distance = float(abs(price - stop)) / float(price)
    loss = distance + cost
    win = float(abs(target - price)) / float(price) - cost
    _note_nb(state, row, rules, equity, pos_qty, price, atr_ticks, stop, target, x)
    x[EX_WIN] = win + cost
    x[EX_LOSS] = distance
    x[EX_COST] = cost
    at_risk = _kelly_nb(params, state, win, loss, distance, score_abs, row["sigma_year"], x)
    if at_risk < 0.0:
        return 0, R_EDGE
    kelly = float(equity) * at_risk / loss
    x[EX_NOTIONAL_KELLY] = kelly * unit
    per_lot = price * mult
    held = abs(pos_qty) * per_lot
    held_risk = held_risk_nb(row["stop"], abs(pos_qty), price, mult)
    room, why = _caps_nb(
        params, row, rest, equity, held, held_risk, pos_qty * direction > 0, distance, cost, unit, x
    )
    money = room if kelly >= float(room) else int(kelly)
    x[EX_NOTIONAL] = float(money) * unit
    halted = state["halted"]
    if halted != 0:
        return 0, halted
    if direction < 0 and rules["kind"] == _SPOT and pos_qty <= 0:
        return 0, R_SHORT_SPOT
    qty, reason = _round_nb(rules, params, money, per_lot)
    x[EX_QTY] = float(qty) * rules["lot_size"]
    if qty == 0 and room < per_lot:
        reason = why
    pending = row["pending_exposure"]
    added = qty * per_lot
    x[EX_HEAT] = (rest.heat + float(held + added + pending) * row["sigma_year"]) / float(equity)
    pending_risk = part_ceil_nb(pending, params["emergency_stop"])
    x[EX_OPEN_RISK] = (float(rest.open_risk + held_risk + pending_risk) + float(added) * distance) / float(
        equity
    )
    return qty, reason


@kernel
def size_nb(
    risk: RiskState,
    spec: np.ndarray[Any, Any],
    led_equity: int,
    pos_qty: int,
    inst: int,
    direction: int,
    score_abs: float,
    price: int,
    atr_ticks: float,
    sigma_year: float,
    cost_fraction: float,
    explain: np.ndarray[Any, Any],
) -> int:
    """Lots that risk allows for a new order in `direction` (+1, -1); 0: none, `state.last_reason` says why.

    `led_equity` money units, `pos_qty` lots held (signed), `score_abs` 0..1 (more counts as 1), `price` and
    `atr_ticks` in ticks,
    `sigma_year` volatility a year, `cost_fraction` round-trip cost over notional, `explain` float64
    (N_EXPLAIN): the steps are written, what was not reached is NaN, money in quote currency.
    NaN, infinite, negative or zero inputs (zero score and zero cost are inputs like others) give 0 and
    R_UNCHECKED.
    Never negative, never above `max_order` of equity. The volatility is kept in the instrument's row.
    """
    for slot in range(EX_ATR, explain.shape[0]):
        explain[slot] = np.nan
    rules = spec[inst]
    params = risk.params[0]
    state = risk.state[0]
    mult = rules["money_mult"]
    usable = (
        led_equity > 0
        and price > 0
        and mult > 0
        and (direction == 1 or direction == -1)
        and 0.0 <= score_abs < 1e300
        and positive_nb(sigma_year)
        and 0.0 <= cost_fraction < 1.0
        and float(led_equity) < MONEY_LIMIT
        and product_fits_nb(price, max(abs(pos_qty), 1), mult)
    )
    qty = 0
    reason = R_UNCHECKED
    if usable:
        row = risk.instr[inst]
        row["sigma_year"] = sigma_year
        rest = others_nb(risk.instr, inst, params["emergency_stop"])
        qty, reason = _decide_nb(
            params,
            state,
            row,
            rules,
            rest,
            led_equity,
            pos_qty,
            direction,
            score_abs,
            price,
            atr_ticks,
            cost_fraction,
            explain,
        )
    state["last_reason"] = reason
    return qty
