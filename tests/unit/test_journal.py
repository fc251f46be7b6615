"""The journal on disk: what was appended is read, and any change of a byte is found."""

import os
import struct

import numpy as np
import pytest

from bot4.model.errors import JournalError, StorageError
from bot4.model.events import DECISION_DTYPE, EVENT_DTYPE, INPUT_DTYPE, ORDER_DTYPE
from bot4.ports import journal as port
from bot4.ports.journal import FakeJournal
from bot4.storage import journal as module
from bot4.storage.journal import FileJournal, JournalReader


def events(n, start=0):
    rows = np.zeros(n, EVENT_DTYPE)
    rows["ts_local"] = np.arange(start, start + n)
    return rows


def filled(folder, blocks=6, **kw):
    journal = FileJournal(folder, **kw)
    journal.append(port.META, {"kind": "test", "n": 1})
    for k in range(blocks):
        journal.append(port.MARKET, events(5, 10 * k))
        journal.append(port.ORDERS, np.zeros(k, ORDER_DTYPE))
        journal.commit()
    journal.append(port.END, {"limit": 9})
    journal.close()
    return folder


def segments(folder):
    return sorted(folder.glob("*.b4j"))


def test_what_is_appended_is_read(tmp_path):
    filled(tmp_path / "j", 4)
    reader = JournalReader(tmp_path / "j")
    kinds = [b.kind for b in reader.blocks()]
    assert kinds == [1, 2, 2, 4, 2, 4, 2, 4, 7]  # an empty array is no block
    assert [b.sequence for b in JournalReader(tmp_path / "j").blocks()] == list(range(len(kinds)))
    assert reader.torn_bytes == 0
    assert JournalReader(tmp_path / "j").meta() == {"kind": "test", "n": 1}
    rows = JournalReader(tmp_path / "j").gather(port.MARKET)
    assert rows["ts_local"].tolist() == [10 * k + i for k in range(4) for i in range(5)]
    assert len(JournalReader(tmp_path / "j").gather(port.EQUITY)) == 0
    assert [b.payload for b in JournalReader(tmp_path / "j").blocks(port.END)] == [{"limit": 9}]
    assert list(JournalReader(tmp_path / "j").headers()) == list(range(len(kinds)))


def test_segments_roll_and_chain(tmp_path):
    folder = filled(tmp_path / "j", 20, segment_bytes=1000)
    assert len(segments(folder)) > 5
    assert len(JournalReader(folder).gather(port.MARKET)) == 100
    segments(folder)[2].unlink()
    with pytest.raises(JournalError, match="segment 2 is missing, swapped or edited"):
        list(JournalReader(folder).blocks())


def test_swapped_segments_are_found(tmp_path):
    folder = filled(tmp_path / "j", 20, segment_bytes=1000)
    a, b = segments(folder)[1:3]
    one, two = a.read_bytes(), b.read_bytes()
    a.write_bytes(two)
    b.write_bytes(one)
    with pytest.raises(JournalError, match="swapped"):
        list(JournalReader(folder).blocks())


def test_any_flipped_bit_is_found_or_is_a_torn_tail(tmp_path):
    """A hole in the chain would let an edited fill pass for a real one."""
    folder = filled(tmp_path / "j", 2)
    path = segments(folder)[0]
    whole = path.read_bytes()
    good = [b.payload for b in JournalReader(folder).blocks()]
    step = 1 if len(whole) < 2000 else len(whole) // 1500
    for at in range(0, len(whole), step):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << (at % 8))]) + whole[at + 1 :])
        with pytest.raises(JournalError):
            list(JournalReader(folder).blocks())
    path.write_bytes(whole)
    assert len(list(JournalReader(folder).blocks())) == len(good)


def test_every_cut_keeps_the_whole_blocks_before_it(tmp_path):
    """A crash may cut the file anywhere; what was committed must stay readable."""
    folder = filled(tmp_path / "j", 2)
    path = segments(folder)[0]
    whole = path.read_bytes()
    for at in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:at])
        if at < module._FILE.size:
            with pytest.raises(JournalError, match="cut short"):
                list(JournalReader(folder).blocks())
            continue
        reader = JournalReader(folder)
        n = len(list(reader.blocks()))
        assert reader.good_bytes + reader.torn_bytes == at
        assert n <= 6
    path.write_bytes(whole[:-1])
    reader = JournalReader(folder)
    assert [b.kind for b in reader.blocks()][-1] != port.END
    assert reader.torn_bytes > 0


def test_a_cut_in_an_earlier_segment_is_damage(tmp_path):
    folder = filled(tmp_path / "j", 20, segment_bytes=1000)
    whole = segments(folder)[1].read_bytes()
    for keep in (len(whole) - 3, module._FILE.size + 20):  # in the payload, in the header
        segments(folder)[1].write_bytes(whole[:keep])
        with pytest.raises(JournalError, match="is cut short"):
            list(JournalReader(folder).blocks())


def test_a_journal_goes_on_after_a_torn_tail(tmp_path):
    folder = filled(tmp_path / "j", 3)
    path = segments(folder)[0]
    path.write_bytes(path.read_bytes()[:-10])
    journal = FileJournal(folder)
    journal.append(port.MARKET, events(2, 1000))
    journal.close()
    reader = JournalReader(folder)
    kinds = [b.kind for b in reader.blocks()]
    assert kinds[-1] == port.MARKET
    assert reader.torn_bytes == 0
    assert JournalReader(folder).gather(port.MARKET)["ts_local"][-1] == 1001


def test_a_damaged_journal_is_not_appended_to(tmp_path):
    folder = filled(tmp_path / "j", 3)
    raw = bytearray(segments(folder)[0].read_bytes())
    raw[len(raw) // 2] ^= 1
    segments(folder)[0].write_bytes(raw)
    with pytest.raises(JournalError):
        FileJournal(folder)


def test_an_edit_with_a_new_checksum_is_found(tmp_path):
    """The CRC can be forged by anyone; the hash chain cannot without changing all that follows."""
    folder = filled(tmp_path / "j", 3)
    raw = bytearray(segments(folder)[0].read_bytes())
    at = raw.index(b"B4BK", raw.index(b"B4BK") + 4)
    head = bytearray(raw[at : at + module._HEAD.size])
    head[8:12] = struct.pack("<I", 4)  # another count
    raw[at : at + module._HEAD.size] = head
    raw[at + module._HEAD.size : at + module._HEAD_BYTES] = struct.pack("<I", module.zlib.crc32(bytes(head)))
    segments(folder)[0].write_bytes(raw)
    with pytest.raises(JournalError, match="does not match its hash"):
        list(JournalReader(folder).blocks())


@pytest.mark.parametrize(("policy", "syncs"), [("commit", 4), ("close", 1), ("never", 0)])
def test_when_the_disk_is_asked_to_sync(tmp_path, monkeypatch, policy, syncs):
    asked = []
    monkeypatch.setattr(module.os, "fsync", lambda fd: asked.append(fd))
    filled(tmp_path / "j", 3, fsync=policy)
    assert len(asked) == syncs


def test_a_commit_is_on_the_disk_before_it_returns(tmp_path):
    journal = FileJournal(tmp_path / "j")
    journal.append(port.MARKET, events(3))
    journal.commit()
    assert len(JournalReader(tmp_path / "j").gather(port.MARKET)) == 3
    journal.close()


def test_wrong_uses(tmp_path):
    with pytest.raises(ValueError, match="fsync policy"):
        FileJournal(tmp_path / "x", fsync="sometimes")
    journal = FileJournal(tmp_path / "j")
    with pytest.raises(ValueError, match="block kind 2 takes"):
        journal.append(port.MARKET, np.zeros(1, ORDER_DTYPE))
    with pytest.raises(ValueError, match="JSON"):
        journal.append(port.META, {"x": float("nan")})
    journal.close()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").write_text("")
    with pytest.raises(StorageError, match="holds no journal"):
        FileJournal(tmp_path / "full")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="name a writable folder"):
        FileJournal(tmp_path / "file" / "j")
    for bad in ("nowhere", "full"):
        with pytest.raises(JournalError, match="holds no journal"):
            JournalReader(tmp_path / bad)
    journal = FileJournal(tmp_path / "bare")
    journal.append(port.MARKET, events(1))
    journal.close()
    with pytest.raises(JournalError, match="does not start with its description"):
        JournalReader(tmp_path / "bare").meta()
    FileJournal(tmp_path / "empty").close()
    with pytest.raises(JournalError, match="does not start with its description"):
        JournalReader(tmp_path / "empty").meta()


class Full:
    """A file on a full disk."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        raise OSError(28, "No space left on device")

    def flush(self):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", ["append", "commit", "close"])
def test_a_full_disk_is_told_and_what_was_committed_stays(tmp_path, call):
    journal = FileJournal(tmp_path / "j")
    journal.append(port.MARKET, events(3))
    journal.commit()
    file, journal._file = journal._file, Full(journal._file)
    with pytest.raises(StorageError, match=r"No space left.*intact"):
        journal.append(port.MARKET, events(1)) if call == "append" else getattr(journal, call)()
    file.close()
    assert len(JournalReader(tmp_path / "j").gather(port.MARKET)) == 3


def forged(folder, kind, count, payload):
    """A journal with one block as given, its sums in order."""
    journal = FileJournal(folder)
    head = module._HEAD.pack(module._MAGIC_BLOCK, kind, module.FORMAT, count, len(payload), 0)
    head += module._CRC.pack(module.zlib.crc32(head))
    journal._file.write(head + module._digest(journal._last, head, payload) + payload)
    journal.close()
    return folder


def test_blocks_that_this_version_does_not_know(tmp_path):
    with pytest.raises(JournalError, match="unknown kind 99"):
        list(JournalReader(forged(tmp_path / "a", 99, 1, b"x")).blocks())
    rows = np.zeros(2, DECISION_DTYPE).tobytes()
    with pytest.raises(JournalError, match="states 3 rows, has 2"):
        list(JournalReader(forged(tmp_path / "b", port.DECISIONS, 3, rows)).blocks())
    folder = filled(tmp_path / "c", 1)
    raw = bytearray(segments(folder)[0].read_bytes())
    raw[8] = 9
    segments(folder)[0].write_bytes(raw)
    with pytest.raises(JournalError, match="not a bot4 journal of format"):
        list(JournalReader(folder).blocks())


def test_the_fake_keeps_copies():
    fake = FakeJournal()
    rows = np.zeros(1, INPUT_DTYPE)
    fake.append(port.INPUTS, rows)
    rows["pos"] = 5
    fake.commit()
    fake.close()
    assert fake.blocks[0][1]["pos"][0] == 0
    assert fake.commits == 2
    assert set(port.BLOCK_NAMES) == set(range(1, 11))


def test_two_writers_cannot_share_a_new_folder(tmp_path):
    first = FileJournal(tmp_path / "j")
    first.append(port.MARKET, events(1))
    first.commit()
    with pytest.raises(FileExistsError):
        os.open(segments(tmp_path / "j")[0], os.O_CREAT | os.O_EXCL)
    first.close()


@pytest.mark.parametrize("left", [0, 10, 47])
def test_a_crash_while_a_segment_is_started_loses_nothing(tmp_path, left):
    """The new file exists before its header is on the disk: the segments before it are whole."""
    folder = filled(tmp_path / "j", 20, segment_bytes=1000)
    before = len(JournalReader(folder).gather(port.MARKET))
    torn = folder / f"segment-{len(segments(folder)):06d}.b4j"
    torn.write_bytes(b"B4JRNL01" + bytes(40))
    torn.write_bytes(torn.read_bytes()[:left])
    reader = JournalReader(folder)
    assert len(list(reader.blocks(port.MARKET))) == before // 5
    assert reader.torn_bytes == left
    journal = FileJournal(folder)
    journal.append(port.MARKET, events(4))
    journal.close()
    assert len(JournalReader(folder).gather(port.MARKET)) == before + 4
    assert torn in segments(folder)
