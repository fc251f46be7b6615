"""Stoikov's microprice: a known chain, his series of matrices, the learning kernel, real quotes."""

import itertools
import math

import numpy as np
import pytest

from bot4.features.library import get
from bot4.features.micro import microprice
from bot4.features.micro.microprice_nb import HEAD, fitted_step_nb, learning_state, learning_step_nb, state_nb
from bot4.features.micro.rows_nb import LEVELS, X_ASK_PX, X_ASK_QTY, X_BID_PX, X_BID_QTY
from bot4.features.plan import run_feature

TICK = 0.5
BUCKETS, SPREADS = 2, 2
WHOLE = 2 * BUCKETS * SPREADS  # both signs


class Chain:
    """A known chain over (sign, bucket, spread): a jump goes with each move, mirrored for the other sign."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        half = WHOLE // 2
        self.p = rng.dirichlet(
            np.ones(2 * WHOLE), half
        )  # move and jump of 0 or one half tick towards the sign
        self.p[:, WHOLE:] *= 0.3
        self.p /= self.p.sum(axis=1, keepdims=True)

    def truth(self) -> np.ndarray:
        """G by his series: the mirrored chain in full, then G1 + B G1 + B B G1 ... ."""
        half = WHOLE // 2
        q = np.zeros((WHOLE, WHOLE))
        t = np.zeros((WHOLE, WHOLE))
        k = np.zeros(WHOLE)
        for i in range(half):
            for j in range(WHOLE):
                mirror = (j + half) % WHOLE
                q[i, j], q[i + half, mirror] = self.p[i, j], self.p[i, j]
                t[i, j], t[i + half, mirror] = self.p[i, j + WHOLE], self.p[i, j + WHOLE]
            k[i], k[i + half] = 0.5 * self.p[i, WHOLE:].sum(), -0.5 * self.p[i, WHOLE:].sum()
        return series(q, t, k)[:half]

    def rows(self, n: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        half = WHOLE // 2
        cumulative = self.p.cumsum(axis=1)
        out = np.zeros((n, 3 + 4 * LEVELS))
        at, mid = 0, 20_000.0  # mid in ticks
        for i in range(n):
            sign = 1.0 if at < half else -1.0
            spread, bucket = divmod(at % half, BUCKETS)
            size = sign * (bucket + 0.5) / BUCKETS
            # a spread of two ticks and of one may share a mid: prices here are not on the grid, G does not ask
            out[i, 0] = i * 0.1
            out[i, X_BID_PX] = (mid - 0.5 * (spread + 1)) * TICK
            out[i, X_ASK_PX] = (mid + 0.5 * (spread + 1)) * TICK
            out[i, X_BID_QTY], out[i, X_ASK_QTY] = 1.0 + size, 1.0 - size
            drawn = min(int(np.searchsorted(cumulative[at % half], rng.random())), 2 * WHOLE - 1)
            mid += sign * 0.5 * (drawn >= WHOLE)
            to = drawn % WHOLE
            at = to if sign > 0 else (to + half) % WHOLE
        return out


def series(q: np.ndarray, t: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Stoikov 2018, theorem 3.1: moves without (q) and with (t) a jump, k the mean jump of a state."""
    stay = np.linalg.inv(np.eye(len(q)) - q)
    g, b = stay @ k, stay @ t
    total, term = g.copy(), g.copy()
    for _ in range(100_000):
        term = b @ term
        total += term
        if np.abs(term).max() < 1e-15:
            return total
    raise AssertionError("the series does not end")


def counted(rows: np.ndarray) -> np.ndarray:
    """The series of the moves seen and their mirrors, counted with dictionaries of states."""
    q, t, k = np.zeros((WHOLE, WHOLE)), np.zeros((WHOLE, WHOLE)), np.zeros(WHOLE)
    n = np.zeros(WHOLE)
    half = WHOLE // 2

    def state(x: np.ndarray) -> int:
        i = (x[X_BID_QTY] - x[X_ASK_QTY]) / (x[X_BID_QTY] + x[X_ASK_QTY])
        spread = min(max(round((x[X_ASK_PX] - x[X_BID_PX]) / TICK), 1), SPREADS)
        return (spread - 1) * BUCKETS + math.floor(abs(i) * BUCKETS) + (half if i < 0 else 0)

    for old, new in itertools.pairwise(rows):
        a, b = state(old), state(new)
        jump = (new[X_BID_PX] + new[X_ASK_PX] - old[X_BID_PX] - old[X_ASK_PX]) / (2 * TICK)
        for side, d in ((0, jump), (half, -jump)):
            i, j = (a + side) % WHOLE, (b + side) % WHOLE
            n[i] += 1
            k[i] += d
            (t if d else q)[i, j] += 1
    return series(q / n[:, None], t / n[:, None], k / n)[:half]


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(4)


@pytest.fixture(scope="module")
def rows(chain: Chain) -> np.ndarray:
    return chain.rows(4_000, 5)


def test_the_fit_equals_his_series_of_the_moves_counted(rows):
    table = microprice.fit(rows, TICK, BUCKETS, SPREADS)
    assert table.adjust.reshape(-1) == pytest.approx(counted(rows), rel=1e-9)


@pytest.mark.jit
def test_a_known_chain_is_recovered(chain):
    """The deviation of G from 60,000 moves is 0.0023 of a tick at most (12 chains); 0.01 is four of them."""
    rows = chain.rows(60_000, 6)
    table = microprice.fit(rows, TICK, BUCKETS, SPREADS)
    truth = chain.truth()
    assert np.ptp(truth) > 0.1  # else nothing is tested
    assert table.adjust.reshape(-1) == pytest.approx(truth, abs=0.01)
    # the microprice drifts nowhere: what it says a move ahead is what the mid and it do in the mean
    ahead = microprice.applied(table, rows)[:, 1] + (rows[:, X_BID_PX] + rows[:, X_ASK_PX]) / (2 * TICK)
    steps = np.diff(ahead)
    assert abs(steps.mean()) < 4 * steps.std() / math.sqrt(len(steps))
    more_bids = rows[:-1, X_BID_QTY] > rows[:-1, X_ASK_QTY]
    drift = steps[more_bids].mean()
    assert abs(drift) < 4 * steps.std() / math.sqrt(more_bids.sum())
    naive = np.diff((rows[:, X_BID_PX] + rows[:, X_ASK_PX]) / (2 * TICK))[more_bids].mean()
    assert naive > 10 * abs(drift)  # the mid itself is no martingale


@pytest.mark.jit
def test_what_is_learnt_on_the_way_comes_to_what_is_fitted(chain):
    """One move to the mid is added to each state, some 7,000 were seen, and rows are solved one by one."""
    rows = chain.rows(60_000, 7)
    table = microprice.fit(rows, TICK, BUCKETS, SPREADS)
    got = run_feature(get(f"microprice_{BUCKETS}_{SPREADS}_{TICK}_1000000000"), rows)
    want = microprice.applied(table, rows)
    assert got[-500:, 1] == pytest.approx(want[-500:, 1], abs=0.001)
    assert got[-500:, 0] == pytest.approx(want[-500:, 0], abs=0.001 * TICK / 9_000)
    assert np.isfinite(got[-500:, 2]).all() and (got[-500:, 2] > 1_000).all()


def test_the_memory_forgets(chain):
    rows = chain.rows(600, 8)
    size = 20
    got = run_feature(get(f"microprice_{BUCKETS}_{SPREADS}_{TICK}_{size}"), rows)
    assert np.nanmax(got[:, 2]) <= size + 1e-9


@pytest.mark.parametrize("step", [learning_step_nb, fitted_step_nb])
def test_compiled_equals_plain(step, rows):
    if step is learning_step_nb:
        params, size, outs = np.array([BUCKETS, SPREADS, TICK, 500.0]), learning_state(BUCKETS * SPREADS), 3
    else:
        params, size, outs = microprice.fit(rows, TICK, BUCKETS, SPREADS).params, 1, 2
    found = []
    for run in (step, getattr(step, "py_func", step)):
        state, out = np.zeros(size), np.zeros((300, outs))
        for i in range(300):
            run(params, state, rows[i], out[i])
        found.append(out)
    np.testing.assert_array_equal(*found)
    one = np.zeros((300, outs))
    if step is fitted_step_nb:
        one = microprice.applied(microprice.fit(rows, TICK, BUCKETS, SPREADS), rows[:300])
        np.testing.assert_array_equal(one, found[0])


def book(bid_qty: float, ask_qty: float, spread: float = 1.0, bid: float = 100.0) -> np.ndarray:
    x = np.zeros(3 + 4 * LEVELS)
    x[X_BID_PX], x[X_ASK_PX] = bid, bid + spread * TICK
    x[X_BID_QTY], x[X_ASK_QTY] = bid_qty, ask_qty
    return x


def test_states_at_their_borders():
    plain = getattr(state_nb, "py_func", state_nb)
    for f in (state_nb, plain):
        assert f(book(3, 1), 2, 2, TICK) == (1, 1.0)  # 0.5 is the upper bucket
        assert f(book(1, 3), 2, 2, TICK) == (1, -1.0)
        assert f(book(2.9, 1), 2, 2, TICK) == (0, 1.0)
        assert f(book(1e9, 1e-9), 2, 2, TICK) == (1, 1.0)  # an imbalance of 1
        assert f(book(1, 1), 2, 2, TICK) == (0, 0.0)
        assert f(book(3, 1, 2), 2, 2, TICK) == (3, 1.0)
        assert f(book(3, 1, 1e300), 2, 2, TICK) == (3, 1.0)
        assert f(book(3, 1, 0.1), 2, 2, TICK) == (1, 1.0)


def test_equal_sizes_say_nothing_and_a_state_never_seen_is_unknown():
    table = microprice.Microprice(TICK, np.array([[0.25, np.nan]]), np.array([[9.0, 0.0]]))
    got = microprice.applied(
        table, np.array([book(1, 1), book(1.2, 1), book(1, 1.2), book(3, 1), book(0, 1)])
    )
    assert got[:3, 1] == pytest.approx([0.0, 0.25, -0.25])
    assert got[1, 0] == pytest.approx(0.25 * TICK / 100.25)
    assert np.isnan(got[3:]).all()
    assert microprice.applied(table, np.zeros((0, 3 + 4 * LEVELS))).shape == (0, 2)


def test_a_broken_book_is_a_hole_and_no_jump():
    feature = get(f"microprice_{BUCKETS}_{SPREADS}_{TICK}_1000")
    gap = [book(3, 1), book(1, 0), book(3, 1, bid=500.0), book(1.2, 1, bid=500.0)]
    got = run_feature(feature, np.array(gap))
    # had the hole been bridged, its 800 ticks would stand in the table
    assert np.isnan(got[:3, 1]).all()
    state = np.zeros(feature.state_size)
    out = np.zeros(3)
    for x in gap:
        learning_step_nb(feature.constants, state, x, out)
    assert np.abs(state[HEAD:]).max() <= 1.0


def test_a_state_that_only_meets_itself_stays_bounded():
    rising = np.array([book(3, 1, bid=100.0 + TICK * i) for i in range(300)])
    got = run_feature(get(f"microprice_2_2_{TICK}_1000000"), rising)
    assert got[-1, 1] <= 300  # of a rise without end nothing more can be said
    with pytest.raises(ValueError, match="never changes sides"):
        microprice.fit(rising, TICK, 2, 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": np.zeros((5, 4))}, "43 columns"),
        ({"tick": 0.0}, "positive"),
        ({"tick": math.nan}, "positive"),
        ({"buckets": 0}, "positive"),
        ({"rows": np.zeros((500, 43))}, "here are 0"),
    ],
)
def test_quotes_that_say_nothing_are_refused(rows, change, words):
    with pytest.raises(ValueError, match=words):
        microprice.fit(**{"rows": rows, "tick": TICK, **change})
