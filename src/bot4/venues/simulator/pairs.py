"""One-cancels-the-other on spot: two legs, one quantity, one lock."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from bot4.venues.simulator.bank import Bank
from bot4.venues.simulator.bell import Bell
from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.orders import ENDED, Held, Pair, Registry
from bot4.venues.simulator.triggers import Triggers
from bot4.venues.simulator.words import ListUpdate, OrderType, Refusal, Refused, Request

Withdraw = Callable[[Held], None]
Need = Callable[[Held], tuple[str, Decimal]]


def check_pair(listing: Listing, limit: Request, stop: Request) -> None:
    """Refused unless the legs make an OCO: a limit on the far side of the price, a stop on the near side."""
    if listing.perp:
        raise Refused(Refusal.MODE, "OCO exists on spot only")
    kinds = limit.type is OrderType.LIMIT and stop.type in (OrderType.STOP, OrderType.STOP_LIMIT)
    if not kinds or (limit.symbol, limit.side, limit.qty) != (stop.symbol, stop.side, stop.qty):
        raise Refused(Refusal.OCO_PRICES, "an OCO is a limit and a stop of one market, side and quantity")
    low, high = Triggers.prices(listing, "last")
    if low is None or high is None:
        raise Refused(Refusal.OCO_PRICES, f"{listing.market.symbol} has no price yet")
    good = limit.price > high and stop.stop_price < low
    if limit.side > 0:
        good = limit.price < low and stop.stop_price > high
    if not good:
        raise Refused(
            Refusal.OCO_PRICES, f"limit {limit.price} and stop {stop.stop_price} must embrace {low}"
        )


class Pairs:
    """The pairs that live. When one leg fills, even in part, or triggers, the other is canceled."""

    def __init__(self, bank: Bank, registry: Registry, bell: Bell) -> None:
        self._bank = bank
        self._registry = registry
        self._bell = bell

    def open(self, client_id: str, legs: tuple[Held, Held], asset: str, locked: Decimal) -> Pair:
        """Two new legs become a pair that locks `locked` of `asset`."""
        number = self._registry.next_id()
        pair = Pair(number, client_id or f"b4{number}", legs, asset, locked)
        self._registry.add_pair(pair)
        for leg in legs:
            leg.order.list_id = number
        self._bank.lock(self._bank.account(legs[0].order.account), asset, locked)
        self.tell(pair)
        return pair

    def of(self, held: Held) -> Pair | None:
        """The pair whose other leg still lives, or None."""
        pair = self._registry.pairs.get(held.order.list_id)
        return None if pair is None or pair.asset == "" else pair

    def unlock(self, pair: Pair) -> None:
        """The pair's lock goes; what lives on of it must lock for itself."""
        self._bank.lock(self._bank.account(pair.legs[0].order.account), pair.asset, -pair.locked)
        pair.asset = ""
        pair.locked = Decimal(0)

    def leave(self, held: Held, need: Need, withdraw: Withdraw) -> None:
        """A leg is about to fill or trigger: it goes on alone, with a lock of its own."""
        pair = self.of(held)
        if pair is None:
            return
        self.unlock(pair)
        held.asset, held.locked = need(held)
        self._bank.lock(self._bank.account(held.order.account), held.asset, held.locked)
        other = pair.legs[1] if pair.legs[0] is held else pair.legs[0]
        if other.order.state not in ENDED:
            withdraw(other)

    def ended(self, held: Held, withdraw: Withdraw) -> None:
        """An order ended; when it was the last leg of a pair, the pair ends."""
        pair = self._registry.pairs.get(held.order.list_id)
        if pair is None or pair.done:
            return
        living = [leg for leg in pair.legs if leg.order.state not in ENDED]
        if pair.asset:  # a leg was canceled or expired by itself: the other goes with it
            self.unlock(pair)
            for leg in living:
                withdraw(leg)
            living = []
        if not living and not pair.done:
            pair.done = True
            self.tell(pair)

    def tell(self, pair: Pair) -> None:
        """One ListUpdate."""
        order = pair.legs[0].order
        self._bell.tell(
            ListUpdate(
                order.account,
                self._bell.now_ns,
                pair.id,
                pair.client_id,
                order.request.symbol,
                "all_done" if pair.done else "executing",
                tuple(leg.order.id for leg in pair.legs),
            )
        )
