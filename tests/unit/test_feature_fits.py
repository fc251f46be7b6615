"""`bot4 features fit`: models fitted to a data set equal the same fit of plain arrays, and refusals are clear."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bot4.app.main import app
from bot4.features.micro import microprice, pin
from bot4.features.pace import garch
from bot4.model import codes_nb as codes
from bot4.model.errors import ConfigError, DataError
from bot4.model.events import EVENT_DTYPE
from bot4.storage.lake import LakeWriter, Source
from helpers.feature_rows import bars

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import engine_scene as scene

pytestmark = pytest.mark.jit  # data sets are written by kernels that take plain records

NS = 1_000_000_000
START = 1_704_067_200 * NS
PERIODS = 80


def trades(rng):
    """Trades of 80 periods of 10 s with news in some, and their counts."""
    news, bad = rng.random(PERIODS) < 0.4, rng.random(PERIODS) < 0.5
    counts = np.column_stack(
        (rng.poisson(30 + 25 * (news & ~bad)) + 1, rng.poisson(30 + 25 * (news & bad)) + 1)
    )
    side = np.concatenate([np.repeat([0, codes.FLAG_BUYER_MAKER], c) for c in counts])
    period = np.repeat(np.arange(PERIODS), counts.sum(axis=1))
    rows = np.zeros(len(side), EVENT_DTYPE)
    rows["kind"], rows["flags"] = codes.EV_TRADE, side
    rows["ts_venue"] = START + period * 10 * NS + rng.integers(0, 10 * NS, len(side))
    rows["price"], rows["qty"] = 5_001, 7
    return rows, counts


def quotes(rng, n=3_000):
    """Quotes whose mid follows the side with more."""
    rows = np.zeros(n, EVENT_DTYPE)
    rows["kind"] = codes.EV_BOOK_TICKER
    bid = 5_000
    for row in rows:
        a, b = rng.integers(1, 100, 2)
        row["price"], row["x"], row["qty"], row["y"] = bid, bid + 1 + rng.integers(0, 2), a, b
        bid += int(np.sign(a - b)) if rng.random() < 0.5 else 0
    rows["ts_venue"] = START + np.arange(n) * NS // 100
    return rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    rng = np.random.default_rng(12)
    sold, counts = trades(rng)
    quoted = quotes(rng)
    folder = tmp_path_factory.mktemp("ticks")
    rows = np.concatenate((sold, quoted))
    rows["ts_local"] = rows["ts_venue"]
    rows = rows[np.argsort(rows["ts_local"], kind="stable")]
    with LakeWriter(folder) as writer:
        writer.begin("t")
        writer.add(rows, 1, 3)
        writer.commit(scene.instrument(), Source("t.gz", "0" * 64, 0, "frames"))
    return folder, counts, quoted


def call(*arguments):
    return CliRunner().invoke(app, ["features", "fit", *map(str, arguments)])


def test_pin_counts_whole_periods(made):
    folder, counts, _ = made
    got = json.loads(call("pin", "--data", folder, "--period", "10s", "--json").stdout)
    want = pin.fit(*counts[1:-1].T)
    assert got["periods"] == PERIODS - 2
    assert (got["pin"], got["informed_a_period"]) == pytest.approx((want.pin, want.mu), rel=1e-9)
    assert "pin" in call("pin", "--data", folder, "--period", "10s").stdout


def test_the_microprice_of_a_data_set_is_that_of_its_quotes_and_foresees_the_mid(made):
    folder, _, quoted = made
    got = json.loads(call("microprice", "--data", folder, "--json").stdout)
    rows = np.zeros((len(quoted), 43))
    rows[:, 1], rows[:, 21] = quoted["price"] * 0.1, quoted["x"] * 0.1
    rows[:, 11], rows[:, 31] = quoted["qty"] * 0.001, quoted["y"] * 0.001
    table = microprice.fit(rows[:1_500], 0.1)
    assert np.array(got["adjust_ticks"]) == pytest.approx(table.adjust, rel=1e-9)
    assert got["error_microprice"] < got["error_mid"]
    assert got["quotes_tested"] == 1_400
    assert "spread 2:" in call("microprice", "--data", folder).stdout


def test_garch_of_a_bar_file(tmp_path):
    file = tmp_path / "bars.parquet"
    rows = bars(400, 4)
    ts = START + 60 * NS * np.arange(400)
    frame = pl.DataFrame(
        rows[:, :5].round(4), schema=["open", "high", "low", "close", "volume"], orient="row"
    )
    frame.with_columns(ts=pl.Series(ts).cast(pl.Datetime("ns"))).write_parquet(file)
    got = json.loads(call("garch", "--bars", file, "--json").stdout)
    close = frame["close"].to_numpy()
    want = garch.fit(100 * np.diff(np.log(close)))
    assert got["persistence"] == pytest.approx(want.persistence, rel=1e-6)
    assert got["half_life_bars"] == pytest.approx(math.log(0.5) / math.log(want.persistence), rel=1e-4)
    short = tmp_path / "short.parquet"
    pl.read_parquet(file)[:50].write_parquet(short)
    refused = call("garch", "--bars", short).exception
    assert isinstance(refused, DataError) and "at least 100" in str(refused)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["arma", "--data", "D"], ConfigError, "there are garch, pin, microprice"),
        (["garch"], ConfigError, "either --data DIR or --bars FILE"),
        (["pin", "--bars", "x.csv"], ConfigError, "with --data"),
        (["pin", "--data", "D", "--period", "0s"], ConfigError, "longer than nothing"),
        (["pin", "--data", "D"], DataError, "see --period"),
        (["pin", "--data", "D", "--instrument", "NO-SUCH"], DataError, "it holds BTC-USDT"),
    ],
)
def test_what_cannot_be_fitted_says_why(made, arguments, kind, words):
    refused = call(*(made[0] if a == "D" else a for a in arguments)).exception
    assert isinstance(refused, kind) and words in str(refused)


def test_a_data_set_of_bars_has_no_quotes(tmp_path):
    folder = scene.bar_data(tmp_path / "data", 200).folder
    refused = call("microprice", "--data", folder).exception
    assert isinstance(refused, DataError) and "best quotes" in str(refused)
