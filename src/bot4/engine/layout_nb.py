"""Places in the engine's small arrays, and the codes of its strategies."""

# clock (int64)
CK_NOW = 0  # engine time, ns
CK_POS = 1  # events folded
CK_MARKET = 2  # market events among them
CK_TIMER = 3  # next timer, ns
CK_EQUITY = 4  # next equity sample, ns
CK_DECISIONS = 5
CK_HASH = 6  # fingerprint of all decisions
CK_ORDERS = 7  # orders and cancels handed to the venue
CK_FILLS = 8
CK_QUOTE = 9  # next quoting instant, ns
CK_QUARANTINED = 10
CK_FUNDINGS = 11
CK_ANOMALIES = 12
CK_SUBSTITUTED = 13  # funding payments charged from a conservative substitute
CK_STALE = 14  # decisions refused because data was stale or the book invalid
CK_LIQUIDATIONS = 15  # positions that the simulated venue took over
CK_UNKNOWN = 16  # since when the result is not known; 0: it is
N_CLOCK = 20

# counters of scratch space and outgoing rings, `n` (int64)
N_INTENTS = 0
N_ORDERS = 1
N_DECISIONS = 2
N_EQUITY = 3
N_BARS_DUE = 4  # instruments whose bar just closed
N_WAKE = 5  # instruments whose bar a cold strategy must see
N_RECORDED = 6  # inputs recorded
N_LAST_REASON = 7
N_LAST_ORDER = 8
N_TRIPS = 9  # changes of breakers
N_OUT = 16

# fused row of an instrument (float64)
FU_S_TA = 0
FU_C_TA = 1
FU_S_ML = 2
FU_C_ML = 3
FU_SCORE = 4
FU_P_ML = 5
N_FUSED = 6

# a hole in the trades of an instrument that has no end yet
HOLE_SYNC = 9223372036854775806  # ends with the next snapshot of the book
HOLE_FILL = 9223372036854775807  # ends with the last of the bars that fill it

# strategies
S_HYBRID = 0
S_TREND_CROSS = 1
S_QUOTER = 2
S_COMPILED = 3  # a user's compiled function
S_COLD = 4  # a user's Python class, called at bar close

# context row given to a compiled strategy (float64)
X_CLOSE = 0
X_POSITION = 1  # base currency, signed
X_BARS_HELD = 2
X_EQUITY = 3
X_TIME = 4  # seconds since 1970, UTC
N_CONTEXT = 8
N_MEMORY = 64
