"""The feature matrix: the same numbers however it is cut, nothing from the future, parts and manifest."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bot4.app.commands import feature_matrix as command
from bot4.features.declare import BAR
from bot4.features.derived_nb import ranks_nb
from bot4.features.library import get
from bot4.features.matrix_graph import BUYS, Inputs, left_out, plan_matrix, wave
from bot4.features.matrix_nb import FRAME_STATE, fold_frame_nb
from bot4.features.matrix_run import MatrixRun
from bot4.features.plan import run_feature
from bot4.learning import feature_matrix
from bot4.learning.dataset import Bars
from bot4.learning.feature_matrix import Options, build_matrix
from bot4.learning.matrix_sources import (
    Instrument,
    Known,
    Sources,
    from_bar_file,
    from_dataset,
    from_trades,
    joined,
    series_of,
)
from bot4.model import codes_nb as codes
from bot4.model.errors import ConfigError, DataError, StorageError
from bot4.model.events import EVENT_DTYPE
from bot4.storage.lake import Dataset, LakeWriter, Source
from helpers.feature_rows import bars as bar_rows

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import itertools

import engine_scene as scene

NS = 1_000_000_000
BAR_NS = 60 * NS
START = 1_704_067_200 * NS  # 2024-01-01


def instrument(symbol, n, seed, buys=True, start=START, funding=True):
    rows = bar_rows(n, seed)
    ts = start + BAR_NS * np.arange(n)
    held = Bars(ts, *(np.ascontiguousarray(rows[:, k]) for k in range(5)))
    rng = np.random.default_rng(seed)
    at = start + 8 * 3600 * NS * np.arange(-20, 3 + n // 480)
    rates = Known(at, rng.normal(1e-4, 1e-4, len(at))) if funding else None
    return Instrument(symbol, held, rows[:, 6:8] if buys else None, rates)


def sources(n=1500, names=("AAA-USDT", "BTC-USDT"), **more):
    items = tuple(instrument(name, n, k + 1, **more) for k, name in enumerate(names))
    days = START + 86_400 * NS * np.arange(-3, 3)
    fng = Known(days, np.array([10.0, 20, 30, 40, 50, 60]))
    index = Known(items[0].bars.ts + BAR_NS, items[0].bars.c * 0.999)
    return Sources(items, BAR_NS, "BTC-USDT" if len(names) > 1 else "", {"fng": fng, "index_price": index})


def read(out, manifest, symbol):
    files = [p["file"] for p in manifest["parts"] if f"instrument={symbol}/" in p["file"]]
    return pl.concat([pl.read_parquet(Path(out) / f, hive_partitioning=False) for f in files]).sort("ts")


def compute(graph, given, cuts, parts=1):
    """All columns of a graph over given inputs, block by block."""
    n = given.shape[1]
    run = MatrixRun(graph, n)
    out = np.empty((len(graph.columns), n))
    at = [graph.rows[c.name] for c in graph.columns]
    edges = [0, *cuts, n]
    for a, b in itertools.pairwise(edges):
        run.block[: len(given), : b - a] = given[:, a:b]
        for stage in run.stages(b - a, parts):
            for task in stage:
                task()
        out[:, a:b] = run.block[at, : b - a]
    return out


# --- the graph ------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 60, 1000, 2500])
@pytest.mark.jit
def test_a_graph_has_the_columns_asked_for_each_once(columns):
    given = Inputs(buys=True, reference=True, funding=True, index_price=True, series=("fng",), rank=True)
    graph = plan_matrix(given, columns)
    names = [c.name for c in graph.columns]
    assert len(names) == len(set(names)) == columns
    assert set(names) <= set(graph.rows)
    made = set(graph.inputs)
    for level in graph.levels:  # each level needs only earlier ones
        for op in level:
            assert set(op.sources) <= made
        made |= {n for op in level for n in op.outputs if n}
    if columns >= 1000:
        kinds = {c.frame for c in graph.columns}
        assert {"", "5m"} <= kinds
        assert any(n.endswith("__rank") for n in names)
        assert any("together" in n for n in names)
        assert all(c.unit != "price" for c in graph.columns)  # scale is taken out


@pytest.mark.jit
def test_too_many_columns_are_refused():
    with pytest.raises(ValueError, match=r"columns can be made"):
        plan_matrix(Inputs(), 100_000)


@pytest.mark.jit
def test_without_buy_volume_what_needs_it_is_left_out():
    names = [c.name for c in plan_matrix(Inputs(), 400).columns]
    assert not any("kyle" in n for n in names)
    assert any("corwin" in n for n in names)
    assert any("kyle" in c.name for c in plan_matrix(Inputs(buys=True), 400).columns)


# --- the numbers ----------------------------------------------------------------------------


@pytest.mark.jit
def test_any_cut_into_blocks_and_threads_gives_the_same_numbers():
    src = sources()
    graph = plan_matrix(src.asked(False), 700)
    given = joined(src, src.instruments[0], graph)
    whole = compute(graph, given, [])
    np.testing.assert_array_equal(compute(graph, given, [1, 2, 500, 501, 1200], parts=7), whole)
    assert np.isfinite(whole[:, -1]).mean() > 0.75


def test_columns_equal_their_features_computed_alone():
    graph = plan_matrix(Inputs(buys=True), 300)
    rows = bar_rows(420, 5)
    got = compute(graph, np.ascontiguousarray(rows.T), [100])
    by_name = {c.name: got[k] for k, c in enumerate(graph.columns)}
    alone = run_feature(get("corwin_schultz_60_1_1"), rows)
    np.testing.assert_array_equal(by_name["corwin_schultz_mean_60_1_1"], alone[:, 0])
    ema = run_feature(get("ema_20"), rows)[:, 0]
    np.testing.assert_array_equal(by_name["ema_20__over_close"], ema / rows[:, 3] - 1)


@pytest.mark.parametrize("stop", [700, 1111])
@pytest.mark.jit
def test_nothing_known_later_changes_an_earlier_row(stop):
    """Bars, reference, funding and series after T are corrupted; rows up to T must not change."""
    src = sources()
    graph = plan_matrix(src.asked(False), 900)
    before = compute(graph, joined(src, src.instruments[0], graph), [])
    edge = START + BAR_NS * stop  # the close of bar stop - 1
    wrong = []
    for item in src.instruments:
        late = item.bars.ts + BAR_NS > edge
        bars = Bars(item.bars.ts, *(np.where(late, a * 3.0 + 1.0, a) for a in item.bars[1:]))
        buys = np.where(late[:, None], item.buys * 0.5, item.buys)
        rates = Known(item.funding.at, np.where(item.funding.at > edge, 7.0, item.funding.values))
        wrong.append(Instrument(item.symbol, bars, buys, rates))
    series = {k: Known(v.at, np.where(v.at > edge, -1e6, v.values)) for k, v in src.series.items()}
    other = Sources(tuple(wrong), BAR_NS, src.reference, series)
    after = compute(graph, joined(other, other.instruments[0], graph), [])
    np.testing.assert_array_equal(before[:, :stop], after[:, :stop])
    assert not np.array_equal(before[:, stop:], after[:, stop:], equal_nan=True)


def frames_of(rows, seconds):
    """Slower bars by grouping, with the row at which each was known."""
    out = {}
    for _i, row in enumerate(rows):
        number = math.ceil(row[5] / seconds) - 1
        old = out.get(number)
        if old is None:
            out[number] = [*row[:5], (number + 1) * seconds, row[6], row[7]]
        else:
            old[1], old[2], old[3] = max(old[1], row[1]), min(old[2], row[2]), row[3]
            for k in (4, 6, 7):
                old[k] += row[k]
    return np.array([out[k] for k in sorted(out)])


def test_slower_bars_equal_grouping_and_are_known_at_their_close_or_after_a_gap():
    rows = wave(200, True)
    rows = np.delete(rows, [33, 34, 35, 36, 37, 38, 90], axis=0)  # a gap over a border, and one inside
    block = np.ascontiguousarray(rows.T)
    n = len(rows)
    slow, known = np.full((8, n + 2), np.nan), np.zeros(n)
    state = np.zeros(FRAME_STATE)
    count = fold_frame_nb(300.0, state, block, n, slow, known)
    want = frames_of(rows, 300.0)[:count]
    np.testing.assert_allclose(slow[:, 1 : count + 1].T, want, rtol=1e-12)
    for i in range(n):
        k = int(known[i])
        assert k == 0 or slow[5, k] <= rows[i, 5]  # never before its close
        if k < count:
            assert slow[5, k + 1] > rows[i, 5] or known[i + 1] > k


@pytest.mark.jit
def test_a_slower_feature_stands_still_until_its_bar_closes():
    graph = plan_matrix(Inputs(buys=True), 1000)
    rows = bar_rows(900, 3)
    rows[:, 5] = START / NS + 60.0 * np.arange(1, 901)
    got = compute(graph, np.ascontiguousarray(rows.T), [77])
    k = next(i for i, c in enumerate(graph.columns) if c.name == "ema_20__over_close@5m")
    slow = frames_of(rows, 300.0)
    ema = run_feature(get("ema_20"), slow)[:, 0] / slow[:, 3] - 1
    for i in range(900):
        last = (i + 1) // 5 - 1
        want = ema[last] if last >= 0 else np.nan
        np.testing.assert_equal(got[k, i], want)


def test_series_and_funding_are_joined_by_the_time_they_were_known():
    known = Known(np.array([10, 20, 30]) * NS, np.array([1.0, 2.0, 3.0]))
    values, age = known.as_of(np.array([9, 10, 19, 30, 99]) * NS)
    np.testing.assert_array_equal(values, [np.nan, 1, 1, 3, 3])
    np.testing.assert_array_equal(age, [np.nan, 0, 9, 0, 69])
    src = sources(600)
    graph = plan_matrix(src.asked(False), 40)
    given = dict(zip(graph.inputs, joined(src, src.instruments[0], graph), strict=True))
    assert (given["fng"] == 40.0).all()  # the value of the day itself, known at its midnight
    close = given["ts_close_s"]
    assert (given["next_funding_s"] > close).all()
    assert (given["next_funding_s"] - close <= 8 * 3600).all()
    np.testing.assert_array_equal(given["ref_close"], src.instruments[1].bars.c)


def test_a_reference_that_lags_gives_its_last_closed_bar():
    a = instrument("AAA-USDT", 50, 1)
    b = instrument("BTC-USDT", 40, 2)
    src = Sources((a, b), BAR_NS, "BTC-USDT", {})
    graph = plan_matrix(src.asked(False), 30)
    ref = joined(src, a, graph)[graph.inputs.index("ref_close")]
    np.testing.assert_array_equal(ref, np.concatenate((b.bars.c, np.full(10, b.bars.c[-1]))))


def test_ranks_count_only_what_is_known():
    out = np.empty(5)
    ranks_nb(np.array([3.0, np.nan, 1.0, 3.0, 9.0]), out)
    np.testing.assert_allclose(out, [0.5, np.nan, 0.0, 0.5, 1.0])
    one = np.empty(2)
    ranks_nb(np.array([np.inf, 4.0]), one)
    np.testing.assert_allclose(one, [np.nan, 0.5])


# --- on disk --------------------------------------------------------------------------------


@pytest.mark.jit
def test_parts_manifest_and_hash(tmp_path, monkeypatch):
    src = sources(2600, names=("AAA-USDT", "BTC-USDT", "C/D"))
    seen = []
    options = Options(80, 2, "day")
    one = build_matrix(src, tmp_path / "a", options, progress=lambda *a: seen.append(a))
    assert seen[-1][0] == seen[-1][1] == one["rows"] == 3 * 2600
    assert json.loads((tmp_path / "a" / "manifest.json").read_text()) == one
    assert len(one["columns"]) == 80
    monkeypatch.setattr(feature_matrix, "MOST_ROWS", 333)  # smaller blocks: other parts, same numbers
    two = build_matrix(src, tmp_path / "b", Options(80, 1, "day"))
    again = build_matrix(src, tmp_path / "c", Options(80, 3, "day"))
    assert two["content_hash"] == again["content_hash"] != one["content_hash"]
    for symbol in ("AAA-USDT", "BTC-USDT", "C-D"):
        a, b = read(tmp_path / "a", one, symbol), read(tmp_path / "b", two, symbol)
        assert a.columns == ["ts", "known_at", *(c["name"] for c in one["columns"])]
        assert a.equals(b, null_equal=True)
        assert a["known_at"][0].timestamp() == START / NS + 60
        assert a["ts"].is_sorted() and len(a) == 2600
    days = {p["file"].split("/")[1] for p in one["parts"]}
    assert days == {"day=2024-01-01", "day=2024-01-02"}
    ranks = [c["name"] for c in one["columns"] if c["feature"] == "rank"]
    assert ranks
    source = next(c for c in one["columns"] if c["name"] == ranks[0])["sources"][0]
    tables = [read(tmp_path / "a", one, s) for s in ("AAA-USDT", "BTC-USDT", "C-D")]
    last = [t[source][-1] for t in tables]
    want = [sum(v < x for v in last) / 2 + sum(v == x for v in last) / 4 - 0.25 for x in last]
    assert [t[ranks[0]][-1] for t in tables] == pytest.approx(want)


def test_a_folder_that_is_taken_and_wrong_options_are_refused(tmp_path):
    src = sources(100, names=("AAA-USDT",))
    (tmp_path / "x").write_text("here")
    with pytest.raises(StorageError, match="not empty"):
        build_matrix(src, tmp_path)
    with pytest.raises(ConfigError, match="day or month"):
        build_matrix(src, tmp_path / "n", Options(partition="week"))
    with pytest.raises(ConfigError, match="columns can be made"):
        build_matrix(src, tmp_path / "n", Options(columns=10**6))


def test_a_disk_that_refuses_is_told(tmp_path):
    src = sources(60, names=("AAA-USDT",))
    folder = tmp_path / "m"
    folder.mkdir()
    graph = plan_matrix(src.asked(False), 20)
    build = feature_matrix._Build(src, graph, folder, Options(20))
    (folder / "instrument=AAA-USDT").write_text("a file in the way")
    with pytest.raises(StorageError, match="cannot write"):
        build._write(src.instruments[0], build.runs[0], (0, 60), "2024-01")


def write_bars(path, n=300, **columns):
    rows = bar_rows(n, 1)
    ts = START + BAR_NS * np.arange(n)
    table = {"ts": pl.Series(ts).cast(pl.Datetime("ns", "UTC"))}
    table |= {name: rows[:, k] for k, name in enumerate(BAR.fields[:5])} | columns
    pl.DataFrame(table).write_parquet(path)
    return rows


def test_bar_files_are_read_with_and_without_buy_volume(tmp_path):
    path = tmp_path / "b.parquet"
    rows = write_bars(path)
    item, length = from_bar_file(f"X-USDT={path}")
    assert (item.symbol, length, item.buys) == ("X-USDT", BAR_NS, None)
    np.testing.assert_array_equal(item.bars.c, rows[:, 3])
    write_bars(path, taker_buy_volume=rows[:, 6], trades=rows[:, 7])
    np.testing.assert_array_equal(from_bar_file(f"X={path}")[0].buys, rows[:, 6:8])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "SYMBOL=FILE"),
        ("X=/no/such.parquet", "cannot read"),
        ("X={dir}/cols.csv", "columns open"),
        ("X={dir}/when.csv", "holds no times"),
        ("X={dir}/one.csv", "at least two"),
    ],
)
def test_bad_bar_files_are_named(tmp_path, text, words):
    head = "ts,open,high,low,close,volume\n"
    (tmp_path / "cols.csv").write_text("ts,price\n2024-01-01T00:00:00,1\n")
    (tmp_path / "when.csv").write_text(head + "x,1,1,1,1,1\ny,1,1,1,1,1\n")
    (tmp_path / "one.csv").write_text(head + "2024-01-01T00:00:00,1,1,1,1,1\n")
    with pytest.raises(DataError, match=words):
        from_bar_file(text.format(dir=tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fng", "NAME=FILE@DELAY"),
        ("fng={dir}/s.csv", "NAME=FILE@DELAY"),
        ("fng={dir}/s.csv@soon", "NAME=FILE@DELAY"),
        ("fng={dir}/none.csv@1d", "cannot read"),
        ("fng={dir}/thin.csv@1d", "a time and a value"),
        ("fng={dir}/when.csv@1d", "holds no times"),
    ],
)
def test_bad_series_are_named(tmp_path, text, words):
    (tmp_path / "s.csv").write_text("date,v\n2024-01-01,5\n")
    (tmp_path / "thin.csv").write_text("date\n2024-01-01\n")
    (tmp_path / "when.csv").write_text("date,v\nx,5\n")
    with pytest.raises(DataError, match=words):
        series_of(text.format(dir=tmp_path))


def test_a_series_is_known_after_its_delay(tmp_path):
    (tmp_path / "s.csv").write_text("date,v\n2024-01-02,7\n2024-01-01,5\n")
    name, known = series_of(f"fng={tmp_path / 's.csv'}@36h")
    assert name == "fng"
    np.testing.assert_array_equal(known.at, START + 36 * 3600 * NS + 86_400 * NS * np.arange(2))
    np.testing.assert_array_equal(known.values, [5.0, 7.0])


@pytest.mark.jit
def test_the_command_on_a_data_set_and_on_files(tmp_path, capsys):
    data = scene.bar_data(tmp_path / "data", 200)
    found, length = from_dataset(data, ())
    assert length == BAR_NS and len(found) == 1
    ask = {
        "columns": 60,
        "jobs": 1,
        "partition": "month",
        "instruments": [],
        "reference": "",
        "series": [],
        "timeframe": "",
        "as_json": True,
    }
    document = command.matrix(data=data.folder, bars=[], out=tmp_path / "m", **ask)
    assert document["columns"] == 60 and document["rows"] == len(found[0].bars.ts)
    path = tmp_path / "b.parquet"
    write_bars(path)
    assert document["left_out"] == {k: list(v) for k, v in left_out(Inputs()).items()}
    shown = command.matrix(data=None, bars=[f"X={path}"], out=tmp_path / "n", **{**ask, "as_json": False})
    told = capsys.readouterr().out
    assert shown is None and "content_hash" in told
    assert "without buy volume and number of trades" in told and "taker_buy_volume" in told
    assert "columns left out (" in told and "--reference SYMBOL" in told
    with pytest.raises(ConfigError, match="there is X"):
        command.matrix(
            data=None, bars=[f"X={path}"], out=tmp_path / "o", **{**ask, "instruments": ["X", "Z"]}
        )
    with pytest.raises(ConfigError, match="name a data set"):
        command.matrix(data=None, bars=[f"X={path}"], out=tmp_path / "o", **{**ask, "timeframe": "1m"})
    with pytest.raises(ConfigError, match="--data"):
        command.matrix(data=None, bars=[], out=tmp_path / "o", **ask)
    with pytest.raises(ConfigError, match="no such instrument"):
        command.matrix(data=None, bars=[f"X={path}"], out=tmp_path / "o", **{**ask, "reference": "Y"})
    hours = pl.read_parquet(path)[::60]
    hours.write_parquet(tmp_path / "h.parquet")
    with pytest.raises(DataError, match="different length"):
        command.matrix(
            data=None, bars=[f"X={path}", f"Y={tmp_path / 'h.parquet'}"], out=tmp_path / "o", **ask
        )


def test_what_is_left_out_is_named_by_what_is_missing():
    whole = Inputs(buys=True, reference=True, funding=True, index_price=True, open_interest=True)
    assert left_out(whole) == {}
    some = left_out(whole._replace(buys=False, funding=False))
    assert set(some) == {BUYS, "funding rates"}
    assert "kyle_lambda_slope_1440_1000" in some[BUYS] and "rsi_14" not in some[BUYS]
    columns = {c.name for c in plan_matrix(whole._replace(buys=False), 1000).columns}
    assert not columns & set(some[BUYS])


def ticks(folder, trades):
    """A data set of trades (venue time, delay, price, lots, bought) of one instrument."""
    rows = np.zeros(len(trades), EVENT_DTYPE)
    rows["kind"] = codes.EV_TRADE
    rows["ts_venue"] = [t[0] for t in trades]
    rows["ts_local"] = [t[0] + t[1] for t in trades]
    rows["price"] = [t[2] for t in trades]
    rows["qty"] = [t[3] for t in trades]
    rows["flags"] = [0 if t[4] else codes.FLAG_BUYER_MAKER for t in trades]
    rows = rows[np.argsort(rows["ts_local"], kind="stable")]
    with LakeWriter(folder) as writer:
        writer.begin("t")
        writer.add(rows, 1, 3)
        writer.commit(scene.instrument(), Source("t.gz", "0" * 64, 0, "frames"))
    return Dataset.open(folder)


@pytest.mark.jit
def test_bars_of_trades_equal_grouping_by_venue_time_and_late_ones_are_told(tmp_path, capsys):
    rng = np.random.default_rng(9)
    at = START + np.sort(rng.choice(40 * NS, 900, replace=False))
    trades = [
        (int(t), int(d), int(p), int(q), bool(b))
        for t, d, p, q, b in zip(
            at,
            rng.integers(0, NS, 900),
            rng.integers(5_001, 5_999, 900),
            rng.integers(1, 99, 900),
            rng.random(900) < 0.5,
            strict=True,
        )
    ]
    late = (START + 3 * NS, 20 * NS, 9_999, 7, True)
    data = ticks(tmp_path / "d", [*trades, late])
    symbol = data.instruments[0].symbol
    made = from_trades(data, (symbol,), NS)
    assert made.delay_ns == 2 * NS and "1 trades came after" in made.warnings[0]
    want = (
        pl.DataFrame(trades, schema=["ts", "d", "p", "q", "b"], orient="row")
        .group_by(k=pl.col("ts") // NS, maintain_order=True)
        .agg(
            o=pl.first("p") * 0.1,
            h=pl.max("p") * 0.1,
            l=pl.min("p") * 0.1,
            c=pl.last("p") * 0.1,
            v=pl.sum("q") * 0.001,
            buy=(pl.col("q") * pl.col("b")).sum() * 0.001,
            n=pl.len(),
        )
    )
    got = made.instruments[0]
    assert (got.bars.ts // NS).tolist() == want["k"].to_list()
    for name in "ohlcv":
        np.testing.assert_allclose(getattr(got.bars, name), want[name], rtol=1e-12)
    np.testing.assert_allclose(got.buys, want.select("buy", "n").to_numpy(), rtol=1e-12)
    ask = {"bars": [], "jobs": 1, "partition": "month", "instruments": [], "reference": "", "series": []}
    document = command.matrix(
        data=tmp_path / "d", out=tmp_path / "m", columns=30, timeframe="1s", as_json=True, **ask
    )
    assert BUYS not in document["left_out"] and any("trades came after" in w for w in document["warnings"])
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
    assert "2 s for late trades" in manifest["known_at"]
    table = read(tmp_path / "m", manifest, symbol)
    assert ((table["known_at"] - table["ts"]).dt.total_seconds() == 3).all()
    for words, more in (
        ("--timeframe 1m", {"timeframe": ""}),
        ("not a duration", {"timeframe": "soon"}),
        ("longer than nothing", {"timeframe": "0s"}),
    ):
        with pytest.raises(ConfigError, match=words):
            command.matrix(
                data=tmp_path / "d", out=tmp_path / "x", columns=30, as_json=True, **{**ask, **more}
            )
    with pytest.raises(DataError, match="it holds"):
        from_trades(data, ("NO-SUCH",), NS)
    with pytest.raises(DataError, match="at least 2"):
        from_trades(data, (), 3600 * NS)
