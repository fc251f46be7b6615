"""The money: wallets, locks, fees, positions. Every amount is exact; whatever one pays another gets.

The market that the feed stands for has an account too (`outside`), so that at any time

    all wallets + the fees + the insurance = all deposits,

perps taken at any one price for all (`Bank.total`).
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bot4.venues.simulator.bell import Bell
from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.realism import Realism
from bot4.venues.simulator.words import Account, AccountUpdate, Position

ZERO = Decimal(0)
DAY_NS = 86_400_000_000_000
_CENT = Decimal("1e-8")
RATE = Decimal("1e-8")


def up(amount: Decimal) -> Decimal:
    """To eight decimals, towards plus infinity: a cost never shrinks by rounding."""
    return amount.quantize(_CENT, ROUND_CEILING)


def down(amount: Decimal) -> Decimal:
    """To eight decimals, towards minus infinity."""
    return amount.quantize(_CENT, ROUND_FLOOR)


class OpenSide:
    """Open orders of an account in a perp that could enlarge its position."""

    __slots__ = ("cost", "lots")

    def __init__(self) -> None:
        self.lots = {1: 0, -1: 0}
        self.cost = {1: 0, -1: 0}  # ticks x lots


class Bank:
    """Accounts and what belongs to them."""

    def __init__(self, listings: dict[str, Listing], realism: Realism, bell: Bell, practice: bool) -> None:
        self.listings = listings
        self.realism = realism
        self.bell = bell
        self.practice = practice
        self.accounts: dict[str, Account] = {}
        self.outside = Account("", None)
        self.fees: dict[str, Decimal] = {}
        self.quotes = sorted({x.market.quote for x in listings.values()})
        self.insurance = dict.fromkeys(self.quotes, realism.insurance)
        self.deposited = dict(self.insurance)
        self._open: dict[tuple[str, str], OpenSide] = {}
        self._active: dict[str, dict[str, None]] = {}  # perps with a position or open orders, by account
        self._rates: dict[tuple[str, str], tuple[int, int, int]] = {}

    # --- accounts ------------------------------------------------------------------------------------

    def account(self, key: str) -> Account:
        """The account; an unknown key opens a practice account where these exist, else KeyError."""
        found = self.accounts.get(key)
        if found is not None:
            return found
        if not self.practice or not key:
            raise KeyError(key)
        funds = dict.fromkeys(self.quotes, self.realism.practice_funds)
        return self.open(key, None, funds, dict(funds))

    def open(
        self, key: str, secret: str | None, balances: dict[str, Decimal], margin: dict[str, Decimal]
    ) -> Account:
        """Open an account with funds; ValueError when the key is taken."""
        if not key or key in self.accounts:
            raise ValueError(f"account {key!r} exists already" if key else "an account needs a key")
        account = Account(key, secret, dict(balances), {}, dict(margin))
        self.accounts[key] = account
        for funds in (balances, margin):
            for asset, amount in funds.items():
                self.deposited[asset] = self.deposited.get(asset, ZERO) + amount
        return account

    def deposit(self, account: Account, wallet: str, asset: str, amount: Decimal) -> None:
        """Money comes in (or goes out, where negative)."""
        purse = account.balances if wallet == "spot" else account.margin
        purse[asset] = purse.get(asset, ZERO) + amount
        self.deposited[asset] = self.deposited.get(asset, ZERO) + amount

    def lock(self, account: Account, asset: str, amount: Decimal) -> None:
        """Hold back (or free, where negative) a part of a spot balance."""
        account.locked[asset] = account.locked.get(asset, ZERO) + amount

    def free(self, account: Account, asset: str) -> Decimal:
        """What of a spot balance no order holds."""
        return account.balances.get(asset, ZERO) - account.locked.get(asset, ZERO)

    # --- fees ------------------------------------------------------------------------------------------

    def rates(self, account: Account, listing: Listing) -> tuple[int, int]:
        """(maker, taker) in 1e-8, by the turnover of the 30 days before today (UTC)."""
        day = self.bell.now_ns // DAY_NS
        known = self._rates.get((account.key, listing.market.symbol))
        if known is not None and known[0] == day:
            return known[1], known[2]
        for old in [d for d in account.turnover if d < day - 30]:
            del account.turnover[old]
        volume = sum((v for d, v in account.turnover.items() if d < day), ZERO)
        maker, taker = listing.market.maker_e8, listing.market.taker_e8
        for since, tier_maker, tier_taker in listing.market.tiers:
            if volume >= since:
                maker, taker = tier_maker, tier_taker
        self._rates[account.key, listing.market.symbol] = (day, maker, taker)
        return maker, taker

    def forget_rates(self) -> None:
        """A market's fees changed."""
        self._rates.clear()

    def trade(
        self, account: Account, listing: Listing, side: int, price: int, qty: int, maker: bool
    ) -> tuple[Decimal, str, Decimal]:
        """One side of a trade changes hands: (fee, its asset, realised profit of a perp)."""
        value = price * qty * listing.unit
        if account is self.outside:
            self._exchange(account, listing, side, price, qty)
            return ZERO, listing.market.quote, ZERO
        rate = self.rates(account, listing)[0 if maker else 1]
        day = self.bell.now_ns // DAY_NS
        account.turnover[day] = account.turnover.get(day, ZERO) + value
        realised = self._exchange(account, listing, side, price, qty)
        asset = listing.market.quote
        amount = value
        if not listing.perp and side > 0 and self.realism.spot_fee_in_base:
            asset = listing.market.base
            amount = qty * listing.lot
        fee = up(amount * rate * RATE)
        self.charge(account, listing.perp, asset, fee)
        return fee, asset, realised

    def charge(self, account: Account, perp: bool, asset: str, fee: Decimal) -> None:
        """A fee goes from a wallet to the exchange."""
        purse = account.margin if perp else account.balances
        purse[asset] = purse.get(asset, ZERO) - fee
        self.fees[asset] = self.fees.get(asset, ZERO) + fee

    def _exchange(self, account: Account, listing: Listing, side: int, price: int, qty: int) -> Decimal:
        if listing.perp:
            return self.change_position(account, listing, side * qty, price)
        m = listing.market
        purse = account.balances
        purse[m.base] = purse.get(m.base, ZERO) + side * qty * listing.lot
        purse[m.quote] = purse.get(m.quote, ZERO) - side * price * qty * listing.unit
        return ZERO

    # --- positions -------------------------------------------------------------------------------------

    def position(self, account: Account, symbol: str) -> Position:
        """The account's position, made flat where there is none."""
        found = account.positions.get(symbol)
        if found is None:
            leverage = min(self.realism.leverage, self.listings[symbol].market.max_leverage)
            found = account.positions[symbol] = Position(symbol, leverage=leverage)
        return found

    def change_position(self, account: Account, listing: Listing, lots: int, price: int) -> Decimal:
        """Signed lots join a position at `price`; the profit realised, already in the wallet."""
        pos = self.position(account, listing.market.symbol)
        realised = ZERO
        closing = min(abs(lots), abs(pos.qty)) if lots * pos.qty < 0 else 0
        if closing:
            sign = 1 if pos.qty > 0 else -1
            out = sign * (abs(pos.cost) * closing // abs(pos.qty))
            realised = (sign * closing * price - out) * listing.unit
            released = pos.margin if closing == abs(pos.qty) else down(pos.margin * closing / abs(pos.qty))
            pos.margin -= released
            pos.qty -= sign * closing
            pos.cost -= out
            quote = listing.market.quote
            account.margin[quote] = account.margin.get(quote, ZERO) + realised
            lots += sign * closing
        if lots:
            pos.qty += lots
            pos.cost += lots * price
            if pos.isolated and account is not self.outside:
                pos.margin += up(abs(lots) * price * listing.unit / pos.leverage)
        if account is not self.outside:
            (listing.holders.add if pos.qty else listing.holders.discard)(account.key)
            self.note(account.key, listing.market.symbol)
        return realised

    def held_outside(self, listing: Listing) -> bool:
        """Whether anyone at all stands opposite the market."""
        pos = self.outside.positions.get(listing.market.symbol)
        return pos is not None and pos.qty != 0

    def open_side(self, key: str, symbol: str) -> OpenSide:
        """The account's open orders in a perp."""
        found = self._open.get((key, symbol))
        if found is None:
            found = self._open[key, symbol] = OpenSide()
        return found

    def count_open(self, key: str, symbol: str, side: int, lots: int, price: int) -> None:
        """`lots` more (or fewer) of an account's orders at `price` stand open in a perp."""
        book = self.open_side(key, symbol)
        book.lots[side] += lots
        book.cost[side] += lots * price
        self.note(key, symbol)

    def note(self, key: str, symbol: str) -> None:
        """Whether a perp matters to the account's margin may have changed."""
        active = self._active.setdefault(key, {})
        book = self._open.get((key, symbol))
        position = self.accounts[key].positions.get(symbol)
        if (book is not None and (book.lots[1] or book.lots[-1])) or (position is not None and position.qty):
            active[symbol] = None
        else:
            active.pop(symbol, None)

    def active(self, key: str, quote: str) -> list[Listing]:
        """Perps in `quote` in which the account has a position or open orders."""
        found = [self.listings[symbol] for symbol in self._active.get(key, ())]
        return [x for x in found if x.market.quote == quote]

    # --- telling ---------------------------------------------------------------------------------------

    def tell(self, account: Account, listing: Listing, why: str, *assets: str) -> None:
        """AccountUpdate of the assets named (of a perp: its quote asset) and of the position."""
        if not self.bell.listeners:
            return
        if listing.perp:
            assets = assets or (listing.market.quote,)
            balances = tuple((a, account.margin.get(a, ZERO), ZERO) for a in assets)
            p = self.position(account, listing.market.symbol)
            copy = Position(p.symbol, p.qty, p.cost, p.leverage, p.isolated, p.margin)
            positions: tuple[Position, ...] = (copy,)
        else:
            balances = tuple(
                (a, account.balances.get(a, ZERO), account.locked.get(a, ZERO)) for a in dict.fromkeys(assets)
            )
            positions = ()
        wallet = "perp" if listing.perp else "spot"
        self.bell.tell(
            AccountUpdate(account.key, self.bell.now_ns, why, wallet, balances, positions)  # type: ignore[arg-type]
        )

    def total(self, asset: str, prices: dict[str, int]) -> Decimal:
        """What everyone has of an asset, perps at `prices` (ticks): always what was deposited."""
        sum_ = self.fees.get(asset, ZERO) + self.insurance.get(asset, ZERO)
        for account in (*self.accounts.values(), self.outside):
            sum_ += account.balances.get(asset, ZERO) + account.margin.get(asset, ZERO)
            for symbol, pos in account.positions.items():
                listing = self.listings[symbol]
                if listing.market.quote == asset:
                    sum_ += (pos.qty * prices[symbol] - pos.cost) * listing.unit
        return sum_
