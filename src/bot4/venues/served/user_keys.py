"""The endpoints of listen keys."""

from __future__ import annotations

from bot4.venues.served.desk import Call, Reply, Route
from bot4.venues.served.errors import VenueError


def start(call: Call) -> Reply:
    """POST userDataStream or listenKey."""
    call.customer()
    return {"listenKey": call.desk.keys.start(call.account, call.now_ms)}


def _named(call: Call) -> str:
    key = call.parameters.text("listenKey") or call.desk.keys.key_of(call.account) or ""
    if call.desk.keys.account(key) is None:
        raise VenueError(-1125, "This listenKey does not exist.")
    return key


def keep(call: Call) -> Reply:
    """PUT userDataStream or listenKey."""
    key = _named(call)
    call.desk.keys.keep(key, call.now_ms)
    return {} if call.desk.product == "spot" else {"listenKey": key}


def close(call: Call) -> Reply:
    """DELETE userDataStream or listenKey."""
    call.desk.keys.close(_named(call))
    return {}


SPOT_ROUTES = (
    Route("POST", "userDataStream", start, 2, "key", 0, "userDataStream.start"),
    Route("PUT", "userDataStream", keep, 2, "key", 0, "userDataStream.ping"),
    Route("DELETE", "userDataStream", close, 2, "key", 0, "userDataStream.stop"),
)
USDM_ROUTES = (
    Route("POST", "listenKey", start, 1, "key", 0, "userDataStream.start"),
    Route("PUT", "listenKey", keep, 1, "key", 0, "userDataStream.ping"),
    Route("DELETE", "listenKey", close, 1, "key", 0, "userDataStream.stop"),
)
