"""What the venue says of the account itself: positions and cash found there, the private stream."""

from typing import Any

import numpy as np

from bot4.engine.answers_nb import anchor_nb
from bot4.engine.layout_nb import CK_LIQUIDATIONS, CK_NOW
from bot4.engine.parts_nb import ledger_of
from bot4.kernels.jit_nb import kernel
from bot4.ledger.ledger_nb import adopt_nb, apply_fill_nb, transfer_nb
from bot4.model.codes_nb import (
    EV_ADOPT,
    EV_CASH,
    EV_LIQUIDATED,
    EV_RECONCILED,
    EV_STREAM,
    FOR_QUOTE,
    STATUS_OK,
)


@kernel
def adopted_nb(s: Any, inst: int, qty: int, price: int) -> None:
    """Take over a position as the venue states it.

    A plan that is there for this side stays; without one stop and target stand at the emergency distance.
    """
    planned = s["positions"][inst]["qty"] * qty > 0 and s["inst"][inst]["stop"] > 0
    if adopt_nb(ledger_of(s), s["spec"], inst, qty, price, s["clock"][CK_NOW]) == 0:
        return
    row = s["inst"][inst]
    row["entry_bar"] = row["bars"]
    if qty == 0:
        row["stop"] = 0
        row["target"] = 0
    elif not planned:
        anchor_nb(s, inst, FOR_QUOTE, qty)
    row["protect"] = 1


@kernel
def liquidated_nb(s: Any, events: np.ndarray, i: int, inst: int) -> None:
    """The venue has taken a position over: a fill without an order of ours, and the plan of it is gone."""
    e = events[i]
    apply_fill_nb(ledger_of(s), s["spec"], inst, e["x"], e["price"], e["qty"], e["y"], e["ts_local"])
    s["clock"][CK_LIQUIDATIONS] += 1
    row = s["inst"][inst]
    if s["positions"][inst]["qty"] == 0:
        row["stop"] = 0
        row["target"] = 0
    row["protect"] = 1


@kernel
def account_event_nb(s: Any, events: np.ndarray, i: int) -> None:
    """Fold a word about the account; an instrument that does not exist counts in the ledger's residual."""
    e = events[i]
    kind = int(np.int64(e["kind"]))
    control = s["control"][0]
    if kind == EV_LIQUIDATED:
        liquidated_nb(s, events, i, int(np.int64(e["instrument"])))
    elif kind == EV_ADOPT:
        inst = int(np.int64(e["instrument"]))
        if inst < s["spec"].shape[0]:
            adopted_nb(s, inst, e["x"], e["price"])
        else:
            s["account"][0]["residual"] += 1
    elif kind == EV_CASH:
        transfer_nb(ledger_of(s), e["x"])
    elif kind == EV_STREAM:
        control["private_down"] = 0 if e["x"] == STATUS_OK else 1
    elif kind == EV_RECONCILED:
        control["reconciled"] = 1 if e["x"] == 1 else 0
