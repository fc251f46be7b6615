"""The engine's own record types."""

import numpy as np

PARAMS_DTYPE = np.dtype(
    [
        ("strategy", "<i8"),  # S_*
        ("threshold", "<f8"),
        ("exit_threshold", "<f8"),
        ("time_stop", "<i8"),  # bars
        ("fixed_size", "<i8"),  # lots; 0: Kelly
        ("fast", "<i8"),  # feature columns of trend_cross
        ("slow", "<i8"),
        ("timer_ns", "<i8"),
        ("equity_ns", "<i8"),
        ("stale_ns", "<i8"),  # 0: never (bars)
        ("cost", "<f8"),  # round trip, fraction of notional
        ("money", "<f8"),  # one money unit in quote currency
        ("impact", "<f8"),  # expected impact a side: impact x sqrt(order / bar volume); 0 with a real book
        ("bars_per_year", "<f8"),
        ("quote_ns", "<i8"),
        ("quote_qty", "<i8"),  # lots
        ("quote_max", "<i8"),  # lots
        ("quote_skew", "<i8"),  # lots that move a quote by one tick
        ("use_book", "<i8"),  # 1: order-book features are kept
        ("needs_book", "<i8"),  # 1: no entries unless a quote is known and fresh
        ("quality_stale_ns", "<i8"),
        ("quality_sigmas", "<f8"),
        ("quality_jump", "<f8"),
        ("quality_confirm", "<i8"),
        ("max_fee_e8", "<i8"),  # largest fee of a fill, 1e-8 of its notional
        ("all_decisions", "<i8"),  # 1: every decision is handed to the journal
        ("escalate", "<i8"),  # openings of breakers below that open the one above
        ("reduce_share", "<i8"),  # mode Reduce: 1e-4 of the position a step
        ("reduce_floor", "<i8"),  # and 1e-4 of it that stay
        ("reduce_ns", "<i8"),  # and the time from step to step
        ("gate_move", "<f8"),  # a jump of the price beyond this share needs a second source; 0: none does
        ("gate_ns", "<i8"),  # how long a second source counts, and how long it is waited for
        ("unknown_ns", "<i8"),  # result not known for so long: mode Reduce; 0: never (bars)
    ]
)
"""Engine settings, one row."""

INST_DTYPE = np.dtype(
    [
        ("mark", "<i8"),  # ticks
        ("last", "<i8"),  # last trade or close, ticks
        ("status", "<i8"),  # STATUS_*
        ("status_reason", "<i8"),  # R_* told with it, 0: none
        ("last_ts", "<i8"),  # local time of the last accepted event
        ("bars", "<i8"),
        ("entry_bar", "<i8"),  # bar count when the position was opened
        ("stop", "<i8"),  # protective prices of the position or of the pending entry, ticks
        ("target", "<i8"),
        ("decision", "<i8"),  # decision that opened the position
        ("bid_id", "<i8"),  # the quoter's orders
        ("ask_id", "<i8"),
        ("quarantined", "<i8"),
        ("protect", "<i8"),  # 1: the bracket must be looked at
        ("base", "<i8"),  # lots from which mode Reduce counts its steps
        ("outcome", "<i8"),  # of the last decision, so that only changes are journalled
        ("reason", "<i8"),
        ("view", "<f8"),  # a cold strategy's last score
        ("open", "<f8"),  # the bar that just closed, quote currency
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),  # base currency
        ("bar_open", "<i8"),  # when the bar began, ns
        ("bar_ts", "<i8"),  # when it was known: its close
        ("second", "<i8"),  # what a second source says of the price, ticks; 0: nothing yet
        ("second_ts", "<i8"),
        ("doubt", "<i8"),  # since when the price is in doubt; 0: it is not
        ("doubted", "<i8"),  # that price, ticks
        ("hole", "<i8"),  # bars that open before this miss trades; see HOLE_*
    ]
)
"""What the engine keeps of an instrument, a row each."""

BREAKERS_CONTROL_DTYPE = np.dtype(
    [
        ("openings", "<i8"),  # of the strategy's breaker, since `since`
        ("since", "<i8"),  # ns
        ("streak", "<i8"),  # trades lost in a row
        ("mode", "<i8"),  # MODE_* as last told
    ]
)
"""What the breakers count, one row."""
