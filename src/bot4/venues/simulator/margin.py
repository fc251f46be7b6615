"""What perp positions need and are worth: initial and maintenance margin, free margin, liquidation price."""

from __future__ import annotations

from decimal import Decimal

from bot4.venues.simulator.bank import ZERO, Bank
from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.words import Account, Position, PositionView


def mark_of(listing: Listing) -> Decimal:
    """The mark price; before the first one the middle of the book, else the last trade, else 0."""
    return listing.mark.mark if listing.mark is not None else listing.mid() or ZERO


def value_at(listing: Listing, lots: int, price: Decimal) -> Decimal:
    """Signed value of lots at a price."""
    return lots * listing.lot * price


def unrealised(listing: Listing, pos: Position, price: Decimal) -> Decimal:
    """Profit of the position if it were closed at `price`."""
    return value_at(listing, pos.qty, price) - pos.cost * listing.unit


def maintenance(listing: Listing, pos: Position, price: Decimal) -> Decimal:
    """Maintenance margin at `price`, one bracket."""
    return abs(value_at(listing, pos.qty, price)) * listing.market.maintenance


def _sides(bank: Bank, account: Account, listing: Listing) -> tuple[Position, Decimal, Decimal, Decimal]:
    """A position, its signed value at the mark, and the value of open buys and of open sells."""
    symbol = listing.market.symbol
    pos = bank.position(account, symbol)
    held = value_at(listing, pos.qty, mark_of(listing)) if pos.qty else ZERO
    book = bank.open_side(account.key, symbol)
    return pos, held, book.cost[1] * listing.unit, book.cost[-1] * listing.unit


def _need(pos: Position, held: Decimal, buys: Decimal, sells: Decimal) -> Decimal:
    need = max(abs(held + buys), abs(held - sells), abs(held))
    return (need - abs(held) if pos.isolated else need) / pos.leverage


def initial(bank: Bank, account: Account, listing: Listing) -> Decimal:
    """Initial margin of a perp: the larger of what long and short side would be if all open orders filled.

    The margin of an isolated position stands in the position already.
    """
    return _need(*_sides(bank, account, listing))


def cross_equity(bank: Bank, account: Account, quote: str, but: Listing | None = None) -> Decimal:
    """Wallet without isolated margins, plus unrealised profit of cross positions (`but` left out)."""
    total = account.margin.get(quote, ZERO)
    for listing in bank.active(account.key, quote):
        pos = bank.position(account, listing.market.symbol)
        if pos.isolated:
            total -= pos.margin
        elif pos.qty and listing is not but:
            total += unrealised(listing, pos, mark_of(listing))
    return total


def cross_maintenance(bank: Bank, account: Account, quote: str, but: Listing | None = None) -> Decimal:
    """Maintenance margin of all cross positions (`but` left out)."""
    return sum(
        (
            maintenance(listing, pos, mark_of(listing))
            for listing in bank.active(account.key, quote)
            if listing is not but
            and not (pos := bank.position(account, listing.market.symbol)).isolated
            and pos.qty
        ),
        ZERO,
    )


def free_margin(bank: Bank, account: Account, quote: str) -> Decimal:
    """What new positions may use: cross equity less the initial margin of everything open."""
    needed = (initial(bank, account, listing) for listing in bank.active(account.key, quote))
    return cross_equity(bank, account, quote) - sum(needed, ZERO)


def allows(bank: Bank, account: Account, listing: Listing, side: int, value: Decimal) -> bool:
    """Whether the free margin carries an order of `value` more; one that needs no more always passes."""
    pos, held, buys, sells = _sides(bank, account, listing)
    before = _need(pos, held, buys, sells)
    needed = _need(pos, held, buys + value, sells) if side > 0 else _need(pos, held, buys, sells + value)
    if needed <= before:
        return True
    quote = listing.market.quote
    for other in bank.active(account.key, quote):
        if other is not listing:
            needed += initial(bank, account, other)
    return cross_equity(bank, account, quote) >= needed


def liquidation_price(bank: Bank, account: Account, listing: Listing) -> Decimal | None:
    """The mark price at which the position's margin equals its maintenance; None: no positive price does.

    Solves equity + qty x P - cost = m x |qty| x P for P, other cross positions at their marks.
    """
    pos = bank.position(account, listing.market.symbol)
    if pos.qty == 0:
        return None
    if pos.isolated:
        equity = pos.margin
    else:
        quote = listing.market.quote
        equity = cross_equity(bank, account, quote, listing)
        equity -= cross_maintenance(bank, account, quote, listing)
    slope = listing.lot * (pos.qty - abs(pos.qty) * listing.market.maintenance)
    price = (pos.cost * listing.unit - equity) / slope
    return price if price > 0 else None


def bankruptcy_ticks(bank: Bank, account: Account, listing: Listing) -> int:
    """The price in ticks, at least 1, that uses the margin up; rounded in the account's favour."""
    pos = bank.position(account, listing.market.symbol)
    equity = pos.margin if pos.isolated else cross_equity(bank, account, listing.market.quote, listing)
    price = (pos.cost * listing.unit - equity) / (pos.qty * listing.unit)
    ticks = int(price // 1)
    if pos.qty > 0 and price > ticks:
        ticks += 1
    return max(1, ticks)


def view(bank: Bank, account: Account, listing: Listing) -> PositionView:
    """The position and what follows from the mark."""
    p = bank.position(account, listing.market.symbol)
    mark = mark_of(listing)
    return PositionView(
        Position(p.symbol, p.qty, p.cost, p.leverage, p.isolated, p.margin),
        p.cost * listing.market.tick / p.qty if p.qty else ZERO,
        mark,
        unrealised(listing, p, mark),
        liquidation_price(bank, account, listing),
        abs(value_at(listing, p.qty, mark)) / p.leverage,
        maintenance(listing, p, mark),
    )
