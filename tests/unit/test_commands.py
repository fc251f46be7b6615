"""The commands from end to end, in process, on a small data set: answers, files, exit codes."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from bot4.app import bootstrap
from bot4.app.alarms import StderrAlarm
from bot4.app.commands import stop as stop_command
from bot4.app.commands.data import join
from bot4.app.config import load as load_config
from bot4.app.main import main
from bot4.app.observer import Observer
from bot4.model.errors import JournalError, StorageError
from bot4.ports import journal as port
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock
from bot4.ports.journal import FakeJournal
from bot4.research import session as sessions
from bot4.research.backtest import Backtest, bar_interval, new_journal_folder
from bot4.research.gather import read_record
from bot4.research.paper import Paper
from bot4.research.replay import Refold, compare, open_data
from bot4.research.session import choose, load
from bot4.research.verify import corrupt_after, verify_no_look_ahead
from bot4.safety.killswitch import KillSwitch
from bot4.storage.journal import FileJournal, JournalReader
from bot4.storage.lake import Dataset
from bot4.venues.simulator.sources import RecordedSource

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import engine_scene as scene
from frame_samples import session as frames

EASY = ("strategy.threshold=5 %", "strategy.exit_threshold=2 %", "risk.volatility_target=200 %")
SETS = [part for item in EASY for part in ("--set", item)]


def bot4(*arguments):
    """Exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return end.value.code


def answer(capsys, *arguments):
    """The JSON that a command prints; it must succeed."""
    capsys.readouterr()
    code = bot4(*arguments, "--json")
    out = capsys.readouterr().out
    assert code in (0, None), out
    return json.loads(out)


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    return scene.bar_data(tmp_path_factory.mktemp("bars"), 600)


@pytest.fixture(scope="module")
def journal(bars, tmp_path_factory):
    """The journal of a backtest with trades."""
    folder = tmp_path_factory.mktemp("journal") / "j"
    assert bot4("backtest", "--data", bars.folder, "--out", folder, *SETS, "--json") in (0, None)
    return folder


# --- backtest, replay, why, report ---------------------------------------------------------


def test_backtest(bars, tmp_path, capsys):
    d = answer(capsys, "backtest", "--data", bars.folder, "--out", tmp_path / "j", "--verify", *SETS)
    assert d["look_ahead"]["clean"]
    assert d["fills"] > 0
    assert d["equity_end"] - d["equity_start"] == pytest.approx(d["pnl_net"])
    assert bot4("backtest", "--data", bars.folder, "--out", tmp_path / "j") == 4  # the folder is taken
    assert bot4("backtest", "--data", bars.folder, "--out", tmp_path / "k", *SETS) in (0, None)
    out = capsys.readouterr().out
    assert "net P&L after costs" in out


@pytest.mark.parametrize("strategy", ["trend_cross", "quoter"])
def test_other_strategies(bars, tmp_path, capsys, strategy):
    d = answer(
        capsys,
        "backtest",
        "--data",
        bars.folder,
        "--out",
        tmp_path / "j",
        "--strategy",
        strategy,
        "--set",
        "quoter.interval=1m",
    )
    assert d["decisions"] > 0
    assert bot4("replay", tmp_path / "j", "--verify") in (0, None)


def test_part_of_the_data(bars, tmp_path, capsys):
    d = answer(
        capsys,
        "backtest",
        "--data",
        bars.folder,
        "--out",
        tmp_path / "j",
        "--start",
        "2024-01-01T02:00:00Z",
        "--end",
        "2024-01-01T03:00:00Z",
    )
    assert d["market_events"] == 60
    assert (
        bot4("backtest", "--data", bars.folder, "--out", tmp_path / "k", "--start", "2030-01-01T02:00:00Z")
        == 3
    )
    Dataset.create(tmp_path / "empty").save()
    assert bot4("backtest", "--data", tmp_path / "empty", "--out", tmp_path / "l") == 3


def test_replay_gives_everything_again(journal, capsys):
    d = answer(capsys, "replay", journal, "--verify")
    assert d["identical"]
    assert d["complete"]
    assert answer(capsys, "replay", journal)["state_hash"] == d["state_hash"]
    assert bot4("replay", journal, "--verify") in (0, None)


def test_a_journal_that_says_something_else_is_found(journal, bars, tmp_path, capsys):
    other = answer(
        capsys, "backtest", "--data", bars.folder, "--out", tmp_path / "j", *SETS, "--set", "fees.taker=6 bp"
    )
    assert other["fills"] > 0
    forged = FileJournal(tmp_path / "forged")
    for block in JournalReader(journal).blocks():
        payload = block.payload if isinstance(block.payload, dict) else block.payload.copy()
        if block.kind == port.META:
            payload["settings"]["fees.taker"] = "0.0006"
        if block.kind == port.ORDERS:
            payload["qty"] += 1
        forged.append(block.kind, payload)
    forged.close()
    assert bot4("replay", tmp_path / "forged", "--verify", "--json") == 6
    refold = bootstrap.refold_of(tmp_path / "forged", None)
    result = compare(refold, *refold.run())
    assert not result["identical"]
    assert any("order 0" in text for text in result["differences"])


def test_a_torn_journal_is_replayed_as_far_as_it_goes(journal, tmp_path):
    whole = next(journal.glob("*.b4j")).read_bytes()
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "segment-000000.b4j").write_bytes(whole[: len(whole) * 2 // 3])
    refold = bootstrap.refold_of(tmp_path / "t", None)
    result = compare(refold, *refold.run())
    assert not result["complete"]
    assert result["torn_bytes"] > 0


def test_why(journal, capsys):
    record = read_record(journal)
    number = int(record.orders["id"][0])
    d = answer(capsys, "why", journal, "--order", number)
    assert d["order"]["id"] == number
    assert d["decision"]["outcome"] == "enter"
    assert d["instruments"][0]["inputs"]["atr_14"] > 0
    assert d["instruments"][0]["chain"]["edge"] is not None
    t = answer(capsys, "why", journal, "--trade", 1)
    assert t["trade"]["number"] == 1
    a = answer(capsys, "why", journal, "--at", "2024-01-01T03:00:00Z")
    assert a["at"].startswith("2024-01-01T03:00:00")
    assert bot4("why", journal, "--order", number) in (0, None)
    assert "chain" in capsys.readouterr().out
    for wrong in (["--order", 10**6], ["--trade", 10**6]):
        assert bot4("why", journal, *wrong) == 3
    assert bot4("why", journal) == 2
    assert bot4("why", journal, "--order", 1, "--trade", 1) == 2


def test_report(journal, tmp_path, capsys):
    d = answer(capsys, "report", journal, "--out", tmp_path / "r.html")
    assert d["bytes"] == (tmp_path / "r.html").stat().st_size
    assert bot4("report", journal, "--out", tmp_path / "r2.html") in (0, None)
    assert (tmp_path / "r2.html").read_text() == (tmp_path / "r.html").read_text()
    assert bot4("report", journal, "--out", tmp_path / "no" / "r.html") == 4
    assert bot4("report", tmp_path / "nothing") == 6


def test_a_data_set_that_changed_or_moved(journal, bars, tmp_path):
    meta = JournalReader(journal).meta()
    assert open_data(meta, None).rows == bars.rows
    other = scene.bar_data(tmp_path, 600, seed=4)
    assert bot4("replay", journal, "--data", other.folder) == 3
    assert bot4("replay", journal, "--data", tmp_path / "gone") == 3
    copy = scene.bar_data(tmp_path / "copy", 600)
    assert bot4("replay", journal, "--data", copy.folder, "--verify") in (0, None)


def test_inputs_out_of_order_are_refused(journal, tmp_path):
    made = FileJournal(tmp_path / "j")
    for block in JournalReader(journal).blocks():
        payload = block.payload if isinstance(block.payload, dict) else block.payload.copy()
        made.append(block.kind, payload[::-1] if block.kind == port.INPUTS else payload)
    made.close()
    with pytest.raises(JournalError, match="out of order"):
        bootstrap.refold_of(tmp_path / "j", None)


# --- strategies of the user ----------------------------------------------------------------

MINE = """
from bot4.strategies.api import Strategy, compiled_strategy

class Mine(Strategy):
    def on_bar(self, bar):
        long = bar.bars("5m")
        return None if len(long) < 5 else (0.9 if long[-1].close > long[-3].close else -0.9)

class Broken(Strategy):
    def on_bar(self, bar):
        raise RuntimeError("oh")

class BadStart(Strategy):
    def on_start(self, data_dir):
        bar = data_dir.nothing

class Peek(Strategy):
    def on_bar(self, bar):
        return bar.bar_at("1h", bar.now).close

@compiled_strategy
def swing(features, book, context, memory):
    memory[0] += 1.0
    return 0.9 if memory[0] % 40.0 < 20.0 else -0.9
"""


@pytest.mark.parametrize("name", ["Mine", "swing"])
def test_a_users_strategy(bars, tmp_path, capsys, name):
    (tmp_path / "mine.py").write_text(MINE)
    spec = f"{tmp_path / 'mine.py'}:{name}"
    d = answer(capsys, "backtest", "--data", bars.folder, "--out", tmp_path / "j", "--strategy", spec, *SETS)
    assert d["fills"] > 0
    assert answer(capsys, "replay", tmp_path / "j", "--verify")["identical"]
    (tmp_path / "mine.py").write_text(MINE + "# changed\n")
    assert bot4("replay", tmp_path / "j", "--verify") == (6 if name == "swing" else 0)


@pytest.mark.parametrize("name", ["Broken", "BadStart", "Peek", "Nobody"])
def test_a_users_strategy_that_fails(bars, tmp_path, name):
    (tmp_path / "mine.py").write_text(MINE)
    assert (
        bot4(
            "backtest",
            "--data",
            bars.folder,
            "--out",
            tmp_path / "j",
            "--strategy",
            f"{tmp_path}/mine.py:{name}",
        )
        == 5
    )


CHEAT = """
from pathlib import Path
import polars as pl
from bot4.strategies.api import Strategy

class Cheat(Strategy):
    def on_start(self, data_dir):
        self.rows = pl.concat([pl.read_parquet(p) for p in sorted(Path(data_dir, "parts").iterdir())])
        self.mean = self.rows["price"].mean()

    def on_bar(self, bar):
        return 0.5 if self.mean % 7 < 3.5 else -0.5

class Future(Strategy):
    def on_start(self, data_dir):
        rows = pl.concat([pl.read_parquet(p) for p in sorted(Path(data_dir, "parts").iterdir())])
        self.price = dict(zip(rows["ts_local"].to_list(), rows["price"].to_list()))

    def on_bar(self, bar):
        later = self.price.get(bar.now + 5 * 60 * 10**9)
        return None if later is None else (0.9 if later > self.price[bar.now] else -0.9)
"""


def test_look_ahead_is_found(bars, tmp_path):
    (tmp_path / "cheat.py").write_text(CHEAT)
    settings = load_config(None, EASY)
    task = Backtest(
        bars, settings.values, settings.to_json(), choose(f"{tmp_path}/cheat.py:Future"), load(None), 7
    )
    told = []
    found = verify_no_look_ahead(task, tmp_path / "j", lambda *a: told.append(a))
    assert not found["clean"]
    assert len(told) == 2


def test_corruption_leaves_the_past_alone():
    rows = scene.flat_bars(1, 20)
    cut = scene.START + 10 * scene.MINUTE
    dirty = corrupt_after(rows, cut)
    past = rows["ts_local"] <= cut
    assert (dirty[past] == rows[past]).all()
    assert (dirty["price"][~past] != rows["price"][~past]).all()
    assert (dirty["seq"][~past] != rows["seq"][~past]).all()


# --- data, config, train, stop -------------------------------------------------------------


def test_data_import_list_check(tmp_path, capsys):
    (tmp_path / "f").write_bytes(frames(120)[0])
    rows = ["ts,open,high,low,close,volume", *(",".join(map(str, row)) for row in scene.walk(20))]
    (tmp_path / "b.csv").write_text("\n".join(rows))
    (tmp_path / "r.csv").write_text(f"ts,rate\n{scene.START // 10**6},0.0001\n")
    d = answer(capsys, "data", "import", tmp_path / "f", "--venue", "binance-usdm", "--out", tmp_path / "d")
    assert d["events"] > 100
    b = answer(
        capsys,
        "data",
        "import",
        "--bars",
        tmp_path / "b.csv",
        "--instrument",
        "ETH-USDT-PERP",
        "--timeframe",
        "1m",
        "--market",
        "perp",
        "--funding",
        tmp_path / "r.csv",
        "--out",
        tmp_path / "d",
    )
    assert b["events"] == 21
    assert {row["symbol"] for row in answer(capsys, "data", "list", tmp_path / "d")["instruments"]} >= {
        "BTC-USDT-PERP"
    }
    assert answer(capsys, "data", "check", tmp_path / "d")["ok"]
    for command in ("list", "check"):
        assert bot4("data", command, tmp_path / "d") in (0, None)
    assert bot4(
        "data",
        "import",
        "--bars",
        tmp_path / "b.csv",
        "--instrument",
        "X-USDT",
        "--timeframe",
        "1m",
        "--out",
        tmp_path / "e",
    ) in (0, None)
    for wrong in ([], [tmp_path / "f"], ["--bars", tmp_path / "b.csv"], ["--funding", tmp_path / "r.csv"]):
        assert bot4("data", "import", *wrong, "--out", tmp_path / "x") == 2


def test_reports_of_several_imports_add_up():
    joined = join(
        [
            {"n": 1, "l": [1], "d": {"a": 1}, "clock_offset_ns": 5, "ok": True, "s": "x"},
            {"n": 2, "l": [2], "d": {"a": 2, "b": 1}, "clock_offset_ns": 7, "ok": False, "s": "y"},
        ]
    )
    assert joined == {"n": 3, "l": [1, 2], "d": {"a": 3, "b": 1}, "clock_offset_ns": 7, "ok": False, "s": "y"}


def test_config_show(tmp_path, capsys):
    d = answer(capsys, "config", "show", "--set", "risk.max_order=1 %")
    assert d["risk.max_order"]["value"] == "1 %"
    assert d["risk.max_order"]["source"] == "--set"
    assert bot4("config", "show") in (0, None)
    assert bot4("config", "show", "--config", tmp_path / "none.toml") == 2


def test_train_and_trade_with_the_model(tmp_path, capsys):
    data = scene.bar_data(tmp_path, 2600)
    d = answer(capsys, "train", "--data", data.folder, "--out", tmp_path / "m", "--folds", 2, "--horizon", 5)
    assert len(d["trees_sha256"]) == 64
    short = scene.bar_data(tmp_path / "s", 300)
    b = answer(
        capsys, "backtest", "--data", short.folder, "--model", tmp_path / "m", "--out", tmp_path / "j", *SETS
    )
    assert not any("no model" in w for w in b["warnings"])
    assert answer(capsys, "replay", tmp_path / "j", "--verify")["identical"]
    look = answer(capsys, "why", tmp_path / "j", "--at", "2024-01-01T04:00:00Z")["instruments"][0]
    assert 0 < look["fusion"]["probability"] < 1
    meta = JournalReader(tmp_path / "j").meta()
    meta["model"]["trees_sha256"] = "0" * 64
    with pytest.raises(JournalError, match="not the one"):
        sessions.model_of(meta)


def test_stop(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    assert bot4("stop") == 4
    folder = stop_command.control_dir()
    folder.mkdir()
    (folder / f"run-{os.getpid()}.pid").write_text("")
    (folder / "run-999999999.pid").write_text("")
    assert answer(capsys, "stop")["stopped"] == [os.getpid()]
    assert (folder / f"run-{os.getpid()}.stop").exists()
    assert not (folder / "run-999999999.pid").exists()
    assert bot4("stop") in (0, None)
    monkeypatch.setattr(stop_command.os, "kill", lambda *_: (_ for _ in ()).throw(PermissionError))
    assert stop_command.running() == [os.getpid()]


def test_errors_have_their_exit_codes(tmp_path, capsys, monkeypatch):
    assert bot4("--version") in (0, None)
    capsys.readouterr()
    assert bot4("config", "show", "--set", "no.such=1", "--json") == 2
    assert json.loads(capsys.readouterr().out)["kind"] == "ConfigError"
    assert bot4("data", "list", tmp_path / "none") == 3
    monkeypatch.setattr("bot4.app.commands.config.show", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert bot4("config", "show") == 130
    monkeypatch.setattr("bot4.app.commands.config.show", lambda **_: (_ for _ in ()).throw(OSError("disk")))
    assert bot4("config", "show", "--json") == 4


# --- paper ---------------------------------------------------------------------------------


def test_paper_on_bars_equals_its_replay(bars, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path / "control"))
    csv = bars.folder.parent / "bars-3.csv"
    d = answer(
        capsys,
        "run",
        "--bars",
        csv,
        "--instrument",
        "BTC-USDT",
        "--timeframe",
        "1m",
        "--out",
        tmp_path / "j",
        *SETS,
    )
    assert d["ended_by"] == "end of data"
    assert answer(capsys, "replay", tmp_path / "j", "--verify")["identical"]
    assert bot4("run", "--bars", csv, "--frames", csv) == 2
    assert list((tmp_path / "control").rglob("*.pid")) == []


def test_paper_on_the_synthetic_market(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path / "control"))
    d = answer(
        capsys, "run", "--for", "1s", "--speed", "1", "--out", tmp_path / "j", "--set", "run.warmup=20s"
    )
    assert d["synthetic"]
    assert d["market_events"] > 100
    assert any("synthetic" in w for w in d["warnings"])
    assert answer(capsys, "replay", tmp_path / "j", "--verify")["identical"]


def test_paper_on_frames(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path / "control"))
    (tmp_path / "f").write_bytes(frames(300)[0])
    sets = ["--set", "bars.interval=1s", "--set", "risk.volatility_target=200 %"]
    code = bot4(
        "run",
        "--frames",
        tmp_path / "f",
        "--speed",
        "0",
        "--out",
        tmp_path / "j",
        "--strategy",
        "quoter",
        *sets,
    )
    assert code in (0, None)
    assert "ended by" in capsys.readouterr().out
    assert answer(capsys, "replay", tmp_path / "j", "--verify")["identical"]
    (tmp_path / "empty").write_bytes(b"")
    assert bot4("run", "--frames", tmp_path / "empty", "--out", tmp_path / "k") in (2, 3)


def paper(tmp_path, bars, speed=0.0, duration=None, show=None, clock=None, sets=()):
    settings = load_config(None, [*EASY, *sets])
    chosen = choose("hybrid")
    task = Backtest(bars, settings.values, settings.to_json(), chosen, load(None), 7)
    session, feed, _ = task.session(FakeJournal())
    clock = clock or FakeClock(10**18)
    switch = KillSwitch(tmp_path / "stop", clock, FakeAlarm(), max_missed=10**6)
    source = RecordedSource(iter(feed), scene.START)
    return Paper(session, source, clock, switch, speed, 0, duration, show or (lambda now, up: None)), switch


def test_paper_ends_with_its_data(tmp_path, bars):
    run, _ = paper(tmp_path, bars)
    limit, why, _ = run.run()
    assert why == "end of data"
    assert limit >= scene.START + 600 * scene.MINUTE
    assert run.session.counts()["market_events"] >= 600


def test_paper_equals_the_backtest_of_its_data(tmp_path, bars):
    """Fed minute by minute or at once: the same trades, or paper would promise something else."""
    run, _ = paper(tmp_path, bars)
    run.run()
    settings = load_config(None, EASY)
    task = Backtest(bars, settings.values, settings.to_json(), choose("hybrid"), load(None), 7)
    result = task.run(FakeJournal())
    mine = run.session.results()
    for key in ("decision_hash", "orders", "fills", "pnl_net", "fees", "gap_loss"):
        assert mine[key] == result[key], key


def test_paper_ends_when_the_time_is_up(tmp_path, bars):
    seen = []
    run, _ = paper(
        tmp_path, bars, speed=600.0, duration=10 * 10**9, show=lambda now, up: seen.append((now, up))
    )
    limit, why, _ = run.run()
    assert why == "time is up"
    assert limit == pytest.approx(scene.START + 6000 * 10**9, rel=1e-6)
    assert seen[-1][1] == pytest.approx(10, abs=0.1)
    assert [b for b, _ in seen] == sorted(b for b, _ in seen)


def test_a_kill_flattens_and_ends_the_paper(tmp_path, bars):
    held = []

    def show(now, up):
        if (run.session.engine.ledger.positions["qty"] != 0).any() and not switch.latched:
            held.append(now)
            switch.trip(detail="a test")

    run, switch = paper(tmp_path, bars, show=show, sets=("venue.latency=constant",))
    _, why, _ = run.run()
    assert why == "kill switch"
    assert held
    assert run.session.counts()["mode"] == "emergency"
    assert (
        len(run.session.engine.orders.table[np.isin(run.session.engine.orders.table["status"], (1, 2, 3))])
        <= 1
    )


def test_the_observer_tells_what_stands_in_the_engine(tmp_path, bars):
    looks = []
    run, _ = paper(tmp_path, bars, show=lambda now, up: looks.append(observer.snapshot(now, up)))
    observer = Observer(run.session, synthetic=False, strategy="hybrid", speed=0.0, duration_s=60.0)
    run.run()
    last = looks[-1]
    account = last["account"]
    assert account["equity"] == pytest.approx(run.session.results()["equity_end"], rel=1e-3)
    assert last["currency"] == "USDT"
    assert last["market"][0]["last"] == pytest.approx(float(scene.walk(600)[-1][4]))
    held = [s for s in looks if s["positions"]]
    assert held
    row = held[0]["positions"][0]
    assert row["stop"]
    assert row["target"]
    assert any(s["decisions"] for s in looks)
    assert {v["source"] for v in last["signals"][0]["votes"]}
    assert len(last["limits"]) == 4


# --- wiring --------------------------------------------------------------------------------


def test_folders_of_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "RUNS", tmp_path / "runs")
    first = bootstrap.journal_folder(None, "backtest")
    assert first.parent == tmp_path / "runs"
    assert bootstrap.journal_folder(tmp_path / "mine", "backtest") == tmp_path / "mine"
    for name in ("a-s", "a-s-2"):
        (tmp_path / name).mkdir()
    assert new_journal_folder(tmp_path, "a", "s").name == "a-s-3"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with (
        pytest.raises(StorageError, match="not empty"),
        bootstrap.new_journal(tmp_path / "full", load_config()),
    ):
        pass


@pytest.mark.parametrize(("minutes", "seconds"), [(300, 60), (299, 15), (75, 15), (25, 5), (5, 1), (0, 1)])
def test_the_bar_follows_the_span(minutes, seconds):
    assert bar_interval(load_config().values, minutes * scene.MINUTE) == seconds * scene.S
    assert bar_interval(load_config(None, ["bars.interval=7s"]).values, 0) == 7 * scene.S


def test_alarms_go_to_stderr(capsys):
    StderrAlarm().tell("info", "x [y]")
    assert capsys.readouterr().err == "info: x [y]\n"


def test_results_say_what_the_ledger_says(journal):
    refold = Refold.open(journal, JournalReader(journal).meta(), bootstrap.refold_of(journal, None).settings)
    session, _ = refold.run()
    stated = refold.end["summary"]
    results = session.results()
    assert {k: stated[k] for k in results} == results
