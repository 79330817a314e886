"""The command line.

A command is a module with `add_arguments(parser)`, which imports nothing heavy, and `run(args)`,
which returns its figures (printed, and written by `--json`) or an exit code. Every command takes
`--json` and `--quiet`, unless its module says `FIGURES = False`.
"""

# Name: one line of help, and the module, which is imported only when the command is named.
COMMANDS: dict[str, tuple[str, str]] = {
    "backtest": ("run Nautilus backtest configs and sum up", "of_nautilus.cli.backtest"),
    "calibrate": (
        "thresholds from a market's past sessions, as a config",
        "of_nautilus.cli.calibrate",
    ),
    "catalog": ("list what a catalog holds", "of_nautilus.cli.catalog"),
    "check": ("is a catalog's data fit: gaps, order, sides, books", "of_nautilus.cli.check"),
    "completion": ("print the script that completes commands on Tab", "of_nautilus.cli.completion"),
    "dashboard": ("what a running node sees, in a browser", "of_nautilus.cli.dashboard"),
    "demo": ("a synthetic market, a backtest over it, a summary", "of_nautilus.cli.demo"),
    "download": ("fetch a venue's public files by day", "of_nautilus.cli.download"),
    "evaluate": (
        "trade the model's forecasts on past data, costs and all",
        "of_nautilus.cli.evaluate",
    ),
    "features": ("write the model's features of a catalog", "of_nautilus.cli.features"),
    "ingest": ("read recorded market data into a catalog", "of_nautilus.cli.ingest"),
    "live": ("run a live node, after a look at what it stands on", "of_nautilus.cli.live"),
    "replay": ("recorded data as it went, in a browser", "of_nautilus.cli.replay"),
    "report": ("one HTML page of a run: charts, trades, figures", "of_nautilus.cli.report"),
    "scan": ("the signals of a run config, straight from the catalog", "of_nautilus.cli.scan"),
    "status": ("where each instrument of a catalog stands", "of_nautilus.cli.status"),
    "study": ("regress price on order flow, beside what was published", "of_nautilus.cli.study"),
    "train": ("train the model of an instrument and judge it", "of_nautilus.cli.train"),
}
