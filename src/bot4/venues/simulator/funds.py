"""The money that an order needs before it may go to the book, and holds back while it stands."""

from __future__ import annotations

from decimal import Decimal

from bot4.venues.simulator import admission, margin
from bot4.venues.simulator.bank import RATE, ZERO, Bank, up
from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.orders import Held
from bot4.venues.simulator.words import Account, Refusal, Refused, Request, TimeInForce


class Funds:
    """Spot orders lock what they may spend; perp orders need margin, which is counted, not locked."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def need(self, held: Held) -> tuple[str, Decimal]:
        """What an order holds back for what is left of it: asset and amount; nothing on perps."""
        return self.need_of(held.listing, held.request, held.left)

    def need_of(self, listing: Listing, r: Request, left: int) -> tuple[str, Decimal]:
        """What `left` lots of a request hold back."""
        if listing.perp:
            return "", ZERO
        if r.side < 0:
            return listing.market.base, left * listing.lot
        price = r.price if r.type in admission.PRICED else r.stop_price or listing.last or 0
        return listing.market.quote, self._with_fee(listing, price * left * listing.unit)

    def _with_fee(self, listing: Listing, cost: Decimal) -> Decimal:
        """What a spot buy may cost in quote currency: with the fee where it is paid in that."""
        if self._bank.realism.spot_fee_in_base:
            return cost
        worst = max(
            listing.market.taker_e8, listing.market.maker_e8, *(max(x[1:]) for x in listing.market.tiers), 0
        )
        return cost + up(cost * worst * RATE)

    def afford(self, account: Account, listing: Listing, asset: str, need: Decimal) -> None:
        """Refused unless the account has `need` of the asset free."""
        if asset and self._bank.free(account, asset) < need:
            raise Refused(
                Refusal.BALANCE, f"{asset}: {need} asked for, {self._bank.free(account, asset)} free"
            )

    def carry(self, account: Account, listing: Listing, held: Held) -> int:
        """Check the money for an order that goes to the book; the price it goes with, 0: any."""
        r = held.request
        price = r.price if r.type in admission.PRICED else 0
        taking = r.tif is TimeInForce.FOK or price == 0
        lots = cost = 0
        if taking:
            lots, cost = listing.reachable(*admission.columns(held.row, 0, r, held.left, price))
        if r.tif is TimeInForce.FOK and lots < held.left:
            raise Refused(Refusal.FOK, f"{lots} of {held.left} lots could be filled at once")
        if listing.perp:
            self._check_margin(account, listing, held, cost if price == 0 else price * held.left)
            return price
        if price:
            self.afford(account, listing, *self.need(held))
            return price
        if r.side < 0:
            self.afford(account, listing, listing.market.base, held.left * listing.lot)
            return 0
        quote = listing.market.quote
        self.afford(account, listing, quote, self._with_fee(listing, cost * listing.unit))
        # a market buy never costs more than what is free: it goes as a limit order that cannot rest
        one = self._with_fee(listing, held.left * listing.unit)
        return min(int(self._bank.free(account, quote) // one), admission.MAX_TICKS)

    def _check_margin(self, account: Account, listing: Listing, held: Held, cost: int) -> None:
        r = held.request
        if r.reduce_only or r.close_position:
            return
        if not margin.allows(self._bank, account, listing, r.side, cost * listing.unit):
            raise Refused(Refusal.MARGIN, "the free margin does not carry the order")

    def hold_back(self, held: Held, asset: str, need: Decimal) -> None:
        """The order holds back `need` of `asset`; no asset: nothing."""
        if asset:
            held.asset = asset
            self.relock(held, need)

    def relock(self, held: Held, need: Decimal) -> None:
        """The order holds back `need` from now on."""
        if need != held.locked:
            account = self._bank.account(held.order.account)
            self._bank.lock(account, held.asset, need - held.locked)
            held.locked = need

    def carry_triggered(self, account: Account, listing: Listing, held: Held) -> int:
        """The money for a triggered order; what it held back is its own."""
        r = held.request
        if r.type in admission.PRICED:
            admission.check_post(listing, r)
        kept = held.locked
        self.relock(held, ZERO)
        try:
            price = self.carry(account, listing, held)
        except Refused:
            self.relock(held, kept)
            raise
        if price and r.type not in admission.PRICED:
            held.asset = ""  # a market buy: its price bounds what it can cost
        else:
            self.relock(held, kept)
        return price
