"""Whether the installed packages are what their makers released: recorded hashes of files, and names.

Each wheel brings a RECORD with the SHA-256 of its files. A file that differs was changed after the
installation; a package whose name only resembles a known one may have been put there by somebody else.
Malicious packages have been published under names like `ccxt-mexc-futures`.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

NEEDED = (
    "aiohttp",
    "cryptography",
    "llvmlite",
    "msgspec",
    "numba",
    "numpy",
    "polars",
    "rich",
    "scipy",
    "typer",
)
"""Packages that bot4 runs with; the extras beside them are checked when they are there."""

EXTRAS = ("apprise", "ccxt", "gpiozero", "lgpio", "scikit-learn")


class Finding(NamedTuple):
    """Something that a person should look at. `grave`: a file was changed."""

    package: str
    what: str
    grave: bool


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _name(distribution: Distribution) -> str:
    return _plain(distribution.metadata["Name"] or "")


def required(installed: Iterable[Distribution]) -> set[str]:
    """Names that the packages of bot4 themselves ask for, directly or through others."""
    asks = {
        _name(d): [_plain(re.split(r"[^\w.-]", r, maxsplit=1)[0]) for r in d.requires or ()]
        for d in installed
    }
    found: set[str] = set()
    waiting = [*NEEDED, *EXTRAS]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(asks.get(name, ()))
    return found


def changed_files(distribution: Distribution) -> list[str]:
    """Files of a package that differ from its RECORD, or are gone; compiled caches are not looked at."""
    wrong = []
    for file in distribution.files or ():
        if file.hash is None or file.hash.mode != "sha256":
            continue
        try:
            digest = hashlib.sha256(Path(file.locate()).read_bytes()).digest()
        except OSError:
            wrong.append(f"{file} (missing)")
            continue
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            wrong.append(str(file))
    return wrong


def lookalikes(names: Iterable[str], known_names: set[str]) -> list[tuple[str, str]]:
    """Names that resemble a package of bot4 and that none of them asks for: (name, the one it resembles)."""
    found = []
    for name in sorted(set(names) - known_names):
        for known in (*NEEDED, *EXTRAS):
            begins = name.startswith(f"{known}-") or name.endswith(f"-{known}")
            near = difflib.SequenceMatcher(None, name, known).ratio() > 0.88
            if begins or (near and len(known) > 4):
                found.append((name, known))
                break
    return found


def examine(path: Sequence[str] | None = None) -> tuple[int, list[Finding]]:
    """How many packages were checked, and what was found; `path` as of `sys.path`, default the whole."""
    installed = list(distributions(path=list(path)) if path is not None else distributions())
    findings = [
        Finding(name, f"resembles {known}, which it is not: uninstall it unless you put it there", False)
        for name, known in lookalikes((_name(d) for d in installed), required(installed))
    ]
    checked = 0
    for distribution in installed:
        if _name(distribution) in (*NEEDED, *EXTRAS):
            checked += 1
            wrong = changed_files(distribution)
            if wrong:
                some = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
                text = f"changed after installation: {some}; reinstall it from the lock file"
                findings.append(Finding(_name(distribution), text, True))
    return checked, findings
