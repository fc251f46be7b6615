"""The session's watch: panic conditions, the venue's health, and what its breaker did, told and journalled.

    a condition of the whole   the kill switch is tripped: cancel, flatten, end
    one source is stale        new risk on its symbol is paused, until nothing was seen for `CALM_NS`
    a breaker opens            new risk there is paused (see `breakers`), until probes were good
    a fill that does not fit   the engine has paused (`answers_nb`); a person is called
    the venue is unhealthy     new risk everywhere is refused, until its grade is better
    what is no market data     (NaN, null, zero) the instrument is in quarantine, until nothing came for
    `CALM_NS` a price in doubt           told; the engine lets nothing follow from it
    a result not known         told; the engine is in mode Reduce then

Errors are answers that were lost or that the venue itself did not understand. That no connection can be
made, or that the venue says it is in maintenance, is no error of its: the desk's rules for silence hold then.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bot4.engine.live import LiveDriver
from bot4.engine.trips import trip_document, trip_text
from bot4.execution.desk import Desk
from bot4.execution.watcher import Watcher
from bot4.live.breakers import SessionBreakers, Thresholds
from bot4.model import names
from bot4.model.codes_nb import (
    EV_FILL,
    FOR_QUOTE,
    MODE_REDUCE,
    R_FILL_FEE,
    R_FILL_PRICE,
    R_FILL_QTY,
    R_MAINTENANCE,
    R_NETWORK,
    R_PANIC,
    R_PNL_UNKNOWN,
    R_UNCHECKED,
    R_VENUE,
    ST_PARTIAL,
    ST_WORKING,
)
from bot4.model.names import reason as reason_word
from bot4.ports import journal as port
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.ports.journal import Journal
from bot4.safety.breaker import REASONS, Change, State
from bot4.safety.killswitch import KillSwitch
from bot4.safety.panic import Limits, Panic, Seen
from bot4.venues.health import Health

CALM_NS = 10 * 10**9
"""A paused symbol is resumed when its condition was not seen for so long."""
SENT_KEPT = 10_000
FILL_REASONS = (R_FILL_PRICE, R_FILL_QTY, R_FILL_FEE)
LOOK_NS = 50 * 10**6
SILENCE = (R_NETWORK, R_MAINTENANCE)


class Watch(Watcher):
    """Observes one session; `health` gives the venue's grade, where its adapter keeps one."""

    def __init__(
        self,
        driver: LiveDriver,
        desk: Desk,
        symbols: list[str],
        switch: KillSwitch,
        journal: Journal,
        clock: Clock,
        alarm: Alarm,
        limits: Limits,
        health: Callable[[], Health] | None,
        thresholds: Thresholds | None = None,
    ) -> None:
        self.panic = Panic(limits)
        self.grade = Health.UNKNOWN
        self.states: dict[str, str] = {}  # of breakers that ever changed: state by name and scope
        self._driver = driver
        self._engine = driver.engine
        self._desk = desk
        self._symbols = symbols
        self._switch = switch
        self._journal = journal
        self._clock = clock
        self._alarm = alarm
        self._health = health
        self._sent: OrderedDict[int, float] = OrderedDict()  # order id: price at its decision, in ticks
        self._paused: dict[str, tuple[int, int]] = {}  # symbol: when its condition was last seen, and which
        self._doubted = np.zeros(len(symbols), bool)
        self._blind = False
        self._looked = clock.monotonic_ns()
        self.breakers = SessionBreakers(thresholds or Thresholds(), symbols, desk, self._breaker_changed)
        self._odd_fills = {reason: int(self._engine.safety.refusals[reason]) for reason in FILL_REASONS}

    # --- what happens --------------------------------------------------------------------------------------
    def called(self, good: bool, took_ns: int, reason: int = 0) -> None:
        """A call of the desk ended."""
        now = self._clock.monotonic_ns()
        if good or reason not in SILENCE:
            self._act(self.panic.call(good, now))
            self.breakers.called(good, now)
        if good:
            self._act(self.panic.latency(took_ns, now))
            self.breakers.round_trip(self.panic.median_latency(now), took_ns, now)

    def changed(self, change: Change) -> None:
        """The breaker of the desk changed; the desk has told."""
        self.states[f"{change.breaker} {change.scope or 'venue'}"] = change.after.name.lower()
        until = self._driver.now + change.wait_ns if change.wait_ns else None
        self._note(
            {
                "what": "breaker",
                "breaker": change.breaker,
                "level": change.level.value,
                "scope": change.scope or "venue",
                "before": change.before.name,
                "after": change.after.name,
                "cause": None if change.cause is None else change.cause.value,
                "reason": None if change.cause is None else names.reason(REASONS[change.cause]),
                "why": change.detail,
                "value": change.value if math.isfinite(change.value) else None,
                "limit": change.limit if math.isfinite(change.limit) else None,
                "until_ns": until,
            }
        )

    def _breaker_changed(self, change: Change) -> None:
        """One of the session's breakers changed: told here."""
        opened = change.after is State.OPEN
        rest = f"; new risk stops for {change.wait_ns / 1e9:g} s at least" if opened else ""
        text = f"breaker {change.breaker} is {change.after.name}: {change.detail}{rest}"
        self._alarm.tell("critical" if opened else "warning", text)
        self.changed(change)

    def tripped(self, rows: np.ndarray[Any, Any]) -> None:
        """Breakers of the engine changed; they are in the journal."""
        for row in rows:
            self._alarm.tell(*trip_text(row, self._symbols))
            told = trip_document(row, self._symbols)
            self.states[f"{told['breaker']} {told['scope']}"] = told["after"]

    def refused(self, order_id: int, failed: Mapping[str, int]) -> None:
        """The desk's guard refused an order: the journal gets all checks that did."""
        checks = {name: reason_word(reason) for name, reason in failed.items()}
        self._note({"what": "refused", "order": order_id, "checks": checks})

    def sent(self, rows: np.ndarray[Any, Any]) -> None:
        """Orders are handed over: the price at their decision is the mark, of a stop its own price."""
        for row in rows:
            at = int(row["stop_price"]) or int(self._engine.inst[int(row["instrument"])]["mark"])
            self._sent[int(row["id"])] = float(at)
            if len(self._sent) > SENT_KEPT:
                self._sent.popitem(last=False)

    def filled(self, rows: np.ndarray[Any, Any]) -> None:
        """Fills were folded; those of orders of an earlier run have no known decision price here."""
        self._tell_odd_fills()
        for row in rows[rows["kind"] == EV_FILL]:
            at = self._sent.get(int(row["x"]))
            order = self._engine.orders.table[self._engine.orders.table["id"] == row["x"]]
            if at is not None and len(order):
                symbol = self._symbols[int(row["instrument"])]
                self._act(self.panic.fill(symbol, int(order[0]["side"]), float(row["price"]), at))

    def _tell_odd_fills(self) -> None:
        """The engine found a fill that does not fit its order, and has paused: a person must look."""
        for reason, before in self._odd_fills.items():
            count = int(self._engine.safety.refusals[reason])
            if count > before:
                self._odd_fills[reason] = count
                word = reason_word(reason)
                self._alarm.tell(
                    "critical", f"a fill does not fit its order ({word}); paused until an authorised release"
                )
                self._note({"what": "post-trade", "reason": word})

    def quoted(self, instruments: np.ndarray[Any, Any]) -> None:
        """Market data of these instruments was folded."""
        now = self._clock.monotonic_ns()
        for inst in instruments:
            symbol, top = self._symbols[int(inst)], self._engine.book.top[int(inst)]
            self.panic.heard("venue", symbol, now)
            if (
                top["quote_bid"] > 0 and top["quote_ask"] > top["quote_bid"]
            ):  # else the book is refused as such
                bid, ask = float(top["quote_bid"]), float(top["quote_ask"])
                self.breakers.spread(symbol, self.panic.spread_times(symbol, bid, ask, now), now)

    def unreadable(self, symbol: str) -> None:
        """Something came of `symbol` that is no market data."""
        text = "prices or sizes that are none came (NaN, null, zero, text)"
        self._pause(symbol, R_UNCHECKED, text, {"what": "unreadable", "symbol": symbol})

    # --- the timer -----------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Look, several times within the shortest limit, until cancelled."""
        every = min(self.panic.limits.stale_ns // 5, LOOK_NS)
        while True:
            await asyncio.sleep(every / 1e9)
            self.look()

    def look(self) -> None:
        """Staleness, the venue's health, and pauses that are over."""
        now = self._clock.monotonic_ns()
        late = now - self._looked > self.panic.limits.stale_ns // 2
        self._looked = now
        if not late:  # else this process stood still: what has come is not read yet
            self.panic.quoting(self._quoting())
            for seen in self.panic.look(now):
                self._act(seen)
        for symbol, (since, reason) in list(self._paused.items()):
            if now - since > CALM_NS:
                del self._paused[symbol]
                self._desk.resume(symbol, reason)
                self._alarm.tell("info", f"{symbol}: calm for {CALM_NS / 1e9:g} s; new risk is allowed again")
        if self.panic.median_latency(now) != self.panic.median_latency(now):
            self.breakers.no_round_trip(now)
        self.breakers.look(now)
        self._look_at_health()

    def notice(self) -> None:
        """Tell what the engine has found by itself; called with every turn of the protection timer."""
        self._look_at_prices()
        self._look_at_mode()

    def _look_at_prices(self) -> None:
        """Prices that came into doubt, or are out of it."""
        rows = self._engine.inst
        for inst in np.flatnonzero((rows["doubt"] != 0) != self._doubted):
            self._doubted[inst] = not self._doubted[inst]
            symbol, tick = self._symbols[int(inst)], float(self._engine.spec[int(inst)]["tick_size"])
            mark, odd = (float(rows[int(inst)][name]) * tick for name in ("mark", "doubted"))
            if self._doubted[inst]:
                text = f"the price jumped from {mark:g} to {odd:g}, and no second source confirms it"
                self._alarm.tell("critical", f"{symbol}: {text}; nothing follows from it")
            else:
                self._alarm.tell("warning", f"{symbol}: the price is out of doubt, at {mark:g}")
            self._note({"what": "price", "symbol": symbol, "doubt": bool(self._doubted[inst]), "odd": odd})

    def _look_at_mode(self) -> None:
        """The engine gave up on a result that it could not know, or knows it again."""
        control = self._engine.safety.control[0]
        blind = int(control["mode"]) == MODE_REDUCE and int(control["mode_reason"]) == R_PNL_UNKNOWN
        if blind == self._blind:
            return
        self._blind = blind
        if blind:
            self._alarm.tell(
                "critical",
                "the result of an open position has not been known for too long: mode reduce. Loss limits "
                "cannot be looked at: no new risk is taken, stops stand, nothing is sold at an old price",
            )
        else:
            self._alarm.tell("warning", "the result is known again")
        self._note({"what": "result", "known": not blind})

    def _quoting(self) -> set[str]:
        table = self._engine.orders.table
        live = (table["purpose"] == FOR_QUOTE) & np.isin(table["status"], (ST_WORKING, ST_PARTIAL))
        return {self._symbols[int(inst)] for inst in np.unique(table["instrument"][live])}

    def _look_at_health(self) -> None:
        if self._health is None:
            return
        before, self.grade = self.grade, self._health()
        if (before is Health.UNHEALTHY) == (self.grade is Health.UNHEALTHY):
            return
        if self.grade is Health.UNHEALTHY:
            self._desk.stop_risk(R_VENUE)
            self._alarm.tell("critical", "the venue is unhealthy (more than 5 % errors): no new risk is sent")
        else:
            self._desk.allow_risk()
            self._alarm.tell("warning", f"the venue is {self.grade.name.lower()}: new risk is allowed again")
        self._note({"what": "health", "before": before.name, "after": self.grade.name})

    # --- what follows --------------------------------------------------------------------------------------
    def _act(self, seen: Seen | None) -> None:
        if seen is None or self._switch.latched:
            return
        if seen.whole:
            self._note({"what": "panic", **seen._asdict()})
            self._switch.trip(R_PANIC, str(seen))
            return
        symbol = seen.scope.rpartition(":")[2]
        self._pause(symbol, R_PANIC, str(seen), {"what": "panic", **seen._asdict()})

    def _pause(self, symbol: str, reason: int, text: str, record: dict[str, Any]) -> None:
        """Pause new risk on `symbol`; one that is paused already stays so for longer."""
        now = self._clock.monotonic_ns()
        if symbol in self._paused:
            self._paused[symbol] = (now, self._paused[symbol][1])
        elif self._desk.pause(symbol, reason):
            self._paused[symbol] = (now, reason)
            self._alarm.tell("critical", f"{symbol}: {text}; new risk there is paused")
            self._note(record)

    def _note(self, record: dict[str, Any]) -> None:
        stamps = {"wall_ns": self._clock.now_ns(), "engine_ns": self._driver.now}
        self._journal.append(port.NOTE, {**record, **stamps})
        self._journal.commit()
