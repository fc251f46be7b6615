"""Whose turn it is on one instrument: orders wait for coins, for the other leg of a list, for a cancel.

A stop and a target leave as one list where the venue has that; an order that is to take another's place holds
the cancel of that one back until it is known who stands there. The rules of coins are in `coins`.
"""

from __future__ import annotations

from collections.abc import Callable

from bot4.execution.coins import in_the_way, locked, mate, presses, rank, waits
from bot4.execution.fills import TradeBook
from bot4.execution.lifecycle import Event, State
from bot4.execution.news import OrderNews
from bot4.execution.outbox import Outbox
from bot4.execution.settings import DeskSettings
from bot4.execution.tracked import Tracked
from bot4.model.codes_nb import FOR_TARGET, R_SIBLING
from bot4.ports.alarm import Alarm
from bot4.safety.breaker import Breaker


class Turns(OrderNews):
    """What is known of one instrument's orders, and which of them may leave now.

    `locks`: a working sell locks its coins. `lists`: the venue takes a stop and a target as one, of
    which one leg cancels the other. `amends`: it gives a working limit order another price and quantity.
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
        *,
        locks: bool,
        lists: bool,
        amends: bool,
    ) -> None:
        super().__init__(index, book, settings, breaker, outbox, alarm, owner, done, placed)
        self._locks = locks
        self._lists = lists and locks
        self._amends = amends
        self._quiet_until = 0  # no target presses before: one had its turn and did not fill

    def cancel(self, order_id: int, reason: int, now: int) -> bool:
        """Cancel an order; False when it was never handed over here."""
        t = self.orders.get(order_id)
        if t is None:
            return False
        if (t.state is State.QUEUED and not t.busy) or t.soft:
            t.cancel_wanted = True
            self._apply(t, Event.CANCEL if not t.soft else Event.ENDED, now, reason)
        elif t.live and not t.cancel_wanted and t.final is None:
            t.cancel_wanted = True
            t.cancel_reason = reason
            t.ready = now
            self._urgent.append(t)
        return True

    # --- replacing ---------------------------------------------------------------------------------------
    def succeeds(self, t: Tracked, old_id: int) -> str:
        """Let the waiting `t` take the place of a working order that is to be cancelled; its name there.

        "" when it cannot: then the old one is cancelled and `t` placed by itself. Called before the cancel.
        """
        old = self.orders.get(old_id)
        if not self._amends or old is None or t.state is not State.QUEUED or old.heir or old.replaces:
            return ""
        before = self.orders.get(old.before)
        if before is not None and before.live:
            return ""
        limits = old.price > 0 and t.price > 0 and not (old.stop_price or t.stop_price)
        if not limits or old.price == t.price or old.cancel_wanted or not self._steady(old):
            return ""
        old.heir, t.replaces = t.id, old.id
        return old.client_id

    def _steady(self, t: Tracked) -> bool:
        """Whether it works at the venue as far as is known, and nothing is asked about it."""
        working = t.state in (State.WORKING, State.PARTIAL)
        return working and not t.busy and t.final is None and t.owed == t.filled

    def _held_back(self, t: Tracked) -> bool:
        """Whether the cancel of `t` waits, because another order may take or have taken its place."""
        if t.live and t.final is not None:
            return True  # it has ended; its trades are still to come
        heir = self.orders.get(t.heir) if t.heir else None
        if heir is None or not heir.live:
            return False
        return heir.state is State.QUEUED or heir.busy or (heir.state is State.UNKNOWN and not heir.looked)

    def _name(self, t: Tracked) -> str:
        """The client id to ask for: while it is in doubt who has a name, that of the order to be replaced."""
        old = self.orders.get(t.replaces)
        return t.client_id if old is None else old.client_id

    # --- coins -------------------------------------------------------------------------------------------
    def _aim(self, now: int) -> int:
        """The price that decides whether a target is reached; 0 while none is to press."""
        return 0 if now < self._quiet_until else self._mark

    def _turn(self, t: Tracked, now: int) -> int:
        return rank(t, self._aim(now)) if self._locks else 0

    def _reducible(self, t: Tracked) -> int:
        """Lots that `t` can take off the position."""
        return max(0, -t.side * self.book.holding.lots)

    def _waits(self, t: Tracked, now: int) -> bool:
        if not self._locks or not t.reduce_only:
            return False
        aim = self._aim(now)
        queued = [o for o in self._urgent if o.clearing and o.state is State.QUEUED and presses(o, aim)]
        ahead = 0 if presses(t, aim) else sum(o.left for o in queued)
        return waits(t, self._reducible(t) - ahead, self.live, aim)

    def _make_room(self, t: Tracked, now: int) -> None:
        aim = self._aim(now)
        stop = t.stop_price > 0 and not t.triggered
        if not stop and not presses(t, aim):
            return
        giving = in_the_way(t, self.live, aim)
        going = {o.id for o in giving} | {o.partner for o in giving}
        if t.left > self._reducible(t) - locked([o for o in self.live if o.id not in going], t):
            return  # it would not be enough: nothing loses its place for nothing
        if stop and any(presses(o, aim) for o in giving):
            if now < t.handed + self._settings.turn_ns:
                return
            self._quiet_until = now + self._settings.escalate_ns
        t.clearing = not stop
        for other in giving:
            self.cancel(other.id, R_SIBLING, now)

    def _mate(self, t: Tracked, now: int) -> Tracked | None:
        if not self._lists or not t.is_stop or t.triggered or t.alone or t.state is not State.QUEUED:
            return None
        return mate(t, self._urgent, self._aim(now))

    def _hopes(self, t: Tracked, now: int) -> bool:
        """Whether a stop still waits for its target: the engine may ask for them one after the other."""
        if not self._lists or not t.is_stop or t.triggered or t.alone or t.state is not State.QUEUED:
            return False
        if any(o.purpose == FOR_TARGET and o.side == t.side and not self._partner(o) for o in self.live):
            return False
        if t.hopes is None:
            t.hopes = now + self._settings.pair_ns
        return now < t.hopes

    def _turn_at(self, t: Tracked, now: int) -> int | None:
        """When `t` could be sent, or can make itself room; None: news decides."""
        if not self._waits(t, now):
            return max(t.ready, t.hopes or 0)
        turn = t.handed + self._settings.turn_ns
        if not t.stop_price or t.triggered or turn <= now:
            return None
        return turn if in_the_way(t, self.live, self._aim(now)) else None
