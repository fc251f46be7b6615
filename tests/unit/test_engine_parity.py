"""The whole step: compiled and plain Python make the same decisions, orders and state, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot4.kernels.jit_nb import JIT_OFF

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))
sys.path.insert(0, str(ROOT / "tests" / "unit"))

CASES = ("bars-hybrid", "bars-trend_cross", "bars-compiled", "frames-hybrid", "frames-quoter")
COMPILED = """
from bot4.strategies.api import compiled_strategy


@compiled_strategy
def swing(features, book, context, memory):
    memory[0] += 1.0
    return 0.9 if memory[0] % 40.0 < 20.0 else -0.9
"""


def digest(case, folder):
    """Run `case` in `folder`; what must not depend on compilation."""
    import engine_scene as scene
    from frame_samples import session as frames

    from bot4.engine.intake import import_frames
    from bot4.ports import journal as port
    from bot4.ports.journal import FakeJournal
    from bot4.research.backtest import Backtest
    from bot4.research.session import choose, load
    from bot4.storage.lake import Dataset

    data, strategy = case.split("-")
    folder.mkdir(parents=True, exist_ok=True)
    sets = [
        "strategy.threshold=5 %",
        "strategy.exit_threshold=2 %",
        "risk.volatility_target=200 %",
        "journal.decisions=all",
    ]
    if strategy == "compiled":
        (folder / "swing.py").write_text(COMPILED)
        strategy = f"{folder / 'swing.py'}:swing"
    if data == "bars":
        dataset = scene.bar_data(folder, 600)
    else:
        (folder / "f").write_bytes(frames(1500, seed=5)[0])
        import_frames(folder / "f", "binance-usdm", folder / "data")
        dataset = Dataset.open(folder / "data")
        sets += [
            "bars.interval=1s",
            "quoter.size=0.5",
            "quoter.max_position=2",
            "quality.stale_after=60s",
            "safety.protection_interval=100ms",
        ]
    settings = scene.settings(*sets)
    journal = FakeJournal()
    task = Backtest(dataset, settings.values, settings.to_json(), choose(strategy), load(None), 11)
    result = task.run(journal)
    rows = {
        name: "".join(p.tobytes().hex() for k, p in journal.blocks if k == kind)
        for name, kind in (("orders", port.ORDERS), ("decisions", port.DECISIONS), ("inputs", port.INPUTS))
    }
    keep = (
        "events",
        "decisions",
        "orders",
        "fills",
        "decision_hash",
        "state_hash",
        "pnl_net",
        "refused",
        "fees",
    )
    return {"blocks": rows, **{key: result[key] for key in keep}}


@pytest.mark.skipif(JIT_OFF, reason="compares the compiled step with the plain one")
@pytest.mark.parametrize("case", CASES)
def test_compiled_step_equals_plain_step(case, tmp_path):
    mine = digest(case, tmp_path / "run")
    env = {
        **os.environ,
        "NUMBA_DISABLE_JIT": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path[:2]]),
    }
    (tmp_path / "run").rename(
        tmp_path / "compiled"
    )  # the other run stands in the same folder: paths are in its digest
    done = subprocess.run(
        [sys.executable, __file__, case, str(tmp_path / "run")],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    plain = json.loads(done.stdout)
    for key, value in plain["blocks"].items():
        assert mine["blocks"][key] == value, key
    assert mine == plain
    assert plain["decisions"] > 10
    assert plain["fills"] > 0, "a run without fills compares little"


if __name__ == "__main__":
    print(json.dumps(digest(sys.argv[1], Path(sys.argv[2]))))
