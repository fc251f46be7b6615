"""hftbacktest's side of benchmarks/tick_backtest.py: the quoting strategy on its L2 exchange model.

Two variants of the book: `hash` (the general one) and `roi` (an array over a stated price range,
its fastest). Feed, latencies, queue model, fees as in the benchmark's text.
"""

import argparse
import contextlib
import io

import numpy as np
from hftbacktest import (
    GTX,
    LIMIT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.data.utils import binancefutures
from numba import njit
from serve import serve, version

STEP = 100_000_000


@njit
def quote(hbt, start, log, out):
    """Look at the quotes at every multiple of STEP from `start` on; one order a side at most.

    log: rows (time, side, tick) of submitted orders, as many as it has room for. out: looks,
    submitted, cancels, position x 1000, and whether log was too small.
    """
    tick_size = hbt.depth(0).tick_size
    bid_id = np.uint64(0)
    ask_id = np.uint64(0)
    n = 0
    next_id = 0
    hbt.elapse(1)
    wait = STEP - hbt.current_timestamp % STEP
    while hbt.elapse(wait) == 0:
        wait = STEP
        hbt.clear_inactive_orders(0)
        if hbt.current_timestamp < start:
            continue
        out[0] += 1
        depth = hbt.depth(0)
        best_bid = depth.best_bid_tick
        best_ask = depth.best_ask_tick
        position = hbt.position(0)
        skew = -np.int64(np.round(position / 0.05))
        orders = hbt.orders(0)
        for side in (1, -1):
            price = min(best_bid, best_bid + skew) if side == 1 else max(best_ask, best_ask + skew)
            own = bid_id if side == 1 else ask_id
            stands = False
            if own > 0 and own in orders:
                order = orders.get(own)
                if order.price_tick == price:
                    stands = True
                elif order.cancellable:
                    hbt.cancel(0, own, False)
                    out[2] += 1
            room = position < 0.2 - 1e-9 if side == 1 else position > -0.2 + 1e-9
            if stands or not room:
                continue
            next_id += 1
            if side == 1:
                bid_id = np.uint64(next_id)
                hbt.submit_buy_order(0, bid_id, price * tick_size, 0.01, GTX, LIMIT, False)
            else:
                ask_id = np.uint64(next_id)
                hbt.submit_sell_order(0, ask_id, price * tick_size, 0.01, GTX, LIMIT, False)
            out[1] += 1
            if n < log.shape[0]:
                log[n, 0] = hbt.current_timestamp
                log[n, 1] = side
                log[n, 2] = price
                n += 1
    out[3] = np.int64(np.round(hbt.position(0) * 1000))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", required=True)
    parser.add_argument("--book", choices=("hash", "roi"), required=True)
    parser.add_argument("--start", type=int, required=True, help="local time of the first look, ns")
    parser.add_argument("--log", help="write submitted orders and the feed of one run to this .npz")
    a = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):
        feed = binancefutures.convert(a.frames, opt="", buffer_size=2_000_000, base_latency=1_000_000)
    kinds = feed["ev"] & 0xFF

    def make():
        asset = (
            BacktestAsset()
            .data([feed])
            .linear_asset(1.0)
            .constant_order_latency(10_000_000, 10_000_000)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(-0.00005, 0.0007)
            .tick_size(0.1)
            .lot_size(0.001)
        )
        if a.book == "hash":
            return HashMapMarketDepthBacktest([asset])
        return ROIVectorMarketDepthBacktest([asset.roi_lb(50_000.0).roi_ub(70_000.0)])

    def run(hbt, log):
        out = np.zeros(8, np.int64)
        quote(hbt, a.start, log, out)
        state = hbt.state_values(0)
        mid = 0.5 * (hbt.depth(0).best_bid + hbt.depth(0).best_ask)
        result = {
            "looks": int(out[0]),
            "orders": int(out[1]),
            "cancels": int(out[2]),
            "fills": int(state.num_trades),
            "position": int(out[3]) / 1000,
            "fees": float(state.fee),
            "pnl": float(state.balance + state.position * mid - state.fee),
        }
        hbt.close()
        return result

    none = np.zeros((0, 3), np.int64)
    if a.log:
        log = np.zeros((100_000, 3), np.int64)
        result = run(make(), log)
        np.savez(a.log, orders=log[: result["orders"]], feed=feed)
    facts = {
        "version": version("hftbacktest"),
        "depth": int(((kinds == 1) | (kinds == 4)).sum()),
        "trades": int((kinds == 2).sum()),
        "rows": len(feed),
    }
    serve(facts, (make, lambda hbt: run(hbt, none)))


main()
