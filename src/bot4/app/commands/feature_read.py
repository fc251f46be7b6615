"""`bot4 features read`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.model.errors import ConfigError
from bot4.research.chart_reading import read_chart
from bot4.research.feature_table import bars_of_data, bars_of_file


def read(
    *, data: Path | None, bars: Path | None, instrument: str | None, frames: str, as_json: bool
) -> dict[str, Any] | None:
    """Say what the newest bar shows."""
    if (data is None) == (bars is None):
        raise ConfigError("name either --data DIR or --bars FILE")
    names = tuple(n.strip() for n in frames.split(",") if n.strip())
    found = bars_of_file(bars) if bars is not None else bars_of_data(Path(data or "."), instrument)
    document = {**read_chart(found.rows, names), "warnings": found.warnings}
    if as_json:
        return document
    bootstrap.shown(document, [(k.replace("_", " "), _text(k, v)) for k, v in document.items()][:-1])
    return None


def _text(name: str, value: Any) -> str:
    if name == "harmonic_setups":
        setups = (f"{s['pattern']} {'up' if s['side'] > 0 else 'down'} at {s['point_d']:.6g}" for s in value)
        return ", ".join(setups) or "none"
    if name == "cloud_ahead":
        a, b = value[-1]
        return "not known yet" if a is None or b is None else f"{a:.6g} and {b:.6g} in {len(value)} bars"
    if isinstance(value, dict):
        return ", ".join(f"{k} {'not known yet' if v is None else f'{v:+.2f}'}" for k, v in value.items())
    if value is None:
        return "not known"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
