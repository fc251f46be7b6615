import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bot4.kernels.records import records
from bot4.market.grid import infer_step, symbol_parts
from bot4.model import codes_nb as c
from bot4.model.errors import DataError, StorageError
from bot4.model.events import EVENT_DTYPE
from bot4.model.instrument import Instrument
from bot4.storage import files, lake
from bot4.storage.lake import Dataset, LakeWriter, Source
from bot4.storage.merge import Stream, merge_streams


def instrument(symbol="BTC-USDT", tick="0.1", lot="0.001"):
    t, q = Decimal(tick), Decimal(lot)
    return Instrument(
        symbol, "binance-spot", "BTC", "USDT", "spot", t, q, q, q * 10**6, Decimal(0), inferred=True
    )


def trades(ts, price=100, qty=7):
    rows = records(len(ts), EVENT_DTYPE)
    rows["kind"] = c.EV_TRADE
    rows["ts_local"] = ts
    rows["ts_venue"] = np.asarray(ts) - 5
    rows["price"] = price
    rows["qty"] = qty
    rows["seq"] = np.arange(len(ts))
    return rows


def put(folder, name, rows, made=None, exps=(1, 3), offset=0, kind="frames"):
    with LakeWriter(folder) as writer:
        writer.begin(name)
        writer.add(rows, *exps)
        return writer.commit(made or instrument(), Source(name, name, 0, kind, clock_offset_ns=offset))


def read(folder, chunk=1000, **kw):
    chunks = [part.copy() for part in Dataset.open(folder).iter_events(chunk, **kw)]
    assert all(len(part) == chunk for part in chunks[:-1])
    return np.concatenate(chunks) if chunks else np.zeros(0, EVENT_DTYPE)


def test_what_is_written_is_read(tmp_path):
    rows = trades(range(100, 200), price=np.arange(1, 101))
    put(tmp_path, "a", rows)
    assert read(tmp_path, 7).tobytes() == rows.tobytes()
    data = Dataset.open(tmp_path)
    assert data.rows == 100
    assert data.verify() == []
    assert data.instruments[0].symbol == "BTC-USDT"


def test_sources_on_different_grids_meet_on_the_finest(tmp_path):
    put(tmp_path, "a", trades([1, 3], price=[5, 10], qty=[20, 40]), exps=(1, 3))  # 0.5, 1.0; 0.02, 0.04
    put(
        tmp_path, "b", trades([2], price=101, qty=3), instrument(tick="0.01", lot="0.1"), exps=(2, 1)
    )  # 1.01; 0.3
    rows = read(tmp_path)
    held = Dataset.open(tmp_path).instruments[0]
    assert (held.tick, held.lot) == (Decimal("0.01"), Decimal("0.001"))
    assert rows["price"].tolist() == [50, 101, 100]
    assert rows["qty"].tolist() == [20, 300, 40]


def test_bars_tickers_and_heads_are_rescaled_field_by_field(tmp_path):
    rows = trades([1, 2, 3])
    rows["kind"] = [c.EV_BAR, c.EV_BOOK_TICKER, c.EV_DEPTH_HEAD]
    rows["price"], rows["x"], rows["y"], rows["seq"], rows["qty"] = (
        [20, 20, 0],
        [30, 30, 7],
        [40, 50, 6],
        [10, 9, 8],
        5,
    )
    put(tmp_path, "a", rows, exps=(1, 0))
    put(tmp_path, "b", trades([9], 1, 1), instrument(tick="0.01", lot="0.1"), exps=(2, 1))
    bar, ticker, head, _ = read(tmp_path)
    assert [int(bar[k]) for k in ("price", "x", "y", "seq", "qty")] == [200, 300, 400, 100, 5000]
    assert [int(ticker[k]) for k in ("price", "x", "y", "seq", "qty")] == [200, 300, 50000, 9, 5000]
    assert [int(head[k]) for k in ("price", "x", "y", "seq")] == [0, 7, 6, 8]


def test_instruments_are_merged_in_time_and_ties_keep_the_order_of_import(tmp_path, monkeypatch):
    monkeypatch.setattr(lake, "PART_ROWS", 16)
    rng = np.random.default_rng(1)
    every = []
    for k in range(3):
        ts = np.sort(rng.integers(0, 60, 200))
        put(tmp_path, f"s{k}", trades(ts), instrument(f"S{k}-USDT"))
        every += [(int(t), k, n) for n, t in enumerate(ts)]
    rows = read(tmp_path, 50)
    assert [(int(r["ts_local"]), int(r["instrument"]), int(r["seq"])) for r in rows] == sorted(every)
    part = read(tmp_path, 50, start=20, end=40)
    assert [int(r["ts_local"]) for r in part] == [t for t, _, _ in sorted(every) if 20 <= t < 40]
    assert len(Dataset.open(tmp_path).parts) == 3 * 13


def test_times_never_decrease_and_a_clock_behind_is_shifted(tmp_path):
    put(tmp_path, "a", trades([10, 30, 20, 40]), offset=-1000)
    assert read(tmp_path)["ts_local"].tolist() == [t + 1000 + lake.BASE_LATENCY_NS for t in (10, 30, 30, 40)]
    put(tmp_path / "b", "a", trades([10, 30]), offset=1000)
    assert read(tmp_path / "b")["ts_local"].tolist() == [10, 30]


def test_hash_does_not_depend_on_the_order_of_imports(tmp_path):
    for folder, names in ((tmp_path / "a", "xyz"), (tmp_path / "b", "zxy")):
        for name in names:
            put(folder, name, trades([ord(name)], price=ord(name)))
    one, two = Dataset.open(tmp_path / "a"), Dataset.open(tmp_path / "b")
    assert one.content_hash() == two.content_hash()
    assert read(tmp_path / "a")["price"].tolist() == read(tmp_path / "b")["price"].tolist()


def test_damage_is_found(tmp_path):
    put(tmp_path, "a", trades([1, 2]))
    put(tmp_path, "b", trades([3]))
    parts = sorted((tmp_path / "parts").iterdir())
    parts[0].write_bytes(parts[0].read_bytes()[:-9])
    parts[1].unlink()
    assert len(Dataset.open(tmp_path).verify()) == 2
    with pytest.raises(DataError, match="cannot read"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"format": 99}', '{"format": 1}', "[]"])
def test_a_damaged_description_is_a_data_error(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError):
        Dataset.open(tmp_path)


def test_no_data_set_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="holds no data set"):
        Dataset.open(tmp_path / "nothing")


def test_a_full_disk_leaves_the_earlier_content(tmp_path, monkeypatch):
    put(tmp_path, "a", trades([1, 2]))
    before = {p.name for p in tmp_path.rglob("*")}
    real = os.fsync
    for fail_at in (1, 2, 3, 4):
        calls = []

        def full(fd, fail_at=fail_at, calls=calls):
            calls.append(fd)
            if len(calls) == fail_at:
                raise OSError(28, "No space left on device")
            real(fd)

        monkeypatch.setattr(files.os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            put(tmp_path, "b", trades([3]))
        monkeypatch.setattr(files.os, "fsync", real)
        assert Dataset.open(tmp_path).verify() == []
        if fail_at < 4:
            assert {p.name for p in tmp_path.rglob("*")} == before
            assert read(tmp_path)["ts_local"].tolist() == [1, 2]
        else:  # after the rename of dataset.json: the error is told, the import stands
            assert read(tmp_path)["ts_local"].tolist() == [1, 2, 3]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_as_user(tmp_path):
    (tmp_path / "ro").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="ro"):
        put(tmp_path / "ro" / "x", "a", trades([1]))


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="file"):
        put(tmp_path / "file" / "lake", "a", trades([1]))


def test_one_writer_at_a_time(tmp_path):
    with LakeWriter(tmp_path), pytest.raises(StorageError, match="another process"):
        LakeWriter(tmp_path)
    LakeWriter(tmp_path).__exit__()


def test_nothing_is_left_of_an_import_that_was_not_committed(tmp_path):
    with LakeWriter(tmp_path) as writer:
        writer.begin("a")
        writer.add(trades([1]), 1, 3)
        assert writer.grid() == (Decimal(10), Decimal("0.007"))
        assert list((tmp_path / "parts").iterdir())
    assert not list((tmp_path / "parts").iterdir())
    with LakeWriter(tmp_path) as writer:
        writer.begin("b")
        with pytest.raises(StorageError, match="nothing to commit"):
            writer.commit(instrument(), Source("b", "b", 0, "frames"))


def test_values_that_do_not_fit_are_refused(tmp_path):
    put(tmp_path, "a", trades([1], price=2**60 + 1, qty=1), instrument(tick="1", lot="1"), exps=(0, 0))
    put(tmp_path, "b", trades([1], price=1, qty=1), instrument(tick="0.0001", lot="1"), exps=(4, 0))
    with pytest.raises(DataError, match="64 bits"):
        read(tmp_path)


def test_merging_in_small_arrays():
    def stream(order, *arrays):
        made = [trades(a) for a in arrays]
        return Stream(order, min(arrays[0]), iter(made))

    got = [len(p) for p in merge_streams([stream(0, [1, 1], [1, 2]), stream(1, [1], [9])], 4)]
    assert got == [4, 2]
    assert list(merge_streams([], 4)) == []
    with pytest.raises(ValueError, match="positive"):
        next(Dataset(Path()).iter_events(0))


def test_inferred_steps():
    assert infer_step(Decimal("0.1"), 10**6) == Decimal("0.1")
    assert infer_step(Decimal("0.7"), 3) == Decimal("0.1")  # few values: a power of ten
    assert infer_step(Decimal("0.5"), 5000) == Decimal("0.5")
    assert infer_step(Decimal("0.75"), 5000) == Decimal("0.25")
    assert infer_step(Decimal("0.7"), 5000) == Decimal("0.1")
    assert infer_step(Decimal("0.7"), 10**6) == Decimal("0.7")
    assert infer_step(Decimal("100"), 5) == Decimal(100)
    assert infer_step(Decimal(0), 5) == 1


def test_symbols():
    assert symbol_parts("BTCUSDT") == ("BTC", "USDT")
    assert symbol_parts("ETHBTC") == ("ETH", "BTC")
    assert symbol_parts("BTCUSD") == ("BTC", "USD")
    assert symbol_parts("XYZ") == ("XYZ", "")
    assert symbol_parts("USDT") == ("USDT", "")


def test_parts_are_plain_parquet(tmp_path):
    put(tmp_path, "a", trades([1, 2]))
    (part,) = (tmp_path / "parts").iterdir()
    assert pl.read_parquet(part).columns == list(EVENT_DTYPE.names)
