"""Game theory: equilibria against nashpy and by regret, models against their closed forms."""

import itertools
import math
import warnings

import nashpy
import numpy as np
import pytest

from bot4.features.games import models
from bot4.features.games.lemke_howson_nb import NO_RATIO, SOLVED, lemke_howson_nb, regret_nb, work_size_nb
from bot4.features.games.quoting_nb import cooperation_nb
from bot4.features.games.solve import nash
from bot4.features.library import get
from bot4.features.plan import run_feature
from helpers import micro_rows


def regret(a, b, x, y):
    return max((a @ y).max() - x @ a @ y, (x @ b).max() - x @ b @ y)


def mixes(rng, n):
    return rng.dirichlet(np.ones(n))


# --- Lemke-Howson ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_random_games_have_no_regret(seed):
    rng = np.random.default_rng(seed)
    for _ in range(250):
        m, n = rng.integers(1, 7, 2)
        a, b = rng.normal(0, 10 ** rng.uniform(-3, 3), (2, m, n))
        e = nash(a, b)
        assert e.x.sum() == pytest.approx(1, abs=1e-12) and e.y.sum() == pytest.approx(1, abs=1e-12)
        assert min(e.x.min(), e.y.min()) >= 0
        assert regret(a, b, e.x, e.y) < 1e-9 * max(np.ptp(a), np.ptp(b), 1e-300) + 1e-15
        assert e.regret < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_degenerate_games_end_without_regret(seed):
    """Few different integer payoffs, equal rows, constant games: ties in every ratio test."""
    rng = np.random.default_rng(100 + seed)
    for _ in range(200):
        m, n = rng.integers(1, 7, 2)
        a = rng.integers(0, rng.integers(1, 4), (m, n)).astype(float)
        b = rng.integers(0, rng.integers(1, 4), (m, n)).astype(float)
        if m > 1 and rng.random() < 0.5:
            a[-1], b[-1] = a[0], b[0]
        e = nash(a, b)
        assert regret(a, b, e.x, e.y) < 1e-9


def test_every_label_of_small_games_ends():
    """Without the tie-break some of these cycle; each label must reach an equilibrium."""
    for payoffs in itertools.product((0.0, 1.0), repeat=8):
        a, b = np.array(payoffs[:4]), np.array(payoffs[4:])
        work, mix = np.zeros(int(work_size_nb(2, 2))), np.zeros(4)
        for drop in range(4):
            assert lemke_howson_nb((a, b, 2, 2), drop, work, mix) == SOLVED
            assert regret_nb((a, b, 2, 2), mix) < 1e-9


def test_the_answer_is_among_those_of_support_enumeration():
    """Where nashpy finds an even number it has missed one (a generic game has an odd number)."""
    rng = np.random.default_rng(7)
    compared = 0
    for _ in range(60):
        m, n = rng.integers(2, 5, 2)
        a, b = rng.normal(size=(2, m, n))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            every = list(nashpy.Game(a, b).support_enumeration())
        if len(every) % 2 == 0:
            continue
        compared += 1
        e = nash(a, b)
        assert any(np.allclose(e.x, x, atol=1e-7) and np.allclose(e.y, y, atol=1e-7) for x, y in every)
    assert compared > 45


def test_compiled_equals_plain():
    rng = np.random.default_rng(8)
    plain = getattr(lemke_howson_nb, "py_func", lemke_howson_nb)
    for _ in range(30):
        a, b = rng.normal(size=(2, 12))
        one, two = np.zeros(7), np.zeros(7)
        work = np.zeros(int(work_size_nb(3, 4)))
        assert lemke_howson_nb((a, b, 3, 4), 2, work, one) == plain((a, b, 3, 4), 2, work.copy(), two)
        np.testing.assert_allclose(one, two, atol=1e-12)


def test_known_games():
    pennies = np.array([[1.0, -1], [-1, 1]])
    e = nash(pennies, -pennies)
    np.testing.assert_allclose([*e.x, *e.y], 0.5)
    rock = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    np.testing.assert_allclose(nash(rock, -rock).x, 1 / 3, atol=1e-12)
    dilemma = np.array([[3.0, 0], [5, 1]])
    e = nash(dilemma, dilemma.T)
    assert (e.x[1], e.y[1]) == (1.0, 1.0)


def test_what_is_no_game_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        nash(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        nash(np.array([[np.nan]]), np.ones((1, 1)))
    broken = np.full(4, np.nan)
    mix = np.zeros(4)
    code = lemke_howson_nb((broken, broken, 2, 2), 0, np.zeros(int(work_size_nb(2, 2))), mix)
    assert code == NO_RATIO and np.isnan(mix).all()


def test_a_solver_that_fails_is_told(monkeypatch):
    monkeypatch.setattr("bot4.features.games.solve.lemke_howson_nb", lambda *a: NO_RATIO)
    with pytest.raises(ArithmeticError, match="no label"):
        nash(np.ones((2, 2)), np.ones((2, 2)))


# --- models ---------------------------------------------------------------------------------


def test_glosten_milgrom_worked_example_and_bounds():
    q = models.glosten_milgrom(0.5, 0.3, 90, 110)
    assert (q.bid, q.ask) == pytest.approx((97, 103))
    rng = np.random.default_rng(1)
    for _ in range(100):
        p, a = rng.random(2)
        q = models.glosten_milgrom(p, a, 90, 110)
        mean = 90 + 20 * p
        assert 90 - 1e-9 <= q.bid <= mean + 1e-9 and mean - 1e-9 <= q.ask <= 110 + 1e-9
    assert models.glosten_milgrom(0.3, 0.0, 90, 110) == pytest.approx((96, 96))
    assert models.glosten_milgrom(1.0, 1.0, 90, 110) == pytest.approx((90, 110))
    with pytest.raises(ValueError, match="prior"):
        models.glosten_milgrom(1.5, 0.3, 90, 110)


def test_kyle_in_closed_form_is_an_equilibrium():
    k = models.kyle(2.0, 5.0)
    assert k.impact == pytest.approx(0.2)
    rng = np.random.default_rng(2)
    v, u = rng.normal(0, 2.0, 400_000), rng.normal(0, 5.0, 400_000)
    y = k.intensity * v + u
    assert np.cov(v, y)[0, 1] / y.var() == pytest.approx(k.impact, rel=0.02)  # the maker breaks even
    assert ((v - k.impact * y) * k.intensity * v).mean() == pytest.approx(k.gain, rel=0.02)
    with pytest.raises(ValueError, match="positive"):
        models.kyle(0.0, 1.0)


def test_stackelberg_finds_the_cournot_leader():
    a, b, c = 10.0, 1.0, 2.0
    q = np.linspace(0, 6, 601)
    price = a - b * (q[:, None] + q[None, :])
    lead = models.stackelberg((price - c) * q[:, None], (price - c) * q[None, :])
    want = models.cournot_leader(a, b, c)
    assert want == (4.0, 2.0)
    assert (q[lead.leader], q[lead.follower]) == pytest.approx(want, abs=0.04)  # the follower's ties
    assert lead.leader_payoff == pytest.approx(8.0, abs=0.05)
    with pytest.raises(ValueError, match="slope"):
        models.cournot_leader(1.0, -1.0, 0.0)


def test_a_follower_who_is_indifferent_answers_worst_for_the_leader():
    lead = models.stackelberg(np.array([[9.0, 0], [1, 1]]), np.array([[5.0, 5], [0, 1]]))
    assert (lead.leader, lead.leader_payoff) == (1, 1.0)


def test_makers_undercut_each_other_down_to_one_step_above_cost():
    spreads = np.arange(1, 11) * 1.0
    game = models.quote_game(spreads, spreads, adverse=2.0, elasticity=0.05)
    e = models.quote_equilibrium(game)
    assert regret(game.ours, game.theirs, e.x, e.y) < 1e-9
    assert spreads[e.x > 1e-9].max() <= 4.0
    assert game.ours[4, 4] == pytest.approx(0.5 * math.exp(-0.25) * 3.0)
    assert game.ours[3, 4] == pytest.approx(math.exp(-0.2) * 2.0) and game.theirs[3, 4] == 0.0
    uneven = models.quote_game(spreads[:3], spreads[:5], 0.0, 0.0)
    assert uneven.ours.shape == (3, 5)


def test_cooperation_lasts_from_the_threshold_on():
    assert models.cooperation_threshold(5, 3, 1, 0) == 0.5
    with pytest.raises(ValueError, match="T > R"):
        models.cooperation_threshold(3, 5, 1, 0)
    # the feature: margin 10, undercut 1: T 9, R 5, P 4.5
    assert cooperation_nb(10.0, 1.0) == pytest.approx(models.cooperation_threshold(9, 5, 4.5, 0))
    assert cooperation_nb(1.5, 1.0) == 0.0  # undercutting takes 0.5, sharing 0.75


# --- streaming ------------------------------------------------------------------------------


def test_belief_equals_bayes_trade_by_trade():
    rows = micro_rows.trades(80, 3)
    rows[:, 3] = np.where(rows[:, 3] == 0, 1.0, rows[:, 3])
    rows[:, 0] = 1e9  # no time passes: nothing fades
    got = run_feature(get("belief_0.3_10_30"), rows)
    p = 0.5
    for row, out in zip(rows, got, strict=True):
        up, down = (0.65, 0.35) if row[3] > 0 else (0.35, 0.65)
        p = p * up / (p * up + (1 - p) * down)
        quotes = models.glosten_milgrom(p, 0.3, -1e-3, 1e-3)
        assert out[0] == pytest.approx(p, rel=1e-9)
        assert out[1] == pytest.approx((2 * p - 1) * 1e-3, abs=1e-12)
        assert out[2] == pytest.approx((quotes.ask - quotes.bid) / 2, abs=1e-12)


def test_belief_fades_to_even():
    rows = np.array([[1e9, 100.0, 1, 1, 99, 101], [1e9 + 1e6, 100.0, 1, 0, 99, 101]])
    rows[1, 3] = -1.0
    alone = run_feature(get("belief_0.3_10_30"), rows[1:])[0]
    np.testing.assert_allclose(run_feature(get("belief_0.3_10_30"), rows)[1], alone, atol=1e-15)


def test_rivalry_equals_exact_faded_means():
    rows = micro_rows.trades(60, 5)
    rows[:, 3] = np.where(rows[:, 3] == 0, 1.0, rows[:, 3])
    rows = rows[~np.isnan(rows[:, 4])]
    got = run_feature(get("rivalry_20_0.1"), rows)[-1]
    mid = (rows[:, 4] + rows[:, 5]) / 2
    side = rows[:, 3]
    weight = np.exp((rows[1:, 0] - rows[-1, 0]) / 20)
    wide = (weight * side[1:] * (rows[1:, 1] - mid[1:]) / mid[1:]).sum() / weight.sum()
    adverse = (weight * side[:-1] * np.diff(mid) / mid[:-1]).sum() / weight.sum()
    want = cooperation_nb(wide - adverse, 1e-5)
    assert got == pytest.approx([wide, adverse, (wide - adverse) / wide, want], rel=1e-8)
