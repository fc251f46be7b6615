"""Whether a pass phrase or secret is good enough: long, not a well-known default, not one sign repeated.

Tokens that bot4 draws itself need no such judgement; what a person chooses does. Length and a list of known
values are what NIST SP 800-63B (5.1.1.2) asks for; rules about kinds of signs are not, and are not made here.
"""

from __future__ import annotations

import re
from itertools import pairwise

from bot4.model.errors import ConfigError

LEAST_LENGTH = 12
LEAST_SIGNS = 5
MOST_JOINED = 64
"""Longer words are not taken apart into known ones."""
_WORDS = """
    abc abcd abcdef admin administrator bitcoin bot change changeit changeme default demo dragon
    example foobar freqtrade guest hello iloveyou jesse letmein love master monkey mypassphrase
    mypassword mysecret none null pass passphrase password passw passwd pswd qwerty qwertyuiop
    qwertz root sample secret secretkey somethingrandom string supersecret superstrong sunshine test
    testing trade trading trader trustno typed user username welcome yourpassword yoursecret
"""
KNOWN = frozenset(_WORDS.split())
"""Words of manuals and of lists of leaked passwords; a secret made of nothing else is no secret."""


def weakness(secret: str) -> str | None:
    """Why `secret` must not be used; None when nothing is wrong with it. The text never holds the secret."""
    if not secret:
        return "it is empty"
    if len(secret) < LEAST_LENGTH:
        return f"it has fewer than {LEAST_LENGTH} characters"
    if len(set(secret.lower())) < LEAST_SIGNS:
        return f"it has fewer than {LEAST_SIGNS} different characters"
    plain = re.sub(r"(?<=[a-z])0(?=[a-z])", "o", secret.lower().replace("@", "a").replace("$", "s"))
    words = re.findall(r"[a-z]+", plain)
    if not words:
        return None if len(set(secret)) > LEAST_SIGNS and not _runs(secret) else "it is a row of digits"
    if all(_known(word) for word in words):
        return "it is a well-known default"
    return None


def _known(word: str) -> bool:
    """Whether `word` is a known one, or several of them one after another."""
    if word in KNOWN:
        return True
    return len(word) <= MOST_JOINED and any(
        word.startswith(known) and len(known) >= 3 and _known(word[len(known) :])
        for known in KNOWN
        if len(known) < len(word)
    )


def _runs(secret: str) -> bool:
    """Whether `secret` only counts up or down: 123456789012."""
    steps = {(ord(b) - ord(a)) % 10 for a, b in pairwise(secret)}
    return len(steps) == 1


def require_strong(secret: str, what: str) -> None:
    """ConfigError that names `what` and the way out, never the secret."""
    why = weakness(secret)
    if why is not None:
        raise ConfigError(
            f"{what} is refused: {why}; use at least {LEAST_LENGTH} characters that nobody can guess, "
            "for example five words drawn by dice"
        )
