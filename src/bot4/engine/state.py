"""The engine's state: one record that the kernels take, and views of its parts for the cold plane."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bot4.execution.orders_nb import OrdersState
from bot4.features.book_nb import BookFeatures
from bot4.features.layout_nb import FeatureState
from bot4.kernels.ladder_nb import Ladder
from bot4.ledger.ledger_nb import LedgerState
from bot4.market.book_nb import BookState
from bot4.risk.state_nb import RiskState
from bot4.safety.gate_nb import SafetyState
from bot4.signals.ml.trees_nb import TreeModel

Array = np.ndarray[Any, Any]

OUTGOING = (
    "n",
    "intents",
    "sent",
    "decisions",
    "curve",
    "recorded",
    "trips",
    "due",
    "wake",
    "verdicts",
    "ints",
    "floats",
    "levels",
)
"""Fields of the record that are scratch space or wait for the journal: not state."""


class Engine(NamedTuple):
    """The record (`core`, one row) and its parts as views; writing to a view writes to the record."""

    core: Array
    model: TreeModel
    clock: Array
    params: Array
    spec: Array
    inst: Array
    book: BookState
    features: FeatureState
    book_features: BookFeatures
    votes: Array
    fused: Array
    explain: Array
    ledger: LedgerState
    risk: RiskState
    safety: SafetyState
    orders: OrdersState
    halts: Array
    n: Array


def record_of(parts: Mapping[str, Array]) -> Array:
    """One record that holds a copy of every part; C layout, aligned."""
    dtype = np.dtype([(name, part.dtype, part.shape) for name, part in parts.items()], align=True)
    core = np.zeros(1, dtype)
    for name, part in parts.items():
        core[name][0] = part
    return core


def engine_of(core: Array, model: TreeModel) -> Engine:
    """Views of the parts of `core`."""
    row = {name: core[name][0] for name in core.dtype.names or ()}
    return Engine(
        core=core,
        model=model,
        clock=row["clock"],
        params=row["params"],
        spec=row["spec"],
        inst=row["inst"],
        book=BookState(Ladder(row["sides"]), row["top"], row["pending"]),
        features=FeatureState(row["features"], row["features"]["out"]),
        book_features=BookFeatures(row["book_state"], row["book_values"]),
        votes=row["votes"],
        fused=row["fused"],
        explain=row["explain"],
        ledger=LedgerState(row["account"], row["positions"]),
        risk=RiskState(row["risk_params"], row["risk_state"], row["risk_instr"], row["risk_ring"]),
        safety=SafetyState(row["control"], row["gate"], row["refusals"]),
        orders=OrdersState(
            row["table"],
            row["counts"],
            row["legs"],
            row["brackets"],
            row["seen_id"],
            row["seen_seq"],
            row["meta"],
            row["anomalies"],
        ),
        halts=row["halts"],
        n=row["n"],
    )


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same layout without numpy's record class, which plain Python runs carry."""
    return np.dtype((np.void, dtype)) if dtype.names else dtype


def state_hash(engine: Engine) -> str:
    """SHA-256 over every part of the state, with its name, type and shape."""
    digest = hashlib.sha256()
    core = engine.core
    for name in core.dtype.names or ():
        if name in OUTGOING:
            continue
        part = np.ascontiguousarray(core[name][0])
        digest.update(f"{name} {_plain(part.dtype)} {part.shape}".encode())
        digest.update(part.view(np.uint8).data)
    return digest.hexdigest()
