"""The tokens of the control API: drawn by `bot4 keys token new`, kept as hashes only.

A token is 256 bits drawn by the operating system, so that one round of SHA-256 is enough to keep it (there is
nothing to guess through); it is shown once. A token has one role. `read` may look, `stop` may look and stop.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot4.model.errors import ConfigError
from bot4.safety.strength import KNOWN
from bot4.storage.files import write_atomic

FILE = "api-tokens.json"
ROLES: dict[str, frozenset[str]] = {"read": frozenset({"read"}), "stop": frozenset({"read", "stop"})}
"""What the holder of a token of each role may do."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DEFAULTS = frozenset(hashlib.sha256(word.encode()).hexdigest() for word in (*KNOWN, ""))
MADE = "make one with: bot4 keys token new stop"


@dataclass(frozen=True, slots=True)
class Token:
    """One token as it is kept: its name, its role, when it was made (ns UTC), and the hash of its text."""

    name: str
    role: str
    made_ns: int
    sha256: str


def token_file(folder: Path) -> Path:
    """Where the tokens stand, beside the operator's keys."""
    return folder / FILE


def read_tokens(path: Path) -> list[Token]:
    """All tokens; none without a file.

    ConfigError when others than its owner can read or write the file, when it is damaged, or when an entry is
    the hash of a default.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    with os.fdopen(handle, encoding="utf-8") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            raise ConfigError(f"{path} can be read by others (mode {mode:o}); run: chmod 600 {path}")
        try:
            rows = json.load(file)
            found = [_token(row) for row in rows]
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path} is damaged; remove it, and {MADE}") from None
    for token in found:
        if token.sha256 in _DEFAULTS:
            raise ConfigError(
                f"{path}: token {token.name} is a default; bot4 keys token revoke {token.name}, and {MADE}"
            )
    return found


def _token(row: dict[str, Any]) -> Token:
    token = Token(str(row["name"]), str(row["role"]), int(row["made_ns"]), str(row["sha256"]))
    if token.role not in ROLES or not _DIGEST.fullmatch(token.sha256) or not _NAME.fullmatch(token.name):
        raise ValueError(token.name)
    return token


def _write(path: Path, tokens: list[Token]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows = [{"name": t.name, "role": t.role, "made_ns": t.made_ns, "sha256": t.sha256} for t in tokens]
    before = os.umask(0o077)
    try:
        write_atomic(path, json.dumps(rows, indent=1).encode())
    finally:
        os.umask(before)


def new_token(path: Path, name: str, role: str, now_ns: int) -> str:
    """Draw a token and keep its hash; the token. ConfigError for a bad name or role, or a name in use."""
    if role not in ROLES:
        raise ConfigError(f"role {role!r}: choose one of {', '.join(ROLES)}")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--name {name!r}: 1 to 32 letters, digits, dots, dashes, underscores")
    tokens = read_tokens(path)
    if any(token.name == name for token in tokens):
        raise ConfigError(f"--name {name}: there is such a token; revoke it first, or name another")
    text = f"bot4-{role}-{secrets.token_urlsafe(32)}"
    _write(path, [*tokens, Token(name, role, now_ns, digest(text))])
    return text


def revoke(path: Path, name: str) -> None:
    """Take a token away; a running API refuses it from the next request on. ConfigError without it."""
    tokens = read_tokens(path)
    left = [token for token in tokens if token.name != name]
    if len(left) == len(tokens):
        known = ", ".join(token.name for token in tokens) or "none"
        raise ConfigError(f"no token is called {name}; there are: {known}")
    _write(path, left)


def digest(text: str) -> str:
    """What of a token is kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def holder(tokens: list[Token], text: str) -> Token | None:
    """Whose token `text` is; None when it is nobody's. How long it takes does not tell how near it was."""
    asked, found = digest(text), None
    for token in tokens:
        if hmac.compare_digest(token.sha256, asked):
            found = token
    return found
