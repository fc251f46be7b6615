"""Approved orders for tests of venues: rows as the compiled gate leaves them, sealed by the gate."""

import numpy as np

from bot4.model import codes_nb as c
from bot4.model.events import ORDER_DTYPE
from bot4.safety.gate import sealed

TYPES = {"limit": c.TYPE_LIMIT, "market": c.TYPE_MARKET, "stop": c.TYPE_STOP}
TIFS = {"gtc": c.TIF_GTC, "ioc": c.TIF_IOC, "post": c.TIF_POST}
PURPOSES = {
    "entry": c.FOR_ENTRY, "exit": c.FOR_EXIT, "stop": c.FOR_STOP, "target": c.FOR_TARGET, "quote": c.FOR_QUOTE,
}  # fmt: skip


class Approver:
    """Approves everything, under rising numbers."""

    def __init__(self, owner="t", epoch=1):
        self.owner, self.epoch, self.next = owner, epoch, 1

    def __call__(
        self,
        instrument,
        side,
        type_,
        qty,
        price=0,
        stop=0,
        tif="gtc",
        purpose="entry",
        reduce=False,
        number=None,
    ):
        """An ApprovedOrder; `qty` in lots, `price` and `stop` in ticks, `number` for an id used before."""
        row = np.zeros(1, ORDER_DTYPE)
        r = row[0]
        r["id"] = number or self.next
        self.next += number is None
        r["status"], r["action"] = c.ST_PENDING, c.ACT_NEW
        r["side"], r["type"], r["qty"], r["price"], r["stop_price"] = side, TYPES[type_], qty, price, stop
        r["tif"], r["purpose"] = TIFS["ioc" if type_ == "market" else tif], PURPOSES[purpose]
        r["flags"] = c.OF_REDUCE_ONLY if reduce else 0
        return sealed(row, instrument, self.owner, self.epoch)
