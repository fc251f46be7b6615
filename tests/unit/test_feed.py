"""Market data as a run folds it: funding put in where it is missing, first look, rewritten copies."""

import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from bot4.engine.feed import Feed, first_look, funding_times, missing_funding
from bot4.engine.inspect import check_dataset
from bot4.engine.intake import import_bars, import_funding
from bot4.learning.bars import read_bars
from bot4.model import codes_nb as c
from bot4.model.errors import DataError
from bot4.storage.lake import Dataset
from bot4.storage.rewrite import rewrite

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import engine_scene as scene

H8 = 8 * 3600 * 10**9
H = 3600 * 10**9


def test_funding_times_are_after_the_start_and_up_to_the_end():
    assert funding_times(0, 24 * H, H8).tolist() == [8 * H, 16 * H, 24 * H]
    assert funding_times(8 * H, 16 * H - 1, H8).tolist() == []
    assert funding_times(8 * H - 1, 8 * H, H8).tolist() == [8 * H]


@pytest.mark.parametrize(
    ("known", "missing"),
    [
        ([], [8, 16, 24]),
        ([8, 16, 24], []),
        ([8.4, 15.6], [24]),  # late and early by less than half an hour
        ([8.6, 15.4], [8, 16, 24]),
        ([8.5], [16, 24]),
        ([30], [8, 16, 24]),
    ],
)
def test_missing_funding(known, missing):
    got = missing_funding(np.array([int(h * H) for h in known], np.int64), 0, 24 * H, H8)
    assert (got / H).tolist() == missing


def test_substitutes_are_put_in_openly(tmp_path):
    data = scene.bar_data(tmp_path, 1000)
    feed = Feed(data, H8, 30_000)
    rows = np.concatenate(list(feed))
    made = rows[rows["kind"] == c.EV_FUNDING]
    assert [int(t) % H8 for t in made["ts_local"]] == [0] * len(made)
    assert len(made) == 2  # 08:00 and 16:00 of 1000 minutes from midnight
    assert (made["seq"] == -1).all()
    assert (made["x"] == 30_000).all()
    assert (np.diff(rows["ts_local"]) >= 0).all()
    assert feed.substituted == 2
    assert "substitute of 3 bp" in feed.warnings[0]


def test_recorded_rates_are_not_doubled(tmp_path):
    data = scene.bar_data(tmp_path, 1000)
    (tmp_path / "f.csv").write_text(f"ts,rate\n{scene.START // 10**6 + 8 * 3_600_000},0.0001\n")
    import_funding(tmp_path / "f.csv", "BTC-USDT-PERP", tmp_path / "data")
    feed = Feed(Dataset.open(data.folder), H8, 30_000)
    rows = np.concatenate(list(feed))
    made = rows[rows["kind"] == c.EV_FUNDING]
    assert sorted(made["seq"] == -1) == [False, True]
    assert feed.substituted == 1


def test_spot_pays_no_funding(tmp_path):
    data = scene.bar_data(tmp_path, 1000, market="spot", symbol="BTC-USDT")
    feed = Feed(data, H8, 30_000)
    assert (np.concatenate(list(feed))["kind"] == c.EV_BAR).all()
    assert feed.warnings == []


def test_funding_between_two_chunks_is_not_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("bot4.engine.feed.CHUNK", 100)
    data = scene.bar_data(tmp_path, 1000)
    feed = Feed(data, H8, 30_000)
    chunks = list(feed)
    assert len(chunks) > 5
    rows = np.concatenate(chunks)
    assert (rows["kind"] == c.EV_FUNDING).sum() == 2


def test_first_look(tmp_path):
    data = scene.bar_data(tmp_path, 50)
    assert first_look(data) == (scene.START + scene.MINUTE, scene.START + 50 * scene.MINUTE, True)
    assert first_look(Dataset.create(tmp_path / "empty")) == (0, 0, False)


def test_a_rewritten_data_set_holds_the_same_rows(tmp_path):
    data = scene.bar_data(tmp_path, 200)
    copy = rewrite(data, tmp_path / "copy", lambda rows: rows)
    old, new = (np.concatenate(list(d.iter_events())) for d in (data, copy))
    for name in ("ts_local", "price", "qty", "x", "y", "seq"):
        i, j = data.instruments[0], copy.instruments[0]
        scale = {"qty": (i.lot, j.lot)}.get(name, (i.tick, j.tick))
        if name == "ts_local":
            assert (old[name] == new[name]).all()
        else:
            assert [int(v) * scale[0] for v in old[name]] == [int(v) * scale[1] for v in new[name]]


def test_rewriting_changes_what_it_is_told(tmp_path):
    data = scene.bar_data(tmp_path, 50)

    def dearer(rows):
        rows = rows.copy()
        for name in ("price", "x", "y", "seq"):
            rows[name] *= 2
        return rows

    copy = rewrite(data, tmp_path / "copy", dearer)
    old, new = (next(iter(d.iter_events())) for d in (data, copy))
    assert (
        int(new["price"][7]) * copy.instruments[0].tick == 2 * int(old["price"][7]) * data.instruments[0].tick
    )
    assert copy.content_hash() != data.content_hash()


def test_a_checked_data_set(tmp_path):
    data = scene.bar_data(tmp_path, 100)
    told = []
    report = check_dataset(data, lambda done, total, text: told.append((done, total, text)))
    assert (report["ok"], report["bars"], report["events"], report["trades"]) == (True, 100, 100, 0)
    assert told[-1][:2] == (100, 100)
    part = next((tmp_path / "data" / "parts").iterdir())
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    report = check_dataset(Dataset.open(tmp_path / "data"))
    assert (report["ok"], report["events"]) == (False, 0)
    assert report["damaged"]


def test_bars_for_training(tmp_path):
    data = scene.bar_data(tmp_path, 30)
    rows = scene.walk(30)
    bars, width = read_bars(data)
    assert width == scene.MINUTE
    assert bars.ts.tolist() == [r[0] * 10**6 for r in rows]
    for k, column in enumerate(bars[1:], 1):
        assert column.tolist() == pytest.approx([float(r[k]) for r in rows])
    assert read_bars(data, "BTC-USDT-PERP")[0].c.tolist() == bars.c.tolist()
    with pytest.raises(DataError, match="no bars of ETH"):
        read_bars(data, "ETH")
    with pytest.raises(DataError, match="holds no bars"):
        read_bars(Dataset.create(tmp_path / "empty"))
    (tmp_path / "eth.csv").write_text((tmp_path / "bars-3.csv").read_text())
    import_bars(tmp_path / "eth.csv", "ETH-USDT", "1m", tmp_path / "data")
    if len(Dataset.open(tmp_path / "data").instruments) > 1:
        with pytest.raises(DataError, match="name one with --instrument"):
            read_bars(Dataset.open(tmp_path / "data"))
    assert data.instruments[0].tick <= Decimal("0.1")
