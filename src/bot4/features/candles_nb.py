"""The 61 candlestick rules of TA-Lib, bar by bar.

Slot i of the output is rule i of `RULES` (in `candles`, the table): 100 or -100 where the rule
holds for the bar just closed, bullish or bearish in TA-Lib's sense, 80 for the weak form of
engulfing and harami, 200 where a hikkake is confirmed, 0 where it does not hold.
"""

import math

import numpy as np

from bot4.features.candle_facts_nb import State, push_candle_nb
from bot4.features.candles_long_nb import (
    breakaway_nb,
    concealing_baby_swallow_nb,
    hikkake_modified_nb,
    hikkake_nb,
    ladder_bottom_nb,
    mat_hold_nb,
    rise_fall_three_methods_nb,
    three_black_crows_nb,
    three_line_strike_nb,
)
from bot4.features.candles_one_nb import (
    belt_hold_nb,
    closing_marubozu_nb,
    doji_nb,
    dragonfly_doji_nb,
    gravestone_doji_nb,
    hammer_nb,
    hanging_man_nb,
    high_wave_nb,
    inverted_hammer_nb,
    long_legged_doji_nb,
    long_line_nb,
    marubozu_nb,
    rickshaw_man_nb,
    shooting_star_nb,
    short_line_nb,
    spinning_top_nb,
    takuri_nb,
)
from bot4.features.candles_three_nb import (
    abandoned_baby_nb,
    advance_block_nb,
    evening_doji_star_nb,
    evening_star_nb,
    gap_side_by_side_white_nb,
    gap_three_methods_nb,
    identical_three_crows_nb,
    morning_doji_star_nb,
    morning_star_nb,
    stalled_pattern_nb,
    stick_sandwich_nb,
    tasuki_gap_nb,
    three_inside_nb,
    three_outside_nb,
    three_stars_in_south_nb,
    three_white_soldiers_nb,
    tristar_nb,
    two_crows_nb,
    unique_three_river_nb,
    upside_gap_two_crows_nb,
)
from bot4.features.candles_two_nb import (
    counterattack_nb,
    dark_cloud_cover_nb,
    doji_star_nb,
    engulfing_nb,
    harami_cross_nb,
    harami_nb,
    homing_pigeon_nb,
    in_neck_nb,
    kicking_by_length_nb,
    kicking_nb,
    matching_low_nb,
    on_neck_nb,
    piercing_nb,
    separating_lines_nb,
    thrusting_nb,
)
from bot4.features.pivots_nb import finite_bar_nb
from bot4.kernels.jit_nb import kernel

N_RULES = 61
HIKKAKE_SLOT = 28
FIRST_BARS = np.array(
    [
        12,
        13,
        12,
        8,
        3,
        12,
        12,
        12,
        12,
        10,
        14,
        10,
        13,
        11,
        11,
        10,
        11,
        10,
        2,
        12,
        12,
        7,
        10,
        11,
        11,
        11,
        11,
        10,
        5,
        10,
        11,
        12,
        11,
        11,
        11,
        11,
        14,
        10,
        10,
        10,
        6,
        14,
        12,
        12,
        11,
        11,
        10,
        14,
        11,
        11,
        10,
        10,
        12,
        7,
        10,
        7,
        11,
        12,
        12,
        12,
        2,
    ],
    np.float64,
)


@kernel
def _one_nb(params: State, s: State, out: State) -> None:
    """Write the rules of one bar, warm or not."""
    out[9] = belt_hold_nb(s)
    out[11] = closing_marubozu_nb(s)
    out[15] = doji_nb(s)
    out[17] = dragonfly_doji_nb(s)
    out[22] = gravestone_doji_nb(s)
    out[23] = hammer_nb(s)
    out[24] = hanging_man_nb(s)
    out[27] = high_wave_nb(s)
    out[33] = inverted_hammer_nb(s)
    out[37] = long_legged_doji_nb(s)
    out[38] = long_line_nb(s)
    out[39] = marubozu_nb(s)
    out[46] = rickshaw_man_nb(s)
    out[49] = shooting_star_nb(s)
    out[50] = short_line_nb(s)
    out[51] = spinning_top_nb(s)
    out[54] = takuri_nb(s)


@kernel
def _two_nb(params: State, s: State, out: State) -> None:
    """Write the rules of two bars, warm or not."""
    out[13] = counterattack_nb(s)
    out[14] = dark_cloud_cover_nb(s, params[5])
    out[16] = doji_star_nb(s)
    out[18] = engulfing_nb(s)
    out[25] = harami_nb(s)
    out[26] = harami_cross_nb(s)
    out[30] = homing_pigeon_nb(s)
    out[32] = in_neck_nb(s)
    out[34] = kicking_nb(s)
    out[35] = kicking_by_length_nb(s)
    out[40] = matching_low_nb(s)
    out[44] = on_neck_nb(s)
    out[45] = piercing_nb(s)
    out[48] = separating_lines_nb(s)
    out[56] = thrusting_nb(s)


@kernel
def _three_nb(params: State, s: State, out: State) -> None:
    """Write the rules of three bars, warm or not."""
    out[0] = two_crows_nb(s)
    out[2] = three_inside_nb(s)
    out[4] = three_outside_nb(s)
    out[5] = three_stars_in_south_nb(s)
    out[6] = three_white_soldiers_nb(s)
    out[7] = abandoned_baby_nb(s, params[4])
    out[8] = advance_block_nb(s)
    out[19] = evening_doji_star_nb(s, params[3])
    out[20] = evening_star_nb(s, params[1])
    out[21] = gap_side_by_side_white_nb(s)
    out[31] = identical_three_crows_nb(s)
    out[42] = morning_doji_star_nb(s, params[2])
    out[43] = morning_star_nb(s, params[0])
    out[52] = stalled_pattern_nb(s)
    out[53] = stick_sandwich_nb(s)
    out[55] = tasuki_gap_nb(s)
    out[57] = tristar_nb(s)
    out[58] = unique_three_river_nb(s)
    out[59] = upside_gap_two_crows_nb(s)
    out[60] = gap_three_methods_nb(s)


@kernel
def _long_nb(params: State, s: State, out: State) -> None:
    """Write the rules of four and five bars, warm or not."""
    out[1] = three_black_crows_nb(s)
    out[3] = three_line_strike_nb(s)
    out[10] = breakaway_nb(s)
    out[12] = concealing_baby_swallow_nb(s)
    out[36] = ladder_bottom_nb(s)
    out[41] = mat_hold_nb(s, params[6])
    out[47] = rise_fall_three_methods_nb(s)


@kernel
def candles_step_nb(params: State, state: State, x: State, out: State) -> None:
    """Judge the bar x by all rules; NaN in the slots that TA-Lib does not judge yet.

    params: how deep the last bar must go into the first body, as a share of it: morning star,
    evening star, morning doji star, evening doji star, abandoned baby, dark cloud cover, mat hold.
    A bar whose prices are not finite and above 0 is left out and gives NaN.
    Rules and settings: those of TA-Lib as it comes.
    """
    if not finite_bar_nb(x):
        for i in range(N_RULES):
            out[i] = math.nan
        return
    push_candle_nb(state, x)
    bar = int(state[0]) - 1
    trap = hikkake_nb(state) if bar >= 2 else 0.0
    nested = hikkake_modified_nb(state) if bar >= 7 else 0.0
    _one_nb(params, state, out)
    _two_nb(params, state, out)
    _three_nb(params, state, out)
    _long_nb(params, state, out)
    out[HIKKAKE_SLOT] = trap
    out[HIKKAKE_SLOT + 1] = nested
    for i in range(N_RULES):
        if bar < FIRST_BARS[i]:
            out[i] = math.nan
