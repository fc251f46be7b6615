"""The record types of the hot plane: fixed-size numpy structured dtypes.

All times are integer nanoseconds UTC. `ts_venue` is the venue's clock, `ts_local` the instant at
which bot4 could know the record (for a bar: its close). Prices are integer ticks and quantities integer
lots of their instrument; money is an integer number of money units (10**-money_exp of the
account's currency, one exponent for the whole account). The dtypes are aligned and padded by
hand, so that their bytes (which are hashed and journalled) hold no stray padding.
"""

import numpy as np

EVENT_DTYPE = np.dtype(
    [
        ("ts_venue", "<i8"),
        ("ts_local", "<i8"),
        ("price", "<i8"),
        ("qty", "<i8"),
        ("x", "<i8"),
        ("y", "<i8"),
        ("seq", "<i8"),
        ("instrument", "<u2"),
        ("venue", "<u2"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("spare", "<u2"),
    ]
)
"""One event, 64 bytes. The meaning of price, qty, x, y, seq by kind stands in `codes_nb`."""

INPUT_DTYPE = np.dtype([("pos", "<i8"), ("event", EVENT_DTYPE)])
"""An event that is not market data, with the number of events folded before it."""

COMMIT_DTYPE = np.dtype([("pos", "<i8"), ("ts", "<i8"), ("next_order_id", "<i8")])
"""The end of a group of journal blocks: events folded, engine time, the next order's number."""

INTENT_DTYPE = np.dtype(
    [
        ("price", "<i8"),  # limit price; 0 for market
        ("stop_price", "<i8"),
        ("qty", "<i8"),
        ("ref", "<i8"),  # order to cancel, or parent of a bracket leg
        ("decision", "<i8"),
        ("instrument", "<u2"),
        ("action", "u1"),
        ("type", "u1"),
        ("tif", "u1"),
        ("flags", "u1"),
        ("purpose", "u1"),
        ("side", "i1"),
    ]
)
"""What a stage wishes for; not yet allowed. 48 bytes."""

ORDER_DTYPE = np.dtype(
    [
        ("id", "<i8"),
        ("parent", "<i8"),  # entry order of a bracket leg, else 0
        ("decision", "<i8"),
        ("price", "<i8"),
        ("stop_price", "<i8"),
        ("qty", "<i8"),
        ("filled", "<i8"),
        ("cost", "<i8"),  # sum of fill price x fill qty, ticks x lots
        ("fees", "<i8"),  # money units
        ("ts_created", "<i8"),
        ("ts_updated", "<i8"),
        ("instrument", "<u2"),
        ("reason", "<u2"),
        ("side", "i1"),
        ("type", "u1"),
        ("tif", "u1"),
        ("flags", "u1"),
        ("purpose", "u1"),
        ("status", "u1"),
        ("action", "u1"),
        ("spare", "u1", (5,)),
    ]
)
"""An order from approval to its end, 104 bytes. Only `safety.gate_nb` creates one."""

DECISION_DTYPE = np.dtype(
    [
        ("seq", "<i8"),
        ("ts", "<i8"),
        ("pos", "<i8"),  # events folded before this decision
        ("order", "<i8"),  # order id that came of it, 0: none
        ("s_ta", "<f8"),
        ("c_ta", "<f8"),
        ("s_ml", "<f8"),
        ("c_ml", "<f8"),
        ("score", "<f8"),
        ("price", "<i8"),
        ("qty", "<i8"),
        ("instrument", "<u2"),
        ("outcome", "<u2"),  # D_*
        ("reason", "<u2"),  # R_*
        ("side", "i1"),
        ("action", "u1"),
    ]
)
"""One decision, taken or not taken, 96 bytes."""

TRIP_DTYPE = np.dtype(
    [
        ("ts", "<i8"),
        ("pos", "<i8"),  # events folded before it
        ("value", "<f8"),  # what was measured last
        ("limit", "<f8"),  # at which it opens
        ("until", "<i8"),  # ns; while open: not tried again before
        ("instrument", "<i2"),  # -1: the whole strategy
        ("kind", "u1"),  # BK_*
        ("before", "u1"),  # BREAKER_*; of BK_SYSTEM: MODE_*
        ("after", "u1"),
        ("spare", "u1"),
        ("reason", "<u2"),  # R_*
    ]
)
"""A breaker of the engine, or the control mode, went from one state to another, 48 bytes."""

EQUITY_DTYPE = np.dtype(
    [
        ("ts", "<i8"),
        ("equity", "<i8"),  # money units
        ("cash", "<i8"),
        ("exposure", "<i8"),  # sum of |position| x mark, money units
        ("net", "<i8"),
        ("drawdown", "<f8"),
        ("price", "<i8"),  # mark of instrument 0
        ("mode", "<i8"),
    ]
)
"""A sample for the equity curve, 64 bytes."""

INSTRUMENT_DTYPE = np.dtype(
    [
        ("min_qty", "<i8"),  # lots
        ("max_qty", "<i8"),  # lots
        ("min_notional", "<i8"),  # money units
        ("money_mult", "<i8"),  # one tick x one lot, in money units
        ("tick_size", "<f8"),  # in quote currency; floats are for features only
        ("lot_size", "<f8"),  # in base currency
        ("maker_fee", "<i8"),  # 1e-8 of notional; negative: rebate
        ("taker_fee", "<i8"),
        ("bar_ns", "<i8"),  # decision bar; 0: instrument sends its own bars
        ("kind", "<i8"),  # 0 spot, 1 linear perpetual
        ("maintenance", "<i8"),  # maintenance margin, 1e-8 of notional
    ]
)
"""What the hot plane must know of an instrument."""

KIND_SPOT = 0
KIND_PERP = 1

RATE_SCALE = 100_000_000
"""Fee and funding rates are integers in 1e-8 of notional."""
