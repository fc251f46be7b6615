"""The operator and a run in its own process: modes by command, release by key, audit in the journal."""

import os
import subprocess
import sys
import time

import pytest

from bot4.app.commands.stop import running
from bot4.model.times import instant_text
from bot4.ports import journal as port
from bot4.storage.journal import JournalReader
from helpers import markets as m


@pytest.fixture
def alive(tmp_path, monkeypatch):
    """A paper run of its own process, alive and warm; ended by the kill switch at the latest."""
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    monkeypatch.setenv("BOT4_KEY_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("BOT4_RELEASE_PASSPHRASE", "five words drawn by dice")
    arguments = ["run", "--for", "120s", "--json", "--out", str(tmp_path / "j"), "--set", "run.warmup=1m"]
    with subprocess.Popen(
        [sys.executable, "-m", "bot4.app.main", *arguments, "--set", "safety.cooldown=1s"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    ) as process:
        end = time.monotonic() + 240
        while not (tmp_path / "bot4-control" / f"run-{process.pid}.inbox").is_dir():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < end
            time.sleep(0.1)
        yield process
        if running():
            m.bot4("stop")
        process.communicate(timeout=60)
    assert list((tmp_path / "bot4-control").iterdir()) == []


def test_modes_by_command_and_down_again_only_with_the_key(alive, tmp_path):
    assert m.bot4("mode", "pause", "--json").doc["text"] == "mode is pause"
    assert m.bot4("mode", "reduce").code == 7  # less severe: not by a bare command
    without = m.bot4("resume")
    assert without.code == 7
    assert "keys new" in without.err
    assert m.bot4("keys", "new").code == 0
    assert m.bot4("resume", "--release", "forged.forged").code == 7
    time.sleep(0.05)  # 180 market seconds a second: the cooldown of 1 s is over
    assert m.bot4("resume", "--json").doc == {"run": alive.pid, "accepted": True, "text": "mode is normal"}
    assert m.bot4("mode", "emergency").code == 0
    named = m.bot4("resume", "--for-run", "somebody-else", "--json").doc["release"]
    assert m.bot4("resume", "--release", named).code == 7
    assert m.bot4("mode", "faster").code == 2
    assert m.bot4("mode", "pause", "--run", "1").code == 4
    assert m.bot4("alarm", "ack", "--json").doc["text"] == "0 critical alarms acknowledged"
    assert m.bot4("stop").code == 0
    alive.wait(60)
    notes = [b.payload for b in JournalReader(tmp_path / "j").blocks(port.NOTE)]
    assert notes.pop()["what"] == "alarms acknowledged"
    changes = [(n["before"], n["asked"], n["after"], n["authorised"]) for n in notes]
    assert changes == [
        ("normal", "pause", "pause", False),
        ("pause", "reduce", "pause", False),
        ("pause", "normal", "normal", True),
        ("normal", "emergency", "emergency", False),
    ]
    assert all(n["by"] for n in notes)
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json").doc["identical"]


def test_a_part_is_stopped_by_command_and_released_with_the_key_and_the_run_goes_on(alive, tmp_path):
    symbol = "SYN-USDT-PERP"
    wrong = m.bot4("stop", "--symbol", "DOGE-USDT", "--json")
    assert wrong.code == 2
    assert f"it has instrument {symbol}" in wrong.err
    assert m.bot4("stop", "--strategy", "").code == 2  # an empty name is no order to stop everything
    assert "venue generative (synthetic)" in m.bot4("stop", "--venue", "binance-spot").err
    said = m.bot4("stop", "--symbol", symbol, "--symbol", "DOGE-USDT", "--json")
    assert said.code == 2  # the one that is there is stopped all the same
    assert [a["accepted"] for a in said.doc["answers"]] == [True, False]
    again = m.bot4("stop", "--symbol", symbol, "--run", str(alive.pid))
    assert again.code == 0
    assert "stopped already" in again.out
    assert m.bot4("stop", "--strategy", "hybrid", "--json").doc["answers"][0]["accepted"]
    assert m.bot4("keys", "new").code == 0
    assert m.bot4("resume", "--json").doc["text"] == "mode is normal"  # releases no part
    assert m.bot4("resume", "--symbol", symbol, "--strategy", "hybrid").code == 2
    time.sleep(0.05)  # 180 market seconds a second: the cooldown of 1 s is over
    assert m.bot4("resume", "--strategy", "hybrid", "--json").doc["text"] == "strategy hybrid is released"
    assert m.bot4("resume", "--strategy", "hybrid").code == 7
    assert m.bot4("stop", "--run", "1").code == 4
    assert m.bot4("stop", "--run", str(alive.pid)).code == 0
    alive.wait(60)
    kills = m.bot4("show", "kills", tmp_path / "j", "--json").doc["kills"]
    assert [(k["stopped"], k["reason"], bool(k["released"])) for k in kills] == [
        (f"instrument {symbol}", "command", False),
        ("strategy hybrid", "command", True),
        ("everything", "file", False),
    ]
    assert "everything" in m.bot4("show", "kills", tmp_path / "j").out
    last = next(b.payload for b in JournalReader(tmp_path / "j").blocks(port.END))
    end = last["summary"]
    assert end["stopped"] == [f"instrument {symbol}"]
    assert any("is stopped by a partial kill" in line for line in end["warnings"])
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json").doc["identical"]
    looks = m.bot4("why", tmp_path / "j", "--at", instant_text(last["limit"]), "--json").doc["instruments"]
    assert [look["stopped"]["by"] for look in looks] == ["killed_instrument"]


def test_without_a_run_every_command_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    for command in (["mode", "pause"], ["resume"], ["stop", "--symbol", "X"], ["resume", "--symbol", "X"]):
        answer = m.bot4(*command)
        assert answer.code == 4
        assert "no run of bot4 is alive" in answer.err
