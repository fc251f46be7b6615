"""What happens to positions by itself: marks, funding, liquidation, auto-deleveraging."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from bot4.venues.simulator import margin
from bot4.venues.simulator.bank import ZERO, up
from bot4.venues.simulator.bell import Bell
from bot4.venues.simulator.desk import Desk, copy_of
from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.orders import Held
from bot4.venues.simulator.words import (
    Account,
    Execution,
    Liquidation,
    Mark,
    Order,
    OrderType,
    OrderUpdate,
    Refusal,
    Refused,
    Request,
    State,
)

_E8 = Decimal("1e-8")


class Closeout:
    """Marks positions, pays funding, takes over what its margin no longer carries."""

    def __init__(self, desk: Desk, bell: Bell) -> None:
        self.desk = desk
        self.bank = desk.bank
        self.bell = bell

    # --- mark and funding ------------------------------------------------------------------------------

    def mark(self, listing: Listing, price: Decimal | None = None) -> None:
        """A new mark price in quote currency (None: the book's middle), and orders that wait for it."""
        price = price or listing.mid()
        if price is None or not listing.perp:
            return
        now = self.bell.now_ns
        interval = listing.market.funding_interval_ns
        due = now - now % interval + interval
        listing.mark = Mark(listing.market.symbol, now, price, price, listing.rate_e8, due)
        self.bell.tell(listing.mark)
        self.desk.on_mark(listing, price / listing.market.tick)

    def pay_funding(self, listing: Listing) -> None:
        """Longs pay shorts the rate on their value at the mark; what rounding leaves goes to the market."""
        mark = margin.mark_of(listing)
        total = ZERO
        for key in sorted(listing.holders):
            account = self.bank.accounts[key]
            pos = self.bank.position(account, listing.market.symbol)
            paid = up(margin.value_at(listing, pos.qty, mark) * listing.rate_e8 * _E8)
            self._wallet(account, listing, -paid)
            if pos.isolated:
                pos.margin -= paid
            total += paid
            self.bank.tell(account, listing, "funding")
        self._wallet(self.bank.outside, listing, total)
        self.check(listing)

    def _wallet(self, account: Account, listing: Listing, amount: Decimal) -> None:
        quote = listing.market.quote
        account.margin[quote] = account.margin.get(quote, ZERO) + amount

    # --- liquidation -----------------------------------------------------------------------------------

    def check(self, listing: Listing) -> None:
        """Liquidate what no longer has its maintenance margin."""
        for key in sorted(listing.holders):
            account = self.bank.accounts[key]
            if self._fails(account, listing):
                for held in list(self.desk.registry.open(key, listing.market.symbol)):
                    if held.order.state not in (State.CANCELED, State.EXPIRED):
                        self.desk.withdraw(held, State.EXPIRED, None, "expired")
                listing.publish()
                self._liquidate(account, listing)

    def _fails(self, account: Account, listing: Listing) -> bool:
        pos = self.bank.position(account, listing.market.symbol)
        mark = margin.mark_of(listing)
        if pos.isolated:
            equity = pos.margin + margin.unrealised(listing, pos, mark)
            return equity < margin.maintenance(listing, pos, mark)
        quote = listing.market.quote
        return margin.cross_equity(self.bank, account, quote) < margin.cross_maintenance(
            self.bank, account, quote
        )

    def _liquidate(self, account: Account, listing: Listing) -> None:
        """The exchange takes the position over where its margin is used up; a fee goes off what is left.

        The insurance fund closes it with the market at the mark. Where the fund cannot bear the loss, those
        who stand opposite are deleveraged, and what they do not cover the market takes at that price.
        """
        symbol = listing.market.symbol
        pos = self.bank.position(account, symbol)
        isolated, kept, qty = pos.isolated, pos.margin, pos.qty
        side = -1 if qty > 0 else 1
        price = margin.bankruptcy_ticks(self.bank, account, listing)
        mark = margin.mark_of(listing)
        loss = -(margin.value_at(listing, qty, mark) - qty * price * listing.unit)
        quote = listing.market.quote
        realised = self._close(account, listing, side, abs(qty), price, "liquidation")
        left = kept + realised if isolated else margin.cross_equity(self.bank, account, quote)
        fee = min(up(abs(qty) * price * listing.unit * listing.market.liquidation_fee), max(ZERO, left))
        self._wallet(account, listing, -fee)
        fund = self.bank.insurance.get(quote, ZERO) + fee
        self.bell.tell(Liquidation(symbol, self.bell.now_ns, side, abs(qty), price))
        if left < 0:  # a gap beyond the whole wallet: the account owes nothing
            self._wallet(account, listing, -left)
            fund += left
        if fund >= loss:
            fund -= loss
            self._wallet(self.bank.outside, listing, loss)
            self.bank.insurance[quote] = fund
            self.bank.change_position(self.bank.outside, listing, qty, price)
        else:
            self.bank.insurance[quote] = fund
            rest = self._deleverage(listing, qty, price)
            self.bank.change_position(self.bank.outside, listing, rest, price)
        self.bank.tell(account, listing, "liquidation")

    def _deleverage(self, listing: Listing, qty: int, price: int) -> int:
        """Close opposite positions at `price`, most profitable and most leveraged first; lots not covered."""
        symbol = listing.market.symbol
        mark = margin.mark_of(listing)
        ranked = []
        for key in sorted(listing.holders):
            account = self.bank.accounts[key]
            pos = self.bank.position(account, symbol)
            if pos.qty * qty < 0:
                profit = margin.unrealised(listing, pos, mark) / abs(pos.cost * listing.unit)
                ranked.append((-profit * pos.leverage, key, account, pos.qty))
        for _, _, account, held in sorted(ranked, key=lambda row: row[:2]):
            if qty == 0:
                break
            lots = min(abs(qty), abs(held))
            sign = 1 if qty > 0 else -1
            self._reduce(account, listing, sign, lots, price)
            qty -= sign * lots
        return qty

    def adl(self, account: Account, listing: Listing, lots: int) -> None:
        """Reduce a position by `lots` at the mark, against the market, as auto-deleveraging would."""
        pos = self.bank.position(account, listing.market.symbol)
        if not 0 < lots <= abs(pos.qty):
            raise Refused(Refusal.REDUCE_ONLY, f"position of {pos.qty} lots cannot shrink by {lots}")
        side = -1 if pos.qty > 0 else 1
        price = max(1, round(margin.mark_of(listing) / listing.market.tick))
        self._reduce(account, listing, side, lots, price)
        self.bank.change_position(self.bank.outside, listing, -side * lots, price)

    def _reduce(self, account: Account, listing: Listing, side: int, lots: int, price: int) -> None:
        self._close(account, listing, side, lots, price, "adl")
        self.bank.tell(account, listing, "adl")

    def _close(
        self,
        account: Account,
        listing: Listing,
        side: int,
        lots: int,
        price: int,
        kind: Literal["liquidation", "adl"],
    ) -> Decimal:
        """The exchange's own order closes `lots` at `price`, without a fee: the profit realised."""
        symbol, now = listing.market.symbol, self.bell.now_ns
        realised = self.bank.change_position(account, listing, side * lots, price)
        listing.hold(account.key, self.bank.position(account, symbol).qty)
        order_id = self.desk.registry.next_id()
        client_id = f"autoclose-{order_id}" if kind == "liquidation" else f"adl_autoclose-{order_id}"
        request = Request(symbol, side, OrderType.LIMIT, lots, price, reduce_only=True, client_id=client_id)
        order = Order(order_id, account.key, request, client_id, State.FILLED, now, now, lots, lots * price)
        held = Held(order, listing, listing.row(account.key), 0)
        self.desk.registry.add(held)
        self.desk.registry.close(held)
        listing.trade_id += 1
        quote = listing.market.quote
        execution = Execution(
            listing.trade_id, order_id, symbol, account.key, side, price, lots, ZERO, quote, False, now,
            kind, realised,
        )  # fmt: skip
        self.desk.registry.add_trade(execution)
        self.bell.tell(OrderUpdate(account.key, now, "trade", copy_of(order), execution))
        return realised
