"""Snapshots, and the engine as it was: from zero, from a snapshot and a tail, after every kind of end."""

import random
import shutil

import numpy as np
import pytest
from tests.helpers.engine_scene import START, Scene, event, flat_bars

from bot4.engine.build import new_engine, new_simulator
from bot4.engine.live import LiveDriver
from bot4.engine.state import state_hash
from bot4.live import snapshots as snap
from bot4.live.recovery import epoch_of, read_tail, recover
from bot4.model import codes_nb as c
from bot4.model.errors import JournalError, StorageError
from bot4.ports import journal as port
from bot4.research.session import no_strategy
from bot4.signals.ml.trees_nb import empty_model
from bot4.storage.journal import FileJournal, JournalReader, Position

FIX = "strategy.fixed_size=0.5"
PRICE = 500_000


class Live:
    """A live driver on a journal on disk, with a venue that fills everything at once."""

    def __init__(self, folder, seed=1):
        scene = Scene(FIX, "safety.max_order_value=100000000")
        self.plan, self.settings = scene.plan, scene.settings
        self.folder = folder
        self.chance = random.Random(seed)
        self.engine = self.fresh()
        self.journal = FileJournal(folder)
        self.journal.append(port.META, {"kind": "live", "epoch": 1, "first_order": 1})
        self.bars = 0
        self.driver = LiveDriver(self.engine, self.sim(), self.journal, no_strategy(), cold=self._cold)

    def fresh(self):
        return new_engine(self.settings.values, self.plan, empty_model())

    def sim(self):
        return new_simulator(self.settings.values, self.plan)

    def _cold(self, inst):
        return self.chance.choice([None, 1.0, -1.0])

    def step(self):
        """One bar, the answers to what came of it, a timer."""
        self.bars += 1
        self.driver.market(flat_bars(self.bars, self.bars, PRICE + self.chance.randrange(-50, 50)))
        for order in self.driver.take():
            kind = c.EV_CANCELED if order["action"] == c.ACT_CANCEL else c.EV_ACK
            self.answer(kind, x=int(order["id"]), y=c.R_VENUE)
            if kind == c.EV_ACK and order["type"] == c.TYPE_MARKET:
                self.answer(
                    c.EV_FILL, x=int(order["id"]), price=PRICE, qty=int(order["qty"]), seq=int(order["id"])
                )
        self.driver.timer(self.driver.now + self.chance.randrange(10**9))

    def answer(self, kind, **fields):
        self.driver.fold(event(kind, self.driver.now, **fields))
        self.driver.take()

    def snapshot(self):
        self.journal.commit()
        notes = {"epochs": [{"epoch": 1, "first_order": 1}], "fills": ""}
        return snap.write_snapshot(self.folder, self.engine, self.journal.position, notes)

    def recovered(self, folder=None):
        engine = self.fresh()
        return engine, recover(folder or self.folder, engine, self.sim(), no_strategy())


@pytest.fixture
def live(tmp_path):
    made = Live(tmp_path / "j")
    yield made
    made.journal.release()


def test_rebuild_from_zero_and_snapshot_with_tail_equal_the_live_state(live):
    for k in range(60):
        live.step()
        if k in (20, 40):
            live.snapshot()
    live.journal.commit()
    assert live.engine.ledger.account[0]["n_fills"] >= 2
    engine, found = live.recovered()
    assert state_hash(engine) == state_hash(live.engine)
    assert found.from_snapshot > 0
    assert 0 < found.folded < live.driver.folded
    for path in live.folder.glob("snapshot-*"):
        path.unlink()
    engine, found = live.recovered()
    assert state_hash(engine) == state_hash(live.engine)
    assert (found.from_snapshot, found.folded) == (0, live.driver.folded)
    assert len(found.fills) == live.engine.ledger.account[0]["n_fills"]
    assert found.epochs == [{"epoch": 1, "first_order": 1}]


def test_every_place_of_the_end_is_recovered_to_the_last_commit(live, tmp_path):
    """Cut the file at many lengths: the state is always one that the run had been in."""
    hashes = {}
    for _ in range(25):
        live.step()
        hashes[live.driver.folded] = state_hash(live.engine)
        live.journal.commit()
    whole = (live.folder / "segment-000000.b4j").read_bytes()
    chance = random.Random(4)
    dropped = 0
    for cut in [len(whole)] + [chance.randrange(5000, len(whole)) for _ in range(25)]:
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "segment-000000.b4j").write_bytes(whole[:cut])
        engine, found = live.recovered(folder)
        pos = int(engine.clock[1])
        assert pos <= live.driver.folded
        dropped += found.dropped
        # the same place again, now by appending to it
        journal = FileJournal(folder, position=found.position)
        journal.append(port.META, {"epoch": 2, "first_order": 9})
        journal.close()
        again, more = live.recovered(folder)
        assert state_hash(again) == state_hash(engine)
        assert more.epochs[-1] == {"epoch": 2, "first_order": 9}
        if pos in hashes:
            assert state_hash(engine) == hashes[pos]
    assert dropped > 0


def test_a_damaged_snapshot_is_passed_over_and_a_foreign_one_too(live):
    for _ in range(12):
        live.step()
    first = live.snapshot()
    for _ in range(6):
        live.step()
    second = live.snapshot()
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 1
    second.write_bytes(bytes(data))
    live.step()
    live.journal.commit()
    engine, found = live.recovered()
    assert state_hash(engine) == state_hash(live.engine)
    assert found.folded > 6
    first.write_bytes(b"short")
    assert live.recovered()[1].from_snapshot == 0
    other = Scene(FIX, instruments=[Scene().plan.instruments[0]] * 2).engine
    assert snap.layout_of(other.core) != snap.layout_of(live.engine.core)


def test_a_snapshot_beyond_a_cut_journal_is_passed_over(live):
    for _ in range(12):
        live.step()
    live.snapshot()
    place = live.journal.position
    for _ in range(6):
        live.step()
    live.snapshot()
    live.journal.close()
    segment = live.folder / "segment-000000.b4j"
    segment.write_bytes(segment.read_bytes()[: place.offset])
    _, found = live.recovered()
    assert (found.folded, found.position) == (0, place)


def test_only_the_newest_snapshots_are_kept_and_a_full_disk_leaves_the_old_ones(live, monkeypatch):
    for _ in range(5):
        live.step()
        live.snapshot()
    names = sorted(p.name for p in live.folder.glob("snapshot-*"))
    assert len(names) == snap.KEEP

    def full(fd):
        raise OSError(28, "No space left on device")

    live.step()
    live.journal.commit()
    monkeypatch.setattr(snap.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        snap.write_snapshot(live.folder, live.engine, live.journal.position, {})
    assert sorted(p.name for p in live.folder.glob("snapshot-*.b4s")) == names


def test_a_journal_that_folds_otherwise_is_refused(live, monkeypatch):
    for _ in range(30):
        live.step()
    live.journal.commit()
    assert len(read_tail(live.folder, None).orders)
    live.settings = Scene("strategy.fixed_size=0.4").settings
    with pytest.raises(JournalError, match="does not fold to the orders"):
        live.recovered()


def test_positions_survive_json_and_segments(tmp_path):
    journal = FileJournal(tmp_path / "j", segment_bytes=300)
    places = []
    for k in range(12):
        journal.append(port.META, {"k": k})
        places.append(journal.position)
    journal.close()
    assert places[-1].segment > 1
    for k, place in enumerate(places):
        assert Position.from_json(place.to_json()) == place
        rest = [b.payload["k"] for b in JournalReader(tmp_path / "j", start=place).blocks()]
        assert rest == list(range(k + 1, 12))
    one = JournalReader(tmp_path / "j", start=places[2], last=places[5].sequence - 1)
    assert [b.payload["k"] for b in one.blocks()] == [3, 4, 5]
    again = FileJournal(tmp_path / "j", position=places[3])
    again.append(port.META, {"k": 99})
    again.close()
    assert [b.payload["k"] for b in JournalReader(tmp_path / "j").blocks()] == [0, 1, 2, 3, 99]
    bad = Position(0, 40, 1, bytes(32))
    with pytest.raises(JournalError, match=r"damaged header|does not match"):
        list(JournalReader(tmp_path / "j", start=bad).blocks())
    with pytest.raises(JournalError, match="it was cut"):
        list(JournalReader(tmp_path / "j", start=Position(0, 10**9, 1, bytes(32))).blocks())


def test_the_epoch_of_an_order():
    epochs = [{"epoch": 1, "first_order": 1}, {"epoch": 2, "first_order": 1}, {"epoch": 3, "first_order": 8}]
    assert [epoch_of(epochs, k) for k in (1, 7, 8, 9)] == [2, 2, 3, 3]


def test_orders_are_released_only_with_their_group(live):
    """Nothing is given out that is not followed by a COMMIT in the journal."""
    for _ in range(30):
        live.bars += 1
        live.driver.market(flat_bars(live.bars, live.bars, PRICE))
        rows = live.driver.take()
        if len(rows):
            break
    kinds = [b.kind for b in JournalReader(live.folder).blocks()]
    assert kinds[-1] == port.COMMIT
    assert port.ORDERS in kinds
    assert len(live.driver.take()) == 0
    assert np.array_equal(JournalReader(live.folder).gather(port.ORDERS)[-len(rows) :], rows)
    assert live.driver.now >= START
