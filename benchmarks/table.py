"""Write benchmarks/RESULTS.md from benchmarks/results/*.json.

python benchmarks/table.py
"""

from __future__ import annotations

import json
import sys
from typing import Any

from common import HERE, RESULTS

ORDER = (
    "tick_backtest",
    "frames_to_decision",
    "bars_sma",
    "indicators",
    "gate",
    "memory_and_start",
    "soak",
    "safety_cost",
    "exchange",
    "features",
    "feature_matrix",
)
Document = dict[str, Any]


def verdict(reached: bool) -> str:
    """A word for a goal."""
    return "reached" if reached else "**missed**"


def rows_of(document: Document) -> list[str]:
    """The table of contestants."""
    lines = [
        f"| | version | median wall, ms | least wall, ms | median CPU, ms | {document['unit']}s per CPU second |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in document["rows"]:
        lines.append(
            f"| {row['name']} | {row['version']} | {row['wall_ms']:,.1f} | {row['wall_min_ms']:,.1f} | "
            f"{row['cpu_ms']:,.1f} | {row['per_s_cpu']:,} |"
        )
    return lines


def ratios_of(document: Document) -> list[str]:
    """The ratios, with their goals where there are any."""
    goals = document.get("goals", {})
    lines = []
    for name, value in document.get("ratios_cpu", {}).items():
        if value is None:
            continue
        wall = document.get("ratios_wall", {}).get(name)
        goal = goals.get(name)
        text = f"- {name}: **{value:.2f}** by CPU time"
        text += f", {wall:.2f} by wall time" if wall is not None else ""
        lines.append(text + (f"; goal {goal}: {verdict(value >= goal)}" if goal is not None else ""))
    return lines


def tick(document: Document) -> list[str]:
    """Parity in words."""
    p = document["parity"]
    if "hftbacktest" not in p:
        return ["- parity was not checked: hftbacktest is missing"]
    ours = p["bot4"]
    return [
        f"- parity with hftbacktest: feed equal {p['feed_equal']}, all {ours['quotes']:,} quotes equal "
        f"{p['quotes_equal']}, {ours['quote_cancels']:,} cancels {p['cancels_equal']}, {ours['fills']:,} fills "
        f"{p['fills_equal']}, position {ours['position']} BTC {p['position_equal']}, fees {ours['fees']:.6f} "
        f"{p['fees_equal']}",
        f"- bot4 sent {ours['protective_orders']:,} stop and target orders besides (and "
        f"{ours['protective_cancels']:,} cancels of them); they are in its time",
    ]


def frames(document: Document) -> list[str]:
    """Throughput and latency against their goals."""
    row, goals, us = document["rows"][0], document["goals"], document["latency_us"]
    best = round(row["units"] / (row["cpu_min_ms"] / 1e3))
    return [
        f"- frames a CPU second: {row['per_s_cpu']:,} (median), {best:,} (best repeat); goal "
        f"{goals['frames a second']:,}: {verdict(row['per_s_cpu'] >= goals['frames a second'])}",
        f"- latency of a frame, us: p50 {us['p50']}, p90 {us['p90']}, p99 {us['p99']}, p99.9 {us['p99.9']}, max "
        f"{us['max']}; goal p99 < {goals['p99 us']}: {verdict(us['p99'] < goals['p99 us'])} (the clock costs "
        f"{2 * us['clock_reading_ns']:.0f} ns of each)",
        f"- parity: {document['parity']['rows']:,} rows, {document['parity']['different']} different",
    ]


def bars(document: Document) -> list[str]:
    """Trades not shared with the plain reading."""
    return [
        f"- parity, {name}: {p['entries']:,} entries and {p['exits']:,} exits, of which "
        f"{p['entries_not_shared']} and {p['exits_not_shared']} are not those of the plain reading ({p['by_ties']} by exact ties of the means)"
        for name, p in document["parity"].items()
        if isinstance(p, dict) and "entries_not_shared" in p
    ]


def gate(document: Document) -> list[str]:
    """Nanoseconds an order."""
    one, two = document["rows"]
    goals = document["goals"]
    return [
        f"- compiled: **{one['cpu_ns_each']} ns** an order; goal < {goals['gate, compiled, ns']}: "
        f"{verdict(one['cpu_ns_each'] < goals['gate, compiled, ns'])}",
        f"- dispatched, tabled, journalled in memory: **{two['cpu_ns_each']} ns** an order; goal < "
        f"{goals['with journalling, ns']:,}: {verdict(two['cpu_ns_each'] < goals['with journalling, ns'])}",
        f"- one order by one call from Python, journalled and committed in memory: p50 "
        f"{document['from_python_us']['p50']} us, p99 {document['from_python_us']['p99']} us (wall)",
        *checks_of(document),
    ]


def checks_of(document: Document) -> list[str]:
    """All checks of one order asked from Python, where the results hold it."""
    asked, goal = document.get("check_from_python_us"), document["goals"].get("check_from_python_us, p99")
    if asked is None or goal is None:
        return []
    return [
        f"- all checks of one order, asked from Python: p50 {asked['p50']} us, p99 **{asked['p99']} us** over "
        f"{asked['approved']:,} orders (wall); goal p99 < {goal} us: {verdict(asked['p99'] < goal)}"
    ]


def safety(document: Document) -> list[str]:
    """The share of a backtest that safety takes."""
    cpu = document["cpu_min_ms"]
    return [
        f"- {document['events']:,} events, {document['orders']:,} orders and cancels, {document['fills']:,} "
        f"fills: {cpu['with']:,} ms of CPU with every check, {cpu['without']:,} ms with all of them compiled "
        f"out (least of {document['repeats']}): safety takes **{document['share_percent']} %**, "
        f"{document['ns_an_order']} ns an order or cancel; median of the pairs "
        f"{document['share_percent_median_of_pairs']} %",
    ]


def soak(document: Document) -> list[str]:
    """Memory over a compressed market day."""
    s, goals = document["soak"], document["goals"]
    slope = s["slope_mb_an_hour_at_10k_s"]
    return [
        f"- {s['events']:,} events in {s['lives']} lives, {sum(s['modes'].values())} mode changes, "
        f"{s['breaker'].get('open', 0)} openings of a breaker, {s['lives']} kills; {s['orders']:,} orders, "
        f"{s['fills']:,} fills, {len(s['faults'])} faults, {s['cpu_seconds']} s of CPU",
        f"- resident {s['rss_mb']['half']} MB half way, {s['rss_mb']['last']} MB at the end, at most "
        f"{s['rss_mb']['most']} MB; slope **{slope} MB** an hour at 10,000 events a second; goal < "
        f"{goals['slope_mb_an_hour_at_10k_s']}: {verdict(slope < goals['slope_mb_an_hour_at_10k_s'])}",
        f"- files more {s['files_more']}, threads more {s['threads_more']}",
    ]


def memory(document: Document) -> list[str]:
    """Resident memory and starts."""
    m, goals = document["memory"], document["goals"]
    lines = [
        f"- {m['events']:,} events in {m['cpu_seconds']} s of CPU ({m['events_per_cpu_second']:,} a second, "
        f"{m['fills']:,} fills, journal {m['journal_mb']} MB on disk): resident {m['rss_start_mb']} MB after the "
        f"first round, {m['rss_end_mb']} MB at the end, peak {m['rss_peak_mb']} MB, slope "
        f"{m['slope_kb_per_million_events']} kB a million events; goal < {goals['rss_peak_mb']} MB: "
        f"{verdict(m['rss_peak_mb'] < goals['rss_peak_mb'])}"
    ]
    for name, s in document["starts"].items():
        reached = verdict(s["median_s"] < goals[name])
        lines.append(
            f"- `{name}`: {s['median_s']} s (least {s['least_s']}); goal < {goals[name]} s: {reached}"
        )
    return lines


def exchange(document: Document) -> list[str]:
    """Commands a second against the goal, and the time of one."""
    row, p, goal = document["rows"][0], document["parity"], document["goal"]
    r = row["result"]
    return [
        f"- commands a CPU second: **{row['per_s_cpu']:,}** (median); goal {goal['per_s']:,}: "
        f"{verdict(row['per_s_cpu'] >= goal['per_s'])}",
        f"- one command, wall: p50 {r['p50_us']} us, p99 {r['p99_us']} us; {r['placed']:,} orders placed, "
        f"{r['canceled']:,} canceled, {r['late_cancels']:,} cancels too late",
        f"- parity with a plain Python book: {p['compared_fills']:,} fills {p['fills']}, final book {p['book']}; "
        f"wallets add up to the deposits {p['money']}",
    ]


def indicators(document: Document) -> list[str]:
    """Nanoseconds a bar of each."""
    lines = ["| | ns a bar | times bot4 in the plane | left out |", "| --- | ---: | ---: | --- |"]
    for name, row in document["rows"].items():
        if row["ns"] is None:
            lines.append(f"| {name} | - | - | {row['missing']} |")
        else:
            lines.append(f"| {name} | {row['ns']:,.0f} | {row['ratio']:.2f} | {row.get('missing') or ''} |")
    talipp = document["rows"].get("talipp", {}).get("ratio")
    if talipp:
        lines += ["", f"- talipp / bot4: **{talipp:.1f}**; goal 20: {verdict(talipp >= 20)}"]
    lines.append("- parity: every output equals TA-Lib to 1e-9, or nothing is timed")
    return lines


def features(document: Document) -> list[str]:
    """Streaming, batch, start and growth of the declared features."""
    s, b, r = document["streaming"], document["batch"], document["ready"]
    same, handles = s["as_talib"], s["talib_handles"]
    lines = [
        "| | features | ns a bar | called from Python |",
        "| --- | ---: | ---: | ---: |",
        f"| bot4, every bar feature | {s['every']['features']} | {s['every']['ns']:,.0f} "
        f"| {s['every']['from_python_ns']:,.0f} |",
        f"| bot4, those of TA-Lib | {same['features']} | {same['ns']:,.0f} | {same['from_python_ns']:,.0f} |",
        f"| TA-Lib stream handles | {handles['calls']} calls | | {handles['ns']:,.0f} |",
        "",
    ]
    ratio = handles["ns"] / same["from_python_ns"]
    lines.append(f"- TA-Lib handles / bot4, both from Python: **{ratio:.1f}**; goal 5: {verdict(ratio >= 5)}")
    if "ratio" in s["talipp"]:
        ratio = s["talipp"]["ratio_from_python"]
        lines.append(f"- talipp / bot4, both from Python: **{ratio:.0f}**; goal 50: {verdict(ratio >= 50)}")
    hundred = s["as_talib"]["ns"] / s["as_talib"]["features"] / 10.0
    lines.append(f"- a hundred such features: **{hundred:.1f} us** a bar; goal < 3: {verdict(hundred < 3)}")
    ratio = b["bot4_cpu_s"] / b["talib_cpu_s"]
    lines.append(
        f"- batch, {b['bars']:,} bars, one core, bot4 / TA-Lib: **{ratio:.2f}**; goal 1: {verdict(ratio <= 1)}"
    )
    lines.append(
        f"- first compile of all: **{r['cold_cpu_s']:.0f} s** of CPU; goal < 60: {verdict(r['cold_cpu_s'] < 60)}; "
        f"warm start: **{r['warm_cpu_s']:.1f} s**; goal < 1: {verdict(r['warm_cpu_s'] < 1)}"
    )
    lines.append("- growth with instruments and windows: [features.svg](results/features.svg)")
    lines.append("- parity: every output equals TA-Lib to 1e-9, or nothing is timed")
    return lines


def matrix(document: Document) -> list[str]:
    """The wide matrix, in memory and as Parquet."""
    whole, written, parity = document["whole"], document.get("written"), document["parity"]
    lines = [
        f"- polars' CPU time / bot4's: **{document['ratio_cpu']:.2f}** on {parity['columns']} columns that both make",
        f"- {whole['columns']:,} columns over {whole['rows']:,} bars, in memory: **{whole['cpu_s']:.0f} s** of CPU, "
        f"{whole['cpu_ns_a_value']:.0f} ns a value",
    ]
    if written:
        lines.append(f"- as Parquet: **{written['cpu_s']:.0f} s** of CPU, {written['parquet_mb']:,} MB")
    worst = parity["largest_difference_in_deviations"]
    lines.append(f"- parity: at most {worst:.0e} of a column's deviation apart, or nothing is timed")
    return lines


SECTIONS = {
    "feature_matrix": matrix,
    "features": features,
    "tick_backtest": tick,
    "frames_to_decision": frames,
    "bars_sma": bars,
    "indicators": indicators,
    "gate": gate,
    "memory_and_start": memory,
    "soak": soak,
    "safety_cost": safety,
    "exchange": exchange,
}


def section(name: str, document: Document) -> list[str]:
    """One benchmark."""
    lines = [f"## {document['title']}", ""]
    if isinstance(document.get("rows"), list):
        lines += [*rows_of(document), "", *ratios_of(document)]
    lines += [*SECTIONS[name](document), *[f"- missing: {m}" for m in document.get("missing", [])]]
    m = document["machine"]
    lines += ["", f"{m['at']}, load {m['load1']}; `{document['command']}`", ""]
    return lines


def page(documents: dict[str, Document]) -> str:
    """The whole page."""
    m = next(iter(documents.values()))["machine"]
    lines = [
        "# Benchmark results",
        "",
        "Written by `benchmarks/table.py` from `benchmarks/results/`; how each is taken stands in",
        "[README.md](README.md). Ratios above 1: bot4 is that many times as fast.",
        "",
        f"Machine: {m['cpu']}, {m['cores']} cores shared with other work, {m['system']}, Python {m['python']}, "
        f"numba {m['numba']}, numpy {m['numpy']}. Other work disturbs wall times; CPU times less so. The load "
        "average is said with each table.",
        "",
    ]
    for name in ORDER:
        if name in documents:
            lines += section(name, documents[name])
    notes = HERE / "NOTES.md"
    if notes.exists():
        lines += [notes.read_text().rstrip(), ""]
    return "\n".join(lines)


def main() -> int:
    """Write the page."""
    documents = {f.stem: json.loads(f.read_text()) for f in sorted(RESULTS.glob("*.json")) if f.stem in ORDER}
    if not documents:
        print("no results yet: run benchmarks/run_all.sh")
        return 1
    (HERE / "RESULTS.md").write_text(page(documents))
    print(HERE / "RESULTS.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
