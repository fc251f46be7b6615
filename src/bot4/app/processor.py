"""What the processor offers, what the kernels are compiled for, and which of them are in the cache.

The ladder is AVX-512, AVX2, SSE4.2, SSE2, scalar. LLVM takes the highest step that the processor has; the
environment can force a lower one:

    NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES=     the least that every x86-64 has (SSE2)
    NUMBA_DISABLE_JIT=1                            plain Python, one number at a time

A compiled function is found again only under the target that it was compiled for: numba keys its index
by triple, processor name and features. So targets share a folder and no code.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
from numba.core.registry import cpu_target

from bot4.kernels.cache import CACHE_DIR, ROOT, folder_of

LADDER = (("AVX-512", "avx512f"), ("AVX2", "avx2"), ("SSE4.2", "sse4.2"), ("SSE2", "sse2"))
"""Steps of the ladder with LLVM's names, the highest first."""
CPUINFO = Path("/proc/cpuinfo")


def level_of(features: set[str]) -> str:
    """The highest step whose feature is among `features` (LLVM's names); `scalar` when none is."""
    return next((step for step, name in LADDER if name in features), "scalar")


def offered(cpuinfo: Path = CPUINFO) -> set[str]:
    """The steps' features that the processor has; empty where the system does not tell (no /proc)."""
    if not cpuinfo.exists():
        return set()
    line = next((x for x in cpuinfo.read_text().splitlines() if x.startswith("flags")), "")
    flags = {flag.replace("_", ".") for flag in line.split()}
    return {name for _, name in LADDER if name in flags}


@dataclass(frozen=True, slots=True)
class Target:
    """What LLVM compiles for: processor name, its features in use, and what forces it ("": nothing)."""

    cpu: str
    features: frozenset[str]
    forced: str

    @property
    def level(self) -> str:
        """The step in use. x86-64 has SSE2 always; without compilation everything is scalar."""
        if self.forced == "NUMBA_DISABLE_JIT":
            return "scalar"
        found = level_of(set(self.features))
        return "SSE2" if found == "scalar" and platform.machine() in ("x86_64", "AMD64") else found


def target() -> Target:
    """The target of this process."""
    _, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    used = frozenset(name[1:] for name in features.split(",") if name.startswith("+"))
    forced = ""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        forced = "NUMBA_DISABLE_JIT"
    elif os.environ.get("NUMBA_CPU_NAME") or "NUMBA_CPU_FEATURES" in os.environ:
        forced = "NUMBA_CPU_NAME"
    return Target(str(cpu), used, forced)


@dataclass(frozen=True, slots=True)
class Cached:
    """Compiled kernels of one package for the sources as they are now; `size` in bytes."""

    package: str
    modules: int
    compiled_modules: int
    kernels: int
    loaded_modules: int
    size: int


def cached(base: Path = CACHE_DIR, root: Path = ROOT) -> list[Cached]:
    """The cache by package. A kernel compiled for two targets or signatures counts twice."""
    found: dict[str, list[int]] = {}
    for path in sorted(root.rglob("*_nb.py")):
        inside = path.relative_to(root)
        row = found.setdefault(inside.parts[0], [0] * 5)
        files = list(folder_of(path, base, root).glob("*.nbc"))
        name = "bot4." + inside.with_suffix("").as_posix().replace("/", ".")
        for place, value in enumerate(
            (1, bool(files), len(files), name in sys.modules, sum(file.stat().st_size for file in files))
        ):
            row[place] += int(value)
    return [Cached(package, *row) for package, row in found.items()]


def document(base: Path = CACHE_DIR) -> dict[str, Any]:
    """Processor, target and cache for --json."""
    goal, have = target(), offered()
    return {
        "processor": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "offers": {step: name in have for step, name in LADDER},
            "level": level_of(have),
        },
        "target": {
            "cpu": goal.cpu,
            "features": sorted(goal.features),
            "level": goal.level,
            "forced_by": goal.forced or None,
        },
        "kernels": {
            "folder": str(base),
            "packages": {
                row.package: {
                    "modules": row.modules,
                    "compiled_modules": row.compiled_modules,
                    "kernels": row.kernels,
                    "loaded_modules": row.loaded_modules,
                    "bytes": row.size,
                }
                for row in cached(base)
            },
        },
    }
