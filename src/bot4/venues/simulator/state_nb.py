"""The simulated exchange's state: integer tables with named columns, in one record."""

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

I64_MAX = (1 << 63) - 1

# --- meta: one row an instrument ----------------------------------------------
M_PRICE = 1  # last trade, or the bar's price; 0: none yet
M_TRADES = 2  # 1 once a trade was seen
M_DEPTH = 3  # 1 once a depth level was seen
M_OPEN_TS = 4  # the bar in progress: [open, close)
M_CLOSE_TS = 5
M_VOLUME = 6  # of the bar before, lots; 0: unknown
M_REPLY_TS = 7  # local time of the latest reply about an order there
M_LISTS = 8  # first slot of each list of orders, -1: none
M_COST = 13  # signed entry value of the account's position, ticks x lots
M_MARK = 14  # the venue's mark as the feed tells it; 0: it does not
M_SIZE = 16

# --- the lists an order can stand in -------------------------------------------
L_BID = 0  # resting, best price first, then by arrival
L_ASK = 1
L_STOP = 2  # stops held by the venue, by arrival
L_WAIT = 3  # bars only: arrived in a data gap, waits for the next open
L_FLIGHT = 4  # on its way to the venue
L_FREE = -1
N_LISTS = 5

MAX_TIERS = 16  # fixed, because another shape is another type to compile for

# --- orders: one row a slot -----------------------------------------------------
O_ID = 0
O_INST = 1
O_SIDE = 2  # 1 buy, -1 sell
O_TYPE = 3
O_TIF = 4
O_FLAGS = 5
O_PRICE = 6
O_STOP = 7
O_LEFT = 8  # lots not yet filled
O_FRONT = 9  # queue ahead of us, lots << FRONT_BITS
O_TRADED = 10  # lots traded at our price since the level last changed
O_REPLY_TS = 11  # local time of the latest reply
O_ARRIVES = 12
O_LIST = 13
O_NEXT = 14
O_PREV = 15
O_ACCOUNT = 16  # row of `held`; 0 where there is one account only
O_POLICY = 17  # SELF_*: what happens where it would trade with its own account
O_PEAK = 18  # iceberg: lots shown at a time, 0: all of it
O_SHOWN = 19  # iceberg: what is left of the slice that is shown
O_SIZE = 20

# --- self-trade policies, of the order that takes --------------------------------
SELF_NONE = 0
SELF_EXPIRE_TAKER = 1
SELF_EXPIRE_MAKER = 2
SELF_EXPIRE_BOTH = 3
SELF_DECREMENT = 4

FRONT_BITS = 16

# --- queues: binary heaps by (time, sequence) -------------------------------------
Q_ARRIVALS = 0
Q_REPLIES = 1
Q_TS = 0
Q_SEQ = 1
Q_KIND = 2
Q_INST = 3
Q_ORDER = 4  # order id
Q_SLOT = 5
Q_PRICE = 6
Q_QTY = 7
Q_Y = 8
Q_TRADE = 9
Q_FLAGS = 10
Q_VENUE_TS = 11
Q_SIZE = 12

K_PREVENTED = 64  # a reply of the exchange itself: a self-trade was prevented, lots went from both

A_SUBMIT = 0
A_CANCEL = 1

# --- ctl: counters and integer settings -------------------------------------------
C_NOW = 0  # the venue's clock
C_CAP = 1  # no reply reaches us later than this; I64_MAX but in a bar's range phase
C_COUNT = 2  # entries of each heap: C_COUNT + queue
C_SEQ = 4
C_DRAWS = 5
C_SEED = 6
C_TRADE_ID = 7
C_FREE = 8  # first free slot
C_LOST = 9  # replies or cancels that found their heap full
C_LATE = 10  # cancels that came after their order's end
C_BARS = 11  # 1: bar mode, 0: book mode
C_PARTIAL = 12
C_PROB_QUEUE = 13
C_ENTRY_NS = 14
C_RESPONSE_NS = 15
C_VENUE = 16
C_DAY = 17  # newest day in the 30-day volume
C_TURNOVER = 18  # sum of the days, money units
C_TIERS = 19  # rows of the fee table in use
C_DAYS = 20  # 30 days of turnover
C_HINT = 51  # slot behind which an order that is about to rest belongs, or before; -1: unknown
C_SHARED = 50  # 1: several accounts, whose orders trade with each other
C_CASH = 52  # the account's money without its positions, money units
C_MARGIN = 53  # MARGIN_*
C_LEVERAGE = 54  # of isolated positions
C_SIZE = 56

# --- what perpetual positions answer with ---------------------------------------------
MARGIN_NONE = 0  # not looked at: the caller keeps the accounts
MARGIN_CROSS = 1
MARGIN_ISOLATED = 2

# --- par: float settings --------------------------------------------------------
P_SIGMA = 0  # log-normal latency: standard deviation of the logarithm
P_POWER = 1  # probabilistic queue: exponent
P_HALF_SPREAD = 2  # bars: fraction of price
P_IMPACT = 3  # bars: times sqrt(quantity / volume of the bar before)
P_SHARE = 4  # bars: share of the volume beyond a limit that can be ours
P_ROOT = 5  # accounts: impact of taking, Y x daily volatility (E9), fraction of price
P_DAY_LOTS = 6  # accounts: lots that the market trades in a day
P_SIZE = 8


Sim = Any  # the one record of SimState.core


class SimState(NamedTuple):
    """All state of one simulated exchange and of the accounts there: one record of `core_dtype`.

    One record, because numba passes it as a bare pointer, while each array costs a counted reference.
    """

    core: Array


def core_dtype(n_instruments: int, capacity: int, side: np.dtype[Any], n_accounts: int = 1) -> np.dtype[Any]:
    """The record of an exchange: its tables as nested arrays. `side` is the ladder's side_dtype."""
    return np.dtype(
        [
            ("ctl", "<i8", (C_SIZE,)),
            ("par", "<f8", (P_SIZE,)),
            ("tiers", "<i8", (MAX_TIERS, 3)),  # turnover from which it holds, maker, taker fee
            ("meta", "<i8", (n_instruments, M_SIZE)),
            ("held", "<i8", (n_accounts, n_instruments)),  # positions in lots, signed
            ("orders", "<i8", (capacity + 1, O_SIZE)),  # the last row: orders that found no room
            ("queues", "<i8", (2, 4 * capacity, Q_SIZE)),
            ("sides", side, (n_instruments, 2)),
        ]
    )
