"""Spot account, order counters, and the wallet endpoints that clients call on start."""

from __future__ import annotations

from decimal import Decimal

from bot4.venues.served.desk import Call, Reply, Route
from bot4.venues.served.errors import VenueError
from bot4.venues.served.figures import amount

MS = 1_000_000
E8 = Decimal(100_000_000)


def _rates(call: Call) -> tuple[Decimal, Decimal]:
    market = next(iter(call.desk.exchange.markets.values()))
    return Decimal(market.maker_e8) / E8, Decimal(market.taker_e8) / E8


def account(call: Call) -> Reply:
    """GET account."""
    customer = call.customer()
    maker, taker = _rates(call)
    zero = Decimal(0)
    omit = call.parameters.flag("omitZeroBalances")
    balances = [
        {
            "asset": asset,
            "free": amount(total - customer.locked.get(asset, zero)),
            "locked": amount(customer.locked.get(asset, zero)),
        }
        for asset, total in sorted(customer.balances.items())
        if total or not omit
    ]
    changed = call.desk.memory.changed.get(call.account, call.now_ms * MS) // MS
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": amount(maker),
            "taker": amount(taker),
            "buyer": amount(zero),
            "seller": amount(zero),
        },
        "canTrade": True,
        "canWithdraw": customer.can_withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": changed,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": account_number(call.account),
    }


def account_number(key: str) -> int:
    """A stable number of an account, from its key."""
    number = 0
    for byte in key.encode():
        number = (number * 131 + byte) % 1_000_000_007
    return number


def commission(call: Call) -> Reply:
    """GET account/commission of one symbol."""
    market = call.market()
    maker, taker = amount(Decimal(market.maker_e8) / E8), amount(Decimal(market.taker_e8) / E8)
    none = {"maker": amount(Decimal(0)), "taker": amount(Decimal(0))}
    none |= {"buyer": amount(Decimal(0)), "seller": amount(Decimal(0))}
    return {
        "symbol": market.symbol,
        "standardCommission": none | {"maker": maker, "taker": taker},
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": "0.75000000",
        },
    }


def order_counters(call: Call) -> Reply:
    """GET rateLimit/order."""
    return call.desk.meter.counters("", call.account, call.now_ms)[1:]


def _assets(call: Call) -> list[str]:
    found = {m.base for m in call.desk.exchange.markets.values()}
    return sorted(found | {m.quote for m in call.desk.exchange.markets.values()})


def coins(call: Call) -> Reply:
    """GET sapi capital/config/getall: the assets, without networks to send them over."""
    customer, zero = call.customer(), Decimal(0)
    return [
        {
            "coin": asset,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "name": asset,
            "free": amount(customer.balances.get(asset, zero) - customer.locked.get(asset, zero)),
            "locked": amount(customer.locked.get(asset, zero)),
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for asset in _assets(call)
    ]


def status(call: Call) -> Reply:
    """GET sapi account/status."""
    return {"data": "Normal"}


def restrictions(call: Call) -> Reply:
    """GET sapi account/apiRestrictions: what the key may do; withdraw only if the account says so."""
    return {
        "ipRestrict": False,
        "createTime": call.now_ms,
        "enableReading": True,
        "enableWithdrawals": call.customer().can_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": True,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": True,
        "enablePortfolioMarginTrading": False,
    }


def nothing(call: Call) -> Reply:
    """Endpoints whose honest answer here is an empty list: margin pairs."""
    return []


def system_status(call: Call) -> Reply:
    """GET sapi system/status."""
    return {"status": 0, "msg": "normal"}


def trade_fee(call: Call) -> Reply:
    """GET sapi asset/tradeFee, of one symbol or all."""
    symbol = call.parameters.text("symbol")
    if symbol:
        call.desk.market(symbol)
    return [
        {
            "symbol": m.symbol,
            "makerCommission": str(Decimal(m.maker_e8) / E8),
            "takerCommission": str(Decimal(m.taker_e8) / E8),
        }
        for m in call.desk.exchange.markets.values()
        if symbol in ("", m.symbol)
    ]


def withdraw(call: Call) -> Reply:
    """POST sapi capital/withdraw/apply: refused, always. No coin leaves this venue."""
    raise VenueError(-4026, "User has insufficient balance or withdrawals are not enabled.")


ROUTES = (
    Route("GET", "account", account, 20, "signed", 0, "account.status"),
    Route("GET", "account/commission", commission, 20, "signed", 0, "account.commission"),
    Route("GET", "rateLimit/order", order_counters, 40, "signed", 0, "account.rateLimits.orders"),
)
WALLET_ROUTES = (
    Route("GET", "system/status", system_status),
    Route("GET", "capital/config/getall", coins, 10, "signed"),
    Route("POST", "capital/withdraw/apply", withdraw, 1, "signed"),
    Route("GET", "account/status", status, 1, "signed"),
    Route("GET", "account/apiRestrictions", restrictions, 1, "signed"),
    Route("GET", "asset/tradeFee", trade_fee, 1, "signed"),
    Route("GET", "margin/allPairs", nothing, 1, "key"),
    Route("GET", "margin/isolated/allPairs", nothing, 1, "signed"),
)
