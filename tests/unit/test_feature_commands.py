"""`bot4 features`, and the page of all features."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bot4.app.main import app
from bot4.engine.intake import import_bars
from bot4.features.declare import Declaration
from bot4.features.library import declarations, get
from bot4.features.plan import run_feature
from bot4.model.errors import ConfigError, DataError
from bot4.research.feature_pictures import blocks, page, picture
from bot4.research.feature_table import bars_of_data, bars_of_file
from helpers.feature_rows import bars

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rows = bars(400, 3)
    path = tmp_path_factory.mktemp("bars") / "bars.csv"
    rounded = np.round(rows[:, :5], 2)
    rounded[:, 1] = rounded[:, :4].max(axis=1)
    rounded[:, 2] = rounded[:, :4].min(axis=1)
    names = ("open", "high", "low", "close", "volume")
    columns = {"ts": (rows[:, 5] - 60).astype(np.int64), **dict(zip(names, rounded.T, strict=True))}
    pl.DataFrame(columns).write_csv(path)
    return path


def call(*arguments):
    return CliRunner().invoke(app, ["features", *map(str, arguments)])


def test_list_knows_every_feature_and_each_group():
    every = json.loads(call("list", "--json").stdout)
    assert [d["name"] for d in every] == [get(d).name for d in declarations()]
    assert len(every) > 100
    some = json.loads(call("list", "--group", "cycle", "--json").stdout)
    assert {d["group"] for d in some} == {"cycle"}
    assert "ht_phase" in call("list", "--group", "cycle").stdout
    assert isinstance(call("list", "--group", "nonsense").exception, ConfigError)


def test_show_tells_and_draws(file, tmp_path):
    told = call("show", "bb_20_2.5", "--bars", file, "--svg", tmp_path / "bb.svg")
    assert told.exit_code == 0
    assert "Bollinger 2001" in told.stdout
    assert "bb_width_20_2.5" in told.stdout
    assert (tmp_path / "bb.svg").read_text().count("<path") == 5
    assert json.loads(call("show", "rsi_9", "--json").stdout)["warmup"] == 10
    assert isinstance(call("show", "rsii").exception, ConfigError)
    assert isinstance(call("show", "rsi", "--svg", tmp_path / "x.svg").exception, ConfigError)


def test_compute_writes_what_the_kernels_give(file, tmp_path):
    out = tmp_path / "f.parquet"
    done = call("compute", "--bars", file, "--features", "rsi_9, bb_20_2,macd_signal", "--out", out, "--json")
    assert json.loads(done.stdout)["rows"] == 400
    table = pl.read_parquet(out)
    rows = bars_of_file(file).rows
    np.testing.assert_array_equal(table["rsi_9"].to_numpy(), run_feature(get("rsi_9"), rows)[:, 0])
    np.testing.assert_array_equal(table["macd_signal"].to_numpy(), run_feature(get("macd"), rows)[:, 1])
    assert "bb_pct_20_2" in table.columns
    assert table["ts_close"][0].timestamp() == 1_700_000_000.0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--features", " , ", "--out", "x.parquet"], "needs names"),
        (["--features", "rsi_9", "--out", "x.csv"], "written as .parquet"),
        (["--features", "rsi_9,rsy_4", "--out", "x.parquet"], "near it: rsi"),
        (["--features", "rsi_9", "--out", "x.parquet", "--data", "d"], "either --data DIR or --bars FILE"),
    ],
)
def test_compute_says_what_is_wrong(file, more, words):
    error = call("compute", "--bars", file, *more).exception
    assert isinstance(error, ConfigError)
    assert words in str(error)


def test_a_data_set_gives_the_bars_of_its_file(file, tmp_path):
    import_bars(file, "BTC-USDT", "1m", tmp_path / "d")
    ours, theirs = bars_of_data(tmp_path / "d"), bars_of_file(file)
    np.testing.assert_allclose(ours.rows[:, :4], theirs.rows[:, :4], rtol=1e-12)
    np.testing.assert_array_equal(ours.ts_close, theirs.ts_close)
    with pytest.raises(ConfigError, match="has no 'ETH-USDT'; it holds BTC-USDT"):
        bars_of_data(tmp_path / "d", "ETH-USDT")
    other = tmp_path / "other.csv"
    other.write_text(file.read_text() + "1700100000,1,1,1,1,1\n")
    import_bars(other, "ETH-USDT", "1m", tmp_path / "d")
    with pytest.raises(ConfigError, match="name one with --instrument"):
        bars_of_data(tmp_path / "d")


def test_one_bar_is_too_few(tmp_path):
    (tmp_path / "b.csv").write_text("ts,open,high,low,close,volume\n1700000000,1,1,1,1,1\n")
    with pytest.raises(DataError, match="1 usable bars"):
        bars_of_file(tmp_path / "b.csv")


def test_pictures_hold_what_is_finite():
    text = picture(get("rsi_14"), bars(300, 1))
    assert text.count("<path") == 2
    assert len(text) < 4000
    assert blocks(np.array([1.0, np.nan, 3.0, 2.0])) == "▁ █▄"
    assert blocks(np.array([5.0, 5.0])) == "▄▄"


def test_the_gallery_draws_every_bar_feature(file, tmp_path, monkeypatch):
    few: dict[str, Declaration] = {d: declarations()[d] for d in ("rsi", "bb")}
    monkeypatch.setattr("bot4.features.library.declarations", lambda: few)
    done = json.loads(call("gallery", "--bars", file, "--out", tmp_path, "--json").stdout)
    assert done["pictures"] == 2
    assert {p.stem for p in (tmp_path / "features").iterdir()} == {"rsi", "bb"}


def test_the_docs_page_lists_exactly_the_registry():
    """Write it anew with `bot4 features gallery --bars FILE --out docs` after a declaration changed."""
    assert (DOCS / "features.md").read_text(encoding="utf-8") == page()
    drawn = {d.name for d in declarations().values() if d.inputs.name == "bar"}
    assert {p.stem for p in (DOCS / "features").iterdir()} == drawn
