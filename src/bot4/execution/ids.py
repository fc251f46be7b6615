"""Client order ids: text at the venue, integers inside.

The text is made by `bot4.safety.gate.client_order_id`; Binance takes ^[.A-Z:/a-z0-9_-]{1,36}$.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bot4.safety.gate import MAX_EPOCH, MAX_ORDER_ID, client_order_id

__all__ = ["ClientId", "client_order_id", "parse_client_order_id"]

_FORM = re.compile(r"b4([A-Za-z0-9]{1,8})-(0|[1-9][0-9]{0,9})-([1-9][0-9]{0,13})", re.ASCII)


class ClientId(NamedTuple):
    """Who placed an order, in which run, under which number."""

    owner: str
    epoch: int
    order_id: int


def parse_client_order_id(text: str) -> ClientId | None:
    """The parts of a client order id of bot4, or None when the order is not one of ours."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    epoch, order_id = int(found[2]), int(found[3])
    if epoch > MAX_EPOCH or order_id > MAX_ORDER_ID:
        return None
    return ClientId(found[1], epoch, order_id)
