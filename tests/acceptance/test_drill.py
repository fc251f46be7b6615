"""The kill drill, small: real processes, real SIGKILL, the served exchange. The long form by command:

bot4 drill kill --times 1000
"""

import asyncio
import json
import os
import random
import subprocess
import sys

import pytest

from bot4.app import drill
from bot4.app.commands.drill import kill
from bot4.app.commands.trade import open_venue, port_of
from bot4.model.errors import ConfigError


@pytest.mark.jit
def test_killed_at_random_instants_nothing_is_lost_or_doubled(tmp_path):
    environment = {**os.environ, "BOT4_CONTROL_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "bot4.app.main", "drill", "kill", "--times", "5", "--seed", "3", "--json"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert done.returncode == 0, (found, done.stderr)
    assert (found["kills"], found["lost"], found["doubled"], found["faults"]) == (5, 0, 0, [])
    assert found["replay"]["identical"]
    assert 0 < found["recovery_p50_s"] <= found["recovery_p99_s"]
    assert sum(found["by_mode"].values()) == 5


def test_blows_are_drawn_from_the_seed_and_fall_within_their_span():
    one, two = random.Random(5), random.Random(5)
    blows = [drill.draw(one, 2.0) for _ in range(400)]
    assert blows == [drill.draw(two, 2.0) for _ in range(400)]
    assert {b.mode for b in blows} == set(drill.MODES)
    assert max(b.delay_s for b in blows if b.mode == "after send") <= 0.004
    assert max(b.delay_s for b in blows if b.mode == "start") <= 2.0


def test_a_score_ranks_its_recoveries():
    score = drill.Score()
    assert score.quantile(0.5) == 0.0
    score.recovery_s = [3.0, 1.0, 2.0]
    assert (score.quantile(0.5), score.quantile(0.99)) == (2.0, 3.0)


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(ConfigError, match="--times 0"):
        kill(times=0, seed=1, out=None, as_json=True)
    (tmp_path / "journal").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        kill(times=1, seed=1, out=tmp_path, as_json=True)


@pytest.mark.parametrize(
    "endpoint",
    ["https://api.binance.com", "http://10.0.0.1:80", "http://127.0.0.1", "http://127.0.0.1:x", "nonsense"],
)
def test_endpoints_elsewhere_are_refused(endpoint):
    with pytest.raises(ConfigError, match="--endpoint"):
        port_of(endpoint)


def test_venues_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    for said, name in (("binance", "binance-usdm"), ("binance-spot", "binance-spot")):
        venue = open_venue(said, "http://127.0.0.1:9", "main")
        assert venue.name == name
        asyncio.run(venue.close())
    with pytest.raises(ConfigError, match="binance-usdm or binance-spot"):
        open_venue("kraken", "http://127.0.0.1:9", "main")
