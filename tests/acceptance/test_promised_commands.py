"""The commands exactly as they are promised, each as a user types it."""

import json
import os
import sys
from pathlib import Path

import pytest

from bot4.app.commands.run import _generative
from bot4.model.errors import SafetyError
from bot4.model.times import instant_ns
from bot4.ports.journal import FakeJournal
from bot4.research.session import choose, load
from bot4.storage.journal import JournalReader
from bot4.storage.lake import Dataset

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import markets as m

ROWS = m.walk(1500, seed=11)  # more than a day, so that a Sharpe ratio is defined
LIVELY = {"vol": 40.0}
BACKTEST = {
    "events": int,
    "decisions": int,
    "orders": int,
    "fills": int,
    "refused": dict,
    "fees": float,
    "funding": float,
    "pnl_net": float,
    "return_net": float,
    "sharpe": float,
    "max_drawdown": float,
    "equity_start": float,
    "equity_end": float,
    "events_per_second": float,
    "state_hash": str,
    "journal": str,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def data(home):
    return m.bar_data(home / "bars", ROWS)


@pytest.fixture(scope="module")
def run(home, data):
    """One backtest with trades."""
    answer = m.bot4("backtest", "--data", data.folder, "--seed", 7, "--json", "--out", home / "journal")
    assert answer.code == 0, answer.err
    assert answer.err == ""
    return answer.doc


def typed(doc, fields):
    for name, kind in fields.items():
        assert name in doc, name
        assert isinstance(doc[name], kind), (name, doc[name])
        assert not isinstance(doc[name], bool)


# --- data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("perp", [True, False], ids=["binance-usdm", "binance-spot"])
def test_import_frames(tmp_path, perp):
    venue = "binance-usdm" if perp else "binance-spot"
    file = m.frame_file(tmp_path / "frames.gz", seconds=20, perp=perp)
    lines = len(list(m.frame_lines(seconds=20, perp=perp)))
    out = tmp_path / "d"
    answer = m.bot4("data", "import", "--venue", venue, file, "--out", out, "--json")
    assert answer.code == 0, answer.err
    doc = answer.doc
    typed(doc, {"frames": int, "events": int, "gaps": int, "rejected": int, "seconds": float})
    assert (doc["frames"], doc["gaps"], doc["rejected"], doc["crossed"]) == (lines, 0, 0, 0)
    assert doc["events"] == Dataset.open(out).rows > lines
    assert doc["instruments"] == ["BTC-USDT-PERP" if perp else "BTC-USDT"]
    again = m.bot4("data", "import", "--venue", venue, file, "--out", out, "--json")
    assert again.code == 0
    assert again.doc["events"] == 0  # the same file adds nothing
    assert Dataset.open(out).rows == doc["events"]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_import_bars_of_every_form_gives_the_same_run(tmp_path, data, run, name):
    file = m.write_bars(tmp_path / name, ROWS)
    call = ("data", "import", "--bars", file, "--instrument", "BTC-USDT", "--timeframe", "1m")
    answer = m.bot4(*call, "--out", tmp_path / "d", "--json")
    assert answer.code == 0, answer.err
    doc = answer.doc
    typed(doc, {"frames": int, "events": int, "gaps": int, "rejected": int, "seconds": float})
    assert (doc["frames"], doc["events"], doc["gaps"], doc["rejected"]) == (len(ROWS), len(ROWS), 0, 0)
    assert Dataset.open(tmp_path / "d").instruments == data.instruments
    back = m.bot4("backtest", "--data", tmp_path / "d", "--seed", 7, "--json", "--out", tmp_path / "j")
    assert back.doc["state_hash"] == run["state_hash"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_several_files_of_bars_in_any_order_are_one_data_set(tmp_path, run, order):
    cuts = (0, 500, 800, len(ROWS))
    names = ("y1.parquet", "y2.csv", "y3.csv.gz")
    files = [m.write_bars(tmp_path / n, ROWS[a:b]) for n, a, b in zip(names, cuts, cuts[1:])]
    out = tmp_path / "d"
    call = ("--instrument", "BTC-USDT", "--timeframe", "1m", "--out", out, "--json")
    total = 0
    for k in order:
        total += m.bot4("data", "import", "--bars", files[k], *call).doc["events"]
    assert total == Dataset.open(out).rows == len(ROWS)
    back = m.bot4("backtest", "--data", out, "--seed", 7, "--json", "--out", tmp_path / "j").doc
    for key in ("state_hash", "decision_hash", "pnl_net", "fills"):
        assert back[key] == run[key], key
    together = [x for f in files for x in ("--bars", f)]
    at_once = m.bot4("data", "import", *together, *call[:-2], tmp_path / "e", "--json").doc
    assert at_once["events"] == len(ROWS)


def test_data_list_and_check(data):
    listed = m.bot4("data", "list", data.folder, "--json")
    assert listed.code == 0
    row = listed.doc["instruments"][0]
    assert (row["symbol"], row["rows"], row["tick"]) == ("BTC-USDT", len(ROWS), "0.1")
    assert row["first"] == (m.START + 60) * m.S
    checked = m.bot4("data", "check", data.folder, "--json")
    assert checked.code == 0, checked.err
    assert json.dumps(checked.doc)
    for command in ("list", "check"):
        table = m.bot4("data", command, data.folder)
        assert table.code == 0
        assert "BTC" in table.out or "events" in table.out


# --- backtest, replay ----------------------------------------------------------------------------


def test_backtest_fields(run, home):
    typed(run, BACKTEST)
    assert run["fills"] > 20
    assert run["orders"] >= run["fills"] // 2
    assert run["equity_end"] - run["equity_start"] == pytest.approx(run["pnl_net"])
    assert run["return_net"] == pytest.approx(run["pnl_net"] / run["equity_start"])
    assert run["fees"] > 0
    assert len(run["state_hash"]) == 64
    assert Path(run["journal"]) == home / "journal"
    assert not run.get("synthetic")
    assert all(isinstance(n, int) for n in run["refused"].values())


def test_backtest_for_people(home, data, run):
    answer = m.bot4("backtest", "--data", data.folder, "--out", home / "people")
    assert answer.code == 0
    flat = "".join(answer.out.split())
    assert run["state_hash"] in flat
    assert f"{run['pnl_net']:,.2f}" in flat
    assert "no model" in answer.err


def test_same_seed_in_two_processes_is_the_same_run(home, data, run):
    hashes = []
    for name, seed in (("p1", 7), ("p2", 7), ("p3", 8)):
        made = m.process(
            "backtest",
            "--data",
            data.folder,
            "--strategy",
            "hybrid",
            "--seed",
            seed,
            "--json",
            "--out",
            home / name,
        )
        assert made.code == 0, made.err
        typed(made.doc, BACKTEST)
        hashes.append(made.doc["state_hash"])
        assert m.bot4("replay", home / name, "--verify", "--json").doc["identical"] is True
    assert hashes[0] == hashes[1] == run["state_hash"]


def test_replay(home, run):
    answer = m.bot4("replay", home / "journal", "--verify", "--json")
    assert answer.code == 0
    assert answer.err == ""
    doc = answer.doc
    typed(doc, {"decisions": int, "state_hash": str})
    assert doc["identical"] is True
    assert (doc["decisions"], doc["state_hash"]) == (run["decisions"], run["state_hash"])
    plain = m.bot4("replay", home / "journal", "--json")
    assert plain.doc["state_hash"] == run["state_hash"]
    told = m.bot4("replay", home / "journal", "--verify")
    assert "identical" in told.out


def test_replay_finds_a_data_set_that_has_moved(tmp_path, run, data):
    moved = tmp_path / "moved"
    back = tmp_path / "d"
    m.bar_data(back, ROWS)
    m.bot4("backtest", "--data", back, "--json", "--out", tmp_path / "j")
    back.rename(moved)
    lost = m.bot4("replay", tmp_path / "j", "--verify", "--json")
    assert lost.code == 3
    assert "--data" in lost.doc["error"]
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json", "--data", moved).doc["identical"] is True
    other = m.bar_data(tmp_path / "other", m.walk(100, seed=3))
    wrong = m.bot4("replay", tmp_path / "j", "--verify", "--json", "--data", other.folder)
    assert wrong.code == 3
    assert "hash" in wrong.doc["error"]


def test_a_span_of_the_data(tmp_path, data):
    call = ("backtest", "--data", data.folder, "--json")
    part = m.bot4(
        *call, "--start", "2024-06-01T02:00:00Z", "--end", "2024-06-01T06:00:00Z", "--out", tmp_path / "j"
    )
    assert part.code == 0, part.err
    assert 238 <= part.doc["market_events"] <= 241
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json").doc["identical"] is True
    empty = m.bot4(*call, "--start", "2031-01-01", "--out", tmp_path / "k")
    assert empty.code == 3
    bad = m.bot4(*call, "--start", "yesterday", "--out", tmp_path / "k2")
    assert bad.code == 2
    assert "2024-08-08T23:55:00Z" in bad.doc["error"]


@pytest.mark.parametrize("strategy", ["trend_cross", "Momentum", "Declared", "reversal", "NotANumber"])
def test_every_kind_of_strategy_runs_and_replays(tmp_path, data, strategy):
    spec = strategy if strategy == "trend_cross" else f"{m.STRATEGIES}:{strategy}"
    run = m.bot4("backtest", "--data", data.folder, "--strategy", spec, "--json", "--out", tmp_path / "j")
    assert run.code == 0, run.err
    assert (run.doc["fills"] > 0) == (strategy != "NotANumber")
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json").doc["identical"] is True
    assert m.bot4("report", tmp_path / "j", "--out", tmp_path / "r.html").code == 0


def test_whole_number_volumes_can_be_traded(tmp_path):
    rows = [(*r[:5], float(10 + k % 7)) for k, r in enumerate(ROWS)]
    data = m.bar_data(tmp_path / "d", rows)
    doc = m.bot4("backtest", "--data", data.folder, "--json", "--out", tmp_path / "j").doc
    assert doc["fills"] > 20, doc["refused"]
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json").doc["identical"] is True


# --- train, model --------------------------------------------------------------------------------


def test_train_backtest_with_the_model_and_why_shows_its_probability(home, data):
    pytest.importorskip("sklearn", reason="training needs the extra ml")
    model = home / "model"
    trained = m.bot4("train", "--data", data.folder, "--out", model, "--folds", "3", "--json")
    assert trained.code == 0, trained.err
    assert trained.doc["model"] == str(model)
    assert len(trained.doc["folds"]) == 3
    assert len(trained.doc["trees_sha256"]) == 64
    back = m.bot4("backtest", "--data", data.folder, "--model", model, "--json", "--out", home / "with")
    assert back.code == 0, back.err
    assert not [w for w in back.doc["warnings"] if "no model" in w]
    late = m.bot4("why", home / "with", "--at", "2024-06-01T18:00:00Z", "--json")
    assert late.code == 0, late.err
    fusion = late.doc["instruments"][0]["fusion"]
    assert 0.0 < fusion["probability"] < 1.0
    assert fusion["c_ml"] is not None
    assert str(model) in fusion["model"]
    assert m.bot4("replay", home / "with", "--verify", "--json").doc["identical"] is True


# --- why -----------------------------------------------------------------------------------------


def test_why_an_order(home, run):
    answer = m.bot4("why", home / "journal", "--order", 1, "--json")
    assert answer.code == 0, answer.err
    doc = answer.doc
    assert doc["order"]["id"] == 1
    assert doc["order"]["purpose"] == "entry"
    assert doc["order"]["fills"]
    assert doc["decision"]["outcome"] == "enter"
    look = doc["instruments"][0]
    assert look["fusion"]["probability"] is None
    assert "no model" in look["fusion"]["model"]
    assert any(v["direction"] for v in look["votes"])
    assert {"max_order", "max_position"} <= doc["account"]["limits"].keys()
    assert look["chain"]
    assert look["inputs"]["rsi_14"] is not None
    absent = m.bot4("why", home / "journal", "--order", 10**9, "--json")
    assert absent.code == 3
    assert "1 to" in absent.doc["error"]


def test_why_a_trade_and_an_instant(home, run):
    trade = m.bot4("why", home / "journal", "--trade", 1, "--json")
    assert trade.code == 0, trade.err
    assert trade.doc["trade"]["number"] == 1
    assert trade.doc["order"]["purpose"] == "entry"
    assert m.bot4("why", home / "journal", "--trade", 10**6, "--json").code == 3
    at = m.bot4("why", home / "journal", "--at", "2024-06-01T12:00:00Z", "--json")
    assert at.code == 0, at.err
    assert at.doc["instruments"][0]["instrument"] == "BTC-USDT"
    seen = at.doc["instruments"][0]["market"]
    assert seen["bars"] == 720
    assert instant_ns(seen["last_event"]) <= instant_ns("2024-06-01T12:00:00Z")
    assert seen["last"] == pytest.approx(ROWS[719][4])
    for call in (("--order", 1), ("--trade", 1), ("--at", "2024-06-01T12:00:00Z")):
        people = m.bot4("why", home / "journal", *call)
        assert people.code == 0
        assert "BTC-USDT" in people.out
    for wrong in ((), ("--order", 1, "--trade", 1)):
        answer = m.bot4("why", home / "journal", *wrong, "--json")
        assert answer.code == 2
        assert "--at" in answer.doc["error"]
    assert m.bot4("why", home / "journal", "--at", "noon", "--json").code == 2


# --- report, doctor, config, run -----------------------------------------------------------------


def test_report(home, run, tmp_path):
    page = tmp_path / "report.html"
    answer = m.bot4("report", home / "journal", "--out", page)
    assert answer.code == 0, answer.err
    assert str(page) in "".join(answer.out.split())
    text = page.read_text(encoding="utf-8")
    assert text.lstrip().lower().startswith("<!doctype html")
    assert "</html>" in text
    assert "<script src" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    doc = m.bot4("report", home / "journal", "--out", page, "--json").doc
    assert doc["report"] == str(page)
    assert doc["bytes"] == page.stat().st_size
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_doctor():
    answer = m.bot4("doctor", "--json")
    assert json.dumps(answer.doc)
    assert answer.code == 0, answer.doc
    assert m.bot4("doctor").out


def test_config_show(tmp_path):
    doc = m.bot4("config", "show", "--json").doc
    assert doc["risk.max_position"]["value"] == "2 %"
    assert doc["risk.max_position"]["source"] == "default"
    file = tmp_path / "bot4.toml"
    file.write_text('[risk]\nmax_position = "1 %"\n[journal]\nfsync = "close"\n')
    doc = m.bot4("config", "show", "--config", file, "--set", "fees.maker=1 bp", "--json").doc
    assert (doc["risk.max_position"]["value"], doc["risk.max_position"]["source"]) == ("1 %", str(file))
    assert (doc["fees.maker"]["value"], doc["fees.maker"]["source"]) == ("1 bp", "--set")
    assert {"value", "default", "unit", "source", "about"} <= doc["journal.fsync"].keys()
    table = m.bot4("config", "show")
    assert table.code == 0
    assert "risk.max" in table.out


def test_run_on_the_synthetic_market_in_its_own_process(tmp_path):
    made = m.process(
        "run",
        "--for",
        "2s",
        "--json",
        "--out",
        tmp_path / "j",
        "--set",
        "run.warmup=30m",
        BOT4_CONTROL_DIR=tmp_path,
    )
    assert made.code == 0, made.err
    doc = made.doc
    typed(doc, {k: v for k, v in BACKTEST.items() if k != "sharpe"})
    assert doc["sharpe"] is None or isinstance(doc["sharpe"], float)
    assert doc["synthetic"] is True
    assert any("synthetic" in w for w in doc["warnings"])
    assert doc["ended_by"] == "time is up"
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json").doc["state_hash"] == doc["state_hash"]
    assert list((tmp_path / "bot4-control").iterdir()) == []


def test_run_on_bars_and_for_people(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    file = m.write_bars(tmp_path / "b.csv", ROWS)
    answer = m.bot4(
        "run",
        "--bars",
        file,
        "--instrument",
        "BTC-USDT",
        "--timeframe",
        "1m",
        "--out",
        tmp_path / "j",
        "--json",
    )
    assert answer.code == 0, answer.err
    assert answer.doc["ended_by"] == "end of data"
    assert answer.doc["market_events"] == len(ROWS)
    assert not answer.doc["synthetic"]
    assert any("inferred" in w for w in answer.doc["warnings"])
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json").doc["identical"] is True
    people = m.bot4("run", "--for", "1s", "--out", tmp_path / "k", "--set", "run.warmup=10m")
    assert people.code == 0, people.err
    assert "next: bot4 report" in people.out
    assert "synthetic" in people.err


def test_backtest_and_paper_take_the_same_decisions_on_the_same_bars(tmp_path, run, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    file = m.write_bars(tmp_path / "b.csv", ROWS)
    paper = m.bot4(
        "run", "--bars", file, "--timeframe", "1m", "--out", tmp_path / "j", "--json", "--seed", 7
    ).doc
    for key in ("orders", "fills", "fees", "pnl_net"):
        assert paper[key] == run[key], key


@pytest.mark.parametrize("strategy", ["quoter", "trend_cross"])
def test_backtest_and_paper_take_the_same_decisions_on_the_same_frames(tmp_path, monkeypatch, strategy):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    data = m.frame_data(tmp_path / "f", seconds=320, **LIVELY)
    call = ("--strategy", strategy, "--json", "--seed", 7)
    past = m.bot4("backtest", "--data", data.folder, *call, "--out", tmp_path / "b").doc
    live = m.bot4("run", "--frames", tmp_path / "f.gz", "--speed", 0, *call, "--out", tmp_path / "p").doc
    assert past["fills"] > 3
    for key in ("orders", "fills", "fees", "pnl_net"):
        assert live[key] == past[key], key


def test_the_synthetic_market_is_the_same_however_it_is_cut():
    hashes = set()
    for step in (20 * 10**6, 700 * 10**6, 60 * 10**9):
        session, source = _generative(m.defaults(), choose("quoter"), load(None), 7, FakeJournal())
        at, end = source.start_ns, source.start_ns + 60 * 10**9
        while at < end:
            at = min(end, at + step)
            session.driver.push(source.until(at), at)
        results = session.results()
        assert results["fills"] > 0
        hashes.add(results["state_hash"])
    assert len(hashes) == 1


def test_run_on_frames(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    file = m.frame_file(tmp_path / "f.gz", seconds=60, perp=False, **LIVELY)
    answer = m.bot4(
        "run",
        "--frames",
        file,
        "--venue",
        "binance-spot",
        "--speed",
        0,
        "--strategy",
        "quoter",
        "--out",
        tmp_path / "j",
        "--json",
    )
    assert answer.code == 0, answer.err
    assert answer.doc["ended_by"] == "end of data"
    assert answer.doc["orders"] > 0


def test_stop_without_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    answer = m.bot4("stop", "--json")
    assert answer.code == 4
    assert "nothing to stop" in answer.doc["error"]


# --- real data -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("venue", "name"), [("binance-usdm", "usdm"), ("binance-spot", "spot")])
def test_real_frames(tmp_path, venue, name):
    file = m.SHARED / f"data/market_ws/{name}_btcusdt_20240808.gz"
    if not file.exists():
        pytest.skip(f"the recorded frames are not at {file}")
    imported = m.bot4("data", "import", "--venue", venue, file, "--out", tmp_path / "d", "--json")
    assert imported.code == 0, imported.err
    assert (imported.doc["gaps"], imported.doc["rejected"]) == (0, 0)
    back = m.bot4(
        "backtest", "--data", tmp_path / "d", "--strategy", "quoter", "--json", "--out", tmp_path / "j"
    )
    assert back.code == 0, back.err
    assert back.doc["orders"] > 10
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json").doc["identical"] is True
    at = m.bot4("why", tmp_path / "j", "--at", "2024-08-08T23:55:00Z", "--json")
    assert at.code == 0, at.err
    assert at.doc["instruments"][0]["market"]["bid"] > 10_000


# --- exit codes ----------------------------------------------------------------------------------


def test_exit_codes_of_each_class_of_error(tmp_path, data, home, run, monkeypatch):
    out = ("--json", "--out", tmp_path / "x")
    here = ("backtest", "--data", data.folder, *out)
    cases = [
        (2, "ConfigError", (*here, "--set", "risk.max_positon=1 %")),
        (2, "ConfigError", ("run", "--for", "soon", "--json")),
        (2, "ConfigError", ("data", "import", "--out", tmp_path / "y", "--json")),
        (3, "DataError", ("backtest", "--data", tmp_path / "none", *out)),
        (3, "DataError", ("data", "list", tmp_path / "none", "--json")),
        (4, "StorageError", ("backtest", "--data", data.folder, "--json", "--out", home / "journal")),
        (5, "StrategyError", (*here, "--strategy", "nonsense")),
        (5, "StrategyError", (*here, "--strategy", f"{m.STRATEGIES}:Missing")),
        (6, "JournalError", ("replay", tmp_path / "none", "--json")),
        (6, "JournalError", ("report", tmp_path / "none", "--out", tmp_path / "r.html", "--json")),
        (6, "JournalError", ("why", tmp_path / "none", "--order", 1, "--json")),
    ]
    for code, kind, call in cases:
        answer = m.bot4(*call)
        assert (answer.code, answer.doc["kind"]) == (code, kind), call
        assert answer.doc["exit_code"] == code
        assert answer.doc["error"] in answer.err
        assert answer.err.startswith("bot4: ")
        assert "Traceback" not in answer.err
        quiet = m.bot4(*[a for a in call if a != "--json"])
        assert quiet.code == code
        assert quiet.out == ""
    assert m.bot4("backtest", "--no-such-option").code == 2
    assert m.bot4("nonsense").code == 2
    monkeypatch.setattr("bot4.research.session.conserved_nb", lambda ledger: False)
    broken = m.bot4("backtest", "--data", data.folder, "--json", "--out", tmp_path / "s")
    assert (broken.code, broken.doc["kind"]) == (SafetyError.exit_code, "SafetyError")
    assert list(JournalReader(tmp_path / "s").blocks())
    monkeypatch.setattr("bot4.app.bootstrap.settings_of", _interrupted)
    assert m.bot4("backtest", "--data", data.folder, "--json", "--out", tmp_path / "i").code == 130


def _interrupted(*_):
    raise KeyboardInterrupt


def test_help_names_the_exit_codes():
    answer = m.bot4("--help")
    assert answer.code == 0
    for word in ("Exit codes", "130", "backtest", "replay", "doctor"):
        assert word in answer.out
    assert m.bot4("--version").out.startswith("bot4 ")
    assert os.linesep in answer.out
