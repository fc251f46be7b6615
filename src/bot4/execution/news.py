"""What is known of one instrument's orders: news of the venue in, answers to the engine out.

In whatever order news comes, and however often:

    - a trade is booked once, and a fill wins over everything that was thought before
    - an order's end is told to the engine only after the trades that belong to it
    - what contradicts itself pauses the instrument and calls a person
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from bot4.execution.fills import Booked, TradeBook
from bot4.execution.filters import first_fill_off
from bot4.execution.ids import parse_client_order_id
from bot4.execution.lifecycle import Effect, Event, State, step
from bot4.execution.outbox import Outbox
from bot4.execution.settings import DeskSettings
from bot4.execution.tracked import Tracked, worst_exposure
from bot4.model import names
from bot4.model.codes_nb import (
    EV_ACK,
    EV_CANCELED,
    EV_CASH,
    EV_FILL,
    EV_REJECT,
    EV_STATUS,
    EV_UNKNOWN,
    FLAG_MAKER,
    R_NOT_FOUND,
    R_OK,
    R_POST_WOULD_TAKE,
    R_RECONCILED,
    R_REPLACED,
    R_SIBLING,
    R_UNKNOWN_ORDER,
    STATUS_OK,
    STATUS_QUARANTINED,
)
from bot4.model.errors import InstrumentError
from bot4.model.values import steps_of
from bot4.ports.alarm import Alarm, Level
from bot4.ports.venue import OrderReport, TradeReport
from bot4.safety.breaker import Breaker, Cause

ENDS = {"canceled": Event.ENDED, "expired": Event.ENDED, "rejected": Event.REJECT}


class OrderNews:
    """The orders of one instrument, and what the venue said of them.

    `owner` marks our client ids; `done` hears of each client id that ended, `placed` of each order that took
    another's name at the venue: its client id, that name, and the lots filled under the name before.
    """

    def __init__(
        self,
        index: int,
        book: TradeBook,
        settings: DeskSettings,
        breaker: Breaker,
        outbox: Outbox,
        alarm: Alarm,
        owner: str,
        done: Callable[[str], None],
        placed: Callable[[str, str, int], None],
    ) -> None:
        self.index = index
        self.book = book
        self.symbol = book.instrument.symbol
        self.orders: dict[int, Tracked] = {}
        self.strays: dict[str, OrderReport] = {}
        self.illegal = 0
        self.stale = 0
        self.overfills = 0
        self.paused = R_OK
        self._settings = settings
        self._breaker = breaker
        self._out = outbox
        self._alarm = alarm
        self._owner = owner
        self._done = done
        self._placed = placed
        self._live: dict[int, Tracked] = {}
        self._by_client: dict[str, Tracked] = {}
        self._by_venue: dict[str, Tracked] = {}
        self._urgent: deque[Tracked] = deque()
        self._ended: deque[Tracked] = deque()
        self._sweep_due = 0
        self._mark = 0
        self._proven = False

    # --- what others ask ---------------------------------------------------------------------------------
    @property
    def unknown(self) -> int:
        """How many orders may or may not stand at the venue."""
        return sum(t.state is State.UNKNOWN for t in self._live.values())

    @property
    def live(self) -> list[Tracked]:
        """Orders that can still be filled."""
        return list(self._live.values())

    def worst_exposure(self) -> int:
        """The largest |position|, in lots, that can come of it."""
        return worst_exposure(self.book.holding.lots, self.live)

    def blocked(self) -> int:
        """Why new risk is refused here now, or R_OK."""
        return R_UNKNOWN_ORDER if self.unknown else self.paused

    def pause(self, reason: int) -> None:
        """Stop new risk here until `resume`; told to the engine as quarantine."""
        if self.paused == R_OK:
            self._out.put(EV_STATUS, self.index, x=STATUS_QUARANTINED, y=reason)
        self.paused = reason

    def resume(self) -> None:
        """Allow new risk again."""
        if self.paused != R_OK:
            self._out.put(EV_STATUS, self.index, x=STATUS_OK)
        self.paused = R_OK

    def heard(self, event: OrderReport | TradeReport, now: int, *, asked: bool = False) -> None:
        """Take in news of the private stream, in whatever order and however often it comes.

        `asked`: it was asked for, so that the trades come all and in their order.
        """
        t = self._by_client.get(event.client_id) or self._by_venue.get(event.venue_id)
        if isinstance(event, TradeReport):
            if t is not None and (t.heir or t.before):
                t = self._whose(t, event, now, asked)
                if t is None:
                    return
            self._trade(t, event, now)
        elif t is not None:
            self._report(t, event, now, asked)
            if t.state is not State.CANCELING:
                self._cancel_again(t, now)
        else:
            self._stray(event)

    def _cancel_again(self, t: Tracked, now: int) -> None:
        """A cancel was asked for, and the order is seen alive: cancel, ever more slowly."""
        open_there = t.live and t.final is None and t.owed < t.qty
        if t.cancel_wanted and open_there and not t.busy and t not in self._urgent:
            t.ready = now + (self._settings.pause_ns(t.cancels, t.id) if t.cancels else 0)
            self._urgent.append(t)

    # --- news of an order --------------------------------------------------------------------------------
    def _report(self, t: Tracked, report: OrderReport, now: int, asked: bool) -> None:
        heir = self._heir(t)
        if heir is not None and report.price == heir.price * self.book.instrument.tick:
            if not asked:  # news may be old, and of a time when the price was the same: ask how it stands
                heir.due = now
                return
            before = int(report.quantity / self.book.instrument.lot) - heir.qty
            self._take_over(t, heir, now, before)
            t = heir
        self._link(t, report.venue_id)
        self._join(t, report.list_id)
        t.misses, t.evidence_from = 0, None
        try:
            filled = steps_of(report.filled, self.book.instrument.lot, f"{self.symbol} filled")
        except InstrumentError as error:
            self._mismatch(f"order {t.client_id}: {error}")
            return
        if filled - t.base > t.qty or (report.side and report.side != t.side):
            word = names.SIDES[report.side]
            self._mismatch(f"the venue says {word}, {filled} lots filled, of order {t.client_id}")
            return
        t.owed = max(t.owed, filled - t.base)
        ends = ENDS.get(report.state)
        if ends is not None:
            if t.final is None:
                t.final = (ends, report.reason)
        elif report.state == "filled":
            # of less than the engine asked for, where the order before took some of the amended quantity
            t.final = t.final or (Event.ENDED, R_RECONCILED)
        else:
            self._apply(t, Event.ACK, now, R_OK, report.ts_venue)
            t.due = None if t.state is not State.CANCELING else t.due
        if t.owed > t.filled:
            if not t.live:
                self._reopen(t)
            self._sweep_due = min(self._sweep_due, now + self._settings.retry_step_ns)
        self._settle(t, now, report.ts_venue)

    def _settle(self, t: Tracked, now: int, ts_venue: int = 0) -> None:
        """Tell the end once every trade before it is booked."""
        if t.final is not None and t.filled >= t.owed and t.live:
            event, reason = t.final
            if event is Event.REJECT and not t.reduce_only and t.state in (State.SENT, State.UNKNOWN):
                self._refused(reason, now)
            self._apply(t, event, now, reason or t.cancel_reason, ts_venue)

    def _refused(self, reason: int, now: int) -> None:
        """The venue refused an order of new risk; that a post-only order would have traded is no fault."""
        detail = f"the venue refuses orders: {names.reason(reason)}"
        self._breaker.record(reason == R_POST_WOULD_TAKE, now, Cause.API_ERRORS, detail)

    def _trade(self, t: Tracked | None, trade: TradeReport, now: int) -> None:
        if self.book.known(trade):
            return
        if t is None:
            return  # not of an order followed here: reconciliation explains it
        try:
            booked = self.book.measure(trade)
        except InstrumentError as error:
            self._mismatch(f"trade {trade.trade_id}: {error}")
            return
        if booked.lots > t.left or booked.lots <= 0 or trade.side != t.side:
            self.overfills += 1
            self.book.remember(booked.number)
            self._mismatch(f"trade {trade.trade_id} of {booked.lots} lots does not fit order {t.client_id}")
            return
        if booked.estimated:
            self._tell(
                "warning", t, f"fee in {trade.fee_asset} has no known price; the taker rate is charged"
            )
        self._link(t, trade.venue_id)
        self._first_fill(t, trade, booked)
        self.book.book(trade, booked)
        t.filled += booked.lots
        t.owed = max(t.owed, t.filled)
        t.short += booked.short
        self._tell_fill(t, trade, booked)
        self._apply(t, Event.FULL if t.left == 0 else Event.PART, now, trade.reason)
        self._settle(t, now, trade.ts_venue)

    def _first_fill(self, t: Tracked, trade: TradeReport, booked: Booked) -> None:
        """The first fill shows whether the venue counts as we do: contracts, units, currency."""
        reference = t.price or self._mark
        if self._proven or reference <= 0:
            return
        self._proven = True
        expected = Decimal(reference * booked.lots)
        if first_fill_off(expected, Decimal(booked.ticks * booked.lots), self._settings.first_fill):
            self._mismatch(
                f"first fill at {trade.price}, expected near {reference * self.book.instrument.tick}"
            )

    def _tell_fill(self, t: Tracked, trade: TradeReport, booked: Booked) -> None:
        if booked.lots == booked.short:  # all of it went as the fee: money was spent, nothing is held
            self._out.put(
                EV_CASH, self.index, x=-booked.fee, y=R_RECONCILED, seq=booked.number, ts_venue=trade.ts_venue
            )
            return
        self._out.put(
            EV_FILL,
            self.index,
            x=t.id,
            y=booked.fee,
            price=booked.ticks,
            qty=booked.lots - booked.short,
            seq=booked.number,
            flags=FLAG_MAKER if trade.maker else 0,
            ts_venue=trade.ts_venue,
        )

    def _stray(self, report: OrderReport) -> None:
        """One of our ids that nobody here follows: reconciliation decides."""
        ours = parse_client_order_id(report.client_id)
        if ours is None or ours.owner != self._owner:
            return
        if report.state in ("new", "partially_filled", "untriggered", "triggered"):
            self.strays[report.client_id] = report
        else:
            self.strays.pop(report.client_id, None)

    # --- replacing ---------------------------------------------------------------------------------------
    def _heir(self, t: Tracked) -> Tracked | None:
        """The order that may have taken the place of `t` at the venue, while that is not known."""
        heir = self.orders.get(t.heir) if t.heir else None
        return heir if heir is not None and heir.live and heir.state is not State.QUEUED else None

    def _whose(self, t: Tracked, trade: TradeReport, now: int, asked: bool) -> Tracked | None:
        """Whose trade it is, of one name that two orders had; None: it is asked for again, in order."""
        old, heir = self.orders.get(t.before), self._heir(t)
        lot = self.book.instrument.lot
        if old is not None and old.live:
            if asked:
                return old if trade.quantity <= (old.owed - old.filled) * lot else t
        elif heir is None or trade.quantity <= t.left * lot:
            return t
        else:
            heir.due = now  # only the amended order can fill so much
        self._sweep_due = min(self._sweep_due, now + self._settings.retry_step_ns)
        return None

    def _take_over(self, t: Tracked, heir: Tracked, now: int, before: int = 0) -> None:
        """`t` was amended into `heir`, or was filled while that is in doubt: the name is the heir's now.

        What was booked under the name stays with `t`; whatever comes fits the quantity of `heir`. Trades
        of an earlier run's order may be missing that were counted (`before`, lots) when it was amended.
        """
        heir.client_id, heir.base = t.client_id, max(before, t.base + t.filled)
        self._placed(heir.intent, heir.client_id, heir.base)
        self._by_client[heir.client_id] = heir
        heir.venue_id, t.venue_id = t.venue_id, ""
        if heir.venue_id:
            self._by_venue[heir.venue_id] = heir
        self._part(t, heir)
        self._replaced(t, heir, now)

    def _replaced(self, t: Tracked, heir: Tracked, now: int) -> None:
        """`heir` has the name: `t` has ended, as soon as the trades before are booked."""
        if t.live:
            heir.before = t.id
            t.owed = max(t.owed, heir.base - t.base)
            t.final = (Event.ENDED, R_REPLACED)
            self._settle(t, now)

    def _part(self, t: Tracked, heir: Tracked) -> None:
        t.heir = heir.replaces = 0

    # --- states ------------------------------------------------------------------------------------------
    def _enter(self, t: Tracked) -> None:
        self.orders[t.id] = t
        self._live[t.id] = t
        self._by_client[t.client_id] = t
        self.strays.pop(t.client_id, None)

    def _link(self, t: Tracked, venue_id: str) -> None:
        if venue_id and not t.venue_id:
            t.venue_id = venue_id
            self._by_venue[venue_id] = t

    def _join(self, t: Tracked, list_id: str) -> None:
        """Legs of one list at the venue belong together, also those of an earlier run."""
        if not list_id or t.list_id:
            return
        t.list_id = list_id
        for other in self.live:
            if other is not t and other.list_id == list_id:
                t.partner, other.partner = other.id, t.id

    def _partner(self, t: Tracked) -> Tracked | None:
        return self.orders.get(t.partner) if t.partner else None

    def _move(self, t: Tracked, event: Event) -> Effect:
        state, effect = step(t.state, event)
        if effect is Effect.ILLEGAL:
            self.illegal += 1
        elif effect is Effect.STALE:
            self.stale += 1
        if t.state is State.UNKNOWN and state is not State.UNKNOWN:
            t.lost_at, t.told, t.due, t.misses, t.evidence_from = None, False, None, 0, None
        t.state = state
        return effect

    def _apply(self, t: Tracked, event: Event, now: int, reason: int, ts_venue: int = 0) -> None:
        was_live, was_unknown = t.live, t.state is State.UNKNOWN
        effect = self._move(t, event)
        if effect in (Effect.EMIT_ACK, Effect.EMIT_FILL) and not t.taken:
            t.taken = True
            if not t.reduce_only:
                self._breaker.record(True, now)
        if effect is Effect.EMIT_ACK:
            if was_unknown or not (t.acked or t.filled):
                self._out.put(EV_ACK, self.index, x=t.id, ts_venue=ts_venue)
            t.acked = True
        elif effect is Effect.EMIT_CANCELED and not t.ended:
            if not t.cancel_wanted:
                reason = self._ended_there(t, reason, now)
            self._out.put(EV_CANCELED, self.index, x=t.id, y=reason, ts_venue=ts_venue)
        elif effect is Effect.EMIT_REJECT and not t.ended:
            self._out.put(EV_REJECT, self.index, x=t.id, y=reason, ts_venue=ts_venue)
        elif effect is Effect.EMIT_UNKNOWN:
            self._out.put(EV_UNKNOWN, self.index, x=t.id, y=reason)
        elif effect in (Effect.ORPHAN, Effect.ORPHAN_FILL):
            self._orphan(t, now)
        elif effect is Effect.EMIT_FILL and t.state is State.FILLED and t.short:
            # the engine's order lacks the lots that went as fee: end it
            self._out.put(EV_CANCELED, self.index, x=t.id, y=R_RECONCILED, ts_venue=ts_venue)
        if was_live and not t.live:
            self._end(t, now)

    def _ended_there(self, t: Tracked, reason: int, now: int) -> int:
        """The venue ended `t` unasked: because its partner did something, or it is told; the reason."""
        partner = self._partner(t)
        if partner is not None and partner.live:
            partner.due = now  # what became of that one is asked for
            return R_SIBLING
        if partner is not None and (partner.cancel_wanted or partner.owed or partner.filled):
            return R_SIBLING
        stop = partner if partner is not None and partner.is_stop else t
        if stop.is_stop and self.book.holding.lots * stop.side < 0:
            self._tell("critical", stop, "the venue ended this stop by itself; a new one is placed")
        return reason

    def _orphan(self, t: Tracked, now: int) -> None:
        """It lives at the venue though it was given up here: cancel the rest, and say so."""
        self._tell("critical", t, "was taken as gone but lives at the venue; it is being cancelled")
        self._reopen(t)
        t.final = None
        t.cancel_wanted = True
        self._cancel_again(t, now)

    def _reopen(self, t: Tracked) -> None:
        """The end that was told was wrong: follow the order again."""
        t.state = State.WORKING
        self._live[t.id] = t

    def _end(self, t: Tracked, now: int) -> None:
        self._live.pop(t.id, None)
        t.due = None
        if not t.ended:
            self._ended.append(t)
        t.ended = max(1, now)
        self._done(t.intent)
        heir = self._heir(t)
        if heir is not None and t.state is State.FILLED:
            self._take_over(t, heir, now)
            heir.due = now
        elif heir is not None and not heir.busy:
            self._part(t, heir)
            self._apply(heir, Event.ABSENT, now, R_NOT_FOUND)  # what has ended cannot be amended any more
        while self._ended and now - self._ended[0].ended > self._settings.remember_ns:
            old = self._ended.popleft()
            if not old.live:
                self.orders.pop(old.id, None)
                for known, name in ((self._by_client, old.client_id), (self._by_venue, old.venue_id)):
                    if known.get(name) is old:
                        del known[name]

    def _mismatch(self, text: str) -> None:
        """Numbers that contradict each other: pause the instrument and call a person."""
        self.pause(R_RECONCILED)
        self._alarm.tell("critical", f"{self.symbol}: {text}; new risk here is paused until it is reconciled")

    def _tell(self, level: Level, t: Tracked, text: str) -> None:
        word = names.SIDES[t.side]
        size = t.qty * self.book.instrument.lot
        self._alarm.tell(level, f"{self.symbol}: order {t.client_id} ({word} {Decimal(size):f}): {text}")
