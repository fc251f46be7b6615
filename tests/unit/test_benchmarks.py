"""The benchmarks' parity code on tiny input; nothing is timed."""

import itertools
import json
import sys
from pathlib import Path

import numba
import pytest

ROOT = Path(__file__).resolve().parents[2]
FRAMES = [
    b'1 {"lastUpdateId":100,"bids":[["60000.10","1.500"]],"asks":[["60000.20","0.700"],["60001.00","2.000"]]}',
    b'2 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT",'
    b'"U":99,"u":105,"pu":98,"b":[["60000.00","0.250"]],"a":[["60001.00","0.000"]]}}',
    b'3 {"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":106,"s":"BTCUSDT","b":"60000.10","B":"1.500",'
    b'"a":"60000.20","A":"0.700","T":1723161256313,"E":1723161256313}}',
    b'4 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":7,'
    b'"p":"60000.20","q":"0.006","X":"MARKET","m":false}}',
]
BASE = 1_723_161_255_000_000_000


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield
    for name in ("common", "bars_sma", "frames_to_decision", "gate", "table", "patterns"):
        sys.modules.pop(name, None)


def lines():
    return [str(BASE + int(line[:1]) * 10**6).encode() + line[1:] for line in FRAMES]


def test_frames_are_read_alike_and_a_changed_number_is_found(tmp_path):
    import frames_to_decision as bench

    path = tmp_path / "frames"
    path.write_bytes(b"\n".join(lines()) + b"\n")
    frames = bench.Frames(path)
    assert bench.parity(frames) == {"ok": True, "rows": 9, "rows_bot4": 9, "different": 0}
    frames.json[3] = frames.json[3].replace(b'"q":"0.006"', b'"q":"0.007"')
    assert bench.parity(frames)["different"] == 1


def test_bars_are_tiled_continuously_and_the_rule_is_read_plainly(tmp_path):
    import bars_sma as bench

    source, target = tmp_path / "few.csv", tmp_path / "many.csv"
    rows = [f"2022-01-01 00:{k:02d}:00,{100 + k},{101 + k},{99 + k},{101 + k},1" for k in range(60)]
    source.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]) + "\n")
    bench.tile(source, target, 180)
    table = [line.split(",") for line in target.read_text().splitlines()[1:]]
    assert len(table) == 180
    assert all(a[4] == b[1] or abs(int(a[4]) - int(b[1])) <= 1 for a, b in itertools.pairwise(table))
    entries, exits, _ = bench.plain_reading(target)
    assert entries[0] == 50  # rising from the start: long at the open after the fiftieth close
    assert len(exits) in (len(entries), len(entries) - 1)
    assert bench.agreement(([50], [90]), ([50], [70, 91], {90, 91})) == {
        "entries": 1,
        "entries_not_shared": 0,
        "exits": 1,
        "exits_not_shared": 1,
        "by_ties": 2,
    }


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="measures compiled code")
def test_every_tightened_limit_refuses_the_order():
    import gate as bench

    assert bench.refusals() == {name: reason for name, (_, reason) in bench.TIGHT.items()}
    assert bench.gate_many(bench.engine_with([]).core, 10, bench.START) == 10


@pytest.mark.jit
def test_the_exchange_and_the_plain_book_agree_and_a_difference_is_seen():
    import exchange as bench

    commands = bench.stream(800)
    got = bench.play(commands)
    same = bench.parity(commands, got)
    assert same["ok"]
    assert same["compared_fills"] > 100
    got["fills"][0] = (*got["fills"][0][:2], 1_000_000, True)
    assert not bench.parity(commands, got)["ok"]


def test_the_page_is_made_of_the_committed_results():
    import table

    found = {f.stem: json.loads(f.read_text()) for f in (ROOT / "benchmarks/results").glob("*.json")}
    page = table.page({name: found[name] for name in table.ORDER if name in found})
    assert page.count("## (") == len([n for n in table.ORDER if n in found])


def test_a_peer_that_is_not_there_is_reported_not_raised():
    import common

    missing = []
    assert common.start_peer(missing, {}, "hft", "hftbacktest", "tick_hftbacktest.py") is None
    assert common.start_peer(missing, {"hft": Path("/nowhere")}, "hft", "hftbacktest", "x.py") is None
    assert len(missing) == 2
    assert common.ratio([{"name": "bot4", "per_s_cpu": 10}], "bot4", "peer") is None


def test_the_page_of_patterns_is_written_between_its_marks(tmp_path):
    import patterns as bench

    page = tmp_path / "patterns.md"
    page.write_text("before\n<!-- rates -->\nold\n<!-- end of rates -->\nafter\n")
    bench.write_page("| new |\n", page)
    bench.write_page("| newer |\n", page)
    assert page.read_text() == "before\n<!-- rates -->\n\n| newer |\n\n<!-- end of rates -->\nafter\n"


def test_small_tables_of_patterns(tmp_path):
    import patterns as bench

    rows = bench.planted.walk(600, 1)
    harmonic, chart, sizes = bench.walks_noise(2)
    text = bench.tables(
        {
            "ns_a_bar": {"ichimoku": 100.0},
            "planted": 2,
            "sizes": sizes,
            "harmonic": bench.harmonic_detection(1),
            "harmonic_noise": harmonic,
            "elliott": bench.elliott_detection(1),
            "elliott_noise": bench.elliott_noise(rows),
            "chart": bench.chart_detection(1, 0.1),
            "chart_20": bench.chart_detection(1, 0.2),
            "chart_noise": chart,
            "real": {},
        }
    )
    assert "| gartley | 100.0 % |" in text and "| impulse |" in text and "| double_top |" in text
    assert "| `ichimoku` | 100 | 1000 |" in text
