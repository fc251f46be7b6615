"""Where a venue departs from what one would expect, as data: each with its source and the test that holds it.

Adapters ask this table, so that a quirk changes nothing outside its row: which error codes are no errors
(`harmless`), what a code means here (`meanings`), and figures that differ between products (`value`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot4.model import codes_nb as c

Meaning = Literal["rejected", "unknown", "throttled", "clock", "not_found", "unsupported"]
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Quirk:
    """One departure. `since` is when the source said so, `test` fails without the handling."""

    venue: str
    id: str
    what: str
    since: str
    source: str
    test: str
    harmless: tuple[tuple[str, int], ...] = ()  # (path, code): an answer that asks for nothing
    meanings: tuple[tuple[int, Meaning, int], ...] = ()  # (code, what it means, R_*)
    value: int = 0


_SPOT = "binance-spot"
_USDM = "binance-usdm"
_SPOT_DOCS = "developers.binance.com/docs/binance-spot-api-docs/"
_USDM_DOCS = "developers.binance.com/docs/derivatives/usds-margined-futures/"

QUIRKS: tuple[Quirk, ...] = (
    Quirk(
        _SPOT, "no-listen-key",
        "The private stream is a signed subscription on the WebSocket API, not a listen key.",
        "2026-02-20", _SPOT_DOCS + "CHANGELOG", "test_spot_subscribes_with_a_signature",
    ),
    Quirk(
        _SPOT, "band-by-side",
        "PERCENT_PRICE_BY_SIDE bands buys and sells apart; the narrower one is taken.",
        "2022-04", _SPOT_DOCS + "filters", "test_bands_by_side_take_the_narrower",
    ),
    Quirk(
        _SPOT, "cancel-all-of-none",
        "Cancelling all orders of a symbol that has none is answered with -2011.",
        "2020", _SPOT_DOCS + "errors", "test_cancelling_all_of_none_is_no_error",
        harmless=(("/api/v3/openOrders", -2011),),
    ),
    Quirk(
        _SPOT, "cancel-names-itself",
        "In a reply to a cancel clientOrderId is the request's own; the order's is origClientOrderId.",
        "2019", _SPOT_DOCS + "rest-api/trading-endpoints", "test_a_cancel_report_keeps_the_orders_id",
    ),
    Quirk(
        _SPOT, "rights-of-the-key",
        "canWithdraw is of the account; what the key may do stands in apiRestrictions.",
        "2020", "developers.binance.com/docs/wallet/account/api-key-permission",
        "test_rights_are_those_of_the_key",
    ),
    Quirk(
        _SPOT, "trade-span", "myTrades takes start and end at most 24 hours apart: older trades by number.",
        "2021", _SPOT_DOCS + "rest-api/account-endpoints", "test_old_trades_are_asked_for_by_number",
        value=DAY_MS - 1,
    ),
    Quirk(
        _SPOT, "take-profit-is-market",
        "TAKE_PROFIT is a market order on spot, and a limit order on futures.",
        "2019", _SPOT_DOCS + "enums", "test_take_profit_means_two_things",
    ),
    Quirk(
        _SPOT, "busy", "503 with -1008 was not carried out: load was shed, to be sent again later.",
        "2023-07", _SPOT_DOCS + "errors", "test_shed_load_is_not_an_unknown_outcome",
        meanings=((-1008, "throttled", c.R_THROTTLED),),
    ),
    Quirk(
        _USDM, "algo-orders",
        "Conditional orders go to algoOrder with clientAlgoId; elsewhere they get -4120.",
        "2025-12-09", _USDM_DOCS + "trade/rest-api/New-Algo-Order",
        "test_stops_go_to_the_service_for_conditional_orders",
        meanings=((-4120, "unsupported", c.R_UNCHECKED),),
    ),
    Quirk(
        _USDM, "listen-key-expiry",
        "A listen key lives an hour; -1125 when it is prolonged means that it is gone.",
        "2019", _USDM_DOCS + "user-data-streams", "test_an_expired_listen_key_is_replaced_and_the_gap_told",
        meanings=((-1125, "rejected", c.R_EXPIRED),),
    ),
    Quirk(
        _USDM, "cancel-of-filled",
        "Cancelling an order that is filled or gone is -2011: it is looked up, not lost.",
        "2019", _USDM_DOCS + "error-code", "test_cancel_of_a_filled_order_is_not_found",
    ),
    Quirk(
        _USDM, "no-need-to-change", "Setting the margin mode that is set already is an error, -4046.",
        "2019", _USDM_DOCS + "error-code", "test_setting_the_margin_mode_twice",
        harmless=(("/fapi/v1/marginType", -4046),),
    ),
    Quirk(
        _USDM, "thousands", "1000SHIB, 1MBABYDOGE: one unit of quantity is many coins.",
        "2021", _USDM_DOCS + "market-data/rest-api/Exchange-Information", "test_units_of_many_coins",
    ),
    Quirk(
        _USDM, "trade-span", "userTrades takes start and end at most seven days apart.",
        "2019", _USDM_DOCS + "trade/rest-api/Account-Trade-List", "test_old_trades_are_asked_for_in_spans",
        value=7 * DAY_MS - 60_000,
    ),
    Quirk(
        _USDM, "forced-orders",
        "Liquidations and auto-deleveraging show as own orders with ids that bot4 never made.",
        "2019", _USDM_DOCS + "user-data-streams/Event-Order-Update", "test_forced_orders_carry_their_reason",
    ),
    Quirk(
        _USDM, "busy", "503 with -1008 was not carried out: load was shed, to be sent again later.",
        "2021", _USDM_DOCS + "general-info", "test_shed_load_is_not_an_unknown_outcome",
        meanings=((-1008, "throttled", c.R_THROTTLED),),
    ),
)  # fmt: skip

_BY_ID = {(quirk.venue, quirk.id): quirk for quirk in QUIRKS}
_HARMLESS = {(quirk.venue, path, code) for quirk in QUIRKS for path, code in quirk.harmless}
_MEANINGS = {(q.venue, code): (meaning, reason) for q in QUIRKS for code, meaning, reason in q.meanings}


def quirk(venue: str, name: str) -> Quirk:
    """The row of one quirk; KeyError when the venue has none of that name."""
    return _BY_ID[venue, name]


def harmless(venue: str, path: str, code: int) -> bool:
    """Whether the venue's error asks for nothing: what was wanted is so already."""
    return (venue, path, code) in _HARMLESS


def meaning(venue: str, code: int) -> tuple[Meaning, int] | None:
    """What a code means at this venue, where it differs from or adds to the common table."""
    return _MEANINGS.get((venue, code))
