"""The audit trail: any edit, deletion, swap or cut is found and named; the export says who did what."""

import json
import shutil

import numpy as np
import pytest

from bot4.model.errors import JournalError
from bot4.ports import journal as port
from bot4.research import audit
from bot4.storage.anchors import Anchor, add_anchor, anchor_file, read_anchors
from bot4.storage.journal import FileJournal, JournalReader
from helpers import markets as m


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    """A small journal of 300 notes in three segments, as its files' bytes."""
    folder = tmp_path_factory.mktemp("trail") / "j"
    journal = FileJournal(folder, fsync="never", segment_bytes=20_000)
    journal.append(port.META, {"kind": "paper", "strategy": "hybrid", "model": {}, "settings": {}})
    for k in range(300):
        journal.append(
            port.NOTE, {"what": "mode asked", "by": "anna", "engine_ns": k * 10**9, "pad": "x" * 60}
        )
        if k == 250:
            journal.commit()
            add_anchor(anchor_file(folder), Anchor(*journal.head, 1_700_000_000 * 10**9))
    journal.close()
    add_anchor(anchor_file(folder), Anchor(*journal.head, 1_700_000_100 * 10**9))
    return folder


def blocks_of(folder):
    """(file, start, end) of every block, found by an own reading of the format: header 32, hash 32."""
    found = []
    for path in sorted(folder.glob("segment-*.b4j")):
        data = path.read_bytes()
        at = 48
        while at < len(data):
            length = int.from_bytes(data[at + 12 : at + 16], "little")
            found.append((path, at, at + 60 + length))
            at += 60 + length
        assert at == len(data)
    return found


def test_a_whole_trail_is_intact(trail):
    found = m.bot4("audit", "verify", trail, "--json").doc
    assert found["intact"]
    assert found["blocks"] == 301
    assert found["anchors"] == 2
    assert found["anchored_blocks"] == 301
    assert "intact: 301 blocks" in m.bot4("audit", "verify", trail).out


@pytest.mark.parametrize("kind", ["edit", "delete", "swap", "insert"])
def test_250_tamperings_of_each_kind_are_all_found(trail, tmp_path, kind, capsys):
    """A thousand in all, at random places; a verifier that looks at the wrong bytes misses some."""
    rng = np.random.default_rng(11)
    places = blocks_of(trail)
    for _ in range(250):
        copy = tmp_path / "j"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(trail, copy)
        (tmp_path / "j.anchors").write_bytes(anchor_file(trail).read_bytes())
        path, start, end = places[int(rng.integers(1, len(places)))]
        path = copy / path.name
        data = bytearray(path.read_bytes())
        if kind == "edit":
            data[int(rng.integers(start, end))] ^= 1 << int(rng.integers(8))
        elif kind == "delete":
            del data[start:end]
        elif kind == "insert":
            data[start:start] = data[start:end]
        else:
            mine = [(a, b) for p, a, b in places if p.name == path.name]
            k = int(rng.integers(0, len(mine) - 1))
            (a, b), (c, d) = mine[k], mine[k + 1]
            data[a:d] = data[c:d] + data[a:b]
        path.write_bytes(data)
        with pytest.raises(JournalError, match=r"block|segment"):
            audit.verify(copy, lambda anchor: True)


def test_a_trail_cut_at_its_end_is_found_by_its_anchor(trail, tmp_path):
    """The chain alone cannot know that more was there."""
    copy = tmp_path / "j"
    shutil.copytree(trail, copy)
    for path, start, _ in blocks_of(copy):
        if path == sorted(copy.glob("segment-*.b4j"))[1]:
            for later in sorted(copy.glob("segment-*.b4j"))[2:]:
                later.unlink()
            path.write_bytes(path.read_bytes()[:start])
            break
    assert m.bot4("audit", "verify", copy).code == 0
    shutil.copy(anchor_file(trail), anchor_file(copy))
    answer = m.bot4("audit", "verify", copy)
    assert answer.code == 6
    assert "cut off" in answer.err


def test_a_trail_written_anew_is_found_by_its_anchor(trail, tmp_path):
    copy = tmp_path / "j"
    journal = FileJournal(copy, fsync="never")
    for k in range(300):
        journal.append(port.NOTE, {"what": "another story", "engine_ns": k})
    journal.close()
    shutil.copy(anchor_file(trail), anchor_file(copy))
    answer = m.bot4("audit", "verify", copy)
    assert answer.code == 6
    assert "written anew" in answer.err


def test_signatures_are_made_and_checked(trail, tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_KEY_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("BOT4_RELEASE_PASSPHRASE", "five words drawn by dice")
    copy = tmp_path / "j"
    shutil.copytree(trail, copy)
    assert m.bot4("audit", "sign", copy).code == 7
    assert m.bot4("keys", "new").code == 0
    assert m.bot4("audit", "sign", copy, "--json").doc["blocks"] == 301
    assert m.bot4("audit", "verify", copy, "--json").doc["signatures"] == 1
    [signed] = read_anchors(anchor_file(copy))
    other = Anchor(signed.blocks, signed.head, signed.wall_ns + 1, signed.signature)
    anchor_file(copy).unlink()
    add_anchor(anchor_file(copy), other)
    answer = m.bot4("audit", "verify", copy)
    assert answer.code == 6
    assert "not the operator's" in answer.err


@pytest.mark.parametrize("line", ["{", "{}", '{"blocks": "x", "head": "00", "wall_ns": 1}', "[]"])
def test_a_bad_anchor_names_its_line(trail, tmp_path, line):
    copy = tmp_path / "j"
    shutil.copytree(trail, copy)
    anchor_file(copy).write_text(anchor_file(trail).read_text() + line + "\n")
    answer = m.bot4("audit", "verify", copy)
    assert answer.code == 6
    assert "line 3" in answer.err


def test_the_export_holds_a_period(trail, tmp_path):
    out = tmp_path / "trail.jsonl"
    made = m.bot4(
        "audit", "export", trail, "--start", "1970-01-01T00:01:40Z", "--end", "1970-01-01T00:01:50Z", "--out", out,
        "--json",
    )  # fmt: skip
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert made.doc["records"] == len(lines) == 11  # the description of the run, and ten seconds
    assert [line["ts_ns"] for line in lines[1:]] == [k * 10**9 for k in range(100, 110)]
    assert m.bot4("audit", "export", trail, "--out", out).code == 4
    assert len(m.bot4("audit", "export", trail).out.splitlines()) == 301


def test_every_order_of_a_run_joins_to_one_decision_or_to_protection(tmp_path, monkeypatch):
    """S8: from the trail alone one sees why each order was sent."""
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    made = m.bot4("run", "--for", "3s", "--json", "--out", tmp_path / "j")
    assert made.code == 0, made.err
    lines = [json.loads(line) for line in m.bot4("audit", "export", tmp_path / "j").out.splitlines()]
    decided = {line["seq"] for line in lines if line["what"] == "decision"}
    entries = [x for x in lines if x["what"] == "order" and x["action"] == "new" and x["purpose"] == "entry"]
    assert entries
    for order in entries:
        assert order["decision"] in decided
    assert {x["purpose"] for x in lines if x["what"] == "order"} <= {
        "entry",
        "exit",
        "stop",
        "target",
        "flatten",
    }
    assert lines[-1]["what"] == "end"
    head = m.bot4("audit", "verify", tmp_path / "j", "--json").doc
    assert head["anchored_blocks"] == head["blocks"]
    assert list(JournalReader(tmp_path / "j").blocks(port.END))
