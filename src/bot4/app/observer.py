"""The engine's state as the live view wants it."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from bot4.app.live import Snapshot
from bot4.engine import layout_nb as lay
from bot4.ledger.ledger_nb import equity_nb, exposure_nb
from bot4.model import names
from bot4.model.codes_nb import STATUS_OK
from bot4.model.values import places
from bot4.research.closes import DAY, is_delayed, last_close, when
from bot4.research.session import Session
from bot4.signals.ta.votes_nb import VOTE_NAMES


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


class Observer:
    """Reads a session; keeps the last few decisions, and of a live run the result of the last close."""

    def __init__(
        self, session: Session, *, synthetic: bool, strategy: str, speed: float, duration_s: float | None
    ) -> None:
        self.session = session
        self.fixed = {"synthetic": synthetic, "strategy": strategy, "speed": speed or None}
        self.duration_s = duration_s
        self.recent: deque[dict[str, Any]] = deque(maxlen=5)
        self._last: dict[int, tuple[int, int]] = {}
        self._closed: tuple[int, int, int] | None = None  # a close (ns UTC), equity then, result until then

    def _decisions(self) -> list[dict[str, Any]]:
        e = self.session.engine
        for k, instrument in enumerate(self.session.plan.instruments):
            row = e.inst[k]
            state = (int(row["outcome"]), int(row["reason"]))
            if state[0] and self._last.get(k) != state:
                self._last[k] = state
                self.recent.appendleft(
                    {
                        "ts": int(e.clock[lay.CK_NOW]),
                        "instrument": instrument.symbol,
                        "outcome": names.reason(state[0]),
                        "reason": names.reason(state[1]),
                        "score": _known(e.fused[k, lay.FU_SCORE]),
                    }
                )
        return list(self.recent)

    def _market(self, k: int, now: int) -> dict[str, Any]:
        e = self.session.engine
        instrument = self.session.plan.instruments[k]
        tick = float(instrument.tick)
        top, row = e.book.top[k], e.inst[k]
        status = int(row["status"])
        return {
            "instrument": instrument.symbol,
            "bid": int(top["quote_bid"]) * tick or None,
            "ask": int(top["quote_ask"]) * tick or None,
            "last": int(row["last"]) * tick or None,
            "decimals": places(instrument.tick),
            "age_s": (now - int(row["last_ts"])) / 1e9 if row["last_ts"] else None,
            "book": "ok" if status == STATUS_OK else names.STATUSES[status],
        }

    def _signal(self, k: int) -> dict[str, Any]:
        e = self.session.engine
        loaded = self.session.meta["model"]["path"] is not None
        return {
            "instrument": self.session.plan.instruments[k].symbol,
            "votes": [
                {"source": name, "direction": int(d) if c > 0 else None, "confidence": float(c)}
                for name, (d, c) in zip(VOTE_NAMES, e.votes[k], strict=True)
            ],
            "model": self.session.meta["model"]["label"] if loaded else None,
            "probability": _known(e.fused[k, lay.FU_P_ML]),
            "score": _known(e.fused[k, lay.FU_SCORE]),
            "threshold": float(e.params[0]["threshold"]),
        }

    def _position(self, k: int) -> dict[str, Any] | None:
        e = self.session.engine
        instrument = self.session.plan.instruments[k]
        p, row = e.ledger.positions[k], e.inst[k]
        qty = int(p["qty"])
        if qty == 0:
            return None
        tick, mult = float(instrument.tick), int(e.spec[k]["money_mult"])
        return {
            "instrument": instrument.symbol,
            "qty": qty * float(instrument.lot),
            "entry": abs(int(p["cost"])) / (abs(qty) * mult) * tick,
            "mark": int(p["mark"]) * tick,
            "decimals": places(instrument.tick),
            "unrealised": self.session.money(qty * int(p["mark"]) * mult - int(p["cost"])),
            "stop": int(row["stop"]) * tick or None,
            "target": int(row["target"]) * tick or None,
        }

    def _limits(self, equity: int) -> list[dict[str, Any]]:
        e = self.session.engine
        risk, params = e.risk.state[0], e.risk.params[0]
        gross, _ = exposure_nb(e.ledger, e.spec)
        day = int(risk["day_start_equity"])
        loss = max(0.0, 1.0 - equity / day) if day > 0 else 0.0
        share = gross / equity if equity > 0 else None
        return [
            {"name": "exposure", "used": share, "limit": float(params["max_leverage"])},
            {"name": "position", "used": share, "limit": float(params["max_position"])},
            {"name": "drawdown", "used": float(risk["drawdown"]), "limit": float(params["dd_soft"])},
            {"name": "daily loss", "used": loss, "limit": float(params["daily_loss"])},
        ]

    def _account(self, equity: int) -> dict[str, Any]:
        e = self.session.engine
        account, risk = e.ledger.account[0], e.risk.state[0]
        return {
            "equity": self.session.money(equity),
            "total": self.session.money(equity - int(account["initial"])),
            "total_fraction": equity / int(account["initial"]) - 1.0,
            "day": self.session.money(equity - int(risk["day_start_equity"])),
            "realised": self.session.money(account["realised"]),
            "fees": self.session.money(account["fees"]),
            "funding": self.session.money(account["funding"]),
        }

    def _closed_account(self, now: int) -> dict[str, Any]:
        """The result as of the last close that is public at `now`; deposits since then are in the equity."""
        e = self.session.engine
        account, risk = e.ledger.account[0], e.risk.state[0]
        close, initial = last_close(now), int(account["initial"])
        began = int(self.session.meta["data"]["first"])
        if began <= close and int(risk["day"]) * DAY == close:
            start = int(risk["day_start_equity"])
            self._closed = (close, start + int(account["external"]), start - initial)
        if self._closed is None:
            return {"equity": None, "total": None, "total_fraction": None, **when(None, now)}
        close, equity, total = self._closed
        return {
            "equity": self.session.money(equity),
            "total": self.session.money(total),
            "total_fraction": total / initial,
            **when(close, now),
        }

    def _positions(self) -> dict[str, Any]:
        """One by one; of a live run their number and worth."""
        e = self.session.engine
        if not is_delayed(self.session.meta):
            every = range(len(self.session.plan.instruments))
            return {"positions": [p for k in every if (p := self._position(k)) is not None]}
        gross, _ = exposure_nb(e.ledger, e.spec)
        count = int((e.ledger.positions["qty"] != 0).sum())
        return {"holdings": {"count": count, "value": self.session.money(gross)}}

    def snapshot(self, now: int, uptime_s: float) -> Snapshot:
        """Everything the live view shows; of a live run the result of the last close (see `closes`)."""
        session = self.session
        e = session.engine
        equity = int(equity_nb(e.ledger, e.spec))
        counts = session.counts()
        every = range(len(session.plan.instruments))
        delayed = is_delayed(session.meta)
        account = self._closed_account(now) if delayed else self._account(equity)
        result: dict[str, Any] = {
            **self.fixed,
            "mode": "live" if delayed else "paper",
            "control": counts["mode"],
            "stopped": counts["stopped"],
            "market_ts": now,
            "uptime_s": uptime_s,
            "remaining_s": None if self.duration_s is None else max(0.0, self.duration_s - uptime_s),
            "market": [self._market(k, now) for k in every],
            "signals": [self._signal(k) for k in every],
            **self._positions(),
            "account": {**account, "drawdown": float(e.risk.state[0]["drawdown"])},
            "limits": self._limits(equity),
            "counters": counts,
            "decisions": self._decisions(),
            "currency": session.plan.currency,
        }
        return result  # type: ignore[return-value]
