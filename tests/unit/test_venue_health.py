"""Grades of a venue: boundaries, severity, speed of detection, and slow recovery."""

import pytest

from bot4.ports.clock import FakeClock
from bot4.venues.health import Health, HealthMonitor, grade

S = 10**9


@pytest.mark.parametrize(
    ("latency", "errors", "usage", "expected"),
    [
        (1000.0, 0.05, 0.80, Health.HEALTHY),
        (1000.1, 0.05, 0.80, Health.DEGRADED),
        (1000.1, 0.05, 0.801, Health.THROTTLED),
        (5000.0, 0.051, 0.99, Health.UNHEALTHY),
        (1.0, 0.051, 0.0, Health.UNHEALTHY),
        (float("nan"), 0.0, 0.0, Health.DEGRADED),
        (1.0, float("nan"), 0.0, Health.UNHEALTHY),
        (1.0, 0.0, float("nan"), Health.THROTTLED),
    ],
)
def test_the_severest_class_that_holds(latency, errors, usage, expected):
    assert grade(latency, errors, usage) is expected


def calls(monitor, clock, seconds, latency, ok, rate=10):
    """Calls at `rate` a second; seconds until the grade was first not healthy."""
    first = None
    for k in range(seconds * rate):
        clock.advance(S // rate)
        monitor.sample(latency, ok)
        if first is None and monitor.state() > Health.UNKNOWN:
            first = (k + 1) / rate
    return first


def test_nothing_is_said_before_twenty_samples():
    monitor = HealthMonitor(FakeClock())
    for _ in range(19):
        monitor.sample(9000.0, False)
    assert monitor.state() is Health.UNKNOWN
    monitor.sample(9000.0, False)
    assert monitor.state() is Health.UNHEALTHY


@pytest.mark.parametrize(
    ("latency", "ok", "expected"), [(20.0, False, Health.UNHEALTHY), (3000.0, True, Health.DEGRADED)]
)
def test_a_venue_that_breaks_is_seen_within_five_seconds(latency, ok, expected):
    clock = FakeClock()
    monitor = HealthMonitor(clock)
    calls(monitor, clock, 120, 20.0, True)
    assert monitor.state() is Health.HEALTHY
    assert calls(monitor, clock, 6, latency, ok) <= 5.0
    assert monitor.state() is expected


def test_recovery_takes_three_good_windows():
    clock = FakeClock()
    monitor = HealthMonitor(clock)
    calls(monitor, clock, 60, 20.0, True)
    monitor.usage(0.9)
    assert monitor.state() is Health.THROTTLED
    monitor.usage(0.1)
    calls(monitor, clock, 9, 20.0, True)
    assert monitor.state() is Health.THROTTLED
    calls(monitor, clock, 11, 20.0, True)
    assert monitor.state() is Health.HEALTHY


def test_silence_is_not_recovery():
    clock = FakeClock()
    monitor = HealthMonitor(clock)
    calls(monitor, clock, 5, 20.0, False)
    clock.advance(3600 * S)
    assert monitor.state() is Health.UNHEALTHY
