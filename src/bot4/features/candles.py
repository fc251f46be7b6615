"""The table of candlestick rules: name, TA-Lib's name, first bar, number of bars, depth."""

from typing import Final, NamedTuple

DEPTHS: Final = (0.3, 0.3, 0.3, 0.3, 0.3, 0.5, 0.5)
"""TA-Lib's penetrations, in the order that `candles_nb.candles_step_nb` states."""


class Rule(NamedTuple):
    """One candlestick rule. `first` is the number of bars before the first that is judged."""

    name: str
    talib: str
    first: int
    bars: int
    depth: int | None
    """Index of its depth in the parameters, if it has one."""


RULES: Final = (
    Rule("two_crows", "CDL2CROWS", 12, 3, None),
    Rule("three_black_crows", "CDL3BLACKCROWS", 13, 4, None),
    Rule("three_inside", "CDL3INSIDE", 12, 3, None),
    Rule("three_line_strike", "CDL3LINESTRIKE", 8, 4, None),
    Rule("three_outside", "CDL3OUTSIDE", 3, 3, None),
    Rule("three_stars_in_south", "CDL3STARSINSOUTH", 12, 3, None),
    Rule("three_white_soldiers", "CDL3WHITESOLDIERS", 12, 3, None),
    Rule("abandoned_baby", "CDLABANDONEDBABY", 12, 3, 4),
    Rule("advance_block", "CDLADVANCEBLOCK", 12, 3, None),
    Rule("belt_hold", "CDLBELTHOLD", 10, 1, None),
    Rule("breakaway", "CDLBREAKAWAY", 14, 5, None),
    Rule("closing_marubozu", "CDLCLOSINGMARUBOZU", 10, 1, None),
    Rule("concealing_baby_swallow", "CDLCONCEALBABYSWALL", 13, 4, None),
    Rule("counterattack", "CDLCOUNTERATTACK", 11, 2, None),
    Rule("dark_cloud_cover", "CDLDARKCLOUDCOVER", 11, 2, 5),
    Rule("doji", "CDLDOJI", 10, 1, None),
    Rule("doji_star", "CDLDOJISTAR", 11, 2, None),
    Rule("dragonfly_doji", "CDLDRAGONFLYDOJI", 10, 1, None),
    Rule("engulfing", "CDLENGULFING", 2, 2, None),
    Rule("evening_doji_star", "CDLEVENINGDOJISTAR", 12, 3, 3),
    Rule("evening_star", "CDLEVENINGSTAR", 12, 3, 1),
    Rule("gap_side_by_side_white", "CDLGAPSIDESIDEWHITE", 7, 3, None),
    Rule("gravestone_doji", "CDLGRAVESTONEDOJI", 10, 1, None),
    Rule("hammer", "CDLHAMMER", 11, 2, None),
    Rule("hanging_man", "CDLHANGINGMAN", 11, 2, None),
    Rule("harami", "CDLHARAMI", 11, 2, None),
    Rule("harami_cross", "CDLHARAMICROSS", 11, 2, None),
    Rule("high_wave", "CDLHIGHWAVE", 10, 1, None),
    Rule("hikkake", "CDLHIKKAKE", 5, 3, None),
    Rule("hikkake_modified", "CDLHIKKAKEMOD", 10, 4, None),
    Rule("homing_pigeon", "CDLHOMINGPIGEON", 11, 2, None),
    Rule("identical_three_crows", "CDLIDENTICAL3CROWS", 12, 3, None),
    Rule("in_neck", "CDLINNECK", 11, 2, None),
    Rule("inverted_hammer", "CDLINVERTEDHAMMER", 11, 2, None),
    Rule("kicking", "CDLKICKING", 11, 2, None),
    Rule("kicking_by_length", "CDLKICKINGBYLENGTH", 11, 2, None),
    Rule("ladder_bottom", "CDLLADDERBOTTOM", 14, 5, None),
    Rule("long_legged_doji", "CDLLONGLEGGEDDOJI", 10, 1, None),
    Rule("long_line", "CDLLONGLINE", 10, 1, None),
    Rule("marubozu", "CDLMARUBOZU", 10, 1, None),
    Rule("matching_low", "CDLMATCHINGLOW", 6, 2, None),
    Rule("mat_hold", "CDLMATHOLD", 14, 5, 6),
    Rule("morning_doji_star", "CDLMORNINGDOJISTAR", 12, 3, 2),
    Rule("morning_star", "CDLMORNINGSTAR", 12, 3, 0),
    Rule("on_neck", "CDLONNECK", 11, 2, None),
    Rule("piercing", "CDLPIERCING", 11, 2, None),
    Rule("rickshaw_man", "CDLRICKSHAWMAN", 10, 1, None),
    Rule("rise_fall_three_methods", "CDLRISEFALL3METHODS", 14, 5, None),
    Rule("separating_lines", "CDLSEPARATINGLINES", 11, 2, None),
    Rule("shooting_star", "CDLSHOOTINGSTAR", 11, 2, None),
    Rule("short_line", "CDLSHORTLINE", 10, 1, None),
    Rule("spinning_top", "CDLSPINNINGTOP", 10, 1, None),
    Rule("stalled_pattern", "CDLSTALLEDPATTERN", 12, 3, None),
    Rule("stick_sandwich", "CDLSTICKSANDWICH", 7, 3, None),
    Rule("takuri", "CDLTAKURI", 10, 1, None),
    Rule("tasuki_gap", "CDLTASUKIGAP", 7, 3, None),
    Rule("thrusting", "CDLTHRUSTING", 11, 2, None),
    Rule("tristar", "CDLTRISTAR", 12, 3, None),
    Rule("unique_three_river", "CDLUNIQUE3RIVER", 12, 3, None),
    Rule("upside_gap_two_crows", "CDLUPSIDEGAP2CROWS", 12, 3, None),
    Rule("gap_three_methods", "CDLXSIDEGAP3METHODS", 2, 3, None),
)
