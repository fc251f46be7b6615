"""The page on strategies shows the example file, and what it shows can be loaded."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from bot4.engine import layout_nb as lay
from bot4.model import feature_layout_nb as fl
from bot4.strategies.api import CompiledStrategy, Strategy, load_strategy

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "my_strategy.py"
PAGE = (ROOT / "docs" / "strategy.md").read_text(encoding="utf-8")


def test_the_code_on_the_page_is_the_code_of_the_file():
    source = EXAMPLE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(blocks) == 2
    for block in blocks:
        definition = block[re.search(r"^(class|@)", block, re.M).start() :]
        assert definition in source


def test_the_page_names_every_feature():
    for name in (*fl.FEATURE_NAMES, *fl.BOOK_NAMES):
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize(("name", "kind"), [("DailyTrend", Strategy), ("breakout", CompiledStrategy)])
def test_both_examples_load_as_the_page_says(name, kind):
    assert isinstance(load_strategy(f"{EXAMPLE}:{name}"), kind)
    assert f"my_strategy.py:{name}" in PAGE


def scored(close, position=0.0, held=0.0, memory=None, high=100.0, adx=30.0, ema=95.0):
    features = np.full(fl.N_FEATURES, np.nan)
    features[fl.F_DONCHIAN_PRIOR_HIGH], features[fl.F_ADX_14], features[fl.F_EMA_26] = high, adx, ema
    context = np.zeros(lay.N_CONTEXT)
    context[lay.X_CLOSE], context[lay.X_POSITION], context[lay.X_BARS_HELD] = close, position, held
    memory = np.zeros(lay.N_MEMORY) if memory is None else memory
    function = load_strategy(f"{EXAMPLE}:breakout").function
    return function(features, np.zeros(fl.N_BOOK), context, memory)


def test_the_compiled_example_enters_leaves_and_waits():
    assert scored(101.0) == pytest.approx(0.6)
    assert math.isnan(scored(99.0))
    assert math.isnan(scored(101.0, adx=20.0))
    assert math.isnan(scored(101.0, high=np.nan))
    memory = np.zeros(lay.N_MEMORY)
    assert math.isnan(scored(94.0, position=1.0, held=2.0, memory=memory))
    assert scored(94.0, position=1.0, held=3.0, memory=memory) == -1.0
    assert memory[0] == 24.0
    assert math.isnan(scored(101.0, memory=memory))
    assert memory[0] == 23.0
