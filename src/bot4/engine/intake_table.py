"""Tables of bars and funding rates: reading columns exactly, whatever they were stored as."""

from __future__ import annotations

import io
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bot4.engine.intake_text import Progress, text_blocks
from bot4.model.errors import DataError

Array = np.ndarray[Any, Any]

NAMES = {
    "ts": ("ts", "timestamp", "open_time", "opentime", "time", "datetime", "date", "unix"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v", "base_volume", "volume_btc"),
    "rate": ("rate", "funding_rate", "fundingrate", "funding rate", "last_funding_rate"),
}
KLINE = ("ts", "open", "high", "low", "close", "volume")
BAD = np.iinfo(np.int64).min


def read_table(path: Path, warnings: list[str], progress: Progress | None = None) -> pl.DataFrame:
    """A csv (also .gz, .xz), or parquet file; csv cells stay text. DataError if it is neither."""
    if not path.is_file():
        raise DataError(f"{path} is not a file")
    try:
        if path.read_bytes()[:4] == b"PAR1":
            return pl.read_parquet(path)
        told = len(warnings)
        data = b"".join(text_blocks(path, warnings, progress))
        if len(warnings) > told:  # the last row may be cut within a number, and would read as another one
            data = data[: data.rstrip(b"\n").rfind(b"\n") + 1]
        if not data.strip():
            why = warnings[-1] if len(warnings) > told else "empty"
            raise DataError(f"{path}: {why}; expected a table with the columns {', '.join(KLINE)}")
        first = data.split(b"\n", 1)[0].split(b",")[0].strip(b'" \r')
        header = not first.replace(b".", b"").isdigit()
        return pl.read_csv(
            io.BytesIO(data),
            has_header=header,
            infer_schema=False,
            truncate_ragged_lines=True,
            encoding="utf8-lossy",
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot read {path} as csv or parquet: {str(error).splitlines()[0]}") from error


def pick_columns(table: pl.DataFrame, need: tuple[str, ...], path: Path) -> pl.DataFrame:
    """The needed columns under their own names; a csv without a header is taken as Binance klines."""
    if table.columns[0].startswith("column_") and len(table.columns) >= len(need):
        return table.select([pl.col(old).alias(new) for old, new in zip(table.columns, need)])
    lower = {name.strip().lower(): name for name in reversed(table.columns)}
    chosen = []
    for new in need:
        old = next((lower[name] for name in NAMES[new] if name in lower), None)
        if old is None:
            raise DataError(
                f"{path}: no column {new!r} (any of {', '.join(NAMES[new])}); "
                f"found {', '.join(table.columns)}"
            )
        chosen.append(pl.col(old).alias(new))
    return table.select(chosen)


def times_ns(column: pl.Series) -> Array:
    """Instants as ns since the epoch; BAD where there is none.

    Datetimes, ISO text (UTC unless it says otherwise) or epoch numbers in s, ms, us or ns, told
    apart by magnitude.
    """
    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("us"))
    if isinstance(column.dtype, pl.Datetime):
        unit = {"ms": 1_000_000, "us": 1_000, "ns": 1}[column.dtype.time_unit]
        values = column.to_physical().fill_null(BAD).to_numpy().copy()
        good = values != BAD
        values[good] *= unit
        return values
    if column.dtype == pl.String:
        text = column.str.strip_chars(' "')
        stamps = text.str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
        if stamps.null_count() > len(stamps) // 2:
            return _iso_ns(text)
        column = stamps
    elif column.dtype.is_float():
        column = column.fill_nan(None)
    values = column.cast(pl.Int64, strict=False).fill_null(BAD).to_numpy().copy()
    size = np.where(values == BAD, 0, values)
    scale = np.select(
        [size < 100_000_000_000, size < 100_000_000_000_000, size < 100_000_000_000_000_000],
        [1_000_000_000, 1_000_000, 1_000],
        1,
    )
    values[size <= 0] = BAD
    good = values != BAD
    values[good] *= scale[good]
    return values


def _iso_ns(text: pl.Series) -> Array:
    """ISO-8601 text as ns; BAD where it is none."""
    plain = text.str.replace("Z$", "+00:00").str.replace("T", " ")
    zoned = plain.str.contains(r"[+-]\d\d:?\d\d$")
    with_zone = plain.str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f%:z", time_unit="ns", strict=False, time_zone="UTC"
    )
    without = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ns", strict=False)
    minutes = plain.str.to_datetime("%Y-%m-%d %H:%M", time_unit="ns", strict=False)
    days = plain.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ns"))
    local = without.zip_with(without.is_not_null(), minutes)
    local = local.zip_with(local.is_not_null(), days)
    values: Array = np.where(
        zoned.fill_null(False).to_numpy(),
        with_zone.to_physical().fill_null(BAD).to_numpy(),
        local.to_physical().fill_null(BAD).to_numpy(),
    )
    return values


def _decimal_text(text: pl.Series) -> tuple[Array, int]:
    """Plain decimals as integers of 10**-exp, and exp; BAD where the text is none."""
    text = text.fill_null("").str.strip_chars(' "')
    odd = text.str.contains(r"^[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+$")
    if odd.any():
        text = pl.Series([_plain(t) if o else t for t, o in zip(text, odd)], dtype=pl.String)
    good = text.str.contains(r"^[+-]?\d+(\.\d*)?$")
    frac = text.str.extract(r"\.(\d*?)0*$").fill_null("")
    lengths = frac.str.len_bytes().filter(good).to_numpy()
    exp = min(int(lengths.max()) if len(lengths) else 0, 12)
    wholes = text.str.extract(r"^[+-]?0*(\d+)").fill_null("").str.len_bytes().filter(good).to_numpy()
    if len(wholes) and int(wholes.max()) <= 18:
        exp = min(
            exp, 18 - int(wholes.max())
        )  # decimals that no 64-bit integer could hold beside the largest
    padded = frac.str.slice(0, exp).str.pad_end(exp, "0") if exp else pl.Series([""] * len(text))
    joined = text.str.extract(r"^[+-]?(\d+)").fill_null("") + padded
    value = joined.cast(pl.Int64, strict=False)
    sign = pl.Series(np.where(text.str.starts_with("-").to_numpy(), -1, 1))
    value = (value * sign).set(~good, None)
    return value.fill_null(BAD).to_numpy().copy(), exp


def _plain(text: str) -> str:
    """Scientific notation written out."""
    try:
        return f"{Decimal(text):f}"
    except InvalidOperation:
        return ""


def decimals(column: pl.Series) -> tuple[Array, int]:
    """A numeric column exactly: integers of 10**-exp and exp; BAD for null, NaN, infinity, text.

    Floats are taken by their shortest decimal form, which is what was written before they became
    floats.
    """
    kind = column.dtype
    if isinstance(kind, pl.Decimal):
        value = column.to_physical().cast(pl.Int64, strict=False)
        return value.fill_null(BAD).to_numpy().copy(), kind.scale or 0
    if kind.is_integer():
        return column.cast(pl.Int64, strict=False).fill_null(BAD).to_numpy().copy(), 0
    if kind.is_float():
        text = [repr(v) if v is not None else "" for v in column.to_list()]
        if kind == pl.Float32:
            text = [str(np.float32(v)) if v is not None else "" for v in column.to_list()]
        return _decimal_text(pl.Series(text, dtype=pl.String))
    return _decimal_text(column.cast(pl.String))


def same_scale(columns: list[tuple[Array, int]]) -> tuple[list[Array], int]:
    """Columns on one exponent; BAD where a value would not fit 62 bits."""
    exp = max(e for _, e in columns)
    out = []
    for values, e in columns:
        mul = 10 ** (exp - e)
        fits = (values != BAD) & (np.abs(values) <= (2**62) // mul)
        out.append(np.where(fits, np.where(fits, values, 0) * mul, BAD))
    return out, exp
