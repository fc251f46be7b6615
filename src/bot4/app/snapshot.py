"""What a running bot tells its screen: one look, plain values, nothing of the engine.

Money is whole currency, prices quote currency, times ns UTC, durations seconds. Every key may be missing and
every number may be None or NaN: not known.
"""

from __future__ import annotations

from typing import TypedDict


class MarketRow(TypedDict, total=False):
    """One instrument's market; prices in quote currency, `age_s` since its stream last spoke."""

    instrument: str
    bid: float | None
    ask: float | None
    last: float | None
    decimals: int
    age_s: float | None
    book: str  # "ok", "gap", "stale", "crossed", "quarantined", "disconnected"


class Vote(TypedDict, total=False):
    """One source's opinion of one instrument; `direction` None when it abstains."""

    source: str
    direction: int | None
    confidence: float | None
    remark: str


class SignalRow(TypedDict, total=False):
    """What the sources say of one instrument, and what fusion makes of it."""

    instrument: str
    votes: list[Vote]
    model: str | None  # None: no model
    probability: float | None  # of a rise, by the model
    score: float | None
    threshold: float | None


class PositionRow(TypedDict, total=False):
    """One open position; `qty` signed in base currency, `unrealised` in the account's currency."""

    instrument: str
    qty: float
    entry: float | None
    mark: float | None
    decimals: int
    unrealised: float | None
    stop: float | None
    target: float | None


class Holdings(TypedDict):
    """The open positions of a live run: how many, and what they are worth together in whole currency."""

    count: int
    value: float


class Account(TypedDict, total=False):
    """The account in whole currency; `day` and `total` are results after costs.

    Of a live run it is as of the last close that was published: `as_of` says which (None: none yet), `next`
    when the next figures come.
    """

    equity: float | None
    total: float | None
    total_fraction: float | None
    day: float | None
    realised: float | None
    fees: float | None
    funding: float | None
    drawdown: float | None  # fraction of the peak, always of now
    as_of: str | None
    next: str


class LimitRow(TypedDict, total=False):
    """One limit: how much of it is used; both in the same unit, shown as `text` when given."""

    name: str
    used: float | None
    limit: float | None
    text: str


class Counters(TypedDict, total=False):
    """Counts since the start; `refused` by the word of the reason."""

    events: int
    decisions: int
    orders: int
    fills: int
    refused: dict[str, int]


class DecisionRow(TypedDict, total=False):
    """One decision, newest first in its list."""

    ts: int
    instrument: str
    outcome: str
    reason: str
    score: float | None
    text: str


class Snapshot(TypedDict, total=False):
    """One look at a running bot. Times are ns UTC, durations seconds, money whole currency."""

    mode: str  # "paper", "live", "replay", ...
    control: str  # "normal", "reduce", "pause", "emergency"
    stopped: list[str]  # parts under a partial kill, as "instrument BTC-USDT-PERP"
    synthetic: bool
    strategy: str
    venue: str
    currency: str
    market_ts: int
    speed: float | None  # times real time; None: as fast as it can
    uptime_s: float
    remaining_s: float | None
    market: list[MarketRow]
    signals: list[SignalRow]
    positions: list[PositionRow]  # not of a live run
    holdings: Holdings  # of a live run
    link: dict[str, object]  # what a live run knows of its venue and its own orders there
    breakers: dict[str, str]  # by name: closed, open, half_open
    account: Account
    limits: list[LimitRow]
    counters: Counters
    decisions: list[DecisionRow]
    notice: str  # one sentence for the operator
