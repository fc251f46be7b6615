"""The guard's judgement, the heartbeat file, the mark of a kill, and the flattener against a venue in memory."""

import os
from decimal import Decimal

import pytest
from tests.helpers.approving import Approver
from tests.helpers.fake_venue import BTC, SYMBOL, FakeVenue

from bot4.execution.flatten import Flattener, Left, closing
from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError, SafetyError
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock
from bot4.ports.venue import PositionReport, Rules, VenueError
from bot4.safety.authority import NotAuthorised, Release, new_keys, private_key, sign
from bot4.safety.guard import Patience, Verdict, Watch
from bot4.safety.heartbeat import HeartbeatFile, HeartbeatReader, Sight
from bot4.safety.killswitch import KillSwitch
from bot4.safety.marker import KillMarker, account_name, marked

S = 10**9
WELL, LATE, SILENT, ENDED, GONE = Verdict.WELL, Verdict.LATE, Verdict.SILENT, Verdict.ENDED, Verdict.GONE


def seen(*steps, patience=None):
    """Verdicts over steps of (seconds, beats, latched, ended, alive)."""
    watch = Watch(patience or Patience(S, 3, 20 * S), 0)
    return [watch.look(Sight(b, bool(k), bool(e)), bool(a), int(t * S)) for t, b, k, e, a in steps]


def test_a_beating_run_is_well_and_three_missed_beats_are_silence():
    assert seen((0, 1, 0, 0, 1), (1, 2, 0, 0, 1), (4, 2, 0, 0, 1), (4.01, 2, 0, 0, 1)) == [
        WELL, WELL, WELL, SILENT,
    ]  # fmt: skip
    assert seen((0, 1, 0, 0, 1), (2.9, 2, 0, 0, 1), (5.8, 3, 0, 0, 1)) == [WELL] * 3


def test_a_run_that_has_not_begun_is_waited_for_and_a_dead_one_only_if_it_had_begun():
    assert seen((0, 0, 0, 0, 1), (900, 0, 0, 0, 1)) == [WELL, WELL]
    assert seen((0, 0, 0, 0, 1), (1, 0, 0, 0, 0)) == [WELL, GONE]
    assert seen((0, 5, 0, 0, 1), (0.1, 5, 0, 0, 0)) == [WELL, SILENT]


def test_an_orderly_end_is_left_alone_unless_the_run_was_killed():
    assert seen((0, 5, 0, 0, 1), (1, 6, 0, 1, 0)) == [WELL, ENDED]
    assert seen((0, 5, 0, 0, 1), (1, 6, 1, 1, 0)) == [WELL, LATE]


def test_a_raised_switch_gets_its_time_and_silence_still_counts():
    assert seen(*((t, t + 1, t > 0, 0, 1) for t in range(23))) == [WELL] * 22 + [LATE]
    assert seen((0, 1, 1, 0, 1), (3.5, 1, 1, 0, 1)) == [WELL, LATE]
    assert seen((0, 1, 1, 0, 1), (0.5, 1, 1, 0, 0)) == [WELL, LATE]


def test_a_heartbeat_that_cannot_be_read_is_no_sign_of_life():
    watch = Watch(Patience(S, 3, S), 0)
    assert watch.look(None, True, S) is WELL
    assert watch.look(None, True, 4 * S) is SILENT
    assert Watch(Patience(), 0).look(None, False, 1) is SILENT


@pytest.mark.parametrize("name", ["beat_ns", "missed", "within_ns"])
def test_patience_must_be_positive(name):
    with pytest.raises(ConfigError, match=name):
        Patience(**{name: 0})


# --- the file ------------------------------------------------------------------------------


def test_the_heartbeat_is_read_to_its_last_word(tmp_path):
    file = HeartbeatFile(tmp_path / "beat")
    with HeartbeatReader(tmp_path / "beat") as reader:
        assert reader.look() == Sight(0, False, False)
        file.show(Sight(7, True, True))
        file.close()
        assert reader.look() == Sight(7, True, True)
    assert not (tmp_path / "beat").exists()
    (tmp_path / "beat").write_text("nonsense")
    with HeartbeatReader(tmp_path / "beat") as reader:
        assert reader.look() is None


def test_an_engine_at_rest_owes_no_beats_and_says_so(tmp_path):
    file, clock = HeartbeatFile(tmp_path / "beat"), FakeClock()
    switch = KillSwitch(tmp_path / "stop", clock, FakeAlarm(), heartbeat=file)
    with HeartbeatReader(tmp_path / "beat") as reader:
        switch.beat()
        switch.rest()
        clock.advance(60 * S)
        switch.look()
        assert not switch.latched
        assert reader.look() == Sight(1, False, True)


def test_the_kill_switch_shows_beats_of_the_loop_not_of_its_own_thread(tmp_path):
    file = HeartbeatFile(tmp_path / "beat")
    switch = KillSwitch(tmp_path / "stop", FakeClock(), FakeAlarm(), heartbeat=file)
    with HeartbeatReader(tmp_path / "beat") as reader:
        for _ in range(5):
            switch.look()
        assert reader.look() == Sight(0, False, False)  # a blocked loop stands still
        switch.beat()
        switch.look()
        assert reader.look() == Sight(1, False, False)
        switch.trip(c.R_OPERATOR, "test")
        switch.look()
        assert reader.look() == Sight(1, True, False)
    file.close()


def test_a_heartbeat_that_cannot_be_written_is_told_once_and_does_not_stop_the_watch(tmp_path):
    file, alarm = HeartbeatFile(tmp_path / "beat"), FakeAlarm()
    switch = KillSwitch(tmp_path / "stop", FakeClock(), alarm, heartbeat=file)
    os.close(file._handle)
    switch.beat()
    switch.look()
    switch.look()
    assert [text for _, text in alarm.told if "a guard will see silence" in text] == [alarm.told[0][1]]
    assert not switch.latched


# --- the mark ------------------------------------------------------------------------------


def test_a_mark_stays_until_a_release_of_this_very_mark(tmp_path):
    state, keys = tmp_path / "state", tmp_path / "keys"
    new_keys(keys, "")
    marker = KillMarker(state, account_name("binance-usdm", "127.0.0.1:1", "key"))
    marker.require()
    marker.set("operator", 5)
    marker.set("later", 9)
    assert marker.read().why == "operator"
    assert marked(state) == [marker.account]
    with pytest.raises(SafetyError, match=f"bot4 release --account {marker.account}"):
        marker.require()

    def signed(run):
        return sign(private_key(keys, ""), Release(run, c.MODE_NORMAL, 0, 100, "me"))

    with pytest.raises(NotAuthorised):
        marker.lift(keys, signed(f"{marker.account}-4"), 50)
    with pytest.raises(NotAuthorised):
        marker.lift(keys, signed(marker.read().run), 101)
    assert marker.lift(keys, signed(marker.read().run), 50).by == "me"
    marker.require()
    with pytest.raises(SafetyError, match="nothing to release"):
        marker.lift(keys, signed("x"), 50)


def test_accounts_differ_by_venue_endpoint_and_key_and_a_damaged_mark_still_holds(tmp_path):
    names = {account_name(v, e, k) for v in "ab" for e in "cd" for k in "ef"}
    assert len(names) == 8
    marker = KillMarker(tmp_path, "a")
    marker.path.write_text("{")
    with pytest.raises(SafetyError, match="damaged"):
        marker.require()


# --- hands ---------------------------------------------------------------------------------


class Reduced(FakeVenue):
    """Remembers every order, and can fail."""

    def __init__(self):
        super().__init__()
        self.sent, self.cancelled, self.failing = [], [], False

    async def submit(self, order):
        self.sent.append(order)
        if self.failing:
            raise VenueError("no answer", c.R_NETWORK)
        return await super().submit(order)

    async def cancel_all(self, symbol):
        self.cancelled.append(symbol)
        for client_id in list(self.working()):
            await self.cancel(symbol, client_id)


def flattener(venue):
    notes = []
    hands = Flattener(venue, FakeClock(5), 1, notes.append)
    return hands, notes


@pytest.mark.parametrize("held", ["0.5", "-0.5"])
async def test_a_round_cancels_all_and_closes_reduce_only(held):
    venue = Reduced()
    await venue.connect()
    venue.move(Decimal(held), Decimal(50000))
    await venue.submit(Approver()(BTC, 1, "limit", 5, price=400_000))
    venue.sent.clear()
    hands, notes = flattener(venue)
    hands.learn(await venue.rules())
    found = await hands.round()
    assert str(found) == f"1 open orders, {held} {SYMBOL}"
    assert not await hands.look()
    assert venue.cancelled == [SYMBOL]
    assert [(o.intent.reduce_only, o.intent.type, o.intent.side) for o in venue.sent] == [
        (True, "market", -1 if held == "0.5" else 1)
    ]
    assert venue.sent[0].client_order_id.startswith("b4guard-1-")
    assert [n["what"] for n in notes] == ["cancelled all", "closed"]
    assert not await hands.round()
    assert len(venue.sent) == 1


async def test_a_lost_answer_is_noted_and_the_next_round_asks_anew():
    venue = Reduced()
    await venue.connect()
    venue.move(Decimal("0.5"), Decimal(50000))
    venue.failing = True
    hands, notes = flattener(venue)
    hands.learn(await venue.rules())
    assert await hands.round()
    assert notes[-1]["what"] == "close failed"
    venue.failing = False
    assert await hands.round()
    assert await hands.look() == Left()
    venue.silent = True
    with pytest.raises(VenueError):
        await hands.round()


async def test_what_the_venue_does_not_list_is_noted_and_left():
    venue = Reduced()
    await venue.connect()
    venue.move(Decimal("0.5"), Decimal(50000))
    hands, notes = flattener(venue)
    assert await hands.round()
    assert notes == [
        {"what": "close failed", "symbol": SYMBOL, "quantity": "0.5", "error": "the venue does not list it"}
    ]


def test_an_order_is_no_larger_than_the_venue_takes_and_never_opens():
    held = PositionReport(SYMBOL, Decimal("-7.0005"), None, None, None, 1, "cross")
    intent = closing(held, Rules(BTC, "trading", market_max_qty=Decimal(2)))
    assert (intent.side, intent.quantity.lots, intent.reduce_only) == (1, 2000, True)
    assert closing(held, Rules(BTC, "trading")).quantity.lots == 7000
