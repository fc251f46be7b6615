"""Every recorded file: no crash, and agreement with a plain reading by json and dict."""

import gzip
import json
import os
from decimal import Decimal
from pathlib import Path

import numba
import numpy as np
import pytest

from bot4.engine.intake import import_bars, import_frames, import_funding
from bot4.market.book import new_book
from bot4.market.book_nb import depth_nb, fold_books_nb
from bot4.model import codes_nb as c
from bot4.storage.lake import Dataset

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("BOT4_SHARED", ROOT / "../shared")).resolve()
if not SHARED.exists():
    SHARED = (ROOT / "../../shared").resolve()
WS = SHARED / "data" / "market_ws"
pytestmark = [
    pytest.mark.skipif(not WS.exists(), reason=f"recorded data are not at {WS}"),
    pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="whole recordings need compiled kernels"),
]


def plain_reading(path):
    """(frames, trades, trade volume, bids, asks) by json and dict."""
    frames = trades = 0
    volume = Decimal(0)
    last, early, books = None, [], {"b": {}, "a": {}}
    with gzip.open(path) as lines:
        for raw in lines:
            frames += 1
            data = json.loads(raw.partition(b" ")[2])
            data = data.get("data", data)
            due = []
            if "lastUpdateId" in data:
                last = data["lastUpdateId"]
                books = {"b": dict(data["bids"]), "a": dict(data["asks"])}
                due = [d for d in early if d["u"] > last]
            elif data.get("e") == "trade":
                trades += 1
                volume += Decimal(data["q"])
            elif data.get("e") == "depthUpdate":
                if last is None:
                    early.append(data)
                elif data["u"] > last:
                    due = [data]
            for d in due:
                for side, book in books.items():
                    for price, qty in d[side]:
                        if Decimal(qty) == 0:
                            book.pop(price, None)
                        else:
                            book[price] = qty
    return frames, trades, volume, books["b"], books["a"]


@pytest.mark.parametrize(
    ("name", "venue", "symbol", "tick"),
    [
        ("usdm_btcusdt_20240808.gz", "binance-usdm", "BTC-USDT-PERP", "0.1"),
        ("spot_btcusdt_20240808.gz", "binance-spot", "BTC-USDT", "0.01"),
    ],
)
def test_recorded_feed_equals_a_plain_reading(tmp_path, name, venue, symbol, tick):
    report = import_frames(WS / name, venue, tmp_path)
    frames, trades, volume, bids, asks = plain_reading(WS / name)
    assert (report["frames"], report["rejected"], report["gaps"], report["crossed"]) == (frames, 0, 0, 0)
    assert (report["instrument"], report["tick"]) == (symbol, tick)
    assert report["clock_offset_ns"] < -1_000_000_000
    data = Dataset.open(tmp_path)
    held = data.instruments[0]
    rows = np.concatenate(list(data.iter_events(100_000)))
    assert (np.diff(rows["ts_local"]) >= 0).all()
    deals = rows[rows["kind"] == c.EV_TRADE]
    assert len(deals) == trades
    assert int(deals["qty"].sum()) * held.lot == volume
    book = new_book(1)
    fold_books_nb(book, rows)
    for side, want in ((0, bids), (1, asks)):
        px, qty = np.zeros(10_000, np.int64), np.zeros(10_000, np.int64)
        n = depth_nb(book, 0, side, 10_000, px, qty)
        mine = [(int(p), int(q)) for p, q in zip(px[:n], qty[:n])]
        exact = [(int(Decimal(p) / held.tick), int(Decimal(q) / held.lot)) for p, q in want.items()]
        assert mine == sorted(exact, reverse=side == 0)


@pytest.mark.parametrize("path", sorted((WS / "binance_csv").glob("*.gz")), ids=lambda p: p.name[:60])
def test_csv_captures(tmp_path, path):
    report = import_frames(path, "binance-spot" if "_spot_" in path.name else "binance-usdm", tmp_path)
    assert report["crossed"] == 0
    assert report["events"] == sum(len(r) for r in Dataset.open(tmp_path).iter_events())
    if "positive" in path.name or "depth_stream_usd_m" in path.name:  # its negative twin is the same file
        assert (report["rejected"], report["gaps"]) == (0, 0)
    else:
        assert report["rejected"] > 0


def test_bitstamp(tmp_path):
    report = import_frames(WS / "bitstamp_l3" / "2015-05-01.log.xz", "bitstamp", tmp_path)
    assert (report["crossed"], report["gaps"], report["book"]["valid"]) == (0, 0, 1)
    assert report["book"]["trades"] > 500


def test_bars_and_funding_of_a_perpetual(tmp_path):
    bars = import_bars(
        SHARED / "data/ohlcv/binance_perp_1h/ETH_USDT.parquet", "ETH-USDT", "1h", tmp_path, market="perp"
    )
    rates = import_funding(SHARED / "data/funding/binance_perp/ETH_USDT.parquet", "ETH-USDT-PERP", tmp_path)
    rows = np.concatenate(list(Dataset.open(tmp_path).iter_events()))
    assert (rows["kind"] == c.EV_BAR).sum() == bars["events"]
    assert (rows["kind"] == c.EV_FUNDING).sum() == rates["events"] == 6404
    assert (np.diff(rows["ts_local"]) >= 0).all()
