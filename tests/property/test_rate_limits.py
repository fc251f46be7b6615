"""The rate limiter: never above the limit in any window, the reserve, crashes, several processes."""

import os
import subprocess
import sys
import textwrap
from bisect import bisect_right
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.model.codes_nb import R_THROTTLED
from bot4.model.errors import StorageError
from bot4.ports.clock import FakeClock
from bot4.ports.venue import Throttled
from bot4.safety.system_clock import SystemClock
from bot4.venues.limits import Limit, Polling, RateLimiter, boot_id, predict_weight, slowed

S = 10**9
MS = 10**6
LIMITS = (Limit("weight", 2400, 60 * S), Limit("orders", 300, 10 * S))


def limiter(path, clock=None, limits=LIMITS, boot=lambda: 1):
    return RateLimiter(path / "v.limits", limits, clock or FakeClock(), boot)


class Windows:
    """An independent account: the sum over every window that ends at a call."""

    def __init__(self, limit):
        self.limit, self.held, self.sum, self.worst = limit, deque(), 0, 0

    def add(self, at, amount):
        self.held.append((at, amount))
        self.sum += amount
        while self.held[0][0] <= at - self.limit.window_ns:
            self.sum -= self.held.popleft()[1]
        self.worst = max(self.worst, self.sum)


def storm(path, calls):
    """Random calls as fast as they come; what every window saw, with and without the urgent ones."""
    clock = FakeClock(10**18)
    budget = limiter(path, clock)
    chance = np.random.default_rng(3)
    steps = (
        (chance.exponential(3 * MS, calls) * (1 + 20 * (chance.random(calls) < 0.02))).astype(int).tolist()
    )
    weights = chance.choice([1, 1, 1, 2, 5, 20], calls).tolist()
    urgents = (chance.random(calls) < 0.1).tolist()
    everything = [Windows(limit) for limit in LIMITS]
    plain = [Windows(limit) for limit in LIMITS]
    refused = 0
    for step, weight, urgent in zip(steps, weights, urgents):
        clock.advance(step)
        charges = {"weight": weight, "orders": 1}
        if budget.take(charges, urgent):
            refused += 1
            continue
        for kind, amount in enumerate((weight, 1)):
            everything[kind].add(clock.monotonic_ns(), amount)
            if not urgent:
                plain[kind].add(clock.monotonic_ns(), amount)
    budget.close()
    return everything, plain, refused


@pytest.mark.parametrize("calls", [60_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_no_window_ever_holds_more_than_the_limit(tmp_path, calls):
    """One million calls: pytest -m slow tests/property/test_rate_limits.py"""
    everything, plain, refused = storm(tmp_path, calls)
    assert refused > calls // 10  # the limit did bind
    for windows in everything:
        assert windows.worst <= windows.limit.amount
    for windows in plain:
        assert windows.worst <= 0.8 * windows.limit.amount
    # the buckets cost little of what may be used
    assert max(w.worst / w.limit.amount for w in everything) > 0.78


@given(st.lists(st.tuples(st.integers(0, 3 * S), st.integers(1, 30), st.booleans()), max_size=200))
def test_any_pattern_of_calls_keeps_the_limit(tmp_path_factory, calls):
    limits = (Limit("weight", 50, 2 * S),)
    clock = FakeClock()
    budget = limiter(tmp_path_factory.mktemp("limits"), clock, limits)
    seen = Windows(limits[0])
    for step, weight, urgent in calls:
        clock.advance(step)
        wait = budget.take({"weight": weight}, urgent)
        if wait == 0:
            seen.add(clock.monotonic_ns(), weight)
        elif weight <= 40:
            clock.advance(wait)
            assert budget.take({"weight": weight}, urgent) == 0, "the wait that was told was too short"
            seen.add(clock.monotonic_ns(), weight)
    assert seen.worst <= 50
    budget.close()


def test_a_cancel_passes_where_the_queue_is_full(tmp_path):
    budget = limiter(tmp_path)
    while budget.take({"weight": 1, "orders": 1}) == 0:
        pass
    assert budget.used("orders") == 240
    assert [budget.take({"weight": 1, "orders": 1}, urgent=True) for _ in range(60)] == [0] * 60
    assert budget.take({"weight": 1, "orders": 1}) > 0
    assert budget.take({"weight": 1, "orders": 1}, urgent=True) > 0  # the venue's own limit holds for all
    budget.close()


async def test_waiting_and_giving_up(tmp_path):
    budget = limiter(tmp_path, SystemClock(), (Limit("weight", 10, 50 * MS),))
    for _ in range(12):
        await budget.acquire({"weight": 1}, patience_ns=10 * S)
    with pytest.raises(Throttled) as error:
        for _ in range(9):
            await budget.acquire({"weight": 1})
    assert error.value.reason == R_THROTTLED
    assert 0 < error.value.wait_ns <= 52 * MS
    budget.close()


def test_429_stops_all_but_the_urgent_and_418_stops_all(tmp_path):
    clock = FakeClock()
    budget = limiter(tmp_path, clock)
    budget.block(30 * S, hard=False)
    assert budget.share() == 1.0
    assert [budget.take({"weight": 1}) > 0 for _ in range(1000)] == [True] * 1000
    assert budget.take({"weight": 1}, urgent=True) == 0
    budget.block(10 * S, hard=True)
    assert budget.blocked_ns() == 30 * S  # the longer one holds
    assert budget.take({"weight": 1}, urgent=True) == 30 * S
    clock.advance(30 * S)
    assert budget.blocked_ns() == 0
    assert budget.take({"weight": 1}) == 0
    budget.close()


def test_the_venues_count_is_taken_over(tmp_path):
    budget = limiter(tmp_path)
    budget.take({"weight": 100})
    budget.sync("weight", 90)
    assert budget.used("weight") == 100  # ours is ahead: calls under way
    budget.sync("weight", 1900)
    assert budget.used("weight") == 1900
    assert budget.share() == 1900 / 2400
    budget.sync("unheard of", 5)
    assert budget.take({"weight": 20}) == 0
    assert budget.take({"weight": 1}) > 0
    budget.close()


def test_a_process_that_died_half_way_leaves_a_sound_file(tmp_path):
    budget = limiter(tmp_path)
    budget.take({"weight": 100})
    budget._words[5] = 1  # as if killed between two writes of a charge
    budget._words[9] = 7
    other = limiter(tmp_path)
    assert other.used("weight") == 100
    budget.close()
    other.close()
    other.close()


def test_a_reboot_keeps_the_day_and_a_stepped_wall_clock_changes_nothing(tmp_path):
    limits = (Limit("orders", 100, 86_400 * S),)
    clock = FakeClock(10**18)
    clock.advance(50 * S)
    budget = limiter(tmp_path, clock, limits)
    budget.take({"orders": 80})
    clock.jump(-7200 * S)
    assert budget.take({"orders": 1}) > 0
    clock.jump(7200 * S)
    budget.take({"orders": 1})
    budget.close()
    after = FakeClock(clock.now_ns() + 3600 * S)  # monotonic from 0 again
    budget = limiter(tmp_path, after, limits, boot=lambda: 2)
    assert budget.used("orders") == 80
    after.advance(83_000 * S)
    assert budget.take({"orders": 1}) == 0 or budget.take({"orders": 1}) < 3000 * S
    budget.close()


def test_other_limits_start_a_new_file_and_a_folder_that_is_none_is_named(tmp_path):
    budget = limiter(tmp_path)
    budget.take({"weight": 5})
    budget.close()
    fewer = limiter(tmp_path, limits=LIMITS[:1])
    assert fewer.used("weight") == 0
    fewer.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="rate limits at"):
        limiter(tmp_path / "file")
    assert boot_id() >= 0


def test_six_processes_stay_under_eighty_percent(tmp_path):
    """Real processes on one file; the venue counts in windows of its own."""
    code = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from bot4.safety.system_clock import SystemClock
        from bot4.venues.limits import Limit, RateLimiter
        budget = RateLimiter(Path(sys.argv[1]), [Limit("weight", 600, 400_000_000)], SystemClock())
        end = time.monotonic_ns() + 1_500_000_000
        while (now := time.monotonic_ns()) < end:
            if budget.take({"weight": 5}) == 0:
                print(now, time.monotonic_ns(), sep=":")
        """
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    path = tmp_path / "shared.limits"
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env=env, text=True)
        for _ in range(6)
    ]
    outs = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 6
    stamps = sorted(tuple(map(int, text.split(":"))) for out in outs for text in out)
    assert sum(1 for out in outs if out) >= 2
    # windows wherever they start; a grant lies between its two stamps, and counts where both are inside
    worst = 0
    for k, (begin, _) in enumerate(stamps):
        end = begin + 400_000_000
        inside = stamps[k : bisect_right(stamps, (end, 0))]
        worst = max(worst, 5 * sum(1 for _, after in inside if after <= end))
    assert 400 < worst <= 480
    assert len(stamps) * 5 > 900


def test_predicted_weight_slows_and_refuses(capsys):
    polls = (Polling("open orders", 40, 1, False), Polling("trades", 5, 12), Polling("depth", 20, 1))
    assert predict_weight(polls, 10) == 40 + 600 + 200
    assert slowed(polls, 10, 2400) == 1.0
    assert slowed(polls, 50, 2400) == pytest.approx(1920 / 4040)
    with pytest.raises(Throttled, match="500 instruments"):
        slowed(polls, 500, 2400)
