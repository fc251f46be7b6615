"""USD-M account: balances, positions, leverage and modes, income, brackets."""

from __future__ import annotations

from decimal import Decimal

from bot4.venues.served.desk import Call, Reply, Route
from bot4.venues.served.errors import VenueError
from bot4.venues.served.figures import amount, plain
from bot4.venues.served.spot_shapes import MS, Json
from bot4.venues.served.standing import Standing, Worth, coarse, positions_of, worth
from bot4.venues.simulator.words import Refusal, Refused

E8 = Decimal(100_000_000)
ZERO = Decimal(0)


def _assets(call: Call) -> list[str]:
    quotes = {m.quote for m in call.desk.exchange.markets.values()}
    return sorted(quotes | set(call.customer().margin))


def balance(call: Call) -> Reply:
    """GET balance."""
    customer = call.customer()
    rows = []
    for asset in _assets(call):
        total = worth(call.desk, customer, asset)
        rows.append(
            {
                "accountAlias": "SgsR",
                "asset": asset,
                "balance": amount(total.wallet),
                "crossWalletBalance": amount(total.wallet - total.isolated),
                "crossUnPnl": amount(total.unrealised),
                "availableBalance": amount(total.available),
                "maxWithdrawAmount": amount(min(total.available, total.wallet)),
                "marginAvailable": True,
                "updateTime": _changed(call),
            }
        )
    return rows


def _changed(call: Call) -> int:
    return call.desk.memory.changed.get(call.account, 0) // MS


def _asset_row(asset: str, total: Worth, changed: int) -> Json:
    return {
        "asset": asset,
        "walletBalance": amount(total.wallet),
        "unrealizedProfit": amount(total.unrealised),
        "marginBalance": amount(total.margin),
        "maintMargin": amount(total.maintenance),
        "initialMargin": amount(total.initial + total.orders),
        "positionInitialMargin": amount(total.initial),
        "openOrderInitialMargin": amount(total.orders),
        "maxWithdrawAmount": amount(min(total.available, total.wallet)),
        "crossWalletBalance": amount(total.wallet - total.isolated),
        "crossUnPnl": amount(total.unrealised),
        "availableBalance": amount(total.available),
        "marginAvailable": True,
        "updateTime": changed,
    }


def _account_position(held: Standing, call: Call) -> Json:
    figures = call.desk.figures(held.position.symbol)
    position = held.position
    return {
        "symbol": position.symbol,
        "initialMargin": amount(held.view.initial),
        "maintMargin": amount(held.view.maintenance),
        "unrealizedProfit": amount(held.view.unrealised),
        "positionInitialMargin": amount(held.view.initial),
        "openOrderInitialMargin": "0",
        "leverage": str(position.leverage),
        "isolated": position.isolated,
        "entryPrice": coarse(held.view.entry, figures),
        "breakEvenPrice": coarse(held.view.entry, figures),
        "maxNotional": "100000000",
        "positionSide": "BOTH",
        "positionAmt": figures.qty.text(position.qty),
        "notional": amount(held.notional),
        "isolatedWallet": amount(position.margin if position.isolated else ZERO),
        "isolatedMargin": amount(position.margin + held.view.unrealised if position.isolated else ZERO),
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": _changed(call),
    }


def _account(call: Call, all_positions: bool) -> Reply:
    customer = call.customer()
    sums = {asset: worth(call.desk, customer, asset) for asset in _assets(call)}
    main = sums.get("USDT") or next(iter(sums.values()))
    row = _asset_row("", main, _changed(call))
    return {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": customer.can_withdraw,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        "totalInitialMargin": row["initialMargin"],
        "totalMaintMargin": row["maintMargin"],
        "totalWalletBalance": row["walletBalance"],
        "totalUnrealizedProfit": row["unrealizedProfit"],
        "totalMarginBalance": row["marginBalance"],
        "totalPositionInitialMargin": row["positionInitialMargin"],
        "totalOpenOrderInitialMargin": row["openOrderInitialMargin"],
        "totalCrossWalletBalance": row["crossWalletBalance"],
        "totalCrossUnPnl": row["crossUnPnl"],
        "availableBalance": row["availableBalance"],
        "maxWithdrawAmount": row["maxWithdrawAmount"],
        "assets": [_asset_row(asset, total, _changed(call)) for asset, total in sums.items()],
        "positions": [
            _account_position(held, call)
            for held in positions_of(call.desk, customer)
            if all_positions or held.position.qty
        ],
    }


def account(call: Call) -> Reply:
    """GET v2/account: every position, flat ones too."""
    return _account(call, True)


def account_v3(call: Call) -> Reply:
    """GET v3/account: open positions only."""
    return _account(call, False)


def _risk(held: Standing, call: Call) -> Json:
    figures, position = call.desk.figures(held.position.symbol), held.position
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": figures.qty.text(position.qty),
        "entryPrice": coarse(held.view.entry, figures),
        "breakEvenPrice": coarse(held.view.entry, figures),
        "markPrice": amount(held.view.mark),
        "unRealizedProfit": amount(held.view.unrealised),
        "liquidationPrice": coarse(held.view.liquidation, figures),
        "leverage": str(position.leverage),
        "maxNotionalValue": "100000000",
        "marginType": "isolated" if position.isolated else "cross",
        "isolatedMargin": amount(position.margin + held.view.unrealised if position.isolated else ZERO),
        "isAutoAddMargin": "false",
        "notional": amount(held.notional),
        "marginAsset": held.market.quote,
        "isolatedWallet": amount(position.margin if position.isolated else ZERO),
        "initialMargin": amount(held.view.initial),
        "maintMargin": amount(held.view.maintenance),
        "positionInitialMargin": amount(held.view.initial),
        "openOrderInitialMargin": "0",
        "adl": 1 if position.qty else 0,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": _changed(call) if position.qty else 0,
    }


def _risks(call: Call, flat: bool) -> Reply:
    symbol = call.parameters.text("symbol")
    if symbol:
        call.desk.market(symbol)
    return [
        _risk(held, call)
        for held in positions_of(call.desk, call.customer())
        if symbol in ("", held.position.symbol) and (flat or held.position.qty)
    ]


def position_risk(call: Call) -> Reply:
    """GET v2/positionRisk: every symbol."""
    return _risks(call, True)


def position_risk_v3(call: Call) -> Reply:
    """GET v3/positionRisk: open positions only."""
    return _risks(call, False)


def leverage(call: Call) -> Reply:
    """POST leverage."""
    market = call.market()
    call.parameters.need("leverage")
    wanted = call.parameters.whole("leverage", 0)
    try:
        call.desk.exchange.set_leverage(call.account, market.symbol, wanted)
    except Refused as error:
        raise call.desk.refused(error, market.symbol, leverage=wanted) from error
    return {"leverage": wanted, "maxNotionalValue": "100000000", "symbol": market.symbol}


def margin_type(call: Call) -> Reply:
    """POST marginType: ISOLATED or CROSSED; not while there is a position or an order."""
    market = call.market()
    word = call.parameters.need("marginType").upper()
    if word not in ("ISOLATED", "CROSSED"):
        raise VenueError(-4054, "Invalid margin type.")
    held = call.customer().positions.get(market.symbol)
    isolated = held is not None and held.isolated
    if isolated == (word == "ISOLATED"):
        raise VenueError(-4046, "No need to change margin type.")
    if held is not None and held.qty:
        raise VenueError(-4048, "Margin type cannot be changed if there exists position.")
    if call.desk.exchange.open_orders(call.account, market.symbol):
        raise VenueError(-4047, "Margin type cannot be changed if there exists open orders.")
    try:
        call.desk.exchange.set_margin_mode(call.account, market.symbol, word == "ISOLATED")
    except Refused as error:
        raise call.desk.refused(error, market.symbol) from error
    return {"code": 200, "msg": "success"}


def side_mode(call: Call) -> Reply:
    """GET positionSide/dual."""
    return {"dualSidePosition": call.customer().hedge_mode}


def set_side_mode(call: Call) -> Reply:
    """POST positionSide/dual."""
    call.parameters.need("dualSidePosition")
    wanted = call.parameters.flag("dualSidePosition")
    if call.customer().hedge_mode == wanted:
        raise VenueError(-4059, "No need to change position side.")
    try:
        call.desk.exchange.set_hedge_mode(call.account, wanted)
    except Refused as error:
        if error.why is Refusal.MODE:
            raise VenueError(-4068, f"Position side cannot be changed: {error}") from error
        raise call.desk.refused(error) from error
    return {"code": 200, "msg": "success"}


def multi_assets(call: Call) -> Reply:
    """GET multiAssetsMargin: always off here."""
    return {"multiAssetsMargin": False}


def set_multi_assets(call: Call) -> Reply:
    """POST multiAssetsMargin: off is what it is; on is not modelled and refused."""
    call.parameters.need("multiAssetsMargin")
    if call.parameters.flag("multiAssetsMargin"):
        raise VenueError(-4169, "Multi-assets margin is not modelled by this venue.")
    raise VenueError(-4171, "No need to change the Multi-Assets Mode.")


def brackets(call: Call) -> Reply:
    """GET leverageBracket: one bracket a market."""
    symbol = call.parameters.text("symbol")
    found = [call.desk.market(symbol)] if symbol else list(call.desk.exchange.markets.values())
    rows = [
        {
            "symbol": m.symbol,
            "notionalCoef": 1.0,
            "brackets": [
                {
                    "bracket": 1,
                    "initialLeverage": m.max_leverage,
                    "notionalCap": 100_000_000,
                    "notionalFloor": 0,
                    "maintMarginRatio": float(m.maintenance),
                    "cum": 0.0,
                }
            ],
        }
        for m in found
    ]
    return rows


def commission_rate(call: Call) -> Reply:
    """GET commissionRate of one symbol."""
    market = call.market()
    return {
        "symbol": market.symbol,
        "makerCommissionRate": plain((Decimal(market.maker_e8) / E8).quantize(Decimal("0.000001"))),
        "takerCommissionRate": plain((Decimal(market.taker_e8) / E8).quantize(Decimal("0.000001"))),
        "rpiCommissionRate": "0.000000",
    }


def income(call: Call) -> Reply:
    """GET income, newest last."""
    symbol, kind = call.parameters.text("symbol"), call.parameters.text("incomeType")
    start, end = call.parameters.whole("startTime", 0), call.parameters.whole("endTime", 2**62)
    limit = call.parameters.whole("limit", 100, 1, 1000)
    found = [
        row
        for row in call.desk.memory.income[call.account]
        if symbol in ("", row.symbol) and kind in ("", row.kind) and start <= row.ts // MS <= end
    ]
    return [
        {
            "symbol": row.symbol,
            "incomeType": row.kind,
            "income": amount(row.amount),
            "asset": row.asset,
            "time": row.ts // MS,
            "info": str(row.trade_id or row.kind),
            "tranId": row.ts // 1000 + n,
            "tradeId": str(row.trade_id) if row.trade_id else "",
        }
        for n, row in enumerate(found[-limit:])
    ]


def configuration(call: Call) -> Reply:
    """GET accountConfig."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": call.customer().can_withdraw,
        "dualSidePosition": call.customer().hedge_mode,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def symbol_configuration(call: Call) -> Reply:
    """GET symbolConfig, of one symbol or all."""
    symbol = call.parameters.text("symbol")
    if symbol:
        call.desk.market(symbol)
    return [
        {
            "symbol": held.position.symbol,
            "marginType": "ISOLATED" if held.position.isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": held.position.leverage,
            "maxNotionalValue": "100000000",
        }
        for held in positions_of(call.desk, call.customer())
        if symbol in ("", held.position.symbol)
    ]


ROUTES = (
    Route("GET", "balance", balance, 5, "signed", 0, "account.balance"),
    Route("GET", "account", account, 5, "signed", 0, "account.status"),
    Route("GET", "positionRisk", position_risk, 5, "signed", 0, "account.position"),
    Route("POST", "leverage", leverage, 1, "signed"),
    Route("POST", "marginType", margin_type, 1, "signed"),
    Route("GET", "positionSide/dual", side_mode, 30, "signed"),
    Route("POST", "positionSide/dual", set_side_mode, 1, "signed"),
    Route("GET", "multiAssetsMargin", multi_assets, 30, "signed"),
    Route("POST", "multiAssetsMargin", set_multi_assets, 1, "signed"),
    Route("GET", "leverageBracket", brackets, 1, "signed"),
    Route("GET", "commissionRate", commission_rate, 20, "signed"),
    Route("GET", "income", income, 30, "signed"),
    Route("GET", "accountConfig", configuration, 5, "signed"),
    Route("GET", "symbolConfig", symbol_configuration, 5, "signed"),
)
V3_ROUTES = (
    Route("GET", "account", account_v3, 5, "signed"),
    Route("GET", "positionRisk", position_risk_v3, 5, "signed"),
)
