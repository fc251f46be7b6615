#!/bin/sh
# The test command. Pass 1: everything, with compiled kernels. Pass 2: everything that is not too long for
# plain Python, with the JIT off. Coverage (at least 95 % of lines) is that of pass 2 and of the tests of pass 1 that
# talk to servers and processes, which would take too long in plain Python.
# Two processes share the work, except where tests start servers and trading processes of their own.
# Arguments go to pytest in pass 1; with arguments pass 2 is left out.
set -eu
BIN=${VENV:-.venv}/bin
echo "== compiling the kernels if need be (first time: about two minutes)"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$BIN/bot4" run --for 1s --out "$scratch/journal" --json > "$scratch/run.json"

echo "== pass 1: compiled"
if [ $# -gt 0 ]; then
    exec "$BIN/python" -m pytest "$@"
fi
"$BIN/python" -m pytest -q -n 2 --dist loadfile -m "not slow" tests/architecture tests/unit tests/property
rm -f .coverage
"$BIN/python" -m pytest -q -m "not slow" tests/contract tests/integration tests/acceptance tests/chaos \
    --cov=bot4 --cov-report=

echo "== pass 2: plain Python, coverage"
NUMBA_DISABLE_JIT=1 "$BIN/python" -m pytest -q -n 2 --dist loadfile -m "not slow and not jit" \
    --cov=bot4 --cov-append --cov-report=term:skip-covered --cov-fail-under=95
