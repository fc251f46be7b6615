"""Market streams: which connection asked for what, and the messages that each stream brings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from bot4.model.values import Rate
from bot4.venues.served.books import Diffs, partial_event
from bot4.venues.served.candles import INTERVALS, candle_event, mini_ticker_event, ticker_event
from bot4.venues.served.desk import Desk
from bot4.venues.served.faults import Faults, Traffic
from bot4.venues.served.figures import plain
from bot4.venues.served.line import Line, encoded
from bot4.venues.served.spot_shapes import MS, SIDES, Json
from bot4.venues.simulator.words import DepthDiff, Liquidation, Mark, Print, Quote, Told

S = 1_000_000_000
DEPTH_PERIODS = {
    "spot": {"": 1000, "100ms": 100, "1000ms": 1000},
    "usdm": {"": 250, "100ms": 100, "500ms": 500},
}
SPACING = {"kline": 250 * MS, "ticker": S, "miniTicker": S, "markPrice": 3 * S, "markPrice@1s": S}
PARTIAL = ("5", "10", "20")


class Hub:
    """The market streams of one desk."""

    def __init__(self, desk: Desk, faults: Faults) -> None:
        self._desk = desk
        self._faults = faults
        self._lines: dict[str, dict[Line, None]] = {}
        self._diffs: dict[str, Diffs] = {}
        self._timed: dict[str, int] = {}  # stream -> when its next message is due
        self._candles: dict[str, tuple[int, int]] = {}  # stream -> start and trades of the last candle sent
        self._by_symbol: dict[str, set[str]] = {}
        desk.exchange.listen(self.hear)

    # --- subscriptions -------------------------------------------------------------------------------

    def subscribe(self, line: Line, name: str) -> None:
        """`line` gets the stream `name` from now on; a name nothing is known of stays silent."""
        self._lines.setdefault(name, {})[line] = None
        symbol, _, kind = name.partition("@")
        self._by_symbol.setdefault(symbol, set()).add(name)
        base, _, speed = kind.partition("@")
        if base == "depth" and name not in self._diffs:
            period = DEPTH_PERIODS[self._desk.product].get(speed)
            if period is not None:
                self._diffs[name] = Diffs(self._desk, symbol.upper(), period * MS)
        if self._spacing(name) is not None:
            self._timed.setdefault(name, 0)

    def unsubscribe(self, line: Line, name: str) -> None:
        """`line` gets `name` no more."""
        lines = self._lines.get(name, {})
        lines.pop(line, None)
        if not lines:
            self._lines.pop(name, None)
            self._diffs.pop(name, None)
            self._timed.pop(name, None)
            self._candles.pop(name, None)
            self._by_symbol.get(name.partition("@")[0], set()).discard(name)

    def leave(self, line: Line) -> None:
        """`line` is gone."""
        for name in [name for name, lines in self._lines.items() if line in lines]:
            self.unsubscribe(line, name)

    def of(self, line: Line) -> list[str]:
        """The streams of a connection."""
        return [name for name, lines in self._lines.items() if line in lines]

    # --- messages ------------------------------------------------------------------------------------

    def hear(self, told: Told) -> None:
        """Send on what the exchange tells."""
        if not self._lines:
            return
        if isinstance(told, Quote):
            self._both(told.symbol, "bookTicker", self._quote, told)
        elif isinstance(told, Print):
            self._print(told)
        elif isinstance(told, DepthDiff):
            for diffs in self._diffs.values():
                diffs.add(told)
        elif isinstance(told, Liquidation):
            self._forced(told)

    def _send(self, name: str, event: Json | list[Json]) -> None:
        lines = self._lines.get(name)
        if not lines:
            return
        if self._faults:
            traffic = Traffic("ws", self._desk.product, stream=name, symbol=name.partition("@")[0].upper())
            for line in list(lines):
                line.post(event, _wrapper(line, name), self._faults, traffic)
            return
        text = encoded(event)
        for line in lines:
            line.put(_wrapped(line, name, text))

    def _both(self, symbol: str, kind: str, make: Callable[[Told], Json], told: Told) -> None:
        own, every = f"{symbol.lower()}@{kind}", f"!{kind}"
        if own in self._lines or every in self._lines:
            event = make(told)
            self._send(own, event)
            self._send(every, event)

    def _quote(self, told: Told) -> Json:
        assert isinstance(told, Quote)
        figures = self._desk.figures(told.symbol)
        row: Json = {"e": "bookTicker"} if self._desk.product == "usdm" else {}
        row |= {
            "u": told.update_id,
            "s": told.symbol,
            "b": figures.price.text(told.bid),
            "B": figures.qty.text(told.bid_qty),
            "a": figures.price.text(told.ask),
            "A": figures.qty.text(told.ask_qty),
        }
        return row if self._desk.product == "spot" else row | {"T": told.ts // MS, "E": told.ts // MS}

    def _print(self, told: Print) -> None:
        figures, symbol = self._desk.figures(told.symbol), told.symbol.lower()
        spot = self._desk.product == "spot"
        if f"{symbol}@trade" in self._lines:
            row: Json = {"e": "trade", "E": told.ts // MS, "s": told.symbol, "t": told.id}
            row |= {"p": figures.price.text(told.price), "q": figures.qty.text(told.qty), "T": told.ts // MS}
            row |= {"m": told.buyer_maker, "M": True} if spot else {"X": "MARKET", "m": told.buyer_maker}
            self._send(f"{symbol}@trade", row)
        if f"{symbol}@aggTrade" in self._lines:
            row = {"e": "aggTrade", "E": told.ts // MS, "s": told.symbol, "a": told.id}
            row |= {"p": figures.price.text(told.price), "q": figures.qty.text(told.qty)}
            row |= {"f": told.id, "l": told.id, "T": told.ts // MS, "m": told.buyer_maker}
            self._send(f"{symbol}@aggTrade", row | {"M": True} if spot else row)

    def _forced(self, told: Liquidation) -> None:
        figures = self._desk.figures(told.symbol)
        price, qty = figures.price.text(told.price), figures.qty.text(told.qty)
        order = {"s": told.symbol, "S": SIDES[told.side], "o": "LIMIT", "f": "IOC", "q": qty, "p": price}
        order |= {"ap": price, "X": "FILLED", "l": qty, "z": qty, "T": str(told.ts // MS)}
        event = {"e": "forceOrder", "E": told.ts // MS, "o": order | {"T": told.ts // MS}}
        self._send(f"{told.symbol.lower()}@forceOrder", event)
        self._send("!forceOrder@arr", event)

    # --- by time -------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is due by time: depth, candles, tickers, marks."""
        now = self._desk.exchange.now_ns
        for name, diffs in list(self._diffs.items()):
            event = diffs.due(now)
            if event is not None:
                self._send(name, event)
        for name, due in list(self._timed.items()):
            spacing = self._spacing(name)
            if now >= due and spacing is not None:
                self._timed[name] = now - now % spacing + spacing
                self._periodic(name)

    def _spacing(self, name: str) -> int | None:
        """How far apart the messages of a timed stream are; None for a stream of events."""
        _, _, kind = name.partition("@")
        if name.startswith("!"):
            kind = name[1:].replace("@arr", "")
        if kind.startswith(("kline_", "continuousKline_")):
            return SPACING["kline"] if kind.rpartition("_")[2] in INTERVALS else None
        if kind in SPACING:
            return SPACING[kind]
        base, _, speed = kind.partition("@")
        if base.startswith("depth") and base[5:] in PARTIAL:
            period = DEPTH_PERIODS[self._desk.product].get(speed)
            return None if period is None else period * MS
        return None

    def _periodic(self, name: str) -> None:
        if name.startswith("!"):
            self._array(name)
            return
        symbol, _, kind = name.partition("@")
        code = symbol.upper().removesuffix("_PERPETUAL")
        if code not in self._desk.exchange.markets:
            return
        if "line_" in kind:
            self._candle(name, code, kind)
        elif kind.startswith("depth"):
            self._send(name, partial_event(self._desk, code, int(kind.partition("@")[0][5:])))
        elif kind.startswith("markPrice"):
            event = self._mark(code)
            if event is not None:
                self._send(name, event)
        else:
            self._send(name, (ticker_event if kind == "ticker" else mini_ticker_event)(self._desk, code))

    def _array(self, name: str) -> None:
        kind = name[1:].partition("@")[0]
        symbols = list(self._desk.exchange.markets)
        if kind == "markPrice":
            rows = [event for event in map(self._mark, symbols) if event is not None]
        else:
            make = ticker_event if kind == "ticker" else mini_ticker_event
            rows = [make(self._desk, symbol) for symbol in symbols]
        self._send(name, rows)

    def _mark(self, symbol: str) -> Json | None:
        told = self._desk.memory.marks.get(symbol) or self._desk.exchange.mark(symbol)
        if not isinstance(told, Mark):
            return None
        fine = Decimal("0.00000001")
        return {
            "e": "markPriceUpdate",
            "E": self._desk.exchange.now_ns // MS,
            "s": symbol,
            "p": plain(told.mark.quantize(fine)),
            "i": plain(told.index.quantize(fine)),
            "P": plain(told.mark.quantize(fine)),
            "r": plain(Rate(told.rate_e8).to_decimal()),
            "T": told.next_ns // MS,
        }

    def _candle(self, name: str, symbol: str, kind: str) -> None:
        interval = kind.rpartition("_")[2]
        candles = self._desk.exchange.klines(symbol, INTERVALS[interval], 2)
        if not candles:
            return
        sent = self._candles.get(name, (0, 0))
        last = candles[-1]
        if len(candles) == 2 and candles[0].open_ns == sent[0]:
            self._send(name, self._shaped(candle_event(self._desk, symbol, candles[0], interval, True), kind))
        if (last.open_ns, last.trades) != sent:
            self._send(name, self._shaped(candle_event(self._desk, symbol, last, interval, False), kind))
        self._candles[name] = (last.open_ns, last.trades)

    def _shaped(self, event: Json, kind: str) -> Json:
        if not kind.startswith("continuous"):
            return event
        candle = {key: value for key, value in event["k"].items() if key != "s"}
        return {"e": "continuous_kline", "E": event["E"], "ps": event["s"], "ct": "PERPETUAL", "k": candle}


def _wrapper(line: Line, name: str) -> Callable[[str], str]:
    return lambda text: _wrapped(line, name, text)


def _wrapped(line: Line, name: str, text: str) -> str:
    return f'{{"stream":"{name}","data":{text}}}' if line.combined else text
