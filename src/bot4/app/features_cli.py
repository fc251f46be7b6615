"""The options of `bot4 features`."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

features_app = typer.Typer(help="List, show and compute features.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Data = Annotated[Path | None, typer.Option(help="Data set folder, made by `bot4 data import`.")]
BarFile = Annotated[Path | None, typer.Option(help="Bar file, CSV or parquet.")]
Instrument = Annotated[str | None, typer.Option(help="Instrument, where the data set holds several.")]


def _run(function: str, as_json: bool, module: str = "features", **arguments: Any) -> None:
    """Call the command's function and print what it returns."""
    command = import_module(f"bot4.app.commands.{module}")
    result = getattr(command, function)(as_json=as_json, **arguments)
    if as_json and result is not None:
        print(json.dumps(result, allow_nan=False, indent=2))


@features_app.command("list")
def features_list(
    group: Annotated[str, typer.Option(help="Only this group: trend, momentum, volume ...")] = "",
    as_json: Json = False,
) -> None:
    """List every feature with its default parameters."""
    _run("list_", as_json, group=group)


@features_app.command("show")
def features_show(
    name: Annotated[str, typer.Argument(help="A feature with any parameters: rsi_14, macd_8_21_5.")],
    data: Data = None,
    bars: BarFile = None,
    instrument: Instrument = None,
    svg: Annotated[Path | None, typer.Option(help="Write the picture to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a feature is, and its newest values where bars are named."""
    _run("show", as_json, name=name, data=data, bars=bars, instrument=instrument, svg=svg)


@features_app.command("compute")
def features_compute(
    features: Annotated[str, typer.Option(help="Names with commas between: rsi_14,bb_20_2.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    data: Data = None,
    bars: BarFile = None,
    instrument: Instrument = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads; they share the features.")] = 2,
    as_json: Json = False,
) -> None:
    """Compute features over recorded bars."""
    _run(
        "compute",
        as_json,
        names=features,
        data=data,
        bars=bars,
        instrument=instrument,
        out=out,
        threads=threads,
    )


@features_app.command("gallery")
def features_gallery(
    bars: Annotated[Path, typer.Option(help="Bar file, CSV or parquet.")],
    out: Annotated[Path, typer.Option(help="Folder of features.md and features/*.svg.")],
    limit: Annotated[int, typer.Option(min=200, help="Newest bars to use.")] = 1500,
    as_json: Json = False,
) -> None:
    """Draw the docs page of all features."""
    _run("gallery", as_json, bars=bars, out=out, limit=limit)


@features_app.command("matrix")
def features_matrix(
    out: Annotated[Path, typer.Option(help="Folder for the matrix (must be new or empty).")],
    data: Data = None,
    bars: Annotated[
        list[str] | None, typer.Option(help="SYMBOL=FILE, bars as csv or parquet; may be repeated.")
    ] = None,
    columns: Annotated[int, typer.Option(min=1, help="Number of columns.")] = 1000,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Threads; they share the features.")] = 2,
    partition: Annotated[str, typer.Option(help="A folder a day or a month.")] = "month",
    instrument: Annotated[
        list[str] | None, typer.Option(help="Which instruments; all that have bars if not named.")
    ] = None,
    reference: Annotated[str, typer.Option(help="Instrument that others are set beside: BTC-USDT.")] = "",
    series: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE@DELAY: a series and how long after its time it is known."),
    ] = None,
    timeframe: Annotated[
        str, typer.Option(help="Make bars of this length from recorded trades: 1s, 1m, 1h.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Write a wide table for training: point in time, Parquet by instrument and month, a manifest."""
    _run(
        "matrix",
        as_json,
        module="feature_matrix",
        data=data,
        bars=bars or [],
        out=out,
        columns=columns,
        jobs=jobs,
        partition=partition,
        instruments=instrument or [],
        reference=reference,
        series=series or [],
        timeframe=timeframe,
    )


@features_app.command("fit")
def features_fit(
    model: Annotated[str, typer.Argument(help="garch (bars), pin (trades) or microprice (best quotes).")],
    data: Data = None,
    bars: BarFile = None,
    instrument: Instrument = None,
    period: Annotated[str, typer.Option(help="pin: trades are counted by this period.")] = "1d",
    as_json: Json = False,
) -> None:
    """Fit a model's own parameters to recorded data."""
    _run(
        "fit",
        as_json,
        module="feature_fit",
        model=model,
        data=data,
        bars=bars,
        instrument=instrument,
        period=period,
    )


@features_app.command("read")
def features_read(
    data: Data = None,
    bars: BarFile = None,
    instrument: Instrument = None,
    frames: Annotated[
        str,
        typer.Option(help="Time frames to compare: 5m,1h. If none is named, 5m to 1d as far as they fit."),
    ] = "",
    as_json: Json = False,
) -> None:
    """Say what the newest bar shows: patterns, the cloud ahead, whether time frames agree."""
    _run(
        "read",
        as_json,
        module="feature_read",
        data=data,
        bars=bars,
        instrument=instrument,
        frames=frames,
    )
