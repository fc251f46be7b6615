"""`bot4 keys token new`, `list`, `revoke`: the tokens of the control API."""

from __future__ import annotations

import time
from typing import Any

from bot4.app.api import tokens
from bot4.app.config import key_dir
from bot4.model.times import instant_text


def new(*, role: str, name: str | None, as_json: bool) -> dict[str, Any] | None:
    """Draw a token and print it, once."""
    path = tokens.token_file(key_dir())
    named = role if name is None else name
    text = tokens.new_token(path, named, role, time.time_ns())
    if as_json:
        return {"name": named, "role": role, "token": text, "file": str(path)}
    print(f"{text}\n\nThis is the token {named}; it is not shown again. {path} keeps its hash.")
    return None


def list_(*, as_json: bool) -> dict[str, Any] | None:
    """Names, roles and ages; nothing that opens anything."""
    found = tokens.read_tokens(tokens.token_file(key_dir()))
    if as_json:
        return {"tokens": [{"name": t.name, "role": t.role, "made": instant_text(t.made_ns)} for t in found]}
    for token in found:
        print(f"{token.name}\t{token.role}\t{instant_text(token.made_ns)}")
    if not found:
        print("no tokens; bot4 keys token new stop")
    return None


def revoke(*, name: str, as_json: bool) -> dict[str, Any] | None:
    """Take a token away."""
    tokens.revoke(tokens.token_file(key_dir()), name)
    if as_json:
        return {"revoked": name}
    print(f"{name} is revoked")
    return None
