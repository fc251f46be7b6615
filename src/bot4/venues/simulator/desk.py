"""The desk takes orders in and carries out what the book did to them, with the money that goes along."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

from bot4.model import codes_nb as c
from bot4.venues.simulator import admission, margin
from bot4.venues.simulator.bank import ZERO, Bank
from bot4.venues.simulator.bell import Bell
from bot4.venues.simulator.funds import Funds
from bot4.venues.simulator.listing import Listing, side_index
from bot4.venues.simulator.orders import ENDED, Held, Pair, Registry
from bot4.venues.simulator.pairs import Pairs, check_pair
from bot4.venues.simulator.state_nb import K_PREVENTED
from bot4.venues.simulator.triggers import Triggers
from bot4.venues.simulator.words import (
    Account,
    Execution,
    Order,
    OrderType,
    OrderUpdate,
    Refusal,
    Refused,
    Request,
    State,
)

_PRICE, _QTY, _ORDER, _REASON, _TRADE, _KIND, _FLAGS = 2, 3, 4, 5, 6, 9, 10  # fields of EVENT_DTYPE
What = Literal["new", "trade", "canceled", "rejected", "expired", "triggered", "amended"]
_ENDS: dict[int, Refusal | None] = {
    c.R_IOC: None,
    c.R_SELF: Refusal.SELF_TRADE,
    c.R_REDUCE_ONLY: Refusal.REDUCE_ONLY,
}


def copy_of(o: Order) -> Order:
    """The order as it is now."""
    return Order(
        o.id, o.account, o.request, o.client_id, o.state, o.created_ns, o.updated_ns,
        o.filled, o.spent, o.prevented, o.list_id, o.reason,
    )  # fmt: skip


class Desk:
    """Orders of all accounts. Every change of an order tells one OrderUpdate."""

    def __init__(self, bank: Bank, registry: Registry, bell: Bell) -> None:
        self.bank = bank
        self.registry = registry
        self.bell = bell
        self.triggers = {symbol: Triggers() for symbol in bank.listings}
        self.pairs = Pairs(bank, registry, bell)
        self.funds = Funds(bank)
        self._numbers: dict[
            int, int
        ] = {}  # public ids of trades between accounts whose second side is to come

    # --- in ------------------------------------------------------------------------------------------

    def place(self, account: Account, listing: Listing, request: Request) -> Held:
        """A new order: refused, or taken, matched and told."""
        admission.check(self.bank, self.registry, account, listing, request)
        held = self._make(account, listing, request)
        if request.type in admission.CONDITIONAL:
            held.order.state = State.UNTRIGGERED
            asset, need = self.funds.need(held)
            self.funds.afford(account, listing, asset, need)
            self.registry.add(held)
            self.funds.hold_back(held, asset, need)
            self.triggers[listing.market.symbol].add(held)
            self.tell(held, "new")
            self._tell_lock(held)
            return held
        price = self.funds.carry(account, listing, held)
        self.registry.add(held)
        if not listing.perp and price and request.type is OrderType.LIMIT:
            self.funds.hold_back(held, *self.funds.need(held))
        self.tell(held, "new")
        self._tell_lock(held)
        self._enter(held, price)
        self.settle(listing)
        return held

    def _make(self, account: Account, listing: Listing, request: Request) -> Held:
        order_id = self.registry.next_id()
        client_id = request.client_id or f"b4{order_id}"
        now = self.bell.now_ns
        order = Order(order_id, account.key, request, client_id, State.NEW, now, now)
        return Held(order, listing, listing.row(account.key), request.qty)

    def _enter(self, held: Held, price: int) -> None:
        """The order goes into the book; replies are read by `settle`."""
        r = held.request
        listing = held.listing
        cols = list(admission.columns(held.row, held.order.id, r, held.left, price))
        if r.type not in admission.PRICED:
            cols[4] = c.TIF_IOC
        if listing.perp and price and not (r.reduce_only or r.close_position):
            held.margined = True
            self.bank.count_open(held.order.account, r.symbol, r.side, held.left, price)
        held.slot = listing.place(*cols)
        if held.slot < 0:
            self.end(held, State.REJECTED, Refusal.INTERNAL, "rejected")
            return
        self._carry_out(listing)
        if held.slot >= 0:
            self._show(held, min(held.left, r.iceberg_qty or held.left))

    def place_pair(
        self, account: Account, listing: Listing, limit: Request, stop: Request, client_id: str
    ) -> Pair:
        """An OCO: both legs are taken, or none."""
        check_pair(listing, limit, stop)
        for request in (limit, stop):
            admission.check(self.bank, self.registry, account, listing, request)
        legs = (self._make(account, listing, limit), self._make(account, listing, stop))
        if legs[0].order.client_id == legs[1].order.client_id:
            raise Refused(Refusal.DUPLICATE_CLIENT_ID, "both legs have one client id")
        needs = [self.funds.need(leg) for leg in legs]
        asset, need = max(needs, key=lambda x: x[1])
        self.funds.afford(account, listing, asset, need)
        pair = self.pairs.open(client_id, legs, asset, need)
        legs[1].order.state = State.UNTRIGGERED
        for leg in legs:
            self.registry.add(leg)
            self.tell(leg, "new")
        self.bank.tell(account, listing, "order", asset)
        self.triggers[listing.market.symbol].add(legs[1])
        self._enter(legs[0], limit.price)
        self.settle(listing)
        return pair

    def amend(self, held: Held, price: int, qty: int) -> None:
        """Another price or quantity (in total) for a resting limit order."""
        r, listing, order = held.request, held.listing, held.order
        if order.state in ENDED:
            raise Refused(Refusal.UNKNOWN_ORDER, f"{r.symbol}: order {order.id} has ended")
        left = qty - order.filled - order.prevented
        if held.slot < 0 or self.pairs.of(held) is not None:
            raise Refused(Refusal.NOT_CANCELABLE, "only a resting limit order outside an OCO can be amended")
        if left <= 0:
            raise Refused(Refusal.LOT_SIZE, f"{order.filled} lots of it are filled already")
        new = replace(r, price=price, qty=qty)
        if new == r:
            return
        admission.check_quantity(listing.market, new)
        admission.check_price(listing, r.side, price, qty, r.reduce_only)
        admission.check_post(listing, new)
        self._swap(held, new, left)
        self.settle(listing)

    def _swap(self, held: Held, new: Request, left: int) -> None:
        """Put the amended order in the place of the old one, or leave everything as it was."""
        old, listing = held.request, held.listing
        account = self.bank.account(held.order.account)
        if held.margined:
            self.bank.count_open(account.key, old.symbol, old.side, -held.left, old.price)
            if not margin.allows(self.bank, account, listing, old.side, new.price * left * listing.unit):
                self.bank.count_open(account.key, old.symbol, old.side, held.left, old.price)
                raise Refused(Refusal.MARGIN, "the free margin does not carry the order")
            self.bank.count_open(account.key, new.symbol, new.side, left, new.price)
        elif held.asset:
            need = self.funds.need_of(listing, new, left)[1]
            self.funds.afford(account, listing, held.asset, need - held.locked)
            self.funds.relock(held, need)
        stays = new.price == old.price and left <= held.left
        shown = min(held.shown, left) if stays else 0
        self._show(held, shown)
        held.order.request = new
        held.left = left
        held.order.updated_ns = self.bell.now_ns
        self.tell(held, "amended")
        self._tell_lock(held)
        listing.amend(held.slot, new.side, new.price, left)
        if not stays:
            self._carry_out(listing)
            if held.slot >= 0:
                self._show(held, min(held.left, new.iceberg_qty or held.left))

    # --- conditional orders --------------------------------------------------------------------------

    def fire(self, held: Held) -> None:
        """A conditional order's price has come."""
        order, listing, r = held.order, held.listing, held.request
        account = self.bank.account(order.account)
        self.pairs.leave(held, self.funds.need, self._cancel_leg)
        if r.reduce_only or r.close_position:
            position = self.bank.position(account, r.symbol).qty
            if position * r.side >= 0:
                self.end(held, State.EXPIRED, Refusal.REDUCE_ONLY, "expired")
                return
            if r.close_position:
                held.left = abs(position)
                order.request = r = replace(r, qty=held.left)
        order.state = State.TRIGGERED
        order.updated_ns = self.bell.now_ns
        self.tell(held, "triggered")
        try:
            price = self.funds.carry_triggered(account, listing, held)
        except Refused as no:
            self.end(held, State.EXPIRED, no.why, "expired")
            return
        self._enter(held, price)

    def on_mark(self, listing: Listing, price: Decimal) -> None:
        """Fire what waits for the mark price, in ticks."""
        for held in self.triggers[listing.market.symbol].due("mark", price, price):
            if held.order.state is State.UNTRIGGERED:
                self.fire(held)
        self.settle(listing)

    # --- out -----------------------------------------------------------------------------------------

    def settle(self, listing: Listing) -> None:
        """Carry out everything the book did and what that triggers, then tell the levels that changed."""
        triggers = self.triggers[listing.market.symbol]
        self._carry_out(listing)
        while (prices := listing.take_range()) is not None:
            due = triggers.due("last", *prices)
            for held in due:
                if held.order.state is State.UNTRIGGERED:
                    self.fire(held)
            if not due:
                break
        listing.publish()

    def _carry_out(self, listing: Listing) -> None:
        replies = listing.replies()
        if not replies:
            return
        fills = [r for r in replies if r[_KIND] == c.EV_FILL]
        made = {r[_TRADE] for r in fills if r[_FLAGS] & c.FLAG_MAKER}
        both = {r[_TRADE] for r in fills if not r[_FLAGS] & c.FLAG_MAKER} & made
        for reply in replies:
            held = self.registry.by_id[reply[_ORDER]]
            kind = reply[_KIND]
            if kind == c.EV_FILL:
                self._fill(held, reply, reply[_TRADE] in both)
            elif kind == K_PREVENTED:
                self._prevented(held, held.left - reply[_QTY])
            else:
                if reply[_REASON] == c.R_SELF:
                    held.order.prevented += held.left
                held.slot = -1
                self.end(held, State.EXPIRED, _ENDS.get(reply[_REASON]), "expired")

    def _fill(self, held: Held, reply: tuple[Any, ...], both: bool) -> None:
        """One side of a trade; `both`: the other side is an account's too, and among the same replies."""
        order, listing, r = held.order, held.listing, held.request
        price, qty, maker = reply[_PRICE], reply[_QTY], bool(reply[_FLAGS] & c.FLAG_MAKER)
        if order.list_id:
            self.pairs.leave(held, self.funds.need, self._cancel_leg)
        if both:
            number = self._number(listing, reply[_TRADE], price, qty, r.side, maker)
        else:
            number = self._number_outside(listing, price, qty, r.side, maker)
        account = self.bank.account(order.account)
        fee, asset, realised = self.bank.trade(account, listing, r.side, price, qty, maker)
        order.filled += qty
        order.spent += price * qty
        order.updated_ns = self.bell.now_ns
        self.shrink(held, qty, traded=True)
        order.state = State.PARTIALLY_FILLED if held.left else State.FILLED
        execution = Execution(
            number, order.id, r.symbol, order.account, r.side, price, qty, fee, asset, maker,
            self.bell.now_ns, "trade", realised,
        )  # fmt: skip
        self.registry.add_trade(execution)
        if not held.left:
            held.slot = -1
            self.registry.close(held)
        self.tell(held, "trade", execution)
        self.bank.tell(account, listing, "order", *self._assets(listing, asset))
        if not held.left:
            self.pairs.ended(held, self._cancel_leg)

    def _number(self, listing: Listing, trade: int, price: int, qty: int, side: int, maker: bool) -> int:
        """The public id of a trade between accounts: printed at its first side."""
        if trade in self._numbers:
            return self._numbers.pop(trade)
        number = self._numbers[trade] = listing.print_trade(price, qty, (side > 0) == maker)
        return number

    def _number_outside(self, listing: Listing, price: int, qty: int, side: int, maker: bool) -> int:
        """The id of a trade with the market, which takes the other side."""
        self.bank.trade(self.bank.outside, listing, -side, price, qty, not maker)
        if maker and listing.feeding == price:  # the feed's own trade is on the tape already
            listing.trade_id += 1
            return listing.trade_id
        return listing.print_trade(price, qty, (side > 0) == maker)

    @staticmethod
    def _assets(listing: Listing, fee_asset: str) -> tuple[str, ...]:
        m = listing.market
        return () if listing.perp else (m.base, m.quote, fee_asset)

    def _show(self, held: Held, lots: int) -> None:
        """The public book shows `lots` of the order from now on."""
        listing, r = held.listing, held.request
        side = side_index(r.side)
        if lots != held.shown:
            listing.show(side, r.price, lots - held.shown)
        if (lots == 0) != (held.shown == 0):
            listing.stands(side, r.price, held.order.id, held.slot if lots else -1)
        held.shown = lots

    def shrink(self, held: Held, lots: int, traded: bool) -> None:
        """`lots` of the order are gone: what it shows, holds back and counts for shrinks with it."""
        r = held.request
        held.left -= lots
        if held.margined:
            self.bank.count_open(held.order.account, r.symbol, r.side, -lots, r.price)
        if held.shown:
            shown = held.shown - lots if traded else held.shown
            if shown <= 0:  # the next slice of an iceberg
                shown = r.iceberg_qty or held.left
            self._show(held, min(shown, held.left))
        if held.asset:
            self.funds.relock(held, self.funds.need(held)[1] if held.left else ZERO)

    def _prevented(self, held: Held, lots: int) -> None:
        held.order.prevented += lots
        self.shrink(held, lots, traded=False)
        held.order.updated_ns = self.bell.now_ns
        self.tell(held, "amended")
        self._tell_lock(held)

    def end(self, held: Held, state: State, why: Refusal | None, what: What) -> None:
        """The order ends with what is left of it unfilled; it is no longer in the book."""
        held.order.state = state
        held.order.reason = why
        held.order.updated_ns = self.bell.now_ns
        locked = held.locked
        self.shrink(held, held.left, traded=False)
        self.registry.close(held)
        self.tell(held, what)
        if locked:
            self._tell_lock(held)
        self.pairs.ended(held, self._cancel_leg)

    def cancel(self, held: Held) -> None:
        """Take an order back; of an OCO both legs."""
        order = held.order
        if order.state in ENDED:
            raise Refused(Refusal.UNKNOWN_ORDER, f"{held.request.symbol}: order {order.id} has ended")
        self.withdraw(held, State.CANCELED, None, "canceled")
        held.listing.publish()

    def cancel_many(self, listing: Listing, orders: list[Held]) -> None:
        """Take several orders back; the other legs of pairs go with them."""
        for held in orders:
            if held.order.state not in ENDED:
                self.withdraw(held, State.CANCELED, None, "canceled")
        listing.publish()

    def _cancel_leg(self, held: Held) -> None:
        self.withdraw(held, State.CANCELED, None, "canceled")

    def withdraw(self, held: Held, state: State, why: Refusal | None, what: What) -> None:
        """Out of the book, if it is there, and ended."""
        if held.slot >= 0:
            held.listing.cancel(held.slot, held.order.id)
            held.slot = -1
        self.end(held, state, why, what)

    # --- telling -------------------------------------------------------------------------------------

    def tell(self, held: Held, what: What, execution: Execution | None = None) -> None:
        """One OrderUpdate."""
        if self.bell.listeners:
            order = held.order
            self.bell.tell(OrderUpdate(order.account, self.bell.now_ns, what, copy_of(order), execution))

    def _tell_lock(self, held: Held) -> None:
        if held.asset:
            self.bank.tell(self.bank.account(held.order.account), held.listing, "order", held.asset)
