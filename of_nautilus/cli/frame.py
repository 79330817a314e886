"""From words to a command's run: the parser, the one error guard, the exit code."""

import argparse
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

from of_nautilus import __version__
from of_nautilus.cli import COMMANDS
from of_nautilus.cli.figures import add_figure_options, show
from of_nautilus.errors import UserError

PROGRAM = "of-nautilus"
EXAMPLES = """\
examples:
  of-nautilus COMMAND --help                what a command takes
  eval "$(of-nautilus completion bash)"     complete commands on Tab

A command prints its figures as lines of name, value and unit; --json FILE writes the same.
Exit codes: 0 done, 1 a fault of the program or, of check, unfit data, 2 something to mend in the
input, 130 interrupted.
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """A help page with every command on one line, and the epilog as it is written."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            # argparse forgets that it indents commands once more, and breaks the longest's line.
            self._action_max_length += self._indent_increment


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose complaint is one line of ours."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, todo=f"see {self.prog} --help")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that `words` name (the process's own by default); return the exit code."""
    try:
        try:
            return _run(list(sys.argv[1:] if words is None else words))
        finally:
            sys.stdout.flush()
    except UserError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # Whoever read our output has gone; without this the interpreter's last flush complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.filename is None:
            raise
        return _complain(f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


def _complain(text: str) -> int:
    sys.stderr.write(f"error: {' '.join(text.split())}\n")
    return 2


def _run(words: list[str]) -> int:
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(_parser(os.environ.get("COMP_LINE", "").split()[1:]))
    parser = _parser(words)
    args, unknown = parser.parse_known_args(words)
    if unknown:
        place = f"{PROGRAM} {args.command or ''}".strip()
        raise UserError(
            f"{unknown[0]!r} is not an option or argument of {place}", todo=f"see {place} --help"
        )
    if args.command is None:
        parser.print_help()
        return 0
    result: int | dict[str, Any] = _module(args.command).run(args)
    if isinstance(result, int):
        return result
    show(result, args)
    return 0


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the command that `words` name is imported and gets its arguments."""
    parser = _Parser(
        prog=PROGRAM,
        description="Order flow for NautilusTrader, the same in backtest and live.",
        epilog=EXAMPLES,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    named = next((word for word in words if not word.startswith("-")), None)
    for name, (summary, _) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        if name == named:
            module = _module(name)
            module.add_arguments(command)
            if getattr(module, "FIGURES", True):
                add_figure_options(command)
    if named is not None and named not in COMMANDS and "_ARGCOMPLETE" not in os.environ:
        close = get_close_matches(named, COMMANDS, n=1)
        todo = f"did you mean {close[0]!r}?" if close else f"see {PROGRAM} --help"
        raise UserError(f"no command {named!r}", todo=todo)
    return parser


def _module(command: str) -> ModuleType:
    return import_module(COMMANDS[command][1])
