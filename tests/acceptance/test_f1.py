"""F1, "the backtest lied": each scenario that costs people money, on a whole run."""

import math
import random
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from bot4.app import bootstrap
from bot4.engine.feed import CHUNK, Feed
from bot4.engine.intake import import_bars, import_frames, import_funding
from bot4.model import codes_nb as c
from bot4.model.errors import LookAheadError
from bot4.ports import journal as port
from bot4.research.verify import verify_no_look_ahead
from bot4.storage.journal import FileJournal, JournalReader
from bot4.storage.lake import Dataset
from bot4.strategies.api import Strategy

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import markets as m

LIVELY = {"vol": 40.0}
FIXED = ("strategy.fixed_size=0.01", "strategy.time_stop=100000")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("f1")


@pytest.fixture(scope="module")
def bars(home):
    return m.bar_data(home / "bars", m.walk(1500, step=900), "15m")


@pytest.fixture(scope="module")
def frames(home):
    return m.frame_data(home / "frames", seconds=320, **LIVELY)


@pytest.fixture(scope="module")
def model(home, bars):
    pytest.importorskip("sklearn", reason="training needs the extra ml")
    answer = m.bot4("train", "--data", bars.folder, "--out", home / "model", "--folds", "3", "--json")
    assert answer.code == 0, answer.err
    return home / "model"


class At(Strategy):
    """Says `score` once, at bar number `when`; nothing before or after."""

    def __init__(self, when, score=1.0):
        self.when, self.score = when, score

    def on_bar(self, bar):
        return self.score if len(bar.bars()) == self.when else None


def replaced(rows, changes):
    """The bars with those of `changes` {index: (open, high, low, close)} in their place."""
    out = list(rows)
    for k, prices in changes.items():
        out[k] = (out[k][0], *prices, out[k][5])
    return out


def orders_of(journal, purpose):
    return [
        o for o in m.rows_of(journal, port.ORDERS) if o["purpose"] == purpose and o["action"] == c.ACT_NEW
    ]


def fills_of(journal, order_id=None):
    events = [r["event"] for r in m.rows_of(journal, port.INPUTS) if r["event"]["kind"] == c.EV_FILL]
    return [e for e in events if order_id is None or e["x"] == order_id]


# --- F1.1 ----------------------------------------------------------------------------------------


def test_f1_1_whole_series_normalisation_is_flagged_and_an_honest_strategy_passes(home, bars):
    run = ["backtest", "--data", bars.folder, "--verify", "--json", "--set", "journal.fsync=never"]
    cheat = m.bot4(*run, "--out", home / "cheat", "--strategy", f"{m.STRATEGIES}:WholeSeries")
    found = cheat.doc["look_ahead"]
    assert found["clean"] is False
    assert found["decisions_compared"] > 500
    assert any("changed with the future" in text and "T = 2024-06-" in text for text in found["differences"])
    honest = m.bot4(*run, "--out", home / "honest", "--strategy", f"{m.STRATEGIES}:Momentum")
    assert honest.doc["look_ahead"]["clean"] is True
    assert honest.doc["look_ahead"]["differences"] == []
    assert honest.doc["fills"] > 10
    table = m.bot4(
        *[a for a in run if a != "--json"],
        "--out",
        home / "cheat2",
        "--strategy",
        f"{m.STRATEGIES}:WholeSeries",
    )
    assert "look-ahead check" in table.out
    assert "FAILED" in table.out


def _corrupt_bars(rows, cut, seed):
    """Every bar that opens at or after `cut` (s) is another one; on the same grid of prices."""
    rng = random.Random(seed)
    out = []
    for row in rows:
        if row[0] >= cut:
            a, b = (round(row[1] * rng.uniform(0.5, 1.6), 1) for _ in range(2))
            row = (row[0], a, max(a, b) + 0.1, round(min(a, b) - 0.1, 1), b, rng.randrange(1, 10**7) / 10**5)
        out.append(row)
    return out


def _past(data, strategy, cut_ns, model=None):
    """Decisions and orders up to `cut_ns`."""
    results, journal = m.run_task(data, strategy, "journal.decisions=all", model=model)
    decisions = [d.tobytes() for d in m.rows_of(journal, port.DECISIONS) if d["ts"] <= cut_ns]
    sent = [(max(o["ts_created"], o["ts_updated"]), o) for o in m.rows_of(journal, port.ORDERS)]
    orders = [o.tobytes() for at, o in sent if at <= cut_ns]  # a cancel keeps its order's time of creation
    return decisions, orders, results


BAR_STRATEGIES = ["hybrid", "model", "trend_cross", f"{m.STRATEGIES}:Momentum", f"{m.STRATEGIES}:reversal"]
BAR_STRATEGIES.append(f"{m.STRATEGIES}:Declared")


@pytest.mark.parametrize("strategy", BAR_STRATEGIES, ids=lambda s: s.rpartition(":")[2])
def test_f1_1_corrupt_bars_after_t_change_nothing_before(tmp_path, bars, strategy, request):
    chosen, trained = strategy, None
    if strategy == "model":
        chosen, trained = "hybrid", request.getfixturevalue("model")
    rows = m.walk(1500, step=900)
    for share, seed in ((0.4, 1), (0.83, 2)):
        cut = rows[int(len(rows) * share)][0]
        other = m.bar_data(tmp_path / f"c{seed}", _corrupt_bars(rows, cut, seed), "15m")
        assert other.instruments == bars.instruments
        clean, dirty = (_past(d, chosen, cut * m.S, trained) for d in (bars, other))
        assert len(clean[0]) == int(len(rows) * share)
        assert clean[0] == dirty[0]
        assert clean[1] == dirty[1]
        assert clean[2]["state_hash"] != dirty[2]["state_hash"]  # the future did change


@pytest.mark.parametrize(
    "strategy",
    ["hybrid", "trend_cross", "quoter", f"{m.STRATEGIES}:Momentum", f"{m.STRATEGIES}:reversal"],
    ids=lambda s: s.rpartition(":")[2],
)
def test_f1_1_corrupt_frames_after_t_change_nothing_before(tmp_path, frames, strategy):
    same, seconds = list(m.frame_lines(seconds=320, **LIVELY)), 190
    other = list(m.frame_lines(seconds=320, seed=99, **LIVELY))
    cut = (m.START + seconds) * m.S
    mixed = [x for x in same if int(x[:19]) <= cut]
    # after T the feed of another seed: its sequence does not fit, which is a corruption too
    mixed += [x for x in other if int(x[:19]) > cut]
    file = tmp_path / "mixed.gz"
    file.write_bytes(m.gzip.compress("".join(mixed).encode(), 1))
    import_frames(file, "binance-usdm", tmp_path / "mixed")
    mixed_data = Dataset.open(tmp_path / "mixed")
    assert mixed_data.instruments == frames.instruments
    clean, dirty = (_past(d, strategy, cut) for d in (frames, mixed_data))
    assert len(clean[0]) >= seconds - 2
    assert clean[0] == dirty[0]
    assert clean[1] == dirty[1]
    assert clean[2]["state_hash"] != dirty[2]["state_hash"]


@pytest.mark.parametrize(
    "strategy",
    ["hybrid", "model", "trend_cross", f"{m.STRATEGIES}:reversal"],
    ids=lambda s: s.rpartition(":")[2],
)
def test_f1_1_the_built_in_check_passes_on_bars_and_frames(tmp_path, bars, frames, strategy, request):
    chosen, trained = strategy, None
    if strategy == "model":
        chosen, trained = "hybrid", request.getfixturevalue("model")
    for data in (bars, frames):
        found = verify_no_look_ahead(m.task(data, chosen, model=trained), tmp_path / "journal")
        assert found["clean"], found["differences"]
        assert found["decisions_compared"] > 50


# --- F1.2 ----------------------------------------------------------------------------------------


class SeesHours(Strategy):
    """Notes at each call which hours it can see, and what happens when it asks for the others."""

    def __init__(self):
        self.calls = []

    def on_bar(self, bar):
        hours = list(bar.bars("1h"))
        hour = 3600 * m.S
        over = bar.now // hour * hour
        refused = 0
        for ts in (bar.now, bar.now + hour, over):
            try:
                bar.bar_at("1h", ts)
            except LookAheadError:
                refused += 1
        known = (
            bar.bar_at("1h", over - 1) if hours and hours[-1].ts_close == over and len(hours) > 1 else None
        )
        self.calls.append((bar.now, hours, refused, known))


def test_f1_2_only_closed_hours_are_visible_inside_a_quarter(bars):
    spy = SeesHours()
    m.run_task(bars, spy)
    rows = m.walk(1500, step=900)
    assert len(spy.calls) == len(rows)
    hour = 3600 * m.S
    for now, hours, refused, known in spy.calls:
        assert refused == 3
        if known is not None:
            assert known.ts_close <= now
        assert all(bar.ts_close <= now for bar in hours)
        if now >= (m.START + 3600) * m.S:
            assert hours[-1].ts_close == now // hour * hour  # and no older than it must be
        for bar in hours[-2:]:
            quarters = [r for r in rows if bar.ts_close - hour <= r[0] * m.S < bar.ts_close]
            want = (quarters[0][1], max(r[2] for r in quarters), min(r[3] for r in quarters), quarters[-1][4])
            assert (bar.open, bar.high, bar.low, bar.close) == pytest.approx(want)
            assert bar.volume == pytest.approx(sum(r[5] for r in quarters))


@pytest.mark.parametrize("name", ["PeekHour", "PeekNext"])
def test_f1_2_asking_for_an_unclosed_bar_ends_the_run(home, bars, name):
    answer = m.bot4(
        "backtest",
        "--data",
        bars.folder,
        "--strategy",
        f"{m.STRATEGIES}:{name}",
        "--json",
        "--out",
        home / name,
    )
    assert answer.code == 5
    assert answer.doc["kind"] == "LookAheadError"
    assert "only closed bars are known" in answer.doc["error"]
    assert "closes at 2024-06-01T" in answer.doc["error"]
    assert list(JournalReader(home / name).blocks())  # what was journalled before is readable


# --- F1.3 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_f1_3_an_open_beyond_the_stop_fills_there_or_worse(tmp_path, side):
    market = "spot" if side > 0 else "perp"
    calm = m.quiet(120, half=200.0)
    first, before = m.run_task(m.bar_data(tmp_path / "calm", calm, market=market), At(40, side), *FIXED)
    stop = int(orders_of(before, c.FOR_STOP)[0]["stop_price"]) / 10
    opened = round(stop * (1 - 0.10 * side), 1)
    gapped = replaced(calm, {45: (opened, opened + 50, opened - 50, opened)})
    for k in range(46, 120):
        gapped[k] = (gapped[k][0], opened, opened + 20, opened - 20, opened, gapped[k][5])
    data = m.bar_data(tmp_path / "gap", gapped, market=market)
    out = tmp_path / "journal"
    results, journal = m.run_task(data, At(40, side), *FIXED)
    order = orders_of(journal, c.FOR_STOP)[0]
    assert int(order["stop_price"]) / 10 == stop
    fills = fills_of(journal, order["id"])
    assert len(fills) == 1
    paid = int(fills[0]["price"]) / 10
    assert (opened - paid) * side > 0  # worse than the open: half the spread and the impact
    assert fills[0]["flags"] & c.FLAG_GAP
    assert first["gap_loss"] == 0
    lost = (stop - paid) * side * 0.01
    assert results["gap_loss"] == pytest.approx(lost, abs=1e-6)
    assert results["gap_loss"] > 0.09 * stop * 0.01
    assert results["pnl_net"] < -lost

    file = m.STRATEGIES.with_name("enter_once_for_tests.py")
    run = m.bot4(
        "backtest",
        "--data",
        data.folder,
        "--strategy",
        f"{file}:{'Long' if side > 0 else 'Short'}",
        "--out",
        out,
        "--json",
        *[x for s in FIXED for x in ("--set", s)],
    )
    assert run.doc["gap_loss"] == pytest.approx(results["gap_loss"])
    assert run.doc["gap_fills"] == 1
    assert run.doc["costs"]["gap_loss"] == pytest.approx(results["gap_loss"])
    assert m.bot4("report", out, "--out", tmp_path / "r.html").code == 0
    page = (tmp_path / "r.html").read_text()
    assert f"{results['gap_loss']:,.2f}" in page
    assert "gap" in page.lower()


# --- F1.4 ----------------------------------------------------------------------------------------


def test_f1_4_a_bar_with_stop_and_target_is_taken_as_a_loss_and_both_bounds_are_shown(tmp_path):
    calm = m.quiet(120, half=200.0)
    file = m.STRATEGIES.with_name("enter_once_for_tests.py")
    fixed = [x for s in FIXED for x in ("--set", s)]
    _, journal = m.run_task(m.bar_data(tmp_path / "calm", calm), At(40), *FIXED)
    stop = int(orders_of(journal, c.FOR_STOP)[0]["stop_price"]) / 10
    target = int(orders_of(journal, c.FOR_TARGET)[0]["price"]) / 10
    both = replaced(calm, {45: (40_000.0, target + 100, stop - 100, 40_000.0)})
    data = m.bar_data(tmp_path / "both", both)
    run = ["backtest", "--data", data.folder, "--strategy", f"{file}:Long", *fixed]
    answer = m.bot4(*run, "--out", tmp_path / "j", "--json")
    doc = answer.doc
    assert doc["ambiguous_bars"] == 1
    assert doc["ambiguous_fills"] == 1
    assert doc["pnl_net"] < 0 < doc["pnl_net_upper_bound"]
    gained = (target - stop) * 0.01
    assert doc["pnl_net_upper_bound"] - doc["pnl_net"] == pytest.approx(gained, rel=0.05)
    table = m.bot4(*run, "--out", tmp_path / "j2").out
    flat = " ".join(table.split())
    assert f"{doc['pnl_net']:,.2f}" in flat
    assert f"{doc['pnl_net_upper_bound']:,.2f}" in flat
    assert "pessimistic" in flat
    report = m.bot4("report", tmp_path / "j", "--out", tmp_path / "r.html", "--json")
    assert report.code == 0
    page = (tmp_path / "r.html").read_text()
    for bound in (doc["pnl_net"], doc["pnl_net_upper_bound"]):
        assert f"{abs(bound):,.2f}" in page


# --- F1.5 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1], ids=["sell at the high", "buy at the low"])
def test_f1_5_a_limit_that_the_price_only_touches_is_not_filled(tmp_path, side):
    market = "spot" if side > 0 else "perp"
    calm = m.quiet(90, half=200.0)
    _, journal = m.run_task(m.bar_data(tmp_path / "calm", calm, market=market), At(40, side), *FIXED)
    target = round(int(orders_of(journal, c.FOR_TARGET)[0]["price"]) / 10, 1)

    def outcome(name, reach):
        edge = round(target + reach * side, 1)
        prices = (40_000.0, max(edge, 40_100.0), min(edge, 39_900.0), 40_000.0)
        data = m.bar_data(tmp_path / name, replaced(calm, {45: prices}), market=market)
        _, journal = m.run_task(data, At(40, side), *FIXED)
        made = orders_of(journal, c.FOR_TARGET)[0]
        return [int(f["price"]) / 10 for f in fills_of(journal, made["id"])]

    assert outcome("touched", 0.0) == []
    assert outcome("through", 0.1) == [target]  # at its own price, one tick through is enough
    assert outcome("far", 900.0) == [target]


# --- F1.6 ----------------------------------------------------------------------------------------


class Long(Strategy):
    """Always long."""

    def on_bar(self, bar):
        return 1.0


HOURS = 20 * 24
WIDE = (
    "strategy.fixed_size=0.01",
    "strategy.time_stop=100000",
    "risk.stop_atr=40",
    "risk.emergency_stop=90 %",
)


def _perpetual(folder, hours_of_funding, rate="0.0001"):
    data = m.bar_data(folder, m.quiet(HOURS, step=3600, half=60.0), "1h", market="perp")
    lines = ["ts,rate"]
    for k in hours_of_funding:
        lines.append(f"{m.START + k * 3600},{rate}")
    if len(lines) > 1:
        file = folder.parent / f"{folder.name}-funding.csv"
        file.write_text("\n".join(lines) + "\n")
        import_funding(file, "BTC-USDT-PERP", folder)
    return Dataset.open(data.folder)


def test_f1_6_missing_funding_is_loud_counted_and_never_free(tmp_path):
    every = range(0, HOURS + 1, 8)
    full = _perpetual(tmp_path / "full", every)
    half = _perpetual(tmp_path / "half", [k for k in every if k < HOURS // 2])
    none = _perpetual(tmp_path / "none", [])
    results = {d.folder.name: m.run_task(d, Long(), *WIDE)[0] for d in (full, half, none)}
    held = [r["fills"] for r in results.values()]
    assert held[0] == held[1] == held[2] == 1  # the same position in all three
    assert results["full"]["funding_substituted"] == 0
    assert not [w for w in results["full"]["warnings"] if "funding" in w]
    missing = len([k for k in every if k >= HOURS // 2])
    warned = [w for w in results["half"]["warnings"] if "funding data is missing" in w]
    assert len(warned) == 1
    assert f"{missing} funding times" in warned[0]
    assert results["half"]["funding_substituted"] == missing
    assert results["none"]["funding_substituted"] in (len(every) - 1, len(every) - 2)
    one = 40_000 * 0.01 * 1e-4  # what 1 bp on the position costs
    assert results["full"]["funding"] == pytest.approx(one * (len(every) - 1), rel=0.02)
    assert results["half"]["funding"] == pytest.approx(
        one * (len(every) - missing - 1 + 3 * missing), rel=0.02
    )
    assert results["none"]["funding"] > results["half"]["funding"] > results["full"]["funding"] > 0


def test_f1_6_a_short_pays_the_substitute_too(tmp_path):
    data = _perpetual(tmp_path / "none", [])
    results, _ = m.run_task(data, At(20, -1.0), *WIDE)
    assert results["funding"] > 0
    answer = m.bot4("backtest", "--data", data.folder, "--out", tmp_path / "j")
    assert "funding data is missing" in " ".join(answer.err.split())


def test_f1_6_funding_at_the_seam_of_two_chunks_is_charged_once(tmp_path, monkeypatch):
    every = range(0, HOURS + 1, 8)
    data = _perpetual(tmp_path / "full", every)
    assert CHUNK > 10_000
    for rows in range(1, 40):
        monkeypatch.setattr("bot4.engine.feed.CHUNK", rows)
        feed = Feed(data, 8 * 3600 * m.S, 30_000)
        assert sum(len(chunk) for chunk in feed) == data.rows
        assert feed.substituted == 0
        assert feed.warnings == []


@pytest.mark.parametrize("name", ["fees.maker", "fees.taker", "fees.funding_substitute"])
def test_f1_6_a_cost_of_nil_is_said_aloud(tmp_path, bars, name):
    answer = m.bot4(
        "backtest", "--data", bars.folder, "--out", tmp_path / "j", "--json", "--set", f"{name}=0 bp"
    )
    assert answer.code == 0
    assert [w for w in answer.doc["warnings"] if name in w]
    typo = m.bot4("backtest", "--data", bars.folder, "--out", tmp_path / "k", "--json", "--set", f"{name}=0")
    assert typo.code == 2
    assert "unit" in typo.doc["error"]
    shown = m.bot4("config", "show", "--json").doc
    assert Decimal(shown[name]["value"].split()[0]) > 0


# --- F1.9 ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sessions(home):
    """Two recorded paper sessions: on the synthetic market, and on recorded frames."""
    made = m.bot4(
        "run",
        "--for",
        "1s",
        "--out",
        home / "paper",
        "--json",
        "--set",
        "run.warmup=40m",
        "--strategy",
        "trend_cross",
        "--set",
        "bars.interval=5s",
        "--set",
        "risk.min_edge_r=0",
    )
    assert made.code == 0, made.err
    file = m.frame_file(home / "paper-frames.gz", seconds=320, **LIVELY)
    recorded = m.bot4(
        "run",
        "--frames",
        file,
        "--speed",
        "0",
        "--out",
        home / "recorded",
        "--json",
        "--strategy",
        f"{m.STRATEGIES}:Momentum",
    )
    assert recorded.code == 0, recorded.err
    return {"paper": made.doc, "recorded": recorded.doc}


@pytest.mark.parametrize("name", ["paper", "recorded"])
def test_f1_9_a_paper_session_replays_identically(home, sessions, name):
    doc = sessions[name]
    assert doc["fills"] > 2
    answer = m.bot4("replay", home / name, "--verify", "--json")
    assert answer.code == 0, answer.out
    again = answer.doc
    assert again["identical"] is True
    assert again["complete"] is True
    for key in ("decisions", "orders", "fills", "events", "decision_hash", "state_hash"):
        assert again[key] == doc[key], key


def _copy(source, target, change):
    """The journal written anew with `change(kind, number of that kind, payload)`."""
    journal = FileJournal(target, fsync="never")
    seen = {}
    for block in JournalReader(source).blocks():
        number = seen.setdefault(block.kind, 0)
        payload = block.payload if isinstance(block.payload, dict) else block.payload.copy()
        journal.append(block.kind, change(block.kind, number, payload))
        seen[block.kind] += 1
    journal.close()
    return target


@pytest.mark.parametrize(
    ("name", "field", "by"),
    [("paper", "price", 1), ("paper", "qty", -1), ("recorded", "price", -3), ("recorded", "y", 1)],
)
def test_f1_9_an_altered_input_is_named(home, tmp_path, sessions, name, field, by):
    done = []

    def change(kind, number, rows):
        if kind == port.INPUTS and not done:
            fills = np.flatnonzero(rows["event"]["kind"] == c.EV_FILL)
            if len(fills):
                rows["event"][field][fills[0]] += by
                done.append(int(rows["event"]["x"][fills[0]]))
        return rows

    copy = _copy(home / name, tmp_path / "copy", change)
    assert done
    answer = m.bot4("replay", copy, "--verify", "--json")
    assert answer.code == 6
    text = answer.out + answer.err
    assert "state_hash: the journal has" in text
    assert "the replay differs" in answer.err


def test_f1_9_an_altered_market_or_order_is_named(home, tmp_path, sessions):
    def market(kind, number, rows):
        if kind == port.MARKET and len(rows):
            rows["price"][rows["kind"] == c.EV_TRADE] += 50
        return rows

    answer = m.bot4("replay", _copy(home / "recorded", tmp_path / "a", market), "--verify", "--json")
    assert answer.code == 6
    assert "state_hash: the journal has" in answer.err

    def order(kind, number, rows):
        if kind == port.ORDERS and number == 0:
            rows["qty"][0] += 1
        return rows

    answer = m.bot4("replay", _copy(home / "recorded", tmp_path / "b", order), "--verify", "--json")
    assert answer.code == 6
    assert "order 0 at" in answer.err
    assert "qty differ" in answer.err

    same = m.bot4("replay", _copy(home / "recorded", tmp_path / "c", lambda k, n, r: r), "--verify", "--json")
    assert same.doc["identical"] is True


def test_f1_9_recorded_frames_of_a_real_venue_replay_identically(tmp_path):
    file = m.SHARED / "data/market_ws/spot_btcusdt_20240808.gz"
    if not file.exists():
        pytest.skip(f"the recorded frames are not at {file}")
    run = m.bot4(
        "run",
        "--frames",
        file,
        "--venue",
        "binance-spot",
        "--speed",
        "0",
        "--out",
        tmp_path / "j",
        "--json",
        "--strategy",
        "quoter",
    )
    assert run.code == 0, run.err
    assert run.doc["ended_by"] == "end of data"
    again = m.bot4("replay", tmp_path / "j", "--verify", "--json")
    assert again.doc["identical"] is True
    assert math.isfinite(run.doc["pnl_net"])


def test_f1_real_bars_pass_the_check(tmp_path):
    file = m.SHARED / "data/ohlcv/binance_perp_1h/ETH_USDT.parquet"
    if not file.exists():
        pytest.skip(f"the recorded bars are not at {file}")
    import_bars(file, "ETH-USDT", "1h", tmp_path / "eth", market="perp")
    import_funding(m.SHARED / "data/funding/binance_perp/ETH_USDT.parquet", "ETH-USDT-PERP", tmp_path / "eth")
    made = bootstrap.backtest_of(tmp_path / "eth", m.defaults(), None, 7, "2023-01-01", "2023-07-01")
    found = verify_no_look_ahead(made, tmp_path / "journal")
    assert found["clean"], found["differences"]
    assert found["decisions_compared"] > 2000
