"""Bad input, bad disks, bad strategies, sudden ends: a clear error each, and nothing acknowledged is lost."""

import contextlib
import gzip
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bot4.market.book import new_book
from bot4.market.book_nb import fold_books_nb
from bot4.model import codes_nb as c
from bot4.model.errors import DataError, JournalError, StorageError
from bot4.ports import journal as port
from bot4.signals.ml.artifact import META_FILE, TREES_FILE
from bot4.storage import journal as disk
from bot4.storage.journal import FileJournal, JournalReader
from bot4.storage.lake import Dataset

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import markets as m

ROWS = m.walk(400, seed=5)
BARS = ("--instrument", "BTC-USDT", "--timeframe", "1m", "--json")
SEED = int(os.environ.get("BOT4_CHAOS_SEED", "20240808"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="module")
def data(home):
    return m.bar_data(home / "bars", ROWS)


@pytest.fixture(scope="module")
def journal(home, data):
    """The journal of a finished run with trades."""
    answer = m.bot4("backtest", "--data", data.folder, "--json", "--out", home / "journal")
    assert answer.doc["fills"] > 5
    return home / "journal"


# --- files to import -----------------------------------------------------------------------------


def import_frames(file, out):
    return m.bot4("data", "import", "--venue", "binance-usdm", file, "--out", out, "--json")


def import_bars(file, out):
    return m.bot4("data", "import", "--bars", file, "--out", out, *BARS)


@pytest.mark.parametrize("share", [0.02, 0.4, 0.75, 0.99])
def test_truncated_frames_keep_what_came_before_and_say_so(tmp_path, share):
    file = m.frame_file(tmp_path / "f.gz", seconds=20)
    raw = file.read_bytes()
    file.write_bytes(raw[: int(len(raw) * share)])
    answer = import_frames(file, tmp_path / "d")
    if answer.code:
        assert answer.code == 3
        assert "cut off" in answer.doc["error"]
        return
    assert any("cut off" in w for w in answer.doc["warnings"])
    assert answer.doc["rejected"] <= 1
    assert answer.doc["crossed"] == 0
    assert Dataset.open(tmp_path / "d").rows == answer.doc["events"] > 0


def test_truncated_bars_keep_whole_rows_only(tmp_path):
    file = m.write_bars(tmp_path / "whole.csv.gz", ROWS)
    whole = m.bar_data(tmp_path / "whole", ROWS)
    true = np.concatenate(list(whole.iter_events()))
    raw = file.read_bytes()
    rng = random.Random(SEED)
    for k in range(25):
        cut = tmp_path / f"cut{k}.csv.gz"
        cut.write_bytes(raw[: rng.randrange(1, len(raw))])
        answer = import_bars(cut, tmp_path / f"d{k}")
        if answer.code:
            assert answer.code == 3, answer.err
            continue
        assert any("cut off" in w for w in answer.doc["warnings"])
        made = Dataset.open(tmp_path / f"d{k}")
        rows = np.concatenate(list(made.iter_events()))
        scale = int(made.instruments[0].tick / whole.instruments[0].tick)
        lots = int(made.instruments[0].lot / whole.instruments[0].lot)
        same = true[: len(rows)]
        assert (rows["ts_venue"] == same["ts_venue"]).all()
        assert (rows["price"] * scale == same["price"]).all()
        assert (rows["qty"] * lots == same["qty"]).all(), "a volume cut within its digits was taken"


@pytest.mark.parametrize("name", ["cut.parquet", "empty.csv", "binary.csv", "damaged.csv.gz", "no-such.csv"])
def test_unreadable_bars_name_the_file(tmp_path, name):
    file = tmp_path / name
    if name == "cut.parquet":
        raw = m.write_bars(file, ROWS).read_bytes()
        file.write_bytes(raw[: len(raw) // 2])
    elif name == "empty.csv":
        file.write_bytes(b"")
    elif name == "binary.csv":
        file.write_bytes(bytes(range(256)) * 20)
    elif name == "damaged.csv.gz":
        raw = bytearray(m.write_bars(file, ROWS).read_bytes())
        raw[len(raw) // 2] ^= 0xFF
        file.write_bytes(raw)
    answer = import_bars(file, tmp_path / "d")
    assert answer.code == 3
    assert name in answer.doc["error"]
    assert "Traceback" not in answer.err
    assert m.bot4("data", "list", tmp_path / "d", "--json").code == 3  # nothing half is left


def test_damaged_frames_name_the_damage(tmp_path):
    file = m.frame_file(tmp_path / "f.gz", seconds=20)
    raw = bytearray(file.read_bytes())
    raw[2000] ^= 0xFF
    file.write_bytes(raw)
    answer = import_frames(file, tmp_path / "d")
    text = answer.doc["error"] if answer.code else " ".join(answer.doc["warnings"])
    assert "damaged archive" in text


def _frames(path, lines):
    path.write_bytes(gzip.compress("".join(lines).encode(), 1))
    return path


def test_a_frame_cut_in_half_is_rejected_and_named(tmp_path):
    lines = list(m.frame_lines(seconds=20))
    whole = import_frames(_frames(tmp_path / "w.gz", lines), tmp_path / "w").doc
    for k in (40, 41, 42):  # a depth diff, a quote, a trade
        half = list(lines)
        half[k] = half[k][: len(half[k]) // 2] + "\n"
        answer = import_frames(_frames(tmp_path / f"h{k}.gz", half), tmp_path / f"d{k}")
        assert answer.code == 0, answer.err
        assert answer.doc["rejected"] >= 1
        assert answer.doc["reasons"]["malformed"] == 1
        assert answer.doc["first_rejected"] == [{"line": k + 1, "reason": "malformed"}]
        assert answer.doc["crossed"] == 0
        assert answer.doc["events"] < whole["events"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"p":"', '"p":"NaN'),
        ('"p":"', '"p":"-'),
        ('"q":"', '"q":"-'),
        ('"b":"', '"b":"nan'),
        ('"a":"', '"a":"-'),
        ('"p":"', '"p":"1e999'),
    ],
)
def test_frames_with_impossible_numbers_are_rejected(tmp_path, old, new):
    lines = list(m.frame_lines(seconds=20))
    which = [k for k, line in enumerate(lines) if old in line][5]
    lines[which] = lines[which].replace(old, new, 1)
    answer = import_frames(_frames(tmp_path / "f.gz", lines), tmp_path / "d")
    assert answer.code == 0, answer.err
    assert answer.doc["rejected"] >= 1
    rows = np.concatenate(list(Dataset.open(tmp_path / "d").iter_events()))
    deals = rows[rows["kind"] == c.EV_TRADE]
    assert (deals["price"] > 0).all()
    assert (deals["qty"] > 0).all()
    back = m.bot4(
        "backtest", "--data", tmp_path / "d", "--strategy", "quoter", "--json", "--out", tmp_path / "j"
    )
    assert back.code == 0, back.err


@pytest.mark.parametrize("kind", ["doubled", "shuffled", "swapped"])
def test_repeated_and_reordered_frames_never_cross_the_book(tmp_path, kind):
    lines = list(m.frame_lines(seconds=40))
    rng = random.Random(SEED)
    if kind == "doubled":
        changed = [x for line in lines for x in (line, line)]
    elif kind == "shuffled":
        changed = lines[:10] + rng.sample(lines[10:], len(lines) - 10)
    else:
        changed = list(lines)
        for k in range(10, len(lines) - 1, 37):
            changed[k], changed[k + 1] = changed[k + 1], changed[k]
    whole = import_frames(_frames(tmp_path / "w.gz", lines), tmp_path / "w").doc
    answer = import_frames(_frames(tmp_path / "f.gz", changed), tmp_path / "d")
    assert answer.code == 0, answer.err
    doc = answer.doc
    assert doc["crossed"] == 0
    if kind == "doubled":
        assert doc["gaps"] == 0
        assert doc["book"]["trades"] == whole["book"]["trades"]  # the second copy does not count
        assert doc["book"]["trade_lots"] == whole["book"]["trade_lots"]
        assert doc["book"]["valid"] == 1
    if kind == "shuffled":
        assert doc["gaps"] > 0
        assert doc["book"]["valid"] == 0  # a broken sequence is not traded on
    rows = np.concatenate(list(Dataset.open(tmp_path / "d").iter_events()))
    book = new_book(1)
    for row in range(0, len(rows), 101):
        fold_books_nb(book, rows[row : row + 101])
        top = book.top[0]
        if top["valid"]:
            assert int(top["bid"]) < int(top["ask"])
    back = m.bot4(
        "backtest", "--data", tmp_path / "d", "--strategy", "quoter", "--json", "--out", tmp_path / "j"
    )
    assert back.code == 0, back.err
    assert m.bot4("replay", tmp_path / "j", "--verify", "--json").doc["identical"] is True


def test_bad_rows_of_bars_are_counted_by_reason_and_left_out(tmp_path):
    file = m.write_bars(tmp_path / "b.csv", ROWS)
    text = file.read_text().splitlines()
    stamp = [line.split(",")[0] for line in text]
    text[10] = f"{stamp[10]},nan,1,1,1,1"
    text[20] = f"{stamp[20]},-5,1,-6,1,1"
    text[30] = f"{stamp[30]},,,,,"
    text[40] = "hello,world,1,1,1,1"
    text[50] = text[49]
    text[61], text[60] = text[60], text[61]
    text[70] = f"{stamp[70]},40000,39000,41000,40000,1"  # high below low
    text[80] = f"{stamp[80]},inf,inf,1,1,1"
    file.write_text("\n".join(text) + "\n")
    answer = import_bars(file, tmp_path / "d")
    assert answer.code == 0, answer.err
    doc = answer.doc
    assert doc["rejected"] == 7
    assert doc["events"] == len(ROWS) - 7
    assert doc["reasons"]["duplicate"] == 1
    assert doc["reasons"]["not_a_number"] >= 2
    rows = np.concatenate(list(Dataset.open(tmp_path / "d").iter_events()))
    assert (np.diff(rows["ts_local"]) > 0).all()
    assert (rows["seq"] > 0).all()
    assert (rows["y"] >= rows["seq"]).all()


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("risk.max_positon", "risk.max_position"),
        ("strategy.treshold", "strategy.threshold"),
        ("fee.taker", "fees.taker"),
        ("max_position", "risk.max_position"),
    ],
)
def test_a_typo_in_the_settings_names_the_nearest_match(tmp_path, data, typo, meant):
    section, _, leaf = typo.rpartition(".")
    file = tmp_path / "bot4.toml"
    file.write_text((f"[{section}]\n" if section else "") + f'{leaf} = "1 %"\n')
    for call in (("--config", file), ("--set", f"{typo}=1 %")):
        answer = m.bot4("backtest", "--data", data.folder, "--json", "--out", tmp_path / "j", *call)
        assert answer.code == 2
        assert typo in answer.doc["error"]
        assert f"did you mean {meant}?" in answer.doc["error"]
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('risk.max_position = "50"', "unit"),
        ('risk.max_position = "200 %"', "above the most allowed"),
        ('journal.fsync = "sometimes"', "choose one of commit, close, never"),
        ("[risk", "config"),
        ('risk.max_position = "nan %"', "finite"),
        ('strategy.fast = "90"', "below strategy.slow"),
    ],
)
def test_a_wrong_value_is_refused_with_the_rule(tmp_path, value, words):
    file = tmp_path / "bot4.toml"
    file.write_text(value + "\n")
    answer = m.bot4("config", "show", "--json", "--config", file)
    assert answer.code == 2
    assert words in answer.doc["error"]
    assert m.bot4("config", "show", "--json", "--config", tmp_path / "none.toml").code == 2


# --- disks ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(kind, folder, size):
    """`folder` on a disk of about `size` bytes: a mounted one, or a limit that this process sets itself."""
    folder.mkdir(exist_ok=True)
    if kind == "mounted":
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("mounting a small disk needs root")
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {made.stderr.decode().strip()}")
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


DISKS = pytest.mark.parametrize("kind", ["mounted", "limited"])


@DISKS
def test_a_full_disk_under_the_journal(tmp_path, data, kind):
    disk_at = tmp_path / "disk"
    with small_disk(kind, disk_at, 32 << 10):
        answer = m.bot4(
            "backtest",
            "--data",
            data.folder,
            "--json",
            "--out",
            disk_at / "j",
            "--set",
            "journal.decisions=all",
        )
        assert answer.code == 4
        assert answer.doc["kind"] == "StorageError"
        assert "free some space" in answer.doc["error"]
        reader = JournalReader(disk_at / "j")
        assert next(reader.blocks()).kind == port.META  # what was committed is readable
        list(JournalReader(disk_at / "j").headers())


@DISKS
def test_a_full_disk_under_a_journal_loses_nothing_committed(tmp_path, kind):
    rows = np.zeros(50, disk.EVENT_DTYPE)
    with small_disk(kind, tmp_path / "disk", 64 << 10):
        journal = FileJournal(tmp_path / "disk" / "j")
        committed = 0
        error = None
        while error is None and committed < 1000:
            rows["seq"] = committed
            try:
                journal.append(port.MARKET, rows)
                journal.commit()
                committed += 1
            except StorageError as raised:
                error = raised
        journal.release()
        assert "intact" in str(error)
        assert 5 < committed < 100
        kept = [int(b.payload["seq"][0]) for b in JournalReader(tmp_path / "disk" / "j").blocks()]
        assert kept[:committed] == list(range(committed))


@DISKS
def test_a_full_disk_under_the_lake_leaves_the_data_set_as_it_was(tmp_path, kind):
    small = m.write_bars(tmp_path / "small.csv", ROWS[:50])
    large = m.write_bars(tmp_path / "large.csv", m.walk(6000, seed=9, start=m.START + 10**6))
    with small_disk(kind, tmp_path / "disk", 48 << 10):
        out = tmp_path / "disk" / "d"
        assert import_bars(small, out).code == 0
        before = Dataset.open(out).content_hash()
        answer = import_bars(large, out)
        assert answer.code == 4
        assert answer.doc["kind"] == "StorageError"
        assert "cannot write" in answer.doc["error"]
        after = Dataset.open(out)
        assert after.content_hash() == before
        assert after.verify() == []
        assert len(list((out / "parts").iterdir())) == len(after.parts)


@DISKS
def test_a_full_disk_under_the_report_keeps_the_old_one(tmp_path, journal, kind):
    folder = tmp_path / "disk"
    with small_disk(kind, folder, 16 << 10):
        page = folder / "report.html"
        page.write_text("the old report")
        answer = m.bot4("report", journal, "--out", page, "--json")
        assert answer.code == 4
        assert "name a writable file with --out" in answer.doc["error"]
        assert page.read_text() == "the old report"
        assert [p.name for p in folder.iterdir()] == ["report.html"]


def test_folders_that_cannot_be_written(tmp_path, data, journal):
    file = tmp_path / "file"
    file.write_text("in the way")
    calls = [
        ("backtest", "--data", data.folder, "--json", "--out", file / "j"),
        ("backtest", "--data", data.folder, "--json", "--out", file),
        ("data", "import", "--bars", m.write_bars(tmp_path / "b.csv", ROWS), "--out", file / "d", *BARS),
        ("report", journal, "--out", file / "r.html", "--json"),
        ("report", journal, "--out", tmp_path / "none" / "r.html", "--json"),
        ("report", journal, "--out", tmp_path, "--json"),
    ]
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        calls += [("backtest", "--data", data.folder, "--json", "--out", locked / "j")]
    for call in calls:
        answer = m.bot4(*call)
        assert answer.code == 4, call
        assert str(tmp_path) in answer.doc["error"]
        assert "Traceback" not in answer.err
    assert file.read_text() == "in the way"


# --- journals ------------------------------------------------------------------------------------


def blocks_of(path):
    """(start, end) of each block of a segment, in order."""
    raw = path.read_bytes()
    at, found = disk._FILE.size, []
    while at + disk._HEAD_BYTES + disk._HASH <= len(raw):
        length = disk._HEAD.unpack(raw[at : at + disk._HEAD.size])[4]
        end = at + disk._HEAD_BYTES + disk._HASH + length
        found.append((at, end))
        at = end
    return found


def read_all(folder):
    reader = JournalReader(folder)
    return [b.sequence for b in reader.blocks()], reader.torn_bytes


def test_a_flipped_byte_anywhere_in_a_journal_is_found_and_its_block_named(tmp_path, journal):
    copy = tmp_path / "copy"
    shutil.copytree(journal, copy)
    path = copy / "segment-000000.b4j"
    raw = path.read_bytes()
    blocks = blocks_of(path)
    assert blocks[-1][1] == len(raw)
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    spots = [rng.randrange(len(raw)) for _ in range(200)] + [
        k for a, _ in blocks[:3] for k in range(a, a + 64)
    ]
    for k in spots:
        damaged = bytearray(raw)
        damaged[k] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(JournalError) as found:
            read_all(copy)
        text = str(found.value)
        if k < disk._FILE.size:
            assert "segment" in text or "not a bot4 journal" in text, (k, text)
        else:
            number = next(n for n, (a, b) in enumerate(blocks) if a <= k < b)
            assert f"block {number} " in text, (k, text)
    answer = m.bot4("replay", copy, "--verify", "--json")
    assert answer.code == 6
    assert "block" in answer.doc["error"]


def test_a_flipped_byte_in_the_torn_tail_of_a_cut_journal_is_never_accepted(tmp_path, journal):
    copy = tmp_path / "copy"
    shutil.copytree(journal, copy)
    path = copy / "segment-000000.b4j"
    raw = path.read_bytes()
    blocks = blocks_of(path)
    rng = random.Random(SEED + 1)
    print(f"seed {SEED + 1}")
    for _ in range(200):
        number = rng.randrange(1, len(blocks))
        start, end = blocks[number]
        cut = rng.randrange(start + 1, end)
        damaged = bytearray(raw[:cut])
        k = rng.randrange(disk._FILE.size, cut)
        damaged[k] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        named = None
        try:
            kept, torn = read_all(copy)
        except JournalError as error:
            named = str(error)
        if named is not None:
            hit = number if k >= start else next(n for n, (a, b) in enumerate(blocks) if a <= k < b)
            assert f"block {hit} " in named
            continue
        assert k >= start, "damage outside the torn tail was accepted"
        assert kept == list(range(number))
        assert torn == cut - start


def test_a_torn_tail_is_cut_off_on_reopening_and_nothing_committed_is_lost(tmp_path, journal):
    raw = (journal / "segment-000000.b4j").read_bytes()
    blocks = blocks_of(journal / "segment-000000.b4j")
    rng = random.Random(SEED + 2)
    for k in range(40):
        folder = tmp_path / f"j{k}"
        folder.mkdir()
        cut = rng.randrange(blocks[0][1], len(raw))
        whole = sum(1 for _, end in blocks if end <= cut)
        (folder / "segment-000000.b4j").write_bytes(raw[:cut])
        again = FileJournal(folder, fsync="never")
        again.append(port.END, {"limit": 1, "summary": {}})
        again.close()
        kept, torn = read_all(folder)
        assert kept == list(range(whole + 1))
        assert torn == 0
        assert (folder / "segment-000000.b4j").read_bytes()[: blocks[whole - 1][1]] == raw[
            : blocks[whole - 1][1]
        ]


def test_a_journal_that_was_cut_is_told_as_incomplete(tmp_path, journal):
    copy = tmp_path / "copy"
    shutil.copytree(journal, copy)
    path = copy / "segment-000000.b4j"
    raw = path.read_bytes()
    blocks = blocks_of(path)
    path.write_bytes(raw[: blocks[-1][0] + 30])  # within the last block
    doc = m.bot4("replay", copy, "--verify", "--json").doc
    assert doc["complete"] is False
    assert doc["torn_bytes"] == 30
    assert doc["decisions"] > 0
    assert m.bot4("report", copy, "--out", tmp_path / "r.html").code == 0
    assert "cut off" in (tmp_path / "r.html").read_text()


def test_a_missing_or_swapped_segment_is_found(tmp_path):
    rows = np.zeros(2000, disk.EVENT_DTYPE)
    journal = FileJournal(tmp_path / "j", fsync="never", segment_bytes=200_000)
    for k in range(8):
        rows["seq"] = k
        journal.append(port.MARKET, rows)
    journal.close()
    parts = sorted((tmp_path / "j").iterdir())
    assert len(parts) >= 3
    keep = parts[1].read_bytes()
    parts[1].unlink()
    with pytest.raises(JournalError, match="segment"):
        read_all(tmp_path / "j")
    parts[1].write_bytes(parts[2].read_bytes())
    with pytest.raises(JournalError, match="segment"):
        read_all(tmp_path / "j")
    parts[1].write_bytes(keep)
    assert len(read_all(tmp_path / "j")[0]) == 8


# --- sudden ends ---------------------------------------------------------------------------------


def wait_for(condition, seconds, what):
    """Poll until `condition()` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def held(folder):
    """Lots held according to the fills in the journal."""
    try:
        inputs = JournalReader(folder).gather(port.INPUTS)
        orders = JournalReader(folder).gather(port.ORDERS)
    except JournalError:
        return 0
    side = {int(o["id"]): int(o["side"]) for o in orders}
    fills = inputs["event"][inputs["event"]["kind"] == c.EV_FILL]
    return sum(side[int(f["x"])] * int(f["qty"]) for f in fills)


@pytest.fixture
def long_run(tmp_path):
    """A paper run that holds a position, in its own process: (process, journal folder, environment)."""
    folder = tmp_path / "run"
    child = m.start_bot4(
        "run",
        "--for",
        "300s",
        "--json",
        "--out",
        folder,
        "--strategy",
        f"{m.STRATEGIES}:AlwaysLong",
        "--set",
        "run.warmup=5m",
        "--set",
        "strategy.fixed_size=0.01",
        "--set",
        "run.speed=20",
        BOT4_CONTROL_DIR=tmp_path,
    )
    try:
        wait_for(lambda: child.poll() is not None or held(folder) > 0, 120, "a position")
        assert child.poll() is None, child.communicate()
        yield child, folder, tmp_path
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()


def ended(child):
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    return m.Answer(0, out, err)


def assert_flat(answer, folder):
    doc = answer.doc
    assert doc["ended_by"].startswith("kill switch")
    assert doc["open_positions"] == 0
    assert held(folder) == 0
    assert doc["mode"] == "emergency"
    assert not [w for w in doc["warnings"] if "still open" in w]
    orders = JournalReader(folder).gather(port.ORDERS)
    assert c.FOR_FLATTEN in orders["purpose"]
    again = m.bot4("replay", folder, "--verify", "--json")
    assert again.doc["identical"] is True
    assert again.doc["state_hash"] == doc["state_hash"]


def test_stop_from_another_process_cancels_flattens_and_ends_the_run(long_run):
    child, folder, control = long_run
    said = m.process("stop", "--json", BOT4_CONTROL_DIR=control)
    assert said.code == 0, said.err
    assert said.doc["stopped"] == [child.pid]
    answer = ended(child)
    assert_flat(answer, folder)
    assert "stop file" in answer.doc["ended_by"]
    assert list((control / "bot4-control").iterdir()) == []
    assert m.process("stop", "--json", BOT4_CONTROL_DIR=control).code == 4


def test_sigterm_cancels_flattens_and_ends_the_run(long_run):
    child, folder, _ = long_run
    child.send_signal(signal.SIGTERM)
    answer = ended(child)
    assert_flat(answer, folder)
    assert "SIGTERM" in answer.doc["ended_by"]


def test_kill_9_leaves_a_journal_that_reads_and_folds(long_run):
    child, folder, control = long_run
    committed = len(read_all(folder)[0])
    child.send_signal(signal.SIGKILL)
    child.communicate()
    kept, _ = read_all(folder)
    assert len(kept) >= committed > 2
    answer = m.bot4("replay", folder, "--verify", "--json")
    assert answer.code == 0, answer.err
    assert answer.doc["identical"] is True
    assert answer.doc["complete"] is False
    assert answer.doc["fills"] >= 1
    assert m.bot4("why", folder, "--order", 1, "--json").code == 0
    assert m.bot4("report", folder, "--out", control / "r.html").code == 0
    # the dead run does not count as one that can be stopped, and its mark is cleared away
    assert m.process("stop", "--json", BOT4_CONTROL_DIR=control).code == 4
    assert not list((control / "bot4-control").glob("*.pid"))


# --- strategies, models, data sets ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Raises", "ZeroDivisionError"),
        ("Seven", "must lie in [-1, 1]"),
        ("Word", "return a number"),
        ("BreaksAtStart", "no licence"),
        ("does_not_compile", "does not compile"),
        ("NOT_A_STRATEGY", "has no strategy"),
    ],
)
def test_a_broken_strategy_ends_the_run_with_its_name(tmp_path, data, name, words):
    answer = m.bot4(
        "backtest",
        "--data",
        data.folder,
        "--json",
        "--out",
        tmp_path / "j",
        "--strategy",
        f"{m.STRATEGIES}:{name}",
    )
    assert answer.code == 5
    assert answer.doc["kind"] == "StrategyError"
    assert name in answer.doc["error"]
    assert words in answer.doc["error"]
    if name in ("Raises", "Seven"):
        assert read_all(tmp_path / "j")[0][0] == 0


def test_a_strategy_that_answers_nan_has_no_opinion(tmp_path, data):
    answer = m.bot4(
        "backtest",
        "--data",
        data.folder,
        "--json",
        "--out",
        tmp_path / "j",
        "--strategy",
        f"{m.STRATEGIES}:NotANumber",
    )
    assert answer.code == 0, answer.err
    assert answer.doc["orders"] == 0
    assert answer.doc["decisions"] == len(ROWS)


def test_a_model_with_a_flipped_byte_is_refused(tmp_path):
    pytest.importorskip("sklearn", reason="training needs the extra ml")
    data = m.bar_data(tmp_path / "d", m.walk(1000, seed=5))
    made = m.bot4(
        "train", "--data", data.folder, "--out", tmp_path / "m", "--folds", "2", "--json", "--horizon", "5"
    )
    assert made.code == 0, made.err
    rng = random.Random(SEED + 3)
    trees, meta = tmp_path / "m" / TREES_FILE, tmp_path / "m" / META_FILE
    whole = trees.read_bytes()
    for k in [rng.randrange(len(whole)) for _ in range(20)]:
        trees.write_bytes(whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :])
        answer = m.bot4(
            "backtest",
            "--data",
            data.folder,
            "--model",
            tmp_path / "m",
            "--json",
            "--out",
            tmp_path / f"j{k}",
        )
        assert answer.code == 3
        assert TREES_FILE in answer.doc["error"]
    trees.write_bytes(whole)
    meta.write_bytes(meta.read_bytes()[:-20])
    cut = m.bot4(
        "backtest", "--data", data.folder, "--model", tmp_path / "m", "--json", "--out", tmp_path / "jm"
    )
    assert cut.code == 3
    assert META_FILE in cut.doc["error"]
    none = m.bot4(
        "backtest", "--data", data.folder, "--model", tmp_path / "x", "--json", "--out", tmp_path / "jn"
    )
    assert none.code == 3


def test_a_data_set_with_a_flipped_byte_names_the_part(tmp_path):
    data = m.bar_data(tmp_path / "d", ROWS)
    parts = sorted((data.folder / "parts").iterdir())
    whole = parts[0].read_bytes()
    rng = random.Random(SEED + 4)
    for k in [rng.randrange(len(whole)) for _ in range(20)]:
        parts[0].write_bytes(whole[:k] + bytes([whole[k] ^ 4]) + whole[k + 1 :])
        answer = m.bot4("data", "check", data.folder, "--json")
        assert answer.code == 3
        assert answer.doc["ok"] is False
        assert parts[0].name in answer.doc["damaged"][0]
        run = m.bot4("backtest", "--data", data.folder, "--json", "--out", tmp_path / f"j{k}")
        assert run.code == 3
        assert parts[0].name in run.doc["error"]
        with pytest.raises(DataError):
            list(Dataset.open(data.folder).iter_events())
    parts[0].write_bytes(whole)
    assert m.bot4("data", "check", data.folder, "--json").doc["ok"] is True
    parts[0].unlink()
    gone = m.bot4("data", "check", data.folder)
    assert gone.code == 3
    assert parts[0].name in gone.err
    (data.folder / "dataset.json").write_text("{")
    assert m.bot4("data", "check", data.folder, "--json").code == 3
