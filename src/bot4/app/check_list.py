"""The list of all checks; see `bot4.app.checks`. A new check is one entry here."""

from __future__ import annotations

from typing import Final

from bot4.app.checks import Check, Judges, Layer

_GATE = "safety.gate_nb"
_RISK = "risk.checks_nb"
_DESK = "execution.guard"
_UNSET = "a state that was never set is no yes: refused"
_UNKNOWN = "not computable: refused, `unchecked`"

_KILL = (
    Check(
        "kill_latch", Layer.KILL, Judges.RISK, f"{_GATE}:killed_reason_nb", ("R_KILLED",),
        "the engine's kill latch", "any value but 0 refuses",
    ),
    Check(
        "kill_latch_at_desk", Layer.KILL, Judges.RISK, "execution.desk:Desk._take",
        ("R_KILLED", "R_VENUE"),
        "whether the desk was told to stop new risk (kill, lost lease, unhealthy venue)",
        "a stop that came while the order was decided holds",
    ),
    Check(
        "kill_latch_at_wire", Layer.KILL, Judges.RISK, "execution.desk:Desk._submit", ("R_KILLED",),
        "the kill switch's byte, as the last thing before the bytes leave", "any value but 0 refuses",
    ),
    Check(
        "partial_kill", Layer.KILL, Judges.RISK, "safety.modes_nb:halted_nb",
        ("R_KILLED_INSTRUMENT", "R_KILLED_STRATEGY", "R_KILLED_VENUE"),
        "which instruments, strategy, venue are stopped", "a stop stands until it is released",
        ("safety.cooldown",),
    ),
)  # fmt: skip

_OPERATIONAL = (
    Check(
        "enabled", Layer.OPERATIONAL, Judges.RISK, f"{_GATE}:enabled_reason_nb", ("R_NOT_ENABLED",),
        "whether trading was enabled", _UNSET,
    ),
    Check(
        "mode", Layer.OPERATIONAL, Judges.RISK, f"{_GATE}:mode_reason_nb", ("R_MODE",),
        "the control mode", "a mode that does not exist refuses", ("safety.cooldown",),
    ),
    Check(
        "reconciled", Layer.OPERATIONAL, Judges.RISK, f"{_GATE}:reconciled_reason_nb", ("R_NOT_RECONCILED",),
        "whether ledger and venue agreed; a start first looks at the account's modes and leverage",
        _UNSET, ("live.reconcile_interval", "live.leverage", "live.margin"),
    ),
    Check(
        "private_stream", Layer.OPERATIONAL, Judges.RISK, f"{_GATE}:stream_reason_nb", ("R_PRIVATE_DOWN",),
        "whether the venue's answers come by themselves", "any value but 0 refuses",
    ),
    Check(
        "order_rate", Layer.OPERATIONAL, Judges.RISK, f"{_GATE}:window_reason_nb", ("R_ORDER_RATE",),
        "orders of new risk within the running second",
        "no window: refused; a clock that went back stays in the old one",
        ("safety.max_orders_per_second",),
    ),
    Check(
        "open_orders", Layer.OPERATIONAL, Judges.RISK, f"{_GATE}:open_orders_reason_nb",
        ("R_TOO_MANY_ORDERS",),
        "our working orders", "a count below zero refuses", ("safety.max_open_orders",),
    ),
    Check(
        "order_table", Layer.OPERATIONAL, Judges.ORDER, "execution.orders_nb:free_slot_nb",
        ("R_TOO_MANY_ORDERS",), "places in the order table", "no place that holds no live order: refused",
    ),
    Check(
        "unknown_order", Layer.OPERATIONAL, Judges.RISK, "engine.dispatch_nb:unknown_reason_nb",
        ("R_UNKNOWN_ORDER",),
        "orders of unknown outcome on the instrument", "unknown is what it refuses", ("live.not_found_time",),
    ),
    Check(
        "instrument_paused", Layer.OPERATIONAL, Judges.RISK, "execution.news:OrderNews.blocked",
        ("R_UNKNOWN_ORDER", "R_RECONCILED", "R_PANIC", "R_EXIT_FILTER", "R_INSTRUMENT"),
        "orders of unknown outcome at the desk, and pauses of the instrument",
        "a pause holds until what made it is gone",
    ),
    Check(
        "duplicate", Layer.OPERATIONAL, Judges.ORDER, "execution.idempotency:Intents.claim", ("R_DUPLICATE",),
        "the intents on disk", "intents that cannot be written: nothing is sent",
    ),
    Check(
        "backlog", Layer.OPERATIONAL, Judges.RISK, "execution.lane:Lane.take", ("R_BACKLOG",),
        "orders of new risk that wait on the instrument", "a full queue refuses",
    ),
    Check(
        "order_age", Layer.OPERATIONAL, Judges.RISK, "execution.lane:Lane._stale_reason", ("R_EXPIRED",),
        "how long the order has waited here", "an order of an earlier run that was not sent is never sent",
    ),
    Check(
        "rate_limit", Layer.OPERATIONAL, Judges.RISK, "venues.limits:RateLimiter.take", ("R_THROTTLED",),
        "the venue's rate limits, what we used of them, and what is kept free for cancels and exits",
        "limits not read yet: the venue's documented ones",
    ),
)  # fmt: skip

_BREAKER = (
    Check(
        "orders_breaker", Layer.BREAKER, Judges.RISK, "execution.lane:Lane._risk_reason", ("R_BREAKER",),
        "refusals by the venue within five minutes", "open until one order was taken",
    ),
    Check(
        "breakers", Layer.BREAKER, Judges.RISK, "engine.breakers_nb:breaker_reason_nb",
        ("R_TOXIC_FLOW", "R_VOLUME", "R_LOSS", "R_LOSING"),
        "breakers of the instrument and of the strategy: flow, volume, losses",
        "what is not known yet opens nothing; an open one waits out its time",
        ("breaker.toxicity", "breaker.volume", "breaker.loss", "breaker.losing_streak"),
    ),
    Check(
        "session_breakers", Layer.BREAKER, Judges.RISK, "live.breakers:SessionBreakers._pause",
        ("R_SPREAD", "R_LATENCY", "R_ERRORS"),
        "spread of each market; calls to the venue and their round trips",
        "too few calls open nothing",
        ("panic.spread_times", "breaker.latency", "breaker.error_rate"),
    ),
    Check(
        "venue_health", Layer.BREAKER, Judges.RISK, "live.watch:Watch._look_at_health", ("R_VENUE",),
        "the venue's grade from errors, latency and messages",
        "an unhealthy venue is left until its grade is better",
    ),
)  # fmt: skip

_MARKET = (
    Check(
        "market_data", Layer.MARKET, Judges.RISK, "engine.decide_nb:data_reason_nb",
        ("R_STALE_DATA", "R_BOOK_INVALID", "R_PRICE_DOUBT"),
        "age of the last good event, status of the book, whether a quote is known",
        "stale, gapped or crossed: nothing is opened", ("quality.stale_after",),
    ),
    Check(
        "funding", Layer.MARKET, Judges.RISK, f"{_DESK}:Guard.funding_reason", ("R_EDGE",),
        "the next funding rate and its instant", "a rate that was never told holds no entry up",
        ("live.funding_threshold",),
    ),
)  # fmt: skip

_PRE_TRADE = (
    Check(
        "words", Layer.PRE_TRADE, Judges.ORDER, f"{_GATE}:words_reason_nb", ("R_UNCHECKED", "R_INSTRUMENT"),
        "side, type, time in force, purpose; the instrument's row", "an unknown word, an unset row: refused",
    ),
    Check(
        "grids", Layer.PRE_TRADE, Judges.ORDER, "safety.gate:_words_reason",
        ("R_INSTRUMENT", "R_PRICE_TICK", "R_QTY_LOT"),
        "tick and lot of the values, in the plain plane", "another instrument's grid: refused",
    ),
    Check(
        "quantity", Layer.PRE_TRADE, Judges.ORDER, f"{_GATE}:quantity_reason_nb",
        ("R_QTY_LOT", "R_MIN_QTY", "R_MAX_QTY"),
        "quantity in lots, the instrument's bounds", "not positive: refused",
    ),
    Check(
        "numbers", Layer.PRE_TRADE, Judges.ORDER, f"{_GATE}:numbers_reason_nb",
        ("R_OVERFLOW", "R_UNCHECKED", "R_PRICE_TICK"),
        "price, position, reference price",
        "no reference price refuses new risk; what may not fit 63 bits is refused",
    ),
    Check(
        "min_notional", Layer.PRE_TRADE, Judges.ORDER, f"{_GATE}:notional_reason_nb", ("R_MIN_NOTIONAL",),
        "the order's value, the venue's least", "an order that closes all that is left is exempt",
    ),
    Check(
        "price_band", Layer.PRE_TRADE, Judges.ORDER, f"{_GATE}:band_reason_nb", ("R_PRICE_BAND",),
        "price and mark", "no mark: see numbers", ("safety.price_band",),
    ),
    Check(
        "spot_sale", Layer.PRE_TRADE, Judges.RISK, f"{_GATE}:spot_reason_nb", ("R_SHORT_SPOT",),
        "what is held and not yet being sold", "nothing held: refused",
    ),
    Check(
        "order_value", Layer.PRE_TRADE, Judges.RISK, f"{_GATE}:value_reason_nb", ("R_MAX_ORDER",),
        "the order's value", "see numbers", ("safety.max_order_value",),
    ),
    Check(
        "reduce_only", Layer.PRE_TRADE, Judges.REDUCING, f"{_GATE}:reduce_only_reason_nb", ("R_REDUCE_ONLY",),
        "the position, and reduce-only orders of the same purpose on their way",
        "flat, or a count below zero: refused",
    ),
    Check(
        "risk_answers", Layer.PRE_TRADE, Judges.RISK, f"{_GATE}:verdicts_reason_nb", ("R_UNCHECKED",),
        "the verdict of every layer of risk", "no verdict, one not given, one that is no reason: refused",
    ),
    Check(
        "edge", Layer.PRE_TRADE, Judges.RISK, "risk.sizing_nb:_decide_nb", ("R_EDGE", "R_UNCHECKED"),
        "win probability, stop, target, costs", _UNKNOWN,
        ("risk.min_edge_r", "risk.edge_haircut", "risk.kelly_fraction"),
    ),
    Check(
        "size", Layer.PRE_TRADE, Judges.RISK, "risk.sizing_nb:_round_nb",
        ("R_ZERO_SIZE", "R_MIN_QTY", "R_MIN_NOTIONAL"),
        "what the caps leave, rounded down to lots", "nothing left: no order",
    ),
    Check(
        "reference_price", Layer.PRE_TRADE, Judges.RISK, f"{_DESK}:reference_reason", ("R_UNCHECKED",),
        "the mark at the desk, else the order's price", "neither: refused",
    ),
    Check(
        "venue_filters", Layer.PRE_TRADE, Judges.RISK, f"{_DESK}:filter_reason",
        (
            "R_PRICE_TICK", "R_QTY_LOT", "R_MIN_QTY", "R_MAX_QTY", "R_MIN_NOTIONAL", "R_PRICE_BAND",
            "R_INSTRUMENT", "R_DELISTED", "R_UNCHECKED",
        ),
        "the venue's rules as it states them now",
        "rules that were never read: those the run began with hold, at the gate",
        ("live.rules_interval",),
    ),
    Check(
        "exit_filter", Layer.PRE_TRADE, Judges.RISK, f"{_DESK}:exit_reason", ("R_EXIT_FILTER",),
        "the rules, for the coming stop and target", "a plan that is not known yet is looked at when it is",
    ),
    Check(
        "order_cap", Layer.PRE_TRADE, Judges.RISK, f"{_DESK}:cap_reason", ("R_MAX_ORDER",),
        "the order's value with the venue's contract size", "see reference_price", ("live.order_cap",),
    ),
    Check(
        "self_trade", Layer.PRE_TRADE, Judges.RISK, f"{_DESK}:self_trade_reason", ("R_SELF",),
        "our resting orders", "an order without a price meets all of the other side",
    ),
    Check(
        "turnover", Layer.PRE_TRADE, Judges.RISK, f"{_DESK}:Guard.turnover_reason", ("R_TURNOVER",),
        "new risk sent within the window", "see reference_price", ("live.turnover_cap", "live.turnover_time"),
    ),
)  # fmt: skip

_PORTFOLIO = (
    Check(
        "risk_inputs", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:_usable_nb", ("R_UNCHECKED",),
        "price, quantity, position, equity, exposure, pending",
        "one that makes no sense: every check of risk says `unchecked`",
    ),
    Check(
        "order_size", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:order_size_nb", ("R_MAX_ORDER",),
        "the order's notional, equity", _UNKNOWN, ("risk.max_order",),
    ),
    Check(
        "position_limit", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:position_limit_nb", ("R_MAX_POSITION",),
        "exposure of the instrument, equity", _UNKNOWN, ("risk.max_position",),
    ),
    Check(
        "asset_limit", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:asset_limit_nb", ("R_MAX_ASSET",),
        "exposure of the asset over all instruments, equity", _UNKNOWN, ("risk.max_asset",),
    ),
    Check(
        "heat", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:heat_limit_nb", ("R_HEAT",),
        "exposures and their volatility, equity", _UNKNOWN, ("risk.max_heat", "risk.assumed_volatility"),
    ),
    Check(
        "open_risk", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:open_risk_limit_nb", ("R_OPEN_RISK",),
        "what is lost if every stop is hit, equity", "no stop set: the emergency distance",
        ("risk.max_open_risk", "risk.emergency_stop"),
    ),
    Check(
        "drawdown", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:drawdown_nb", ("R_DRAWDOWN_HARD", "R_EQUITY"),
        "drawdown, the latched hard stop", _UNKNOWN, ("risk.drawdown_hard",),
    ),
    Check(
        "daily_loss", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:daily_loss_nb", ("R_DAILY_LOSS",),
        "equity now and at the start of the UTC day", _UNKNOWN, ("risk.daily_loss",),
    ),
    Check(
        "leverage", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:leverage_nb", ("R_LEVERAGE",),
        "gross exposure with everything pending, equity", _UNKNOWN, ("risk.max_leverage",),
    ),
    Check(
        "liquidation", Layer.PORTFOLIO, Judges.RISK, "risk.margin_nb:liquidation_check_nb",
        ("R_LIQUIDATION_NEAR", "R_UNCHECKED"),
        "positions, marks, cash, maintenance margins, the order", _UNKNOWN,
        ("risk.liquidation_distance", "risk.maintenance"),
    ),
    Check(
        "spot_short", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:spot_short_nb", ("R_SHORT_SPOT",),
        "the position after the order", "nothing held: refused",
    ),
    Check(
        "funds", Layer.PORTFOLIO, Judges.RISK, f"{_RISK}:funds_nb", ("R_MARGIN",),
        "equity less what is bound, the order's cost and fee", _UNKNOWN, ("fees.taker",),
    ),
)  # fmt: skip

_POST_TRADE = (
    Check(
        "fill_price", Layer.POST_TRADE, Judges.FILL, "execution.post_trade_nb:fill_price_reason_nb",
        ("R_FILL_PRICE",),
        "price of the fill, limit of the order", "not positive: pause",
    ),
    Check(
        "fill_quantity", Layer.POST_TRADE, Judges.FILL, "execution.post_trade_nb:fill_qty_reason_nb",
        ("R_FILL_QTY",),
        "lots of the fill, lots left of the order", "not positive: pause",
    ),
    Check(
        "fill_fee", Layer.POST_TRADE, Judges.FILL, "execution.post_trade_nb:fill_fee_reason_nb",
        ("R_FILL_FEE", "R_UNCHECKED"),
        "fee or rebate, value of the fill", "no value: pause", ("safety.max_fill_fee", "fees.taker"),
    ),
    Check(
        "trade_fits_order", Layer.POST_TRADE, Judges.FILL, "execution.news:OrderNews._trade",
        ("R_RECONCILED",),
        "quantity and side of the venue's trade, before it is booked",
        "off the grid: the instrument is paused",
    ),
    Check(
        "first_fill", Layer.POST_TRADE, Judges.FILL, "execution.news:OrderNews._first_fill",
        ("R_RECONCILED",),
        "value of the first fill of an instrument against what was expected",
        "no price to compare with: the next fill is the first",
    ),
    Check(
        "slippage", Layer.POST_TRADE, Judges.FILL, "safety.panic:Panic.fill", ("R_PANIC",),
        "price of the fill, mark at the decision", "no mark: the kill switch", ("panic.slippage",),
    ),
    Check(
        "books", Layer.POST_TRADE, Judges.RUN, "execution.reconcile:reconcile", ("R_RECONCILED",),
        "positions, orders and trades of the venue against ours",
        "no answer: asked again, nothing is taken as absent",
        ("live.reconcile_interval",),
    ),
)  # fmt: skip

_REAL_TIME = (
    Check(
        "equity_levels", Layer.REAL_TIME, Judges.RUN, "risk.drawdown_nb:update_equity_nb",
        ("R_DRAWDOWN_SOFT", "R_DRAWDOWN_DAY", "R_DRAWDOWN_HARD", "R_DAILY_LOSS", "R_EQUITY"),
        "equity on every protection timer", "equity that is not positive: emergency",
        ("risk.drawdown_soft", "risk.drawdown_day", "risk.drawdown_hard", "risk.daily_loss"),
    ),
    Check(
        "result_known", Layer.REAL_TIME, Judges.RUN, "engine.protect_nb:unknown_result_nb",
        ("R_PNL_UNKNOWN",),
        "marks of open positions, agreement of ledger and venue", "unknown for too long: mode reduce",
        ("safety.unknown_after",),
    ),
    Check(
        "staleness", Layer.REAL_TIME, Judges.RUN, "safety.panic:Panic.look", ("R_PANIC",),
        "when anything came from the sources of what is quoted", "never heard: stale", ("panic.stale_after",),
    ),
    Check(
        "spread", Layer.REAL_TIME, Judges.RUN, "safety.panic:Panic.spread_times", ("R_SPREAD",),
        "relative spread against its own median of an hour", "an empty or crossed quote: pause",
        ("panic.spread_times",),
    ),
    Check(
        "call_errors", Layer.REAL_TIME, Judges.RUN, "safety.panic:Panic.call", ("R_PANIC",),
        "calls within 60 s and those that failed", "fewer than 20 calls say nothing", ("panic.error_rate",),
    ),
    Check(
        "latency", Layer.REAL_TIME, Judges.RUN, "safety.panic:Panic.latency", ("R_PANIC",),
        "round trips within 10 s", "fewer than 5 say nothing", ("panic.latency",),
    ),
    Check(
        "naked_position", Layer.REAL_TIME, Judges.RUN, "execution.protection:NakedTime.look", (),
        "lots of the position that no confirmed stop covers",
        "a stop on its way or unknown covers nothing; told after 5 s",
    ),
    Check(
        "lease", Layer.REAL_TIME, Judges.RUN, "live.session:LiveSession._keep_lease", ("R_KILLED",),
        "the account's lease", "a beat that cannot be written in time: no new risk any more",
    ),
)  # fmt: skip

CHECKS: Final = (
    *_KILL,
    *_OPERATIONAL,
    *_BREAKER,
    *_MARKET,
    *_PRE_TRADE,
    *_PORTFOLIO,
    *_POST_TRADE,
    *_REAL_TIME,
)
"""All checks, by layer."""
