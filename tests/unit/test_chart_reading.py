"""`bot4 features read` says what the features hold."""

import json
import math

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bot4.app.main import app
from bot4.features.chart_patterns import SHAPES
from bot4.features.frames import Frames, confluence
from bot4.features.library import column, get
from bot4.features.plan import run_feature
from bot4.model.errors import Bot4Error, ConfigError
from bot4.research.feature_table import bars_of_file
from helpers.planted import walk

START = 1_704_067_200


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rows = walk(3_000, 3)
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    frame = pl.DataFrame(rows[:, :5], schema=["open", "high", "low", "close", "volume"], orient="row")
    ts = pl.Series((START + 60 * np.arange(len(rows))) * 10**9).cast(pl.Datetime("ns"))
    frame.with_columns(ts=ts).write_parquet(path)
    return path


def call(*arguments):
    return CliRunner().invoke(app, ["features", "read", *map(str, arguments)])


def test_it_says_what_the_features_hold(file):
    got = json.loads(call("--bars", file, "--json").stdout)
    rows = bars_of_file(file).rows
    last = column("chart_last")
    assert got["chart_pattern"] == SHAPES[int(run_feature(last.feature, rows)[-1, last.output])] != "none"
    lines = run_feature(get("ichimoku"), rows)[-1]
    assert got["cloud_ahead"][-1] == pytest.approx([lines[5], lines[6]])
    living = column("harmonic_living")
    assert len(got["harmonic_setups"]) == run_feature(living.feature, rows)[-1, living.output]
    frames = Frames(("5m", "15m"))
    for row in rows:
        frames.on_bar(row)
    some = json.loads(call("--bars", file, "--frames", "5m, 15m", "--json").stdout)
    assert some["trend"] == frames.strengths()
    assert some["confluence"] == confluence(frames.strengths()).score
    assert not any(isinstance(v, float) and math.isnan(v) for v in got.values())


def test_it_speaks_to_people_and_of_what_is_not_known(file, tmp_path):
    told = call("--bars", file).stdout
    assert "chart pattern" in told and "in 26 bars" in told and "4h not known yet" in told
    short = tmp_path / "short.parquet"
    pl.read_parquet(file)[:20].write_parquet(short)
    told = call("--bars", short).stdout
    assert "none" in told and "not known yet" in told


def test_wrong_requests_are_refused(file):
    assert isinstance(call().exception, ConfigError)
    for frames in ("30s", "5m,5m", "soon"):
        assert isinstance(call("--bars", file, "--frames", frames).exception, Bot4Error)
