"""`bot4 features fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.model.errors import ConfigError
from bot4.model.times import duration_ns
from bot4.research.feature_fits import Fitted, fit_garch, fit_microprice, fit_pin
from bot4.research.feature_table import bars_of_data, bars_of_file
from bot4.storage.lake import Dataset

MODELS = ("garch", "pin", "microprice")


def fit(
    *, model: str, data: Path | None, bars: Path | None, instrument: str | None, period: str, as_json: bool
) -> Fitted | None:
    """Fit a model and say what came out."""
    document = _fitted(model, data, bars, instrument, period)
    if as_json:
        return document
    bootstrap.shown(document, [(k.replace("_", " "), _text(v)) for k, v in document.items()])
    return None


def _fitted(model: str, data: Path | None, bars: Path | None, instrument: str | None, period: str) -> Fitted:
    if model not in MODELS:
        raise ConfigError(f"no model is called {model!r}; there are {', '.join(MODELS)}")
    if model == "garch":
        if (data is None) == (bars is None):
            raise ConfigError("garch is fitted to bars: name either --data DIR or --bars FILE")
        read = bars_of_file(bars) if bars is not None else bars_of_data(Path(data or "."), instrument)
        return fit_garch(read.rows[:, 3])
    if data is None or bars is not None:
        raise ConfigError(f"{model} is fitted to recorded trades or quotes: name a data set with --data")
    if model == "microprice":
        return fit_microprice(Dataset.open(data), instrument)
    period_ns = duration_ns(period)
    if period_ns <= 0:
        raise ConfigError(f"--period {period}: it must be longer than nothing")
    return fit_pin(Dataset.open(data), instrument, period_ns)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        rows = (" ".join("unseen" if v is None else f"{v:+.4f}" for v in row) for row in value)
        return "; ".join(f"spread {k}: {text}" for k, text in enumerate(rows, 1))
    return f"{value:,}" if type(value) is int else str(value)
