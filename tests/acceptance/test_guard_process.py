"""The guard against real processes: a run that is frozen, killed, or ends well, at the served exchange."""

import os
import signal
import subprocess

import pytest
from tests.helpers.process_scene import S, scene

from bot4.app.commands.guard import RunProcess, run_of, watched
from bot4.app.commands.stop import heartbeat_file
from bot4.model.errors import ConfigError, OperatorError, SafetyError
from bot4.safety.guard import Patience

pytestmark = pytest.mark.jit


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_run_that_falls_silent_is_flattened_and_cannot_wake_up(tmp_path, monkeypatch, number):
    async with scene(tmp_path, monkeypatch) as s:
        await s.start()
        guard = s.guarding()
        await s.watching()
        os.kill(s.process.pid, number)
        found = await guard
        assert found["acted"]
        assert found["flat_s"] < 5.0
        assert (s.lots(), s.orders()) == (0, [])
        assert s.process.wait(5) == -signal.SIGKILL
        assert found["why"] == "the process is dead" or "silent for 1." in found["why"]
        assert s.did()[:2] == ["watching", "acting"]
        assert s.did()[-1] == "flat"
        assert [level for level, _ in s.alarm.told] == ["critical", "critical"]
        with pytest.raises(SafetyError, match="bot4 release"):  # S1: a restart does not resume trading
            s.marker.require()
        again = subprocess.run(s.command(tmp_path / "j2"), capture_output=True, check=False)
        assert again.returncode == 7
        assert b"bot4 release --account" in again.stderr


async def test_a_run_that_ends_well_keeps_its_stop_and_the_guard_goes_home(tmp_path, monkeypatch):
    async with scene(tmp_path, monkeypatch) as s:
        await s.start("--for", "12s")
        guard = s.guarding(dead_man_ns=60 * S)
        await s.watching()
        assert (await guard) == {"run": s.process.pid, "ended": "ended", "acted": False}
        assert s.did() == ["watching", "the run has ended"]
        assert not s.lots() or s.orders()  # unless its target was reached meanwhile
        assert s.server.gateway.desks["usdm"].countdowns == {}
        assert s.alarm.told == []


async def test_a_killed_run_that_flattens_in_time_is_left_alone(tmp_path, monkeypatch):
    async with scene(tmp_path, monkeypatch) as s:
        await s.start()
        guard = s.guarding(Patience(S, 30, 30 * S))
        await s.watching()
        s.process.send_signal(signal.SIGTERM)
        found = await guard
        assert not found["acted"], (found, s.said())
        assert (s.lots(), s.orders()) == (0, [])
        assert s.marker.read().why == "SIGTERM"


def test_a_guard_wants_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match="no run trades from"):
        run_of(str(tmp_path / "j"))
    (tmp_path / "j.lock").write_text("4711\n")
    assert run_of(str(tmp_path / "j")) == 4711
    with pytest.raises(OperatorError, match="shows a heartbeat"), watched(os.getpid()):
        pass
    gone = RunProcess(2**22 - 3)
    assert not gone.alive
    gone.end()
    gone.close()
    assert heartbeat_file(5).name == "run-5.beat"
