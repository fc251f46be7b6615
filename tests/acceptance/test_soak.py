"""The soaks, small: the compressed market day in this process, the live stack in processes of its own.

The long forms: `python benchmarks/soak.py` (50 million events), `bot4 drill soak --for 24h`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot4.app import soak as live
from bot4.app.commands.drill import soak as command
from bot4.model.errors import ConfigError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import soak

    yield soak
    for name in ("soak", "common", "tick_backtest", "memory_and_start", "bars_sma"):
        sys.modules.pop(name, None)


def test_a_small_market_day_has_its_modes_breakers_and_kills(bench, tmp_path):
    tally = bench.soak(400_000, 2, tmp_path)
    found = bench.document(tally, 1.0, 1.0)
    assert bench.healthy(found), found
    assert found["events"] >= 400_000 and found["lives"] == 2
    assert list(tmp_path.glob("life-*")) == []


def test_a_mode_without_effect_is_found(bench, tmp_path):
    tally = bench.Tally()
    life = bench.Life(1, tmp_path, tally)
    life.driver.mode = lambda *asked, **more: None  # the word is lost
    for k in range(30):
        if k and k % bench.WORD_STEPS == 0:
            life.word(k // bench.WORD_STEPS - 1)
        tally.events += life.step(k)
    life.end()
    assert any("was asked for" in text for text in tally.faults)


def test_growth_is_judged_after_the_warm_up():
    def looks(rss, files=10, threads=4, step=600.0):
        return [
            live.Seen(k * step, 1, "run", int(mb * live.MB), files + (k > 16) * (files // 2), threads)
            for k, mb in enumerate(rss)
        ]

    flat = live.Tally(looks([100, 180, 190, 200, 200] + [200] * 15, files=0))
    found = live.judge(flat, 0.25)["run"]
    assert flat.wrong == [] and found["slope_is_judged"] and abs(found["slope_mb_an_hour"]) < 0.01
    leaks = live.Tally(looks([200 + k for k in range(20)], files=0))
    assert live.judge(leaks, 0.25)["run"]["slope_mb_an_hour"] == pytest.approx(6.0)
    assert ["memory of the run grows" in text for text in leaks.wrong] == [True]
    short = live.Tally(looks([200 + k for k in range(20)], files=0, step=1.0))
    assert not live.judge(short, 0.25)["run"]["slope_is_judged"] and short.wrong == []
    files = live.Tally(looks([200] * 20, files=40))
    live.judge(files, 0.25)
    assert ["more files" in text for text in files.wrong] == [True]
    assert live.judge(live.Tally(), 0.25)["exchange"]["looks"] == 0


def test_a_process_is_read_and_one_that_is_gone_is_none():
    seen = live.look(os.getpid(), 1.5, 2, "run")
    assert seen.rss > 10 * live.MB and seen.files > 2 and seen.threads >= 1
    assert live.look(2**22 + 1, 0.0, 1, "run") is None


def test_samples_are_written(tmp_path):
    live.write_samples(tmp_path / "s.csv", [live.Seen(1.0, 1, "run", 5_000_000, 7, 3)])
    assert (tmp_path / "s.csv").read_text().splitlines()[1] == "1.0,1,run,5.00,7,3"


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(ConfigError, match="at least 20 s"):
        command(for_="5s", seed=1, out=None, as_json=True)
    (tmp_path / "x").write_text("")
    with pytest.raises(ConfigError, match="is not empty"):
        command(for_="30s", seed=1, out=tmp_path, as_json=True)


def test_every_fault_is_one_that_the_exchange_knows():
    from bot4.venues.served.faults_plan import rules_of

    for name, (match, do) in live.FAULTS.items():
        assert len(rules_of({"rules": [{"name": name, "match": match, "do": do}]})) == 1


@pytest.mark.slow
def test_two_minutes_of_the_live_stack(tmp_path):
    environment = {**os.environ, "BOT4_CONTROL_DIR": str(tmp_path)}
    line = [sys.executable, "-m", "bot4.app.main", "drill", "soak", "--for", "2m", "--json"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == 0, (found, done.stderr)
    assert found["wrong"] == [] and found["kills"] == found["runs"] == 2
    assert {"pause", "reduce", "emergency", "resume"} <= set(found["words"])
