"""Mutated replies and private events through the Binance adapters and the desk: no crash, no accepted nonsense.

    python tests/chaos/fuzz_replies.py 2_000_000 1        number of answers, seed
    python tests/chaos/fuzz_replies.py 1 1 --only 4711    one answer again

Each step takes a good answer (`reply_samples`), breaks it (a field gone, null, NaN, another type, absurd or
negative numbers, exponents, text for numbers, doubled keys, torn JSON, another symbol, unknown words, more
nesting, another encoding, an HTTP status that contradicts the body) and lets the adapter answer from it. The
oracle: an error of bot4's tree, or a value that says exactly what is written in the answer (read again with
Python's `json` and `Decimal`) and that a strict reader believes. What the adapter said goes on to a desk: it
books no more than was ordered and takes no order for gone of which nothing is known. Prints one JSON
document; a finding ends the run, with the smallest change that shows it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from random import Random

import aiohttp
import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import reply_samples as r
from approving import Approver
from desk_scene import order_row

from bot4.execution import reconciler
from bot4.execution.asks import Ask, Verb
from bot4.execution.desk import Desk
from bot4.execution.lifecycle import State
from bot4.execution.tracked import tracked_from
from bot4.model import codes_nb as c
from bot4.model.errors import Bot4Error
from bot4.model.values import Rate
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock
from bot4.ports.intents import FakeIntents
from bot4.ports.secrets import ApiKey, FakeSecrets
from bot4.ports.venue import (
    AccountReport,
    NotFound,
    NotSent,
    OrderRejected,
    OrderReport,
    OutcomeUnknown,
    Throttled,
    TradeReport,
    VenueError,
    VenueUnreachable,
)
from bot4.venues.binance import market_feed
from bot4.venues.binance.endpoints import served_spot, served_usdm
from bot4.venues.binance.face import Wiring
from bot4.venues.binance.private_feed import PrivateFeed
from bot4.venues.binance.rest import Measures
from bot4.venues.binance.rules import Listing
from bot4.venues.binance.spot import BinanceSpot
from bot4.venues.binance.usdm import BinanceUsdm
from bot4.venues.depth_sync import DepthSync

MS = 10**6
I64 = 2**63
MOST = 2 * Decimal(10) ** 20
STATES = {
    "NEW": {"new", "untriggered", "triggered"},
    "PENDING_NEW": {"untriggered"},
    "PARTIALLY_FILLED": {"partially_filled"},
    "FILLED": {"filled"},
    "CANCELED": {"canceled"},
    "PENDING_CANCEL": {"new"},
    "REJECTED": {"rejected"},
    "EXPIRED": {"expired"},
    "EXPIRED_IN_MATCH": {"expired"},
    "NEW_INSURANCE": {"new", "triggered"},
    "NEW_ADL": {"new", "triggered"},
}
ALGO = {
    "NEW": {"untriggered"},
    "TRIGGERING": {"triggered"},
    "TRIGGERED": {"triggered"},
    "FINISHED": {"triggered"},
    "CANCELED": {"canceled"},
    "EXPIRED": {"expired"},
    "REJECTED": {"rejected"},
}
SIDES = {"BUY": 1, "SELL": -1}
GONE = {-2011, -2013}
SYMBOLS = {"spot": "BTC-USDT", "usdm": "BTC-USDT-PERP"}


class Finding(Exception):
    """The adapter or the desk broke an invariant."""


# --- what is served --------------------------------------------------------------------------------------


class Reply:
    """One HTTP answer, in the form that aiohttp gives it."""

    def __init__(self, status, body, headers):
        self.status, self._body, self.headers = status, body, headers

    async def read(self):
        return self._body

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return False


class Session:
    """Answers by method and the end of the path; what it does not know is not found."""

    closed = False

    def __init__(self):
        self.answers = {}

    def request(self, method, url, **_):
        path = url.path.rsplit("/", 1)[1]
        known = self.answers.get(f"{method} {path}", Served(404, b"<html>not found</html>"))
        return Reply(known.status, known.body, known.headers)


class Line:
    """What a socket stands on."""

    def close(self):
        pass


class Socket:
    """A line on which some messages come, then it ends."""

    def __init__(self, messages):
        self._messages = [aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, m, None) for m in messages]
        self._response = Line()

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._messages:
            raise StopAsyncIteration
        return self._messages.pop(0)

    async def receive(self, timeout):
        return self._messages.pop(0)

    async def send_str(self, text):
        pass

    async def close(self):
        pass


class NoLimits:
    """The rate limiter of a venue without limits."""

    async def acquire(self, charges, urgent=False, patience=0):
        pass

    def sync(self, name, used):
        if not isinstance(used, int) or used < 0:
            raise Finding(f"used {used!r} of {name}")

    def block(self, wait_ns, hard=False):
        if not 0 <= wait_ns <= 4 * 86_400 * 10**9:
            raise Finding(f"blocked for {wait_ns} ns")

    def share(self):
        return 0.0


class NoHealth:
    """Measures nothing."""

    def sample(self, ms, ok):
        pass

    def usage(self, share):
        pass


@dataclass
class Served:
    """An answer as it goes out."""

    status: int
    body: bytes
    headers: dict = field(default_factory=dict)


# --- damage ----------------------------------------------------------------------------------------------

WORDS = (
    "", "NEW", "FILLED", "CANCELED", "EXPIRED", "PARTIALLY_FILLED", "REJECTED", "A_NEW_WORD", "BUY", "SELL", "buy",
    "ETHUSDT", "btcusdt", "BTCUSDT\u0000", "TRADE", "CALCULATED", "LIMIT", "MARKET", "STOP_MARKET", "isolated",
    "LONG", "BTC", "USDT", "NaN", "Infinity", "-Infinity", "sNaN", "null", "b4t-1-1", "b4t-1-2", "b4other-1-1",
    "b4t-2-1", "٣", "１２", "1_000", " 12 ", "0x10", "\ud800", "autoclose-1", "../..", "a?b", "é" * 50, "9" * 6000,
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 71, 72, 5, 10, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, -(10**30), 0.1, -0.0,
    1.5, 1e-300, 1e300, 1e20, float("nan"), float("inf"), -float("inf"), 1_764_000_000, 1_764_000_000_000_000,
)  # fmt: skip
TEXTS = (
    "0", "-1", "1", "0.0000001", "1e5", "1E-3", "1E+999999999", "1E-999999999", "0E-999999", "-0", "99999999999999999999",
    "100000000000000000000", "0.00000000000000000000000001", "60000.05", "0.0105", "-60000", "0.010", "0.020",
    "0.02", "0.03", "+5", ".5", "5.", "1.2.3", "1,5", "60000", "59999.9", "600000", "4611686018427387904",
)  # fmt: skip
OTHERS = (None, True, False, [], {}, [None], {"a": 1}, [[]], "", 0)

CHOICES = {
    "word": WORDS, "number": NUMBERS, "text": TEXTS, "other": OTHERS, "deep": (3, 60, 400),
    "key": ("", "x", "code", "msg", "data", "e", "symbol", "event"),
}  # fmt: skip
"""What there is to choose from, by the kind of change."""


def places_of(value, path=()):
    """Every path into a JSON value, the value's own first."""
    found = [path]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places_of(inner, (*path, key))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            found += places_of(inner, (*path, k))
    return found


def at(value, path):
    for key in path:
        if not isinstance(value, dict | list):
            raise KeyError(key)
        value = value[key]
    return value


def put(value, path, new):
    """`value` with `new` at `path`."""
    if not path:
        return new
    at(value, path[:-1])[path[-1]] = new
    return value


def copy(value):
    if isinstance(value, dict):
        return {k: copy(v) for k, v in value.items()}
    return [copy(v) for v in value] if isinstance(value, list) else value


def nudged(rng, value):
    """A value that looks like the old one and is not."""
    text = str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text.lower() if rng.random() < 0.5 else text + rng.choice("X0-")
    if not number.is_finite() or abs(number.adjusted()) > 40:
        return "1"
    kind = rng.randrange(8)
    new = (
        number + 1, -number, number * 2, number / 3, number * 1000, number + Decimal("0.0005"), number * 10**12,
        number / 1000,
    )[kind]  # fmt: skip
    if isinstance(value, int) and not isinstance(value, bool):
        return int(new)
    return format(new, "f") if rng.random() < 0.8 else format(new, "e")


KINDS = [
    "drop",
    "drop",
    "null",
    "word",
    "number",
    "text",
    "text",
    "other",
    "other",
    "nudge",
    "nudge",
    "nudge",
    "swap",
    "nest",
    "deep",
    "twice",
    "key",
    "as_text",
    "as_number",
    "row",
    "rows",
    "word",
    "number",
]


def change_of(rng, value, places):
    """One change as data, so that it can be left out when a finding is made smaller."""
    path = rng.choice(places)
    kind = rng.choice(KINDS)
    choices = CHOICES.get(kind)
    if kind == "swap":
        choices = places
    more = rng.getrandbits(32) if kind == "nudge" else None if choices is None else rng.choice(choices)
    return kind, path, more


def changed(value, change):
    """`value` after one change; unchanged where the place is gone already."""
    kind, path, more = change
    try:
        old = at(value, path)
    except (KeyError, IndexError, TypeError):
        return value
    holder = at(value, path[:-1]) if path else None
    if kind == "drop" and path:
        del holder[path[-1]]
        return value
    if kind == "twice":
        if path and isinstance(holder, dict):
            holder[f"\u0001{path[-1]}"] = (
                nudged(Random(len(path)), old) if not isinstance(old, list | dict) else None
            )
        return value
    if kind == "key":
        if path and isinstance(holder, dict):
            holder[more] = holder.pop(path[-1])
        return value
    if kind in ("row", "rows"):
        if isinstance(old, list) and old:
            old.append(copy(old[0])) if kind == "row" else old.clear()
        return value
    if kind == "swap":
        try:
            new = copy(at(value, more))
        except (KeyError, IndexError, TypeError):
            return value
    elif kind == "nest":
        new = [old] if len(path) % 2 else {"a": old}
    elif kind == "deep":
        new = old
        for _ in range(more):
            new = [new]
    elif kind == "nudge":
        if isinstance(old, list | dict | bool) or old is None:
            return value
        new = nudged(Random(more), old)
    elif kind == "as_text":
        new = str(old) if not isinstance(old, list | dict) else old
    elif kind == "as_number":
        try:
            new = float(old) if "." in old else int(old)
        except (TypeError, ValueError):
            return value
    else:
        new = None if kind == "null" else copy(more)
    return put(value, path, new)


ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def written(value):
    """JSON text as bytes; doubled keys are spelt out, what has no UTF-8 is escaped."""
    text = ENCODE(value)
    text = text.replace("\\u0001", "")
    return text.encode("utf-8", "backslashreplace")


def torn(rng_seed, kind, body):
    """The bytes after one change that no JSON value can show."""
    rng = Random(rng_seed)
    spot = rng.randrange(len(body) + 1)
    if kind == "cut":
        return body[:spot]
    if kind == "bytes":
        return body[:spot] + bytes(rng.randrange(256) for _ in range(rng.randrange(1, 4))) + body[spot:]
    if kind == "flip":
        return body[:spot] + bytes([rng.randrange(256)]) + body[spot + 1 :]
    if kind == "utf16":
        return body.decode("utf-8", "replace").encode("utf-16")
    if kind == "latin":
        return body.replace(b'"', b'"\xff', 1)
    if kind == "bom":
        return b"\xef\xbb\xbf" + body
    if kind == "twice":
        return body + body
    if kind == "abyss":
        return b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"," + body[1:]
    return b""


BYTES = ("cut", "cut", "bytes", "flip", "flip", "utf16", "latin", "bom", "twice", "abyss", "empty")
REFUSALS = (
    (-1000, "unknown"), (-1003, "Too many requests"), (-1007, "Timeout"), (-1008, "busy"), (-1013, "Filter failure: LOT_SIZE"),
    (-1015, "Too many new orders"), (-1021, "Timestamp"), (-1121, "Invalid symbol."), (-2010, "Duplicate order sent."),
    (-2011, "Unknown order sent."), (-2013, "Order does not exist."), (-4046, "No need"), (-4116, "dup"), (-5022, "post"),
    (0, ""), (200, "success"), (-99999, "?"), ("-2013", "text"), (None, "null"), (1e300, "x"),
)  # fmt: skip
STATUSES = (200, 200, 201, 302, 400, 400, 401, 403, 404, 408, 418, 429, 500, 502, 503, 504)
WAITS = ("", "5", "-5", "²", "9" * 5000, "9" * 12, "soon", "٣")


def damage_of(rng, step):
    """What is done to the answers of one step: a list of (name of the answer, what, how)."""
    names = step.names
    out = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        name = rng.choice(names)
        dice = rng.random()
        if dice < 0.78:
            out.append((name, "json", change_of(rng, step.answers[name], step.places[name])))
        elif dice < 0.86:
            out.append((name, "bytes", (rng.getrandbits(32), rng.choice(BYTES))))
        elif dice < 0.93:
            out.append((name, "refusal", (rng.choice(STATUSES), rng.choice(REFUSALS), rng.choice(WAITS))))
        else:
            out.append((name, "status", (rng.choice(STATUSES), rng.choice(WAITS))))
    return out


def served(step, damage):
    """The answers as they go out."""
    values, out = {}, {}
    for name, what, how in damage:
        if what == "json":
            values[name] = changed(values[name] if name in values else copy(step.answers[name]), how)
    for name in step.names:
        out[name] = Served(200, written(values[name]) if name in values else step.bodies[name])
    for name, what, how in damage:
        if what == "bytes":
            out[name].body = torn(how[0], how[1], out[name].body)
        elif what == "refusal":
            status, (code, text), wait = how
            out[name] = Served(status, written({"code": code, "msg": text}), {"Retry-After": wait})
        elif what == "status":
            out[name].status, out[name].headers = (
                how[0],
                {"Retry-After": how[1], "x-mbx-used-weight-1m": how[1]},
            )
    return out


# --- what a strict reader believes -----------------------------------------------------------------------


def need(fact, text):
    """A finding where `fact` does not hold; what is costly to write out comes as a function."""
    if not fact:
        raise Finding(text() if callable(text) else text)


def amount(value, what, least=Decimal(0)):
    need(isinstance(value, Decimal) and value.is_finite(), f"{what} is {value!r}")
    need((least is None or value >= least) and abs(value) < MOST, f"{what} is {value}")
    need(int(value.as_tuple().exponent) >= -40, f"{what} has the digits of {value!r}")


def count(value, what, least=0):
    need(
        isinstance(value, int) and not isinstance(value, bool) and least <= value < I64,
        f"{what} is {value!r}",
    )


def moment(ns, what):
    count(ns, what)
    need(ns == 0 or 1_483_228_800 * 10**9 <= ns <= 9 * 10**18, f"{what} is {ns}")


def believable_order(o):
    amount(o.quantity, "quantity")
    amount(o.filled, "filled")
    need(o.filled <= o.quantity, f"filled {o.filled} of {o.quantity}")
    for name in ("price", "stop_price", "average"):
        value = getattr(o, name)
        if value is not None:
            amount(value, name)
            need(value > 0, f"{name} is {value}")
    need(o.side in (1, -1) or (o.side == 0 and o.state == "canceled"), f"side {o.side!r}")
    moment(o.ts_venue, "ts_venue")
    need(all(isinstance(getattr(o, n), str) for n in ("symbol", "client_id", "venue_id", "type")), "words")
    need(isinstance(o.reduce_only, bool), "reduce_only")


def believable_trade(t):
    amount(t.price, "price")
    amount(t.quantity, "quantity")
    amount(t.fee, "fee", None)
    need(t.price > 0 and t.quantity > 0, f"{t.quantity} at {t.price}")
    need(t.side in (1, -1), f"side {t.side!r}")
    need(t.trade_id.isascii() and t.trade_id.isdigit() and int(t.trade_id) < I64, f"trade id {t.trade_id!r}")
    moment(t.ts_venue, "ts_venue")


def believable_account(a):
    for b in a.balances:
        amount(b.total, "total", None)
        amount(b.available, "available", None)
    need(len({b.asset for b in a.balances}) == len(a.balances), "an asset twice")
    for p in a.positions:
        amount(p.quantity, "position", None)
        for name in ("entry_price", "mark_price", "liquidation_price"):
            value = getattr(p, name)
            if value is not None:
                amount(value, name)
                need(value > 0, f"{name} is {value}")
        count(p.leverage, "leverage")
    moment(a.ts_venue, "ts_venue")
    need(isinstance(a.can_trade, bool) and isinstance(a.hedge_mode, bool), "flags")


def believable(told):
    for one in told:
        if isinstance(one, OrderReport):
            believable_order(one)
        elif isinstance(one, TradeReport):
            believable_trade(one)
        elif isinstance(one, AccountReport):
            believable_account(one)
        else:
            raise Finding(f"{one!r} is no word of the port")


def parsed(body):
    """The JSON as Python reads it; numbers as Decimal or int."""
    return json.loads(body.decode(), parse_float=Decimal)


def number(raw):
    need(not isinstance(raw, bool) and isinstance(raw, str | int | Decimal), lambda: f"a number is {raw!r}")
    value = Decimal(raw)
    need(value.is_finite() and value.adjusted() < 400, lambda: f"a number is {raw!r}")
    return value


def number_of(raw):
    """What stands for an integer: below 1e-300 it reads as 0, as floats do."""
    value = number(raw)
    return 0 if value.adjusted() < -300 else value


class Shown:
    """The answers as a strict reader reads them, when they are asked for."""

    def __init__(self, sent):
        self._sent = sent

    def __getitem__(self, name):
        return parsed(self._sent[name].body)

    def get(self, name, default):
        return self[name] if name in self._sent else default


def whole(raw):
    """A number of an order or trade as text."""
    value = number_of(raw)
    need(value == int(value), lambda: f"a number is {raw!r}")
    return str(int(value))


def same_order(o, row, words=STATES, quantity="origQty", filled="executedQty", status="status", side="side"):
    """The report says what the row says."""
    try:
        need(o.state in words[row[status]], f"{o.state} of {row[status]!r}")
        need(o.side == SIDES[row[side]], f"side {o.side} of {row[side]!r}")
        need(o.quantity == number(row[quantity]), f"quantity {o.quantity} of {row[quantity]!r}")
        if filled:
            need(o.filled == number(row[filled]), f"filled {o.filled} of {row[filled]!r}")
    except (KeyError, TypeError) as error:
        raise Finding(f"accepted without {error}") from None


def same_trade(t, row):
    try:
        need(t.price == number(row["price"]) and t.quantity == number(row["qty"]), f"{t} of {row}")
        need(t.fee == number(row["commission"]), f"fee {t.fee} of {row['commission']!r}")
        need(int(t.trade_id) == number_of(row["id"]) and int(t.venue_id) == number_of(row["orderId"]), "ids")
        side = SIDES[row["side"]] if row.get("side") else None
        if side is None:
            need(row.get("isBuyer") not in (None, ""), "a side that is not told")
            side = 1 if str(row["isBuyer"]).lower() in ("true", "1") else -1
        need(t.side == side, f"side {t.side} of {side}")
    except (KeyError, TypeError) as error:
        raise Finding(f"accepted without {error}") from None


def right_error(error, command, sent):
    """An error claims no more than the answers show."""
    need(isinstance(error, Bot4Error), f"{type(error).__name__}: {error}")
    need(isinstance(error, VenueError), f"{type(error).__name__}: {error}")
    statuses = {s.status for s in sent.values()}
    codes = set()
    for s in sent.values():
        try:
            codes.add((s.status, int(number(parsed(s.body)["code"]))))
        except Exception:  # noqa: BLE001 - no code that a strict reader sees
            continue
    if isinstance(error, NotFound):
        need(any(400 <= status < 500 and code in GONE for status, code in codes), f"gone by {codes}")
    if isinstance(error, OrderRejected):
        shed = any(300 <= status < 500 or status == 503 for status in statuses)
        need(command and shed, f"refused by {statuses}")
    if isinstance(error, VenueUnreachable):
        need(not command, f"a command of unknown effect is told as a question: {error}")
    if isinstance(error, NotSent) and not isinstance(error, Throttled):
        need(command, f"a question is told as a command: {error}")
    if isinstance(error, Throttled):
        need(0 <= error.wait_ns <= 4 * 86_400 * 10**9, f"wait {error.wait_ns}")


# --- the stage -------------------------------------------------------------------------------------------


class Stage:
    """Both adapters over answers that are put in their mouth, and a desk for what they say."""

    def __init__(self, folder):
        self.clock = FakeClock(r.NOW_MS * MS)
        self.session = Session()
        self.venues = {}
        keys = FakeSecrets({name: ApiKey("k", "s") for name in ("binance-spot", "binance-usdm")})
        for name, kind, hosts in (
            ("spot", BinanceSpot, served_spot(1)),
            ("usdm", BinanceUsdm, served_usdm(1)),
        ):
            venue = kind(hosts, Wiring(self.clock, keys, Path(folder), parsers=None))
            venue.limiter.close()
            venue.rest.open = lambda: self.session
            venue.limiter = NoLimits()
            venue.rest.signed = lambda params, separator="": dict(params)
            venue.rest._m = Measures(self.clock, venue.sync, venue.limiter, NoHealth())
            venue.socket = self.no_socket
            self.venues[name] = venue
        self.listings = {
            name: Listing(f"binance-{name}", _rows(r.info(name == "usdm")), {}) for name in self.venues
        }
        self.orders = {}
        self.desks = {}
        for name, listing in self.listings.items():
            instrument = listing.rules[SYMBOLS[name]].instrument
            make = Approver()
            self.orders[name] = {
                "entry": make(instrument, 1, "limit", 20, price=600_000),
                "stop": make(instrument, -1, "stop", 20, stop=590_000, purpose="stop", reduce=name == "usdm"),
                "target": make(instrument, -1, "limit", 20, price=610_000, purpose="target"),
            }

    async def no_socket(self, url):
        raise VenueUnreachable("no line", c.R_NETWORK)

    def fresh(self, name):
        """The adapter as after connecting."""
        venue = self.venues[name]
        venue.listing = self.listings[name]
        venue._client_ids.clear()
        venue.sync._samples = []
        venue.sync.sample(0, r.NOW_MS * MS, r.NOW_MS * MS, 0)
        if name == "usdm":
            venue._algo_ids.clear()
            venue._waiting.clear()
        return venue

    def desk(self, name, stop=False):
        """A desk that follows one order, of which it does not know yet how it stands; the last, if it still is so."""
        desk, t, before = self.desks.get((name, stop), (None, None, None))
        if t is not None and t == before and not desk.lanes[0].paused and not desk._alarm.told:
            return desk, t
        desk, t = self.new_desk(name, stop)
        self.desks[name, stop] = desk, t, replace(t)
        return desk, t

    def new_desk(self, name, stop):
        """As `desk`, made anew."""
        instrument = self.listings[name].rules[SYMBOLS[name]].instrument
        venue = self.venues[name]
        desk = Desk(venue, [instrument], 4, "t", 1, self.clock, FakeAlarm(), FakeIntents())
        row = order_row(1, qty=20, price=600_000)
        if stop:
            row = order_row(2, side=c.SELL, qty=20, stop=590_000, purpose=c.FOR_STOP, reduce=True)
        t = tracked_from(row[0], r.STOP if stop else r.ENTRY, 0, None)
        desk.lanes[0].recover(t, sent=True)
        desk.drain()
        return desk, t


def _rows(info):
    return [msgspec.Raw(written(row)) for row in info["symbols"]]


def sound_desk(desk, t, name):
    """What the desk told the engine can be folded, and no more is booked than was ordered."""
    rows = desk.drain()
    fills = rows[rows["kind"] == c.EV_FILL]
    need((fills["price"] > 0).all() and (fills["qty"] > 0).all(), lambda: f"fills {fills}")
    need(int(fills["qty"].sum()) <= t.qty and t.filled <= t.qty, f"{t.filled} lots of {t.qty}")
    held = desk.lanes[0].book.holding
    need(abs(held.lots) <= t.qty, f"holding {held.lots}")
    if len(fills) or name == "usdm":
        need(
            held.lots == int((fills["qty"]).sum()) * t.side,
            lambda: f"holding {held.lots}, fills {fills['qty']}",
        )
    need((rows["ts_venue"] > 0).all() and (np.abs(rows["y"]) < 2**62).all(), lambda: f"rows {rows}")
    return rows


def answered(stage, name, verb, answer, stop=False):
    """The desk takes in what came of a call; of what is not known it keeps the order."""
    if isinstance(answer, VenueError) and len(str(answer)) % 8:
        return  # one in eight: to the desk they are all alike
    desk, t = stage.desk(name, stop)
    lane = desk.lanes[0]
    lane.answered(Ask(verb, 0, t.client_id), answer, 1)
    sound_desk(desk, t, name)
    if isinstance(answer, OutcomeUnknown | VenueUnreachable):
        need(t.live and t.state is State.UNKNOWN, f"{t.state!r} after {answer!r}")
    if isinstance(answer, NotSent):
        need(t.live, f"{t.state!r} after {answer!r}")


async def outcome(call):
    """What a call gives: its answer or bot4's error; anything else is a finding."""
    try:
        return await call
    except VenueError as error:
        return error
    except Finding:
        raise
    except Exception as error:
        raise Finding(f"{type(error).__name__} leaks: {error}") from error


# --- the steps: what is asked, and what must hold of the answer -------------------------------------------


def order_step(verb, which, call, row=lambda sent: parsed(next(iter(sent.values())).body), **same):
    """A call that gives the report of one order."""

    async def step(stage, name, sent):
        venue, order = stage.fresh(name), stage.orders[name][which]
        told = await outcome(call(venue, order))
        if isinstance(told, VenueError):
            right_error(told, verb is not Verb.LOOK, sent)
        else:
            believable([told])
            shown = row(sent)
            need(shown["symbol"] == "BTCUSDT" and told.symbol == SYMBOLS[name], f"of {shown['symbol']!r}")
            need(told.client_id == order.client_order_id, f"of {told.client_id!r}")
            same_order(told, shown, **same)
        if verb is not None:  # the desk amends nothing
            answered(stage, name, verb, told, stop=which == "stop")

    return step


def cancel_stop():
    """A waiting stop: its cancel shows a number only, then it is looked up."""

    async def step(stage, name, sent):
        venue = stage.fresh(name)
        venue._waiting.keep(r.STOP, "")
        told = await outcome(venue.cancel(SYMBOLS[name], r.STOP))
        if isinstance(told, VenueError):
            right_error(told, True, sent)
        else:
            believable([told])
            need(told.client_id == r.STOP, f"of {told.client_id!r}")
            done = sent["DELETE algoOrder"]
            if done.status >= 300:  # then it was found in the book, by its number
                need(told.state in STATES[parsed(sent["DELETE order"].body)["status"]], "state")
        answered(stage, name, Verb.CANCEL, told, stop=True)

    return step


def algo_order():
    async def step(stage, name, sent):
        venue = stage.fresh(name)
        venue._waiting.keep(r.STOP, "")
        told = await outcome(venue.order(SYMBOLS[name], r.STOP))
        if isinstance(told, VenueError):
            right_error(told, False, sent)
        else:
            believable([told])
            need(told.client_id == r.STOP, f"of {told.client_id!r}")
        answered(stage, name, Verb.LOOK, told, stop=True)

    return step


def oco():
    async def step(stage, name, sent):
        venue, orders = stage.fresh(name), stage.orders[name]
        told = await outcome(venue.submit_oco(orders["stop"], orders["target"]))
        if isinstance(told, VenueError):
            right_error(told, True, sent)
            return
        believable(told)
        rows = {row["clientOrderId"]: row for row in parsed(sent["POST oco"].body)["orderReports"]}
        for report, which in zip(told, ("stop", "target")):
            need(report.client_id == orders[which].client_order_id, f"{which} is {report.client_id!r}")
            same_order(report, rows[report.client_id])

    return step


def done(call, command=True):
    """A call of which only that it was done matters."""

    async def step(stage, name, sent):
        told = await outcome(call(stage.fresh(name)))
        if isinstance(told, VenueError):
            right_error(told, command, sent)
            return
        for key, one in sent.items():
            value = parsed(one.body)
            harmless = ("openOrders", -2011), ("marginType", -4046)
            if isinstance(value, dict) and "code" in value:
                code = int(number(value["code"]))
                excused = any(key.endswith(path) and code == number for path, number in harmless)
                need(code >= 0 or excused, f"done in spite of {value}")
            else:
                need(one.status < 300 and isinstance(value, dict | list), f"done by {value!r}")

    return step


def dead_man():
    async def step(stage, name, sent):
        told = await outcome(stage.fresh(name).set_dead_man(SYMBOLS[name], 60_000 * MS))
        if isinstance(told, VenueError):
            right_error(told, True, sent)
            return
        shown = parsed(sent["POST countdownCancelAll"].body)
        need(shown["symbol"] == "BTCUSDT" and number(shown["countdownTime"]) == 60_000, f"{shown}")

    return step


def leverage():
    async def step(stage, name, sent):
        told = await outcome(stage.fresh(name).set_leverage(SYMBOLS[name], 5, "isolated"))
        if isinstance(told, VenueError):
            need(isinstance(told, VenueError), "")
            return
        rows = [row for row in parsed(sent["GET positionRisk"].body) if row["symbol"] == "BTCUSDT"]
        need(
            any(number(row["leverage"]) == 5 and row["marginType"].lower() == "isolated" for row in rows),
            lambda: f"{rows}",
        )

    return step


def rows_step(path, call, same):
    """A list of orders or trades."""

    async def step(stage, name, sent):
        told = await outcome(call(stage.fresh(name)))
        if isinstance(told, VenueError):
            right_error(told, False, sent)
            return
        believable(told)
        same(told, Shown(sent))

    return step


def same_open(told, shown):
    rows = {whole(row["orderId"]): row for row in shown["GET openOrders"]}
    for report in told:
        need(report.symbol in SYMBOLS.values(), f"of {report.symbol!r}")
        if report.venue_id in rows:
            same_order(report, rows[report.venue_id])
    waiting = [row for row in shown.get("GET openAlgoOrders", []) if not row.get("actualOrderId")]
    need(len(told) == len(shown["GET openOrders"]) + len(waiting), "an order is missing")


def same_trades(path):
    def same(told, shown):
        rows = {whole(row["id"]): row for row in shown[path] if number(row["time"]) >= r.NOW_MS - 1000}
        need({t.trade_id for t in told} == set(rows), f"trades {[t.trade_id for t in told]} of {list(rows)}")
        for trade in told:
            need(trade.symbol in SYMBOLS.values(), f"of {trade.symbol!r}")
            same_trade(trade, rows[trade.trade_id])

    return same


def account():
    async def step(stage, name, sent):
        told = await outcome(stage.fresh(name).account())
        if isinstance(told, VenueError):
            right_error(told, False, sent)
            return
        believable([told])
        shown = Shown(sent)
        if name == "spot":
            rows = {
                b["asset"]: number(b["free"]) + number(b["locked"]) for b in shown["GET account"]["balances"]
            }
        else:
            rows = {b["asset"]: number(b["walletBalance"]) for b in shown["GET account"]["assets"]}
            held = {
                (p["symbol"], p.get("positionSide", "BOTH")): number(p["positionAmt"])
                for p in shown["GET positionRisk"]
            }
            need(
                sorted(p.quantity for p in told.positions) == sorted(q for q in held.values() if q),
                f"positions {told.positions}",
            )
        for asset, total in rows.items():
            there = [b.total for b in told.balances if b.asset == asset]
            need(there == [total] or (not there and not total), f"{asset}: {there} of {total}")

    return step


def rules():
    async def step(stage, name, sent):
        venue = stage.fresh(name)
        told = await outcome(venue.rules())
        if isinstance(told, VenueError):
            right_error(told, False, sent)
            return
        listed = parsed(sent["GET exchangeInfo"].body)["symbols"]
        names = [row.get("symbol") if isinstance(row, dict) else None for row in listed]
        for rule in told:
            instrument = rule.instrument
            wire = venue.listing.wire[instrument.symbol]
            need(
                wire == instrument.symbol.removesuffix("-PERP").replace("-", ""),
                f"{wire} is {instrument.symbol}",
            )
            need(names.count(wire) == 1, f"{wire} is listed {names.count(wire)} times")
            for what in ("tick", "lot", "min_qty", "max_qty", "contract"):
                amount(getattr(instrument, what), what)
                need(getattr(instrument, what) > 0, what)
            amount(instrument.min_notional, "min_notional")
            need(instrument.min_qty <= instrument.max_qty, "least above most")
            for what in ("price_up", "price_down", "market_max_qty", "maintenance", "contract_size"):
                if getattr(rule, what) is not None:
                    amount(getattr(rule, what), what)
            row = listed[names.index(wire)]
            filters = {f["filterType"]: f for f in row["filters"]}
            need(instrument.tick == number(filters["PRICE_FILTER"]["tickSize"]), "tick")
            need(instrument.lot == number(filters["LOT_SIZE"]["stepSize"]), "lot")
            try:
                instrument.record(instrument.money_exp(), Rate(0), Rate(0), 1)
            except Bot4Error:
                continue  # too fine or too large for the ledger: said so

    return step


def clock():
    async def step(stage, name, sent):
        venue = stage.fresh(name)
        venue.sync.forget()
        told = await outcome(venue.rest.measure(1))
        if isinstance(told, VenueError):
            right_error(told, False, sent)
            return
        need(
            venue.sync.venue_ns() // 10**9
            == int(number(parsed(sent["GET time"].body)["serverTime"])) // 1000,
            "time",
        )

    return step


def subscribe():
    async def step(stage, name, sent):
        venue = stage.fresh(name)
        one = sent["message"]
        told = await outcome(venue._subscribed(Socket([one.body])))
        if not isinstance(told, VenueError):
            need(int(number(parsed(one.body)["status"])) == 200, f"subscribed by {one.body!r}")

    return step


def listen_key():
    async def step(stage, name, sent):
        urls = []

        async def socket(url):
            urls.append(url)
            return Socket([])

        venue = stage.fresh(name)
        venue.socket = socket
        told = await outcome(venue._open_private())
        if isinstance(told, VenueError):
            right_error(told, False, sent)
            return
        key = parsed(sent["POST listenKey"].body)["listenKey"]
        need(
            urls[0].endswith(f"/ws/{key}")
            and str(key).isascii()
            and str(key).replace("-", "").replace("_", "").isalnum(),
            urls,
        )

    return step


MONEY_EVENTS = {
    "spot": {"executionReport", "outboundAccountPosition"},
    "usdm": {"ORDER_TRADE_UPDATE", "ALGO_UPDATE", "ACCOUNT_UPDATE"},
}


def event():
    """One private event, through the stream's reader and on to the desk."""

    async def step(stage, name, sent):
        venue = stage.fresh(name)
        feed = PrivateFeed(venue._private_plan())
        one = sent["message"]
        reason = await outcome(feed._read(Socket([one.body])))
        need(isinstance(reason, int), f"{reason!r}")
        told = []
        while not feed._queue.empty():
            told.append(feed._queue.get_nowait())
        believable(told)
        if told:
            faithful(name, one.body, told)
        elif reason == c.R_NETWORK:  # read to its end without an event: it must have been none of money
            ignored(name, one.body)
        stop = any(isinstance(e, OrderReport) and e.client_id == r.STOP for e in told)
        desk, t = stage.desk(name, stop)
        for told_event in told:
            desk.hear(told_event)
        rows = sound_desk(desk, t, name)
        mine = [e for e in told if isinstance(e, OrderReport | TradeReport) and t.client_id == e.client_id]
        linked = [e for e in told if isinstance(e, OrderReport | TradeReport) and e.venue_id == t.venue_id]
        if not mine and not linked:
            need(
                t.state is State.UNKNOWN and not len(rows[rows["kind"] == c.EV_FILL]),
                lambda: f"{t.state!r} by {told}",
            )
        if not t.live and t.left:  # it ended, and not by its fills
            need(
                any(
                    e.state in ("filled", "canceled", "expired", "rejected")
                    for e in told
                    if isinstance(e, OrderReport)
                ),
                "end",
            )

    return step


def inner(body):
    value = parsed(body)
    if isinstance(value, dict):
        for key in ("event", "data"):
            if value.get(key, None) not in (None, ""):
                return value[key]
    return value


def ignored(name, body):
    value = inner(body)
    need(isinstance(value, dict), f"{value!r} is ignored")
    need(value.get("e") not in MONEY_EVENTS[name] or (value.get("e") == "ALGO_UPDATE" and value["o"]["X"] == "FINISHED"),
         f"{value.get('e')} is ignored")  # fmt: skip
    need(value.get("e") or value.get("id") is not None, "an event without a name is ignored")


def faithful(name, body, told):
    value = inner(body)
    row = value["o"] if name == "usdm" and isinstance(value.get("o"), dict) else value
    for one in told:
        if isinstance(one, OrderReport):
            algo = value["e"] == "ALGO_UPDATE"
            same_order(one, row, ALGO if algo else STATES, "q", "" if algo else "z", "X", "S")
        elif isinstance(one, TradeReport):
            need(one.price == number(row["L"]) and one.quantity == number(row["l"]), f"{one} of {row}")
            need(
                int(one.trade_id) == number_of(row["t"]) and int(one.venue_id) == number_of(row["i"]),
                f"{one} of {row}",
            )
            need(one.quantity <= number(row["z"]) <= number(row["q"]), f"{one} of {row}")
            need(one.fee == number(row.get("n", 0)), f"fee {one.fee} of {row.get('n')!r}")


def mark():
    async def step(stage, name, sent):
        stage.fresh(name)
        instrument = stage.listings[name].rules[SYMBOLS[name]].instrument
        lane = market_feed.Lane(0, "BTCUSDT", instrument, None, DepthSync(), bytearray(), [])
        lane.due, lane.rate = r.NOW_MS * MS - 10**9, 77
        feed = market_feed.MarketFeed(None, [lane])
        try:
            feed._mark(lane, r.NOW_MS * MS, sent["message"].body)
        except Exception as error:
            raise Finding(f"{type(error).__name__} leaks: {error}") from error
        moment(lane.due, "due")
        need(isinstance(lane.rate, int) and abs(lane.rate) < I64, f"rate {lane.rate!r}")
        if lane.funding:
            rows = market_feed._funding_rows(lane)
            need(
                rows[0]["price"] > 0 and rows[0]["x"] == 77 and rows[0]["ts_venue"] <= r.NOW_MS * MS,
                lambda: f"{rows}",
            )

    return step


def compare():
    """The desk compares itself with a venue that answers so; what failed to be asked changes nothing."""

    async def step(stage, name, sent):
        stage.fresh(name)
        desk, t = stage.desk(name)
        found = await outcome(desk.reconcile(starting=len(next(iter(sent.values())).body) % 2 == 0))
        need(not isinstance(found, VenueError), f"{found!r} leaks")
        rows = desk.drain()
        fills, adopted = rows[rows["kind"] == c.EV_FILL], rows[rows["kind"] == c.EV_ADOPT]
        need(int(fills["qty"].sum()) <= t.qty and (fills["price"] > 0).all(), lambda: f"fills {fills}")
        failed = any("could not be compared" in text for _, text in desk._alarm.told)
        if failed:
            need(
                found.unknown and not len(fills) and not len(adopted),
                lambda: f"{found} though nothing is known",
            )
        need((adopted["price"] >= 0).all(), lambda: f"adopted {adopted}")
        need(t.live or t.filled == t.qty, f"{t.state!r} by a comparison")

    return step


@dataclass
class Step:
    """One call of an adapter with the answers that it needs."""

    name: str
    product: str
    answers: dict
    run: object

    @cached_property
    def names(self):
        """Of the answers."""
        return list(self.answers)

    @cached_property
    def places(self):
        """The paths into each answer."""
        return {name: places_of(value) for name, value in self.answers.items()}

    @cached_property
    def bodies(self):
        """The answers undamaged, as bytes."""
        return {name: written(value) for name, value in self.answers.items()}


def steps():
    """All of them."""
    spot, usdm = SYMBOLS["spot"], SYMBOLS["usdm"]
    fine = {"code": 200, "msg": "success"}
    state_spot = {
        "GET openOrders": [r.rest_spot(), r.rest_spot(orderId=90, clientOrderId=r.FOREIGN)],
        "GET myTrades": r.trades_spot(), "GET order": r.rest_spot(), "GET account": r.account_spot(),
        "GET apiRestrictions": {"enableWithdrawals": False, "ipRestrict": True},
    }  # fmt: skip
    state_usdm = {
        "GET openOrders": [r.rest_usdm(), r.rest_usdm(orderId=90, clientOrderId=r.FOREIGN)],
        "GET openAlgoOrders": [r.rest_algo()], "GET userTrades": r.trades_usdm(), "GET order": r.rest_usdm(),
        "GET account": r.account_usdm(), "GET positionRisk": r.positions_usdm(),
        "GET dual": {"dualSidePosition": False},
    }  # fmt: skip
    since = (r.NOW_MS - 1000) * MS

    def part(state, *names):
        return {name: state[name] for name in names}

    def submit(venue, order):
        return venue.submit(order)

    def cancel(venue, order):
        return venue.cancel(order.intent.instrument, order.client_order_id)

    def look(venue, order):
        return venue.order(order.intent.instrument, order.client_order_id)

    def amend(venue, order):
        return venue.amend(order, order.client_order_id)

    new_spot = r.rest_spot(status="NEW", executedQty="0", cummulativeQuoteQty="0", transactTime=r.NOW_MS)
    stop_spot = {
        **new_spot,
        "clientOrderId": r.STOP,
        "type": "STOP_LOSS",
        "side": "SELL",
        "stopPrice": "59000",
    }
    new_usdm = r.rest_usdm(status="NEW", executedQty="0", cumQuote="0", avgPrice="0")
    algo = {"words": ALGO, "quantity": "quantity", "filled": "", "status": "algoStatus"}
    gone = r.rest_algo(algoStatus="TRIGGERED", actualOrderId="71")
    made = [
        Step("spot submit", "spot", {"POST order": new_spot}, order_step(Verb.SUBMIT, "entry", submit)),
        Step("spot submit stop", "spot", {"POST order": stop_spot}, order_step(Verb.SUBMIT, "stop", submit)),
        Step("spot oco", "spot", {"POST oco": r.list_of_spot()}, oco()),
        Step("spot cancel", "spot", {"DELETE order": r.canceled_spot()}, order_step(Verb.CANCEL, "entry", cancel)),
        Step("spot order", "spot", {"GET order": r.rest_spot()}, order_step(Verb.LOOK, "entry", look)),
        Step("spot cancel all", "spot", {"DELETE openOrders": [r.canceled_spot()]}, done(lambda v: v.cancel_all(spot))),
        Step("spot open", "spot", part(state_spot, "GET openOrders"), rows_step("", lambda v: v.open_orders(spot), same_open)),
        Step("spot trades", "spot", part(state_spot, "GET myTrades", "GET order"),
             rows_step("", lambda v: v.trades(spot, since), same_trades("GET myTrades"))),
        Step("spot account", "spot", part(state_spot, "GET account", "GET apiRestrictions"), account()),
        Step("spot rules", "spot", {"GET exchangeInfo": r.info(False)}, rules()),
        Step("spot time", "spot", {"GET time": {"serverTime": r.NOW_MS}}, clock()),
        Step("spot subscribe", "spot", {"message": {"id": 1, "status": 200, "result": {"subscriptionId": 0}}}, subscribe()),
        Step("spot report", "spot", {"message": {"subscriptionId": 0, "event": r.report_spot()}}, event()),
        Step("spot report bare", "spot", {"message": r.report_spot(l="0.02", z="0.02", X="FILLED")}, event()),
        Step("spot canceled", "spot", {"message": r.report_spot(x="CANCELED", X="CANCELED", l="0", z="0", L="0", t=-1,
             n="0", N=None, Z="0", c="aBcD", C=r.ENTRY)}, event()),
        Step("spot balances", "spot", {"message": {"event": r.positions_spot()}}, event()),
        Step("spot compare", "spot", state_spot, compare()),
        Step("usdm submit", "usdm", {"POST order": new_usdm}, order_step(Verb.SUBMIT, "entry", submit)),
        Step("usdm submit stop", "usdm", {"POST algoOrder": r.rest_algo()}, order_step(Verb.SUBMIT, "stop", submit, **algo)),
        Step("usdm amend", "usdm", {"PUT order": new_usdm}, order_step(None, "entry", amend)),
        Step("usdm cancel", "usdm", {"DELETE order": r.rest_usdm(status="CANCELED")}, order_step(Verb.CANCEL, "entry", cancel)),
        Step("usdm cancel stop", "usdm", {"DELETE algoOrder": {"algoId": 5, "clientAlgoId": r.STOP, **fine},
             "GET algoOrder": gone, "DELETE order": r.rest_usdm(status="CANCELED", clientOrderId="x")}, cancel_stop()),
        Step("usdm order", "usdm", {"GET order": r.rest_usdm()}, order_step(Verb.LOOK, "entry", look)),
        Step("usdm stop", "usdm", {"GET algoOrder": r.rest_algo()}, algo_order()),
        Step("usdm stop gone", "usdm", {"GET algoOrder": gone, "GET order": r.rest_usdm(clientOrderId="x")}, algo_order()),
        Step("usdm cancel all", "usdm", {"DELETE allOpenOrders": fine, "DELETE algoOpenOrders": fine}, done(lambda v: v.cancel_all(usdm))),
        Step("usdm open", "usdm", part(state_usdm, "GET openOrders", "GET openAlgoOrders"),
             rows_step("", lambda v: v.open_orders(usdm), same_open)),
        Step("usdm trades", "usdm", part(state_usdm, "GET userTrades", "GET order"),
             rows_step("", lambda v: v.trades(usdm, since), same_trades("GET userTrades"))),
        Step("usdm account", "usdm", part(state_usdm, "GET account", "GET positionRisk", "GET dual"), account()),
        Step("usdm leverage", "usdm", {"POST marginType": fine, "POST leverage": {"leverage": 5, "symbol": "BTCUSDT"},
             "GET positionRisk": r.positions_usdm()}, leverage()),
        Step("usdm dead man", "usdm", {"POST countdownCancelAll": {"symbol": "BTCUSDT", "countdownTime": "60000"}}, dead_man()),
        Step("usdm rules", "usdm", {"GET exchangeInfo": r.info(True), "GET fundingInfo": [{"symbol": "BTCUSDT",
             "fundingIntervalHours": 4}]}, rules()),
        Step("usdm time", "usdm", {"GET time": {"serverTime": r.NOW_MS}}, clock()),
        Step("usdm listen key", "usdm", {"POST listenKey": {"listenKey": "pqia91ma19a5s61cv6a81va65sdf19v8a65a1"}}, listen_key()),
        Step("usdm report", "usdm", {"message": r.report_usdm()}, event()),
        Step("usdm report envelope", "usdm", {"message": {"stream": "x", "data": r.report_usdm(l="0.02", z="0.02", X="FILLED")}}, event()),
        Step("usdm liquidated", "usdm", {"message": r.report_usdm(x="CALCULATED", c="autoclose-1", o="LIQUIDATION")}, event()),
        Step("usdm ended", "usdm", {"message": r.report_usdm(x="EXPIRED", X="EXPIRED", l="0", z="0", t=0, f="IOC")}, event()),
        Step("usdm algo", "usdm", {"message": r.report_algo()}, event()),
        Step("usdm algo gone", "usdm", {"message": r.report_algo(X="TRIGGERED", ai="71")}, event()),
        Step("usdm change", "usdm", {"message": r.change_usdm()}, event()),
        Step("usdm mark", "usdm", {"message": r.mark_price()}, mark()),
        Step("usdm compare", "usdm", state_usdm, compare()),
    ]  # fmt: skip
    return made


# --- running ---------------------------------------------------------------------------------------------


async def tried(stage, step, damage):
    """One step under some damage: None, or what was found."""
    sent = served(step, damage)
    stage.session.answers = sent
    try:
        await step.run(stage, step.product, sent)
    except Finding as finding:
        return str(finding)
    except Exception as error:  # noqa: BLE001 - the oracle could not read what the adapter accepted
        return f"accepted what a strict reader cannot read: {type(error).__name__}: {error}"
    return None


async def smallest(stage, step, damage):
    """The damage without what the finding does not need."""
    kept = list(damage)
    for one in list(damage):
        less = [other for other in kept if other is not one]
        if less and await tried(stage, step, less) is not None:
            kept = less
    return kept


async def fuzz(number, seed, *, only=None, progress=None, table=None):
    """Run `number` steps; what was found, as a dict."""
    reconciler.AGAIN_S, reconciler.TRIES = 0, 1
    table = table or steps()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder)
        for step in table:  # undamaged, each must hold
            found = await tried(stage, step, [])
            if found is not None:
                raise Finding(f"{step.name}, undamaged: {found}")
        counts = Counter()
        begin = time.perf_counter()
        for k in range(number) if only is None else (only,):
            rng = Random((seed << 48) + k)
            step = table[rng.randrange(len(table))]
            damage = damage_of(rng, step)
            found = await tried(stage, step, damage)
            counts[step.name] += 1
            if found is not None:
                less = await smallest(stage, step, damage)
                shown = {name: (one.status, one.body[:600]) for name, one in served(step, less).items()}
                what = ", ".join(repr(one)[:200] for one in less)
                raise Finding(
                    f"seed {seed}, --only {k}, {step.name}: {found[:400]}\n  damage {what}\n  served {shown}"
                )
            if progress is not None and k % 5000 == 4999:
                progress(k + 1, number, time.perf_counter() - begin)
        seconds = time.perf_counter() - begin
    return {
        "answers": sum(counts.values()),
        "seed": seed,
        "per_second": round(sum(counts.values()) / seconds) if seconds else 0,
        "steps": len(counts),
        "findings": 0,
    }


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("answers", type=int, nargs="?", default=2_000_000)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--only", type=int, help="the number of one answer that is tried again")
    arguments = parser.parse_args()

    def progress(done, total, seconds):
        left = seconds / done * max(0, total - done)
        print(f"\r{done:,} of {total:,} answers, {left:.0f} s left ", end="", file=sys.stderr, flush=True)

    try:
        found = asyncio.run(fuzz(arguments.answers, arguments.seed, only=arguments.only, progress=progress))
    except Finding as finding:
        print(f"\nfinding: {finding}")
        raise SystemExit(1) from None
    print(file=sys.stderr)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
