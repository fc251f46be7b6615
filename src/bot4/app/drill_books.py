"""The judge of the kill drill: a journal on the disk against the exchange's own account, orders and trades.

Nothing of the trading code is used: the journal is read as blocks, the exchange is asked over HTTP.
"""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bot4.execution.ids import parse_client_order_id
from bot4.model.codes_nb import ACT_NEW, EV_ADOPT, EV_CASH, EV_FILL, FOR_ENTRY
from bot4.ports import journal as port
from bot4.storage.journal import JournalReader, Position

PAGE = 1000
LOOKS = 10
PAUSE_S = 0.05


@dataclass
class Exchange:
    """What the exchange itself says of one practice account, and of one futures symbol."""

    port: int
    key: str
    symbol: str
    orders: dict[int, str] = field(default_factory=dict)  # the exchange's number: client id
    trades: dict[int, int] = field(default_factory=dict)  # trade number: the exchange's order number

    @property
    def wire(self) -> str:
        """The exchange's name of the symbol."""
        return "".join(self.symbol.split("-")[:2])

    def get(self, path: str) -> Any:
        """One question over HTTP."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            line.request("GET", path, headers={"X-MBX-APIKEY": self.key})
            reply = line.getresponse()
            text = reply.read()
        finally:
            line.close()
        if reply.status != 200:
            raise ConnectionError(f"{path}: {reply.status} {text[:200]!r}")
        return json.loads(text)

    def signed(self, path: str, **asked: Any) -> Any:
        """A question about the account."""
        asked = {"symbol": self.wire, **asked, "timestamp": time.time_ns() // 10**6, "signature": "practice"}
        return self.get(path + "?" + "&".join(f"{name}={value}" for name, value in asked.items()))

    def lots(self) -> int:
        """The position, signed lots."""
        held = self.get(f"/_bot4/accounts?key={self.key}")["usdm"]["positions"]
        return int(held.get(self.wire, 0))

    def refresh(self) -> None:
        """Read the orders and trades that are new."""
        while True:
            known = max(self.trades, default=0)
            page = self.signed("/fapi/v1/userTrades", fromId=known + 1, limit=PAGE)
            for trade in page:
                self.trades[int(trade["id"])] = int(trade["orderId"])
            if len(page) < PAGE:
                break
        while True:
            known = max(self.orders, default=0)
            page = self.signed("/fapi/v1/allOrders", orderId=known + 1, limit=PAGE)
            for order in page:
                self.orders[int(order["orderId"])] = str(order["clientOrderId"])
            if len(page) < PAGE:
                break


class Books:
    """The journal's side, read on from where it was read before."""

    def __init__(self, folder: Path, exchange: Exchange) -> None:
        self.exchange = exchange
        self.fills: Counter[int] = Counter()
        self.sent: dict[int, int] = {}  # order number: its decision, for entries
        self.outside = 0
        self.lots = 0  # the position, signed, by the journal's own fills
        self._sides: dict[int, int] = {}
        self._folder = folder
        self._at: Position | None = None
        self._told: set[str] = set()

    def read(self) -> None:
        """Read what the journal has more; a torn tail or a group not yet ended is read again later."""
        reader = JournalReader(self._folder, start=self._at)
        fills: list[int] = []
        sent: dict[int, int] = {}
        outside = moved = 0
        for block in reader.blocks():
            if block.kind == port.INPUTS:
                events = block.payload["event"]
                filled = events[events["kind"] == EV_FILL]
                fills += filled["seq"].tolist()
                moved += sum(self._sides[int(e["x"])] * int(e["qty"]) for e in filled)
                outside += int(np.isin(events["kind"], (EV_ADOPT, EV_CASH)).sum())
            elif block.kind == port.ORDERS:
                new = block.payload[block.payload["action"] == ACT_NEW]
                for row in new:
                    self._sides[int(row["id"])] = int(row["side"])
                    sent[int(row["id"])] = int(row["decision"]) if row["purpose"] == FOR_ENTRY else 0
            elif block.kind == port.COMMIT:
                self.fills.update(fills)
                self.sent.update(sent)
                self.outside += outside
                self.lots += moved
                fills, sent, outside, moved = [], {}, 0, 0
                self._at = reader.position

    def compare(self, *, flat: bool = False) -> tuple[list[str], list[str]]:
        """(what is lost, what is doubled) after a recovery; `flat`: there must be no position.

        The market goes on meanwhile: a difference counts when it is still there after LOOKS looks.
        """
        for _ in range(LOOKS):
            lost, doubled = self._look(flat)
            if not lost and not doubled:
                break
            time.sleep(PAUSE_S)
        fresh = [text for text in lost if text not in self._told], [t for t in doubled if t not in self._told]
        self._told |= {*lost, *doubled}
        return fresh

    def settled(self) -> tuple[list[str], list[str]]:
        """The same at the end, when the account must be flat."""
        return self.compare(flat=True)

    def _look(self, flat: bool) -> tuple[list[str], list[str]]:
        self.exchange.refresh()
        self.read()
        there = set(self.exchange.trades)
        booked = set(self.fills)
        new_lots = self.exchange.lots()
        lost = [f"trade {n} of the exchange is not in the journal" for n in sorted(there - booked)]
        if (new_lots != self.lots or (flat and new_lots)) and not lost:
            lost.append(f"the exchange holds {new_lots} lots, the journal {self.lots}")
        if self.outside:
            lost.append(f"{self.outside} differences were booked that no order of ours explains")
            self.outside = 0
        doubled = [f"trade {n} is booked {k} times" for n, k in self.fills.items() if k > 1]
        doubled += [f"trade {n} is in the journal and not at the exchange" for n in sorted(booked - there)]
        clients = Counter(c for c in self.exchange.orders.values() if c)
        doubled += [f"order {c} stands {k} times at the exchange" for c, k in clients.items() if k > 1]
        decisions: Counter[int] = Counter()
        for client in clients:
            ours = parse_client_order_id(client)
            if ours is not None and (decision := self.sent.get(ours.order_id, 0)):
                decisions[decision] += 1
        doubled += [f"decision {d} made {k} orders" for d, k in decisions.items() if k > 1]
        return lost, doubled
