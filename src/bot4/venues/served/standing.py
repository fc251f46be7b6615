"""What a futures account and its positions are worth at the mark price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot4.model.values import unit_of
from bot4.venues.served.desk import Desk
from bot4.venues.served.figures import Figures, amount, plain
from bot4.venues.simulator.words import Account, Market, Position, PositionView

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """One position of a market, flat or not, in the quote asset."""

    view: PositionView
    market: Market
    notional: Decimal  # signed

    @property
    def position(self) -> Position:
        """The position itself."""
        return self.view.position


def flat(desk: Desk, position: Position) -> PositionView:
    """The view of a position that holds nothing."""
    told = desk.memory.marks.get(position.symbol)
    return PositionView(position, ZERO, told.mark if told else ZERO, ZERO, None, ZERO, ZERO)


def positions_of(desk: Desk, account: Account) -> list[Standing]:
    """One position for each perp market, flat ones too."""
    held = {view.position.symbol: view for view in desk.exchange.positions(account.key)}
    found = []
    for symbol, market in desk.exchange.markets.items():
        if market.kind != "perp":
            continue
        position = account.positions.get(symbol) or Position(symbol)
        view = held.get(symbol) or flat(desk, position)
        qty = market.lot * market.contract_size * position.qty
        found.append(Standing(view, market, qty * view.mark))
    return found


@dataclass(frozen=True, slots=True)
class Worth:
    """A futures account in one asset."""

    wallet: Decimal
    unrealised: Decimal
    initial: Decimal
    maintenance: Decimal
    isolated: Decimal
    available: Decimal  # what new orders may use

    @property
    def margin(self) -> Decimal:
        """Wallet and unrealised result."""
        return self.wallet + self.unrealised

    @property
    def orders(self) -> Decimal:
        """What open orders hold back."""
        return max(ZERO, self.margin - self.initial - self.available)


def worth(desk: Desk, account: Account, asset: str) -> Worth:
    """Sum up an account in `asset`."""
    held = [s for s in positions_of(desk, account) if s.market.quote == asset]
    return Worth(
        wallet=account.margin.get(asset, ZERO),
        unrealised=sum((s.view.unrealised for s in held), ZERO),
        initial=sum((s.view.initial for s in held), ZERO),
        maintenance=sum((s.view.maintenance for s in held), ZERO),
        isolated=sum((s.position.margin for s in held if s.position.isolated), ZERO),
        available=max(ZERO, desk.exchange.available(account.key, asset)),
    )


def coarse(price: Decimal | None, figures: Figures) -> str:
    """A price between ticks, with a few decimals more than the tick; "0.0" for none."""
    if not price:
        return "0.0"
    step = unit_of(figures.price.decimals + 4)
    return plain(price.quantize(step).normalize())


def update_row(held: Standing, figures: Figures) -> dict[str, str]:
    """A position as ACCOUNT_UPDATE shows it."""
    return {
        "s": held.position.symbol,
        "pa": figures.qty.text(held.position.qty),
        "ep": coarse(held.view.entry, figures),
        "bep": coarse(held.view.entry, figures),
        "cr": "0",
        "up": amount(held.view.unrealised),
        "mt": "isolated" if held.position.isolated else "cross",
        "iw": amount(held.position.margin if held.position.isolated else ZERO),
        "ps": "BOTH",
    }
