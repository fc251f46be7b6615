import numpy as np
import pytest
from frame_samples import NO_JIT, rows

from bot4.model import codes_nb as c
from bot4.quality import checks_nb as q
from bot4.quality.checks import NAMES, counts, new_quality

S = 10**9
T0 = 1_700_000_000 * S


def event(kind, n=0, **fields):
    made = rows(1)
    made["kind"] = kind
    made["ts_venue"] = T0 + n * S
    made["ts_local"] = T0 + n * S + 1000
    for name, value in fields.items():
        made[name] = value
    return made


def trade(n, price=10_000, seq=None, **more):
    return event(c.EV_TRADE, n, **{"price": price, "qty": 1, "seq": n + 1 if seq is None else seq, **more})


def bar(n, close=10_000, low=None, high=None, op=None, **more):
    op = close if op is None else op
    low = min(close, op) if low is None else low
    high = max(close, op) if high is None else high
    return event(c.EV_BAR, n, **{"price": close, "x": op, "y": high, "seq": low, "qty": 1, **more})


def verdicts(*events, params=None):
    state = new_quality(1)
    params = params or q.QualityParams()
    return [q.check_nb(state, params, 0, e[0]) for e in events]


def test_clean_events_pass():
    assert set(verdicts(*(trade(k, 10_000 + k % 7) for k in range(50)))) == {q.Q_OK}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (trade(1, price=0), q.Q_PRICE),
        (trade(1, price=-5), q.Q_PRICE),
        (trade(1, qty=0), q.Q_QTY),
        (trade(1, qty=-1), q.Q_QTY),
        (trade(1, ts_local=T0 + 7 * S), q.Q_STALE),
        (event(c.EV_DEPTH, price=0, qty=1), q.Q_PRICE),
        (event(c.EV_DEPTH, price=1, qty=-1), q.Q_QTY),
        (event(c.EV_BOOK_TICKER, 1, price=0, x=5), q.Q_PRICE),
        (event(c.EV_BOOK_TICKER, 1, price=4, x=5, y=-1), q.Q_QTY),
        (bar(1, low=10_001), q.Q_OHLC),
        (bar(1, high=9_999), q.Q_OHLC),
        (bar(1, close=0), q.Q_PRICE),
        (bar(1, qty=-1), q.Q_QTY),
        (event(c.EV_FUNDING, 1), q.Q_OK),
        (event(c.EV_TIMER, 1), q.Q_OK),
    ],
)
def test_one_bad_event(bad, code):
    assert verdicts(bad) == [code]


def test_trade_ids():
    assert verdicts(trade(0, seq=5), trade(1, seq=5), trade(2, seq=4), trade(3, seq=6)) == [
        q.Q_OK, q.Q_DUPLICATE, q.Q_ORDER, q.Q_OK,
    ]  # fmt: skip
    restarted = verdicts(trade(0, seq=10**9), *(trade(k, seq=k) for k in range(1, 80)))
    assert restarted[1:64] == [q.Q_ORDER] * 63
    assert restarted[64:] == [q.Q_OK] * 16


def test_bar_order():
    assert verdicts(bar(60), bar(60), bar(0), bar(120)) == [q.Q_OK, q.Q_DUPLICATE, q.Q_ORDER, q.Q_OK]


def test_venue_clock_that_stands_still_or_jumps_back():
    frozen = [trade(0, seq=1)] + [trade(0, seq=k, ts_local=T0 + k * S) for k in (2, 3, 8)]
    assert verdicts(*frozen) == [q.Q_OK, q.Q_OK, q.Q_OK, q.Q_STALE]
    # behind a clock that runs early the age is never too great, but standing still shows
    early = [trade(100, seq=k, ts_local=T0 + k * S) for k in (1, 2, 8)]
    assert verdicts(*early) == [q.Q_OK, q.Q_OK, q.Q_STALE]
    back = verdicts(trade(100, seq=1), *(trade(k, seq=k + 2) for k in range(20)))
    assert back[1:16] == [q.Q_STALE] * 15
    assert back[16:] == [q.Q_OK] * 5


def test_spot_ticker_with_inherited_time_is_not_stale():
    quiet = event(c.EV_BOOK_TICKER, 0, price=10, x=11, ts_local=T0 + 60 * S)
    assert verdicts(trade(0, 10), quiet) == [q.Q_OK, q.Q_OK]


def test_spike_is_quarantined_and_a_confirmed_level_is_accepted():
    calm = [trade(k, 10_000 + k % 5) for k in range(30)]
    spike = [trade(30, 12_000), trade(31, 10_001), trade(32, 10_002)]
    assert verdicts(*calm, *spike)[30:] == [q.Q_OUTLIER, q.Q_OK, q.Q_OK]
    moved = [trade(30 + k, 12_000 + k) for k in range(5)]
    assert verdicts(*calm, *moved)[30:] == [q.Q_OUTLIER, q.Q_OUTLIER, q.Q_OK, q.Q_OK, q.Q_OK]
    torn = [trade(30, 12_000), trade(31, 15_000), trade(32, 12_000), trade(33, 15_000)]
    assert verdicts(*calm, *torn)[30:] == [q.Q_OUTLIER] * 4
    assert verdicts(*calm, trade(30, 10_100))[30:] == [q.Q_OK]  # below two percent
    loose = q.QualityParams(jump=0.5)
    assert verdicts(*calm, *spike, params=loose)[30] == q.Q_OK


def test_bars_that_trade_their_way_there_have_wider_limits():
    calm = [bar(60 * k, 10_000 + k % 5) for k in range(30)]
    assert verdicts(*calm, bar(1800, 10_400, op=10_000))[-1] == q.Q_OK
    assert verdicts(*calm, bar(1800, 10_400, op=10_390))[-1] == q.Q_OUTLIER
    assert verdicts(*calm, bar(1800, 13_000, op=10_000))[-1] == q.Q_OUTLIER


def test_counts_by_instrument_and_reason():
    state = new_quality(2)
    for e in (trade(1), trade(1), trade(2, price=0)):
        q.check_nb(state, q.QualityParams(), 1, e[0])
    assert counts(state, 1) == {"bad_price": 1, "duplicate": 1}
    assert counts(state, 0) == {}
    assert len(NAMES) == q.N_Q


def test_batch_equals_step_and_compiled_equals_plain():
    tape = np.concatenate(
        [trade(k, 10_000 * (2 if k % 13 == 5 else 1), seq=k + 1 - k % 3) for k in range(60)]
    )
    tape = tape.view(np.recarray) if NO_JIT else tape
    codes = np.zeros(len(tape), np.uint8)
    refused = q.check_batch_nb(new_quality(1), q.QualityParams(), tape, codes)
    steps = verdicts(*(tape[k : k + 1] for k in range(len(tape))))
    assert codes.tolist() == steps
    assert refused == sum(code != 0 for code in steps)
    state = new_quality(1)
    state = state._replace(rows=state.rows.view(np.recarray))
    plain = getattr(q.check_nb, "py_func", q.check_nb)
    verdict = getattr(q._verdict_nb, "py_func", q._verdict_nb)
    assert verdict is not None
    assert [plain(new_quality(1), q.QualityParams(), 0, e) for e in tape.view(np.recarray)[:1]] == steps[:1]
