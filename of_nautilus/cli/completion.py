"""`of-nautilus completion`: the shell's side of completing on Tab."""

import argparse
import sys

FIGURES = False
EXAMPLES = """\
examples:
  eval "$(of-nautilus completion bash)"                 in ~/.bashrc
  eval "$(of-nautilus completion zsh)"                  in ~/.zshrc, after compinit
  of-nautilus completion fish | source                  in ~/.config/fish/config.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell to print it for")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import argcomplete

    sys.stdout.write(argcomplete.shellcode(["of-nautilus"], shell=args.shell))
    return 0
