"""The `kernel` decorator: the one way a function of bot4 is compiled.

The cache folder carries a digest of every `_nb` source plus the numba version. numba's own
cache looks only at the file of the function itself, so an edit to a callee would leave its
callers running the old code; a new digest gives a new folder instead.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import types

F = TypeVar("F", bound=Callable[..., Any])

_KEEP = 8


def _sources_digest() -> str:
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{numba.__version__} {sys.version_info[:2]}".encode())
    for path in sorted(root.rglob("*_nb.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _cache_dir() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bot4"
    folder = base / f"kernels-{_sources_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} is not writable")
    except OSError as error:
        folder = Path(tempfile.gettempdir()) / f"bot4-kernels-{os.getuid()}" / folder.name
        folder.mkdir(parents=True, exist_ok=True)
        warnings.warn(f"kernel cache: {error}; using {folder} instead", stacklevel=2)
        return folder
    old = sorted(base.glob("kernels-*"), key=lambda p: p.stat().st_mtime, reverse=True)
    for stale in old[_KEEP:]:
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)
    os.utime(folder)
    return folder


CACHE_DIR = _cache_dir()
numba.config.CACHE_DIR = str(CACHE_DIR)  # type: ignore[attr-defined]

JIT_OFF = bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]
"""NUMBA_DISABLE_JIT=1: every kernel is its plain Python function."""


def _without_literals(dispatcher: Any) -> Any:
    """Make calls with constant integers use the same compiled function as other calls.

    numba would compile a callee anew for every constant it is called with; LLVM propagates the
    constants that matter by itself.
    """
    if JIT_OFF:
        return dispatcher
    resolve = dispatcher.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        plain = tuple(_plain(a) for a in args)
        return resolve(plain, {name: _plain(a) for name, a in kws.items()})

    dispatcher.get_call_template = get_call_template
    return dispatcher


def _plain(kind: Any) -> Any:
    literal = isinstance(kind, types.IntegerLiteral | types.BooleanLiteral)
    return types.unliteral(kind) if literal else kind  # type: ignore[no-untyped-call]


def kernel(function: F) -> F:
    """Compile `function` with numba: cached, no GIL, IEEE arithmetic, errors as in numpy.

    Without numba's runtime for reference counts: a kernel cannot allocate (a compile error says
    so), and passing arrays on costs nothing. No fastmath and no automatic contraction: the same
    input gives the same bits in every process. `kernel(f).py_func` is the plain function; with
    NUMBA_DISABLE_JIT=1 the plain function itself is returned.
    """
    options: dict[str, Any] = {
        "cache": True,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": False,
        "_nrt": False,
    }
    compiled: F = _without_literals(numba.njit(**options)(function))
    return compiled


def kernel_with_heap(function: F) -> F:
    """Compile like `kernel` a function that allocates arrays; never for the hot path."""
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": False}
    compiled: F = _without_literals(numba.njit(**options)(function))
    return compiled


def cache_is_warm() -> bool:
    """Whether an earlier process left compiled kernels for exactly these sources."""
    return any(CACHE_DIR.rglob("*.nbc"))
