import numpy as np
import pytest
from frame_samples import NO_JIT, diff, line, rows, session, snapshot, ticker

from bot4.market.binance_nb import new_parser, parse_frames_nb
from bot4.market.book import new_book
from bot4.market.book_nb import (
    BOOK_CROSSED,
    BOOK_FRAME,
    BOOK_GAP,
    BOOK_QUOTE,
    BOOK_REFUSED,
    BOOK_SYNCED,
    BOOK_TOP,
    depth_nb,
    fold_book_nb,
    fold_books_nb,
)


def events_of(*frames):
    text = b"".join(f if isinstance(f, bytes) else line(f) for f in frames)
    parser = new_parser("BTCUSDT", 0, (1, 1), (3, 1))
    out = rows(len(text) // 8 + 1)
    _, n = parse_frames_nb(parser, np.frombuffer(text, np.uint8), 0, len(text), out, 0)
    assert parser.counts[0] == parser.counts.sum()
    return out[:n]


def fold(book, *frames):
    """The OR of the answers to each frame."""
    return [fold_books_nb(book, events_of(frame)) for frame in frames]


def small(pending=256):
    return new_book(1, 16384, 16, pending)


def side(book, which, n=4000):
    px, qty = np.zeros(n, np.int64), np.zeros(n, np.int64)
    k = depth_nb(book, 0, which, n, px, qty)
    return dict(zip(px[:k].tolist(), qty[:k].tolist()))


SNAP = snapshot(10, [("100.0", "1"), ("99.9", "2")], [("100.2", "3")])


def test_snapshot_then_diffs():
    book = small()
    flags = fold(book, SNAP, diff(11, 12, 10, [("100.1", "5")]), diff(13, 13, 12, [], [("100.3", "1")]))
    assert flags[0] == BOOK_SYNCED | BOOK_FRAME | BOOK_TOP | BOOK_QUOTE
    assert flags[1] == BOOK_FRAME | BOOK_TOP | BOOK_QUOTE
    assert flags[2] == BOOK_FRAME  # behind the best: the top is the same
    assert side(book, 0) == {1001: 5000, 1000: 1000, 999: 2000}
    top = book.top[0]
    assert (top["bid"], top["bid_qty"], top["ask"], top["ask_qty"]) == (1001, 5000, 1002, 3000)
    assert (top["valid"], top["last_u"], top["frames"], top["gaps"]) == (1, 13, 3, 0)


@pytest.mark.parametrize("perp", [True, False])
def test_buffered_diffs_are_replayed_over_the_snapshot(perp):
    def d(first, last, previous, bids):
        return diff(first, last, previous if perp else None, bids)

    book = small()
    fold(book, d(7, 8, 6, [("98.0", "1")]), d(9, 11, 8, [("98.1", "1")]), d(12, 12, 11, [("98.2", "1")]))
    assert book.top[0]["valid"] == 0
    assert book.top[0]["bid"] == 0
    fold(book, SNAP)
    assert side(book, 0) == {1000: 1000, 999: 2000, 981: 1000, 982: 1000}  # 98.0 is older than the snapshot
    assert (book.top[0]["valid"], book.top[0]["stale_diffs"], book.top[0]["gaps"]) == (1, 1, 0)
    fold(book, d(13, 14, 12, [("98.3", "1")]))
    assert book.top[0]["valid"] == 1


@pytest.mark.parametrize("bad", [diff(12, 13, 11), diff(12, 13), diff(10, 13, 9)])
def test_a_gap_loses_the_book_until_the_next_snapshot(bad):
    book = small()
    fold(book, SNAP, diff(11, 11, 10))
    if bad["U"] == 12 and "pu" not in bad:
        bad = diff(13, 13)
    elif bad["U"] == 12:
        bad = diff(13, 13, 12)
    flags = fold(book, bad)[0]
    assert flags & BOOK_GAP
    top = book.top[0]
    assert (top["valid"], top["bid"], top["ask"], top["gaps"]) == (0, 0, 0, 1)
    assert side(book, 0) == {}
    fold(book, diff(14, 14, 13))
    assert top["valid"] == 0
    assert fold(book, snapshot(20, [("50.0", "1")], []))[0] & BOOK_SYNCED
    assert side(book, 0) == {500: 1000}


def test_a_snapshot_older_than_the_first_diff_is_not_enough():
    book = small()
    flags = fold(book, diff(31, 32, 30), snapshot(20, [("50.0", "1")], []))
    assert not flags[1] & BOOK_SYNCED
    assert book.top[0]["late_snapshots"] == 1
    assert fold(book, diff(33, 33, 32), snapshot(32, [("50.0", "1")], []))[1] & BOOK_SYNCED
    assert (book.top[0]["gaps"], book.top[0]["last_u"]) == (0, 33)


def test_old_diffs_and_old_snapshots_change_nothing():
    book = small()
    fold(book, SNAP, diff(11, 12, 10))
    assert fold(book, diff(11, 12, 10, [("1.0", "1")]), snapshot(9, [("1.0", "1")], [])) == [0, 0]
    assert book.top[0]["stale_diffs"] == 2
    assert book.top[0]["valid"] == 1


def test_crossed_and_locked_books_are_lost():
    for price in ("100.2", "100.5"):
        book = small()
        flags = fold(book, SNAP, diff(11, 11, 10, [(price, "1")]))
        assert flags[1] == BOOK_CROSSED
        assert (book.top[0]["valid"], book.top[0]["crossed"]) == (0, 1)


def test_a_frame_that_never_ends_is_a_gap():
    book = small()
    fold(book, SNAP)
    cut = events_of(diff(11, 11, 10, [("1.0", "1"), ("1.1", "1")]))[:-1]
    assert fold_books_nb(book, cut) == 0
    assert fold(book, diff(12, 12, 11, [("1.2", "1")]))[0] & BOOK_GAP
    assert book.top[0]["valid"] == 0


def test_levels_without_a_head_are_dropped():
    book = small()
    fold(book, SNAP)
    loose = events_of(diff(11, 11, 10, [("1.0", "1")]))[1:]
    assert fold_books_nb(book, loose) == 0
    assert book.top[0]["dropped"] == 1


def test_a_full_pending_buffer_is_counted():
    book = small(pending=4)
    fold(book, diff(2, 2, 1, [("1.0", "1"), ("1.1", "1")]), diff(3, 3, 2, [("1.2", "1"), ("1.3", "1")]))
    assert book.top[0]["dropped"] > 0
    fold(book, snapshot(3, [("5.0", "1")], []))
    assert side(book, 0) == {50: 1000}


def test_quotes_by_freshness():
    book = small()
    fold(book, SNAP)
    assert fold(book, ticker(12, "100.1", "1", "100.2", "1"))[0] == BOOK_QUOTE
    fold(book, diff(11, 11, 10, [("99.0", "1")]))
    top = book.top[0]
    assert (top["quote_bid"], top["quote_u"], top["bid"]) == (1001, 12, 1000)
    assert fold(book, ticker(5, "90.0", "1", "90.1", "1"))[0] == 0
    fold(book, diff(12, 15, 11, [("100.1", "7")]))
    assert (top["quote_bid_qty"], top["quote_u"]) == (7000, 15)
    assert fold(book, ticker(16, "100.3", "1", "100.3", "1"))[0] == BOOK_REFUSED
    assert (top["refused"], top["quote_bid"]) == (1, 1001)


def test_other_kinds_change_nothing():
    book = small()
    before = book.top.tobytes()
    assert fold_book_nb(book, rows(1)[0]) == 0
    assert book.top.tobytes() == before


@pytest.mark.parametrize("perp", [True, False])
@pytest.mark.parametrize("seed", range(2 if NO_JIT else 8))
def test_equals_a_dict_book(perp, seed):
    text, _, bids, asks = session(60 if NO_JIT else 500, seed, perp)
    book = small(4096)
    flags = fold_books_nb(book, events_of(text))
    top = book.top[0]
    assert not flags & (BOOK_GAP | BOOK_CROSSED | BOOK_REFUSED)
    assert side(book, 0) == {p: q * 1000 for p, q in bids.items()}
    assert side(book, 1) == {p: q * 1000 for p, q in asks.items()}
    assert list(side(book, 0)) == sorted(bids, reverse=True)
    assert (top["bid"], top["ask"], top["valid"]) == (max(bids), min(asks), 1)


def test_a_lost_line_is_always_noticed():
    text, messages, _, _ = session(40 if NO_JIT else 150, 3)
    lines = text.splitlines(keepends=True)
    diffs = [k for k, m in enumerate(messages) if m.get("e") == "depthUpdate"]
    for lost in diffs[:-1]:
        book = small(4096)
        fold_books_nb(book, events_of(b"".join(lines[:lost] + lines[lost + 1 :])))
        top = book.top[0]
        # before the snapshot a lost diff may be one that it covers
        assert top["gaps"] == 1 or lost < 5
        assert top["valid"] == 0 or lost < 5


def test_compiled_equals_plain():
    events = events_of(session(60, 5)[0])
    compiled, plain = small(4096), small(4096)
    if not NO_JIT:
        plain = plain._replace(top=plain.top.view(np.recarray))
    step = getattr(fold_book_nb, "py_func", fold_book_nb)
    for event in events.view(np.recarray):
        step(plain, event)
    fold_books_nb(compiled, events)
    assert plain.top.tobytes() == compiled.top.tobytes()
