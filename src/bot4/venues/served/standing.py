"""What a futures account and its positions are worth at the mark price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot4.venues.served.desk import Desk
from bot4.venues.served.figures import Figures, amount, plain
from bot4.venues.simulator.words import Account, Market, Position

ZERO = Decimal(0)
FINE = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Standing:
    """One position at the mark price, in the quote asset."""

    position: Position
    market: Market
    qty: Decimal  # signed, in base units
    entry: Decimal
    mark: Decimal
    notional: Decimal  # signed
    unrealised: Decimal
    initial: Decimal
    maintenance: Decimal


def standing(desk: Desk, position: Position) -> Standing:
    """Value one position."""
    market = desk.exchange.markets[position.symbol]
    qty = market.lot * market.contract_size * position.qty
    entry = abs(market.tick * position.cost / position.qty) if position.qty else ZERO
    told = desk.memory.marks.get(position.symbol)
    mark = told.mark if told is not None else entry
    notional = qty * mark
    return Standing(
        position=position,
        market=market,
        qty=qty,
        entry=entry,
        mark=mark,
        notional=notional,
        unrealised=qty * (mark - entry),
        initial=abs(notional) / position.leverage,
        maintenance=abs(notional) * market.maintenance,
    )


def positions_of(desk: Desk, account: Account) -> list[Standing]:
    """All positions of an account, flat ones too: each market has one."""
    found = []
    for symbol, market in desk.exchange.markets.items():
        if market.kind == "perp":
            held = account.positions.get(symbol)
            found.append(standing(desk, held if held is not None else Position(symbol)))
    return found


@dataclass(frozen=True, slots=True)
class Worth:
    """A futures account in one asset."""

    wallet: Decimal
    unrealised: Decimal
    initial: Decimal
    orders: Decimal
    maintenance: Decimal
    isolated: Decimal

    @property
    def margin(self) -> Decimal:
        """Wallet and unrealised result."""
        return self.wallet + self.unrealised

    @property
    def available(self) -> Decimal:
        """What new orders may use."""
        return max(ZERO, self.margin - self.initial - self.orders - self.isolated)


def worth(desk: Desk, account: Account, asset: str) -> Worth:
    """Sum up an account in `asset`."""
    held = [s for s in positions_of(desk, account) if s.market.quote == asset]
    resting = ZERO
    for order in desk.exchange.open_orders(account.key, ""):
        market = desk.exchange.markets[order.request.symbol]
        if market.quote == asset and not order.request.reduce_only and order.request.price:
            left = market.tick * market.lot * order.request.price * (order.request.qty - order.filled)
            position = account.positions.get(market.symbol)
            resting += left / (position.leverage if position is not None else Position("").leverage)
    cross = [s for s in held if not s.position.isolated]
    return Worth(
        wallet=account.margin.get(asset, ZERO),
        unrealised=sum((s.unrealised for s in held), ZERO),
        initial=sum((s.initial for s in cross), ZERO),
        orders=resting,
        maintenance=sum((s.maintenance for s in held), ZERO),
        isolated=sum((s.position.margin for s in held if s.position.isolated), ZERO),
    )


def liquidation_price(held: Standing, wallet: Decimal) -> Decimal:
    """Where margin meets maintenance, all else unchanged: (q e - w) / (q - m |q|); 0 when flat or out of reach."""
    backing = held.position.margin if held.position.isolated else wallet
    if not held.qty:
        return ZERO
    price = (held.qty * held.entry - backing) / (held.qty - held.market.maintenance * abs(held.qty))
    return max(ZERO, price)


def coarse(price: Decimal, figures: Figures) -> str:
    """A price between ticks, with a few decimals more than the tick."""
    step = Decimal(1).scaleb(-(figures.price.decimals + 4))
    return plain(price.quantize(step).normalize()) if price else "0.0"


def update_row(held: Standing, figures: Figures) -> dict[str, str]:
    """A position as ACCOUNT_UPDATE shows it."""
    return {
        "s": held.position.symbol,
        "pa": figures.qty.text(held.position.qty),
        "ep": coarse(held.entry, figures),
        "bep": coarse(held.entry, figures),
        "cr": "0",
        "up": amount(held.unrealised),
        "mt": "isolated" if held.position.isolated else "cross",
        "iw": amount(held.position.margin if held.position.isolated else ZERO),
        "ps": "BOTH",
    }
