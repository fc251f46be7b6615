"""What of a position can be traded: all of it, or nothing when a spot venue would refuse so small an order."""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from engine_scene import Scene, instrument

from bot4.engine.parts_nb import tradable_nb


@pytest.fixture(scope="module", params=["spot", "perp"])
def scene(request):
    return Scene(instruments=[instrument(kind=request.param)]), request.param


@pytest.mark.parametrize("mark", [0, 1, 49_999, 50_000, 50_001, 600_000])
@pytest.mark.parametrize("lots", [0, 1, -1, 2, 10, 1000])
def test_compiled_plain_and_by_hand_agree(scene, lots, mark):
    made, kind = scene
    made.engine.ledger.positions[0]["qty"] = lots
    made.engine.inst[0]["mark"] = mark
    worth = abs(lots) * Decimal("0.001") * mark * Decimal("0.1")
    dust = kind == "spot" and 0 < worth < 5
    record = made.engine.core[0]
    assert tradable_nb(record, 0) == (0 if dust else lots)
    plain = getattr(tradable_nb, "py_func", tradable_nb)
    assert plain(record, 0) == (0 if dust else lots)
