"""Recorded files as blocks of lines: decompression that survives a cut, foreign formats re-written.

The one parser of frames reads `RECEIVED_TIME SPACE JSON` in Binance's form. Captures that were kept
as CSV, and Bitstamp's order-by-order log, are re-written into that form here.
"""

from __future__ import annotations

import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from bot4.model.errors import DataError

BLOCK = 4 << 20
Progress = Callable[[int, int], None]


def _decoder(head: bytes) -> Any:
    """A fresh decompressor for what the first bytes say, None for plain text."""
    if head[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31)
    if head[:6] == b"\xfd7zXZ\x00":
        return lzma.LZMADecompressor()
    return None


def _unpacked(path: Path, warnings: list[str], progress: Progress | None) -> Iterator[bytes]:
    """The file's bytes, unpacked. A cut or damaged archive gives what could be read, and a warning."""
    total = path.stat().st_size
    done = 0
    with path.open("rb") as source:
        decoder = None
        first = True
        while block := source.read(1 << 18):
            done += len(block)
            if progress is not None:
                progress(done, total)
            if first:
                decoder = _decoder(block)
                packed, first = decoder is not None, False
            if not packed:
                yield block
                continue
            while block:
                if decoder is None or decoder.eof:
                    decoder = _decoder(block)  # the next member of a chained archive
                    if decoder is None:
                        if block.strip(b"\x00"):
                            warnings.append(
                                f"{path.name}: {len(block)} bytes after the archive's end ignored"
                            )
                        return
                try:
                    out = decoder.decompress(block)
                except (zlib.error, lzma.LZMAError) as error:
                    warnings.append(f"{path.name}: damaged archive ({error}); kept what came before")
                    return
                block = decoder.unused_data if decoder.eof else b""
                if out:
                    yield out
        if decoder is not None and not decoder.eof:
            if isinstance(decoder, lzma.LZMADecompressor):
                rest = b""
            else:
                rest = decoder.flush()
            if rest:
                yield rest
            warnings.append(f"{path.name}: the archive is cut off; kept what came before")


def text_blocks(path: Path, warnings: list[str], progress: Progress | None = None) -> Iterator[bytes]:
    """Blocks of whole lines, each ending in a newline; DataError if the file cannot be opened."""
    held = b""
    try:
        pieces: list[bytes] = []
        size = 0
        for piece in _unpacked(path, warnings, progress):
            pieces.append(piece)
            size += len(piece)
            if size < BLOCK:
                continue
            text = held + b"".join(pieces)
            cut = text.rfind(b"\n") + 1
            held, pieces, size = text[cut:], [], 0
            if cut:
                yield text[:cut]
        text = held + b"".join(pieces)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if text:
        yield text if text.endswith(b"\n") else text + b"\n"


def text_lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """The lines of the blocks as text; bytes that are not UTF-8 are replaced."""
    for block in blocks:
        yield from block.decode("utf-8", "replace").splitlines()


def packed_lines(lines: Iterable[str]) -> Iterator[bytes]:
    """Lines of text as blocks for the frame parser."""
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line) + 1
        if size >= BLOCK:
            yield ("\n".join(held) + "\n").encode()
            held, size = [], 0
    if held:
        yield ("\n".join(held) + "\n").encode()


# --- Binance captures kept as CSV -----------------------------------------------------

_CSV_NEED = {
    "depthUpdate": ("EventTime", "Symbol", "FirstUpdateId", "FinalUpdateId", "IsAsk", "Price", "Quantity"),
    "trade": ("EventTime", "TransactionTime", "Symbol", "TradeId", "Price", "Quantity", "IsBuyerMarketMaker"),
}


def _depth_frame(rows: list[dict[str, str]]) -> str:
    """One diff out of its rows. Rows that disagree on a time get time 0, which the parser rejects."""
    head = rows[0]
    times = {(row["EventTime"], row.get("TransactionTime", "")) for row in rows}
    event, transaction = times.pop() if len(times) == 1 else ("0", "")
    parts = [f'"e":"depthUpdate","E":{event}', f'"s":"{head["Symbol"]}"']
    if transaction:
        parts.insert(1, f'"T":{transaction}')
    parts.append(f'"U":{head["FirstUpdateId"]},"u":{head["FinalUpdateId"]}')
    if head.get("FinalUpdateIdInLastStream"):
        parts.append(f'"pu":{head["FinalUpdateIdInLastStream"]}')
    for key, ask in (("b", "0"), ("a", "1")):
        levels = ",".join(f'["{r["Price"]}","{r["Quantity"]}"]' for r in rows if r["IsAsk"] == ask)
        parts.append(f'"{key}":[{levels}]')
    if any(row["IsAsk"] not in ("0", "1") for row in rows):
        parts = parts[:1]
    return f"{head['TimestampOfReceive']} {{{','.join(parts)}}}"


def _trade_frame(row: dict[str, str]) -> str:
    """One trade out of its row."""
    maker = {"1": "true", "0": "false"}.get(row["IsBuyerMarketMaker"], row["IsBuyerMarketMaker"].lower())
    kind = f',"X":"{row["XUnknownParameter"]}"' if row.get("XUnknownParameter") else ""
    return (
        f'{row["TimestampOfReceive"]} {{"e":"trade","E":{row["EventTime"]},"T":{row["TransactionTime"]},'
        f'"s":"{row["Symbol"]}","t":{row["TradeId"]},"p":"{row["Price"]}","q":"{row["Quantity"]}"'
        f'{kind},"m":{maker}}}'
    )


def binance_csv_frames(lines: Iterable[str], name: str) -> Iterator[str]:
    """Rows of a Binance CSV capture (header `TimestampOfReceive,...`) as frames.

    A row of the wrong width becomes a line that the parser rejects.
    """
    rows = iter(lines)
    columns = next(rows, "").strip().split(",")
    held: list[dict[str, str]] = []
    key: tuple[str, ...] = ()
    for line in rows:
        cells = line.strip().split(",")
        if len(cells) != len(columns):
            yield f"0 {line[:40]}"
            continue
        row = dict(zip(columns, cells))
        need = _CSV_NEED.get(row.get("EventType", ""))
        if need is None or any(column not in row for column in need):
            raise DataError(
                f"{name}: expected a Binance CSV capture of depthUpdate or trade rows with the columns "
                f"{', '.join(_CSV_NEED['trade'])} or {', '.join(_CSV_NEED['depthUpdate'])}; "
                f"got {row.get('EventType')!r} with {', '.join(columns)}"
            )
        if row["EventType"] == "trade":
            yield _trade_frame(row)
            continue
        ids = (row["TimestampOfReceive"], row["Symbol"], row["FinalUpdateId"])
        if held and ids != key:
            yield _depth_frame(held)
            held = []
        key = ids
        held.append(row)
    if held:
        yield _depth_frame(held)


# --- Bitstamp, order by order ------------------------------------------------------------


def _number(value: object) -> Decimal:
    """A JSON number or string as Decimal to 1e-8 (the feed prints binary floats for trades)."""
    number = Decimal(str(value)).quantize(Decimal("1e-8"))
    if not number.is_finite():
        raise InvalidOperation
    return number


class _BitstampBook:
    """Orders folded to levels; changes are held back while a marketable order crosses the book.

    The feed announces an order before it is matched, so that the book is crossed for moments. The
    level changes of such a moment are sent as one frame once it is over; a book that stays crossed
    for `patience` events waits for the next full book.
    """

    def __init__(self) -> None:
        self.orders: dict[str, tuple[int, Decimal, Decimal]] = {}
        self.levels: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
        self.changed: set[tuple[int, Decimal]] = set()
        self.seq = 0
        self.whole = False
        self.held = 0

    def add(self, side: int, price: Decimal, amount: Decimal) -> None:
        level = self.levels[side]
        left = level.get(price, Decimal(0)) + amount
        if left > 0:
            level[price] = left
        else:
            level.pop(price, None)
        self.changed.add((side, price))

    def order(self, action: str, key: str, side: int, price: Decimal, amount: Decimal) -> None:
        """order_created, order_changed or order_deleted."""
        known = self.orders.pop(key, None)
        if known is not None:
            self.add(known[0], known[1], -known[2])
        elif action == "order_deleted":
            self.add(side, price, -amount)
        if action != "order_deleted" and amount > 0:
            self.orders[key] = (side, price, amount)
            self.add(side, price, amount)

    def crossed(self) -> bool:
        bids, asks = self.levels
        return bool(bids and asks) and max(bids) >= min(asks)

    def frame(self, ms: str, symbol: str, patience: int = 64) -> str | None:
        """The diff that is due, if any."""
        if not self.changed or not self.whole:
            return None
        if self.crossed():
            self.held += 1
            if self.held > patience:
                self.whole = False
            return None
        self.held = 0
        sides: tuple[list[str], list[str]] = ([], [])
        for side, price in sorted(self.changed):
            amount = self.levels[side].get(price, Decimal(0))
            sides[side].append(f'["{price:f}","{amount:f}"]')
        self.changed.clear()
        self.seq += 1
        return (
            f'{ms} {{"e":"depthUpdate","E":{ms},"s":"{symbol}","U":{self.seq},"u":{self.seq},'
            f'"pu":{self.seq - 1},"b":[{",".join(sides[0])}],"a":[{",".join(sides[1])}]}}'
        )

    def full(self, ms: str, bids: dict[Decimal, Decimal], asks: dict[Decimal, Decimal]) -> str | None:
        """A full book from the feed: taken, and sent as a snapshot, only while ours is not whole."""
        if self.whole or not bids or not asks or max(bids) >= min(asks):
            return None
        self.levels = (dict(bids), dict(asks))
        self.orders = {k: v for k, v in self.orders.items() if self.levels[v[0]].get(v[1], 0) >= v[2]}
        self.changed.clear()
        self.whole, self.held = True, 0
        self.seq += 1
        text = [",".join(f'["{p:f}","{q:f}"]' for p, q in side.items()) for side in self.levels]
        return f'{ms} {{"lastUpdateId":{self.seq},"E":{ms},"bids":[{text[0]}],"asks":[{text[1]}]}}'


_SIDES = {"bid": 0, "ask": 1, 0: 0, 1: 1, "0": 0, "1": 1}


def bitstamp_frames(lines: Iterable[str], name: str, symbol: str) -> Iterator[str]:
    """Bitstamp's `MS EVENT JSON` log, or its orders.csv, as L2 diffs, snapshots and trades.

    Trade prints do not say who was the aggressor: the buyer is taken as maker when the price is at
    or below the best bid before it. A line that cannot be read becomes one that the parser rejects.
    """
    rows = iter(lines)
    first = next(rows, "")
    if first.startswith("id,timestamp,exchange.timestamp,price,volume,action,direction"):
        yield from _bitstamp_csv(rows, symbol)
        return
    if not first.split(" ")[0].isdigit() or len(first.split(" ", 2)) != 3:
        raise DataError(
            f"{name}: expected Bitstamp lines 'MILLISECONDS order_created|order_changed|order_deleted|trade|"
            f"order_book JSON' or the header id,timestamp,exchange.timestamp,...; got {first[:60]!r}"
        )
    book = _BitstampBook()
    for line in (first, *()):
        yield from _bitstamp_line(book, line, symbol)
    for line in rows:
        yield from _bitstamp_line(book, line, symbol)


def _bitstamp_line(book: _BitstampBook, line: str, symbol: str) -> Iterator[str]:
    """The frames of one line of the log."""
    try:
        ms, event, text = line.split(" ", 2)
        data = json.loads(text, parse_float=str)
        if event == "trade":
            price, amount = _number(data["price"]), _number(data["amount"])
            bids, asks = book.levels
            maker = bool(bids) and price <= max(bids) and not (asks and price >= min(asks))
            if not maker and bids and asks:
                maker = 2 * price < max(bids) + min(asks)
            yield (
                f'{ms} {{"e":"trade","E":{ms},"s":"{symbol}","t":{int(data["id"])},'
                f'"p":"{price.quantize(Decimal("0.01")):f}","q":"{amount:f}","m":{str(maker).lower()}}}'
            )
            return
        if event == "order_book":
            bids = {_number(p): _number(q) for p, q in data["bids"]}
            asks = {_number(p): _number(q) for p, q in data["asks"]}
            frame = book.full(ms, bids, asks)
        elif event in ("order_created", "order_changed", "order_deleted"):
            price, amount = _number(data["price"]), _number(data["amount"])
            if price <= 0 or amount < 0:
                raise ValueError(event)
            book.order(event, str(data["id"]), _SIDES[data["order_type"]], price, amount)
            frame = book.frame(ms, symbol)
        else:
            frame = f"{ms} {{}}"  # well formed, carries nothing we use
        if frame is not None:
            yield frame
    except (ValueError, KeyError, TypeError, InvalidOperation):
        yield f"0 {line[:40]}"


def _bitstamp_csv(rows: Iterator[str], symbol: str) -> Iterator[str]:
    """orders.csv: prices in USD, volumes in 1e-8 BTC. It holds no full book, so ours starts empty."""
    book = _BitstampBook()
    started = False
    for line in rows:
        try:
            key, ms, _, price, volume, action, direction = line.strip().split(",")
            amount = _number(Decimal(volume).scaleb(-8))
            if Decimal(price) <= 0 or amount < 0 or not ms.isdigit():
                raise ValueError(line)
            book.order(f"order_{action}", key, _SIDES[direction], _number(price), amount)
            if not started:
                frame = book.full(ms, *book.levels)
                started = frame is not None
            elif not book.whole and not book.crossed():
                frame = book.full(ms, *book.levels)
            else:
                frame = book.frame(ms, symbol)
            if frame is not None:
                yield frame
        except (ValueError, KeyError, InvalidOperation):
            yield f"0 {line[:40]}"
