"""The lake: recorded events as parquet parts under one folder with a description.

    DIR/dataset.json        format, instruments, sources, parts (sha256, rows, range, grid)
    DIR/parts/*.parquet     the columns of EVENT_DTYPE, zstd, at most PART_ROWS rows each

A part holds one instrument from one source file on the grid that this part needs; readers bring
it to the instrument's common grid, the finest of all its parts. Receive times are stored as
recorded. Where a source's clock ran behind the venue's (`clock_offset_ns` < 0), readers shift its
receive times by `-clock_offset_ns + BASE_LATENCY_NS`.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bot4.kernels.records import records
from bot4.model.errors import DataError, StorageError
from bot4.model.events import EVENT_DTYPE
from bot4.model.instrument import Instrument
from bot4.model.times import duration_text
from bot4.model.values import decimal_amount, steps_of, unit_of
from bot4.storage.files import locked, make_folder, sha256_of, write_atomic
from bot4.storage.merge import Stream, merge_streams
from bot4.storage.rows_nb import rescale_rows_nb, row_units_nb

FORMAT = 1
PART_ROWS = 1_000_000
BASE_LATENCY_NS = 1_000_000
_I64 = 2**63 - 1

Rows = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One parquet file: `first_ts` and `last_ts` are the least and greatest stored receive time."""

    file: str
    sha256: str
    rows: int
    first_ts: int
    last_ts: int
    instrument: int
    source: int
    tick: str
    lot: str
    price_max: int
    qty_max: int


@dataclass(frozen=True, slots=True)
class Source:
    """One imported file (and one instrument of it)."""

    name: str
    sha256: str
    instrument: int
    kind: str  # frames, bars, funding
    timeframe_ns: int = 0
    clock_offset_ns: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def _step_gcd(a: Decimal, b: Decimal) -> Decimal:
    """The greatest step of which both are multiples."""
    exp = min(int(a.as_tuple().exponent), int(b.as_tuple().exponent), 0)
    unit = unit_of(-exp)
    return math.gcd(steps_of(a, unit, "step"), steps_of(b, unit, "step")) * unit


def shift_of(offset_ns: int) -> int:
    """What readers add to the receive times of a source with this clock offset."""
    return BASE_LATENCY_NS - offset_ns if offset_ns < 0 else 0


def load_part(folder: Path, part: Part, tick: Decimal, lot: Decimal) -> Rows:
    """The rows of a part on the grid (tick, lot), which must divide its own; DataError if it cannot be."""
    path = folder / "parts" / part.file
    try:
        frame = pl.read_parquet(path)
        rows = records(frame.height, EVENT_DTYPE)
        for name in EVENT_DTYPE.names or ():
            rows[name] = frame[name].to_numpy()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    price_mul = int(Decimal(part.tick) / tick) if part.price_max else 1
    qty_mul = int(Decimal(part.lot) / lot) if part.qty_max else 1
    if part.price_max * price_mul > _I64 or part.qty_max * qty_mul > _I64:
        raise DataError(f"{path}: values do not fit 64 bits in steps of {tick} and {lot}")
    if price_mul != 1 or qty_mul != 1:
        rescale_rows_nb(rows, price_mul, 1, qty_mul, 1)
    return rows


class Dataset:
    """A lake folder opened for reading (`open`) or for adding to (`create`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.instruments: list[Instrument] = []
        self.sources: list[Source] = []
        self.parts: list[Part] = []
        self._verified: set[str] = set()

    @classmethod
    def open(cls, folder: Path | str) -> Dataset:
        """The data set in `folder`; DataError if there is none or its description is damaged."""
        self = cls(Path(folder))
        path = self.folder / "dataset.json"
        try:
            text = path.read_text()
        except FileNotFoundError:
            raise DataError(f"{self.folder} holds no data set (no dataset.json); import data first") from None
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read {path}: {error}") from error
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise DataError(f"{path}: format {data['format']}, this version reads {FORMAT}")
            self.instruments = [Instrument.from_json(item) for item in data["instruments"]]
            known = {f.name for f in fields(Source)}
            self.sources = [Source(**{k: v for k, v in s.items() if k in known}) for s in data["sources"]]
            self.parts = [Part(**item) for item in data["parts"]]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is damaged: {error!r}") from error
        return self

    @classmethod
    def create(cls, folder: Path | str) -> Dataset:
        """The data set in `folder`, a new one if there is none; StorageError if it cannot be made."""
        path = Path(folder)
        make_folder(path)
        make_folder(path / "parts")
        return cls.open(path) if (path / "dataset.json").exists() else cls(path)

    # --- asking ------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Events in all parts."""
        return sum(part.rows for part in self.parts)

    def find(self, symbol: str, venue: str) -> int:
        """The index of an instrument, -1 if it is not here."""
        for index, item in enumerate(self.instruments):
            if item.symbol == symbol and item.venue == venue:
                return index
        return -1

    def source_of(self, sha256: str) -> Source | None:
        """The source with this content, if it was imported."""
        return next((source for source in self.sources if source.sha256 == sha256), None)

    def content_hash(self) -> str:
        """sha256 over all that the rows follow from, whatever the order of imports.

        That is each part's bytes, the steps that its integers count, its instrument, and its clock's offset.
        """
        lines = []
        for part in self.parts:
            item, offset = self.instruments[part.instrument], self.sources[part.source].clock_offset_ns
            lines.append(f"{part.sha256} {part.tick} {part.lot} {item.venue} {item.symbol} {offset}")
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    def verify(self) -> list[str]:
        """What is wrong with the parts on disk, one line each; empty if nothing is."""
        wrong = []
        for part in self.parts:
            path = self.folder / "parts" / part.file
            if not path.exists():
                wrong.append(f"{part.file}: missing")
            elif sha256_of(path) != part.sha256:
                wrong.append(f"{part.file}: content differs from its sha256")
        return wrong

    def _verify(self, part: Part) -> None:
        path = self.folder / "parts" / part.file
        if not path.is_file():
            raise DataError(f"cannot read {path}: it is missing; import it anew")
        if sha256_of(path) != part.sha256:
            raise DataError(f"cannot read {path}: content differs from its sha256; import it anew")
        self._verified.add(part.file)

    # --- reading -----------------------------------------------------------------------

    def _load(self, part: Part) -> Rows:
        """The rows of a part on the instrument's grid, receive times shifted."""
        held = self.instruments[part.instrument]
        if part.file not in self._verified:  # once: a damaged part may decode to other numbers
            self._verify(part)
        rows = load_part(self.folder, part, held.tick, held.lot)
        rows["instrument"] = part.instrument
        rows["ts_local"] += shift_of(self.sources[part.source].clock_offset_ns)
        return rows

    def bar_ns(self) -> int:
        """Length of the bars held, ns; DataError when there are none or they differ."""
        frames = sorted({s.timeframe_ns for s in self.sources if s.kind == "bars"})
        if len(frames) != 1:
            held = ", ".join(duration_text(f) for f in frames) or "none"
            raise DataError(f"{self.folder}: one run needs bars of one time frame, the data set holds {held}")
        return frames[0]

    @property
    def warnings(self) -> list[str]:
        """What a reader should know about the data before trusting it."""
        told = []
        for source in self.sources:
            if shift_of(source.clock_offset_ns):
                offset = source.clock_offset_ns
                told.append(
                    f"{source.name}: the recorder's clock ran {-offset / 1e6:.0f} ms behind the venue's; "
                    f"receive times are shifted by {shift_of(offset) / 1e6:.0f} ms"
                )
            if source.counts.get("gaps"):
                what = "missing bars" if source.kind == "bars" else "sequence gaps"
                told.append(f"{source.name}: {source.counts['gaps']:,} {what}")
        told += [
            f"{i.symbol}: tick and lot were inferred from the data" for i in self.instruments if i.inferred
        ]
        return told

    def describe(self) -> dict[str, Any]:
        """What the data set holds, for people and for JSON."""
        rows = []
        for index, item in enumerate(self.instruments):
            parts = [p for p in self.parts if p.instrument == index]
            shifts = [shift_of(self.sources[p.source].clock_offset_ns) for p in parts]
            rows.append(
                {
                    **item.to_json(),
                    "rows": sum(p.rows for p in parts),
                    "first": min((p.first_ts + s for p, s in zip(parts, shifts, strict=True)), default=0),
                    "last": max((p.last_ts + s for p, s in zip(parts, shifts, strict=True)), default=0),
                }
            )
        return {
            "folder": str(self.folder),
            "content_hash": self.content_hash(),
            "instruments": rows,
            "sources": [asdict(s) for s in self.sources],
            "warnings": self.warnings,
        }

    def source_rows(self, source: int, start: int | None = None, end: int | None = None) -> Iterator[Rows]:
        """The rows of one source in [start, end), receive times never decreasing."""
        shift = shift_of(self.sources[source].clock_offset_ns)
        high = -(2**62)
        for part in self.parts:
            if part.source != source or (end is not None and part.first_ts + shift >= end):
                continue
            if start is not None and max(high, part.last_ts + shift) < start:
                continue
            rows = self._load(part)
            local = np.maximum(np.maximum.accumulate(rows["ts_local"]), high)
            rows["ts_local"] = local
            high = int(local[-1])
            first = 0 if start is None else int(np.searchsorted(local, start))
            last = len(rows) if end is None else int(np.searchsorted(local, end))
            if last > first:
                yield rows[first:last]

    def iter_events(
        self, chunk_rows: int = 262_144, start: int | None = None, end: int | None = None
    ) -> Iterator[Rows]:
        """All events with start <= ts_local < end in order of ts_local, as arrays of EVENT_DTYPE.

        Ties keep the order of import and, within a source, of recording. Holds about one part of
        each source that overlaps in time.
        """
        if chunk_rows <= 0:
            raise ValueError(f"chunk_rows must be positive, got {chunk_rows}")
        streams = []
        for index, source in enumerate(self.sources):
            own = [part for part in self.parts if part.source == index]
            if own:
                first = min(part.first_ts for part in own) + shift_of(source.clock_offset_ns)
                streams.append(Stream(index, first, self.source_rows(index, start, end)))
        yield from merge_streams(streams, chunk_rows)

    def venue_times(self, instrument: int, kind: str) -> Rows:
        """Venue times of what is held of an instrument from sources of one kind."""
        times = [np.zeros(0, np.int64)]
        for part in self.parts:
            if part.instrument == instrument and self.sources[part.source].kind == kind:
                frame = pl.read_parquet(self.folder / "parts" / part.file, columns=["ts_venue"])
                times.append(frame["ts_venue"].to_numpy())
        return np.concatenate(times)

    # --- writing -----------------------------------------------------------------------

    def save(self) -> None:
        """Write dataset.json atomically."""
        data = {
            "format": FORMAT,
            "base_latency_ns": BASE_LATENCY_NS,
            "receive_times": "stored as recorded; shifted on reading by -clock_offset_ns + base_latency_ns "
            "where clock_offset_ns < 0",
            "instruments": [item.to_json() for item in self.instruments],
            "sources": [asdict(item) for item in self.sources],
            "parts": [asdict(item) for item in self.parts],
        }
        write_atomic(self.folder / "dataset.json", json.dumps(data, indent=1).encode())


class LakeWriter:
    """Adds one source to a data set: `add` rows, then `commit`; nothing is visible before.

    Use as a context manager: it holds the folder's writer lock, and parts that were not committed
    are removed.
    """

    def __init__(self, folder: Path | str) -> None:
        make_folder(Path(folder))
        self._lock = locked(Path(folder))
        self._lock.__enter__()
        try:
            self.dataset = Dataset.create(folder)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        self._held: list[Rows] = []
        self._exps = (0, 0)
        self._parts: list[Part] = []
        self._key = ""

    def __enter__(self) -> LakeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._parts:
            (self.dataset.folder / "parts" / part.file).unlink(missing_ok=True)
        self._parts = []
        self._lock.__exit__(None, None, None)

    def begin(self, key: str) -> None:
        """Start a source; `key` names its parts (letters, digits, dashes)."""
        self._held = []
        self._parts = []
        self._key = key

    def add(self, rows: Rows, price_exp: int, qty_exp: int) -> None:
        """Rows whose prices are integers of 10**-price_exp and quantities of 10**-qty_exp."""
        if self._held and self._exps != (price_exp, qty_exp):
            self._flush()
        self._exps = (price_exp, qty_exp)
        while len(rows):
            room = PART_ROWS - sum(len(held) for held in self._held)
            self._held.append(rows[:room].copy())
            rows = rows[room:]
            if sum(len(held) for held in self._held) >= PART_ROWS:
                self._flush()

    def _flush(self) -> None:
        """Write the held rows as a part."""
        rows = np.concatenate(self._held) if len(self._held) != 1 else self._held[0]
        self._held = []
        if not len(rows):
            return
        price_unit, qty_unit, price_max, qty_max = (int(v) for v in row_units_nb(rows))
        price_unit, qty_unit = price_unit or 1, qty_unit or 1
        if price_unit > 1 or qty_unit > 1:
            rescale_rows_nb(rows, 1, price_unit, 1, qty_unit)
        buffer = io.BytesIO()
        columns = {name: np.ascontiguousarray(rows[name]) for name in EVENT_DTYPE.names or ()}
        pl.DataFrame(columns).write_parquet(buffer, compression="zstd", compression_level=1)
        data = buffer.getvalue()
        name = f"{self._key}-{len(self._parts):05d}.parquet"
        part = Part(
            file=name,
            sha256=hashlib.sha256(data).hexdigest(),
            rows=len(rows),
            first_ts=int(rows["ts_local"].min()),
            last_ts=int(rows["ts_local"].max()),
            instrument=-1,
            source=-1,
            tick=str(decimal_amount(price_unit, self._exps[0])),
            lot=str(decimal_amount(qty_unit, self._exps[1])),
            price_max=price_max // price_unit,
            qty_max=qty_max // qty_unit,
        )
        self._parts.append(part)  # before it is there, so that a failure half way removes it too
        write_atomic(self.dataset.folder / "parts" / name, data)

    def grid(self) -> tuple[Decimal, Decimal]:
        """The greatest steps of which all prices and quantities so far are multiples (0: none)."""
        if self._held:
            self._flush()
        tick, lot = Decimal(0), Decimal(0)
        for part in self._parts:
            if part.price_max:
                tick = _step_gcd(tick, Decimal(part.tick))
            if part.qty_max:
                lot = _step_gcd(lot, Decimal(part.lot))
        return tick, lot

    def staged(self, tick: Decimal, lot: Decimal) -> Iterator[Rows]:
        """The rows added so far, part by part, on the grid (tick, lot), receive times as recorded."""
        if self._held:
            self._flush()
        for part in self._parts:
            yield load_part(self.dataset.folder, part, tick, lot)

    def commit(self, instrument: Instrument, source: Source) -> int:
        """Make the source visible under `instrument`, whose grid must hold all rows: its index.

        An instrument that is here already keeps its rules and takes the finest common grid.
        """
        if self._held:
            self._flush()
        if not self._parts:
            raise StorageError("nothing to commit: no rows were added")
        data = self.dataset
        index = data.find(instrument.symbol, instrument.venue)
        if index < 0:
            data.instruments.append(instrument)
            index = len(data.instruments) - 1
        held = data.instruments[index]
        tick, lot = _step_gcd(held.tick, instrument.tick), _step_gcd(held.lot, instrument.lot)
        if (tick, lot) != (held.tick, held.lot):
            data.instruments[index] = held.with_grid(tick, lot)
        number = len(data.sources)
        data.sources.append(replace(source, instrument=index))
        data.parts += [replace(p, instrument=index, source=number) for p in self._parts]
        try:
            data.save()
        except StorageError:
            # the new description may be in place though its folder could not be flushed
            if (data.folder / "dataset.json").exists():
                held_parts = {part.file for part in Dataset.open(data.folder).parts}
                self._parts = [part for part in self._parts if part.file not in held_parts]
            raise
        self._parts = []
        return index
