"""Errors in the venue's own words: code, text, HTTP status; and what each refusal of the core is called."""

from __future__ import annotations

from typing import Literal

from bot4.venues.simulator.words import Refusal, Refused

Product = Literal["spot", "usdm"]


class VenueError(Exception):
    """An error reply: {"code": code, "msg": msg} with an HTTP status."""

    def __init__(
        self,
        code: int,
        msg: str,
        status: int = 400,
        retry_after: int | None = None,
        data: dict[str, object] | None = None,
    ) -> None:
        super().__init__(msg)
        self.data = data
        self.code = code
        self.msg = msg
        self.status = status
        self.retry_after = retry_after

    def body(self) -> dict[str, object]:
        """The JSON body of the reply."""
        body: dict[str, object] = {"code": self.code, "msg": self.msg}
        if self.data is not None:
            body["data"] = self.data
        return body


_SPOT: dict[Refusal, tuple[int, str]] = {
    Refusal.UNKNOWN_MARKET: (-1121, "Invalid symbol."),
    Refusal.NOT_TRADING: (-1013, "Market is closed."),
    Refusal.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    Refusal.BAD_CLIENT_ID: (
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
    ),
    Refusal.PRICE_FILTER: (-1013, "Filter failure: PRICE_FILTER"),
    Refusal.PERCENT_PRICE: (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    Refusal.LOT_SIZE: (-1013, "Filter failure: LOT_SIZE"),
    Refusal.MARKET_LOT_SIZE: (-1013, "Filter failure: MARKET_LOT_SIZE"),
    Refusal.MIN_NOTIONAL: (-1013, "Filter failure: NOTIONAL"),
    Refusal.MAX_ORDERS: (-2010, "Filter failure: MAX_NUM_ORDERS"),
    Refusal.MAX_STOPS: (-2010, "Filter failure: MAX_NUM_ALGO_ORDERS"),
    Refusal.BALANCE: (-2010, "Account has insufficient balance for requested action."),
    Refusal.MARGIN: (-2010, "Account has insufficient balance for requested action."),
    Refusal.REDUCE_ONLY: (-1106, "Parameter 'reduceOnly' sent when not required."),
    Refusal.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Refusal.WOULD_TRIGGER: (-2010, "Stop price would trigger immediately."),
    Refusal.NO_LIQUIDITY: (-2010, "Order book liquidity is less than LOT_SIZE filter minimum quantity."),
    Refusal.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    Refusal.NOT_CANCELABLE: (-2011, "Unknown order sent."),
    Refusal.LEVERAGE: (-1100, "Illegal parameter 'leverage'."),
    Refusal.MODE: (-1106, "Parameter 'positionSide' sent when not required."),
    Refusal.OCO_PRICES: (-2010, "The relationship of the prices for the orders is not correct."),
    Refusal.SELF_TRADE: (-2010, "Order would trade with another order of the same account."),
    Refusal.FOK: (-2010, "Order could not be filled completely."),
    Refusal.INTERNAL: (-1001, "Internal error; unable to process your request. Please try again."),
}

_USDM: dict[Refusal, tuple[int, str]] = {
    Refusal.UNKNOWN_MARKET: (-1121, "Invalid symbol."),
    Refusal.NOT_TRADING: (-4140, "Invalid symbol status for opening position."),
    Refusal.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Refusal.BAD_CLIENT_ID: (-4015, "Client order id length should be less than 36 chars."),
    Refusal.PRICE_FILTER: (-4014, "Price not increased by tick size."),
    Refusal.PERCENT_PRICE: (
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    ),
    Refusal.LOT_SIZE: (-1111, "Precision is over the maximum defined for this asset."),
    Refusal.MARKET_LOT_SIZE: (-4005, "Quantity greater than max quantity."),
    Refusal.MIN_NOTIONAL: (
        -4164,
        "Order's notional must be no smaller than {min_notional} (unless you choose reduce only).",
    ),
    Refusal.MAX_ORDERS: (-2025, "Reach max open order limit."),
    Refusal.MAX_STOPS: (-4045, "Reach max stop order limit."),
    Refusal.BALANCE: (-2018, "Balance is insufficient."),
    Refusal.MARGIN: (-2019, "Margin is insufficient."),
    Refusal.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Refusal.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    Refusal.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Refusal.NO_LIQUIDITY: (
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    ),
    Refusal.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    Refusal.NOT_CANCELABLE: (-2011, "Unknown order sent."),
    Refusal.LEVERAGE: (-4028, "Leverage {leverage} is not valid"),
    Refusal.MODE: (-4061, "Order's position side does not match user's setting."),
    Refusal.OCO_PRICES: (-1116, "Invalid orderType."),
    Refusal.SELF_TRADE: (-2010, "Order would trade with another order of the same account."),
    Refusal.FOK: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    ),
    Refusal.INTERNAL: (-1001, "Internal error; unable to process your request. Please try again."),
}


def refusal(product: Product, refused: Refused, **values: object) -> VenueError:
    """What the venue says when the core refuses; `values` fill the places in its text."""
    code, text = (_SPOT if product == "spot" else _USDM)[refused.why]
    return VenueError(code, text.format(**values) if values and "legal range" not in text else text)


def on_cancel(error: VenueError) -> VenueError:
    """An unknown order is another error when it was to be cancelled."""
    return VenueError(-2011, "Unknown order sent.") if error.code == -2013 else error


def mandatory(name: str) -> VenueError:
    """A parameter is missing or unreadable."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def unauthorised(code: int, msg: str) -> VenueError:
    """The key or the signature is not accepted."""
    return VenueError(code, msg, status=401 if code in (-2014, -2015) else 400)
