import gzip
import lzma
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from frame_samples import NO_JIT, T0, line, session, snapshot, ticker, trade

from bot4.engine import intake_table as table
from bot4.engine.intake import import_bars, import_frames, import_funding
from bot4.model import codes_nb as c
from bot4.model.errors import DataError, StorageError
from bot4.storage import files
from bot4.storage.lake import BASE_LATENCY_NS, Dataset

FRAMES = 60 if NO_JIT else 300


def write(path: Path, data: bytes) -> Path:
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".xz":
        data = lzma.compress(data)
    path.write_bytes(data)
    return path


def events(folder, **kw):
    return np.concatenate(list(Dataset.open(folder).iter_events(**kw)))


@pytest.fixture
def feed(tmp_path):
    return write(tmp_path / "feed.gz", session(FRAMES)[0])


def test_frames_into_the_lake(tmp_path, feed):
    seen = []
    report = import_frames(
        feed, "binance-usdm", tmp_path / "lake", progress=lambda done, total: seen.append((done, total))
    )
    _, messages, bids, _ = session(FRAMES)
    rows = events(tmp_path / "lake")
    trades = [m for m in messages if m.get("e") == "trade"]
    assert (report["frames"], report["rejected"], report["gaps"], report["crossed"]) == (FRAMES + 1, 0, 0, 0)
    assert report["events"] == len(rows)
    assert (report["instrument"], report["tick"], report["lot"]) == ("BTC-USDT-PERP", "0.1", "0.001")
    assert report["book"]["valid"] == 1
    assert report["seconds"] > 0
    assert seen[-1][0] == seen[-1][1]
    mine = rows[rows["kind"] == c.EV_TRADE]
    assert len(mine) == len(trades)
    assert int(mine["qty"].sum()) == sum(int(Decimal(m["q"]) * 1000) for m in trades)
    assert (np.diff(rows["ts_local"]) >= 0).all()
    assert bids


def test_the_same_file_again_is_left_out(tmp_path, feed):
    import_frames(feed, "binance-usdm", tmp_path / "lake")
    before = Dataset.open(tmp_path / "lake").content_hash()
    copy = tmp_path / "copy.gz"
    copy.write_bytes(feed.read_bytes())
    report = import_frames(copy, "binance-usdm", tmp_path / "lake")
    assert (report["events"], report["skipped_files"]) == (0, 1)
    assert "already imported (as feed.gz)" in report["warnings"][0]
    assert Dataset.open(tmp_path / "lake").content_hash() == before


def test_a_clock_that_ran_behind(tmp_path):
    text = b"".join(line(trade(k, ms=T0 + 10 * k), T0 + 10 * k - 1270 + k % 3) for k in range(1, 30))
    report = import_frames(write(tmp_path / "f", text), "binance-usdm", tmp_path / "lake")
    assert report["clock_offset_ns"] == -1270 * 10**6
    assert report["latency_ms"]["raw"] == pytest.approx(-1269)
    assert report["latency_ms"]["corrected"] == pytest.approx(2)
    rows = events(tmp_path / "lake")
    assert int((rows["ts_local"] - rows["ts_venue"]).min()) == BASE_LATENCY_NS
    assert any("behind" in text for text in report["warnings"])
    stored = pl.read_parquet(next((tmp_path / "lake" / "parts").iterdir()))
    assert int((stored["ts_local"] - stored["ts_venue"]).min()) == -1270 * 10**6  # raw times stay


def test_one_damaged_stamp_is_not_a_clock(tmp_path):
    text = b"".join(
        line(trade(k, ms=T0 + 10 * k)) if k != 7 else line(trade(k), T0 - 3_600_000) for k in range(1, 30)
    )
    report = import_frames(write(tmp_path / "f", text), "binance-usdm", tmp_path / "lake")
    assert report["clock_offset_ns"] > -(10**9)
    assert any("clock estimate" in text for text in report["warnings"])


def test_cut_archives_keep_what_came_before(tmp_path):
    for name in ("f.gz", "f.xz"):
        whole = write(tmp_path / name, session(FRAMES)[0]).read_bytes()
        cut = tmp_path / f"cut-{name}"
        cut.write_bytes(whole[: len(whole) * 2 // 3])
        report = import_frames(cut, "binance-usdm", tmp_path / f"lake-{name}")
        assert 0 < report["frames"] < FRAMES
        assert report["rejected"] <= 1
        assert "cut off" in report["warnings"][0]
    damaged = bytearray((tmp_path / "f.gz").read_bytes())
    damaged[len(damaged) // 2 :] = b"\xff" * (len(damaged) - len(damaged) // 2)
    (tmp_path / "bad.gz").write_bytes(damaged)
    try:
        report = import_frames(tmp_path / "bad.gz", "binance-usdm", tmp_path / "lake-bad")
        assert "damaged" in report["warnings"][0]
    except DataError as error:
        assert "bad.gz" in str(error)


def test_chained_archives_and_bytes_after_them(tmp_path):
    text = session(FRAMES)[0]
    half = text.index(b"\n", len(text) // 2) + 1
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(text[:half]) + gzip.compress(text[half:]) + b"tail")
    report = import_frames(path, "binance-usdm", tmp_path / "lake")
    assert report["frames"] == FRAMES + 1
    assert "ignored" in report["warnings"][0]


def test_damaged_reordered_and_repeated_frames(tmp_path):
    lines = session(FRAMES)[0].splitlines(keepends=True)
    lines[8] = lines[8][:40] + b"\n"
    lines[20], lines[22] = lines[22], lines[20]
    lines.insert(30, lines[29])
    lines.append(line(ticker(10**6, bid="NaN")))
    lines.append(line(ticker(10**6, bid="-1")))
    report = import_frames(write(tmp_path / "f", b"".join(lines)), "binance-usdm", tmp_path / "lake")
    assert report["reasons"] == {"malformed": 1, "not_a_number": 1, "negative": 1}
    assert report["first_rejected"][0] == {"line": 9, "reason": "malformed"}
    assert report["crossed"] == 0
    assert (np.diff(events(tmp_path / "lake")["ts_local"]) >= 0).all()


def test_several_symbols_in_one_file(tmp_path):
    eth = [line({**trade(k, price=f"{20 + k}.05"), "s": "ETHUSDT"}) for k in range(1, 9)]
    btc = [line(trade(k)) for k in range(1, 9)]
    bare = [line(snapshot(5, [("100.0", "1")], [("100.2", "1")]))]
    text = b"".join(a + b for a, b in zip(eth, btc)) + b"".join(bare)
    path = write(tmp_path / "f", text)
    report = import_frames(path, "binance-spot", tmp_path / "lake")
    assert report["instruments"] == ["BTC-USDT", "ETH-USDT"]
    rows = events(tmp_path / "lake")
    names = [i.symbol for i in Dataset.open(tmp_path / "lake").instruments]
    assert sorted(names) == ["BTC-USDT", "ETH-USDT"]
    for name, prices in (("BTC-USDT", 1), ("ETH-USDT", 8)):
        own = rows[(rows["instrument"] == names.index(name)) & (rows["kind"] == c.EV_TRADE)]
        assert len(set(own["price"].tolist())) == prices
    snaps = rows[rows["kind"] == c.EV_SNAPSHOT_HEAD]
    assert [names[i] for i in snaps["instrument"]] == ["BTC-USDT"]
    only = import_frames(path, "binance-spot", tmp_path / "one", instrument="ETH-USDT")
    assert only["instruments"] == ["ETH-USDT"]


@pytest.mark.parametrize(
    ("text", "venue", "match"),
    [
        (b"", "binance-spot", "empty"),
        (b"\n\n", "binance-spot", "empty"),
        (b"hello\nworld\n", "binance-spot", "expected recorded frames"),
        (b"\x00\xff\xfe\x01" * 99, "binance-spot", "expected recorded frames"),
        (line({"e": "kline"}), "binance-spot", "no frame names a symbol"),
        (line({"e": "kline", "s": "BTCUSDT"}), "binance-spot", "no usable frame"),
        (b"TimestampOfReceive,EventType\n1,kline\n", "binance-spot", "expected"),
        (b"hello\n", "bitstamp", "expected Bitstamp"),
        (line(trade()), "mtgox", "unknown venue"),
    ],
)
def test_foreign_input_is_a_data_error(tmp_path, text, venue, match):
    with pytest.raises(DataError, match=match):
        import_frames(write(tmp_path / "f", text), venue, tmp_path / "lake")
    with pytest.raises(DataError, match="not a file"):
        import_frames(tmp_path / "none", venue if venue != "mtgox" else "binance-spot", tmp_path / "lake")


def test_a_full_disk(tmp_path, feed, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StorageError, match=r"parts.*No space left"):
        import_frames(feed, "binance-usdm", tmp_path / "lake")


def test_finer_and_larger_numbers_than_expected(tmp_path):
    fine = line(trade(1, price="0.0000000012", qty="1")) + line(trade(2, price="0.0000000013", qty="2"))
    report = import_frames(write(tmp_path / "a", fine), "binance-spot", tmp_path / "fine")
    assert report["tick"] == "0.0000000001"
    large = line(trade(1, price="0.00001", qty="123456789012")) + line(trade(2, price="0.00001", qty="7"))
    report = import_frames(write(tmp_path / "b", large), "binance-spot", tmp_path / "large")
    assert (report["frames"], report["rejected"]) == (2, 0)
    assert int(events(tmp_path / "large")["qty"].max()) == 123456789012


CSV_DEPTH = (
    "TimestampOfReceive,Stream,EventType,EventTime,Symbol,FirstUpdateId,FinalUpdateId,IsAsk,Price,Quantity\n"
    f"{T0}001,s,depthUpdate,{T0}000,TRXUSDT,5,6,0,0.2311,8.7\n"
    f"{T0}001,s,depthUpdate,{T0}000,TRXUSDT,5,6,1,0.2313,2.5\n"
    f"{T0}101,s,depthUpdate,0,TRXUSDT,7,7,1,0.2313,2.5\n"
    f"{T0}101,s,depthUpdate,{T0}100,TRXUSDT,7,7,1,0.2314,2.5\n"
    f"{T0}201,s,depthUpdate,{T0}200,TRXUSDT,8,8,1,0.2314,2.5\n"
    f"{T0}301,s,depthUpdate,{T0}300,TRXUSDT,9,9,7,0.2314,2.5\n"
    "short,row\n"
)


def test_binance_csv_captures(tmp_path):
    report = import_frames(write(tmp_path / "d.csv.gz", CSV_DEPTH.encode()), "binance-spot", tmp_path / "d")
    assert (report["frames"], report["gaps"]) == (2, 1)
    assert report["reasons"] == {"bad_time": 2, "missing_key": 1}
    header = (
        "TimestampOfReceive,Stream,EventType,EventTime,TransactionTime,Symbol,TradeId,Price,Quantity,"
        "IsBuyerMarketMaker,XUnknownParameter\n"
    )
    row = "{0},s,trade,{0},{0},TRXUSDT,{1},{2},85.0,1,{3}\n"
    text = (
        header
        + row.format(T0, 1, "0.5", "MARKET")
        + row.format(T0, 2, -1, "MARKET")
        + row.format(T0, 1, "0.5", "")
    )
    report = import_frames(write(tmp_path / "t.csv", text.encode()), "binance-usdm", tmp_path / "t")
    assert report["frames"] == 2
    assert report["reasons"] == {"negative": 1}
    assert report["quality"] == {"duplicate": 1}
    assert report["rejected"] == 2


def order(event, key, side, price, amount, ms):
    return (
        f'{ms} order_{event} {{"price": "{price}", "amount": "{amount}", "datetime": "1", "id": {key}, '
        f'"order_type": {side}}}\n'
    )


def test_bitstamp_orders_become_levels(tmp_path):
    ms = 1_430_438_404_000
    text = order("created", 1, 0, "100.00", "1.0", ms)
    text += (
        f'{ms} order_book {{"bids": [["100.00", "1.0"], ["99.00", "2.0"]], "asks": [["101.00", "3.0"]]}}\n'
    )
    text += order("created", 2, 0, "101.00", "1.0", ms + 1)  # crosses: held back
    text += f'{ms + 1} trade {{"price": 101.0, "amount": 0.99999999999, "id": 5}}\n'
    text += order("deleted", 2, 0, "101.00", "0.0", ms + 2)
    text += order("changed", 1, 0, "100.00", "0.25", ms + 3)
    text += order("deleted", 9, 1, "101.00", "1.0", ms + 4)  # an order from before the log
    text += f"{ms} martian {{}}\n{ms} trade {{}}\n" + order("created", 4, 0, "-1", "1", ms)
    report = import_frames(write(tmp_path / "b.log.xz", text.encode()), "bitstamp", tmp_path / "lake")
    rows = events(tmp_path / "lake")
    assert report["instrument"] == "BTC-USD"
    assert (report["crossed"], report["gaps"], report["book"]["valid"]) == (0, 0, 1)
    assert report["reasons"] == {"ignored": 1, "bad_time": 2}
    (deal,) = rows[rows["kind"] == c.EV_TRADE]
    assert not deal["flags"] & c.FLAG_BUYER_MAKER
    lot = Dataset.open(tmp_path / "lake").instruments[0].lot
    assert rows["qty"][-1] * lot == 2  # 3 of the full book less the unknown order's 1
    csv = "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
    csv += f"1,{ms},0,100.0,100,created,bid\n2,{ms + 1},0,101.0,200,created,ask\n3,{ms + 2},0,99,5,created,bid\nx\n"
    report = import_frames(write(tmp_path / "orders.csv", csv.encode()), "bitstamp", tmp_path / "csv")
    assert (report["frames"], report["rejected"], report["book"]["valid"]) == (2, 1, 1)


# --- tables --------------------------------------------------------------------------------

MIN = 60_000


def bars_csv(rows, header="ts,open,high,low,close,volume"):
    return (header + "\n" * bool(header) + "\n".join(",".join(map(str, r)) for r in rows) + "\n").encode()


def good_bars(n, start=T0 // MIN * MIN):
    return [
        (start + k * MIN, f"{100 + k}.10", f"{101 + k}.00", f"{99 + k}.5", f"{100 + k}.30", f"{k}.125")
        for k in range(n)
    ]


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet", "float", "headless", "iso", "seconds"])
def test_bars_in_every_form_give_the_same_events(tmp_path, form):
    rows = good_bars(20)
    path = tmp_path / f"b.{form}"
    frame = pl.DataFrame(rows, schema=["ts", "open", "high", "low", "close", "volume"], orient="row")
    if form in ("parquet", "float"):
        kind = pl.Float64 if form == "float" else pl.Decimal(18, 4)
        frame = frame.with_columns(pl.col("open", "high", "low", "close", "volume").cast(kind))
        frame = frame.with_columns(pl.from_epoch("ts", time_unit="ms").dt.replace_time_zone("UTC"))
        frame.write_parquet(path)
    elif form == "iso":
        stamps = pl.from_epoch(frame["ts"], time_unit="ms").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        path.write_bytes(
            bars_csv(
                zip(stamps, *(r for r in zip(*rows) if r[0] != rows[0][0])), "date,Open,High,Low,Close,Volume"
            )
        )
    elif form == "seconds":
        path.write_bytes(bars_csv([(r[0] // 1000, *r[1:]) for r in rows]))
    else:
        write(path, bars_csv(rows, "" if form == "headless" else "open_time,open,high,low,close,volume"))
    report = import_bars(path, "BTC-USDT", "1m", tmp_path / "lake")
    assert (report["frames"], report["events"], report["gaps"], report["rejected"]) == (20, 20, 0, 0)
    assert (report["tick"], report["lot"]) == ("0.1", "0.001")
    first, last = events(tmp_path / "lake")[[0, -1]]
    assert [int(first[k]) for k in ("x", "y", "seq", "price", "qty")] == [1001, 1010, 995, 1003, 125]
    assert int(last["qty"]) == 19125
    assert first["ts_venue"] == rows[0][0] * 10**6
    assert first["ts_local"] - first["ts_venue"] == 60 * 10**9


def test_bad_bars_are_counted_by_reason(tmp_path):
    rows = good_bars(30)
    bad = [list(r) for r in rows]
    bad[3][1] = "NaN"
    bad[4][2] = ""
    bad[5][3] = "0"
    bad[6][4] = "-1"
    bad[7][5] = "-1"
    bad[8][3] = "1000"
    bad[9][0] = "yesterday"
    bad[10][0] = "12"
    bad[11], bad[12] = bad[12], bad[11]
    bad.append(bad[20])
    bad[21][5] = "1e-3"
    report = import_bars(write(tmp_path / "b.csv", bars_csv(bad)), "BTC-USDT", "1m", tmp_path / "lake")
    assert report["reasons"] == {
        "bad_time": 2, "not_a_number": 2, "price_not_positive": 2, "negative_volume": 1, "inconsistent": 1,
        "out_of_order": 2, "duplicate": 1,
    }  # fmt: skip
    assert report["rejected"] == 9
    assert report["events"] == 31 - 9
    assert report["gaps"] == 8
    assert (np.diff(events(tmp_path / "lake")["ts_venue"]) > 0).all()


def test_files_in_any_order_and_overlapping(tmp_path):
    rows = good_bars(60)
    one = write(tmp_path / "1.csv", bars_csv(rows[:40]))
    two = write(tmp_path / "2.csv", bars_csv(rows[30:]))
    report = import_bars([two, one], "BTC-USDT", "1m", tmp_path / "lake")
    assert report["reasons"] == {"overlap": 10}
    rows_back = events(tmp_path / "lake")
    assert rows_back["ts_venue"].tolist() == [r[0] * 10**6 for r in rows]
    again = import_bars(one, "BTC-USDT", "1m", tmp_path / "lake")
    assert (again["events"], again["skipped_files"]) == (0, 1)
    inside = write(tmp_path / "3.csv", bars_csv(rows[5:9]))
    assert import_bars(inside, "BTC-USDT", "1m", tmp_path / "lake")["events"] == 0
    hours = write(tmp_path / "4.csv", bars_csv([(r[0] + k * 59 * MIN, *r[1:]) for k, r in enumerate(rows)]))
    with pytest.raises(DataError, match="folder of their own"):
        import_bars(hours, "BTC-USDT", "1h", tmp_path / "lake")


def test_volumes_are_rounded_so_that_money_stays_exact(tmp_path):
    rows = [
        (T0 // MIN * MIN + k * MIN, "1.00000001", "1.00000003", "1.00000001", "1.00000002", "1.126")
        for k in range(5)
    ]
    report = import_bars(write(tmp_path / "b.csv", bars_csv(rows)), "A-B", "1m", tmp_path / "lake")
    assert report["rounded_volumes"] == 5
    assert events(tmp_path / "lake")["qty"].tolist() == [113] * 5 or report["lot"] == "1.13"


@pytest.mark.parametrize(
    ("data", "kw", "match"),
    [
        (b"", {}, "empty"),
        (b"a,b\n1,2\n", {}, "no column 'ts'"),
        (bars_csv(good_bars(5)), {"timeframe": "1h"}, "timeframe given is 1h"),
        (bars_csv(good_bars(5)), {"instrument": "BTC"}, "not an instrument"),
        (bars_csv(good_bars(5)), {"market": "swap"}, "not spot or perp"),
        (bars_csv([("x", 1, 1, 1, 1, 1)] * 3), {}, "no usable bar"),
        (
            bars_csv(
                [(*r, f"v{k}") for k, r in enumerate(good_bars(5))], "ts,open,high,low,close,volume,venue"
            ),
            {},
            "several",
        ),
        (b"PAR1 not parquet", {}, "cannot read"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, data, kw, match):
    kw = {"instrument": "BTC-USDT", "timeframe": "1m", **kw}
    with pytest.raises(DataError, match=match):
        import_bars(write(tmp_path / "b.csv", data), out=tmp_path / "lake", **kw)
    with pytest.raises(DataError, match="not a file"):
        import_bars(tmp_path / "none", "BTC-USDT", "1m", tmp_path / "lake")


def test_funding(tmp_path):
    text = b"ts,rate\n2024-01-01 00:00:00,0.0001\n2024-01-01 16:00:00,-0.00000375\n2024-01-01 08:00:00,0.00012345\nx,1\n"
    text += b"2024-01-01 08:00:00,0.5\n2024-01-02 00:00:00,7\n"
    path = write(tmp_path / "f.csv", text)
    report = import_funding(path, "BTC-USDT-PERP", tmp_path / "lake")
    assert report["reasons"] == {"bad_time": 1, "absurd_rate": 1, "out_of_order": 2, "duplicate": 1}
    rows = events(tmp_path / "lake")
    assert rows["x"].tolist() == [10_000, 12_345, -375]
    assert set(rows["kind"]) == {c.EV_FUNDING}
    assert import_funding(path, "BTC-USDT-PERP", tmp_path / "lake")["skipped_files"] == 1
    import_bars(
        write(tmp_path / "b.csv", bars_csv(good_bars(5))), "BTC-USDT", "1m", tmp_path / "lake", market="perp"
    )
    data = Dataset.open(tmp_path / "lake")
    assert [i.symbol for i in data.instruments] == ["BTC-USDT-PERP"]
    assert data.instruments[0].tick == Decimal("0.1")


def test_columns_are_read_exactly():
    values, exp = table.decimals(pl.Series(["1.50", "-2", "1e-3", "+4.25", "x", None, "1.2.3", " 7 "]))
    assert exp == 3
    assert values.tolist() == [1500, -2000, 1, 4250, table.BAD, table.BAD, table.BAD, 7000]
    assert table.decimals(pl.Series([0.1, float("nan"), None]))[0].tolist() == [1, table.BAD, table.BAD]
    assert table.decimals(pl.Series([0.1], dtype=pl.Float32))[0].tolist() == [1]
    assert table.decimals(pl.Series([3, None]))[0].tolist() == [3, table.BAD]
    day = 1_704_067_200 * 10**9
    for column in (
        pl.Series(["2024-01-01"]), pl.Series(["2024-01-01 00:00"]), pl.Series(["2024-01-01T01:00:00+01:00"]),
        pl.Series([1_704_067_200]), pl.Series([1_704_067_200_000]), pl.Series([1_704_067_200_000_000]),
        pl.Series([day]), pl.Series(["1704067200.0"]), pl.Series([1_704_067_200.0]),
        pl.Series(["2024-01-01"]).str.to_date(),
    ):  # fmt: skip
        assert table.times_ns(column).tolist() == [day]
