"""The venue's clock: the formula, skew and drift, jumps of the wall clock, the refusal."""

import numpy as np
import pytest

from bot4.model.codes_nb import R_CLOCK
from bot4.ports.clock import FakeClock
from bot4.ports.venue import NotSent
from bot4.venues.clock_sync import ClockSync, delay_ns, offset_ns

MS = 10**6
S = 10**9


def test_the_formula_of_ntp():
    # sent at 0, there at 30 (their clock is 20 ahead: 10 on the way), answered at 35, back at 25
    assert offset_ns(0, 30, 35, 25) == 20
    assert delay_ns(0, 30, 35, 25) == 20


def measure(sync, clock, there, chance):
    """One exchange with a venue whose clock is `there(monotonic)`; delays with a long tail, not symmetric."""
    out, back = (int(d) for d in (2 * MS + chance.exponential(4 * MS, 2)))
    sent = clock.monotonic_ns()
    clock.advance(out)
    seen = there(clock.monotonic_ns()) // MS * MS + MS // 2  # the venue tells milliseconds
    clock.advance(back)
    sync.sample(sent, seen, seen, clock.monotonic_ns())


@pytest.mark.parametrize("skew_ms", [-500, 500])
@pytest.mark.parametrize("ppm", [-200, 200])
def test_skew_and_drift_are_followed_within_ten_ms(skew_ms, ppm):
    clock = FakeClock(1_700_000_000 * S)
    chance = np.random.default_rng(7)
    start = clock.now_ns() + skew_ms * MS

    def there(mono):
        return start + mono + mono * ppm // 1_000_000

    sync = ClockSync(clock, "v")
    worst = 0
    for _ in range(240):
        for _ in range(3):
            measure(sync, clock, there, chance)
        clock.advance(15 * S)
        worst = max(worst, abs(sync.venue_ns() - there(clock.monotonic_ns())))
    assert worst < 10 * MS
    assert sync.alarm()


def test_a_jump_of_the_wall_clock_moves_the_offset_but_not_the_venues_time():
    clock = FakeClock(1_700_000_000 * S)
    sync = ClockSync(clock, "v")
    sync.sample(0, clock.now_ns(), clock.now_ns(), 0)
    before = sync.venue_ns()
    clock.jump(400 * MS)
    assert sync.venue_ns() == before
    assert sync.offset_ns() == -400 * MS
    sync.require()
    clock.jump(600 * MS)
    with pytest.raises(NotSent) as error:
        sync.require()
    assert error.value.reason == R_CLOCK
    assert "NTP" in str(error.value)


def test_nothing_is_signed_before_the_clock_was_measured():
    sync = ClockSync(FakeClock(), "v")
    with pytest.raises(NotSent):
        sync.require()
    sync.sample(0, 5, 5, 0)
    assert sync.measured
    sync.forget()
    with pytest.raises(NotSent):
        sync.venue_ns()


def test_alarm_at_100_ms():
    clock = FakeClock()
    sync = ClockSync(clock, "v")
    sync.sample(0, 100 * MS - 1, 100 * MS - 1, 0)
    assert not sync.alarm()
    clock.jump(-1)
    assert sync.alarm()
