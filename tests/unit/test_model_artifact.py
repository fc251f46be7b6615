"""A model on disk: exact, repeatable, and refused when it is not what it says."""

import hashlib
import io
import json
import pickle
import zipfile

import msgspec
import numpy as np
import pytest
from tree_samples import meta_for, random_trees

from bot4.model.errors import DataError, StorageError
from bot4.signals.ml.artifact import TreeArrays, load_model, read_meta, save_model
from bot4.signals.ml.trees_nb import predict_raw_nb

INDEX = {"other": 0, "x2": 1, "x0": 2, "x1": 3}


@pytest.fixture
def saved(tmp_path):
    trees = random_trees(np.random.default_rng(4), 20, 3)
    meta = save_model(tmp_path / "m", trees, meta_for(3, 0.5))
    return tmp_path / "m", trees, meta


def test_reload_is_identical_and_bytes_repeat(saved, tmp_path):
    folder, trees, meta = saved
    hot, again = load_model(folder, INDEX)
    assert again == meta
    assert hot.columns.tolist() == [2, 3, 1]
    second = save_model(tmp_path / "n", trees, meta_for(3, 0.5))
    assert second.trees_sha256 == meta.trees_sha256
    for name in ("model.json", "trees.npz"):
        assert (folder / name).read_bytes() == (tmp_path / "n" / name).read_bytes()
    other, _ = load_model(tmp_path / "n", INDEX)
    f = np.array([9.0, 0.3, np.nan, -1.0])
    assert predict_raw_nb(hot, f) == predict_raw_nb(other, f)
    assert not list(folder.glob("*.part"))


def test_unknown_feature_names_its_nearest(saved):
    with pytest.raises(DataError, match=r"'x1', which does not exist; the nearest is 'x11'"):
        load_model(saved[0], {"x0": 0, "x11": 1, "x2": 2})
    with pytest.raises(DataError, match="'x0', which does not exist; train"):
        load_model(saved[0], {})


def edit(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "xgboost"}, "not a bot4-trees model"),
        ({"version": 2}, "version 2"),
        ({"surprise": 1}, "surprise"),
        ({"rows": "many"}, "rows"),
        ({"features": ["x0", "x0", "x1"]}, "twice"),
        ({"features": ["x0"]}, "beyond the 1"),
        ({"scale": 0.0}, "scale"),
        ({"p_lo": 0.7}, "p_lo"),
        ({"horizon_bars": 0}, "horizon_bars"),
        ({"trees_sha256": "0" * 64}, "sha256"),
    ],
)
def test_a_changed_description_is_refused(saved, changes, message):
    edit(saved[0], **changes)
    with pytest.raises(DataError, match=message):
        load_model(saved[0], INDEX)


def test_absent_cut_and_flipped_files_are_refused(saved, tmp_path):
    folder = saved[0]
    with pytest.raises(DataError, match="cannot be read"):
        load_model(tmp_path / "nowhere", INDEX)
    blob = (folder / "trees.npz").read_bytes()
    for at in range(0, len(blob), 97):
        bad = bytearray(blob)
        bad[at] ^= 1
        (folder / "trees.npz").write_bytes(bad)
        with pytest.raises(DataError, match="sha256"):
            load_model(folder, INDEX)
    (folder / "trees.npz").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        load_model(folder, INDEX)
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text[: len(text) // 2])
    with pytest.raises(DataError, match="not JSON"):
        load_model(folder, INDEX)
    (folder / "model.json").write_text("[1]")
    with pytest.raises(DataError, match="not a bot4-trees model"):
        read_meta(folder)


def foreign(folder, blob):
    """Replace the trees and make the hash fit: an attacker can do that too."""
    (folder / "trees.npz").write_bytes(blob)
    edit(folder, trees_sha256=hashlib.sha256(blob).hexdigest())


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the artefact was unpickled",))


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def test_pickle_is_never_loaded(saved):
    folder, trees, _ = saved
    foreign(folder, pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="not a tree file"):
        load_model(folder, INDEX)
    objects = trees._asdict() | {"value": np.array([Bomb()], dtype=object)}
    foreign(folder, npz(**objects))
    with pytest.raises(DataError, match="pickle"):
        load_model(folder, INDEX)
    foreign(folder, npz(a=np.zeros(1)))
    with pytest.raises(DataError, match="exactly"):
        load_model(folder, INDEX)


def test_a_zip_that_would_unpack_to_gigabytes_is_refused(saved, monkeypatch):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in TreeArrays._fields:
            bundle.writestr(f"{name}.npy", b"\0" * 2000)
    foreign(saved[0], out.getvalue())
    monkeypatch.setattr("bot4.signals.ml.artifact._MAX_BYTES", 10_000)
    with pytest.raises(DataError, match="unpack"):
        load_model(saved[0], INDEX)
    monkeypatch.setattr("bot4.signals.ml.artifact._MAX_BYTES", 100)
    with pytest.raises(DataError, match="larger"):
        load_model(saved[0], INDEX)


def chain():
    """One tree: node 0 with leaves 1 and 2."""
    return {
        "feature": np.array([0, 0, 0], "<i4"),
        "threshold": np.array([0.5, 0, 0], "<f8"),
        "left": np.array([1, -1, -1], "<i4"),
        "right": np.array([2, -1, -1], "<i4"),
        "value": np.array([0, 1.0, 2.0], "<f8"),
        "missing_left": np.array([1, 0, 0], "|u1"),
        "roots": np.array([0], "<i4"),
    }


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("left", np.array([0, -1, -1], "<i4"), "does not follow"),  # a cycle: the walk would never end
        ("left", np.array([9, -1, -1], "<i4"), "does not follow"),  # beyond the arrays
        ("left", np.array([2, -1, -1], "<i4"), "twice or never"),
        ("roots", np.array([1], "<i4"), "twice or never"),
        ("roots", np.array([], "<i4"), "twice or never"),
        ("right", np.array([-1, -1, -1], "<i4"), "one child"),
        ("feature", np.array([3, 0, 0], "<i4"), "beyond"),
        ("feature", np.array([-1, 0, 0], "<i4"), "beyond"),
        ("threshold", np.array([np.nan, 0, 0], "<f8"), "not a number"),
        ("value", np.array([0, np.inf, 0], "<f8"), "not a number"),
        ("missing_left", np.array([2, 0, 0], "|u1"), "missing_left"),
        ("value", np.array([0, 1.0], "<f8"), "2 entries"),
        ("value", np.array([0, 1, 2], "<f4"), "float32"),
        ("value", np.zeros((3, 1)), "2 dimensions"),
    ],
)
def test_trees_that_do_not_hold_together_are_refused(saved, tmp_path, name, array, message):
    parts = chain() | {name: array}
    foreign(saved[0], npz(**parts))
    with pytest.raises(DataError, match=message):
        load_model(saved[0], INDEX)
    with pytest.raises(DataError, match=message):
        save_model(tmp_path / "new", TreeArrays(**parts), meta_for(3, 0.0))
    assert not (tmp_path / "new").exists()


def test_the_sound_chain_is_taken(saved):
    foreign(saved[0], npz(**chain()))
    hot, _ = load_model(saved[0], INDEX)
    assert [predict_raw_nb(hot, np.array([0, 0, x, 0.0])) for x in (0.5, 0.6)] == [1.5, 2.5]


def test_a_folder_that_cannot_be_written_is_told(saved, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        save_model(tmp_path / "file", saved[1], meta_for(3, 0.0))


def test_meta_is_plain_json(saved):
    head = msgspec.json.decode((saved[0] / "model.json").read_bytes())
    assert head["format"] == "bot4-trees"
    assert head["features"] == ["x0", "x1", "x2"]
