"""One instrument's orders at one venue: what to ask next, and what the answers mean.

No clock, no network: `next_ask` says what to do now, `answered` and `heard` take in what came back.
The desk carries it out; a test can play every interleaving. Rules kept here:

    - a command whose outcome is unknown is never repeated before evidence: the order is looked up
    - a failed look-up says nothing; only the venue's own "no such order", repeated over time, while open
      orders and trades agree, counts as absence
    - while an order is UNKNOWN, or the instrument is paused, new risk is refused; cancels and reduce-only
      orders pass
    - new risk that waited too long is dropped, so that nothing is sent when a lost network returns
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bot4.execution.asks import Answer, Ask, Line, Sweep, Verb
from bot4.execution.fills import TradeBook
from bot4.execution.lifecycle import Event, State
from bot4.execution.match import Ambiguous, Found, Lost, match_lost
from bot4.execution.outbox import Outbox
from bot4.execution.protection import exit_price
from bot4.execution.settings import DeskSettings
from bot4.execution.tracked import Tracked
from bot4.execution.turns import Turns
from bot4.model.codes_nb import (
    R_BACKLOG,
    R_BREAKER,
    R_DUPLICATE,
    R_EXIT_FILTER,
    R_EXPIRED,
    R_KILLED,
    R_NOT_FOUND,
    R_OK,
    R_REDUCE_ONLY,
    R_REQUOTE,
    R_TIMEOUT,
    R_TRIGGER_NOW,
    R_VENUE,
)
from bot4.model.values import Price
from bot4.ports.alarm import Alarm
from bot4.ports.venue import (
    NotFound,
    NotSent,
    OrderRejected,
    OrderReport,
    OutcomeUnknown,
    Throttled,
    Unsupported,
    VenueError,
)
from bot4.safety.breaker import REASONS, Breaker, Cause
from bot4.safety.gate import triggered

UNPLACED = -1
"""The base of an order that was to take another's place, while it is not known whether it did."""


class Lane(Turns):
    """The orders of one instrument, on their way to the venue and back.

    `lookup`: the venue finds orders by client id. `locks`, `lists`, `amends`: see `Turns`.
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
        *,
        lookup: bool = True,
        locks: bool = False,
        lists: bool = False,
        amends: bool = False,
        done: Callable[[str], None] = lambda client_id: None,
        placed: Callable[[str, str, int], None] = lambda client_id, name, base: None,
    ) -> None:
        super().__init__(
            index, book, settings, breaker, outbox, alarm, owner, done, placed,
            locks=locks, lists=lists, amends=amends and lookup,
        )  # fmt: skip
        self.polling = False
        self.gates: tuple[Breaker, ...] = ()
        self._lookup = lookup
        self._risk: deque[Tracked] = deque()
        self._sweep_busy = False
        self._sweep_tries = 0

    # --- from the engine ---------------------------------------------------------------------------------
    def take(self, t: Tracked) -> None:
        """A new order, once; refused at once when it may not be sent at all."""
        if t.id in self.orders:
            return
        self._enter(t)
        reason = R_OK if t.reduce_only else self._risk_reason(t.handed)
        if reason == R_OK and not t.reduce_only and len(self._risk) >= self._settings.queue_limit:
            reason = R_BACKLOG
        if reason != R_OK:
            self._apply(t, Event.REFUSE, t.handed, reason)
            return
        (self._urgent if t.reduce_only else self._risk).append(t)

    def refuse(self, t: Tracked, reason: int) -> None:
        """A new order that is not to be sent at all."""
        if t.id not in self.orders:
            self._enter(t)
            self._apply(t, Event.REFUSE, t.handed, reason)

    def recover(self, t: Tracked, sent: bool, name: str = "", base: int = UNPLACED) -> None:
        """An order live when an earlier run ended: looked up if it may have been sent, never sent again.

        `name`: of the order at the venue whose place it took (`base` lots were filled before), or may have.
        """
        if t.id in self.orders:
            return
        old = self._by_client.get(name)
        if base != UNPLACED:
            t.client_id, t.base = name, base
        self._enter(t)
        if not sent:
            self._apply(t, Event.REFUSE, t.handed, R_EXPIRED)
            return
        self._lose(t, t.handed, R_TIMEOUT)
        if old is None or not old.live:
            return
        if base != UNPLACED:
            self._replaced(old, t, t.handed)
        else:
            old.heir, t.replaces = t.id, old.id
            self.cancel(old.id, R_REQUOTE, t.handed)

    def drop_risk(self, now: int, reason: int = R_KILLED) -> None:
        """Refuse every order of new risk that was not sent yet."""
        for t in self._risk:
            if t.state is State.QUEUED and not t.busy:
                self._apply(t, Event.REFUSE, now, reason)
        self._risk.clear()

    def _risk_reason(self, now: int) -> int:
        return self.blocked() or (R_BREAKER if self._breaker.shut(now) else self._gate_reason(now))

    def _gate_reason(self, now: int) -> int:
        """The reason of the first of the session's breakers that is shut."""
        for gate in self.gates:
            if gate.shut(now):
                return REASONS[gate.cause or Cause.MANUAL]
        return R_OK

    def _admit(self, now: int) -> int:
        """Take the places of a probe in every breaker that is half open; R_OK, or why it may not begin."""
        reason = self._risk_reason(now)
        if reason == R_OK:
            for breaker in (self._breaker, *self.gates):
                breaker.allow(now)
        return reason

    # --- to the venue ------------------------------------------------------------------------------------
    def next_ask(self, line: Line, now: int, wall: int) -> Ask | None:
        """What to do now on this line, or None; the order is busy until `answered`. `wall` is ns UTC."""
        if line is Line.ASK:
            return self._next_question(now)
        return self._next_command(self._urgent if line is Line.URGENT else self._risk, now, wall)

    def wait_ns(self, line: Line, now: int) -> int:
        """How long until `next_ask` could have something by itself; news may come sooner."""
        if line is Line.ASK:
            times = [self._sweep_due] if self._live and not self._sweep_busy else []
            times += [t.due for t in self._live.values() if t.due is not None and not t.busy]
        else:
            queue = self._urgent if line is Line.URGENT else self._risk
            ready = [t for t in queue if not t.busy and not self._held_back(t)]
            times = [at for t in ready if (at := self._turn_at(t, now)) is not None]
        return max(0, min(times, default=now + self._settings.check_ns) - now)

    def _next_command(self, queue: deque[Tracked], now: int, wall: int) -> Ask | None:
        for t in sorted(queue, key=lambda t: self._turn(t, now)):
            if t.busy or t.ready > now or self._held_back(t):
                continue
            if self._locks and t.reduce_only and t.state is State.QUEUED and t.left > self._reducible(t):
                queue.remove(t)  # the position is smaller by now: the engine asks for what is left
                self._apply(t, Event.REFUSE, now, R_REDUCE_ONLY)
                continue
            if self._waits(t, now):
                self._make_room(t, now)
                continue
            other = self._mate(t, now)
            if other is None and self._hopes(t, now):
                continue
            queue.remove(t)
            if not t.live:
                continue
            if t.state is State.QUEUED:
                reason = self._stale_reason(t, now)
                if reason != R_OK:
                    self._apply(t, Event.REFUSE, now, reason)
                    continue
                self._leave(t, now, wall)
                if other is not None:
                    queue.remove(other)
                    self._leave(other, now, wall)
                    t.partner, other.partner = other.id, t.id
                    return Ask(Verb.LIST, now, t.client_id, t.order, other=other.order, id=t.id)
                return self._submit_or_amend(t, now)
            if t.cancel_wanted:
                partner, before = self._partner(t), t.cancels
                t.cancels += 1
                if partner is not None and partner.cancels and not before:
                    t.ready = now + self._settings.retry_step_ns  # its list is being cancelled: time to tell
                    queue.append(t)
                    continue
                t.busy = True
                return Ask(Verb.CANCEL, now, self._name(t), id=t.id)
        return None

    def _submit_or_amend(self, t: Tracked, now: int) -> Ask:
        old = self.orders.get(t.replaces)
        if old is not None and self._steady(old):
            lots = old.base + old.filled
            return Ask(
                Verb.AMEND, now, old.client_id, t.order, id=t.id, beside=lots * self.book.instrument.lot
            )
        if old is not None:
            self._part(old, t)
            self._placed(t.intent, "", UNPLACED)  # it goes by itself, under its own name
        return Ask(Verb.SUBMIT, now, t.client_id, t.order, id=t.id)

    def _leave(self, t: Tracked, now: int, wall: int) -> None:
        self._move(t, Event.SEND)
        if not any(o.at_venue for o in self._live.values() if o is not t):
            self._sweep_due = now + self._rhythm()
        t.busy = True
        t.sent, t.sent_wall = now, wall

    def _stale_reason(self, t: Tracked, now: int) -> int:
        if t.reduce_only:
            return R_OK
        if now - t.handed > self._settings.order_age_ns:
            return R_EXPIRED
        return self._admit(now)

    def _next_question(self, now: int) -> Ask | None:
        for t in self._live.values():
            if t.due is not None and t.due <= now and not t.busy and t.at_venue:
                if not self._lookup:
                    t.due = None
                    self._sweep_due = min(self._sweep_due, now)
                    continue
                t.busy = True
                t.due = None
                return Ask(Verb.LOOK, now, self._name(t), id=t.id)
        if self._sweep_busy or self._sweep_due > now or not any(t.at_venue for t in self._live.values()):
            return None
        self._sweep_busy = True
        return Ask(Verb.SWEEP, now, since_ns=self._since())

    def _since(self) -> int:
        walls = [t.sent_wall for t in self._live.values() if t.sent_wall]
        return max(0, min(walls, default=0) - self._settings.trades_back_ns)

    def _rhythm(self) -> int:
        return self._settings.poll_ns if self.polling else self._settings.check_ns

    # --- from the venue ----------------------------------------------------------------------------------
    def answered(self, ask: Ask, answer: Answer, now: int) -> None:
        """Take in what came of `ask`."""
        if ask.verb is Verb.SWEEP:
            self._swept(ask, answer, now)
            return
        if ask.verb is Verb.LIST:
            self._list_answered(ask, answer, now)
            return
        t = self.orders.get(ask.id)
        if t is None:
            return
        t.busy = False
        if ask.verb is Verb.SUBMIT and not t.reduce_only:
            for gate in self.gates:  # the calls and the market give the signs; the place is free
                gate.forget()
        if isinstance(answer, OrderReport):
            t.attempts = 0
            self._report(self._by_client.get(ask.client_id, t), answer, now, True)
            if t.replaces and t.live and ask.verb is Verb.AMEND:
                self._lose(t, now, R_VENUE)
            elif t.replaces and t.live:
                t.looked = True  # the order it was to replace stands as it was: that one is cancelled
            elif t.live and t.final is None and ask.verb is Verb.CANCEL:
                self._move(t, Event.CANCEL)  # taken, but the order still stands: watch it
                t.due = now + self._settings.retry_step_ns
            else:
                self._cancel_again(t, now)
            if ask.verb is Verb.CANCEL and not t.live:
                self._ask_partner(t, now)
        elif ask.verb is Verb.SUBMIT or ask.verb is Verb.AMEND:
            self._submit_failed(t, answer, now)
            self._not_replaced(t, now)
        elif ask.verb is Verb.CANCEL:
            self._cancel_failed(t, answer, now)
        else:
            self._look_failed(t, answer, now)

    def _not_replaced(self, t: Tracked, now: int) -> None:
        """An amendment failed: where it was refused, the old order stands, and its cancel goes on."""
        old = self.orders.get(t.replaces)
        if old is None:
            return
        if not t.live:
            self._part(old, t)
            old.due = now
        elif not old.live and t.state is State.UNKNOWN:
            self._part(old, t)
            self._apply(t, Event.ABSENT, now, R_NOT_FOUND)

    def _list_answered(self, ask: Ask, answer: Answer, now: int) -> None:
        """Both legs stand, or neither, or it is not known; refused as a list, each goes its own way."""
        assert ask.other is not None
        legs = [self._by_client[name] for name in (ask.client_id, ask.other.client_order_id)]
        for leg in legs:
            leg.busy = False
        if isinstance(answer, tuple):
            for leg, report in zip(legs, answer, strict=True):
                leg.attempts = 0
                self._report(leg, report, now, True)
                self._cancel_again(leg, now)
        elif isinstance(answer, OrderRejected | Unsupported) and answer.reason != R_DUPLICATE:
            self._tell("warning", legs[0], f"the venue refuses stop and target as one: {answer}")
            for leg in legs:
                leg.alone, leg.partner = True, 0
                self._apply(leg, Event.UNSENT, now, answer.reason)
                if leg.state is State.QUEUED and leg.cancel_wanted:
                    self._apply(leg, Event.CANCEL, now, leg.cancel_reason)
                elif leg.state is State.QUEUED:
                    leg.ready = now
                    self._urgent.append(leg)
        else:
            for leg in legs:
                if isinstance(answer, NotSent):
                    leg.partner = 0
                self._submit_failed(leg, answer, now)

    def _ask_partner(self, t: Tracked, now: int) -> None:
        """A leg has ended, so the other has too: ask, should the stream not tell."""
        partner = self._partner(t)
        if partner is not None and partner.live and partner.due is None:
            partner.due = now + self._settings.retry_step_ns

    def _submit_failed(self, t: Tracked, answer: Answer, now: int) -> None:
        if isinstance(answer, OrderRejected | Unsupported | NotFound) and answer.reason != R_DUPLICATE:
            if self._kept_stop(t, answer, now):
                return
            if not t.reduce_only and not isinstance(answer, NotFound):
                self._refused(answer.reason, now)
            elif not t.reduce_only:
                self._breaker.forget()  # the order to be amended has just ended: nobody's fault
            self._apply(t, Event.REJECT, now, answer.reason)
        elif isinstance(answer, NotSent):
            if not t.reduce_only:
                self._breaker.forget()
            t.attempts += 1
            pause = self._settings.pause_ns(t.attempts, t.id)
            t.ready = now + max(pause, answer.wait_ns if isinstance(answer, Throttled) else 0)
            self._apply(t, Event.UNSENT, now, answer.reason)
            if t.state is not State.QUEUED:
                return
            if t.cancel_wanted:
                self._apply(t, Event.CANCEL, now, t.cancel_reason)
            elif t.reduce_only or t.attempts <= self._settings.retry_attempts:
                (self._urgent if t.reduce_only else self._risk).appendleft(t)
                if t.attempts == self._settings.retry_attempts:
                    self._tell("warning", t, f"not sent after {t.attempts} tries: {answer}")
            else:
                self._apply(t, Event.REFUSE, now, answer.reason)
        else:
            reason = answer.reason if isinstance(answer, VenueError) else R_TIMEOUT
            self._lose(t, now, R_TIMEOUT if reason == R_DUPLICATE else reason)

    def _kept_stop(self, t: Tracked, answer: VenueError, now: int) -> bool:
        """A refused stop still protects, while there is a position: as an exit if passed, else held here."""
        if t.order is None or not t.is_stop or t.triggered or answer.reason == R_REDUCE_ONLY:
            return False
        if answer.reason == R_TRIGGER_NOW:
            self._tell("warning", t, "the stop is passed already; leaving with a capped price")
            self._apply(t, Event.UNSENT, now, answer.reason)
            self._fire(t, now)
        else:
            self.hold_stop(t, now)
        return True

    def hold_stop(self, t: Tracked, now: int) -> None:
        """Watch the price for a stop that the venue does not take, and stop new risk that would need one."""
        t.soft = True
        self._tell(
            "critical", t, "the venue does not take this stop; it is held here, the position is naked there"
        )
        self.pause(R_EXIT_FILTER)
        self._apply(t, Event.ACK, now, R_OK)

    def refuse_stop(self, t: Tracked, now: int) -> None:
        """Hold a stop here that was not sent, because the venue has no stops at all."""
        self._urgent.remove(t)
        self._move(t, Event.SEND)
        self.hold_stop(t, now)

    def poll(self, polling: bool, now: int) -> None:
        """Whether order state must be asked for (the private stream is down), or comes by itself."""
        self.polling = polling
        self._sweep_due = min(self._sweep_due, now + (self._settings.retry_step_ns if polling else 0))

    def look_up(self, client_id: str, now: int) -> None:
        """Ask for this order soon."""
        t = self._by_client.get(client_id)
        if t is not None and t.at_venue:
            t.due = now

    @property
    def price(self) -> int:
        """The last mark in ticks, 0: none yet."""
        return self._mark

    def mark(self, ticks: int, now: int) -> None:
        """The market's price: fires the stops that are held here."""
        self._mark = ticks
        for t in self.live:
            if t.soft and (ticks - t.stop_price) * t.side >= 0:
                t.soft = False
                t.state = State.QUEUED
                self._fire(t, now)

    def _fire(self, t: Tracked, now: int) -> None:
        """Send the exit that a stop becomes: at the mark, with a cap on the slippage."""
        assert t.order is not None
        ref = self._mark or t.stop_price
        cap = exit_price(ref, t.side, self._settings.exit_slippage)
        t.order = triggered(t.order, Price(cap, self.book.instrument.tick))
        t.triggered = True
        t.ready = now
        self._urgent.append(t)

    def _cancel_failed(self, t: Tracked, answer: Answer, now: int) -> None:
        """Not working any more, or not known: look it up; not sent: again, without an end."""
        t.attempts += 1
        if not t.live:
            return
        if isinstance(answer, NotSent):
            wait = answer.wait_ns if isinstance(answer, Throttled) else 0
            t.ready = now + max(wait, self._settings.pause_ns(t.attempts, t.id))
            self._urgent.append(t)
            return
        if isinstance(answer, OutcomeUnknown):
            self._move(t, Event.CANCEL)
        t.due = now if isinstance(answer, NotFound | OrderRejected) else self._later(t, now)

    def _look_failed(self, t: Tracked, answer: Answer, now: int) -> None:
        t.attempts += 1
        if t.replaces:
            t.looked = True
        elif isinstance(answer, NotFound):
            self._missed(t, now)
        if t.live:
            t.due = self._later(t, now)
            self._overdue(t, now)

    def _missed(self, t: Tracked, now: int) -> None:
        """The venue says that it has no such order: that counts only when it keeps saying so."""
        if t.misses == 0:
            t.first_miss = now
        t.misses += 1
        enough = t.misses >= self._settings.not_found_times
        if enough and now - t.first_miss >= self._settings.not_found_ns and t.evidence_from is None:
            t.evidence_from = now
            self._sweep_due = now

    def _later(self, t: Tracked, now: int) -> int:
        return now + self._settings.pause_ns(max(1, t.attempts), t.id)

    def _overdue(self, t: Tracked, now: int) -> None:
        if t.lost_at is not None and not t.told and now - t.lost_at >= self._settings.unknown_alarm_ns:
            t.told = True
            self._tell(
                "critical",
                t,
                "its outcome is unknown; new risk on the instrument is refused until it is found",
            )

    # --- sweeps ------------------------------------------------------------------------------------------
    def _swept(self, ask: Ask, answer: Answer, now: int) -> None:
        self._sweep_busy = False
        if not isinstance(answer, Sweep):
            self._sweep_tries += 1
            self._sweep_due = now + self._settings.pause_ns(self._sweep_tries, self.index)
            for t in self.live:
                self._overdue(t, now)
            return
        self._sweep_tries = 0
        self._sweep_due = now + self._rhythm()
        for trade in answer.trades:
            self.heard(trade, now, asked=True)
        seen: set[int] = set()
        for report in answer.open_orders:
            known = self._by_client.get(report.client_id) or self._by_venue.get(report.venue_id)
            if known is not None:
                seen.add(known.id)
            self.heard(report, now, asked=True)
        for t in self.live:
            if t.id not in seen and t.at_venue and not t.busy and t.sent <= ask.at and not t.replaces:
                self._unseen(t, ask, answer, now)
            if t.owed > t.filled:
                self._sweep_due = min(self._sweep_due, now + self._settings.poll_ns)
            self._overdue(t, now)

    def _unseen(self, t: Tracked, ask: Ask, sweep: Sweep, now: int) -> None:
        """Not among the open orders, though it was sent before they were asked for."""
        if not self._lookup and t.state is State.UNKNOWN and not t.venue_id:
            self._match(t, sweep, now)
        elif t.evidence_from is None:
            t.due = min(t.due if t.due is not None else now, now)
        if t.live and t.evidence_from is not None and ask.at >= t.evidence_from:
            if t.owed > t.filled:
                return  # it did trade; the trades are still to come
            self._tell("warning", t, "the venue has no such order, by repeated answer")
            if not t.reduce_only:
                self._breaker.forget()
            self._apply(t, Event.ABSENT, now, R_NOT_FOUND)

    def _match(self, t: Tracked, sweep: Sweep, now: int) -> None:
        if sweep.position is None:
            return
        lot, tick = self.book.instrument.lot, self.book.instrument.tick
        lost = Lost(t.side, t.qty * lot, t.price * tick if t.price else None, t.sent_wall)
        gap = (sweep.position - self.book.holding.lots) * lot
        window = self._settings.trades_back_ns
        found = match_lost(lost, sweep.open_orders, sweep.trades, gap, frozenset(self._by_venue), window)
        if isinstance(found, Found):
            self._link(t, found.venue_id)
            for trade in sweep.trades:
                self.heard(trade, now)
            for report in sweep.open_orders:
                self.heard(report, now, asked=True)
        elif isinstance(found, Ambiguous):
            if not t.told:
                t.told = True
                what = ", ".join(found.candidates) or "no order explains the position"
                self._tell("critical", t, f"cannot be told apart at the venue ({what}); settle it by hand")
        else:
            self._missed(t, now)

    def _lose(self, t: Tracked, now: int, reason: int) -> None:
        """The outcome of a submit is not known (or the order comes from an earlier run)."""
        if t.lost_at is None:
            t.lost_at = now
        self._apply(t, Event.LOST, now, reason)
        t.attempts = 1
        t.due = self._later(t, now)
        if not self._lookup:
            self._sweep_due = min(self._sweep_due, t.due)
