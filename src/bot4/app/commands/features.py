"""`bot4 features list|show|compute|gallery`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot4.app import bootstrap
from bot4.features.declare import BAR, Feature
from bot4.features.library import UnknownFeature, defaults, get, groups
from bot4.features.plan import run_batch, run_feature
from bot4.model.errors import ConfigError
from bot4.research.feature_pictures import blocks, parameters, picture, write_gallery
from bot4.research.feature_table import Bars, bars_of_data, bars_of_file, table_of, wanted


def describe(feature: Feature) -> dict[str, Any]:
    """A feature as a document; an infinite bound is None."""
    d = feature.declaration
    pairs = zip(d.params, feature.params, strict=True)
    finite = {"inf": None, "-inf": None}
    return {
        "name": feature.name,
        "group": d.group,
        "text": d.text,
        "source": d.source,
        "oracle": d.oracle,
        "inputs": d.inputs.name,
        "warmup": feature.warmup,
        "memory": feature.state_size * 8,
        "sparse": d.sparse,
        "parameters": [
            {"name": p.name, "value": v, "low": p.low, "high": p.high, "whole": p.whole} for p, v in pairs
        ],
        "outputs": [
            {
                "name": c,
                "unit": o.unit,
                "low": finite.get(str(o.low), o.low),
                "high": finite.get(str(o.high), o.high),
            }
            for c, o in zip(feature.columns, d.outputs, strict=True)
        ],
    }


def list_(*, group: str, as_json: bool) -> list[dict[str, Any]] | None:
    """All features, or those of a group."""
    if group and group not in groups():
        raise ConfigError(f"no group is called {group!r}; there are {', '.join(groups())}")
    found = defaults(group)
    if as_json:
        return [describe(f) for f in found]
    table = Table(box=None, pad_edge=False)
    for title in ("name", "group", "outputs", "warm-up", "what it is"):
        table.add_column(title, overflow="fold")
    for f in found:
        others = ", ".join(c for c in f.columns if c != f.name)
        table.add_row(f.name, f.declaration.group, others, str(f.warmup), f.declaration.text)
    Console().print(table)
    return None


def _get(name: str) -> Feature:
    try:
        return get(name)
    except (UnknownFeature, ValueError) as error:
        raise ConfigError(str(error)) from error


def _bars(data: Path | None, bars: Path | None, instrument: str | None) -> Bars:
    if (data is None) == (bars is None):
        raise ConfigError("name either --data DIR or --bars FILE")
    return bars_of_file(bars) if bars is not None else bars_of_data(Path(data or "."), instrument)


def show(
    *,
    name: str,
    data: Path | None,
    bars: Path | None,
    instrument: str | None,
    svg: Path | None,
    as_json: bool,
) -> dict[str, Any] | None:
    """One feature: its declaration, and a picture where bars are named."""
    feature = _get(name)
    document = describe(feature)
    drawn = None
    if data is not None or bars is not None:
        if feature.declaration.inputs.name != BAR.name:
            raise ConfigError(f"{name!r} is computed from a {feature.declaration.inputs.name}, not from bars")
        drawn = _bars(data, bars, instrument)
        if svg is not None:
            svg.write_text(picture(feature, drawn.rows), encoding="utf-8")
            document["svg"] = str(svg)
    elif svg is not None:
        raise ConfigError("--svg draws bars: name --data DIR or --bars FILE too")
    if as_json:
        return document
    _print(feature, document)
    if drawn is not None:
        out = run_feature(feature, drawn.rows)
        for column, line in zip(("close", *feature.columns), (drawn.rows[:, 3], *out.T), strict=True):
            print(f"{column:>28} {blocks(line)} {line[-1]:.6g}")
    return None


def _print(feature: Feature, document: dict[str, Any]) -> None:
    d = feature.declaration
    rows = [
        ("name", feature.name),
        ("what it is", d.text),
        ("group", d.group),
        ("parameters", parameters(feature) or "none"),
        ("outputs", ", ".join(f"{o['name']} ({o['unit']})" for o in document["outputs"])),
        ("computed from", f"{d.inputs.name}: {', '.join(d.inputs.fields)}"),
        ("warm-up", f"{feature.warmup} rows"),
        ("memory", f"{document['memory']} bytes an instrument"),
        ("source", d.source),
        ("checked against", d.oracle),
    ]
    bootstrap.shown(document, rows)


def compute(
    *,
    names: str,
    data: Path | None,
    bars: Path | None,
    instrument: str | None,
    out: Path,
    threads: int,
    as_json: bool,
) -> dict[str, Any] | None:
    """Features over bars into a parquet file."""
    asked = [name.strip() for name in names.split(",") if name.strip()]
    if not asked:
        raise ConfigError("--features needs names, such as rsi_14,sma_50")
    if out.suffix != ".parquet":
        raise ConfigError(f"--out {out}: the file is written as .parquet")
    chosen = wanted(asked)
    read = _bars(data, bars, instrument)
    with bootstrap.progress(as_json) as bar:
        outputs = run_batch(chosen.features, read.rows, threads, bar)
    table = table_of(read, outputs, chosen.columns)
    table.write_parquet(out)
    document = {"file": str(out), "rows": table.height, "columns": table.columns, "warnings": read.warnings}
    if as_json:
        return document
    bootstrap.shown(document, [(k, str(v)) for k, v in document.items() if k != "warnings"])
    return None


def gallery(*, bars: Path, out: Path, limit: int, as_json: bool) -> dict[str, Any] | None:
    """The docs page of all features with their pictures."""
    read = bars_of_file(bars, limit)
    with bootstrap.progress(as_json) as bar:
        drawn = write_gallery(read.rows, out, bar)
    document = {"page": str(out / "features.md"), "pictures": drawn}
    if as_json:
        return document
    bootstrap.shown(document, [(k, str(v)) for k, v in document.items()])
    return None
