"""Bars from a file or a data set as input rows of features, and features as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from bot4.engine.intake_bars import clean_bars
from bot4.engine.intake_table import KLINE, decimals, pick_columns, read_table, same_scale, times_ns
from bot4.features.declare import BAR, Feature
from bot4.features.library import UnknownFeature, column, get
from bot4.model.codes_nb import EV_BAR
from bot4.model.errors import ConfigError, DataError
from bot4.storage.lake import Dataset

Array = np.ndarray[Any, Any]
_PRICES = ("open", "high", "low", "close")


class Bars(NamedTuple):
    """Input rows of kind bar, float64 (n, 8), their close times in ns, and what the reader should know."""

    rows: Array
    ts_close: Array
    warnings: list[str]


def _rows(columns: dict[str, Array], ts_close: Array, warnings: list[str]) -> Bars:
    rows = np.full((len(ts_close), len(BAR.fields)), np.nan)
    for k, name in enumerate((*_PRICES, "volume")):
        rows[:, k] = columns[name]
    rows[:, 5] = ts_close / 1e9
    return Bars(rows, ts_close, warnings)


def bars_of_file(path: Path, limit: int | None = None) -> Bars:
    """Bars of a CSV or parquet file; times are open times, as venues write them. The newest `limit` stay."""
    warnings: list[str] = []
    table = pick_columns(read_table(path, warnings), KLINE, path)
    prices, exp = same_scale([decimals(table[name]) for name in _PRICES])
    volume, volume_exp = decimals(table["volume"])
    tally: dict[str, int] = {}
    raw = dict(zip(_PRICES, prices, strict=True), ts=times_ns(table["ts"]), volume=volume)
    cols = clean_bars(raw, tally, 0)
    warnings += [f"{path.name}: {n} bars were left out: {reason}" for reason, n in tally.items()]
    ts = cols["ts"]
    if len(ts) < 2:
        raise DataError(f"{path}: {len(ts)} usable bars; features need at least two")
    width = int(np.median(np.diff(ts)))
    floats = {name: cols[name] * 10.0**-exp for name in _PRICES}
    floats["volume"] = cols["volume"] * 10.0**-volume_exp
    keep = slice(-limit if limit else None, None)
    return _rows({k: v[keep] for k, v in floats.items()}, (ts + width)[keep], warnings)


def bars_of_data(folder: Path, instrument: str | None = None) -> Bars:
    """Bars of one instrument of a data set; ConfigError where it holds several and none is named."""
    dataset = Dataset.open(folder)
    symbols = [item.symbol for item in dataset.instruments]
    if instrument is None and len(symbols) > 1:
        raise ConfigError(f"{folder} holds {', '.join(symbols)}: name one with --instrument")
    if instrument is not None and instrument not in symbols:
        raise ConfigError(f"{folder} has no {instrument!r}; it holds {', '.join(symbols)}")
    index = 0 if instrument is None else symbols.index(instrument)
    parts = [e[(e["kind"] == EV_BAR) & (e["instrument"] == index)] for e in dataset.iter_events()]
    events: Array = np.concatenate(parts) if parts else np.zeros(0)
    if not len(events):
        raise DataError(f"{folder}: no bars of {symbols[index]}; import some with `bot4 data import --bars`")
    tick, lot = float(dataset.instruments[index].tick), float(dataset.instruments[index].lot)
    held = {"open": "x", "high": "y", "low": "seq", "close": "price"}
    floats = {name: events[field] * tick for name, field in held.items()}
    floats["volume"] = events["qty"] * lot
    return _rows(floats, events["ts_local"].astype(np.int64), list(dataset.warnings))


class Wanted(NamedTuple):
    """Features to compute, and the columns of them to keep, with the names the caller wrote."""

    features: list[Feature]
    columns: dict[str, str]


def wanted(names: list[str]) -> Wanted:
    """What `names` ask for; a feature with several outputs gives them all. ConfigError names a wrong one."""
    features: dict[str, Feature] = {}
    columns: dict[str, str] = {}
    for name in names:
        try:
            feature, output = column_or_all(name)
        except (UnknownFeature, ValueError) as error:
            raise ConfigError(str(error)) from error
        if feature.declaration.inputs.name != BAR.name:
            row = feature.declaration.inputs.name
            raise ConfigError(f"{name!r} is computed from a {row}, not from bars")
        features[feature.name] = feature
        chosen = feature.columns if output is None else (feature.columns[output],)
        columns.update({c: (name if len(chosen) == 1 else c) for c in chosen})
    return Wanted(list(features.values()), columns)


def column_or_all(name: str) -> tuple[Feature, int | None]:
    """The feature, and the one output that the name means; None where it means all of them."""
    try:
        at = column(name)
    except ValueError:
        from_all = get(name)
        return from_all, None
    return at.feature, at.output


def table_of(bars: Bars, outputs: dict[str, Array], columns: dict[str, str]) -> pl.DataFrame:
    """Close times and features as a table."""
    data: dict[str, Any] = {"ts_close": pl.Series(bars.ts_close).cast(pl.Datetime("ns", "UTC"))}
    data.update({shown: np.ascontiguousarray(outputs[name]) for name, shown in columns.items()})
    return pl.DataFrame(data)
