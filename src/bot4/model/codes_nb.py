"""Integer codes shared by the compiled and the plain plane.

Every code that stands in an event, an order or a decision is named here once.
Kernels compare the integers; `bot4.model.names` turns them into words for people.
Codes are part of the journal format: never renumber one, only add.
"""

# --- event kinds (EVENT_DTYPE.kind) -----------------------------------------
EV_NONE = 0
# market data
EV_DEPTH_HEAD = 1  # starts a depth diff: x=first id U, seq=last id u, y=previous id pu (-1: none)
EV_SNAPSHOT_HEAD = 2  # starts a full book: seq=lastUpdateId; its levels follow as EV_DEPTH
EV_DEPTH = 3  # one level: price, qty (0 deletes); FLAG_BID, FLAG_LAST on the frame's last level
EV_BOOK_TICKER = 4  # price/qty = best bid, x/y = best ask price/qty, seq = update id
EV_TRADE = 5  # price, qty, seq = trade id; FLAG_BUYER_MAKER: the aggressor sold
EV_BAR = 6  # price=close, qty=volume, x=open, y=high, seq=low; ts_venue=open, ts_local=close time
EV_FUNDING = 7  # x = rate in 1e-8 of notional for the period, price = mark (0: last known)
EV_STATUS = 8  # instrument status: x = STATUS_* (feed gap, disconnect, quarantine); FLAG_BACKFILL: see there
EV_MARK = 9  # the venue's mark price; x = its index price (0: none)
# the venue's answers
EV_ACK = 16  # order x accepted and working
EV_REJECT = 17  # order x refused by the venue, y = REASON_*
EV_FILL = 18  # order x: price, qty of this fill, y = fee in money units, seq = venue trade id
EV_CANCELED = 19  # order x ended without (further) fill, y = REASON_*
EV_UNKNOWN = 20  # what became of order x is not known (a lost reply), y = REASON_*
EV_ADOPT = 21  # position found at the venue: x = signed lots, price = average entry, y = REASON_*
EV_CASH = 22  # cash that came or went outside trading: x = money units, y = REASON_*
EV_STREAM = 23  # the private stream: x = STATUS_* (OK, DISCONNECTED, STALE)
EV_RECONCILED = 24  # whether ledger and venue agree: x = 1 yes, 0 not (yet), y = REASON_*
EV_LIQUIDATED = (
    25  # position taken over by the simulated venue: price, qty, x = side, y = fee, seq = trade id
)
# from ourselves, the clock, the operator
EV_TIMER = 32  # the protection timer
EV_MODE = 33  # mode change asked for: x = MODE_*, y = REASON_*
EV_KILL = 34  # the kill latch was raised: y = REASON_*
EV_PREDICTION = 35  # reserved for a model that answers later: x = P(rise) in 1e-9, y = model id; not folded
EV_VIEW = 36  # a cold strategy's view: x = direction (-1, 0, 1), y = confidence in 1e-9
EV_HALT = 40  # a partial kill: x = SCOPE_* raised, -SCOPE_* released (flags 1: authorised), y = REASON_*

# --- event flags (EVENT_DTYPE.flags) -----------------------------------------
FLAG_BID = 1  # depth level belongs to the bid side
FLAG_LAST = 2  # last record of its frame: the book is whole again
FLAG_BUYER_MAKER = 4  # trade: the buyer was the maker
FLAG_MAKER = 8  # fill: we were the maker
FLAG_GAP = 16  # fill: the market jumped over the price asked for
FLAG_AMBIGUOUS = 32  # fill: the bar held both stop and target; the worse one was taken
FLAG_SYNTHETIC = 64  # made by the generative market, not recorded
FLAG_BACKFILL = 128  # bar: fetched later, nothing is decided on it; status: bars follow that fill the hole

# --- sides -------------------------------------------------------------------
BUY = 1
SELL = -1

# --- order types -------------------------------------------------------------
TYPE_LIMIT = 1
TYPE_MARKET = 2
TYPE_STOP = 3  # stop-market, triggered by trade price, held at the venue

# --- time in force -----------------------------------------------------------
TIF_GTC = 1
TIF_IOC = 2
TIF_POST = 3  # post-only: refused rather than taking

# --- order flags -------------------------------------------------------------
OF_REDUCE_ONLY = 1

# --- what an order is for ----------------------------------------------------
FOR_ENTRY = 1
FOR_EXIT = 2
FOR_STOP = 3
FOR_TARGET = 4
FOR_QUOTE = 5
FOR_FLATTEN = 6
FOR_LIQUIDATION = 7  # the venue's: no order of ours has it

# --- intent actions ----------------------------------------------------------
ACT_NEW = 1
ACT_CANCEL = 2

# --- order states ------------------------------------------------------------
ST_NONE = 0
ST_PENDING = 1  # approved, sent, not yet acknowledged: exposure counts as if filled
ST_WORKING = 2
ST_PARTIAL = 3
ST_CANCELING = 4  # cancel sent, not confirmed: exposure still counts
ST_FILLED = 5
ST_CANCELED = 6
ST_REJECTED = 7
ST_UNKNOWN = 8  # outcome not known: exposure counts as if filled, no entry until evidence comes

# --- control modes, in order of severity -------------------------------------
MODE_NORMAL = 0
MODE_REDUCE = 1
MODE_PAUSE = 2
MODE_EMERGENCY = 3

# --- what a partial kill stops ------------------------------------------------
SCOPE_INSTRUMENT = 1
SCOPE_STRATEGY = 2
SCOPE_VENUE = 3

# --- instrument status -------------------------------------------------------
STATUS_OK = 0
STATUS_GAP = 1
STATUS_STALE = 2
STATUS_CROSSED = 3
STATUS_QUARANTINED = 4
STATUS_DISCONNECTED = 5

# --- circuit breakers --------------------------------------------------------
BREAKER_CLOSED = 0
BREAKER_OPEN = 1
BREAKER_HALF_OPEN = 2

# breakers of the engine: three an instrument, one of the strategy
BK_TOXIC = 0
BK_VOLUME = 1
BK_LOSS = 2
BK_STRATEGY = 3
BK_SYSTEM = 4  # the control modes: no breaker, but told like one; before and after are MODE_*

# --- reasons: refusals, cancels, mode changes, decisions ---------------------
R_OK = 0
# gate and safety
R_KILLED = 1
R_MODE = 2
R_NOT_ENABLED = 3
R_STALE_DATA = 4
R_BOOK_INVALID = 5
R_UNCHECKED = 6  # a check could not be evaluated
R_ORDER_RATE = 7
R_TOO_MANY_ORDERS = 8
R_INSTRUMENT = 9
R_UNKNOWN_ORDER = 10  # an order of unknown outcome stands on the instrument
R_PRIVATE_DOWN = 11  # the private stream is down: order state comes by polling only
R_NOT_RECONCILED = 12  # ledger and venue have not agreed yet
R_DUPLICATE = 13  # the same intent again
R_THROTTLED = 14  # the rate budget holds no room for new risk
R_BACKLOG = 15  # the instrument's order queue is full
# order shape
R_PRICE_TICK = 16
R_QTY_LOT = 17
R_MIN_QTY = 18
R_MAX_QTY = 19
R_MIN_NOTIONAL = 20
R_PRICE_BAND = 21
R_REDUCE_ONLY = 22
R_SHORT_SPOT = 23
R_POST_WOULD_TAKE = 24
R_OVERFLOW = 25
R_EXIT_FILTER = 26  # the exit or the stop would break a filter of the venue
R_TOO_MANY_STOPS = 27
# limits
R_MAX_ORDER = 32
R_MAX_POSITION = 33
R_MAX_ASSET = 34
R_HEAT = 35
R_OPEN_RISK = 36
R_DRAWDOWN_SOFT = 37
R_DRAWDOWN_HARD = 38
R_DAILY_LOSS = 39
R_MARGIN = 40
R_EDGE = 41
R_ZERO_SIZE = 42
R_EQUITY = 43
R_LEVERAGE = 44
R_TURNOVER = 45
R_FUNDS = 46  # the venue says that the balance does not suffice
R_BREAKER = 47
# breakers that are open
R_TOXIC_FLOW = 48
R_VOLUME = 49  # volume far from the usual
R_SPREAD = 50  # spread far from the usual
R_LATENCY = 51
R_ERRORS = 52  # calls to the venue fail too often
R_LOSS = 53  # a position lost too much
R_LOSING = 54  # the strategy lost too often in a row
# post-trade: a fill that does not fit its order
R_FILL_PRICE = 59  # worse than the order's limit
R_FILL_QTY = 60  # more than was left of the order, or nothing
R_FILL_FEE = 61  # a fee that no tariff explains
# partial kills
R_KILLED_INSTRUMENT = 56
R_KILLED_STRATEGY = 57
R_KILLED_VENUE = 58
R_LIQUIDATION_NEAR = 62  # it would bring a position too near to its liquidation
R_PRICE_DOUBT = 63  # the price has jumped, and no second source confirms it
R_PNL_UNKNOWN = 55  # a position's mark, or its place at the venue, has not been known for too long
# causes of closing, cancelling or changing mode
R_SIGNAL = 64
R_STOP_LOSS = 65
R_TAKE_PROFIT = 66
R_TIME_STOP = 67
R_OPPOSITE = 68
R_SIBLING = 69  # the other leg of the bracket ended
R_REQUOTE = 70
R_OPERATOR = 71
R_FILE = 72
R_OS_SIGNAL = 73
R_COMMAND = 74
R_DRAWDOWN_DAY = 75
R_CLOCK = 76
R_JOURNAL = 77
R_IOC = 78
R_VENUE = 79
R_SELF = 80
R_END = 81
R_INTERNAL = 82
R_TIMEOUT = 83  # no answer in time
R_NETWORK = 84
R_NOT_FOUND = 85  # the venue has never seen the order, by evidence
R_RECONCILED = 86  # settled by comparison with the venue
R_ADOPTED = 87  # found at the venue, not opened by this run
R_LIQUIDATED = 88
R_ADL = 89  # closed by the venue's auto-deleveraging
R_DELISTED = 90
R_MAINTENANCE = 91
R_REPLACED = 92
R_TRIGGER_NOW = 93  # a stop that would have triggered at once
R_EXPIRED = 94
R_PANIC = 95
# decisions that led to no order
D_WARMUP = 96
D_NO_SIGNAL = 97
D_BELOW_THRESHOLD = 98
D_HOLD = 99
D_ENTER = 100
D_EXIT = 101
D_REFUSED = 102
D_QUOTE = 103
D_BUSY = 104  # an order of ours is still on its way
D_MODE_CHANGED = 105  # no decision on a trade: the control mode changed (qty: before, action: after)

N_REASONS = 128
