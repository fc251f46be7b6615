"""A data set written anew with its rows changed: for checks that need a different past or future."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bot4.model.codes_nb import EV_BAR, EV_BOOK_TICKER, EV_FUNDING
from bot4.model.values import scaled
from bot4.storage.lake import Dataset, LakeWriter

Rows = np.ndarray[Any, Any]


def _toscaled(rows: Rows, price_factor: int, qty_factor: int) -> Rows:
    """Ticks and lots to the writer's decimal units."""
    rows = rows.copy()
    kind = rows["kind"]
    priced = kind != EV_FUNDING
    rows["price"][priced] *= price_factor
    rows["qty"] *= qty_factor
    bars = kind == EV_BAR
    for name in ("x", "y", "seq"):
        rows[name][bars] *= price_factor
    quotes = kind == EV_BOOK_TICKER
    rows["x"][quotes] *= price_factor
    rows["y"][quotes] *= qty_factor
    return rows


def rewrite(dataset: Dataset, folder: Path, change: Callable[[Rows], Rows]) -> Dataset:
    """Copy `dataset` into `folder` with `change` applied to its rows (ticks, lots, shifted times)."""
    for number, source in enumerate(dataset.sources):
        instrument = dataset.instruments[source.instrument]
        price_exp, price_factor = scaled(instrument.tick)
        qty_exp, qty_factor = scaled(instrument.lot)
        digest = hashlib.sha256(f"rewritten {source.sha256} {number}".encode()).hexdigest()
        with LakeWriter(folder) as writer:
            writer.begin(f"rewritten-{number}")
            for rows in dataset.source_rows(number):
                writer.add(_toscaled(change(rows), price_factor, qty_factor), price_exp, qty_exp)
            writer.commit(instrument, replace(source, sha256=digest, clock_offset_ns=0))
    return Dataset.open(folder)
