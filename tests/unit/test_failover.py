"""Failing over: the choice, the feed that switches with a snapshot first, and one writer."""

import asyncio
import subprocess
import sys

import numpy as np
import pytest

from bot4.model.codes_nb import EV_DEPTH, EV_SNAPSHOT_HEAD, R_BOOK_INVALID, R_NETWORK
from bot4.model.errors import StorageError
from bot4.model.events import EVENT_DTYPE
from bot4.ports.venue import MarketBatch
from bot4.venues.failover import Candidate, FailoverFeed, WriterLease, choose, route
from bot4.venues.health import Health

H = Health


@pytest.mark.parametrize(
    ("healths", "current", "expected"),
    [
        ([H.HEALTHY, H.HEALTHY], None, "a"),
        ([H.HEALTHY, H.HEALTHY], "b", "b"),  # no moving for nothing
        ([H.DEGRADED, H.HEALTHY], "a", "b"),
        ([H.DEGRADED, H.DEGRADED], "b", "b"),
        ([H.UNHEALTHY, H.DEGRADED], "a", "b"),
        ([H.THROTTLED, H.UNKNOWN], "a", "b"),
        ([H.THROTTLED, H.UNHEALTHY], "a", None),
        ([H.UNKNOWN, H.UNKNOWN], None, "a"),
    ],
)
def test_choice(healths, current, expected):
    assert choose([Candidate(n, h) for n, h in zip("ab", healths)], current) == expected


def test_an_unreachable_venue_takes_no_new_risk_but_keeps_its_own_exits():
    candidates = [Candidate("a", H.HEALTHY, reachable=False), Candidate("b", H.HEALTHY)]
    assert choose(candidates, "a") == "b"
    assert route(candidates, "a", None) == "b"
    assert route(candidates, "b", "a") == "a"


def rows(kind, seq):
    made = np.zeros(2, EVENT_DTYPE)
    made["kind"] = [kind, EV_DEPTH]
    made["seq"] = seq
    return MarketBatch(made)


class Source:
    """A market source that fails as told, after `n` batches."""

    def __init__(self, first, n, end):
        self.first, self.n, self.end, self.opened, self.closed = first, n, end, 0, 0

    async def market(self, symbols):
        self.opened += 1
        try:
            yield rows(EV_SNAPSHOT_HEAD, self.first)
            for k in range(self.n):
                yield rows(EV_DEPTH, self.first + k + 1)
            if self.end == "gap":
                yield MarketBatch(None, R_BOOK_INVALID)
            if self.end != "ends":
                await asyncio.Event().wait()
        finally:
            self.closed += 1


@pytest.mark.parametrize(
    ("end", "reason"), [("gap", R_BOOK_INVALID), ("silent", R_NETWORK), ("ends", R_NETWORK)]
)
async def test_the_second_source_takes_over_with_its_own_snapshot(end, reason):
    first, second = Source(100, 3, end), Source(9000, 5, "silent")
    feed = FailoverFeed([("one", first.market), ("two", second.market)], patience_s=0.2)
    seen = []
    started = asyncio.get_running_loop().time()
    stream = feed.market(["X"])
    async for batch in stream:
        seen.append(batch)
        if len(seen) == 11:
            break
    took = asyncio.get_running_loop().time() - started
    await stream.aclose()
    assert took < 5  # patience, not a hang
    assert [b.events["seq"][0] if b.events is not None else None for b in seen] == [
        100, 101, 102, 103, None, 9000, 9001, 9002, 9003, 9004, 9005,
    ]  # fmt: skip
    assert seen[4].reason == reason
    assert seen[5].events["kind"][0] == EV_SNAPSHOT_HEAD
    assert feed.active == "two"
    assert feed.switches == [("one", "two")]
    assert (first.closed, second.closed) == (1, 1)


def test_a_feed_needs_a_source():
    with pytest.raises(ValueError):
        FailoverFeed([])


def test_one_writer_and_a_new_epoch_for_the_next(tmp_path):
    path = tmp_path / "state" / "account.writer"
    one, two = WriterLease(path), WriterLease(path)
    assert one.take()
    assert one.take()
    assert not two.take()
    assert one.epoch == 1
    code = (
        "import sys; from pathlib import Path; from bot4.venues.failover import WriterLease; "
        "print(WriterLease(Path(sys.argv[1])).take())"
    )
    told = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
    one.give_up()
    one.give_up()
    assert two.take()
    assert two.epoch == 2
    two.give_up()


def test_a_writer_that_dies_leaves_the_lease(tmp_path):
    path = tmp_path / "account.writer"
    code = (
        "import os, sys; from pathlib import Path; from bot4.venues.failover import WriterLease; "
        "lease = WriterLease(Path(sys.argv[1])); assert lease.take(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    lease = WriterLease(path)
    assert lease.take()
    assert lease.epoch == 2
    lease.give_up()


def test_a_lease_that_cannot_be_written_names_its_path(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="writer's lease"):
        WriterLease(tmp_path / "file" / "x").take()
