"""A limit order book in plain Python, written from the rules alone: the oracle of the compiled one.

The market's levels are given from outside and not used up; account orders stand between its lots. Slow
and obvious: lists are sorted anew, nothing is indexed.
"""

from dataclasses import dataclass


@dataclass
class Resting:
    id: int
    account: str
    side: int
    price: int
    left: int
    ahead: int  # lots of the market before it
    turn: int  # arrival at its price
    peak: int = 0
    shown: int = 0

    def visible(self):
        return min(self.shown, self.left) if self.peak else self.left


class PlainLob:
    def __init__(self):
        self.market = {1: {}, -1: {}}
        self.orders = []
        self.log = []  # (order id, price, lots, maker)
        self.turn = 0

    def _opposite(self, side):
        key = lambda o: (o.price * side, o.turn)  # noqa: E731
        return sorted((o for o in self.orders if o.side == -side), key=key)

    def _rest(self, order):
        self.turn += 1
        order.turn = self.turn
        order.ahead = self.market[order.side].get(order.price, 0)
        order.shown = min(order.peak, order.left)
        if order not in self.orders:
            self.orders.append(order)

    def _made(self, order, lots):
        """A resting order traded `lots`."""
        self.log.append((order.id, order.price, lots, True))
        order.left -= lots
        order.shown -= lots
        if order.left == 0:
            self.orders.remove(order)
        elif order.peak and order.shown == 0:
            self._rest(order)

    def place(self, order, policy="expire_maker", rests=True, any_price=False):
        taken = {}  # of the market, by price
        while order.left:
            own = next(iter(self._opposite(order.side)), None)
            prices = [p for p, q in self.market[-order.side].items() if q > taken.get(p, 0)]
            best = min(prices, key=lambda p: p * order.side, default=None)
            if own is not None and (best is None or (own.price - best) * order.side <= 0):
                price = own.price
                level = self.market[-order.side].get(price, 0)
                market_first = min(own.ahead, level) - taken.get(price, 0)
            elif best is not None:
                price, own = best, None
                market_first = self.market[-order.side][best] - taken.get(best, 0)
            else:
                break
            if not any_price and (price - order.price) * order.side > 0:
                break
            if market_first > 0:
                lots = min(order.left, market_first)
                taken[price] = taken.get(price, 0) + lots
                self.log.append((order.id, price, lots, False))
                order.left -= lots
            elif own.account == order.account and policy != "none":
                if self._prevent(order, own, policy):
                    return
            else:
                lots = min(order.left, own.visible())
                self._made(own, lots)
                self.log.append((order.id, price, lots, False))
                order.left -= lots
        if order.left and rests:
            self._rest(order)

    def _prevent(self, order, own, policy):
        """True when the taker has ended."""
        if policy in ("expire_maker", "expire_both"):
            self.orders.remove(own)
        if policy == "decrement":
            lots = min(order.left, own.left)
            order.left -= lots
            own.left -= lots
            own.shown = min(own.shown, own.left)
            if own.left == 0:
                self.orders.remove(own)
            return order.left == 0
        return policy != "expire_maker"

    def cancel(self, order_id):
        self.orders = [o for o in self.orders if o.id != order_id]

    def amend(self, order_id, price, left, policy):
        (order,) = (o for o in self.orders if o.id == order_id)
        if price == order.price and left <= order.left:
            order.left = left
            order.shown = min(order.shown, left)
            return
        self.orders.remove(order)
        order.price, order.left = price, left
        self.place(order, policy)

    def trade(self, price, lots, side):
        """The market traded `lots` at `price` with resting orders of `side`."""
        for order in [o for o in self._opposite(-side) if (o.price - price) * side > 0]:
            self._made_whole(order)
        used, left = 0, lots
        while left:
            here = [o for o in self._opposite(-side) if o.price == price]
            if not here:
                break
            order = here[0]
            ahead = min(left, max(0, order.ahead - used))
            used += ahead
            left -= ahead
            order.ahead = max(order.ahead, used)  # served up to here
            fill = min(left, order.visible())
            if fill:
                left -= fill
                self._made(order, fill)
        used += left
        for order in self.orders:
            if order.side == side and order.price == price:
                order.ahead = max(0, order.ahead - used)

    def _made_whole(self, order):
        self.log.append((order.id, order.price, order.left, True))
        self.orders.remove(order)

    def level(self, side, price, lots):
        """The market has `lots` at a price now (0: none)."""
        for order in self.orders:
            if order.side == side and order.price == price:
                order.ahead = min(order.ahead, lots)
        levels = self.market[side]
        before = max(levels, key=lambda p: p * side, default=None)
        if lots == 0:
            levels.pop(price, None)
            return
        levels[price] = lots
        if before is None or (price - before) * side > 0:  # a new best meets what stands opposite
            for stale in [p for p in self.market[-side] if (p - price) * side <= 0]:
                del self.market[-side][stale]
            for order in [o for o in self._opposite(side) if (o.price - price) * side <= 0]:
                self._made_whole(order)

    def depth(self, side):
        levels = dict(self.market[side])
        for order in self.orders:
            if order.side == side:
                levels[order.price] = levels.get(order.price, 0) + order.visible()
        return sorted(levels.items(), key=lambda x: -x[0] * side)
