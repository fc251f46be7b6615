"""The command line. Commands load what they need when they run, so that `--help` is quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot4 import __version__
from bot4.app.features_cli import features_app
from bot4.app.invoke import invoke
from bot4.app.keys_cli import keys_app
from bot4.model.errors import Bot4Error

EXIT_CODES = """
Exit codes: 0 done | 1 other failure | 2 wrong argument or setting | 3 data cannot be read |
4 surroundings (disk, permission, missing extra) | 5 a strategy failed or looked ahead |
6 journal damaged or replay differs | 7 a safety rule stopped it | 130 interrupted
"""

app = typer.Typer(
    name="bot4",
    help="Trades cryptocurrency on its own: market events in, risk-checked orders out, "
    + "every decision explainable.\n\n"
    + EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Import, list and check market data.", no_args_is_help=True)
config_app = typer.Typer(help="Show the settings.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(config_app, name="config")
app.add_typer(keys_app, name="keys")
alarm_app = typer.Typer(help="The alarm channels.", no_args_is_help=True)
app.add_typer(alarm_app, name="alarm")
audit_app = typer.Typer(help="Verify, sign and export the trail of a run.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")
drill_app = typer.Typer(help="Break things on purpose, and see that nothing is lost.", no_args_is_help=True)
app.add_typer(drill_app, name="drill")
exchange_app = typer.Typer(help="The simulated exchange as a local server.", no_args_is_help=True)
app.add_typer(exchange_app, name="exchange")
app.add_typer(features_app, name="features")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file with settings, or a sealed folder.")
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Override a setting: --set 'risk.max_position=1 %'.")
]
Seed = Annotated[int, typer.Option(help="Seed of everything that is drawn by chance.")]
Model = Annotated[Path | None, typer.Option(help="Folder of a trained model.")]
StrategyName = Annotated[
    str | None, typer.Option("--strategy", help="hybrid, trend_cross, quoter, or FILE.py:Name.")
]
OutDir = Annotated[Path | None, typer.Option("--out", help="Folder of the journal (must be new or empty).")]


@app.command()
def run(
    frames: Annotated[list[Path] | None, typer.Option(help="Recorded frames to paper-trade on.")] = None,
    bars: Annotated[Path | None, typer.Option(help="Bar file to paper-trade on.")] = None,
    venue: Annotated[
        str, typer.Option(help="Venue of the frames or of the endpoint: binance-usdm, binance-spot.")
    ] = "binance-usdm",
    endpoint: Annotated[
        str | None, typer.Option(help="Trade on an exchange served on this machine: http://127.0.0.1:PORT.")
    ] = None,
    symbol: Annotated[
        list[str] | None,
        typer.Option(help="Instrument to trade at the endpoint; may be given several times."),
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over positions that the account holds already.")
    ] = False,
    instrument: Annotated[str, typer.Option(help="Instrument of the bars.")] = "BTC-USDT",
    timeframe: Annotated[str, typer.Option(help="Time frame of the bars.")] = "1m",
    for_: Annotated[
        str | None, typer.Option("--for", help="Stop by itself after this long: 30s, 5m.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="Market seconds a second; 0: as fast as it goes.")
    ] = None,
    strategy: StrategyName = None,
    model: Model = None,
    seed: Seed = 7,
    api: Annotated[
        str | None, typer.Option(help="Serve the control API here, 127.0.0.1:PORT (setting api.listen).")
    ] = None,
    out: OutDir = None,
    config: ConfigFile = None,
    set_: Sets = None,
    as_json: Json = False,
) -> None:
    """Trade: on paper (the synthetic market, recorded data), or at an endpoint (--endpoint)."""
    sets = [*(set_ or []), *([f"api.listen={api}"] if api is not None else [])]
    if endpoint is not None:
        invoke(
            "trade",
            "trade_here",
            as_json,
            venue=venue,
            endpoint=endpoint,
            symbols=symbol or [],
            for_=for_,
            strategy=strategy,
            model=model,
            seed=seed,
            out=out,
            adopt=adopt,
            config=config,
            sets=sets,
        )
        return
    invoke(
        "run",
        "run",
        as_json,
        frames=frames or [],
        bars=bars,
        venue=venue,
        instrument=instrument,
        timeframe=timeframe,
        for_=for_,
        speed=speed,
        strategy=strategy,
        model=model,
        seed=seed,
        out=out,
        config=config,
        sets=sets,
    )


@app.command()
def backtest(
    data: Annotated[Path, typer.Option(help="Data set folder, made by `bot4 data import`.")],
    strategy: StrategyName = None,
    model: Model = None,
    seed: Seed = 7,
    start: Annotated[str | None, typer.Option(help="First instant, ISO-8601 UTC.")] = None,
    end: Annotated[str | None, typer.Option(help="Last instant, ISO-8601 UTC.")] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Also corrupt the future and check that the past does not change."),
    ] = False,
    out: OutDir = None,
    config: ConfigFile = None,
    set_: Sets = None,
    as_json: Json = False,
) -> None:
    """Run a strategy over recorded data, costs included."""
    invoke(
        "backtest",
        "backtest",
        as_json,
        data=data,
        strategy=strategy,
        model=model,
        seed=seed,
        start=start,
        end=end,
        verify=verify,
        out=out,
        config=config,
        sets=set_ or [],
    )


@app.command()
def replay(
    journal: Annotated[Path, typer.Argument(help="Folder of a journal.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every order and decision, and the state.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="The data set, if it has moved.")] = None,
    as_json: Json = False,
) -> None:
    """Fold a journal again; with --verify, say whether every decision came out the same."""
    invoke("replay", "replay", as_json, journal=journal, verify=verify, data=data)


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Data set folder with bars.")],
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    horizon: Annotated[int, typer.Option(help="Bars ahead that the label looks.")] = 15,
    folds: Annotated[int, typer.Option(help="Walk-forward folds.")] = 5,
    max_rows: Annotated[int, typer.Option(help="Most rows used; older data is thinned evenly.")] = 400_000,
    instrument: Annotated[str | None, typer.Option(help="Which instrument, if the data has several.")] = None,
    seed: Seed = 7,
    as_json: Json = False,
) -> None:
    """Train the gradient-boosting half on bars, with purged walk-forward validation."""
    invoke(
        "train",
        "train",
        as_json,
        data=data,
        out=out,
        horizon=horizon,
        folds=folds,
        max_rows=max_rows,
        instrument=instrument,
        seed=seed,
    )


@app.command()
def why(
    journal: Annotated[Path, typer.Argument(help="Folder of a journal.")],
    order: Annotated[int | None, typer.Option(help="Order id.")] = None,
    trade: Annotated[int | None, typer.Option(help="Trade number, as in the report.")] = None,
    at: Annotated[str | None, typer.Option(help="Instant, ISO-8601 UTC.")] = None,
    data: Annotated[Path | None, typer.Option(help="The data set, if it has moved.")] = None,
    as_json: Json = False,
) -> None:
    """Explain an order, a trade, or an instant: inputs, votes, sizes, limits."""
    invoke("why", "why", as_json, journal=journal, order=order, trade=trade, at=at, data=data)


@app.command()
def report(
    journal: Annotated[Path, typer.Argument(help="Folder of a journal.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    as_json: Json = False,
) -> None:
    """Write a self-contained HTML report of a run."""
    invoke("report", "report", as_json, journal=journal, out=out)


@app.command()
def doctor(
    packages: Annotated[
        bool, typer.Option("--packages", help="Also compare installed files with their recorded hashes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check this machine: versions, kernels, processor, disk, clock, extras."""
    invoke("doctor", "doctor", as_json, packages=packages)


Pid = Annotated[
    int | None, typer.Option("--run", help="Process id of the run; needed when several are alive.")
]
Symbols = Annotated[list[str] | None, typer.Option("--symbol", help="Only this instrument.")]
OfStrategy = Annotated[str | None, typer.Option("--strategy", help="Only what this strategy trades.")]
OfVenue = Annotated[str | None, typer.Option("--venue", help="Only what is traded on this venue.")]


@app.command()
def stop(
    symbol: Symbols = None,
    strategy: OfStrategy = None,
    venue: OfVenue = None,
    run: Annotated[int | None, typer.Option("--run", help="Only the run with this process id.")] = None,
    as_json: Json = False,
) -> None:
    """Raise the kill switch of every run on this machine: cancel, flatten, stop; or stop a part of them."""
    if symbol or strategy is not None or venue is not None:
        parts = {"symbols": symbol or [], "strategy": strategy, "venue": venue}
        invoke("partial", "stop", as_json, **parts, run=run)
    else:
        invoke("stop", "stop", as_json, run=run)


@app.command()
def mode(
    mode: Annotated[str, typer.Argument(help="reduce, pause or emergency.")],
    run: Pid = None,
    as_json: Json = False,
) -> None:
    """Make a run more careful: reduce (shrink positions), pause (no new ones), emergency (close all)."""
    invoke("control", "mode", as_json, mode=mode, run=run)


@app.command()
def resume(
    to: Annotated[str, typer.Option(help="Mode to go down to.")] = "normal",
    run: Pid = None,
    for_run: Annotated[
        str | None,
        typer.Option(help="Only print a release, for the run with this name (see its start line)."),
    ] = None,
    release: Annotated[str | None, typer.Option(help="Hand in a release that was made elsewhere.")] = None,
    symbol: Symbols = None,
    strategy: OfStrategy = None,
    venue: OfVenue = None,
    as_json: Json = False,
) -> None:
    """Lower the mode of a run, or let a stopped part trade again; a release is signed with the key."""
    if release is None and (symbol or strategy is not None or venue is not None):
        parts = {"symbols": symbol or [], "strategy": strategy, "venue": venue}
        invoke("partial", "resume", as_json, **parts, run=run, for_run=for_run)
        return
    invoke("control", "resume", as_json, to=to, run=run, for_run=for_run, release=release)


@app.command()
def release(
    account: Annotated[str | None, typer.Option(help="The account; needed when several are marked.")] = None,
    release: Annotated[str | None, typer.Option(help="Use a release that was made elsewhere.")] = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Only print the release; the mark stays.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Allow live runs again on an account that a kill has marked, by a release signed with the key."""
    invoke("release", "release", as_json, account=account, release=release, only_print=only_print)


@app.command()
def guard(
    endpoint: Annotated[str, typer.Option(help="The exchange of the run: http://127.0.0.1:PORT.")],
    run: Annotated[str, typer.Option(help="Process id of the run, or the folder of its journal.")],
    venue: Annotated[str, typer.Option(help="Venue of the run: binance-usdm.")] = "binance-usdm",
    beat: Annotated[str, typer.Option(help="How often the run is expected to beat.")] = "1s",
    missed: Annotated[int, typer.Option(help="So many missed beats are silence.")] = 3,
    within: Annotated[str, typer.Option(help="How long a stopped run may take to flatten.")] = "20s",
    dead_man: Annotated[
        str,
        typer.Option(
            help="Let the venue cancel what rests when the guard itself is silent for this long; 0: no."
        ),
    ] = "60s",
    out: OutDir = None,
    config: ConfigFile = None,
    set_: Sets = None,
    as_json: Json = False,
) -> None:
    """Watch a run from a second process; cancel and close everything when it is silent or does not stop."""
    invoke(
        "guard",
        "guard",
        as_json,
        venue=venue,
        endpoint=endpoint,
        run=run,
        beat=beat,
        missed=missed,
        within=within,
        dead_man=dead_man,
        out=out,
        config=config,
        sets=set_ or [],
    )


JournalDir = Annotated[Path, typer.Argument(help="Folder of a journal.")]


@audit_app.command("verify")
def audit_verify(journal: JournalDir, as_json: Json = False) -> None:
    """Find any edited, missing, swapped or cut-off block; exit code 6 names the first."""
    invoke("audit", "verify", as_json, journal=journal)


@audit_app.command("sign")
def audit_sign(journal: JournalDir, as_json: Json = False) -> None:
    """Verify, then sign the head of the journal with the operator's key."""
    invoke("audit", "sign", as_json, journal=journal)


@audit_app.command("export")
def audit_export(
    journal: JournalDir,
    start: Annotated[str | None, typer.Option(help="First instant, ISO-8601 UTC.")] = None,
    end: Annotated[str | None, typer.Option(help="Instant to end before, ISO-8601 UTC.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; else standard output.")] = None,
    as_json: Json = False,
) -> None:
    """Who did what, when: orders, decisions, modes, kills, operator's words, one JSON line each."""
    invoke("audit", "export", as_json, journal=journal, start=start, end=end, out=out)


@alarm_app.command("test")
def alarm_test(config: ConfigFile = None, set_: Sets = None, as_json: Json = False) -> None:
    """Send a test message through the alarm channels."""
    invoke("alarm", "test", as_json, config=config, sets=set_ or [])


@alarm_app.command("ack")
def alarm_ack(run: Pid = None, as_json: Json = False) -> None:
    """Acknowledge the critical alarms of a run, so that they do not escalate."""
    invoke("control", "acknowledge", as_json, run=run)


@data_app.command("import")
def data_import(
    files: Annotated[list[Path] | None, typer.Argument(help="Frame files (.gz).")] = None,
    out: Annotated[Path, typer.Option(help="Data set folder; several imports may go into one.")] = Path(
        "data"
    ),
    venue: Annotated[
        str | None, typer.Option(help="binance-usdm, binance-spot or bitstamp, for frames.")
    ] = None,
    bars: Annotated[list[Path] | None, typer.Option(help="Bar file: csv, csv.gz or parquet.")] = None,
    funding: Annotated[list[Path] | None, typer.Option(help="Funding-rate file: parquet or csv.")] = None,
    instrument: Annotated[
        str | None, typer.Option(help="Instrument of the bars or funding: BTC-USDT.")
    ] = None,
    timeframe: Annotated[str | None, typer.Option(help="Time frame of the bars: 1m, 1h.")] = None,
    market: Annotated[str, typer.Option(help="Market of the bars: spot or perp.")] = "spot",
    as_json: Json = False,
) -> None:
    """Read recorded frames, bars or funding into a data set."""
    invoke(
        "data",
        "import_",
        as_json,
        files=files or [],
        out=out,
        venue=venue,
        bars=bars or [],
        funding=funding or [],
        instrument=instrument,
        timeframe=timeframe,
        market=market,
    )


@data_app.command("list")
def data_list(
    folder: Annotated[Path, typer.Argument(help="Data set folder.")] = Path("data"), as_json: Json = False
) -> None:
    """Show what a data set holds."""
    invoke("data", "list_", as_json, folder=folder)


@data_app.command("check")
def data_check(
    folder: Annotated[Path, typer.Argument(help="Data set folder.")] = Path("data"), as_json: Json = False
) -> None:
    """Verify hashes, sequence, books and quality of a data set."""
    invoke("data", "check", as_json, folder=folder)


@config_app.command("show")
def config_show(config: ConfigFile = None, set_: Sets = None, as_json: Json = False) -> None:
    """Show every setting, its value, its bounds, and where the value came from."""
    invoke("config", "show", as_json, config=config, sets=set_ or [])


SealedDir = Annotated[Path, typer.Option("--sealed", help="Folder of the sealed configuration.")]


@config_app.command("seal")
def config_seal(
    file: Annotated[Path, typer.Argument(help="TOML file with the settings.")],
    sealed: SealedDir = Path("sealed"),
    as_json: Json = False,
) -> None:
    """Encrypt and sign settings; after the first, a version holds 24 hours after it was made."""
    invoke("config", "seal", as_json, file=file, folder=sealed)


@config_app.command("sealed")
def config_sealed(sealed: SealedDir = Path("sealed"), as_json: Json = False) -> None:
    """Verify a sealed configuration and show its versions; use it with --config FOLDER."""
    invoke("config", "sealed", as_json, folder=sealed)


@app.command()
def show(
    what: Annotated[str, typer.Argument(help="orders, positions, pnl, breakers, kills or checks.")],
    journal: Annotated[
        Path | None, typer.Argument(help="Folder of a run's journal; checks can be shown without.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show orders, positions, profit, breakers or kills of a run, from its journal; or the checks."""
    invoke("show", "show", as_json, what=what, journal=journal)


@drill_app.command("kill")
def drill_kill(
    times: Annotated[int, typer.Option(help="How often to kill.")] = 100,
    seed: Seed = 7,
    out: Annotated[Path | None, typer.Option(help="Keep journal and logs in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Kill a trading process (SIGKILL) again and again; after each restart compare ledger and exchange."""
    invoke("drill", "kill", as_json, times=times, seed=seed, out=out)


@drill_app.command("soak")
def drill_soak(
    for_: Annotated[str, typer.Option("--for", help="How long to trade: 3m, 24h.")] = "3m",
    seed: Seed = 7,
    out: Annotated[Path | None, typer.Option(help="Keep journals, logs and samples in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Trade on a served exchange with faults, mode changes and kills; watch memory, files and threads."""
    invoke("drill", "soak", as_json, for_=for_, seed=seed, out=out)


@exchange_app.command("serve")
def exchange_serve(
    venue: Annotated[str, typer.Option(help="Whose words the server speaks: binance.")] = "binance",
    host: Annotated[str, typer.Option(help="Address to listen on; loopback only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: a free one.")] = 0,
    frames: Annotated[list[Path] | None, typer.Option(help="Recorded frames to serve.")] = None,
    frames_venue: Annotated[
        str, typer.Option(help="Venue of the frames: binance-usdm, binance-spot.")
    ] = "binance-usdm",
    loop: Annotated[bool, typer.Option(help="Begin the recording anew when it is over.")] = True,
    speed: Annotated[float, typer.Option(help="Market seconds a second.")] = 1.0,
    accounts: Annotated[Path | None, typer.Option(help="TOML or JSON file with accounts.")] = None,
    practice: Annotated[bool, typer.Option(help="Unknown keys open a funded practice account.")] = True,
    faults: Annotated[Path | None, typer.Option(help="TOML or JSON file with a fault plan.")] = None,
    weight_limit: Annotated[int | None, typer.Option(help="Request weight a minute.")] = None,
    seed: Seed = 7,
    as_json: Json = False,
) -> None:
    """Serve the simulated exchange on this machine: REST, WebSocket, faults on demand."""
    invoke(
        "exchange",
        "serve",
        as_json,
        venue=venue,
        host=host,
        port=port,
        frames=frames or [],
        frames_venue=frames_venue,
        loop=loop,
        speed=speed,
        accounts=accounts,
        practice=practice,
        faults=faults,
        weight_limit=weight_limit,
        seed=seed,
    )


def _version(value: bool) -> None:
    if value:
        print(f"bot4 {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that come before the command."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors of our own become one clear line and their exit code."""
    argv = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=argv, standalone_mode=True)
    except Bot4Error as error:
        if "--json" in argv:
            said = {"error": str(error), "kind": type(error).__name__, "exit_code": error.exit_code}
            print(json.dumps({**error.document, **said}, indent=2))
        print(f"bot4: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("bot4: interrupted", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if "--json" in argv:
            print(json.dumps({"error": str(error), "kind": type(error).__name__, "exit_code": 4}))
        print(f"bot4: {error}", file=sys.stderr)
        sys.exit(4)


if __name__ == "__main__":
    main()
