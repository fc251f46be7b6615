#!/bin/sh
# Make $VENV with exactly the locked packages, then bot4 itself. Says what it does; safe to repeat.
set -eu
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}

"$PYTHON" - <<'PY' || exit 1
import sys
if not (3, 11) <= sys.version_info[:2] < (3, 14):
    sys.exit(f"bot4 needs Python 3.11, 3.12 or 3.13; {sys.executable} is {sys.version.split()[0]}. "
             "Name another one: make PYTHON=python3.11 ...")
PY

if [ ! -x "$VENV/bin/python" ]; then
    echo "[1/3] making $VENV"
    "$PYTHON" -m venv "$VENV" || {
        echo "the venv module does not work here (on Debian: apt-get install python3-venv)" >&2
        exit 1
    }
fi
echo "[2/3] installing the locked packages (first time: about a minute)"
bar=off
[ -t 2 ] && bar=on
# --no-deps: the lock names every package. Resolving again goes wrong in older pips: a release newer than the
# lock makes them ask for `coverage[toml]` afresh, which hash mode then refuses.
"$VENV/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps --progress-bar $bar \
    -q -r requirements.lock
echo "[3/3] installing bot4"
"$VENV/bin/python" -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
touch "$VENV/.ready"
