"""Joining snapshot and diffs: what is passed on is gapless, whatever is lost; what is whole is not refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.venues import depth_sync
from bot4.venues.depth_sync import DepthBroken, DepthSync


def diff(first, last, previous, at=0):
    """A diff of one level."""
    rows = np.zeros(2, EVENT_DTYPE)
    rows["kind"] = [c.EV_DEPTH_HEAD, c.EV_DEPTH]
    rows["seq"], rows["x"], rows["y"], rows["ts_local"] = last, [first, 0], [previous, 0], at
    return rows


def whole(last, at=0):
    rows = np.zeros(2, EVENT_DTYPE)
    rows["kind"] = [c.EV_SNAPSHOT_HEAD, c.EV_DEPTH]
    rows["seq"], rows["ts_local"] = last, at
    return rows


def trade():
    rows = np.zeros(1, EVENT_DTYPE)
    rows["kind"] = c.EV_TRADE
    return rows


def stream(futures, sizes):
    """Whole diffs, as spot (U = last u + 1) or futures (pu = last u, U anywhere behind it) numbers them."""
    made, last = [], 100
    for size in sizes:
        first = last + (3 if futures else 1)
        made.append((first, first + size, last if futures else -1))
        last = first + size
    return made


def ids(rows):
    return [int(r["seq"]) for r in rows if r["kind"] in (c.EV_DEPTH_HEAD, c.EV_SNAPSHOT_HEAD)]


@given(st.booleans(), st.lists(st.integers(0, 5), min_size=1, max_size=20), st.data())
def test_a_whole_stream_is_passed_on_from_the_snapshot_on(futures, sizes, data):
    diffs = stream(futures, sizes)
    early = data.draw(st.integers(0, len(diffs)))
    snapshot = data.draw(st.integers(100, diffs[-1][1]))
    sync = DepthSync()
    for d in diffs[:early]:
        assert not len(sync.feed(diff(*d)))
    joined = sync.snapshot(whole(snapshot, at=50))
    assert joined is not None
    assert (joined["ts_local"] >= 50).all()
    got = ids(joined) + [n for d in diffs[early:] for n in ids(sync.feed(diff(*d, at=60)))]
    assert got == [snapshot, *(last for _, last, _ in diffs if last > snapshot)]


@given(st.booleans(), st.lists(st.integers(0, 5), min_size=3, max_size=20), st.data())
def test_one_lost_diff_is_noticed(futures, sizes, data):
    diffs = stream(futures, sizes)
    lost = data.draw(st.integers(1, len(diffs) - 2))
    sync = DepthSync()
    assert sync.snapshot(whole(100)) is not None
    for d in diffs[:lost]:
        sync.feed(diff(*d))
    with pytest.raises(DepthBroken, match="does not follow"):
        sync.feed(diff(*diffs[lost + 1]))
    sync.restart()
    assert not sync.synced


def test_a_snapshot_older_than_the_first_diff_is_asked_for_again():
    for previous in (-1, 199):
        sync = DepthSync()
        sync.feed(diff(200, 205, previous))
        assert sync.heard
        assert sync.snapshot(whole(150)) is None
        assert sync.snapshot(trade()) is None
        assert sync.snapshot(np.zeros(0, EVENT_DTYPE)) is None
        assert not sync.synced
        assert ids(sync.snapshot(whole(202))) == [202, 205]


def test_several_diffs_and_trades_in_one_batch():
    sync = DepthSync()
    sync.snapshot(whole(100))
    batch = np.concatenate([diff(101, 102, -1), trade(), diff(103, 104, -1)])
    assert len(sync.feed(batch)) == 5
    assert len(sync.feed(trade())) == 1
    with pytest.raises(DepthBroken):
        sync.feed(np.concatenate([diff(105, 106, -1), diff(108, 109, -1)]))


def test_waiting_has_an_end(monkeypatch):
    monkeypatch.setattr(depth_sync, "MAX_WAITING", 3)
    sync = DepthSync()
    sync.feed(diff(1, 2, -1))
    with pytest.raises(DepthBroken, match="wait"):
        sync.feed(diff(3, 4, -1))
