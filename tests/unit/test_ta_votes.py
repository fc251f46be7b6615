"""Technical votes: one table a vote, abstention on NaN, and the sum."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.model import feature_layout_nb as layout
from bot4.model.feature_layout_nb import BOOK_NAMES, FEATURE_NAMES, N_BOOK, N_FEATURES
from bot4.signals.ta import votes_nb
from bot4.signals.ta.votes_nb import N_VOTES, VOTE_NAMES, combine_votes_nb, ta_votes_nb

# A row in which every vote says "up" with a confidence that is easy to work out, at close 110.
UP = {
    "ema_12": 103.0,
    "ema_26": 102.0,
    "ema_50": 101.0,
    "adx_14": 35.0,  # (35 - 20) / 30 = 0.5
    "rsi_14": 60.0,  # 10 / 20 = 0.5
    "macd_hist": 1.0,
    "bb_pct": 0.6,
    "donchian_prior_high": 109.0,
    "donchian_prior_low": 90.0,
    "volume_z_20": 1.5,  # 1.5 / 3 = 0.5
    "supertrend": 104.0,
    "supertrend_dir": 1.0,
    "sar": 105.0,
    "atr_14": 4.0,  # 6 / 12 = 0.5
}
BOOK = {"ofi_ratio": 0.4, "imbalance_1": 0.6}  # 0.5


def forms() -> list[Callable[..., None]]:
    return [ta_votes_nb, getattr(ta_votes_nb, "py_func", ta_votes_nb)]


def votes_of(change: dict[str, float] | None = None, close: float = 110.0) -> dict[str, tuple[float, float]]:
    row, book = np.full(N_FEATURES, np.nan), np.full(N_BOOK, np.nan)
    for name, value in (UP | BOOK | (change or {})).items():
        if name in FEATURE_NAMES:
            row[FEATURE_NAMES.index(name)] = value
        else:
            book[BOOK_NAMES.index(name)] = value
    results = []
    for form in forms():
        votes = np.full((N_VOTES, 2), 7.0)
        form(row, book, close, votes)
        results.append(votes)
    assert np.array_equal(results[0], results[1])
    return {name: (results[0][i, 0], results[0][i, 1]) for i, name in enumerate(VOTE_NAMES)}


TABLE = [
    # vote, change of the row, close, direction, confidence
    ("trend", {}, 110.0, 1, 0.5),
    ("trend", {"ema_12": 100.0, "ema_26": 101.0, "ema_50": 102.0}, 110.0, -1, 0.5),
    ("trend", {"ema_26": 104.0}, 110.0, 0, 0.0),
    ("trend", {"ema_26": 103.0}, 110.0, 0, 0.0),
    ("trend", {"adx_14": 20.0}, 110.0, 0, 0.0),
    ("trend", {"adx_14": 90.0}, 110.0, 1, 1.0),
    ("momentum", {}, 110.0, 1, 0.5),
    ("momentum", {"rsi_14": 35.0, "macd_hist": -1.0}, 110.0, -1, 0.75),
    ("momentum", {"macd_hist": -1.0}, 110.0, 0, 0.0),
    ("momentum", {"rsi_14": 50.0}, 110.0, 0, 0.0),
    ("momentum", {"rsi_14": 95.0}, 110.0, 1, 1.0),
    ("mean_reversion", {}, 110.0, 0, 0.0),
    ("mean_reversion", {"bb_pct": -0.125, "rsi_14": 22.5}, 110.0, 1, 0.5),
    ("mean_reversion", {"bb_pct": 1.125, "rsi_14": 77.5}, 110.0, -1, 0.5),
    ("mean_reversion", {"bb_pct": -2.0, "rsi_14": 1.0}, 110.0, 1, 1.0),
    ("mean_reversion", {"bb_pct": -0.1, "rsi_14": 30.0}, 110.0, 0, 0.0),
    ("mean_reversion", {"bb_pct": 0.0, "rsi_14": 10.0}, 110.0, 0, 0.0),
    ("mean_reversion", {"bb_pct": 1.2, "rsi_14": 70.0}, 110.0, 0, 0.0),
    ("breakout", {}, 110.0, 1, 0.5),
    ("breakout", {}, 109.0, 0, 0.0),
    ("breakout", {}, 89.0, -1, 0.5),
    ("breakout", {"volume_z_20": -0.1}, 110.0, 0, 0.0),
    ("breakout", {"volume_z_20": 9.0}, 110.0, 1, 1.0),
    ("stops", {}, 110.0, 1, 0.5),
    ("stops", {"supertrend_dir": -1.0, "supertrend": 116.0, "sar": 115.0}, 110.0, -1, 0.5),
    ("stops", {"sar": 111.0}, 110.0, 0, 0.0),
    ("stops", {"supertrend": 111.0}, 110.0, 0, 0.0),
    ("stops", {"atr_14": 0.0}, 110.0, 0, 0.0),
    ("order_flow", {}, 110.0, 1, 0.5),
    ("order_flow", {"ofi_ratio": -0.2, "imbalance_1": -0.4}, 110.0, -1, 0.3),
    ("order_flow", {"ofi_ratio": -0.2}, 110.0, 0, 0.0),
    ("order_flow", {"ofi_ratio": 0.0}, 110.0, 0, 0.0),
]


@pytest.mark.parametrize(("vote", "change", "close", "direction", "confidence"), TABLE)
def test_table(vote: str, change: dict[str, float], close: float, direction: int, confidence: float) -> None:
    got = votes_of(change, close)[vote]
    assert got[0] == direction
    assert got[1] == pytest.approx(confidence)


INPUTS = {
    "trend": ["ema_12", "ema_26", "ema_50", "adx_14"],
    "momentum": ["rsi_14", "macd_hist"],
    "mean_reversion": ["bb_pct", "rsi_14"],
    "breakout": ["donchian_prior_high", "donchian_prior_low", "volume_z_20"],
    "stops": ["supertrend", "supertrend_dir", "sar", "atr_14"],
    "order_flow": ["ofi_ratio", "imbalance_1"],
}


@pytest.mark.parametrize("vote", VOTE_NAMES)
def test_a_vote_abstains_while_an_input_is_unknown(vote: str) -> None:
    base = {"bb_pct": -0.2, "rsi_14": 20.0} if vote == "mean_reversion" else {}
    assert votes_of(base)[vote][0] == 1
    for name in INPUTS[vote]:
        changed = votes_of({**base, name: np.nan})
        assert changed[vote] == (0.0, 0.0), name
        for other in VOTE_NAMES:
            if name not in INPUTS[other]:
                assert changed[other] == votes_of(base)[other]


def test_nothing_known_gives_no_vote() -> None:
    nothing = votes_of(dict.fromkeys(UP | BOOK, np.nan), np.nan)
    assert set(nothing.values()) == {(0.0, 0.0)}


def combine(pairs: list[tuple[float, float]], weights: list[float]) -> tuple[float, float]:
    results = []
    for form in (combine_votes_nb, getattr(combine_votes_nb, "py_func", combine_votes_nb)):
        out = np.full(2, 7.0)
        form(np.array(pairs, float), np.array(weights, float), out)
        results.append((out[0], out[1]))
    assert results[0] == results[1]
    return results[0]


@pytest.mark.parametrize(
    ("pairs", "weights", "want"),
    [
        ([(1, 0.5), (1, 0.7)], [1, 1], (1, 0.6)),
        ([(1, 0.5), (0, 0.0)], [1, 9], (1, 0.5)),  # who abstains does not dilute
        ([(1, 0.5), (-1, 0.5)], [1, 1], (0, 0)),  # equal opposite sides
        ([(1, 0.5), (-1, 1.0)], [1, 1], (-1, 0.25)),
        ([(1, 0.5), (-1, 1.0)], [3, 1], (1, 0.125)),
        ([(0, 0.0), (0, 0.0)], [1, 1], (0, 0)),
        ([(1, 1.0), (-1, 1.0)], [0, 0], (0, 0)),
        ([(1, 1.0), (1, np.nan)], [1, 1], (0, 0)),
    ],
)
def test_combine(pairs: list[tuple[float, float]], weights: list[float], want: tuple[float, float]) -> None:
    assert combine(pairs, weights) == pytest.approx(want)


pair = st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.floats(0.0, 1.0))


@given(
    st.lists(pair, min_size=N_VOTES, max_size=N_VOTES), st.lists(st.floats(0.0, 10.0), min_size=6, max_size=6)
)
def test_combined_is_bounded_and_turns_with_its_votes(
    pairs: list[tuple[float, float]], weights: list[float]
) -> None:
    s, c = combine(pairs, weights)
    assert s in (-1.0, 0.0, 1.0)
    assert 0.0 <= c <= 1.0
    turned = combine([(-d, x) for d, x in pairs], weights)
    assert turned == (-s, c)


def test_the_layout_is_whole() -> None:
    for prefix, names in (("F_", FEATURE_NAMES), ("B_", BOOK_NAMES)):
        for index, name in enumerate(names):
            assert getattr(layout, prefix + name.upper()) == index
    for index, name in enumerate(VOTE_NAMES):
        assert getattr(votes_nb, "V_" + name.upper()) == index
