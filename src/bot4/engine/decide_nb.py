"""A closed bar to a decision: features, votes, fusion, size, stops, intent."""

import math
from typing import Any

import numpy as np

from bot4.engine.layout_nb import (
    CK_DECISIONS,
    CK_HASH,
    CK_NOW,
    CK_POS,
    CK_STALE,
    FU_C_ML,
    FU_C_TA,
    FU_P_ML,
    FU_S_ML,
    FU_S_TA,
    FU_SCORE,
    N_DECISIONS,
    N_INTENTS,
    N_WAKE,
    S_COLD,
    S_COMPILED,
    S_HYBRID,
    S_TREND_CROSS,
    X_BARS_HELD,
    X_CLOSE,
    X_EQUITY,
    X_POSITION,
    X_TIME,
)
from bot4.engine.parts_nb import book_features_of, book_of, ledger_of, orders_of, risk_of, tradable_nb
from bot4.execution.orders_nb import pending_nb
from bot4.features.book_nb import update_depth_nb
from bot4.features.update_nb import fold_bar_nb
from bot4.kernels.hash_nb import mix_nb
from bot4.kernels.jit_nb import kernel
from bot4.ledger.ledger_nb import equity_nb
from bot4.market.book_nb import depth_nb
from bot4.model import explain_nb as ex
from bot4.model.codes_nb import (
    ACT_CANCEL,
    ACT_NEW,
    BUY,
    D_BELOW_THRESHOLD,
    D_BUSY,
    D_ENTER,
    D_EXIT,
    D_HOLD,
    D_NO_SIGNAL,
    D_REFUSED,
    D_WARMUP,
    FOR_ENTRY,
    FOR_EXIT,
    MODE_NORMAL,
    N_REASONS,
    OF_REDUCE_ONLY,
    R_BOOK_INVALID,
    R_MODE,
    R_OK,
    R_OPPOSITE,
    R_PRICE_DOUBT,
    R_SHORT_SPOT,
    R_SIGNAL,
    R_STALE_DATA,
    R_TIME_STOP,
    R_ZERO_SIZE,
    SELL,
    STATUS_OK,
    STATUS_QUARANTINED,
    TIF_GTC,
    TYPE_MARKET,
)
from bot4.model.feature_layout_nb import F_ATR_14, F_REALISED_VOL_30
from bot4.risk.sizing_nb import size_nb, stops_nb
from bot4.safety.modes_nb import halted_nb
from bot4.signals.ml.trees_nb import ml_step_nb
from bot4.signals.ta.votes_nb import combine_votes_nb, ta_votes_nb
from bot4.strategies.fusion_nb import fuse_nb, trend_cross_nb, view_of_nb


@kernel
def intent_nb(
    intents: np.ndarray, n: int, inst: int, side: int, qty: int, purpose: int, flags: int, decision: int
) -> int:
    """Write a market intent into slot `n`; the next slot."""
    r = intents[n]
    r["price"] = 0
    r["stop_price"] = 0
    r["qty"] = qty
    r["ref"] = 0
    r["decision"] = decision
    r["instrument"] = inst
    r["action"] = ACT_NEW
    r["type"] = TYPE_MARKET
    r["tif"] = TIF_GTC
    r["flags"] = flags
    r["purpose"] = purpose
    r["side"] = side
    return n + 1


@kernel
def cancel_intent_nb(intents: np.ndarray, n: int, inst: int, order_id: int, reason: int) -> int:
    """Write a cancel intent (its reason in `price`) into slot `n`; the next slot."""
    r = intents[n]
    r["price"] = reason
    r["stop_price"] = 0
    r["qty"] = 0
    r["ref"] = order_id
    r["decision"] = 0
    r["instrument"] = inst
    r["action"] = ACT_CANCEL
    r["type"] = 0
    r["tif"] = 0
    r["flags"] = 0
    r["purpose"] = 0
    r["side"] = 0
    return n + 1


@kernel
def record_nb(s: Any, inst: int, outcome: int, reason: int, side: int, qty: int) -> None:
    """Number, fingerprint and (when it is news) journal a decision."""
    seq = s["clock"][CK_DECISIONS] + 1
    s["clock"][CK_DECISIONS] = seq
    fused = s["fused"][inst]
    score = fused[FU_SCORE]
    h = mix_nb(s["clock"][CK_HASH], s["clock"][CK_NOW])
    h = mix_nb(h, inst * 1_000_000 + outcome * 1_000 + reason)
    h = mix_nb(h, side * 4_000_000_000 + qty)
    h = mix_nb(h, int(score * 1e12) if score == score else -1)
    s["clock"][CK_HASH] = h
    row = s["inst"][inst]
    news = row["outcome"] != outcome or row["reason"] != reason or outcome == D_ENTER or outcome == D_EXIT
    row["outcome"] = outcome
    row["reason"] = reason
    if not news and s["params"][0]["all_decisions"] == 0:
        return
    n = s["n"][N_DECISIONS]
    d = s["decisions"][n]
    d["seq"] = seq
    d["ts"] = s["clock"][CK_NOW]
    d["pos"] = s["clock"][CK_POS]
    d["order"] = 0
    d["s_ta"] = fused[FU_S_TA]
    d["c_ta"] = fused[FU_C_TA]
    d["s_ml"] = fused[FU_S_ML]
    d["c_ml"] = fused[FU_C_ML]
    d["score"] = score
    d["price"] = row["mark"]
    d["qty"] = qty
    d["instrument"] = inst
    d["outcome"] = outcome
    d["reason"] = reason
    d["side"] = side
    d["action"] = 0
    s["n"][N_DECISIONS] = n + 1


@kernel
def observe_nb(s: Any, inst: int) -> None:
    """Update the bar features of the bar that just closed, and the deeper book features."""
    row = s["inst"][inst]
    row["bars"] += 1
    bar = (row["open"], row["high"], row["low"], row["close"], row["volume"])
    fold_bar_nb(s["features"][inst], row["bar_open"], bar)
    sigma = s["features"][inst]["out"][F_REALISED_VOL_30]
    if sigma > 0.0:
        s["risk_instr"][inst]["sigma_year"] = sigma * math.sqrt(s["params"][0]["bars_per_year"])
    if s["params"][0]["use_book"] == 1 and s["top"][inst]["valid"] == 1:
        levels = s["levels"]
        n_bid = depth_nb(book_of(s), inst, 0, 5, levels[0], levels[1])
        n_ask = depth_nb(book_of(s), inst, 1, 5, levels[2], levels[3])
        update_depth_nb(
            book_features_of(s), inst, levels[0], levels[1], levels[2], levels[3], min(n_bid, n_ask)
        )


@kernel
def signals_nb(s: Any, model: Any, inst: int) -> float:
    """Both halves and their fusion; the fused score, NaN while nobody has an opinion yet."""
    fused = s["fused"][inst]
    features = s["features"][inst]["out"]
    ta_votes_nb(features, s["book_values"][inst], s["inst"][inst]["close"], s["votes"][inst])
    pair = s["floats"]
    combine_votes_nb(s["votes"][inst], s["weights"], pair)
    fused[FU_S_TA] = pair[0]
    fused[FU_C_TA] = pair[1]
    fused[FU_P_ML] = ml_step_nb(model, features, pair)
    fused[FU_S_ML] = pair[0]
    fused[FU_C_ML] = pair[1]
    fused[FU_SCORE] = fuse_nb(fused[FU_S_TA], fused[FU_C_TA], fused[FU_S_ML], fused[FU_C_ML])
    if math.isnan(features[F_ATR_14]):
        fused[FU_SCORE] = math.nan
    return float(fused[FU_SCORE])


@kernel
def context_nb(s: Any, inst: int) -> None:
    """Fill the context row that a compiled strategy sees."""
    row = s["inst"][inst]
    c = s["context"][inst]
    qty = s["positions"][inst]["qty"]
    c[X_CLOSE] = row["close"]
    c[X_POSITION] = qty * s["spec"][inst]["lot_size"]
    c[X_BARS_HELD] = float(row["bars"] - row["entry_bar"]) if qty != 0 else 0.0
    c[X_EQUITY] = equity_nb(ledger_of(s), s["spec"]) * s["params"][0]["money"]
    c[X_TIME] = s["clock"][CK_NOW] * 1e-9


@kernel
def data_reason_nb(s: Any, inst: int) -> int:
    """R_OK, or why the data of `inst` may not be traded on."""
    p = s["params"][0]
    row = s["inst"][inst]
    if row["status"] != STATUS_OK:
        told = row["status_reason"]
        quarantined = row["status"] == STATUS_QUARANTINED and 0 < told < N_REASONS
        return int(told) if quarantined else R_BOOK_INVALID
    if row["doubt"] != 0:
        return R_PRICE_DOUBT
    if p["stale_ns"] > 0 and s["clock"][CK_NOW] - row["last_ts"] > p["stale_ns"]:
        return R_STALE_DATA
    if p["needs_book"] == 1 and s["top"][inst]["quote_bid"] <= 0:
        return R_BOOK_INVALID
    return R_OK


@kernel
def explain_start_nb(s: Any, inst: int, score: float) -> None:
    """Begin the explain record: the state before the decision and the votes."""
    e = s["explain"][inst]
    for k in range(e.shape[0]):
        e[k] = math.nan
    row = s["inst"][inst]
    fused = s["fused"][inst]
    risk = s["risk_state"][0]
    e[ex.EX_PRICE] = row["mark"] * s["spec"][inst]["tick_size"]
    e[ex.EX_POSITION] = s["positions"][inst]["qty"] * s["spec"][inst]["lot_size"]
    e[ex.EX_DRAWDOWN] = risk["drawdown"]
    e[ex.EX_MODE] = s["control"][0]["mode"]
    e[ex.EX_S_TA] = fused[FU_S_TA]
    e[ex.EX_C_TA] = fused[FU_C_TA]
    e[ex.EX_S_ML] = fused[FU_S_ML]
    e[ex.EX_C_ML] = fused[FU_C_ML]
    e[ex.EX_SCORE] = score
    e[ex.EX_THRESHOLD] = s["params"][0]["threshold"]
    e[ex.EX_ATR] = s["features"][inst]["out"][F_ATR_14]


@kernel
def round_trip_cost_nb(s: Any, inst: int, equity: int) -> float:
    """Expected cost of entering and leaving, fraction of notional: fees, spread, and impact in a thin market.

    The impact is that of the largest order allowed against the volume of the last bar, so that a market
    too thin for us is refused for want of an edge.
    """
    p = s["params"][0]
    if p["impact"] == 0.0:
        return float(p["cost"])
    row = s["inst"][inst]
    notional = equity * s["risk_params"][0]["max_order"]
    size = notional / (row["mark"] * s["spec"][inst]["money_mult"]) * s["spec"][inst]["lot_size"]
    if row["volume"] <= 0.0:
        return 1.0
    return float(p["cost"] + 2.0 * p["impact"] * math.sqrt(size / row["volume"]))


@kernel
def enter_nb(s: Any, inst: int, direction: int, score: float) -> None:
    """Size a new position and write its intent, or record why there is none."""
    p = s["params"][0]
    spec = s["spec"][inst]
    row = s["inst"][inst]
    if direction < 0 and spec["kind"] == 0:
        record_nb(s, inst, D_REFUSED, R_SHORT_SPOT, direction, 0)
        return
    bad = data_reason_nb(s, inst)
    if bad != R_OK:
        s["clock"][CK_STALE] += 1
        record_nb(s, inst, D_REFUSED, bad, direction, 0)
        return
    control = s["control"][0]
    if control["mode"] != MODE_NORMAL:
        s["refusals"][R_MODE] += 1
        record_nb(s, inst, D_REFUSED, R_MODE, direction, 0)
        return
    stopped = halted_nb(s["halts"], inst)
    if stopped != R_OK:
        s["refusals"][stopped] += 1
        record_nb(s, inst, D_REFUSED, stopped, direction, 0)
        return
    features = s["features"][inst]["out"]
    atr = features[F_ATR_14]
    if math.isnan(atr):
        atr = row["close"] * s["risk_params"][0]["emergency_stop"]
    atr_ticks = atr / spec["tick_size"]
    levels = s["ints"]
    stops_nb(s["spec"], inst, direction, row["mark"], atr_ticks, s["risk_params"], levels)
    if p["fixed_size"] > 0:
        qty = p["fixed_size"]
        reason = R_OK
    else:
        equity = equity_nb(ledger_of(s), s["spec"])
        qty = size_nb(
            risk_of(s),
            s["spec"],
            equity,
            s["positions"][inst]["qty"],
            inst,
            direction,
            abs(score),
            row["mark"],
            atr_ticks,
            s["risk_instr"][inst]["sigma_year"],
            min(0.99, round_trip_cost_nb(s, inst, equity)),
            s["explain"][inst],
        )
        reason = s["risk_state"][0]["last_reason"]
    if qty <= 0:
        if reason == R_OK:
            reason = R_ZERO_SIZE
        s["refusals"][reason] += 1
        record_nb(s, inst, D_REFUSED, reason, direction, 0)
        return
    row["stop"] = levels[0]
    row["target"] = levels[1]
    s["explain"][inst, ex.EX_STOP] = levels[0] * spec["tick_size"]
    s["explain"][inst, ex.EX_TARGET] = levels[1] * spec["tick_size"]
    record_nb(s, inst, D_ENTER, R_SIGNAL, direction, qty)
    row["decision"] = s["clock"][CK_DECISIONS]
    n = s["n"][N_INTENTS]
    s["n"][N_INTENTS] = intent_nb(
        s["intents"], n, inst, direction, qty, FOR_ENTRY, 0, s["clock"][CK_DECISIONS]
    )


@kernel
def leave_nb(s: Any, inst: int, qty: int, reason: int) -> None:
    """Write the intent that closes the whole position."""
    side = SELL if qty > 0 else BUY
    record_nb(s, inst, D_EXIT, reason, side, abs(qty))
    n = s["n"][N_INTENTS]
    s["n"][N_INTENTS] = intent_nb(
        s["intents"], n, inst, side, abs(qty), FOR_EXIT, OF_REDUCE_ONLY, s["clock"][CK_DECISIONS]
    )


@kernel
def act_nb(s: Any, inst: int, score: float) -> None:
    """A score and a position to one of: enter, leave, hold, nothing; each is recorded."""
    p = s["params"][0]
    explain_start_nb(s, inst, score)
    s["fused"][inst, FU_SCORE] = score
    qty = tradable_nb(s, inst)
    if qty == 0:
        if pending_nb(orders_of(s), inst, BUY) + pending_nb(orders_of(s), inst, SELL) > 0:
            record_nb(s, inst, D_BUSY, R_OK, 0, 0)
        elif math.isnan(score):
            record_nb(s, inst, D_WARMUP, R_OK, 0, 0)
        elif score == 0.0:
            record_nb(s, inst, D_NO_SIGNAL, R_OK, 0, 0)
        else:
            direction = view_of_nb(score, p["threshold"])
            if direction == 0:
                record_nb(s, inst, D_BELOW_THRESHOLD, R_OK, 0, 0)
            else:
                enter_nb(s, inst, direction, score)
        return
    if s["inst"][inst]["doubt"] != 0:  # a price that nobody confirms moves nothing, not even out
        record_nb(s, inst, D_HOLD, R_PRICE_DOUBT, 0, 0)
        return
    held = s["inst"][inst]["bars"] - s["inst"][inst]["entry_bar"]
    against = -score if qty > 0 else score
    if not math.isnan(against) and against >= p["exit_threshold"] and against > 0.0:
        leave_nb(s, inst, qty, R_OPPOSITE)
    elif held >= p["time_stop"]:
        leave_nb(s, inst, qty, R_TIME_STOP)
    else:
        record_nb(s, inst, D_HOLD, R_OK, 0, 0)


@kernel
def copy_nb(source: np.ndarray, target: np.ndarray) -> None:
    """Copy a row of floats."""
    for k in range(source.shape[0]):
        target[k] = source[k]


@kernel
def ask_nb(s: Any, inst: int, user: Any, desk: Any) -> float:
    """Score of the user's compiled function, clipped to [-1, 1]; NaN is no opinion.

    `desk`: four plain rows (features, book, context, memory) that it may look at; only what it writes to its
    memory is taken back.
    """
    copy_nb(s["features"][inst]["out"], desk[0])
    copy_nb(s["book_values"][inst], desk[1])
    copy_nb(s["context"][inst], desk[2])
    copy_nb(s["memory"][inst], desk[3])
    score = float(user(desk[0], desk[1], desk[2], desk[3]))
    copy_nb(desk[3], s["memory"][inst])
    if math.isnan(score):
        return score
    return max(-1.0, min(1.0, score))


@kernel
def bar_closed_nb(s: Any, model: Any, inst: int, user: Any, desk: Any) -> None:
    """Everything that a closed bar sets off. `user`: a compiled strategy, or `no_strategy_nb`."""
    observe_nb(s, inst)
    code = s["params"][0]["strategy"]
    if code == S_HYBRID:
        act_nb(s, inst, signals_nb(s, model, inst))
    elif code == S_TREND_CROSS:
        p = s["params"][0]
        score = trend_cross_nb(s["features"][inst]["out"], p["fast"], p["slow"])
        if score < 0.0 and s["positions"][inst]["qty"] == 0:
            score = 0.0  # long or flat
        act_nb(s, inst, score)
    elif code == S_COMPILED:
        context_nb(s, inst)
        score = ask_nb(s, inst, user, desk)
        act_nb(s, inst, score)
    elif code == S_COLD:
        signals_nb(s, model, inst)
        n = s["n"][N_WAKE]
        s["wake"][n] = inst
        s["n"][N_WAKE] = n + 1
