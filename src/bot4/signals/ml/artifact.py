"""A trained model on disk: `model.json` and `trees.npz`, numbers and text only.

Nothing in an artefact is ever executed: no pickle, no joblib, no object arrays. The sha256 of the trees
stands in `model.json`, and the trees are checked node by node before the hot plane walks them without
bounds checks. Whatever is wrong is a DataError that names it.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bot4.model.errors import DataError, StorageError
from bot4.signals.ml.trees_nb import NODE_DTYPE, TreeModel

FORMAT = "bot4-trees"
VERSION = 1
META_FILE = "model.json"
TREES_FILE = "trees.npz"
_MAX_BYTES = 256 * 2**20  # far above any model; a zip that would unpack to more is refused


class TreeArrays(NamedTuple):
    """All trees end to end, one entry a node. Children are absolute indices; a leaf has -1.

    A value goes left if `x <= threshold`; NaN goes left if `missing_left` is 1.
    """

    feature: np.ndarray[Any, Any]  # i4, model column; 0 in a leaf
    threshold: np.ndarray[Any, Any]  # f8
    left: np.ndarray[Any, Any]  # i4
    right: np.ndarray[Any, Any]  # i4
    value: np.ndarray[Any, Any]  # f8, raw score of a leaf, 0 elsewhere
    missing_left: np.ndarray[Any, Any]  # u1
    roots: np.ndarray[Any, Any]  # i4, in the order of adding up


_DTYPES = dict(zip(TreeArrays._fields, ("<i4", "<f8", "<i4", "<i4", "<f8", "|u1", "<i4"), strict=True))


class ModelMeta(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `model.json` says. Times are ns UTC; `scale` and the bounds feed `ml_signal_nb`."""

    format: str = FORMAT
    version: int = VERSION
    features: list[str]  # model columns in order, names of engine features
    timeframe_ns: int
    horizon_bars: int
    label: str  # the definition, in words
    baseline: float  # raw score before the first tree
    scale: float  # |p - 0.5| at which confidence is 1
    p_lo: float = 0.5
    p_hi: float = 0.5
    data_hash: str
    train_from: int
    train_to: int
    rows: int
    seed: int
    library: str
    created_by: str
    report: dict[str, Any]  # walk-forward metrics per fold, their mean and spread, verdict
    trees_sha256: str = ""


def save_model(folder: Path, trees: TreeArrays, meta: ModelMeta) -> ModelMeta:
    """Write the model into `folder` (made if absent); the meta as written, with the trees' hash.

    The same trees and meta give the same bytes. StorageError if the folder cannot be written,
    DataError if the trees do not hold together.
    """
    _check_trees(trees, len(meta.features), "the model to save")
    blob = _pack(trees)
    meta = msgspec.structs.replace(meta, trees_sha256=hashlib.sha256(blob).hexdigest())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / TREES_FILE, blob)
        _write(folder / META_FILE, msgspec.json.format(msgspec.json.encode(meta), indent=2) + b"\n")
    except OSError as error:
        raise StorageError(f"the model cannot be written to {folder}: {error}") from error
    return meta


def load_model(folder: Path, feature_index: Mapping[str, int]) -> tuple[TreeModel, ModelMeta]:
    """The model in `folder`, ready for the hot plane.

    `feature_index`: place of every engine feature by name. DataError if the artefact is absent, damaged,
    of another format, holds pickled objects, or asks for a feature that the engine does not have.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    blob = _read(folder / TREES_FILE)
    if hashlib.sha256(blob).hexdigest() != meta.trees_sha256:
        raise DataError(
            f"{folder / TREES_FILE}: its sha256 is not the one in {META_FILE}; train the model again"
        )
    trees = _unpack(blob, folder / TREES_FILE)
    _check_trees(trees, len(meta.features), str(folder / TREES_FILE))
    columns = [_column(name, feature_index, folder) for name in meta.features]
    return to_hot(trees, columns, meta), meta


def read_meta(folder: Path) -> ModelMeta:
    """`model.json` alone, checked; DataError names what is wrong."""
    path = Path(folder) / META_FILE
    raw = _read(path)
    try:
        head = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise DataError(f"{path}: not a {FORMAT} model")
    if head.get("version") != VERSION:
        raise DataError(f"{path}: version {head.get('version')!r}; this bot4 reads version {VERSION}")
    try:
        meta = msgspec.json.decode(raw, type=ModelMeta)
    except msgspec.ValidationError as error:
        raise DataError(f"{path}: {error}") from error
    if len(set(meta.features)) != len(meta.features):
        raise DataError(f"{path}: a feature is named twice")
    if not (meta.scale > 0 and 0 <= meta.p_lo <= 0.5 <= meta.p_hi <= 1):
        raise DataError(f"{path}: scale must be positive and 0 <= p_lo <= 0.5 <= p_hi <= 1")
    if meta.horizon_bars < 1 or meta.timeframe_ns < 1:
        raise DataError(f"{path}: horizon_bars and timeframe_ns must be positive")
    return meta


def to_hot(trees: TreeArrays, columns: list[int], meta: ModelMeta) -> TreeModel:
    """The packed form: breadth-first, siblings side by side, leaves pointing at themselves."""
    n = len(trees.feature)
    nodes = np.zeros(n, NODE_DTYPE)
    value = np.zeros(n, np.float64)
    depth = 0
    place = 0
    roots = []
    for root in trees.roots.tolist():
        queue = [(root, 0)]  # the new place of queue[k] is place + k
        for k, (old, level) in enumerate(queue):  # the queue grows while it is read
            depth = max(depth, level)
            if trees.left[old] < 0:
                nodes[place + k] = (np.inf, 0, place + k)
                value[place + k] = trees.value[old]
            else:
                slot = 2 * int(trees.feature[old]) + 1 - int(trees.missing_left[old])
                nodes[place + k] = (trees.threshold[old], slot, place + len(queue))
                queue += [(int(trees.left[old]), level + 1), (int(trees.right[old]), level + 1)]
        roots.append(place)
        place += len(queue)
    return TreeModel(
        nodes=nodes,
        value=value,
        roots=np.array(roots, np.uint32),
        columns=np.array(columns, np.int32),
        scratch=np.zeros(2 * max(len(columns), 1), np.float64),
        scalars=np.array([meta.baseline, meta.p_lo, meta.p_hi, meta.scale], np.float64),
        depth=depth,
    )


def _column(name: str, feature_index: Mapping[str, int], folder: Path) -> int:
    place = feature_index.get(name)
    if place is None:
        near = difflib.get_close_matches(name, feature_index, 1)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        raise DataError(
            f"{folder}: the model needs feature {name!r}, which does not exist{hint}; train it again"
        )
    return place


def _check_trees(trees: TreeArrays, n_columns: int, where: str) -> None:
    """Every index in range, every node reached exactly once, numbers finite: the walk ends."""
    n = len(trees.feature)
    for name, dtype in _DTYPES.items():
        array = getattr(trees, name)
        if array.ndim != 1 or array.dtype != np.dtype(dtype):
            raise DataError(
                f"{where}: {name} is {array.dtype} of {array.ndim} dimensions, not a row of {dtype}"
            )
        if name != "roots" and len(array) != n:
            raise DataError(f"{where}: {name} has {len(array)} entries for {n} nodes")
    leaf = trees.left < 0
    inner = np.flatnonzero(~leaf)
    if not np.array_equal(leaf, trees.right < 0):
        raise DataError(f"{where}: a node has one child")
    children = np.concatenate((trees.left[inner], trees.right[inner]))
    parents = np.concatenate((inner, inner))
    if np.any(children >= n) or np.any(children <= parents):
        raise DataError(f"{where}: a child does not follow its parent")
    reached = np.sort(np.concatenate((trees.roots, children)))
    if not np.array_equal(reached, np.arange(n)):
        raise DataError(f"{where}: a node is reached twice or never")
    if np.any(trees.feature[inner] < 0) or np.any(trees.feature[inner] >= n_columns):
        raise DataError(f"{where}: a node reads a column beyond the {n_columns} that are named")
    if np.isnan(trees.threshold[inner]).any() or not np.isfinite(trees.value).all():
        raise DataError(f"{where}: a threshold or leaf value is not a number")
    if np.any(trees.missing_left > 1):
        raise DataError(f"{where}: missing_left is neither 0 nor 1")


def _pack(trees: TreeArrays) -> bytes:
    """An npz with fixed order and dates, not compressed: equal trees give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as bundle:
        for name in _DTYPES:
            entry = io.BytesIO()
            np.lib.format.write_array(entry, getattr(trees, name), version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(name + ".npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED
            bundle.writestr(info, entry.getvalue())
    return out.getvalue()


def _unpack(blob: bytes, path: Path) -> TreeArrays:
    wanted = {name + ".npy" for name in _DTYPES}
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as bundle:
            entries = bundle.infolist()
            if {entry.filename for entry in entries} != wanted or len(entries) != len(wanted):
                raise DataError(f"{path}: does not hold exactly {', '.join(sorted(wanted))}")
            if sum(entry.file_size for entry in entries) > _MAX_BYTES:
                raise DataError(f"{path}: would unpack to more than {_MAX_BYTES >> 20} MiB")
        with np.load(io.BytesIO(blob), allow_pickle=False) as arrays:
            return TreeArrays(*(arrays[name] for name in TreeArrays._fields))
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a tree file, or it holds pickled objects: {error}") from error


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: larger than {_MAX_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a crash leaves the old file."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
