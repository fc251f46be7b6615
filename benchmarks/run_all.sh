#!/bin/sh
# Run every benchmark, then write RESULTS.md. Peers: BOT4_PEER_HFT, BOT4_PEER_NAUTILUS, BOT4_PEER_BARS,
# BOT4_PEER_VBT name their interpreters; talipp is found through BOT4_TALIPP (a site-packages folder).
# PYTHON names ours. A missing peer is reported, not an error.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
for name in tick_backtest frames_to_decision gate safety_cost memory_and_start soak bars_sma exchange recovery \
    stop_latency flag_to_refusal \
    patterns feature_matrix microstructure; do
    echo "== $name" >&2
    "$PYTHON" "benchmarks/$name.py" --save >/dev/null || echo "$name: parity failed or it did not run" >&2
done
echo "== served_venue" >&2
"$PYTHON" benchmarks/served_venue.py --out benchmarks/results/served_venue.json >/dev/null || echo "served_venue: did not run" >&2
echo "== indicators" >&2
PYTHONPATH="${PYTHONPATH:-}${PYTHONPATH:+:}${BOT4_TALIPP:-}" "$PYTHON" benchmarks/indicators.py --save >/dev/null ||
    echo "indicators: parity failed or TA-Lib is missing" >&2
echo "== features" >&2
"$PYTHON" benchmarks/features.py --save >/dev/null || echo "features: parity failed or TA-Lib is missing" >&2
"$PYTHON" benchmarks/table.py
