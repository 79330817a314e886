"""The command line.

A command is a module with `add_arguments(parser)`, which imports nothing heavy, and `run(args)`,
which returns its figures (printed, and written by `--json`) or an exit code.
"""

# Name: one line of help, and the module, which is imported only when the command is named.
COMMANDS: dict[str, tuple[str, str]] = {
    "backtest": ("run Nautilus backtest configs and sum up", "of_nautilus.cli.backtest"),
    "completion": ("print the script that completes commands on Tab", "of_nautilus.cli.completion"),
}
