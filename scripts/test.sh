#!/bin/sh
# Two passes over the tests. Arguments go to pytest in the first pass.
#   1  compiled: the whole suite as users run it
#   2  plain: the same code without compilation, under coverage; tests marked jit or slow are left out
set -eu
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
    if [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; else PYTHON=python3; fi
fi
start=$(date +%s)

echo "== tests, pass 1 of 2: compiled kernels, whole suite (a first run compiles for a few minutes)"
"$PYTHON" -m pytest -q -m "not slow" "$@"
middle=$(date +%s)
echo "== pass 1 done in $((middle - start)) s"

if [ $# -gt 0 ]; then
    echo "== pass 2 (plain Python, coverage) is left out, because arguments chose the tests"
    exit 0
fi

echo "== tests, pass 2 of 2: plain Python (NUMBA_DISABLE_JIT=1), line coverage of at least 95 %"
NUMBA_DISABLE_JIT=1 "$PYTHON" -m pytest -q --cov=bot4 --cov-report=term:skip-covered \
    --cov-fail-under=95 -m "not jit and not slow"
echo "== pass 2 done in $(($(date +%s) - middle)) s; both passes are green"
