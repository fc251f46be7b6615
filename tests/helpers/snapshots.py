"""A snapshot for the live view, as a run would give it."""

from bot4.app.snapshot import Snapshot


def full() -> Snapshot:
    return {
        "mode": "paper",
        "control": "normal",
        "synthetic": True,
        "strategy": "hybrid",
        "venue": "simulator",
        "currency": "USDT",
        "market_ts": 1_717_243_505 * 10**9,
        "speed": 60.0,
        "uptime_s": 3725.0,
        "remaining_s": 912.0,
        "market": [
            {
                "instrument": "BTCUSDT",
                "bid": 63_607.1,
                "ask": 63_607.2,
                "last": 63_607.2,
                "decimals": 1,
                "age_s": 0.042,
                "book": "ok",
            },
            {
                "instrument": "ETHUSDT",
                "bid": 3_402.11,
                "ask": 3_402.29,
                "last": 3_402.2,
                "decimals": 2,
                "age_s": 8.4,
                "book": "stale",
            },
        ],
        "signals": [
            {
                "instrument": "BTCUSDT",
                "votes": [
                    {"source": "trend", "direction": 1, "confidence": 0.72},
                    {"source": "rsi", "direction": 0, "confidence": 0.2},
                    {"source": "bands", "direction": -1, "confidence": 0.35},
                ],
                "model": None,
                "probability": None,
                "score": 0.36,
                "threshold": 0.5,
            },
            {
                "instrument": "ETHUSDT",
                "votes": [
                    {"source": "trend", "direction": -1, "confidence": 0.9},
                    {"source": "rsi", "direction": None, "remark": "warming up"},
                ],
                "model": "forest-3",
                "probability": 0.231,
                "score": -0.61,
                "threshold": 0.5,
            },
        ],
        "positions": [
            {
                "instrument": "BTCUSDT",
                "qty": 0.028,
                "entry": 63_201.4,
                "mark": 63_607.1,
                "decimals": 1,
                "unrealised": 11.36,
                "stop": 62_480.0,
                "target": 64_900.0,
            },
            {
                "instrument": "ETHUSDT",
                "qty": -0.51,
                "entry": 3_390.0,
                "mark": 3_402.2,
                "decimals": 2,
                "unrealised": -6.22,
                "stop": 3_460.0,
                "target": 3_240.0,
            },
        ],
        "account": {
            "equity": 10_013.47,
            "total": 13.47,
            "total_fraction": 0.001347,
            "day": -4.2,
            "realised": 8.33,
            "fees": 3.91,
            "funding": 0.12,
            "drawdown": 0.0042,
        },
        "limits": [
            {"name": "order", "used": 640.0, "limit": 1000.0, "text": "640 of 1,000"},
            {"name": "position", "used": 1_780.0, "limit": 2_500.0, "text": "1,780 of 2,500"},
            {"name": "heat", "used": 0.021, "limit": 0.06, "text": "2.1 % of 6 %"},
            {"name": "drawdown", "used": 0.0042, "limit": 0.2, "text": "0.4 % of 20 %"},
            {"name": "daily loss", "used": 0.0285, "limit": 0.03, "text": "2.9 % of 3 %"},
            {"name": "margin", "used": None, "limit": 0.5, "text": "not known"},
        ],
        "counters": {
            "events": 1_234_567,
            "decisions": 8_120,
            "orders": 37,
            "fills": 35,
            "refused": {
                "edge": 120,
                "heat": 14,
                "max_order": 6,
                "stale_data": 3,
                "daily_loss": 2,
                "price_band": 1,
            },
        },
        "decisions": [
            {
                "ts": (1_717_243_505 - 60 * k) * 10**9,
                "instrument": "BTCUSDT",
                "outcome": o,
                "reason": r,
                "score": 0.36 - 0.1 * k,
            }
            for k, (o, r) in enumerate(
                [
                    ("below_threshold", ""),
                    ("refused", "edge"),
                    ("enter", "signal"),
                    ("hold", ""),
                    ("exit", "opposite"),
                    ("hold", ""),
                ]
            )
        ],
    }
