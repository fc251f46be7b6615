"""Names, parameters and plans of the declared features."""

import numpy as np
import pytest

from bot4.features.declare import Declaration, Output, Param, Row, bind
from bot4.features.library import UnknownFeature, collect, column, declarations, get, groups
from bot4.features.plan import Plan, run_batch
from helpers.feature_rows import bars


def test_a_name_carries_any_parameters():
    assert get("ema_14").params == (14.0,)
    assert get("ema").params == (20.0,)
    assert get(" EMA_7 ").name == "ema_7"
    assert column("ema_7").output == 0
    assert "trend" in groups()


def test_a_misspelt_name_is_refused_with_the_nearest():
    with pytest.raises(UnknownFeature, match=r"'emaa_3'.*near it: ema"):
        get("emaa_3")


@pytest.mark.parametrize(
    ("name", "words"),
    [("ema_0", "must be 1 to"), ("ema_2.5", "whole number"), ("ema_3_4", "takes 1 parameters")],
)
def test_a_wrong_parameter_is_refused(name, words):
    with pytest.raises(ValueError, match=words):
        get(name)


def _declared(name, *outputs, **more):
    return Declaration(
        name, "g", None, "t", "s", lambda p: 1, lambda p: 1, outputs=outputs or (Output(),), **more
    )


def test_clashing_names_are_refused():
    with pytest.raises(ValueError, match="two features are called 'a'"):
        collect([_declared("a"), _declared("a")])
    with pytest.raises(ValueError, match="both give 'a_b'"):
        collect([_declared("a", Output("b"), Output("b"))])
    with pytest.raises(ValueError, match="is a feature and an output"):
        collect([_declared("a_b", Output("x")), _declared("a", Output("b"))])
    with pytest.raises(ValueError, match="ends in a number"):
        collect([_declared("a", Output("3"))])


def test_a_combination_of_parameters_may_be_refused():
    d = _declared(
        "a", params=(Param("fast", 2), Param("slow", 3)), check=lambda p: "fast < slow" * (p[0] >= p[1])
    )
    assert bind(d).params == (2.0, 3.0)
    with pytest.raises(ValueError, match="a: fast < slow"):
        bind(d, (3.0,))


def test_a_plan_computes_each_feature_once_and_tells_its_memory():
    plan = Plan(["ema_14", "ema_14", "ema"])
    assert plan.columns == ("ema_14", "ema_20")
    assert plan.memory == 8 * len(plan.new_arena())
    assert plan.place("ema") == 1
    with pytest.raises(KeyError):
        plan.place("ema_3")


def test_a_plan_refuses_nothing_and_mixed_rows():
    with pytest.raises(ValueError, match="at least one"):
        Plan([])
    other = bind(_declared("a", inputs=Row("quote", ("bid",))))
    with pytest.raises(ValueError, match="one kind of row"):
        Plan(["ema", other])


def test_a_preview_leaves_the_closed_values_alone():
    plan = Plan(["ema_3"])
    arena = plan.new_arena()
    rows = bars(20, 1)
    for row in rows[:10]:
        plan.step(arena, row)
    before = arena.copy()
    scratch = plan.new_arena()
    seen = plan.preview(arena, rows[10], scratch).copy()
    np.testing.assert_array_equal(arena, before)
    plan.step(arena, rows[10])
    np.testing.assert_array_equal(plan.values(arena), seen)


def test_many_instruments_step_as_each_alone():
    plan = Plan(["ema_3", "ema_5"])
    arenas = np.stack([plan.new_arena() for _ in range(3)])
    alone = arenas.copy()
    streams = [bars(30, seed) for seed in range(3)]
    for i in range(30):
        plan.step_many(arenas, np.stack([s[i] for s in streams]))
        for arena, s in zip(alone, streams, strict=True):
            plan.step(arena, s[i])
    np.testing.assert_array_equal(arenas, alone)


def test_threads_and_progress_change_nothing():
    features = [get("ema_3"), get("ema_9")]
    seen = []
    one = run_batch(features, bars(300, 1))
    two = run_batch(features, bars(300, 1), threads=2, progress=lambda *a: seen.append(a))
    assert seen == [(1, 2, "ema_3"), (2, 2, "ema_9")]
    assert one.keys() == two.keys() == {"ema_3", "ema_9"}
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_every_declaration_says_what_it_is():
    for d in declarations().values():
        assert d.text and d.source and d.oracle, d.name


def test_history_folds_as_its_rows_one_by_one():
    plan = Plan(["ema_3", "bb_5_2"])
    rows = bars(60, 1)
    one, many = plan.new_arena(), plan.new_arena()
    for row in rows:
        plan.step(one, row)
    plan.run(many, rows)
    np.testing.assert_array_equal(one, many)
