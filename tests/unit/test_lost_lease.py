"""A session whose place was taken by another instance adds no more risk, and says so once."""

from types import SimpleNamespace

from bot4.execution.lease import Lease
from bot4.live.session import LiveSession
from bot4.ports.alarm import FakeAlarm
from bot4.ports.lease import FakeLease, Holder


class Hand:
    now = 10**12

    def now_ns(self):
        return self.now

    def monotonic_ns(self):
        return self.now


def session(store, clock):
    """What `_keep_lease` sees of a session."""
    lease, alarm, stopped = Lease(store, "first", clock), FakeAlarm(), []
    assert lease.acquire() == ""
    desk = SimpleNamespace(stop_risk=lambda: stopped.append(True))
    made = SimpleNamespace(_p=SimpleNamespace(lease=lease, desk=desk, alarm=alarm), _lost_lease=False)
    return made, alarm, stopped


def test_a_lost_lease_stops_new_risk_and_is_told_once():
    store, clock = FakeLease(), Hand()
    made, alarm, stopped = session(store, clock)
    LiveSession._keep_lease(made)
    assert not stopped
    store.swap(store.read(), Holder("second", clock.now))
    clock.now += 11 * 10**9
    for _ in range(3):
        LiveSession._keep_lease(made)
    assert stopped == [True]
    assert [level for level, text in alarm.told if "another instance" in text] == ["critical"]


def test_without_a_lease_nothing_is_kept():
    made = SimpleNamespace(_p=SimpleNamespace(lease=None), _lost_lease=False)
    LiveSession._keep_lease(made)
    assert not made._lost_lease
