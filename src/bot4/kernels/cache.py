"""Where compiled kernels are kept: a folder per module, named by a digest of all that the module is made of.

numba's own cache looks only at the file of the function itself, so that an edit to a callee would leave
its callers running the old code. Here the folder's name covers the module's source and, transitively, that
of every bot4 module it imports: an edit compiles the module and its callers anew, and nothing else. The
path of the checkout is not part of it: two checkouts with the same sources share what they compiled.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import UserProvidedCacheLocator

ROOT = Path(__file__).resolve().parents[1]
"""The folder of the package `bot4`."""

ENTRY = ROOT / "engine" / "loop_nb.py"
"""The module whose compilation is most of a first run."""

_KEEP = 12  # folders of one module, the newest; checkouts of several branches share the cache


# by pattern: parsing every source would take a second of each start
_FROM = re.compile(r"^[ \t]*from (bot4[\w.]*) import (\([^)]*\)|[^\n(]*)", re.MULTILINE)
_PLAIN = re.compile(r"^[ \t]*import (bot4[\w.]*)", re.MULTILINE)
_WORD = re.compile(r"\w+")


def _imports(source: str) -> Iterator[str]:
    """Dotted names under bot4 that `source` imports: modules, or names in them."""
    yield from _PLAIN.findall(source)
    for module, names in _FROM.findall(source):
        yield module
        yield from (f"{module}.{name}" for name in _WORD.findall(names))


def _file_of(dotted: str, root: Path) -> Path | None:
    path = root.joinpath(*dotted.split(".")[1:]).with_suffix(".py")
    return path if path.is_file() else None


@functools.lru_cache(maxsize=4096)
def _read(path: Path, stamp: tuple[int, int]) -> tuple[bytes, tuple[str, ...]]:
    """A module's source and imports; `stamp` (mtime, size) makes an edited file a new entry."""
    source = path.read_bytes()
    return source, tuple(sorted(set(_imports(source.decode()))))


def sources_of(path: Path, root: Path = ROOT) -> dict[str, bytes]:
    """The module at `path` and every bot4 module it imports, transitively: name in the package to source."""
    found: dict[str, bytes] = {}
    waiting = [path.resolve()]
    while waiting:
        at = waiting.pop()
        name = at.relative_to(root).as_posix() if at.is_relative_to(root) else at.name
        if name in found:
            continue
        stat = at.stat()
        source, names = _read(at, (stat.st_mtime_ns, stat.st_size))
        found[name] = source
        waiting.extend(file for dotted in names if (file := _file_of(dotted, root)) is not None)
    return found


def digest_of(path: Path, root: Path = ROOT) -> str:
    """The digest of all that the kernels of the module at `path` are compiled from, and by."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{numba.__version__} {sys.version_info[:2]}".encode())
    for name, source in sorted(sources_of(path, root).items()):
        digest.update(name.encode() + b"\0" + hashlib.blake2b(source).digest())
    return digest.hexdigest()


def cache_base() -> Path:
    """The folder of all compiled kernels; in the temporary folder, with a warning, when home is read-only."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bot4" / "kernels"
    try:
        base.mkdir(parents=True, exist_ok=True)
        if not os.access(base, os.W_OK):
            raise PermissionError(f"{base} is not writable")
    except OSError as error:
        other = Path(tempfile.gettempdir()) / f"bot4-kernels-{os.getuid()}"
        other.mkdir(parents=True, exist_ok=True)
        warnings.warn(f"kernel cache: {error}; using {other} instead", stacklevel=2)
        return other
    return base


CACHE_DIR = cache_base()


@functools.lru_cache(maxsize=4096)
def folder_of(path: Path, base: Path = CACHE_DIR, root: Path = ROOT) -> Path:
    """The cache folder of the module at `path`, as its sources are now."""
    inside = path.resolve()
    name = inside.relative_to(root).with_suffix("").as_posix().replace("/", ".")
    return base / name / digest_of(path, root)


def _drop_old(folder: Path) -> None:
    """Keep the newest few folders of a module."""
    old = sorted(folder.parent.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for stale in old[_KEEP:]:
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)


class KernelLocator(UserProvidedCacheLocator):
    """numba's cache locator for functions of this package; None for any other file."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        folder = folder_of(Path(py_file))
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _drop_old(folder)
        self._cache_path = str(folder)

    def ensure_cache_path(self) -> None:
        """Make the folder; that it can be written was seen when the base was chosen."""
        Path(self._cache_path).mkdir(parents=True, exist_ok=True)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> KernelLocator | None:
        """A locator when `py_file` is one of this package's."""
        return cls(py_func, py_file) if Path(py_file).resolve().is_relative_to(ROOT) else None


def install() -> None:
    """Make numba ask `KernelLocator` first.

    Code outside the package (a user's strategy) has its own folder, named by all kernel sources, because it
    may call any of them.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(ROOT.rglob("*_nb.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    user = CACHE_DIR / "user" / digest.hexdigest()
    if not user.exists():
        user.mkdir(parents=True, exist_ok=True)
        _drop_old(user)
    numba.config.CACHE_DIR = str(user)  # type: ignore[attr-defined]
    numba.config.CACHE_LOCATOR_CLASSES = (  # type: ignore[attr-defined]
        f"{__name__}.KernelLocator,UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator,"
        "IPythonCacheLocator,ZipCacheLocator"
    )


def cache_is_warm() -> bool:
    """Whether an earlier process left the compiled engine for exactly these sources."""
    return any(folder_of(ENTRY).glob("*.nbc"))


def compiled_count() -> int:
    """Kernels in the folders of the modules that this process has imported."""
    files = [
        Path(file)
        for name, module in list(sys.modules.items())
        if name.startswith("bot4.") and name.endswith("_nb") and (file := getattr(module, "__file__", None))
    ]
    return sum(1 for file in files for _ in folder_of(file).glob("*.nbc"))
