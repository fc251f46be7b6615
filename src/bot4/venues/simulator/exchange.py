"""The simulated exchange: several accounts, spot and perps, one compiled book a market.

    exchange = Exchange([market], GenerativeSource(...), seed=1, now_ns=start)
    exchange.advance(start + 10**9)
    order = exchange.place("me", Request("BTCUSDT", 1, OrderType.LIMIT, qty=5, price=600_000))

Commands take effect at `now_ns`, one after the other. What happens is told to the listeners, in the order
in which it happens. The model is described in `docs/exchange-model.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from bot4.venues.simulator import margin
from bot4.venues.simulator.bank import Bank
from bot4.venues.simulator.bell import Bell
from bot4.venues.simulator.closeout import Closeout
from bot4.venues.simulator.desk import Desk, copy_of
from bot4.venues.simulator.feeder import Feeder
from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.orders import Pair, Registry
from bot4.venues.simulator.realism import Realism
from bot4.venues.simulator.sources import Source
from bot4.venues.simulator.tape import Kline
from bot4.venues.simulator.words import (
    Account,
    AccountUpdate,
    Execution,
    Listener,
    Mark,
    Market,
    Order,
    PositionView,
    Print,
    Quote,
    Refusal,
    Refused,
    Request,
)

Levels = list[tuple[int, int]]
_FIXED = frozenset({"symbol", "kind", "base", "quote"})


class Exchange:
    """One exchange; event number i of `source.instrument` belongs to `markets[i]`.

    `seed` fixes all chance. `practice`: an unknown account key opens a funded account that any secret fits.
    """

    def __init__(
        self,
        markets: Sequence[Market],
        source: Source,
        *,
        seed: int,
        now_ns: int,
        practice: bool = True,
        params: Realism | None = None,
    ) -> None:
        realism = params or Realism()
        self._bell = Bell(now_ns)
        self._listings: dict[str, Listing] = {}
        for number, market in enumerate(markets):
            if market.symbol in self._listings:
                raise ValueError(f"market {market.symbol} is listed twice")
            self._listings[market.symbol] = Listing(market, realism, seed + number, self._bell)
        self._bank = Bank(self._listings, realism, self._bell, practice)
        self._registry = Registry()
        self._desk = Desk(self._bank, self._registry, self._bell)
        self._closeout = Closeout(self._desk, self._bell)
        self._feeder = Feeder(
            source, list(self._listings.values()), self._desk, self._closeout, realism, seed
        )

    # --- time and listeners ---------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """The exchange's clock, ns UTC."""
        return self._bell.now_ns

    def advance(self, until_ns: int) -> None:
        """Let the market go on until `until_ns`; an instant that is past changes nothing."""
        self._feeder.advance(until_ns)

    def listen(self, listener: Listener) -> None:
        """From now on the listener hears everything. It must not give commands from inside the call."""
        self._bell.listeners.append(listener)

    def entry_latency(self) -> int:
        """A draw of the time in ns that a command takes to the exchange; for faces that simulate it."""
        return self._feeder.entry_latency()

    def response_latency(self) -> int:
        """A draw of the time in ns that an answer takes back."""
        return self._feeder.response_latency()

    # --- markets --------------------------------------------------------------------------------------

    @property
    def markets(self) -> dict[str, Market]:
        """The markets by symbol."""
        return {symbol: listing.market for symbol, listing in self._listings.items()}

    def _listing(self, symbol: str) -> Listing:
        found = self._listings.get(symbol)
        if found is None:
            raise Refused(Refusal.UNKNOWN_MARKET, f"no market {symbol!r}")
        return found

    def set_market(self, symbol: str, **changes: Any) -> None:
        """Change filters, fees, status or contract size of a market; open orders stay as they are.

        ValueError for what cannot change, and for another grid while orders or positions stand on the old.
        """
        listing = self._listing(symbol)
        if wrong := [name for name in changes if name in _FIXED or not hasattr(listing.market, name)]:
            raise ValueError(f"{symbol}: {', '.join(wrong)} cannot be changed")
        grid = {"tick", "lot", "contract_size"} & {
            name for name, value in changes.items() if getattr(listing.market, name) != value
        }
        if grid and (listing.holders or any(listing.shown) or self._bank.held_outside(listing)):
            raise ValueError(
                f"{symbol}: {', '.join(sorted(grid))} cannot change while orders or positions stand"
            )
        for name, value in changes.items():
            setattr(listing.market, name, value)
        listing.regrid()
        self._bank.forget_rates()

    def depth(self, symbol: str, limit: int = 100) -> tuple[int, Levels, Levels]:
        """(last update id, bids, asks), best first, as (ticks, lots)."""
        listing = self._listing(symbol)
        bids, asks = listing.depth(limit)
        return listing.update_id, bids, asks

    def recent_trades(self, symbol: str, limit: int = 500) -> list[Print]:
        """The last public trades, oldest first; at most 10,000 are kept."""
        prints = self._listing(symbol).tape.prints
        return [prints[i] for i in range(max(0, len(prints) - limit), len(prints))]

    def klines(self, symbol: str, interval_ns: int, limit: int = 500) -> list[Kline]:
        """The last candles, oldest first, the one in progress included; none for spans without trades."""
        listing = self._listing(symbol)
        return listing.tape.klines(interval_ns, limit, listing.unit)

    def quote(self, symbol: str) -> Quote | None:
        """Best bid and ask; None before the first book; a side without orders is 0."""
        return self._listing(symbol).quote

    def mark(self, symbol: str) -> Mark | None:
        """Mark price and funding; None on spot and before the first book."""
        return self._listing(symbol).mark

    # --- accounts -------------------------------------------------------------------------------------

    def account(self, key: str) -> Account:
        """The account; see `practice` for unknown keys, else KeyError."""
        return self._bank.account(key)

    def open_account(
        self, key: str, secret: str | None, balances: dict[str, Decimal], margin: dict[str, Decimal]
    ) -> Account:
        """Open an account with funds in the spot and the futures wallet; ValueError when the key is taken."""
        return self._bank.open(key, secret, balances, margin)

    def deposit(self, key: str, wallet: str, asset: str, amount: Decimal) -> None:
        """Money into wallet `spot` or `perp`; negative takes it out, Refused beyond what is free."""
        if wallet not in ("spot", "perp"):
            raise ValueError(f"wallet {wallet!r} is not spot or perp")
        account = self.account(key)
        spot = wallet == "spot"
        free = self._bank.free(account, asset) if spot else margin.free_margin(self._bank, account, asset)
        if amount < 0 and free + amount < 0:
            raise Refused(Refusal.BALANCE, f"{asset}: {free} free")
        self._bank.deposit(account, wallet, asset, amount)
        purse = account.balances if spot else account.margin
        locked = account.locked.get(asset, Decimal(0)) if spot else Decimal(0)
        change = (asset, purse[asset], locked)
        self._bell.tell(AccountUpdate(key, self.now_ns, "deposit", "spot" if spot else "perp", (change,)))

    def positions(self, key: str) -> list[PositionView]:
        """Perp positions that are not flat, by symbol, with liquidation price."""
        account = self.account(key)
        held = sorted(symbol for symbol, pos in account.positions.items() if pos.qty)
        return [margin.view(self._bank, account, self._listings[symbol]) for symbol in held]

    def available(self, key: str, asset: str) -> Decimal:
        """Margin of the futures wallet that new positions may use."""
        return margin.free_margin(self._bank, self.account(key), asset)

    def set_leverage(self, key: str, symbol: str, leverage: int) -> None:
        """Refused beyond the market's bounds, or where the free margin would not carry it."""
        listing, account = self._perp(symbol), self.account(key)
        if not 1 <= leverage <= listing.market.max_leverage:
            raise Refused(Refusal.LEVERAGE, f"leverage 1 to {listing.market.max_leverage}")
        pos = self._bank.position(account, symbol)
        old, pos.leverage = pos.leverage, leverage
        if leverage < old and margin.free_margin(self._bank, account, listing.market.quote) < 0:
            pos.leverage = old
            raise Refused(Refusal.MARGIN, f"the free margin does not carry leverage {leverage}")
        self._bank.tell(account, listing, "leverage")

    def set_margin_mode(self, key: str, symbol: str, isolated: bool) -> None:
        """Refused while the account has a position or open orders in the market."""
        listing, account = self._perp(symbol), self.account(key)
        pos = self._bank.position(account, symbol)
        if pos.isolated == isolated:
            return
        if pos.qty or self._registry.open_count(key, symbol):
            raise Refused(Refusal.MODE, f"{symbol}: a position or orders stand")
        pos.isolated = isolated
        self._bank.tell(account, listing, "margin")

    def set_hedge_mode(self, key: str, on: bool) -> None:
        """With it on, perp orders are refused: only one-way positions are simulated."""
        self.account(key).hedge_mode = on

    def adl(self, key: str, symbol: str, qty: int) -> None:
        """Auto-deleverage: close `qty` lots of the account's position at the mark, against the market."""
        listing = self._perp(symbol)
        self._closeout.adl(self.account(key), listing, qty)

    def _perp(self, symbol: str) -> Listing:
        listing = self._listing(symbol)
        if not listing.perp:
            raise Refused(Refusal.MODE, f"{symbol} is no perp")
        return listing

    # --- orders ---------------------------------------------------------------------------------------

    def place(self, key: str, request: Request) -> Order:
        """A new order: as it is after matching, or Refused."""
        return copy_of(self._desk.place(self.account(key), self._listing(request.symbol), request).order)

    def place_oco(
        self, key: str, limit: Request, stop: Request, list_client_id: str = ""
    ) -> tuple[int, tuple[Order, Order]]:
        """A limit and a stop on spot, of which one cancels the other: (list id, both orders)."""
        listing = self._listing(limit.symbol)
        return self._told(self._desk.place_pair(self.account(key), listing, limit, stop, list_client_id))

    @staticmethod
    def _told(pair: Pair) -> tuple[int, tuple[Order, Order]]:
        return pair.id, (copy_of(pair.legs[0].order), copy_of(pair.legs[1].order))

    def cancel(self, key: str, symbol: str, *, order_id: int = 0, client_id: str = "") -> Order:
        """Cancel an open order by either id; of an OCO both legs go."""
        held = self._registry.find(key, self._listing(symbol).market.symbol, order_id, client_id)
        self._desk.cancel(held)
        return copy_of(held.order)

    def cancel_all(self, key: str, symbol: str) -> list[Order]:
        """Cancel every open order in a market; those canceled, oldest first."""
        listing = self._listing(symbol)
        canceled = list(self._registry.open(key, listing.market.symbol))
        self._desk.cancel_many(listing, canceled)
        return [copy_of(held.order) for held in canceled]

    def cancel_list(
        self, key: str, symbol: str, *, list_id: int = 0, list_client_id: str = ""
    ) -> tuple[int, tuple[Order, Order]]:
        """Cancel an OCO by either id."""
        pair = self._find_list(key, symbol, list_id, list_client_id)
        living = [leg for leg in pair.legs if leg in self._registry.open(key, symbol)]
        if not living:
            raise Refused(Refusal.UNKNOWN_ORDER, f"{symbol}: the list has ended")
        self._desk.cancel_many(living[0].listing, living)
        return self._told(pair)

    def order_list(
        self, key: str, symbol: str, *, list_id: int = 0, list_client_id: str = ""
    ) -> tuple[int, tuple[Order, Order]]:
        """An OCO by either id."""
        return self._told(self._find_list(key, symbol, list_id, list_client_id))

    def _find_list(self, key: str, symbol: str, list_id: int, list_client_id: str) -> Pair:
        pair = self._registry.find_pair(key, list_id, list_client_id)
        if pair is None or pair.legs[0].request.symbol != symbol:
            raise Refused(Refusal.UNKNOWN_ORDER, f"{symbol}: no order list {list_id or list_client_id!r}")
        return pair

    def amend(
        self, key: str, symbol: str, *, order_id: int = 0, client_id: str = "", price: int, qty: int
    ) -> Order:
        """Another price, or quantity in total, for a resting limit order.

        It keeps its place in the queue only where the quantity falls and the price stays.
        """
        held = self._registry.find(key, self._listing(symbol).market.symbol, order_id, client_id)
        self._desk.amend(held, price, qty)
        return copy_of(held.order)

    def order(self, key: str, symbol: str, *, order_id: int = 0, client_id: str = "") -> Order:
        """An order by either id; the newest of a client id."""
        return copy_of(self._registry.find(key, symbol, order_id, client_id).order)

    def open_orders(self, key: str, symbol: str | None = None) -> list[Order]:
        """Open orders, conditional ones included; of one market or of all."""
        symbols: Iterable[str] = self._listings if symbol is None else (self._listing(symbol).market.symbol,)
        return [copy_of(held.order) for name in symbols for held in self._registry.open(key, name)]

    def all_orders(self, key: str, symbol: str, limit: int = 500) -> list[Order]:
        """The newest orders, whatever their state, oldest first."""
        return [copy_of(held.order) for held in self._registry.history(key, symbol, limit)]

    def my_trades(
        self, key: str, symbol: str, *, from_id: int = 0, start_ns: int = 0, limit: int = 500
    ) -> list[Execution]:
        """The newest executions, oldest first; with `from_id` or `start_ns` the oldest from there on."""
        return self._registry.trades(key, symbol, from_id, start_ns, limit)

    # --- books ----------------------------------------------------------------------------------------

    @property
    def fees(self) -> dict[str, Decimal]:
        """Fees taken, by asset."""
        return dict(self._bank.fees)

    @property
    def insurance(self) -> dict[str, Decimal]:
        """The insurance fund, by asset."""
        return dict(self._bank.insurance)

    def total(self, asset: str, prices: dict[str, int]) -> Decimal:
        """What all accounts, the market, the fees and the insurance have, perps at `prices` in ticks."""
        return self._bank.total(asset, prices)

    def deposited(self, asset: str) -> Decimal:
        """What was paid in: `total` at any prices."""
        return self._bank.deposited.get(asset, Decimal(0))
