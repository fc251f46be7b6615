"""Which handler serves which endpoint: REST by method and path, the WebSocket API by name."""

from __future__ import annotations

from bot4.venues.served import (
    market_data,
    rules,
    spot_account,
    spot_lists,
    spot_orders,
    usdm_account,
    usdm_algo,
    usdm_orders,
    user_keys,
)
from bot4.venues.served.desk import Route
from bot4.venues.served.errors import Product

_SPOT = (
    *market_data.SPOT_ROUTES,
    *rules.SPOT_ROUTES,
    *spot_orders.ROUTES,
    *spot_lists.ROUTES,
    *spot_account.ROUTES,
    *user_keys.SPOT_ROUTES,
)
_USDM = (
    *market_data.USDM_ROUTES,
    *rules.USDM_ROUTES,
    *usdm_orders.ROUTES,
    *usdm_algo.ROUTES,
    *usdm_account.ROUTES,
    *user_keys.USDM_ROUTES,
)


def _by_path(prefix: str, routes: tuple[Route, ...]) -> dict[tuple[str, str], Route]:
    return {(route.method, f"{prefix}/{route.path}"): route for route in routes}


REST: dict[tuple[str, str], Route] = {
    **_by_path("/api/v3", _SPOT),
    **_by_path("/api/v1", _SPOT),
    **_by_path("/sapi/v1", spot_account.WALLET_ROUTES),
    **_by_path("/fapi/v1", _USDM),
    **_by_path("/fapi/v2", _USDM),
    **_by_path("/fapi/v3", _USDM + usdm_account.V3_ROUTES),
}
"""A later version of a product has what the earlier has, unless it brings its own."""

SOCKET: dict[Product, dict[str, Route]] = {
    "spot": {route.socket: route for route in _SPOT if route.socket},
    "usdm": {route.socket: route for route in _USDM if route.socket}
    | {f"v2/{route.socket}": route for route in usdm_account.ROUTES if route.socket},
}


def product_of(path: str) -> Product:
    """Which desk serves a REST path."""
    return "usdm" if path.startswith("/fapi/") else "spot"
